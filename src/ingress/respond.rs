//! `POST /v1/responses`: a request becomes one for a chat completion, with everything that it goes on from; the answer is
//! stored before its end is told.

use super::Ingress;
use super::answer::ResponseBody;
use super::ask::{collect, send};
use super::body::receive;
use crate::dispatch::{ApiError, Asked, Client, Exchange, Handling, Passing, SettledResponse, Told};
use crate::protocol::responses::request::Request as Wanted;
use crate::protocol::splice::Chunks;
use crate::responses::store::{Scope, Store, now};
use crate::responses::turn::{Keep, Turn, Want};
use crate::upstream;
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use hyper::body::Incoming;
use tokio::time::Instant;

/// Whom a request came to, and who sent it.
#[derive(Debug, Clone, Copy)]
pub(super) struct To<'a> {
    pub(super) ingress: &'a Ingress,
    pub(super) store: &'a Store,
    pub(super) caller: Option<Scope>,
}

impl To<'_> {
    /// So many bytes may be fetched for a request: as many as one may bring along.
    pub(super) fn most(self) -> u64 {
        self.ingress.tables.limits.max_body_bytes
    }
}

/// Who answers.
#[allow(clippy::large_enum_variant, reason = "the large one is what there nearly always is, and is moved once")]
enum Answer {
    /// The router itself, or a backend whose answer is there as a whole.
    Own(Response<Bytes>),
    /// A backend, what is done with what it says, and what is stored of that.
    Backend(Response<upstream::Body>, Passing, Option<Keep>),
}

/// How a backend answers.
#[allow(clippy::large_enum_variant, reason = "moved once")]
pub(super) enum Heard {
    /// In a stream that is passed on.
    Passing(Response<upstream::Body>, Passing),
    /// At once.
    Told(Told),
    /// With an error.
    Failed(Response<Bytes>),
}

/// Answers a request for a response.
pub(super) async fn respond(
    to: To<'_>,
    request: Request<Incoming>,
    mut exchange: Box<Exchange>,
) -> Response<ResponseBody> {
    match answer(to, request, &mut exchange).await {
        Ok(Answer::Own(response)) => super::own(response, exchange),
        Ok(Answer::Backend(response, passing, keep)) => {
            response.map(|body| ResponseBody::respond(body, passing, keep, exchange))
        }
        Err(error) => to.ingress.refuse(error, Client::Responses, exchange),
    }
}

async fn answer(to: To<'_>, request: Request<Incoming>, exchange: &mut Exchange) -> Result<Answer, ApiError> {
    let (head, incoming) = request.into_parts();
    let body = take_in(to, &head.headers, incoming, exchange).await?;
    let deadline = Instant::now() + to.ingress.timeout;
    let wanted = read(&body, exchange)?;
    let Turn { chat, context, keep } = Turn::begin(to.store, &wanted, to.caller, Want::Response, to.most()).await?;
    let asked = Asked { context, metadata: wanted.metadata(), warnings: chat.warnings };
    match hear(to, head.headers, chat.body, asked, deadline, exchange).await? {
        Heard::Passing(response, passing) => Ok(Answer::Backend(response, passing, keep)),
        Heard::Failed(response) => Ok(Answer::Own(response)),
        Heard::Told(mut told) => {
            if let Some(keep) = keep {
                keep.store(told.encoder()).await?;
            }
            Ok(Answer::Own(told.finish(now())))
        }
    }
}

/// Takes in the body of a request.
pub(super) async fn take_in(
    to: To<'_>,
    headers: &HeaderMap,
    incoming: Incoming,
    exchange: &mut Exchange,
) -> Result<Bytes, ApiError> {
    let received = receive(headers, incoming, &to.ingress.tables.limits).await?;
    exchange.bytes_in = received.body.len() as u64;
    Ok(received.body.to_bytes())
}

/// Reads it, and notes what is told of every request.
pub(super) fn read<'b>(body: &'b Bytes, exchange: &mut Exchange) -> Result<Wanted<'b>, ApiError> {
    let wanted = Wanted::read(body)?;
    exchange.requested_model = wanted.model.as_deref().unwrap_or_default().trim().to_owned();
    exchange.stream = wanted.stream;
    Ok(wanted)
}

/// Has a request answered that was made into one for a chat completion.
pub(super) async fn hear(
    to: To<'_>,
    headers: HeaderMap,
    body: Chunks,
    asked: Asked,
    deadline: Instant,
    exchange: &mut Exchange,
) -> Result<Heard, ApiError> {
    let To { ingress, .. } = to;
    let ask = match ingress.dispatch.settle_response(headers, body, asked, exchange)? {
        SettledResponse::Own(told) => return Ok(Heard::Told(told)),
        SettledResponse::Ask(ask) => ask,
    };
    let (answering, response) = send(ingress, ask, deadline, exchange).await?;
    let (mut head, body) = response.into_parts();
    match answering.head(&ingress.dispatch, &mut head, exchange) {
        Handling::Pass(passing) => Ok(Heard::Passing(Response::from_parts(head, body), passing)),
        Handling::Whole(whole) => {
            let body = collect(body).await?;
            Ok(whole.respond(head, &body, exchange).map_or_else(|failed| Heard::Failed(*failed), Heard::Told))
        }
    }
}
