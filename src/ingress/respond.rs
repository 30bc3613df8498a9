//! The Responses API over HTTP: requests are taken in, backends asked, and answers passed on.

use super::Ingress;
use super::answer::ResponseBody;
use super::ask::{collect, send};
use super::body::receive;
use super::draw::{self, draw};
use crate::dispatch::{ApiError, Client, Drawn, Endpoint, Exchange, Handling, Passing};
use crate::protocol::responses::request::Request as Wanted;
use crate::responding::{Begun, Deed, Responding};
use crate::responses::turn::Keep;
use crate::upstream;
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use hyper::body::Incoming;
use tokio::time::Instant;

/// Who answers.
#[allow(clippy::large_enum_variant, reason = "the large one is what there nearly always is, and is moved once")]
enum Answer {
    /// The router itself, or a backend whose answer is there as a whole.
    Own(Response<Bytes>),
    /// A backend, what is done with what it says, and what is stored of that.
    Backend(Response<upstream::Body>, Passing, Option<Box<Keep>>),
    /// Backends that are asked while the client is told, and what is stored of it.
    Unfolding(Box<draw::Begun>, Option<Box<Keep>>),
}

/// Serves one of the API's endpoints.
pub(super) async fn respond(
    ingress: &Ingress,
    to: Responding<'_>,
    endpoint: Endpoint,
    request: Request<Incoming>,
    mut exchange: Box<Exchange>,
) -> Response<ResponseBody> {
    let answer = match endpoint {
        Endpoint::Respond | Endpoint::Compact | Endpoint::InputTokens => {
            posted(ingress, to, endpoint, request, &mut exchange).await
        }
        _ => to.stored(endpoint, request.uri().path(), request.uri().query()).await.map(Answer::Own),
    };
    told(ingress, answer, exchange)
}

/// Makes the response that a message wants.
pub(super) async fn create(
    ingress: &Ingress,
    to: Responding<'_>,
    deed: Deed,
    headers: HeaderMap,
    wanted: &mut Wanted<'_>,
    mut exchange: Box<Exchange>,
) -> Response<ResponseBody> {
    let deadline = Instant::now() + ingress.timeout;
    let answer = match to.take_up(deed, headers, wanted, &mut exchange).await {
        Ok(begun) => answer(ingress, begun, deadline, &mut exchange).await,
        Err(error) => Err(error),
    };
    told(ingress, answer, exchange)
}

fn told(ingress: &Ingress, answer: Result<Answer, ApiError>, exchange: Box<Exchange>) -> Response<ResponseBody> {
    match answer {
        Ok(Answer::Own(response)) => super::own(response, exchange),
        Ok(Answer::Backend(response, passing, keep)) => {
            response.map(|body| ResponseBody::respond(body, passing, keep, exchange))
        }
        Ok(Answer::Unfolding(begun, keep)) => ResponseBody::unfold(*begun, keep, exchange),
        Err(error) => ingress.refuse(error, Client::Responses, exchange),
    }
}

async fn posted(
    ingress: &Ingress,
    to: Responding<'_>,
    endpoint: Endpoint,
    request: Request<Incoming>,
    exchange: &mut Exchange,
) -> Result<Answer, ApiError> {
    let (head, incoming) = request.into_parts();
    let received = receive(&head.headers, incoming, ingress).await?;
    let deadline = Instant::now() + ingress.timeout;
    let begun = to.begin(endpoint, head.headers, received, exchange).await?;
    answer(ingress, begun, deadline, exchange).await
}

async fn answer(
    ingress: &Ingress,
    begun: Begun,
    deadline: Instant,
    exchange: &mut Exchange,
) -> Result<Answer, ApiError> {
    let (ask, behind) = match begun {
        Begun::Own(response) => return Ok(Answer::Own(response)),
        Begun::Ask(ask, behind) if ask.answering.unfolds() => {
            let begun = draw::begin_all(ingress, ask, deadline, exchange);
            return Ok(Answer::Unfolding(begun, behind.into_keep()));
        }
        Begun::Draw(wanted, behind) if wanted.telling.unfolds() => {
            let begun = draw::begin(ingress, *wanted, deadline, exchange);
            return Ok(Answer::Unfolding(begun, behind.into_keep()));
        }
        Begun::Ask(ask, behind) => (ask, behind),
        Begun::Draw(wanted, behind) => {
            // Rare and large: what is boxed makes no room for itself in every connection.
            return match Box::pin(draw(ingress, *wanted, deadline, exchange)).await? {
                Drawn::Own(failed) => Ok(Answer::Own(failed)),
                Drawn::Told(told) => behind.tell(told).await.map(Answer::Own),
            };
        }
    };
    let (answering, response) = send(ingress, ask, deadline, exchange).await?;
    let (mut head, body) = response.into_parts();
    match answering.head(&ingress.dispatch, &mut head, exchange) {
        Handling::Pass(passing) => Ok(Answer::Backend(Response::from_parts(head, body), passing, behind.into_keep())),
        Handling::Whole(whole) => {
            let body = collect(body).await?;
            behind.whole(*whole, head, &body, exchange).await.map(Answer::Own)
        }
    }
}
