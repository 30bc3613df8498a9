//! Replaces spans of a body without touching the rest: the original buffers are sliced, never copied or re-serialised, so
//! unknown fields, number spellings and white space reach the backend as the client wrote them.

use bytes::Bytes;
use std::borrow::Cow;
use std::ops::Range;

/// A body in the pieces in which it arrived or will leave.
#[derive(Debug, Clone, Default)]
pub struct Chunks {
    chunks: Vec<Bytes>,
    len: usize,
}

impl Chunks {
    /// Appends a piece.
    pub fn push(&mut self, chunk: Bytes) {
        if !chunk.is_empty() {
            self.len += chunk.len();
            self.chunks.push(chunk);
        }
    }

    /// Bytes in all.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no byte.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The pieces in order, none of them empty.
    #[must_use]
    pub fn into_inner(self) -> Vec<Bytes> {
        self.chunks
    }

    /// The bytes of a range: borrowed where they stand in one piece. The range must lie within the body.
    #[must_use]
    pub fn range(&self, range: Range<usize>) -> Cow<'_, [u8]> {
        let mut before = 0;
        let mut copied = Vec::new();
        for chunk in &self.chunks {
            let start = range.start.saturating_sub(before).min(chunk.len());
            let end = range.end.saturating_sub(before).min(chunk.len());
            if range.start >= before && end - start == range.len() {
                return Cow::Borrowed(&chunk[start..end]);
            }
            copied.extend_from_slice(&chunk[start..end]);
            before += chunk.len();
        }
        Cow::Owned(copied)
    }

    /// This body with one range replaced. The range must lie within the body.
    #[must_use]
    pub fn splice(&self, range: Range<usize>, replacement: Bytes) -> Chunks {
        let mut out = Chunks { chunks: Vec::with_capacity(self.chunks.len() + 2), len: 0 };
        let mut replacement = Some(replacement);
        let mut before = 0;
        for chunk in &self.chunks {
            let start = range.start.saturating_sub(before).min(chunk.len());
            let end = range.end.saturating_sub(before).min(chunk.len());
            out.push(chunk.slice(..start));
            if before + chunk.len() > range.start
                && let Some(replacement) = replacement.take()
            {
                out.push(replacement);
            }
            out.push(chunk.slice(end..));
            before += chunk.len();
        }
        out
    }
}

impl From<Bytes> for Chunks {
    fn from(bytes: Bytes) -> Self {
        let mut chunks = Chunks::default();
        chunks.push(bytes);
        chunks
    }
}

#[cfg(test)]
mod tests;
