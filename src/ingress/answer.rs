//! The body of an answer as hyper asks for it: the router's own, or a backend's on its way through.

use super::draw::Begun;
use super::patience::Busy;
use super::unfold::Unfold;
use crate::dispatch::{ApiError, Ending, Exchange, Passing};
use crate::protocol::out::Out;
use crate::responding;
use crate::responses::store::StoreError;
use crate::responses::turn::Keep;
use crate::telemetry::metrics::ErrorReason;
use crate::upstream;
use bytes::Bytes;
use http::Response;
use http_body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::Instant;

/// From so many bytes on, what was written goes out before more is read.
const TOGETHER: usize = 8 * 1024;

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
    Unfold(Box<Unfold>),
}

/// A backend's body on its way through.
#[derive(Debug)]
struct Relay {
    body: upstream::Body,
    passing: Passing,
    /// What was written and has not gone out yet.
    out: Out,
    exchange: Box<Exchange>,
    state: State,
    response: Option<Responding>,
}

/// How far a response is on its way into the store.
enum Responding {
    /// It is being made. What is to be stored when it is over, if it is.
    Made(Option<Box<Keep>>),
    /// It is being stored; the client hears its end then.
    Stored(Pin<Box<dyn Future<Output = Result<(), StoreError>>>>),
}

impl std::fmt::Debug for Responding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Responding::Made(_) => "Made",
            Responding::Stored(_) => "Stored",
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Running,
    /// What was written goes out, and then nothing more.
    Ended,
    /// What was written goes out, and then the connection is cut.
    Cutting,
    /// The connection is cut with the next poll.
    Cut,
}

/// The connection to the client is cut: nothing else would tell it that the answer is incomplete.
#[derive(Debug, thiserror::Error)]
#[error("the answer is incomplete")]
pub struct Cut;

impl ResponseBody {
    /// The router's own answer, and the exchange that ends with it.
    pub(super) fn full(bytes: Bytes, mut exchange: Box<Exchange>) -> Self {
        // hyper does not ask an empty body for anything, nor that of an answer to HEAD.
        if bytes.is_empty() || exchange.is_head() {
            exchange.complete();
        }
        ResponseBody { inner: Inner::Full { bytes, exchange: Some(exchange) }, _busy: None }
    }

    /// A backend's answer.
    pub(super) fn relay(body: upstream::Body, passing: Passing, exchange: Box<Exchange>) -> Self {
        let out = Out::default();
        let mut relay = Relay { body, passing, out, exchange, state: State::Running, response: None };
        // hyper does not ask an empty body for anything.
        if !relay.passing.is_event_stream() && relay.body.is_end_stream() {
            relay.end();
        }
        ResponseBody { inner: Inner::Relay(Box::new(relay)), _busy: None }
    }

    /// A backend's answer told as a response, and what is stored of it before its end is told.
    pub(super) fn respond(
        body: upstream::Body,
        passing: Passing,
        keep: Option<Box<Keep>>,
        exchange: Box<Exchange>,
    ) -> Self {
        let response = Some(Responding::Made(keep));
        let relay = Relay { body, passing, out: Out::default(), exchange, state: State::Running, response };
        ResponseBody { inner: Inner::Relay(Box::new(relay)), _busy: None }
    }

    /// A response that has an image made.
    pub(super) fn unfold(begun: Begun, keep: Option<Box<Keep>>, exchange: Box<Exchange>) -> Response<Self> {
        let (head, unfold) = Unfold::new(begun, keep, exchange);
        Response::from_parts(head, ResponseBody { inner: Inner::Unfold(Box::new(unfold)), _busy: None })
    }

    /// Keeps the connection busy until this body is gone. What the router says itself is to be taken within `timeout`.
    pub(super) fn hold(self, busy: Busy, timeout: Duration) -> Self {
        busy.until(match &self.inner {
            Inner::Full { .. } => Instant::now() + timeout,
            Inner::Relay(relay) => relay.body.deadline(),
            Inner::Unfold(unfold) => unfold.deadline(),
        });
        ResponseBody { _busy: Some(busy), ..self }
    }
}

