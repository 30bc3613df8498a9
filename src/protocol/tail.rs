//! Watches the end of a forwarded event stream go by: did it stop between two events, and was the last one `[DONE]`?
//!
//! The frames themselves are not touched. What is remembered is the last few bytes.

/// The last bytes of a `text/event-stream`.
#[derive(Debug, Clone, Default)]
pub struct Tail {
    /// The last bytes, oldest first; `len` of them are there.
    bytes: [u8; Tail::LEN],
    len: usize,
}

impl Tail {
    /// `\ndata: [DONE]` and the ends of two lines, with a byte to spare.
    const LEN: usize = 20;

    /// Takes the next bytes of the stream.
    pub fn push(&mut self, chunk: &[u8]) {
        if chunk.len() >= Self::LEN {
            self.bytes.copy_from_slice(&chunk[chunk.len() - Self::LEN..]);
            self.len = Self::LEN;
            return;
        }
        let keep = self.len.min(Self::LEN - chunk.len());
        self.bytes.copy_within(self.len - keep..self.len, 0);
        self.bytes[keep..keep + chunk.len()].copy_from_slice(chunk);
        self.len = keep + chunk.len();
    }

    fn seen(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// Whether what went by is whole events: nothing at all, or a blank line at the end.
    #[must_use]
    pub fn at_boundary(&self) -> bool {
        let seen = self.seen();
        seen.is_empty() || [&b"\n\n"[..], b"\r\r", b"\r\n\r\n"].iter().any(|end| seen.ends_with(end))
    }

    /// Whether the last event was `data: [DONE]`, with or without a blank line behind it.
    #[must_use]
    pub fn is_done(&self) -> bool {
        let line = self.seen().trim_ascii_end();
        line.strip_suffix(b"[DONE]").is_some_and(|field| field.trim_ascii_end().ends_with(b"data:"))
    }
}

#[cfg(test)]
mod tests {
    use super::Tail;

    /// Every way to cut the stream in three gives the same answer.
    #[track_caller]
    fn check(stream: &str, at_boundary: bool, is_done: bool) {
        let bytes = stream.as_bytes();
        for i in 0..=bytes.len() {
            for j in i..=bytes.len() {
                let mut tail = Tail::default();
                tail.push(&bytes[..i]);
                tail.push(&bytes[i..j]);
                tail.push(&bytes[j..]);
                assert_eq!((tail.at_boundary(), tail.is_done()), (at_boundary, is_done), "cut at {i} and {j}");
            }
        }
    }

    #[test]
    fn ends() {
        check("", true, false);
        check("data: {}\n\n", true, false);
        check("data: {\"a\":1}\n", false, false);
        check("data: {}\n\ndata: {\"id\":\"chat", false, false);
        check("data: {}\n\ndata: [DONE]\n\n", true, true);
        check("data: {}\r\n\r\ndata: [DONE]\r\n\r\n", true, true);
        check("data: {}\r\rdata:[DONE]\r\r", true, true);
        check("data: {}\n\ndata: [DONE]", false, true);
        check("data: {\"content\":\"[DONE]\"}\n\n", true, false);
        check("data: x\n\ndata: [DONE]\n\n: bye\n\n", true, false);
    }
}
