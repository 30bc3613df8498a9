//! The body of a backend's response, with its bounds on time, and the return of its connection to the pool.

use super::Lease;
use super::connection::Connection;
use super::echo::EchoBody;
use super::http1;
use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep_until, timeout};

/// For one of so many frames the clock is read.
const FRAMES: u8 = 64;

/// The end of a body that has said everything may come so much later.
const GRACE: Duration = Duration::from_millis(100);

/// A response body as it comes from a backend.
#[derive(Debug)]
pub struct Body {
    source: Source,
    lease: Option<Lease>,
    idle: Duration,
    deadline: Instant,
    /// Since when the backend has been silent.
    waiting_since: Option<Instant>,
    /// Frames that were there at once. A backend that always has more is looked at, too, now and then.
    frames: u8,
    /// Made when the backend first is silent: most plain answers are there at once.
    timer: Option<Pin<Box<Sleep>>>,
}

/// Where the bytes come from.
#[derive(Debug)]
pub(super) enum Source {
    /// A connection that has given out the head of the response.
    Http(Connection),
    Echo(EchoBody),
    /// Nowhere any more: the body has ended or broken off.
    Over,
}

/// Why a response body broke off.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The connection broke, or what came was not HTTP.
    #[error("the backend broke off its answer")]
    Broken(#[source] http1::Error),
    /// The backend was silent for too long.
    #[error("the backend was silent for too long")]
    Idle,
    /// The request took longer than it may in all.
    #[error("the request took too long")]
    Deadline,
}

impl Source {
    pub(super) fn lease(self, lease: Lease, idle: Duration, deadline: Instant) -> Body {
        let mut body =
            Body { source: self, lease: Some(lease), idle, deadline, waiting_since: None, frames: 0, timer: None };
        // Nobody may ask for the frames of a body that has none.
        if body.source.is_end_stream() {
            body.release();
        }
        body
    }

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, http1::Error>>> {
        match self {
            Source::Http(connection) => connection.poll_data(cx),
            Source::Echo(echo) => echo.poll_data(cx).map(|data| data.map(Ok)),
            Source::Over => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Source::Http(connection) => connection.is_end_stream(),
            Source::Echo(echo) => echo.is_end_stream(),
            Source::Over => true,
        }
    }
}

impl Body {
    /// When the whole exchange must be over.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// The response is over: its connection can serve another.
    fn release(&mut self) {
        let source = std::mem::replace(&mut self.source, Source::Over);
        if let (Some(lease), Source::Http(connection)) = (self.lease.take(), source) {
            lease.upstream.pool.put(lease.backend, connection);
        }
    }

    /// Counts a frame. Whether it came too late: the clock is read for few of them.
    fn is_late(&mut self) -> bool {
        self.frames = self.frames.wrapping_add(1);
        self.frames.is_multiple_of(FRAMES) && Instant::now() >= self.deadline
    }

    /// What came was all that matters. What is left of it may still come for a moment, so that the connection can serve another.
    pub fn leave(&mut self, cx: &mut Context<'_>) {
        if self.is_end_stream() {
            return;
        }
        let source = std::mem::replace(&mut self.source, Source::Over);
        let rest = Body { source, lease: self.lease.take(), timer: None, ..*self };
        let mut rest = Box::new(rest);
        // Most often it is there already.
        loop {
            match Pin::new(&mut rest).poll_frame(cx) {
                Poll::Ready(Some(Ok(_))) if !rest.is_end_stream() => {}
                Poll::Ready(_) => return,
                Poll::Pending => break,
            }
        }
        tokio::task::spawn_local(async move {
            let end = async { while let Some(Ok(_)) = poll_fn(|cx| Pin::new(&mut rest).poll_frame(cx)).await {} };
            let _ = timeout(GRACE, end).await;
        });
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
        let error = match this.source.poll_data(cx) {
            Poll::Ready(Some(Ok(_))) if this.is_late() => BodyError::Deadline,
            Poll::Ready(Some(Ok(data))) => {
                this.waiting_since = None;
                // The end is often known with the last frame; nobody may ask again.
                if this.source.is_end_stream() {
                    this.release();
                }
                return Poll::Ready(Some(Ok(Frame::data(data))));
            }
            Poll::Ready(None) => {
                this.release();
                return Poll::Ready(None);
            }
            Poll::Ready(Some(Err(error))) => BodyError::Broken(error),
            Poll::Pending => std::task::ready!(this.poll_timer(cx)),
        };
        // Closes the connection.
        this.source = Source::Over;
        Poll::Ready(Some(Err(error)))
    }

    fn is_end_stream(&self) -> bool {
        self.source.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Http(connection) => connection.remaining().map_or_else(SizeHint::new, SizeHint::with_exact),
            Source::Echo(echo) => echo.size_hint(),
            Source::Over => SizeHint::with_exact(0),
        }
    }
}
