//! The Responses API as both faces serve it: what a request goes on from is fetched, the core is asked, and what came of it is
//! stored before the client is told. Beside that a summary that stands for a conversation (`/v1/responses/compact`), how
//! long it is (`/v1/responses/input_tokens`), and what is stored ([`stored`]).
//!
//! It waits for nothing but the store, and must not know how a face hears of a request nor how a backend is asked.

mod query;
mod stored;

use crate::dispatch::{
    ApiError, Ask, Asked, Dispatch, Draw, Endpoint, Exchange, Received, SettledResponse, Told, Whole, json_response,
};
use crate::protocol::out::Out;
use crate::protocol::responses::encode::Encoder;
use crate::protocol::responses::request::Request as Wanted;
use crate::protocol::responses::{compaction, list};
use crate::responses::recent::Recent;
use crate::responses::store::{Scope, Store, StoreError, now};
use crate::responses::turn::{Keep, Memory, Turn, Want};
use bytes::Bytes;
use http::{HeaderMap, Response, response};

/// Whom a request came to, and who sent it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Responding<'a> {
    pub(crate) dispatch: &'a Dispatch,
    pub(crate) store: &'a Store,
    /// What the connection remembers, where that is any use.
    pub(crate) recent: Option<&'a Recent>,
    pub(crate) caller: Option<Scope>,
}

/// What is done with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deed {
    /// It is answered.
    Answer,
    /// It only becomes something to go on from.
    Prepare,
    /// The conversation is summarised.
    Summarise,
    /// Its tokens are counted.
    Count,
}

/// What becomes of a request.
#[allow(clippy::large_enum_variant, reason = "the large one is what there nearly always is, and is moved once")]
pub(crate) enum Begun {
    /// It is answered by the router itself.
    Own(Response<Bytes>),
    /// A backend is asked.
    Ask(Ask, Behind),
    /// An image is made, and perhaps words beside it.
    Draw(Box<Draw>, Behind),
}

/// What is done when a backend has answered, before the client is told the end.
#[derive(Debug)]
pub(crate) enum Behind {
    /// The response is stored, if it is.
    Store(Option<Box<Keep>>),
    /// The answer is a summary, told with this id and time.
    Summary { id: String, created_at: u64 },
}

impl Responding<'_> {
    /// Begins what is asked for with a body.
    pub(crate) async fn begin(
        self,
        endpoint: Endpoint,
        headers: HeaderMap,
        received: Received,
        exchange: &mut Exchange,
    ) -> Result<Begun, ApiError> {
        exchange.bytes_in = received.body.len() as u64;
        let body = received.body.to_bytes();
        let mut wanted = Wanted::read(&body, self.dispatch.tables.unsupported_tools)?;
        let deed = match endpoint {
            Endpoint::Compact => {
                // There is no stream of a summary.
                wanted.stream = false;
                Deed::Summarise
            }
            Endpoint::InputTokens => {
                wanted.store = false;
                Deed::Count
            }
            _ => Deed::Answer,
        };
        self.take_up(deed, headers, &mut wanted, exchange).await
    }

    /// Begins what is wanted.
    pub(crate) async fn take_up(
        self,
        deed: Deed,
        headers: HeaderMap,
        wanted: &mut Wanted<'_>,
        exchange: &mut Exchange,
    ) -> Result<Begun, ApiError> {
        let Responding { dispatch, store, recent, caller } = self;
        exchange.requested_model = wanted.model.as_deref().unwrap_or_default().trim().to_owned();
        exchange.stream = wanted.stream;
        let want = if deed == Deed::Summarise { Want::Summary } else { Want::Response };
        // What is fetched for a request is as large as one may be that brings it along.
        let most = dispatch.tables.limits.max_body_bytes;
        let Turn { chat, context, keep } = Turn::begin(Memory { store, recent }, wanted, caller, want, most).await?;
        if deed == Deed::Count {
            let tokens = dispatch.count_chat(chat.body, exchange)?;
            return Ok(Begun::Own(json_response(list::input_tokens(tokens).into())));
        }
        let behind = match want {
            Want::Summary => Behind::Summary { id: context.id.clone(), created_at: context.created_at },
            Want::Response => Behind::Store(keep.map(Box::new)),
        };
        let words_only = want == Want::Summary;
        let image = wanted.image.clone().filter(|_| !words_only);
        let asked = Asked { context, metadata: wanted.metadata(), warnings: chat.warnings, image, words_only };
        let settled = match deed {
            Deed::Prepare => SettledResponse::Own(dispatch.acknowledge(chat.body, asked, exchange)?),
            _ => dispatch.settle_response(headers, chat.body, asked, exchange)?,
        };
        match settled {
            SettledResponse::Own(told) => behind.tell(told).await.map(Begun::Own),
            SettledResponse::Ask(ask) => Ok(Begun::Ask(ask, behind)),
            SettledResponse::Draw(draw) => Ok(Begun::Draw(draw, behind)),
        }
    }
}

impl Behind {
    /// Makes the client's answer of a backend's that is there as a whole.
    pub(crate) async fn whole(
        self,
        whole: Whole,
        head: response::Parts,
        body: &Bytes,
        exchange: &mut Exchange,
    ) -> Result<Response<Bytes>, ApiError> {
        match whole.respond(head, body, exchange) {
            Ok(told) => self.tell(told).await,
            Err(failed) => Ok(*failed),
        }
    }

    /// What is stored of an answer that is passed on.
    pub(crate) fn into_keep(self) -> Option<Box<Keep>> {
        match self {
            Behind::Store(keep) => keep,
            Behind::Summary { .. } => None,
        }
    }

    /// Makes the client's answer of what the core has told: it is stored first, if it is.
    pub(crate) async fn tell(self, mut told: Told) -> Result<Response<Bytes>, ApiError> {
        match self {
            Behind::Store(keep) => {
                if let Some(keep) = keep {
                    keep.store(told.encoder()).await.map_err(ApiError::unstored)?;
                }
                Ok(told.finish(now()))
            }
            Behind::Summary { id, created_at } => {
                let encoder = told.encoder();
                let summary = encoder.said();
                if summary.is_empty() {
                    return Err(ApiError::no_summary());
                }
                let body = compaction::compacted(&id, created_at, &summary, &encoder.usage());
                Ok(told.replaced(body))
            }
        }
    }
}

/// Tells the end of a response that was streamed: it is stored, or is lost.
pub(crate) fn end(encoder: &mut Encoder, stored: Result<(), StoreError>, exchange: &mut Exchange, out: &mut Out) {
    if let Err(error) = stored {
        let error = ApiError::from(error);
        exchange.failed(error.reason);
        encoder.lose(&error.to_failure());
    }
    encoder.finish(now(), out);
}
