//! Images beside words: both are asked for at once, in the task of the request, so that a client that leaves takes both along.

use super::Ingress;
use super::ask::collect;
use crate::dispatch::{ApiError, Came, Draw, Drawn, Exchange};
use crate::table::{Backend, ModelId};
use crate::upstream::Outbound;
use http::header;
use tokio::time::Instant;

/// Has an image made, and words where they are wanted, and tells what came.
pub(super) async fn draw(
    ingress: &Ingress,
    draw: Draw,
    deadline: Instant,
    exchange: &mut Exchange,
) -> Result<Drawn, ApiError> {
    let Draw { image, words, telling } = draw;
    let until = deadline.min(Instant::now() + image.timeout);
    let outbound = Outbound { headers: image.headers, body: image.body, rewrite: image.rewrite, deadline: until };
    let image = fetch(ingress, image.model, outbound);
    let words = async {
        let ask = words?;
        let outbound = Outbound { headers: ask.headers, body: ask.body, rewrite: ask.rewrite, deadline };
        Some(fetch(ingress, ask.model, outbound).await)
    };
    let (image, words) = tokio::join!(image, words);
    // The model that the request counts for.
    let told = words.as_ref().unwrap_or(&image);
    exchange.tried(told.backend, told.attempts);
    telling.finish(&ingress.dispatch, image.came, words.map(|words| words.came), exchange)
}

/// What became of a request.
struct Fetched {
    backend: &'static Backend,
    attempts: u32,
    came: Result<Came, ApiError>,
}

async fn fetch(ingress: &Ingress, model: ModelId, outbound: Outbound) -> Fetched {
    let outcome = ingress.upstream.send(model, outbound).await;
    let (backend, attempts) = (outcome.backend, outcome.attempts);
    let came = match outcome.answer {
        Ok(response) => {
            let (head, body) = response.into_parts();
            let content_type = head.headers.get(header::CONTENT_TYPE).cloned();
            collect(body).await.map(|body| Came { status: head.status, content_type, body })
        }
        Err(error) => {
            let cause = std::error::Error::source(&error);
            tracing::warn!(backend = backend.name, attempts, %error, cause, "no answer");
            Err(ApiError::from(error))
        }
    };
    Fetched { backend, attempts, came }
}