impl Relay {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let passed = self.poll_passed(cx);
        if passed.is_pending()
            && let Some(bytes) = self.out.take()
        {
            self.exchange.sent(bytes.len());
            if self.is_over() {
                // hyper may not ask again.
                self.exchange.complete();
            }
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        passed
    }

    /// What goes by as it is, and the end. Pending, too, when it is time for what was written. Events that are there at once are
    /// written together: a frame for each would cost more than the event.
    fn poll_passed(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        loop {
            if self.response.is_some() {
                ready!(self.poll_response(cx));
            }
            if self.state == State::Running && self.passing.is_told() {
                // What the client is told does not wait for the end of what carried it.
                self.finish(None);
                self.body.leave(cx);
            }
            if self.out.holds(TOGETHER) || self.state != State::Running && !self.out.is_empty() {
                return Poll::Pending;
            }
            match self.state {
                State::Running => {}
                State::Ended => {
                    self.exchange.complete();
                    return Poll::Ready(None);
                }
                State::Cutting => {
                    // hyper drops what it has not written when a body fails; it writes when a body has nothing to give.
                    // So the client gets the head, and whatever came in whole, before it is cut off.
                    self.exchange.complete();
                    self.state = State::Cut;
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                State::Cut => return Poll::Ready(Some(Err(Cut))),
            }
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => {
                    let Ok(data) = frame.into_data() else { continue };
                    self.exchange.came(&data, self.passing.is_event_stream());
                    if let Some(data) = self.passing.push(data, &mut self.out) {
                        self.exchange.sent(data.len());
                        if !self.passing.is_event_stream() && self.body.is_end_stream() {
                            self.end();
                        }
                        return Poll::Ready(Some(Ok(Frame::data(data))));
                    }
                }
                None => self.finish(None),
                Some(Err(error)) => {
                    tracing::warn!(%error, cause = std::error::Error::source(&error), "answer cut off");
                    self.finish(Some(&ApiError::from(&error)));
                }
            }
        }
    }

    /// Stores the response when it is over, and then tells its end.
    fn poll_response(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(encoder) = self.passing.held() else { return Poll::Ready(()) };
        loop {
            let stored = match &mut self.response {
                None => return Poll::Ready(()),
                Some(Responding::Made(keep)) => match keep.take() {
                    Some(keep) => {
                        self.response = Some(Responding::Stored(Box::pin(keep.store(encoder))));
                        continue;
                    }
                    None => Ok(()),
                },
                Some(Responding::Stored(storing)) => ready!(storing.as_mut().poll(cx)),
            };
            self.response = None;
            responding::end(encoder, stored, &mut self.exchange, &mut self.out);
        }
    }

    fn finish(&mut self, broken: Option<&ApiError>) {
        self.state = match self.passing.finish(broken, &mut self.exchange, &mut self.out) {
            Ending::Complete | Ending::Told => State::Ended,
            Ending::Cut => State::Cutting,
        };
    }

    /// The last byte was handed over.
    fn end(&mut self) {
        self.finish(None);
        self.exchange.complete();
    }

    fn is_over(&self) -> bool {
        self.state == State::Ended && self.out.is_empty() && self.response.is_none()
    }
}

impl Drop for Relay {
    /// The client has left, or is cut off for it does not read.
    fn drop(&mut self) {
        if self.state != State::Running {
            return;
        }
        if Instant::now() >= self.body.deadline() {
            self.exchange.failed(ErrorReason::Timeout);
        }
        let is_told = self.out.is_empty() && self.response.is_none();
        if self.passing.abandon(&mut self.exchange) && is_told {
            self.exchange.complete();
        }
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
            Inner::Unfold(unfold) => unfold.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.inner {
            Inner::Full { bytes, .. } => bytes.is_empty(),
            Inner::Relay(relay) => relay.is_over(),
            Inner::Unfold(unfold) => unfold.is_over(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.inner {
            Inner::Full { bytes, .. } => SizeHint::with_exact(bytes.len() as u64),
            // An error event may come behind what the backend announced; streams announce nothing anyway.
            Inner::Relay(relay) if relay.passing.is_event_stream() => SizeHint::new(),
            Inner::Relay(relay) => relay.body.size_hint(),
            Inner::Unfold(_) => SizeHint::new(),
        }
    }
}
