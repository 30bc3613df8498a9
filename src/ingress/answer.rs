//! The body of an answer: the router's own, or a backend's that goes by untouched.
//!
//! A forwarded event stream that breaks is never made to look complete: between two events an error event is appended, in
//! the middle of one the connection is cut; `[DONE]` is never added.

use super::error::ApiError;
use super::exchange::Exchange;
use super::patience::Busy;
use crate::protocol::tail::Tail;
use crate::telemetry::metrics::ErrorReason;
use crate::upstream;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// What hyper sends to the client.
#[derive(Debug)]
pub struct ResponseBody {
    inner: Inner,
    /// The connection is busy until the body is gone.
    _busy: Option<Busy>,
}

#[derive(Debug)]
enum Inner {
    Full { bytes: Bytes, exchange: Option<Box<Exchange>> },
    Relay(Box<Relay>),
}

/// A backend's body on its way through.
#[derive(Debug)]
struct Relay {
    body: upstream::Body,
    /// Set for a successful event stream.
    tail: Option<Tail>,
    exchange: Box<Exchange>,
    ended: bool,
    /// The connection is cut with the next poll.
    cut: bool,
}

/// The connection to the client is cut: nothing else would tell it that the answer is incomplete.
#[derive(Debug, thiserror::Error)]
#[error("the answer is incomplete")]
pub struct Cut;

impl ResponseBody {
    /// The router's own answer.
    pub(super) fn full(bytes: Bytes) -> Self {
        ResponseBody { inner: Inner::Full { bytes, exchange: None }, _busy: None }
    }

    /// A backend's answer, forwarded.
    pub(super) fn relay(body: upstream::Body, is_event_stream: bool, exchange: Box<Exchange>) -> Self {
        let tail = is_event_stream.then(Tail::default);
        let mut relay = Relay { body, tail, exchange, ended: false, cut: false };
        // hyper does not ask an empty body for anything.
        if relay.tail.is_none() && relay.body.is_end_stream() {
            relay.end();
        }
        ResponseBody { inner: Inner::Relay(Box::new(relay)), _busy: None }
    }

    /// Keeps the connection busy until this body is gone.
    pub(super) fn hold(self, busy: Busy) -> Self {
        ResponseBody { _busy: Some(busy), ..self }
    }

    /// Ties the router's own answer to the exchange that ends with it.
    pub(super) fn finish(mut self, ending: Box<Exchange>) -> Self {
        if let Inner::Full { exchange, .. } = &mut self.inner {
            *exchange = Some(ending);
        }
        self
    }
}

impl Relay {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        if std::mem::take(&mut self.cut) {
            return Poll::Ready(Some(Err(Cut)));
        }
        if self.ended {
            return Poll::Ready(None);
        }
        let failure = match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    self.exchange.sent(data.len());
                    self.exchange.came(data, self.tail.is_some());
                    if let Some(tail) = &mut self.tail {
                        tail.push(data);
                    }
                }
                if self.tail.is_none() && self.body.is_end_stream() {
                    self.end();
                }
                return Poll::Ready(Some(Ok(frame)));
            }
            None if self.tail.as_ref().is_none_or(Tail::is_done) => {
                self.end();
                return Poll::Ready(None);
            }
            None => ApiError::truncated_stream(),
            Some(Err(error)) if self.tail.as_ref().is_some_and(Tail::is_done) => {
                // Everything that matters has arrived.
                tracing::debug!(%error, "the backend broke off behind [DONE]");
                self.end();
                return Poll::Ready(None);
            }
            Some(Err(error)) => {
                tracing::warn!(%error, cause = std::error::Error::source(&error), "answer cut off");
                ApiError::from(&error)
            }
        };
        self.exchange.failed(failure.reason);
        self.end();
        match &self.tail {
            Some(tail) if tail.at_boundary() => Poll::Ready(Some(Ok(Frame::data(failure.body().to_event().into())))),
            _ => {
                // hyper drops what it has not written when a body fails; it writes when a body has nothing to give. So
                // the client gets the head, and whatever came in whole, before it is cut off.
                self.cut = true;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }

    fn end(&mut self) {
        self.ended = true;
        self.exchange.complete();
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        match &mut self.inner {
            Inner::Full { bytes, exchange } => {
                let bytes = std::mem::take(bytes);
                if let Some(mut exchange) = exchange.take() {
                    exchange.sent(bytes.len());
                    exchange.complete();
                }
                Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
            }
            Inner::Relay(relay) => relay.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.inner {
            Inner::Full { bytes, .. } => bytes.is_empty(),
            Inner::Relay(relay) => relay.ended && !relay.cut,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.inner {
            Inner::Full { bytes, .. } => SizeHint::with_exact(bytes.len() as u64),
            // An error event may come behind what the backend announced; streams announce nothing anyway.
            Inner::Relay(relay) if relay.tail.is_some() => SizeHint::new(),
            Inner::Relay(relay) => relay.body.size_hint(),
        }
    }
}

/// Why an answer of a backend counts as an error, if it does.
pub(super) fn status_reason(status: http::StatusCode) -> Option<ErrorReason> {
    match status.as_u16() {
        400..500 => Some(ErrorReason::Upstream4xx),
        500.. => Some(ErrorReason::Upstream5xx),
        _ => None,
    }
}
