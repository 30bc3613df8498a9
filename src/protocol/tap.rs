//! Watches a forwarded event stream go by: the tokens that it tells of, whether it was complete, and whether it stopped between
//! two events.
//!
//! The bytes are not touched, and nothing but the end of a chunk and a cut `usage` is remembered. Searched for are raw quotes
//! with a word between them, which cannot stand within a JSON string: there, they are escaped.

use super::event::Usage;
use super::{chat, messages};
use crate::table::Protocol;
use memchr::memmem::Finder;
use std::sync::LazyLock;

static USAGE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"usage\":"));
static DONE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("[DONE]"));
static ERROR: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"error\""));
static MESSAGE_STOP: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"message_stop\""));

/// A `usage` object has some hundred bytes; what has more is none.
const USAGE_LIMIT: usize = 4096;

/// More than the longest of what is searched for, and than the end of an event.
const KEPT: usize = 20;

/// What is known of a stream that goes by.
#[derive(Debug)]
pub struct Tap {
    protocol: Protocol,
    /// The last bytes, oldest first; `len` of them are there.
    last: [u8; KEPT],
    len: usize,
    is_done: bool,
    has_failed: bool,
    usage: Usage,
    /// A value of `usage` that is not whole yet.
    value: Option<Value>,
}

/// An object that is being read.
#[derive(Debug, Default)]
struct Value {
    bytes: Vec<u8>,
    depth: u32,
    in_string: bool,
    is_escaped: bool,
}

impl Tap {
    /// At the beginning of a stream in this protocol.
    #[must_use]
    pub fn new(protocol: Protocol) -> Self {
        Tap {
            protocol,
            last: [0; KEPT],
            len: 0,
            is_done: false,
            has_failed: false,
            usage: Usage::default(),
            value: None,
        }
    }

    /// Takes the next bytes of the stream.
    pub fn push(&mut self, chunk: &[u8]) {
        if let Some(value) = self.value.take() {
            self.read(value, chunk);
        }
        // Nothing that is searched for has a line end in it.
        let at_line_start = matches!(self.last(), [] | [.., b'\n' | b'\r']);
        if !at_line_start {
            self.search_border(chunk);
        }
        let mut from = 0;
        while let Some(at) = USAGE.find(&chunk[from..]) {
            from += at + USAGE.needle().len();
            self.read(Value::default(), &chunk[from..]);
        }
        self.is_done |= match self.protocol {
            Protocol::Chat => DONE.find_iter(chunk).any(|at| is_data(&chunk[..at], at_line_start)),
            Protocol::Messages => MESSAGE_STOP.find(chunk).is_some(),
        };
        self.has_failed |= ERROR.find_iter(chunk).any(|at| self.is_error(&chunk[..at], &chunk[at..]));
        self.keep(chunk);
    }

    /// Whether the word `error` that stands between these bytes tells of one. In Chat it is the key of an object or a text, in
    /// Messages the type of an event.
    fn is_error(&self, before: &[u8], from: &[u8]) -> bool {
        let behind = from[ERROR.needle().len()..].trim_ascii_start();
        match self.protocol {
            Protocol::Chat => behind.strip_prefix(b":").is_some_and(|value| match value.trim_ascii_start() {
                [b'{', ..] => true,
                [b'"', first, ..] => *first != b'"',
                _ => false,
            }),
            Protocol::Messages => before
                .trim_ascii_end()
                .strip_suffix(b":")
                .is_some_and(|key| key.trim_ascii_end().ends_with(b"\"type\"")),
        }
    }

