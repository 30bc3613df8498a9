//! One turn of a conversation of responses: what it goes on from is fetched before, what came of it is stored behind.
//!
//! It knows what a request and an answer say, and no HTTP.

use super::store::{ChainError, Id, Record, Scope, Store, StoreError, now};
use crate::protocol::out::Out;
use crate::protocol::responses::encode::Encoder;
use crate::protocol::responses::ids::{Place, parse_item_id};
use crate::protocol::responses::list::Items;
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
    store: Store,
    id: Id,
    scope: Option<Scope>,
    previous_response_id: Option<Id>,
    created_at: u64,
    input_items: Bytes,
    turn: Vec<Bytes>,
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
    /// Prepares what a request asks for. The store is asked only for what the request needs of it: a request that is not
    /// stored and goes on from nothing never waits for it. What is fetched has at most `most` bytes.
    pub async fn begin(
        store: &Store,
        request: &Request<'_>,
        caller: Option<Scope>,
        want: Want,
        most: u64,
    ) -> Result<Turn, TurnError> {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let id = Id::random().map_err(TurnError::NoRandom)?;
        let created_at = now();
        let chain = match &request.previous_response_id {
            Some(previous) => chain(store, previous, caller, most).await?,
            None => Vec::new(),
        };
        let is_kept = request.store && want == Want::Response;
        if is_kept && chain.is_empty() {
            // A store that is down is found out before a model has worked for nothing.
            store.get(id).await?;
        }
        let told: usize = chain.iter().map(|record| record.turn.len()).sum();
        let left = most.checked_sub(told).ok_or(TurnError::TooLarge(most))?;
        let items = referenced(store, request, caller, left).await?.ok_or(TurnError::TooLarge(most))?;
        let lookup = |id: &str| items.get(id).cloned();
        let turns: Vec<Bytes> = chain.iter().map(|record| record.turn.clone()).collect();
        let history = History { turns: &turns, items: &lookup };
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
            seal_unsigned: request.seal_unsigned,
        };
        let keep = if is_kept {
            Some(Keep {
                store: store.clone(),
                id,
                scope: caller,
                previous_response_id: chain.last().map(|record| record.id),
                created_at,
                input_items: request.input_items(&context.id, &lookup)?,
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
        let mut response = Out::default();
        encoder.write_response(&mut response);
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
        let Keep { store, id, scope, previous_response_id, created_at, input_items, .. } = self;
        let record = Record {
            id,
            scope,
            previous_response_id,
            created_at,
            expires_at: store.expiry(created_at),
            response: response.into_vec().into(),
            input_items,
            turn: turn.into(),
        };
        async move { store.put(&record).await }
    }
}

/// The responses that a request goes on from, oldest first.
async fn chain(store: &Store, previous: &str, caller: Option<Scope>, most: usize) -> Result<Vec<Record>, TurnError> {
    let missing = |shown: &str| TurnError::NoPrevious(shown.chars().take(100).collect());
    let id: Id = previous.parse().map_err(|_| missing(previous))?;
    let chain = store.chain(id, MAX_TURNS, most).await.map_err(|error| match error {
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
    let mut times: HashMap<String, usize> = HashMap::new();
    for item in request.references()? {
        *times.entry(item).or_default() += 1;
    }
    let mut wanted: HashMap<Id, Vec<(String, Place, usize)>> = HashMap::new();
    for (item, times) in times {
        let Some((response, place)) = parse_item_id(&item) else { continue };
        let Ok(id) = response.parse::<Id>() else { continue };
        wanted.entry(id).or_default().push((item, place, times));
        if wanted.len() > MAX_REFERENCED {
            return Err(TurnError::TooManyReferences(MAX_REFERENCED));
        }
    }
    let mut items = HashMap::new();
    let mut left = most;
    for (id, wanted) in wanted {
        let Some(record) = store.get(id).await?.filter(|record| record.belongs_to(caller)) else { continue };
        let of = Items::read(&record.response, &record.input_items);
        for (item, place, times) in wanted {
            let Some(found) = of.at(place) else { continue };
            let Some(rest) = left.checked_sub(found.len().saturating_mul(times)) else { return Ok(None) };
            left = rest;
            // A slice would keep all of the response.
            items.insert(item, Bytes::copy_from_slice(found));
        }
    }
    Ok(Some(items))
}
