//! Bytes on their way out of a translator: what is written, and what goes by as a slice of what came in.
//!
//! It knows no protocol.

use bytes::{BufMut, Bytes, BytesMut};
use std::collections::VecDeque;

/// From this length on a text is passed on as a slice. Shorter ones are cheaper to copy than to count references of.
const LARGE: usize = 4096;

/// The body of a JSON string as it stands in what came in: escapes as they were written, the quotes left out.
///
/// It is never unescaped on its way from one protocol to another.
#[derive(Debug, Clone, Copy)]
pub struct JsonText<'a> {
    raw: &'a [u8],
    /// What it is a part of, so that a large text can be passed on without a copy.
    within: Option<&'a Bytes>,
}

impl<'a> JsonText<'a> {
    /// No text.
    pub const EMPTY: JsonText<'static> = JsonText { raw: b"", within: None };

    /// Part of these bytes.
    #[must_use]
    pub fn within(bytes: &'a Bytes, range: std::ops::Range<usize>) -> Self {
        JsonText { raw: &bytes[range], within: Some(bytes) }
    }

    /// A text that stands in these bytes.
    #[must_use]
    pub fn part(bytes: &'a Bytes, raw: &'a [u8]) -> Self {
        JsonText { raw, within: Some(bytes) }
    }

    /// A text of its own: what stands between the quotes of a JSON string.
    #[must_use]
    pub const fn raw(raw: &'a [u8]) -> Self {
        JsonText { raw, within: None }
    }

    /// As it is written between its quotes.
    #[must_use]
    pub fn as_raw(&self) -> &'a [u8] {
        self.raw
    }

    /// Its first bytes, and the others. There must be so many, and no escape may be cut.
    #[must_use]
    pub fn split_at(&self, bytes: usize) -> (JsonText<'a>, JsonText<'a>) {
        let (first, rest) = self.raw.split_at(bytes);
        (JsonText { raw: first, within: self.within }, JsonText { raw: rest, within: self.within })
    }

    /// Whether there is no text.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.raw.is_empty()
    }

    /// As it is written between its quotes, to be kept: a slice where it is large.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        match self.within {
            Some(within) if self.raw.len() >= LARGE => within.slice_ref(self.raw),
            _ => self.raw.to_vec().into(),
        }
    }

    /// The text itself, escapes undone. `None` where it is no valid JSON string or no UTF-8.
    #[must_use]
    pub fn unescape(&self) -> Option<String> {
        let quoted = [b"\"", self.raw, b"\""].concat();
        serde_json::from_slice(&quoted).ok()
    }
}

/// Room for what is written at first: some events of a stream.
const ROOM: usize = 4096;

/// Where translators write.
#[derive(Debug)]
pub struct Out {
    written: BytesMut,
    /// Complete pieces that go before what is in `written`.
    pieces: VecDeque<Bytes>,
}

impl Default for Out {
    fn default() -> Self {
        Out { written: BytesMut::with_capacity(ROOM), pieces: VecDeque::new() }
    }
}

impl Out {
    /// Appends bytes.
    #[inline]
    pub fn write(&mut self, bytes: &[u8]) {
        self.written.extend_from_slice(bytes);
    }

    /// Appends a member's key, in quotes and with its colon. What stands in it needs no escapes.
    pub fn key(&mut self, key: &str) {
        self.write(b"\"");
        self.write(key.as_bytes());
        self.write(b"\":");
    }

    /// Appends the body of a JSON string.
    #[inline]
    pub fn text(&mut self, text: JsonText<'_>) {
        match text.within {
            Some(within) if text.raw.len() >= LARGE => {
                self.flush();
                self.pieces.push_back(within.slice_ref(text.raw));
            }
            _ => self.written.extend_from_slice(text.raw),
        }
    }

    /// Appends a number.
    pub fn number(&mut self, number: u64) {
        let mut digits = [0; 20];
        let mut at = digits.len();
        let mut left = number;
        loop {
            at -= 1;
            digits[at] = b'0' + (left % 10) as u8;
            left /= 10;
            if left == 0 {
                break;
            }
        }
        self.written.put_slice(&digits[at..]);
    }

    /// Appends the body of a JSON string that is not escaped yet.
    pub fn escape(&mut self, text: &str) {
        let quoted = serde_json::to_vec(text).expect("a string always serialises");
        self.written.extend_from_slice(&quoted[1..quoted.len() - 1]);
    }

    /// Appends bytes that came in, without a copy where they are many.
    pub fn pass(&mut self, bytes: Bytes) {
        if bytes.len() >= LARGE {
            self.flush();
            self.pieces.push_back(bytes);
        } else {
            self.written.extend_from_slice(&bytes);
        }
    }

    /// The next piece of what was written, if there is one. To be asked until there is none.
    pub fn take(&mut self) -> Option<Bytes> {
        if self.pieces.is_empty() {
            return (!self.written.is_empty()).then(|| self.written.split().freeze());
        }
        self.pieces.pop_front()
    }

    /// So many bytes came in, and about as many will be written: makes room for them at once.
    #[inline]
    pub fn expect(&mut self, bytes: usize) {
        if bytes > ROOM {
            self.written.reserve(bytes);
        }
    }

    /// Everything that was written, in one.
    #[must_use]
    pub fn into_vec(mut self) -> Vec<u8> {
        if self.pieces.is_empty() {
            return self.written.into();
        }
        let mut all = Vec::new();
        while let Some(piece) = self.take() {
            all.extend_from_slice(&piece);
        }
        all
    }

    /// Everything that was written, in one, for a short time: its memory may be larger than what is in it.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        if self.pieces.is_empty() { self.written.freeze() } else { self.into_vec().into() }
    }

    /// Whether a piece is complete, or so many bytes wait to become one.
    #[must_use]
    pub fn holds(&self, bytes: usize) -> bool {
        !self.pieces.is_empty() || self.written.len() >= bytes
    }

    /// Whether nothing waits to be taken.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty() && self.written.is_empty()
    }

    fn flush(&mut self) {
        if !self.written.is_empty() {
            let piece = self.written.split().freeze();
            self.pieces.push_back(piece);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(out: &mut Out) -> Vec<Bytes> {
        std::iter::from_fn(|| out.take()).collect()
    }

    #[test]
    fn small_pieces_are_written_together() {
        let mut out = Out::default();
        out.write(b"{\"n\":");
        out.number(0);
        out.write(b",");
        out.number(u64::MAX);
        out.escape("\"\n");
        out.text(JsonText::raw(br"\u00e9"));
        assert_eq!(all(&mut out).concat(), br#"{"n":0,18446744073709551615\"\n\u00e9"#);
        assert!(out.is_empty());
    }

    #[test]
    fn a_large_text_is_not_copied() {
        let source = Bytes::from(vec![b'x'; 2 * LARGE]);
        let mut out = Out::default();
        out.write(b"<");
        out.text(JsonText::within(&source, 1..LARGE + 1));
        out.write(b">");
        let pieces = all(&mut out);
        assert_eq!(pieces.len(), 3);
        assert_eq!(pieces[1].as_ptr(), source[1..].as_ptr());
    }
}
