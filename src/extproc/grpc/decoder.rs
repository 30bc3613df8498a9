//! Messages out of the pieces of a body: no I/O, and no copy of a message that lies within one piece.

use bytes::{Buf, Bytes, BytesMut};

/// The bytes before a message: whether it is compressed, and its length.
pub(super) const PREFIX: usize = 5;

/// Takes the pieces of a body, gives messages.
#[derive(Debug)]
pub struct Decoder {
    /// What of the latest piece was not looked at yet.
    input: Bytes,
    prefix: [u8; PREFIX],
    /// How much of the prefix is there.
    have: usize,
    /// The part of a message that lies in earlier pieces.
    partial: BytesMut,
    /// Longest message in bytes.
    most: usize,
}

/// Bytes that are no message that is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// It is compressed, which was not agreed upon.
    #[error("the message is compressed, and no compression was agreed upon")]
    Compressed,
    /// It is longer than what is taken.
    #[error("the message is longer than {most} bytes")]
    TooLarge {
        /// What is taken.
        most: usize,
    },
}

impl Decoder {
    /// Takes messages of up to `most` bytes.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Decoder { input: Bytes::new(), prefix: [0; PREFIX], have: 0, partial: BytesMut::new(), most }
    }

    /// Adds a piece. Everything in the ones before has been taken out.
    pub fn push(&mut self, piece: Bytes) {
        debug_assert!(self.input.is_empty(), "a piece is taken when the one before is used up");
        self.input = piece;
    }

    /// The next message, if it is complete.
    ///
    /// # Errors
    /// What comes is no message that is taken; nothing more can be read.
    pub fn decode(&mut self) -> Result<Option<Bytes>, FrameError> {
        while self.have < PREFIX {
            if self.input.is_empty() {
                return Ok(None);
            }
            self.prefix[self.have] = self.input.get_u8();
            self.have += 1;
        }
        let [compressed, length @ ..] = self.prefix;
        if compressed != 0 {
            return Err(FrameError::Compressed);
        }
        // It has 64 bits wherever this runs with messages that could be longer than 32 tell.
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if length > self.most {
            return Err(FrameError::TooLarge { most: self.most });
        }
        if self.partial.is_empty() && self.input.len() >= length {
            self.have = 0;
            return Ok(Some(self.input.split_to(length)));
        }
        let missing = length - self.partial.len();
        if self.partial.is_empty() {
            self.partial.reserve(length);
        }
        let piece = self.input.split_to(missing.min(self.input.len()));
        self.partial.extend_from_slice(&piece);
        if self.partial.len() < length {
            return Ok(None);
        }
        self.have = 0;
        Ok(Some(std::mem::take(&mut self.partial).freeze()))
    }

    /// Whether a message has begun that is not complete.
    #[must_use]
    pub fn is_within(&self) -> bool {
        self.have > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn framed(messages: &[Vec<u8>]) -> Vec<u8> {
        let mut out = Vec::new();
        for message in messages {
            out.push(0);
            out.extend_from_slice(&(message.len() as u32).to_be_bytes());
            out.extend_from_slice(message);
        }
        out
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(
            messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..6),
            cuts in prop::collection::vec(1..30usize, 1..12),
        ) {
            let wire = framed(&messages);
            let mut decoder = Decoder::new(40);
            let (mut rest, mut cuts) = (&wire[..], cuts.iter().cycle());
            let mut out = Vec::new();
            while !rest.is_empty() {
                let (piece, after) = rest.split_at(rest.len().min(*cuts.next().unwrap()));
                decoder.push(Bytes::from(piece.to_vec()));
                while let Some(message) = decoder.decode().unwrap() {
                    out.push(message.to_vec());
                }
                rest = after;
            }
            prop_assert!(!decoder.is_within());
            prop_assert_eq!(out, messages);
        }
    }

    #[test]
    fn a_message_in_one_piece_is_not_copied() {
        let piece = Bytes::from(framed(&[b"whole".to_vec()]));
        let mut decoder = Decoder::new(100);
        decoder.push(piece.clone());
        let message = decoder.decode().unwrap().unwrap();
        assert_eq!(message.as_ptr(), piece[PREFIX..].as_ptr());
    }

    #[test]
    fn bounds() {
        let mut decoder = Decoder::new(4);
        decoder.push(Bytes::from(framed(&[b"four".to_vec()])));
        assert_eq!(decoder.decode().unwrap().unwrap(), "four");
        decoder.push(Bytes::from(framed(&[b"fifth".to_vec()])));
        assert_eq!(decoder.decode(), Err(FrameError::TooLarge { most: 4 }));

        let mut decoder = Decoder::new(4);
        decoder.push(Bytes::from_static(&[0, 0xff, 0xff, 0xff]));
        assert_eq!(decoder.decode(), Ok(None));
        assert!(decoder.is_within());
        decoder.push(Bytes::from_static(&[0xff]));
        assert_eq!(decoder.decode(), Err(FrameError::TooLarge { most: 4 }), "before any of it is kept");

        let mut decoder = Decoder::new(4);
        decoder.push(Bytes::from_static(&[1, 0, 0, 0, 1, 7]));
        assert_eq!(decoder.decode(), Err(FrameError::Compressed));
    }
}
