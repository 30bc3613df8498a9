//! The answer to a call: a body that drives what makes it, so that no task stands beside the one that sends. Dropping it,
//! as when the caller leaves, ends whatever was going on.

use super::decoder::PREFIX;
use super::{CONTENT_TYPE, Code, Status};
use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Response, header};
use http_body::{Body, Frame, SizeHint};
use std::cell::RefCell;
use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// The body of an answer.
pub(in crate::extproc) struct Reply {
    outbox: Rc<Outbox>,
    state: State,
}

/// Where a call puts its messages. One waits until the one before was taken, so that no more than one is ever kept.
#[derive(Debug, Clone)]
pub(in crate::extproc) struct Replies(Rc<Outbox>);

/// The one place between both.
#[derive(Debug, Default)]
struct Outbox {
    frame: RefCell<Option<Bytes>>,
    waiting: RefCell<Option<Waker>>,
}

enum State {
    Running(Pin<Box<dyn Future<Output = Status>>>),
    Ending(Status),
    Over,
}

impl std::fmt::Debug for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reply")
    }
}

// === impl Replies ===

impl Replies {
    /// Sends a message.
    pub(in crate::extproc) async fn send(&self, message: &impl prost::Message) {
        std::future::poll_fn(|cx| {
            if self.0.frame.borrow().is_none() {
                return Poll::Ready(());
            }
            self.0.waiting.replace(Some(cx.waker().clone()));
            Poll::Pending
        })
        .await;
        let length = message.encoded_len();
        let mut frame = BytesMut::with_capacity(PREFIX + length);
        frame.put_u8(0);
        frame.put_u32(u32::try_from(length).expect("a message has less than four gigabytes"));
        message.encode(&mut frame).expect("there is room for as much as the message said");
        self.0.frame.replace(Some(frame.freeze()));
    }
}

impl Outbox {
    fn take(&self) -> Option<Bytes> {
        let frame = self.frame.take()?;
        if let Some(waiting) = self.waiting.take() {
            waiting.wake();
        }
        Some(frame)
    }
}

// === impl Reply ===

impl Reply {
    /// An answer that `call` makes.
    pub(in crate::extproc) fn of<F>(call: impl FnOnce(Replies) -> F) -> Response<Reply>
    where
        F: Future<Output = Status> + 'static,
    {
        let outbox = Rc::new(Outbox::default());
        let state = State::Running(Box::pin(call(Replies(Rc::clone(&outbox)))));
        respond(Reply { outbox, state })
    }

    /// An answer that is nothing but an end.
    pub(in crate::extproc) fn only(status: &Status) -> Response<Reply> {
        let mut response = respond(Reply { outbox: Rc::default(), state: State::Over });
        status.write(response.headers_mut());
        response
    }
}

fn respond(reply: Reply) -> Response<Reply> {
    let mut response = Response::new(reply);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
    response
}

impl Body for Reply {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        loop {
            if let Some(frame) = self.outbox.take() {
                return Poll::Ready(Some(Ok(Frame::data(frame))));
            }
            match &mut self.state {
                State::Running(call) => {
                    // A mistake in one call is that call's: it ends, and is told.
                    let polled = catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(cx)));
                    match polled {
                        Ok(Poll::Ready(status)) => self.state = State::Ending(status),
                        Ok(Poll::Pending) if self.outbox.frame.borrow().is_some() => (),
                        Ok(Poll::Pending) => return Poll::Pending,
                        Err(_) => self.state = State::Ending(Status::new(Code::Internal, "the router has failed")),
                    }
                }
                State::Ending(status) => {
                    let mut trailers = HeaderMap::new();
                    status.write(&mut trailers);
                    self.state = State::Over;
                    return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
                }
                State::Over => return Poll::Ready(None),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.state, State::Over)
    }

    fn size_hint(&self) -> SizeHint {
        if self.is_end_stream() { SizeHint::with_exact(0) } else { SizeHint::default() }
    }
}
