//! The body of a response, whichever way its length is told. RFC 9112, 6.3.

use super::Error;
use super::chunked::Chunked;
use bytes::{Bytes, BytesMut};

/// Cuts a body out of the bytes of a connection.
#[derive(Debug)]
pub struct Decoder(Framing);

#[derive(Debug)]
enum Framing {
    /// This many bytes are missing.
    Length(u64),
    Chunked(Chunked),
    /// The body ends with the connection.
    UntilClose,
}

impl Decoder {
    /// A body of this many bytes; 0 for none at all.
    #[must_use]
    pub fn length(bytes: u64) -> Self {
        Decoder(Framing::Length(bytes))
    }

    /// A body with `transfer-encoding: chunked`.
    #[must_use]
    pub fn chunked() -> Self {
        Decoder(Framing::Chunked(Chunked::new()))
    }

    /// A body that ends with the connection.
    #[must_use]
    pub fn until_close() -> Self {
        Decoder(Framing::UntilClose)
    }

    /// Whether the body has ended. Further bytes are not of this response.
    #[must_use]
    pub fn is_done(&self) -> bool {
        match &self.0 {
            Framing::Length(left) => *left == 0,
            Framing::Chunked(chunked) => chunked.is_done(),
            Framing::UntilClose => false,
        }
    }

    /// How many bytes are missing, where that is known.
    #[must_use]
    pub fn remaining(&self) -> Option<u64> {
        match &self.0 {
            Framing::Length(left) => Some(*left),
            Framing::Chunked(chunked) => chunked.is_done().then_some(0),
            Framing::UntilClose => None,
        }
    }

    /// Takes what the buffer holds of the body; bytes behind the body stay in it. Gives data out, never an empty piece; `None`
    /// if the body has ended or more input is needed. There may be more data in the buffer: ask again before reading.
    pub fn decode(&mut self, buf: &mut BytesMut) -> Result<Option<Bytes>, Error> {
        let here = match &mut self.0 {
            Framing::Chunked(chunked) => return chunked.decode(buf),
            Framing::Length(left) => {
                let here = usize::try_from(*left).unwrap_or(usize::MAX).min(buf.len());
                *left -= here as u64;
                here
            }
            Framing::UntilClose => buf.len(),
        };
        Ok((here > 0).then(|| buf.split_to(here).freeze()))
    }

    /// The connection was closed in an orderly manner.
    ///
    /// # Errors
    ///
    /// [`Error::Truncated`] if the body is known to be incomplete.
    pub fn end_of_input(&mut self) -> Result<(), Error> {
        match self.0 {
            Framing::UntilClose => {
                self.0 = Framing::Length(0);
                Ok(())
            }
            _ if self.is_done() => Ok(()),
            _ => Err(Error::Truncated),
        }
    }
}
