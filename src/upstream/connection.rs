//! One HTTP/1.1 connection to a backend, driven by whoever uses it.
//!
//! The connection has no task of its own: sending a request and reading its response poll the socket. So a request that is
//! dropped takes its connection along at once, in every phase, and nothing is handed over between tasks.

use super::connect::Stream;
use super::http1::{Decoder, Error, Head, HeadReader, Outgoing};
use crate::protocol::splice::Chunks;
use bytes::{Bytes, BytesMut};
use http::{Request, Response};
use std::future::{Future, poll_fn};
use std::io::{self, ErrorKind, IoSlice};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Instant;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

/// A connection between two requests, or in the middle of one.
#[derive(Debug)]
pub(super) struct Connection {
    stream: Stream,
    /// What was read and not given out yet. Holds no memory between requests.
    read: BytesMut,
    /// How much room a read is given.
    room: usize,
    outgoing: Outgoing,
    /// Written, but perhaps not through TLS yet.
    unflushed: bool,
    /// The rest of the response. Done before the first request.
    decoder: Decoder,
    /// Whether another request may follow this response.
    keep_alive: bool,
    /// A response has come on this connection.
    is_used: bool,
    /// When the last response ended.
    pub(super) idle_since: Instant,
}

/// Why a request was not answered.
#[derive(Debug)]
pub(super) enum SendError {
    /// The connection had served before and was closed before a byte of the request was written.
    Unsent,
    /// It broke later, or what came was no response.
    Broken(Error),
}

/// Room for the first read: an answer of a usual size, head and all.
const MIN_ROOM: usize = 16 * 1024;

/// Where reads keep filling it, the room doubles up to this. Four times as much makes a plain answer of a megabyte 5 % cheaper
/// and a chunked one 3 % dearer, and is held for every client that reads slowly.
const MAX_ROOM: usize = 64 * 1024;

/// The most pieces that one system call writes.
const MAX_SLICES: usize = 64;

impl Connection {
    /// Makes an HTTP connection of a byte stream. Sends nothing yet.
    pub(super) fn new(stream: Stream) -> Self {
        Connection {
            stream,
            read: BytesMut::new(),
            room: MIN_ROOM,
            outgoing: Outgoing::none(),
            unflushed: false,
            decoder: Decoder::length(0),
            keep_alive: true,
            is_used: false,
            idle_since: Instant::now(),
        }
    }

    /// Sends a request and waits for the head of its response; [`poll_data`](Self::poll_data) gives the body. The connection
    /// must be new or [reusable](Self::is_reusable); if this is dropped before it is ready, the connection must be, too.
    pub(super) async fn send(&mut self, request: &Request<Chunks>) -> Result<Response<()>, SendError> {
        self.outgoing = Outgoing::new(request);
        self.unflushed = true;
        self.keep_alive = false;
        let mut reader = HeadReader::new(request.method());
        let mut failed = None;
        let head = poll_fn(|cx| self.poll_head(cx, &mut reader, &mut failed)).await?;
        self.is_used = true;
        // Answered before it was asked in full: the answer counts, but where the next one begins is not certain.
        self.keep_alive = head.keep_alive && self.is_written();
        self.decoder = head.decoder;
        Ok(head.response)
    }

    /// Writes and reads at the same time, for a backend may answer before it has read the whole request. `failed` is why
    /// writing ended early.
    fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
        reader: &mut HeadReader,
        failed: &mut Option<io::Error>,
    ) -> Poll<Result<Head, SendError>> {
        if let Poll::Ready(Err(error)) = self.poll_write(cx) {
            if self.is_used && self.outgoing.is_untouched() && is_close(&error) {
                return Poll::Ready(Err(SendError::Unsent));
            }
            // The backend may have answered before it closed.
            self.stop_writing();
            *failed = Some(error);
        }
        loop {
            let error = match ready!(self.poll_read(cx)) {
                Ok(1..) => match reader.read(&mut self.read) {
                    Ok(Some(head)) => return Poll::Ready(Ok(head)),
                    Ok(None) => continue,
                    Err(error) => error,
                },
                Ok(0) if reader.is_untouched(&self.read) => Error::Closed(failed.take()),
                Ok(0) => Error::Truncated,
                Err(error) if is_close(&error) && reader.is_untouched(&self.read) => Error::Closed(Some(error)),
                Err(error) => Error::Io(error),
            };
            return Poll::Ready(Err(SendError::Broken(error)));
        }
    }

    /// The next piece of the response body: what one read has brought. `None` at its end.
    pub(super) fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        if !self.is_written() && matches!(self.poll_write(cx), Poll::Ready(Err(_))) {
            // The response came early, and whether it is complete does not depend on the request.
            self.stop_writing();
        }
        loop {
            if !self.read.is_empty()
                && let Some(data) = self.decoder.decode(&mut self.read).transpose()
            {
                return Poll::Ready(Some(data));
            }
            if self.decoder.is_done() {
                return Poll::Ready(None);
            }
            let ended = match ready!(self.poll_read(cx)) {
                Ok(1..) => continue,
                Ok(0) => self.decoder.end_of_input(),
                Err(error) => Err(Error::Io(error)),
            };
            return Poll::Ready(ended.err().map(Err));
        }
    }

    /// Whether the response body has been given out to its end.
    pub(super) fn is_end_stream(&self) -> bool {
        self.decoder.is_done()
    }

    /// How much of the response body is still to come, where that is known.
    pub(super) fn remaining(&self) -> Option<u64> {
        self.decoder.remaining()
    }

    /// Between two requests: lets go of the buffers and tells whether another request may be sent at all.
    pub(super) fn rest(&mut self) -> bool {
        let may_serve = self.keep_alive && self.decoder.is_done() && self.read.is_empty() && self.is_written();
        self.read = BytesMut::new();
        self.room = MIN_ROOM;
        self.idle_since = Instant::now();
        may_serve
    }

    /// Whether a [resting](Self::rest) connection is still open, and silent as it has to be.
    pub(super) fn is_reusable(&mut self, cx: &mut Context<'_>) -> bool {
        let mut byte = [0];
        // Costs a system call only if something has happened on the connection.
        Pin::new(&mut self.stream).poll_read(cx, &mut ReadBuf::new(&mut byte)).is_pending()
    }

    fn is_written(&self) -> bool {
        self.outgoing.is_done() && !self.unflushed
    }

    fn stop_writing(&mut self) {
        self.keep_alive = false;
        self.outgoing = Outgoing::none();
        self.unflushed = false;
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.outgoing.is_done() {
            let mut slices = [IoSlice::new(&[]); MAX_SLICES];
            let used = self.outgoing.slices(&mut slices);
            match ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, &slices[..used]))? {
                0 => return Poll::Ready(Err(ErrorKind::WriteZero.into())),
                written => self.outgoing.advance(written),
            }
        }
        if self.unflushed {
            ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Reads behind what is already there; 0 at the end of the stream.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.read.capacity() - self.read.len() < self.room / 4 {
            // Takes the old block again if all that was given out of it is gone.
            self.read.reserve(self.room);
        }
        let spare = self.read.capacity() - self.read.len();
        let count = ready!(pin!(self.stream.read_buf(&mut self.read)).poll(cx))?;
        if count == spare {
            self.room = (self.room * 2).min(MAX_ROOM);
        }
        Poll::Ready(Ok(count))
    }
}

/// Whether this is how a connection looks that the other side has closed.
fn is_close(error: &io::Error) -> bool {
    use ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected | UnexpectedEof)
}

#[cfg(test)]
#[path = "connection_tests.rs"]
mod tests;
