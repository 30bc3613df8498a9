//! The Responses API over HTTP: requests are taken in, backends asked, and answers passed on.

use super::Ingress;
use super::answer::ResponseBody;
use super::ask::{collect, send};
use super::body::receive;
use crate::dispatch::{ApiError, Client, Endpoint, Exchange, Handling, Passing};
use crate::responding::{Begun, Responding};
use crate::responses::turn::Keep;
use crate::upstream;
use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use tokio::time::Instant;

/// Who answers.
#[allow(clippy::large_enum_variant, reason = "the large one is what there nearly always is, and is moved once")]
enum Answer {
    /// The router itself, or a backend whose answer is there as a whole.
    Own(Response<Bytes>),
    /// A backend, what is done with what it says, and what is stored of that.
    Backend(Response<upstream::Body>, Passing, Option<Box<Keep>>),
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
            answer(ingress, to, endpoint, request, &mut exchange).await
        }
        _ => to.stored(endpoint, request.uri().path(), request.uri().query()).await.map(Answer::Own),
    };
    match answer {
        Ok(Answer::Own(response)) => super::own(response, exchange),
        Ok(Answer::Backend(response, passing, keep)) => {
            response.map(|body| ResponseBody::respond(body, passing, keep, exchange))
        }
        Err(error) => ingress.refuse(error, Client::Responses, exchange),
    }
}

async fn answer(
    ingress: &Ingress,
    to: Responding<'_>,
    endpoint: Endpoint,
    request: Request<Incoming>,
    exchange: &mut Exchange,
) -> Result<Answer, ApiError> {
    let (head, incoming) = request.into_parts();
    let received = receive(&head.headers, incoming, ingress).await?;
    let deadline = Instant::now() + ingress.timeout;
    let (ask, behind) = match to.begin(endpoint, head.headers, received, exchange).await? {
        Begun::Own(response) => return Ok(Answer::Own(response)),
        Begun::Ask(ask, behind) => (ask, behind),
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