    /// Whether the backend has told of an error: the client knows.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.has_failed
    }

    /// Whether what went by is whole events: nothing at all, or a blank line at the end.
    #[must_use]
    pub fn at_boundary(&self) -> bool {
        let last = self.last();
        last.is_empty() || [&b"\n\n"[..], b"\r\r", b"\r\n\r\n"].iter().any(|end| last.ends_with(end))
    }

    /// Whether the answer is complete: `[DONE]` went by, or `message_stop`. Comments may come behind it.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.is_done
    }

    /// The tokens that are known of by now.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.usage
    }

    fn last(&self) -> &[u8] {
        &self.last[..self.len]
    }

    /// Looks for what begins in what went by before and ends in this chunk.
    fn search_border(&mut self, chunk: &[u8]) {
        let mut border = [0; 2 * KEPT];
        let begun = self.len;
        let len = begun + chunk.len().min(KEPT);
        border[..begun].copy_from_slice(self.last());
        border[begun..len].copy_from_slice(&chunk[..len - begun]);
        let border = &border[..len];
        for at in USAGE.find_iter(border) {
            let end = at + USAGE.needle().len();
            if at < begun && end > begun {
                self.read(Value::default(), &chunk[end - begun..]);
            }
        }
        self.has_failed |= ERROR.find_iter(border).any(|at| self.is_error(&border[..at], &border[at..]));
        let is_new = |at: usize| at + DONE.needle().len() > begun;
        self.is_done |= match self.protocol {
            Protocol::Chat => DONE.find_iter(border).any(|at| is_new(at) && is_data(&border[..at], true)),
            Protocol::Messages => MESSAGE_STOP.find(border).is_some(),
        };
    }

    fn read(&mut self, mut value: Value, bytes: &[u8]) {
        match value.push(bytes) {
            Progress::Part => self.value = Some(value),
            Progress::Whole => {
                let usage = match self.protocol {
                    Protocol::Chat => chat::usage::read(&value.bytes),
                    Protocol::Messages => messages::usage::read(&value.bytes),
                };
                self.usage.update(usage.unwrap_or_default());
            }
            Progress::Other => {}
        }
    }

    fn keep(&mut self, chunk: &[u8]) {
        if chunk.len() >= KEPT {
            self.last.copy_from_slice(&chunk[chunk.len() - KEPT..]);
            self.len = KEPT;
            return;
        }
        let keep = self.len.min(KEPT - chunk.len());
        self.last.copy_within(self.len - keep..self.len, 0);
        self.last[keep..keep + chunk.len()].copy_from_slice(chunk);
        self.len = keep + chunk.len();
    }
}

/// Whether a line of data begins with what comes behind these bytes, which may themselves begin a line.
fn is_data(before: &[u8], at_line_start: bool) -> bool {
    match before.strip_suffix(b" ").unwrap_or(before).strip_suffix(b"data:") {
        Some([]) => at_line_start,
        Some(before) => before.ends_with(b"\n") || before.ends_with(b"\r"),
        None => false,
    }
}

/// How far an object is.
enum Progress {
    Part,
    Whole,
    /// It is none, or no usage.
    Other,
}

