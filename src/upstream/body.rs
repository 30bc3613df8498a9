//! The body of a backend's response, with its bounds on time, and the return of its connection to the pool.

use super::connection::Connection;
use super::echo::EchoBody;
use super::{Lease, Upstream};
use bytes::{Bytes, BytesMut};
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep_until};

/// A response body as it comes from a backend.
#[derive(Debug)]
pub struct Body {
    source: Source,
    connection: Option<Connection>,
    lease: Option<Lease>,
    /// What came after the frames that were last given out together.
    held: Option<Polled>,
    idle: Duration,
    deadline: Instant,
    /// Since when the backend has been silent.
    waiting_since: Option<Instant>,
    /// Made when the backend first is silent: most plain answers are there at once.
    timer: Option<Pin<Box<Sleep>>>,
}

/// Where the bytes come from.
#[derive(Debug)]
pub(super) enum Source {
    Http(Incoming),
    Echo(EchoBody),
}

type Polled = Option<Result<Frame<Bytes>, hyper::Error>>;

/// Frames below this size are given out together if more is there already: an HTTP chunk each would cost more than copying.
const SMALL: usize = 4096;

/// And together they grow to about this size.
const TOGETHER: usize = 4 * SMALL;

/// Why a response body broke off.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The connection broke, or what came was not HTTP.
    #[error("the backend broke off its answer")]
    Broken(#[source] hyper::Error),
    /// The backend was silent for too long.
    #[error("the backend was silent for too long")]
    Idle,
    /// The request took longer than it may in all.
    #[error("the request took too long")]
    Deadline,
}

impl Source {
    pub(super) fn lease(self, connection: Option<Connection>, lease: Lease, idle: Duration, deadline: Instant) -> Body {
        Body {
            source: self,
            connection,
            lease: Some(lease),
            held: None,
            idle,
            deadline,
            waiting_since: None,
            timer: None,
        }
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match self {
            Source::Http(incoming) => Pin::new(incoming).poll_frame(cx),
            Source::Echo(echo) => echo.poll_frame(cx).map(|frame| frame.map(Ok)),
        }
    }
}

impl Body {
    /// The response is over: its connection can serve another.
    fn release(&mut self, cx: &mut Context<'_>) {
        let Some(lease) = self.lease.take() else { return };
        if let Some(connection) = self.connection.take() {
            let upstream: &Upstream = &lease.upstream;
            upstream.pool.put(lease.backend, connection, cx);
        }
    }

    fn poll_source(&mut self, cx: &mut Context<'_>) -> Poll<Polled> {
        if let Some(connection) = &mut self.connection {
            connection.drive(cx);
        }
        self.source.poll_frame(cx)
    }

    /// The next frame, together with those behind it that are there already. Nothing waits for more to come.
    fn poll_together(&mut self, cx: &mut Context<'_>) -> Poll<Polled> {
        if let Some(held) = self.held.take() {
            return Poll::Ready(held);
        }
        let first = match std::task::ready!(self.poll_source(cx)) {
            Some(Ok(frame)) if frame.data_ref().is_some_and(|data| data.len() < SMALL) => frame,
            other => return Poll::Ready(other),
        };
        let mut together: Option<BytesMut> = None;
        while together.as_ref().is_none_or(|data| data.len() < TOGETHER) {
            match self.poll_source(cx) {
                Poll::Pending => break,
                Poll::Ready(Some(Ok(frame))) if frame.is_data() => {
                    let all = together.get_or_insert_with(|| {
                        let mut all = BytesMut::with_capacity(2 * TOGETHER);
                        all.extend_from_slice(first.data_ref().expect("it was looked at above"));
                        all
                    });
                    all.extend_from_slice(frame.data_ref().expect("it was just looked at"));
                }
                Poll::Ready(other) => {
                    self.held = Some(other);
                    break;
                }
            }
        }
        Poll::Ready(Some(Ok(together.map_or(first, |all| Frame::data(all.freeze())))))
    }

    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<BodyError> {
        let now = Instant::now();
        let silent_until = *self.waiting_since.get_or_insert(now) + self.idle;
        let until = silent_until.min(self.deadline);
        // The timer is not moved for every frame: it may go off early, and is then set anew.
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(until)));
        while timer.as_mut().poll(cx).is_ready() {
            if now >= self.deadline {
                return Poll::Ready(BodyError::Deadline);
            }
            if now >= silent_until {
                return Poll::Ready(BodyError::Idle);
            }
            timer.as_mut().reset(until);
        }
        Poll::Pending
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        match this.poll_together(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                this.waiting_since = None;
                // The end is often known with the last frame; nobody may ask again.
                if this.is_end_stream() {
                    this.release(cx);
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(BodyError::Broken(error)))),
            Poll::Ready(None) => {
                this.release(cx);
                Poll::Ready(None)
            }
            Poll::Pending => this.poll_timer(cx).map(|error| Some(Err(error))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.held {
            Some(held) => held.is_none(),
            None => self.source.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Http(incoming) => incoming.size_hint(),
            Source::Echo(echo) => echo.size_hint(),
        }
    }
}

impl Source {
    fn is_end_stream(&self) -> bool {
        match self {
            Source::Http(incoming) => incoming.is_end_stream(),
            Source::Echo(echo) => echo.is_end_stream(),
        }
    }
}
