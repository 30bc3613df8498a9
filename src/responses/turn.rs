//! One turn of a conversation of responses: what it goes on from is fetched before, what came of it is stored behind.
//!
//! It knows what a request and an answer say, and no HTTP.

use super::recent::{Past, Recent};
use super::store::{ChainError, FURTHER, Id, Most, Record, Scope, Store, StoreError, now};
use crate::protocol::out::Out;
use crate::protocol::responses::encode::Encoder;
use crate::protocol::responses::ids::{Place, parse_item_id};
use crate::protocol::responses::later_tools;
use crate::protocol::responses::list::Items;
use crate::protocol::responses::request::Request;
use crate::protocol::responses::resource::{Context, Outcome};
use crate::protocol::responses::to_chat::{History, Translated};
use crate::protocol::view::RequestError;
use bytes::Bytes;
use std::collections::{BTreeMap, HashMap};

/// A conversation may be this long. The next one can begin with its summary (`/v1/responses/compact`).
const MAX_TURNS: usize = 1000;

/// A request may refer to items of so many responses: clients that refer in place of chaining come as far.
const MAX_REFERENCED: usize = MAX_TURNS;

/// Responses that are referred to are fetched so many at a time: they are large, and little is kept of each.
const REFERENCED_AT_ONCE: usize = 16;

/// A request may have so many bytes of stored responses read for it, or twice what it may take of them where that is more:
/// a response tells its instructions and tools again, and its items stand in it twice.
const MIN_READ: usize = 64 << 20;

/// A turn about to begin.
#[derive(Debug)]
pub struct Turn {
    /// The request for a chat completion.
    pub chat: Translated,
    /// What is told of the response.
    pub context: Context,
    /// What is stored of it when it is over, if it is.
    pub keep: Option<Keep>,
}

/// What is asked of a request beside a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// Nothing.
    Response,
    /// A summary of the conversation in its place, which is not stored.
    Summary,
}

/// What is known of a turn that will be stored.
#[derive(Debug)]
pub struct Keep {
    /// Where it is stored for all connections, if it is.
    store: Option<Store>,
    /// Where its connection remembers it, and what it goes on from, with the items of this turn that bring tools.
    recent: Option<(Recent, Past)>,
    id: Id,
    scope: Option<Scope>,
    /// The responses that it goes on from, newest first, as many as are told of.
    before: Vec<Id>,
    created_at: u64,
    input_items: Bytes,
    turn: Vec<Bytes>,
}

/// What is asked for conversations.
#[derive(Debug, Clone, Copy)]
pub struct Memory<'a> {
    /// What all connections share.
    pub store: &'a Store,
    /// What the connection remembers, where that is any use.
    pub recent: Option<&'a Recent>,
}

/// Why a turn cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum TurnError {
    /// The request is wrong.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// What it goes on from is not there, or is somebody else's.
    #[error("Previous response with id '{0}' not found.")]
    NoPrevious(String),
    /// It goes on from too much.
    #[error(
        "the conversation has more than {0} responses: begin a new one with a summary of it (`/v1/responses/compact`)"
    )]
    TooLong(usize),
    /// What it goes on from and refers to is too large for a request.
    #[error(
        "the responses before and the items that are referred to have more than {0} bytes: begin a new conversation with \
         a summary of this one (`/v1/responses/compact`), from an earlier response if need be"
    )]
    TooLarge(usize),
    /// It refers to too much.
    #[error("invalid request body: input refers to items of more than {0} responses")]
    TooManyReferences(usize),
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The system has no random bits for an id.
    #[error("no id can be given: {0}")]
    NoRandom(getrandom::Error),
}

