//! A request on its way out: its head as bytes, its body in the pieces that it came in.

use crate::protocol::splice::Chunks;
use bytes::{Buf, Bytes, BytesMut};
use http::{Method, Request, header};
use std::fmt::Write;
use std::io::IoSlice;

/// What of a request is not written yet.
#[derive(Debug)]
pub struct Outgoing {
    head: BytesMut,
    body: std::vec::IntoIter<Bytes>,
    untouched: bool,
}

impl Outgoing {
    /// Nothing is left to write.
    #[must_use]
    pub fn none() -> Self {
        Outgoing { head: BytesMut::new(), body: Vec::new().into_iter(), untouched: false }
    }

    /// A whole request. The pieces of its body are shared, not copied.
    #[must_use]
    pub fn new(request: &Request<Chunks>) -> Self {
        Outgoing { head: encode_head(request), body: request.body().clone().into_inner().into_iter(), untouched: true }
    }

    /// Whether all is written.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.head.is_empty() && self.body.as_slice().is_empty()
    }

    /// Whether not a byte is written.
    #[must_use]
    pub fn is_untouched(&self) -> bool {
        self.untouched
    }

    /// Fills in what is to be written next, as far as the slices reach, and tells how many of them it took.
    pub fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let head = (!self.head.is_empty()).then_some(&self.head[..]);
        let pieces = head.into_iter().chain(self.body.as_slice().iter().map(|piece| &piece[..]));
        let mut used = 0;
        for (slice, piece) in slices.iter_mut().zip(pieces) {
            *slice = IoSlice::new(piece);
            used += 1;
        }
        used
    }

    /// This many bytes were written.
    pub fn advance(&mut self, mut written: usize) {
        self.untouched &= written == 0;
        let of_head = written.min(self.head.len());
        self.head.advance(of_head);
        written -= of_head;
        while written > 0 {
            let Some(piece) = self.body.as_mut_slice().first_mut() else { return };
            if written < piece.len() {
                piece.advance(written);
                return;
            }
            written -= piece.len();
            self.body.next();
        }
    }
}

/// The head of a request, with the length of its body. Names and values were checked when they were made: no line can be
/// smuggled in.
fn encode_head(request: &Request<Chunks>) -> BytesMut {
    let path = request.uri().path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    let headers = request.headers();
    let lines: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    // The rest: request line and content-length with 20 digits.
    let mut head = BytesMut::with_capacity(request.method().as_str().len() + path.len() + lines + 64);
    head.extend_from_slice(request.method().as_str().as_bytes());
    head.extend_from_slice(b" ");
    head.extend_from_slice(path.as_bytes());
    head.extend_from_slice(b" HTTP/1.1\r\n");
    for (name, value) in headers {
        // How the body is framed is said below and nowhere else.
        if name == header::CONTENT_LENGTH || name == header::TRANSFER_ENCODING {
            continue;
        }
        head.extend_from_slice(name.as_str().as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    let len = request.body().len();
    // RFC 9110, 8.6: a body is expected of these even if it is empty.
    if len > 0 || matches!(*request.method(), Method::POST | Method::PUT | Method::PATCH) {
        write!(head, "content-length: {len}\r\n").expect("a BytesMut grows");
    }
    head.extend_from_slice(b"\r\n");
    head
}
