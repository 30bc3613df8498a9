//! Takes the framing out of a chunked body, in the buffer in which it lies. RFC 9112, 7.1.
//!
//! As strict as the common clients: every line of the framing ends in CR LF, and a size begins with a digit.

use super::Error;
use bytes::{Buf, Bytes, BytesMut};

/// Between two pieces of data there may be this many bytes of framing, extensions and trailers included.
const MAX_OVERHEAD: usize = 16 * 1024;

/// A piece of data of this size is handed out by itself rather than moved next to the one before it.
const LARGE: usize = 4096;

/// Where in a chunked body the next byte stands.
#[derive(Debug)]
pub(super) struct Chunked {
    state: State,
    /// Bytes of framing since the last data.
    overhead: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The first digit of a size.
    Start,
    /// Further digits.
    Size(u64),
    /// White space behind the size.
    Space(u64),
    Extension(u64),
    SizeLf(u64),
    /// This many bytes of data are missing.
    Data(u64),
    DataCr,
    DataLf,
    /// A trailer or the blank line at the end.
    Trailer,
    InTrailer,
    TrailerLf,
    EndLf,
    Done,
}

impl Chunked {
    pub(super) fn new() -> Self {
        Chunked { state: State::Start, overhead: 0 }
    }

    pub(super) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Takes what the buffer holds of the body and gives its data out, if there is any. Bytes behind the body stay.
    ///
    /// A mistake in the framing is told once the data before it was given out, so how the bytes were cut into reads makes
    /// no difference.
    pub(super) fn decode(&mut self, buf: &mut BytesMut) -> Result<Option<Bytes>, Error> {
        // The data found so far is moved together at `start..start + len`; `at` is where the next byte is looked at.
        let (mut start, mut len, mut at) = (0, 0, 0);
        while at < buf.len() && !self.is_done() {
            if let State::Data(left) = self.state {
                let here = usize::try_from(left).unwrap_or(usize::MAX).min(buf.len() - at);
                if len == 0 {
                    start = at;
                } else if here >= LARGE {
                    break;
                } else {
                    buf.copy_within(at..at + here, start + len);
                }
                len += here;
                at += here;
                let left = left - here as u64;
                self.state = if left == 0 { State::DataCr } else { State::Data(left) };
                self.overhead = 0;
                continue;
            }
            match self.step(buf[at]) {
                Ok(()) => at += 1,
                Err(error) if len == 0 => return Err(error),
                Err(_) => break,
            }
        }
        if len == 0 {
            buf.advance(at);
            return Ok(None);
        }
        buf.advance(start);
        let data = buf.split_to(len).freeze();
        buf.advance(at - start - len);
        Ok(Some(data))
    }

    /// One byte of framing. An error changes nothing: it comes again.
    fn step(&mut self, byte: u8) -> Result<(), Error> {
        if self.overhead == MAX_OVERHEAD {
            return Err(Error::ChunkOverhead);
        }
        self.state = match (self.state, byte) {
            (State::Start, _) => State::Size(digit(byte).ok_or(Error::Chunk("a chunk size"))?),
            (State::Size(size), _) if byte.is_ascii_hexdigit() => {
                let digit = digit(byte).ok_or(Error::Chunk("a digit"))?;
                let size = size.checked_mul(16).ok_or(Error::Chunk("a smaller chunk size"))?;
                State::Size(size | digit)
            }
            (State::Size(size) | State::Space(size), b' ' | b'\t') => State::Space(size),
            (State::Size(size) | State::Space(size), b';') => State::Extension(size),
            (State::Size(size) | State::Space(size) | State::Extension(size), b'\r') => State::SizeLf(size),
            (State::Extension(size), _) if byte != b'\n' => State::Extension(size),
            (State::SizeLf(0), b'\n') => State::Trailer,
            (State::SizeLf(size), b'\n') => State::Data(size),
            (State::DataCr, b'\r') => State::DataLf,
            (State::DataLf, b'\n') => State::Start,
            (State::Trailer, b'\r') => State::EndLf,
            (State::InTrailer, b'\r') => State::TrailerLf,
            (State::Trailer | State::InTrailer, _) if byte != b'\n' => State::InTrailer,
            (State::TrailerLf, b'\n') => State::Trailer,
            (State::EndLf, b'\n') => State::Done,
            _ => return Err(Error::Chunk("CR LF")),
        };
        self.overhead += 1;
        Ok(())
    }
}

fn digit(byte: u8) -> Option<u64> {
    char::from(byte).to_digit(16).map(u64::from)
}
