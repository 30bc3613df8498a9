//! What is done with the answer of a backend on its way to the client.
//!
//! A stream that breaks is never made to look complete: between two events an error event is appended, in the middle of one
//! the connection is cut; `[DONE]` is never added.

use super::client::Client;
use super::error::ApiError;
use super::exchange::Exchange;
use super::{Dispatch, REQUEST_ID};
use crate::protocol::out::Out;
use crate::protocol::tail::Tail;
use crate::routing::Plan;
use crate::table::Protocol;
use crate::telemetry::metrics::ErrorReason;
use crate::upstream::strip_response;
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header, response};

/// How an answer will be dealt with, as far as that is known with the request.
#[derive(Debug)]
pub struct Answering {
    pub(super) client: Client,
    pub(super) backend: Protocol,
    pub(super) plan: Plan,
    /// The router asked for the usage of the stream, the client did not.
    pub(super) hides_usage: bool,
    /// The client wants to know how it was routed.
    pub(super) debug: bool,
}

/// What is done with the body of an answer.
#[derive(Debug)]
pub enum Handling {
    /// It is passed on while it arrives.
    Pass(Passing),
    /// It is needed whole.
    Whole(Whole),
}

impl Answering {
    /// Makes of the head of a backend's answer what the client gets, and tells what is done with its body.
    pub fn head(self, dispatch: &Dispatch, head: &mut response::Parts, exchange: &mut Exchange) -> Handling {
        let status = head.status;
        exchange.answered(status.as_u16());
        if let Some(reason) = status_reason(status) {
            exchange.failed(reason);
        }
        let headers = &mut head.headers;
        strip_response(headers);
        dispatch.labels.set(headers, &self.plan, self.debug);
        headers.entry(REQUEST_ID).or_insert_with(|| exchange.request_id.clone());
        let is_event_stream = status.is_success() && headers.get(header::CONTENT_TYPE).is_some_and(is_event_stream);
        if !is_event_stream {
            return Handling::Pass(Passing::Plain);
        }
        // An error event may have to be added.
        headers.remove(header::CONTENT_LENGTH);
        headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-cache"));
        headers.entry("x-accel-buffering").or_insert(HeaderValue::from_static("no"));
        Handling::Pass(Passing::Stream { tail: Tail::default(), client: self.client })
    }
}

fn is_event_stream(content_type: &HeaderValue) -> bool {
    const EVENT_STREAM: &[u8] = b"text/event-stream";
    content_type.as_bytes().get(..EVENT_STREAM.len()).is_some_and(|start| start.eq_ignore_ascii_case(EVENT_STREAM))
}

/// An answer that can only be dealt with when all of it is there.
#[derive(Debug)]
pub struct Whole {
    answering: Answering,
}

impl Whole {
    /// Makes the client's answer of the backend's.
    pub fn finish(self, head: response::Parts, body: &Bytes, exchange: &mut Exchange) -> Response<Bytes> {
        let _ = (self.answering, exchange);
        Response::from_parts(head, body.clone())
    }
}

/// A body on its way through.
#[derive(Debug)]
pub enum Passing {
    /// Bytes go by, and nobody looks at them.
    Plain,
    /// The events of a stream go by as they are.
    Stream {
        /// How it ends.
        tail: Tail,
        /// Who reads it.
        client: Client,
    },
}

/// How a body ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// As it should.
    Complete,
    /// The client was told of an error in the stream: what was written goes out, and then the body ends.
    Told,
    /// Only cutting the connection tells the client that the answer is incomplete.
    Cut,
}

impl Passing {
    /// Takes bytes of the backend's answer. Returns them where they go by as they are, and else writes to `out`.
    #[inline]
    pub fn push(&mut self, chunk: Bytes, out: &mut Out) -> Option<Bytes> {
        let _ = out;
        if let Passing::Stream { tail, .. } = self {
            tail.push(&chunk);
        }
        Some(chunk)
    }

    /// The backend's body has ended, or broken off.
    pub fn finish(&mut self, broken: Option<&ApiError>, exchange: &mut Exchange, out: &mut Out) -> Ending {
        let Passing::Stream { tail, client } = self else {
            let Some(error) = broken else { return Ending::Complete };
            exchange.failed(error.reason);
            return Ending::Cut;
        };
        if tail.is_done() {
            // Everything that matters has arrived.
            return Ending::Complete;
        }
        let truncated;
        let error = match broken {
            Some(error) => error,
            None => {
                truncated = ApiError::truncated_stream();
                &truncated
            }
        };
        exchange.failed(error.reason);
        if !tail.at_boundary() {
            return Ending::Cut;
        }
        out.write(&error.to_event(*client));
        Ending::Told
    }

    /// Whether this is a stream of events.
    #[must_use]
    pub fn is_event_stream(&self) -> bool {
        !matches!(self, Passing::Plain)
    }
}

/// Why an answer of a backend counts as an error, if it does.
fn status_reason(status: StatusCode) -> Option<ErrorReason> {
    match status.as_u16() {
        400..500 => Some(ErrorReason::Upstream4xx),
        500.. => Some(ErrorReason::Upstream5xx),
        _ => None,
    }
}
