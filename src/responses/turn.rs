//! One turn of a conversation of responses: what it goes on from is fetched before, what came of it is stored behind.
//!
//! It knows what a request and an answer say, and no HTTP.

use super::recent::Recent;
use super::store::{ChainError, Id, Record, Scope, Store, StoreError, now};
use crate::protocol::out::Out;
use crate::protocol::responses::encode::Encoder;
use crate::protocol::responses::ids::parse_item_id;
use crate::protocol::responses::list::item_at;
use crate::protocol::responses::request::Request;
use crate::protocol::responses::resource::{Context, Outcome};
use crate::protocol::responses::to_chat::{History, Translated};
use crate::protocol::view::RequestError;
use bytes::Bytes;
use std::collections::HashMap;

/// A conversation may be this long. The next one can begin with its summary (`/v1/responses/compact`).
const MAX_TURNS: usize = 1000;

/// A request may refer to items of so many responses.
const MAX_REFERENCED: usize = 100;

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
    /// Where its connection remembers it, and what it goes on from.
    recent: Option<(Recent, Vec<Bytes>)>,
    id: Id,
    scope: Option<Scope>,
    previous_response_id: Option<Id>,
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

/// What a turn goes on from.
#[derive(Debug, Default)]
struct Past {
    /// Oldest first.
    turns: Vec<Bytes>,
    last: Option<Id>,
    /// The store has told.
    is_stored: bool,
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
    /// Prepares what a request asks for. The store is asked only for what the request needs of it: a request that is not
    /// stored and goes on from nothing never waits for it.
    pub async fn begin(
        memory: Memory<'_>,
        request: &Request<'_>,
        caller: Option<Scope>,
        want: Want,
    ) -> Result<Turn, TurnError> {
        let Memory { store, recent } = memory;
        let id = Id::random().map_err(TurnError::NoRandom)?;
        let created_at = now();
        let past = match &request.previous_response_id {
            Some(previous) => past(memory, previous, caller).await?,
            None => Past::default(),
        };
        let is_stored = request.store && want == Want::Response;
        let is_kept = is_stored || (recent.is_some() && want == Want::Response);
        if is_stored && !past.is_stored {
            // A store that is down is found out before a model has worked for nothing.
            store.get(id).await?;
        }
        let items = referenced(store, request, caller).await?;
        let lookup = |id: &str| items.get(id).cloned();
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
                recent: recent.map(|recent| (recent.clone(), past.turns)),
                id,
                scope: caller,
                previous_response_id: past.last,
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
        encoder.completed(now());
        let mut turn = self.turn.concat();
        let mut said = Out::default();
        // What broke off is no part of the conversation: the next request may ask for it anew.
        let is_whole = !matches!(encoder.outcome(), Outcome::Failed { .. });
        if is_whole && encoder.write_turn(&mut said) {
            if !turn.is_empty() {
                turn.push(b',');
            }
            turn.extend_from_slice(&said.into_vec());
        }
        let turn: Bytes = turn.into();
        let Keep { store, recent, id, scope, previous_response_id, created_at, input_items, .. } = self;
        let record = store.map(|store| {
            let mut response = Out::default();
            encoder.write_response(&mut response);
            let record = Record {
                id,
                scope,
                previous_response_id,
                created_at,
                expires_at: store.expiry(created_at),
                response: response.into_vec().into(),
                input_items,
                turn: turn.clone(),
            };
            (store, record)
        });
        async move {
            if let Some((store, record)) = record {
                store.put(&record).await?;
            }
            if let (Some((recent, mut turns)), true) = (recent, is_whole) {
                turns.push(turn);
                recent.put(id, turns);
            }
            Ok(())
        }
    }
}

/// What a request goes on from, as the connection remembers it or as it is stored.
async fn past(memory: Memory<'_>, previous: &str, caller: Option<Scope>) -> Result<Past, TurnError> {
    if let (Some(recent), Ok(id)) = (memory.recent, previous.parse::<Id>())
        && let Some(turns) = recent.find(id)
    {
        return match turns.len() > MAX_TURNS {
            true => Err(TurnError::TooLong(MAX_TURNS)),
            false => Ok(Past { turns, last: Some(id), is_stored: false }),
        };
    }
    let chain = chain(memory.store, previous, caller).await?;
    let last = chain.last().map(|record| record.id);
    Ok(Past { turns: chain.into_iter().map(|record| record.turn).collect(), last, is_stored: true })
}

/// The responses that a request goes on from, oldest first.
async fn chain(store: &Store, previous: &str, caller: Option<Scope>) -> Result<Vec<Record>, TurnError> {
    let missing = |shown: &str| TurnError::NoPrevious(shown.chars().take(100).collect());
    let id: Id = previous.parse().map_err(|_| missing(previous))?;
    let chain = store.chain(id, MAX_TURNS).await.map_err(|error| match error {
        ChainError::Missing(id) => missing(&id.to_string()),
        ChainError::TooLong(most) => TurnError::TooLong(most),
        ChainError::Store(error) => TurnError::Store(error),
    })?;
    match chain.last() {
        Some(last) if last.belongs_to(caller) => Ok(chain),
        _ => Err(missing(previous)),
    }
}

/// The items that a request refers to, by their ids, as far as they are there and the caller's.
async fn referenced(
    store: &Store,
    request: &Request<'_>,
    caller: Option<Scope>,
) -> Result<HashMap<String, Bytes>, TurnError> {
    let mut items = HashMap::new();
    let mut records: HashMap<Id, Option<Record>> = HashMap::new();
    for item in request.references()? {
        let Some((response, place)) = parse_item_id(&item) else { continue };
        let Ok(id) = response.parse::<Id>() else { continue };
        if !records.contains_key(&id) {
            if records.len() == MAX_REFERENCED {
                return Err(TurnError::TooManyReferences(MAX_REFERENCED));
            }
            let record = store.get(id).await?.filter(|record| record.belongs_to(caller));
            records.insert(id, record);
        }
        if let Some(Some(record)) = records.get(&id)
            && let Some(found) = item_at(&record.response, &record.input_items, place)
        {
            items.insert(item, found);
        }
    }
    Ok(items)
}