impl Value {
    fn push(&mut self, bytes: &[u8]) -> Progress {
        for &byte in bytes {
            if self.depth == 0 {
                match byte {
                    b' ' | b'\t' => continue,
                    b'{' => {}
                    _ => return Progress::Other,
                }
            }
            if self.bytes.len() == USAGE_LIMIT {
                return Progress::Other;
            }
            self.bytes.push(byte);
            match byte {
                _ if std::mem::take(&mut self.is_escaped) => {}
                b'\\' => self.is_escaped = true,
                b'"' => self.in_string = !self.in_string,
                _ if self.in_string => {}
                b'{' => self.depth += 1,
                b'}' => self.depth -= 1,
                _ => {}
            }
            if self.depth == 0 {
                return Progress::Whole;
            }
        }
        Progress::Part
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every way to cut the stream in three tells the same: whether it ends between events, whether it is done, and the
    /// tokens of prompt and answer.
    #[track_caller]
    fn check(protocol: Protocol, stream: &str, at_boundary: bool, is_done: bool, tokens: (u64, u64)) {
        let bytes = stream.as_bytes();
        let expected = (at_boundary, is_done, tokens);
        let told = |pieces: &mut dyn Iterator<Item = &[u8]>| {
            let mut tap = Tap::new(protocol);
            pieces.for_each(|piece| tap.push(piece));
            (tap.at_boundary(), tap.is_done(), (tap.usage().prompt(), tap.usage().completion()))
        };
        for i in 0..=bytes.len() {
            for j in i..=bytes.len() {
                let pieces = [&bytes[..i], &bytes[i..j], &bytes[j..]];
                assert_eq!(told(&mut pieces.into_iter()), expected, "{stream:?} cut at {i} and {j}");
            }
        }
        assert_eq!(told(&mut bytes.chunks(1)), expected, "{stream:?} byte by byte");
    }

    #[test]
    fn ends_of_chat_streams() {
        let check = |stream, at_boundary, is_done| check(Protocol::Chat, stream, at_boundary, is_done, (0, 0));
        check("", true, false);
        check("data: {}\n\n", true, false);
        check("data: {\"a\":1}\n", false, false);
        check("data: {}\n\ndata: {\"id\":\"chat", false, false);
        check("data: {}\n\ndata: [DONE]\n\n", true, true);
        check("data: {}\r\n\r\ndata: [DONE]\r\n\r\n", true, true);
        check("data: {}\r\rdata:[DONE]\r\r", true, true);
        check("data: {}\n\ndata: [DONE]", false, true);
        check("data: [DONE]\n\n: bye\n\n", true, true);
        check("data: {\"content\":\"[DONE]\"}\n\n", true, false);
        check("data: {\"content\":\"data: [DONE]\"}\n\n", true, false);
        check(": data: [DONE]\n\n", true, false);
        check(
            "data: {\"content\":\"more than what is kept data: [DONE] and more than what is kept\"}\n\n",
            true,
            false,
        );
    }

    #[test]
    fn errors_that_the_backend_tells_of() {
        for (protocol, stream, has_failed) in [
            (Protocol::Chat, "data: {\"error\": {\"message\":\"m\"}}\n\n", true),
            (Protocol::Chat, "data: {\"error\": \"boom\"}\n\n", true),
            (Protocol::Chat, "data: {\"error\": \"\",\"x\":{}}\n\n", false),
            (
                Protocol::Chat,
                "data: {\"error\":null,\"choices\":[{\"delta\":{\"content\":\"\\\"error\\\":{\"}}]}\n\n",
                false,
            ),
            (
                Protocol::Messages,
                "event: error\ndata: {\"type\": \"error\",\"error\":{\"type\":\"api_error\"}}\n\n",
                true,
            ),
            (
                Protocol::Messages,
                "data: {\"type\":\"x\",\"delta\":{\"text\":\"\\\"type\\\":\\\"error\\\"\"}}\n\n",
                false,
            ),
        ] {
            let bytes = stream.as_bytes();
            for i in 0..=bytes.len() {
                let mut tap = Tap::new(protocol);
                tap.push(&bytes[..i]);
                tap.push(&bytes[i..]);
                assert_eq!(tap.has_failed(), has_failed, "{stream:?} cut at {i}");
            }
        }
    }

    #[test]
    fn usage_of_chat_streams() {
        let check = |stream, tokens| check(Protocol::Chat, stream, true, false, tokens);
        check("data: {\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}\n\n", (3, 4));
        check("data: {\"usage\": {\"prompt_tokens\":3,\"x\":{\"}\\\"\":{}}}, \"b\":1}\n\n", (3, 0));
        check("data: {\"usage\":{\"completion_tokens\":1}}\n\ndata: {\"usage\":{\"completion_tokens\":2}}\n\n", (0, 2));
        check("data: {\"usage\":null}\n\ndata: {\"usage\":{}}\n\n", (0, 0));
        check("data: {\"content\":\"\\\"usage\\\":{\\\"prompt_tokens\\\":3}\"}\n\n", (0, 0));
    }

    #[test]
    fn message_streams() {
        let start = "data: {\"message\":{\"usage\":{\"input_tokens\":3,\"output_tokens\":1}}}\n\n";
        let delta = "data: {\"usage\":{\"output_tokens\":9}}\n\n";
        let stop = "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
        check(Protocol::Messages, &[start, delta].concat(), true, false, (3, 9));
        check(Protocol::Messages, &[delta, stop].concat(), true, true, (0, 9));
        check(Protocol::Messages, &[stop, ": bye\n\n"].concat(), true, true, (0, 0));
        check(Protocol::Messages, "data: {\"text\":\"\\\"message_stop\\\" message_stop\"}\n\n", true, false, (0, 0));
    }

    #[test]
    fn what_is_too_long_is_no_usage() {
        let mut tap = Tap::new(Protocol::Chat);
        tap.push(b"data: {\"usage\":{\"prompt_tokens\":3,\"x\":\"");
        tap.push(&[b'x'; 2 * USAGE_LIMIT]);
        tap.push(b"\"}}\n\ndata: {\"usage\":{\"prompt_tokens\":4}}\n\n");
        assert_eq!(tap.usage().prompt(), 4);
    }
}
