//! Images beside words: both are asked for at once, by the request or the body of its answer, so that a client that leaves takes
//! both along.

use super::Ingress;
use super::ask::collect;
use super::unfold::Fetching;
use crate::dispatch::{ApiError, Ask, Came, Draw, Drawn, Exchange, Made, Picture, Unfolding};
use crate::protocol::out::Out;
use crate::table::{Backend, ModelId};
use crate::upstream::{self, Outbound, Upstream};
use http::{Response, header, response};
use std::rc::Rc;
use tokio::time::Instant;

/// A response that is told while it is made.
pub(super) struct Begun {
    pub(super) head: response::Parts,
    pub(super) unfolding: Unfolding,
    pub(super) fetching: Fetching,
    /// What the client is told before anybody was asked.
    pub(super) out: Out,
}

/// What became of a request.
pub(super) struct Fetched<T> {
    pub(super) backend: &'static Backend,
    pub(super) attempts: u32,
    pub(super) came: T,
}

/// An answer that may be a stream.
pub(super) enum Head {
    Stream(upstream::Body),
    Whole(Result<Came, ApiError>),
}

/// Begins to tell a response that is told while it is made. Nobody was asked yet.
pub(super) fn begin(ingress: &Ingress, draw: Draw, deadline: Instant, exchange: &mut Exchange) -> Box<Begun> {
    let Draw { image, words, telling } = draw;
    let mut out = Out::default();
    let (head, unfolding) = telling.unfold(&ingress.dispatch, exchange, &mut out);
    let image = paint(Rc::clone(&ingress.upstream), image, deadline);
    let words = words.map(|ask| {
        let Ask { model, headers, body, rewrite, .. } = ask;
        let outbound = Outbound { headers, body, rewrite, deadline };
        Box::pin(say(Rc::clone(&ingress.upstream), model, outbound)) as _
    });
    let fetching = Fetching { image: Some(Box::pin(image)), words, deadline };
    Box::new(Begun { head, unfolding, fetching, out })
}

/// The same, of one that a single model makes.
pub(super) fn begin_all(ingress: &Ingress, ask: Ask, deadline: Instant, exchange: &mut Exchange) -> Box<Begun> {
    let Ask { model, headers, body, rewrite, answering } = ask;
    let mut out = Out::default();
    let (head, unfolding) = answering.unfold(&ingress.dispatch, exchange, &mut out);
    let outbound = Outbound { headers, body, rewrite, deadline };
    let words = say(Rc::clone(&ingress.upstream), model, outbound);
    let fetching = Fetching { image: None, words: Some(Box::pin(words)), deadline };
    Box::new(Begun { head, unfolding, fetching, out })
}

/// Has an image made, and words where they are wanted, and tells what came.
pub(super) async fn draw(
    ingress: &Ingress,
    draw: Draw,
    deadline: Instant,
    exchange: &mut Exchange,
) -> Result<Drawn, ApiError> {
    let Draw { image, words, telling } = draw;
    let image = paint(Rc::clone(&ingress.upstream), image, deadline);
    let words = async {
        let ask = words?;
        let outbound = Outbound { headers: ask.headers, body: ask.body, rewrite: ask.rewrite, deadline };
        Some(fetch(&ingress.upstream, ask.model, outbound).await)
    };
    let (image, words) = tokio::join!(image, words);
    // The model that the request counts for.
    let (backend, attempts) =
        words.as_ref().map_or((image.backend, image.attempts), |words| (words.backend, words.attempts));
    exchange.tried(backend, attempts);
    telling.finish(&ingress.dispatch, image.came, words.map(|words| words.came), exchange)
}

/// Has the image made.
async fn paint(upstream: Rc<Upstream>, image: Picture, deadline: Instant) -> Fetched<Made> {
    let Picture { model, headers, body, rewrite, timeout } = image;
    let began = Instant::now();
    let deadline = deadline.min(began + timeout);
    let Fetched { backend, attempts, came } =
        fetch(&upstream, model, Outbound { headers, body, rewrite, deadline }).await;
    Fetched { backend, attempts, came: Made { came, took: began.elapsed() } }
}

/// Asks for words, and tells whether they come one by one.
async fn say(upstream: Rc<Upstream>, model: ModelId, outbound: Outbound) -> Fetched<Head> {
    let Fetched { backend, attempts, came } = send(&upstream, model, outbound).await;
    let came = match came {
        Ok((head, body)) if is_stream(&head) => Head::Stream(body),
        Ok((head, body)) => Head::Whole(whole(&head, body).await),
        Err(error) => Head::Whole(Err(error)),
    };
    Fetched { backend, attempts, came }
}

async fn fetch(upstream: &Rc<Upstream>, model: ModelId, outbound: Outbound) -> Fetched<Result<Came, ApiError>> {
    let Fetched { backend, attempts, came } = send(upstream, model, outbound).await;
    let came = match came {
        Ok((head, body)) => whole(&head, body).await,
        Err(error) => Err(error),
    };
    Fetched { backend, attempts, came }
}

type Sent = Result<(response::Parts, upstream::Body), ApiError>;

async fn send(upstream: &Rc<Upstream>, model: ModelId, outbound: Outbound) -> Fetched<Sent> {
    let outcome = upstream.send(model, outbound).await;
    let (backend, attempts) = (outcome.backend, outcome.attempts);
    let came = outcome.answer.map(Response::into_parts).map_err(|error| {
        let cause = std::error::Error::source(&error);
        tracing::warn!(backend = backend.name, attempts, %error, cause, "no answer");
        ApiError::from(error)
    });
    Fetched { backend, attempts, came }
}

fn is_stream(head: &response::Parts) -> bool {
    let content_type = head.headers.get(header::CONTENT_TYPE);
    head.status.is_success() && content_type.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"))
}

async fn whole(head: &response::Parts, body: upstream::Body) -> Result<Came, ApiError> {
    let content_type = head.headers.get(header::CONTENT_TYPE).cloned();
    collect(body).await.map(|body| Came { status: head.status, content_type, body })
}