impl Turn {
    /// Prepares what a request asks for, and tells the request of the tools that its conversation has already. The store is asked only for what the request needs of it: a request that is not
    /// stored and goes on from nothing never waits for it. What is fetched has at most `most` bytes.
    pub async fn begin(
        memory: Memory<'_>,
        request: &mut Request<'_>,
        caller: Option<Scope>,
        want: Want,
        most: u64,
    ) -> Result<Turn, TurnError> {
        let Memory { store, recent } = memory;
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let id = Id::random().map_err(TurnError::NoRandom)?;
        let created_at = now();
        let (mut past, store_has_told) = match &request.previous_response_id {
            Some(previous) => past(memory, previous, caller, most).await?,
            None => (Past::default(), false),
        };
        let is_stored = request.store && want == Want::Response;
        let is_kept = is_stored || (recent.is_some() && want == Want::Response);
        if is_stored && !store_has_told {
            // A store that is down is found out before a model has worked for nothing.
            store.get(id).await?;
        }
        let told: usize = past.turns.iter().chain(&past.with_tools).map(Bytes::len).sum();
        let left = most.checked_sub(told).ok_or(TurnError::TooLarge(most))?;
        let items = referenced(store, request, caller, left).await?.ok_or(TurnError::TooLarge(most))?;
        let lookup = |id: &str| items.get(id).cloned();
        let with_tools = request.items_with_tools(&lookup);
        // Of several tools with one name the newest counts.
        with_tools.iter().chain(past.with_tools.iter().rev()).for_each(|item| request.recall_tools(item));
        let history = History { turns: &past.turns, items: &lookup };
        let chat = match want {
            Want::Response => request.to_chat(history)?,
            Want::Summary => request.to_summary(history)?,
        };
        let context = Context {
            id: id.to_string(),
            created_at,
            model: Bytes::new(),
            echo: request.echo(),
            custom_tools: request.custom_tools(),
            spaced_tools: request.spaced_tools(),
            native_tools: request.native_tools(),
            seal_unsigned: request.seal_unsigned,
        };
        let keep = if is_kept {
            Some(Keep {
                store: is_stored.then(|| store.clone()),
                before: past.before.clone(),
                recent: recent.map(|recent| {
                    past.with_tools.extend(with_tools);
                    (recent.clone(), past)
                }),
                id,
                scope: caller,
                created_at,
                input_items: match is_stored {
                    true => request.input_items(&context.id, &lookup)?,
                    false => Bytes::new(),
                },
                turn: chat.turn.clone(),
            })
        } else {
            None
        };
        Ok(Turn { chat, context, keep })
    }
}

impl Keep {
    /// Stores what came of the turn. Once this has answered, whoever may have it gets it, and can go on from it.
    pub fn store(self, encoder: &mut Encoder) -> impl Future<Output = Result<(), StoreError>> + use<> {
        let response = encoder.settle(now());
        let mut turn = self.turn.concat();
        let mut said = Out::default();
        // What broke off is no part of the conversation: the next request may ask for it anew.
        let is_whole = !matches!(encoder.outcome(), Outcome::Failed { .. });
        if is_whole && encoder.write_turn(&mut said) {
            if !turn.is_empty() {
                turn.push(b',');
            }
            turn.extend_from_slice(&said.into_bytes());
        }
        let turn: Bytes = turn.into();
        let Keep { store, recent, id, scope, before, created_at, input_items, .. } = self;
        let record = store.map(|store| {
            let mut before = before.iter().copied();
            let record = Record {
                id,
                scope,
                previous_response_id: before.next(),
                further: before.collect(),
                created_at,
                // From now on it is kept, however long the answer took.
                expires_at: store.expiry(now()),
                response,
                input_items,
                turn: turn.clone(),
            };
            (store, record)
        });
        async move {
            if let Some((store, record)) = record {
                store.put(&record).await?;
            }
            if let (Some((recent, mut past)), true) = (recent, is_whole) {
                past.turns.push(turn);
                recent.put(id, past);
            }
            Ok(())
        }
    }
}

