//! One HTTP/1.1 connection to a backend, driven by whoever uses it.
//!
//! The connection has no task of its own: sending a request and reading its response poll it. So a request that is dropped
//! takes its connection along at once, in every phase, and a request costs no hand-over between tasks.

use super::connect::Stream;
use crate::protocol::splice::Chunks;
use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Instant;

/// A connection between two requests, or in the middle of one.
#[derive(Debug)]
pub(super) struct Connection {
    sender: http1::SendRequest<RequestBody>,
    driver: http1::Connection<TokioIo<Stream>, RequestBody>,
    /// The driver has finished and must not be polled again.
    closed: bool,
    /// When the last response ended.
    pub(super) idle_since: Instant,
}

/// A request body: known pieces, sent as they are.
#[derive(Debug)]
pub(super) struct RequestBody {
    chunks: std::vec::IntoIter<Bytes>,
    left: u64,
}

/// Why a request was not answered.
#[derive(Debug)]
pub(super) enum SendError {
    /// The connection was closed before anything was sent: here is the request, for another connection.
    Unsent(Box<Request<RequestBody>>),
    /// It broke later.
    Broken(hyper::Error),
}

impl Connection {
    /// Makes an HTTP connection of a byte stream. Sends nothing yet.
    pub(super) async fn new(stream: Stream) -> hyper::Result<Self> {
        let (sender, driver) = http1::handshake(TokioIo::new(stream)).await?;
        Ok(Connection { sender, driver, closed: false, idle_since: Instant::now() })
    }

    /// Sends a request and waits for the head of its response.
    pub(super) async fn send(&mut self, request: Request<RequestBody>) -> Result<Response<Incoming>, SendError> {
        let mut response = pin!(self.sender.try_send_request(request));
        let (driver, closed) = (&mut self.driver, &mut self.closed);
        let result = poll_fn(|cx| {
            if !*closed {
                *closed = Pin::new(&mut *driver).poll(cx).is_ready();
            }
            response.as_mut().poll(cx)
        });
        result.await.map_err(|mut error| match error.take_message() {
            Some(request) => SendError::Unsent(Box::new(request)),
            None => SendError::Broken(error.into_error()),
        })
    }

    /// Moves bytes while a response body is read.
    pub(super) fn drive(&mut self, cx: &mut Context<'_>) {
        if !self.closed {
            self.closed = Pin::new(&mut self.driver).poll(cx).is_ready();
        }
    }

    /// Whether another request can be sent: the last response has ended and the backend has not closed.
    pub(super) fn is_reusable(&mut self, cx: &mut Context<'_>) -> bool {
        self.drive(cx);
        !self.closed && self.sender.is_ready()
    }
}

// === impl RequestBody ===

impl From<Chunks> for RequestBody {
    fn from(chunks: Chunks) -> Self {
        RequestBody { left: chunks.len() as u64, chunks: chunks.into_inner().into_iter() }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let chunk = self.chunks.next();
        self.left -= chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
        Poll::Ready(chunk.map(|chunk| Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
