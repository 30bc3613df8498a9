//! Responses over a WebSocket, as Open Responses and OpenAI's WebSocket mode have it: `GET /v1/responses` opens one, each
//! message asks for a response, and its events come back as messages.
//!
//! What is asked is answered by the same code as a request that is posted; this knows connections and their messages only.

mod handshake;
mod lanes;
mod line;
mod session;
mod task;

pub(super) use session::converse;

use super::Ingress;
use super::answer::ResponseBody;
use crate::dispatch::{Client, Exchange};
use crate::responses::store::Scope;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use hyper::body::Incoming;

/// What is known of a connection that becomes a WebSocket. It comes with the answer that says so.
#[derive(Debug, Clone)]
pub(super) struct Opened {
    /// Of the request: what is asked on the connection is asked with these.
    pub(super) headers: HeaderMap,
    pub(super) caller: Option<Scope>,
}

/// Answers the request for a WebSocket.
pub(super) fn open(
    ingress: &Ingress,
    request: &Request<Incoming>,
    caller: Option<Scope>,
    mut exchange: Box<Exchange>,
) -> Response<ResponseBody> {
    let accept = match handshake::accept(request) {
        Ok(accept) => accept,
        Err(error) => return ingress.refuse(error, Client::Responses, exchange),
    };
    let mut headers = request.headers().clone();
    for name in &handshake::HANDSHAKE {
        headers.remove(name);
    }
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    response.headers_mut().insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    response.headers_mut().insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    response.extensions_mut().insert(Opened { headers, caller });
    // There is no body whose end would tell.
    exchange.answered(response.status().as_u16());
    exchange.complete();
    super::own(response, exchange)
}
