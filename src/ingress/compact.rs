//! What is asked about a conversation of responses beside its next response: a summary that stands for it
//! (`POST /v1/responses/compact`), and how long it is (`POST /v1/responses/input_tokens`).

use super::answer::ResponseBody;
use super::respond::{Heard, To, hear, read, take_in};
use crate::dispatch::{ApiError, Asked, Client, Exchange};
use crate::protocol::responses::{compaction, list};
use crate::responses::turn::{Turn, Want};
use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use tokio::time::Instant;

/// Answers a conversation with its summary.
pub(super) async fn compact(
    to: To<'_>,
    request: Request<Incoming>,
    mut exchange: Box<Exchange>,
) -> Response<ResponseBody> {
    let answer = summarise(to, request, &mut exchange).await;
    finish(to, answer, exchange)
}

/// Answers how many tokens a request has, by estimate. No backend is asked.
pub(super) async fn count(
    to: To<'_>,
    request: Request<Incoming>,
    mut exchange: Box<Exchange>,
) -> Response<ResponseBody> {
    let answer = estimate(to, request, &mut exchange).await;
    finish(to, answer, exchange)
}

fn finish(to: To<'_>, answer: Result<Response<Bytes>, ApiError>, exchange: Box<Exchange>) -> Response<ResponseBody> {
    match answer {
        Ok(response) => super::own(response, exchange),
        Err(error) => to.ingress.refuse(error, Client::Responses, exchange),
    }
}

async fn summarise(
    to: To<'_>,
    request: Request<Incoming>,
    exchange: &mut Exchange,
) -> Result<Response<Bytes>, ApiError> {
    let (head, incoming) = request.into_parts();
    let body = take_in(to, &head.headers, incoming, exchange).await?;
    let deadline = Instant::now() + to.ingress.timeout;
    let mut wanted = read(&body, exchange)?;
    // There is no stream of a summary.
    wanted.stream = false;
    let Turn { chat, context, .. } = Turn::begin(to.store, &wanted, to.caller, Want::Summary, to.most()).await?;
    let (id, created_at) = (context.id.clone(), context.created_at);
    let asked = Asked { context, metadata: wanted.metadata(), warnings: chat.warnings };
    match hear(to, head.headers, chat.body, asked, deadline, exchange).await? {
        Heard::Failed(response) => Ok(response),
        Heard::Passing(..) => Err(ApiError::no_summary()),
        Heard::Told(mut told) => {
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

async fn estimate(
    to: To<'_>,
    request: Request<Incoming>,
    exchange: &mut Exchange,
) -> Result<Response<Bytes>, ApiError> {
    let (head, incoming) = request.into_parts();
    let body = take_in(to, &head.headers, incoming, exchange).await?;
    let mut wanted = read(&body, exchange)?;
    wanted.store = false;
    let turn = Turn::begin(to.store, &wanted, to.caller, Want::Response, to.most()).await?;
    let tokens = to.ingress.dispatch.count_chat(turn.chat.body, exchange)?;
    Ok(super::own_json(list::input_tokens(tokens).into()))
}
