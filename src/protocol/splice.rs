//! Replaces spans of a body without touching the rest: the original buffers are sliced, never copied or re-serialised, so
//! unknown fields, number spellings and white space reach the backend as the client wrote them.

use bytes::Bytes;
use std::borrow::Cow;
use std::ops::Range;

/// One change to a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// What goes; empty for an insertion.
    pub range: Range<usize>,
    /// What comes in its place; empty for a removal.
    pub with: Bytes,
}

impl Edit {
    /// Puts text that is known at build time before the byte at this offset.
    #[must_use]
    pub fn insert(at: usize, text: &'static str) -> Edit {
        Edit { range: at..at, with: Bytes::from_static(text.as_bytes()) }
    }
}

/// A body in the pieces in which it arrived or will leave.
#[derive(Debug, Clone, Default)]
pub struct Chunks {
    chunks: Vec<Bytes>,
    len: usize,
    /// Where every [`STRIDE`]-th piece begins, but the first. Most bodies have so few pieces that nothing is noted.
    marks: Vec<usize>,
}

/// A range is found without a walk over all pieces before it, however many they are.
const STRIDE: usize = 16;

impl Chunks {
    /// Appends a piece.
    pub fn push(&mut self, chunk: Bytes) {
        if !chunk.is_empty() {
            if !self.chunks.is_empty() && self.chunks.len().is_multiple_of(STRIDE) {
                self.marks.push(self.len);
            }
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
        let len = range.len();
        let mut pieces = self.pieces(range);
        let first = pieces.next().unwrap_or_default();
        if first.len() == len {
            return Cow::Borrowed(first);
        }
        let mut copied = Vec::with_capacity(len);
        copied.extend_from_slice(first);
        pieces.for_each(|piece| copied.extend_from_slice(piece));
        Cow::Owned(copied)
    }

    /// The bytes of a range in the pieces in which they stand. The range must lie within the body.
    pub fn pieces(&self, range: Range<usize>) -> impl Iterator<Item = &[u8]> {
        let marks = self.marks.partition_point(|mark| *mark <= range.start);
        let mut before = marks.checked_sub(1).map_or(0, |last| self.marks[last]);
        let mut chunks = self.chunks[marks * STRIDE..].iter();
        std::iter::from_fn(move || {
            let chunk = (before < range.end).then(|| chunks.next()).flatten()?;
            let start = range.start.saturating_sub(before).min(chunk.len());
            let end = (range.end - before).min(chunk.len());
            before += chunk.len();
            Some(&chunk[start..end.max(start)])
        })
        .filter(|piece| !piece.is_empty())
    }

    /// All of it in one piece: without a copy where it is one.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        match self.chunks.as_slice() {
            [] => Bytes::new(),
            [one] => one.clone(),
            many => many.concat().into(),
        }
    }

    /// Where the bracket stands that ends an object. `None` where it is none.
    #[must_use]
    pub fn end_of_object(&self) -> Option<usize> {
        let mut end = self.len;
        for chunk in self.chunks.iter().rev() {
            match chunk.iter().rposition(|byte| !byte.is_ascii_whitespace()) {
                Some(at) => return (chunk[at] == b'}').then_some(end - chunk.len() + at),
                None => end -= chunk.len(),
            }
        }
        None
    }

    /// This body with one range replaced. The range must lie within the body.
    #[must_use]
    pub fn splice(&self, range: Range<usize>, replacement: Bytes) -> Chunks {
        self.edited(&[Edit { range, with: replacement }])
    }

    /// This body with all edits made at once. They are given in the order of their ranges, which lie within the body and
    /// do not overlap; of several insertions at one place the first one given comes first.
    #[must_use]
    pub fn edited(&self, edits: &[Edit]) -> Chunks {
        let mut out = Chunks { chunks: Vec::with_capacity(self.chunks.len() + 2 * edits.len()), ..Chunks::default() };
        let mut rest = Rest { chunks: &self.chunks, taken: 0, at: 0 };
        for edit in edits {
            debug_assert!(rest.at <= edit.range.start && edit.range.start <= edit.range.end, "edits are in order");
            rest.take_until(edit.range.start, |kept| out.push(kept));
            out.push(edit.with.clone());
            rest.take_until(edit.range.end, |_| {});
        }
        rest.take_until(self.len, |kept| out.push(kept));
        out
    }
}

/// What of a body has not been walked over yet.
struct Rest<'a> {
    chunks: &'a [Bytes],
    /// Bytes of the first chunk that are behind.
    taken: usize,
    /// Bytes of the whole body that are behind.
    at: usize,
}

impl Rest<'_> {
    fn take_until(&mut self, end: usize, mut each: impl FnMut(Bytes)) {
        while self.at < end
            && let Some((first, others)) = self.chunks.split_first()
        {
            let take = (end - self.at).min(first.len() - self.taken);
            each(first.slice(self.taken..self.taken + take));
            self.taken += take;
            self.at += take;
            if self.taken == first.len() {
                (self.chunks, self.taken) = (others, 0);
            }
        }
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