/// What a request goes on from, as the connection remembers it or as it is stored; and whether the store has told.
async fn past(
    memory: Memory<'_>,
    previous: &str,
    caller: Option<Scope>,
    most: usize,
) -> Result<(Past, bool), TurnError> {
    if let (Some(recent), Ok(id)) = (memory.recent, previous.parse::<Id>())
        && let Some(mut past) = recent.find(id)
    {
        if past.turns.len() > MAX_TURNS {
            return Err(TurnError::TooLong(MAX_TURNS));
        }
        past.before.insert(0, id);
        past.before.truncate(1 + FURTHER);
        return Ok((past, false));
    }
    let chain = chain(memory.store, previous, caller, most).await?;
    let before = chain.iter().rev().map(|record| record.id).take(1 + FURTHER).collect();
    let with_tools = chain.iter().flat_map(|record| later_tools::in_stored(&record.input_items)).collect();
    let turns = chain.into_iter().map(|record| match memory.recent {
        // What a connection may remember for long is no slice, which would keep all of the record.
        Some(_) => record.turn.to_vec().into(),
        None => record.turn,
    });
    Ok((Past { turns: turns.collect(), before, with_tools }, true))
}

/// How many bytes are read for a request that takes so many of them at most.
fn readable(most: usize) -> usize {
    most.saturating_mul(2).max(MIN_READ)
}

/// The responses that a request goes on from, oldest first.
async fn chain(store: &Store, previous: &str, caller: Option<Scope>, most: usize) -> Result<Vec<Record>, TurnError> {
    let missing = |shown: &str| TurnError::NoPrevious(shown.chars().take(100).collect());
    let id: Id = previous.parse().map_err(|_| missing(previous))?;
    let most = Most { responses: MAX_TURNS, bytes: most, read: readable(most) };
    let chain = store.chain(id, most).await.map_err(|error| match error {
        ChainError::Missing(id) => missing(&id.to_string()),
        ChainError::TooLong(most) => TurnError::TooLong(most),
        ChainError::TooLarge(most) => TurnError::TooLarge(most),
        ChainError::Store(error) => TurnError::Store(error),
    })?;
    match chain.last() {
        Some(last) if last.belongs_to(caller) => Ok(chain),
        _ => Err(missing(previous)),
    }
}

/// The items that a request refers to, by their ids, as far as they are there and the caller's. `None` where they have more
/// bytes than this, each counted as often as it is referred to.
async fn referenced(
    store: &Store,
    request: &Request<'_>,
    caller: Option<Scope>,
    most: usize,
) -> Result<Option<HashMap<String, Bytes>>, TurnError> {
    let mut times: HashMap<&str, usize> = HashMap::new();
    for item in request.references() {
        *times.entry(item).or_default() += 1;
    }
    let mut wanted: BTreeMap<Id, Vec<(&str, Place, usize)>> = BTreeMap::new();
    for (item, times) in times {
        if let Some((response, place)) = parse_item_id(item)
            && let Ok(id) = response.parse()
        {
            wanted.entry(id).or_default().push((item, place, times));
        }
    }
    if wanted.len() > MAX_REFERENCED {
        return Err(TurnError::TooManyReferences(MAX_REFERENCED));
    }
    let ids: Vec<Id> = wanted.keys().copied().collect();
    let mut found = HashMap::new();
    let (mut left, mut readable) = (most, readable(most));
    for ids in ids.chunks(REFERENCED_AT_ONCE) {
        for record in store.get_all(ids).await?.into_iter().flatten() {
            let Some(rest) = readable.checked_sub(record.size()) else { return Ok(None) };
            readable = rest;
            if !record.belongs_to(caller) {
                continue;
            }
            // Taken apart once, however many of its items are referred to.
            let items = Items::of(&record.response, &record.input_items);
            for (item, place, times) in wanted.get(&record.id).into_iter().flatten() {
                let Some(bytes) = items.at(*place) else { continue };
                let Some(rest) = left.checked_sub(bytes.len().saturating_mul(*times)) else { return Ok(None) };
                left = rest;
                // A slice would keep all of the response.
                found.insert((*item).to_owned(), bytes.to_vec().into());
            }
        }
    }
    Ok(Some(found))
}
