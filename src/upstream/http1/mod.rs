//! HTTP/1.1 as a client speaks it, without I/O: bytes of a request head out, response heads and bodies in.
//!
//! Forwarding is what this router is for, so its bytes are handled here and not by a general client: everything that one read
//! brought comes out as one piece, without being copied where that can be avoided. This module must not know sockets, time
//! or backends; who uses it brings buffers and says when the input has ended.

mod chunked;
mod decode;
mod request;
mod response;

pub use decode::Decoder;
pub use request::Outgoing;
pub use response::{Head, HeadReader, MAX_HEAD, MAX_HEADERS, MAX_INTERIM};

use std::io;

/// Why a response could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The connection was closed or reset before the first byte of a response.
    #[error("the connection was closed before the answer")]
    Closed(#[source] Option<io::Error>),
    /// The connection was closed in the middle of a response.
    #[error("the connection was closed in the middle of the answer")]
    Truncated,
    /// Reading or writing failed otherwise.
    #[error("the connection broke")]
    Io(#[source] io::Error),
    /// What came is no response head.
    #[error("the answer is not HTTP/1.1")]
    Head(#[source] httparse::Error),
    /// The response head is longer than [`MAX_HEAD`].
    #[error("the head of the answer is too large")]
    HeadTooLarge,
    /// More than [`MAX_INTERIM`] responses with a status of 1xx.
    #[error("too many interim answers")]
    TooManyInterim,
    /// 101, which nobody asked for.
    #[error("the backend wants to switch protocols")]
    Upgrade,
    /// `Content-Length` is no number, or several.
    #[error("the content-length of the answer is invalid")]
    ContentLength,
    /// `Transfer-Encoding` is something else than `chunked`.
    #[error("the transfer-encoding of the answer is not supported")]
    TransferEncoding,
    /// The framing of a chunked body is broken; says what was expected.
    #[error("the chunks of the answer are malformed: {0} expected")]
    Chunk(&'static str),
    /// Chunk extensions or trailers without end.
    #[error("the chunks of the answer carry too much besides their data")]
    ChunkOverhead,
}

impl Error {
    /// Whether the backend closed before it sent anything. On a connection that has served before, this is how a
    /// backend that just gave it up looks.
    #[must_use]
    pub fn closed_before_answer(&self) -> bool {
        matches!(self, Error::Closed(_))
    }

    /// Whether the backend sent something that is no answer: not the connection is to blame.
    #[must_use]
    pub fn is_malformed(&self) -> bool {
        !matches!(self, Error::Closed(_) | Error::Truncated | Error::Io(_))
    }
}

#[cfg(test)]
mod tests;
