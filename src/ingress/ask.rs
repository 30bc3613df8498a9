//! The endpoints that a model answers: a request is taken in, settled, sent, and its answer passed on.

use super::Ingress;
use super::answer::ResponseBody;
use super::body::receive;
use super::draw::draw;
use crate::dispatch::{Answering, ApiError, Ask, Client, Drawn, Exchange, Handling, MAX_WHOLE, Passing, Settled};
use crate::responses::store::now;
use crate::upstream::{self, Outbound};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use tokio::time::Instant;

/// Routes a request and answers it.
pub(super) async fn ask(
    ingress: &Ingress,
    client: Client,
    request: Request<Incoming>,
    mut exchange: Box<Exchange>,
) -> Response<ResponseBody> {
    match answer(ingress, client, request, &mut exchange).await {
        Ok(Answer::Own(response)) => super::own(response, exchange),
        Ok(Answer::Backend(response, passing)) => response.map(|body| ResponseBody::relay(body, passing, exchange)),
        Err(error) => ingress.refuse(error, client, exchange),
    }
}

/// Tells how many tokens a request has.
pub(super) async fn count(
    ingress: &Ingress,
    client: Client,
    request: Request<Incoming>,
    mut exchange: Box<Exchange>,
) -> Response<ResponseBody> {
    let (head, incoming) = request.into_parts();
    let received = receive(&head.headers, incoming, ingress).await.map_err(ApiError::from);
    match received.and_then(|received| ingress.dispatch.count_tokens(&received, &mut exchange)) {
        Ok(response) => super::own(response, exchange),
        Err(error) => ingress.refuse(error, client, exchange),
    }
}

/// Who answers.
#[allow(clippy::large_enum_variant, reason = "the large one is what there nearly always is, and is moved once")]
enum Answer {
    /// The router itself.
    Own(Response<Bytes>),
    /// A backend, and what is done with what it says.
    Backend(Response<upstream::Body>, Passing),
}

async fn answer(
    ingress: &Ingress,
    client: Client,
    request: Request<Incoming>,
    exchange: &mut Exchange,
) -> Result<Answer, ApiError> {
    let (head, incoming) = request.into_parts();
    let received = receive(&head.headers, incoming, ingress).await?;
    let deadline = Instant::now() + ingress.timeout;
    let ask = match ingress.dispatch.settle(client, head.headers, received, exchange)? {
        Settled::Own(response) => return Ok(Answer::Own(response)),
        Settled::Ask(ask) => ask,
        // Rare and large: what is boxed makes no room for itself in every connection.
        Settled::Draw(wanted) => match Box::pin(draw(ingress, *wanted, deadline, exchange)).await? {
            Drawn::Own(response) => return Ok(Answer::Own(response)),
            Drawn::Told(told) => return Ok(Answer::Own(told.finish(now()))),
        },
    };
    let (answering, response) = send(ingress, ask, deadline, exchange).await?;
    let (mut head, body) = response.into_parts();
    match answering.head(&ingress.dispatch, &mut head, exchange) {
        Handling::Pass(passing) => Ok(Answer::Backend(Response::from_parts(head, body), passing)),
        Handling::Whole(whole) => {
            let body = collect(body).await?;
            Ok(Answer::Own(whole.finish(head, &body, exchange)))
        }
    }
}

/// Asks a backend, and tells what is to be done with its answer.
pub(super) async fn send(
    ingress: &Ingress,
    ask: Ask,
    deadline: Instant,
    exchange: &mut Exchange,
) -> Result<(Answering, Response<upstream::Body>), ApiError> {
    let outbound = Outbound { headers: ask.headers, body: ask.body, rewrite: ask.rewrite, deadline };
    let outcome = ingress.upstream.send(ask.model, outbound).await;
    exchange.tried(outcome.backend, outcome.attempts);
    let response = outcome.answer.map_err(|error| {
        let cause = std::error::Error::source(&error);
        tracing::warn!(backend = outcome.backend.name, attempts = outcome.attempts, %error, cause, "no answer");
        ApiError::from(error)
    })?;
    Ok((ask.answering, response))
}

pub(super) async fn collect(body: upstream::Body) -> Result<Bytes, ApiError> {
    match Limited::new(body, MAX_WHOLE).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) => Err(error.downcast_ref().map_or_else(ApiError::answer_too_large, ApiError::from)),
    }
}
