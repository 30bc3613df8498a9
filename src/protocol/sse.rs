//! Event streams (`text/event-stream`): bytes in, events out.
//!
//! It takes a stream in whatever pieces arrive. An event that stands whole in a piece is told from there; only what is cut is
//! put together, once. Lines end in LF, CR or CRLF; comments, `id` and `retry` are left out. It knows no protocol.
//!
//! Most events differ from the one before in one string alone. So whoever has understood one can ask for the next one like it
//! ([`Framer::next_like`]), which costs two comparisons instead of a look at every line and value.

use super::json::strings;
use super::out::JsonText;
use bytes::{Bytes, BytesMut};
use memchr::memchr2;
use serde_json::value::RawValue;
use std::ops::Range;

/// Pieces of a cut event from this length on are kept as they are until the event is whole.
const LARGE: usize = 4096;

/// Some streams begin with it.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// An event is larger than what is put up with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an event of the stream has more than {limit} bytes")]
pub struct TooLarge {
    /// The limit in bytes.
    pub limit: usize,
}

/// One event.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// Its name; empty where it has none.
    pub event: &'a [u8],
    /// Its data, several lines of it joined by LF.
    pub data: &'a [u8],
    /// All of it as it came, unless its data had to be put together.
    raw: Option<&'a [u8]>,
    /// What the data is a part of.
    source: &'a Bytes,
}

impl<'a> Frame<'a> {
    /// The text of a JSON string in this event's data. `None` for any other value, and where the string is empty.
    #[must_use]
    pub fn text(&self, value: Option<&'a RawValue>) -> Option<JsonText<'a>> {
        let raw = value?.get().as_bytes().strip_prefix(b"\"")?.strip_suffix(b"\"")?;
        (!raw.is_empty()).then(|| JsonText::part(self.source, raw))
    }
}

/// An event with a string in it, to recognise others by that differ in that string alone.
#[derive(Debug, Default)]
pub struct Shape {
    before: Vec<u8>,
    behind: Vec<u8>,
    is_known: bool,
}

impl Shape {
    /// Remembers an event and a text in it.
    pub fn learn(&mut self, frame: &Frame<'_>, text: JsonText<'_>) {
        self.forget();
        let Some(raw) = frame.raw else { return };
        let text = text.as_raw().as_ptr_range();
        let start = (text.start as usize).wrapping_sub(raw.as_ptr() as usize);
        let end = (text.end as usize).wrapping_sub(raw.as_ptr() as usize);
        if let (Some(before), Some(behind)) = (raw.get(..start), raw.get(end..)) {
            self.before.extend_from_slice(before);
            self.behind.extend_from_slice(behind);
            self.is_known = true;
        }
    }

    /// No event is like this one.
    pub fn forget(&mut self) {
        self.is_known = false;
        self.before.clear();
        self.behind.clear();
    }
}

/// Takes a stream apart.
#[derive(Debug)]
pub struct Framer {
    /// What is being read, from `at` on.
    chunk: Bytes,
    at: usize,
    /// The beginning of an event that is not whole yet: `pieces`, and behind them `carry`.
    pieces: Vec<Bytes>,
    carry: BytesMut,
    held: usize,
    /// The last byte of that.
    last: u8,
    /// The last event, where it was put together.
    joined: Bytes,
    /// The last event ended in a CR: an LF right behind it is part of its end.
    skip_lf: bool,
    /// The first event has gone by.
    has_begun: bool,
    limit: usize,
}

/// Most texts are short and ASCII.
fn is_utf8(text: &[u8]) -> bool {
    text.is_ascii() || std::str::from_utf8(text).is_ok()
}

/// Where an event stands.
struct Found {
    is_joined: bool,
    raw: Option<Range<usize>>,
    event: Range<usize>,
    data: Range<usize>,
}

impl Framer {
    /// At the beginning of a stream whose events have at most `limit` bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Framer {
            chunk: Bytes::new(),
            at: 0,
            pieces: Vec::new(),
            carry: BytesMut::new(),
            held: 0,
            last: 0,
            joined: Bytes::new(),
            skip_lf: false,
            has_begun: false,
            limit,
        }
    }

    /// Takes the next bytes of the stream. The events in those before must have been asked for.
    pub fn push(&mut self, chunk: Bytes) {
        debug_assert_eq!(self.at, self.chunk.len(), "events are asked for until there is none");
        self.chunk = chunk;
        self.at = 0;
    }

    /// The next event. `None`: more bytes are needed.
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>, TooLarge> {
        let found = self.find()?;
        Ok(found.map(|found| self.frame(found)))
    }

    /// The next event's text, if that event is like the one that was learnt, and whole.
    #[inline]
    pub fn next_like(&mut self, shape: &Shape) -> Option<JsonText<'_>> {
        if !shape.is_known || self.held > 0 {
            return None;
        }
        self.skip_lf();
        let rest = &self.chunk[self.at..];
        let text = rest.strip_prefix(&shape.before[..])?;
        let len = strings::run(text);
        let behind = text[len..].strip_prefix(&shape.behind[..])?;
        let total = rest.len() - behind.len();
        if total > self.limit || !is_utf8(&text[..len]) {
            return None;
        }
        let start = self.at + shape.before.len();
        self.at += total;
        self.skip_lf = self.chunk[self.at - 1] == b'\r';
        Some(JsonText::within(&self.chunk, start..start + len))
    }

    /// The next piece of the stream that is whole events, comments included. `hide` is told the data of each event, and
    /// decides whether it is left out. `None`: more bytes are needed.
    pub fn next_piece(&mut self, hide: impl Fn(&[u8]) -> bool) -> Result<Option<Bytes>, TooLarge> {
        let chunk = self.chunk.clone();
        // The LF of a CRLF that was cut in two goes with what comes behind it.
        let has_lf = self.skip_lf && chunk[self.at..].starts_with(b"\n");
        let mut piece = has_lf.then(|| self.at..self.at + 1);
        loop {
            let Some(block) = self.next_block()? else {
                return Ok(piece.map(|range| chunk.slice(range)));
            };
            let Block { is_joined, start, read } = block;
            let source = if is_joined { &self.joined } else { &self.chunk };
            let all = start..start + read.len;
            let is_hidden = read.data.is_some_and(|data| hide(&source[data.start + start..data.end + start]));
            match (is_hidden, is_joined) {
                (true, _) if piece.is_none() => {}
                (true, _) => return Ok(piece.map(|range| chunk.slice(range))),
                (false, true) => return Ok(Some(self.joined.clone())),
                (false, false) => piece = Some(piece.map_or(all.start, |piece| piece.start)..all.end),
            }
        }
    }

    /// What was kept of an event that is not whole.
    pub fn rest(&mut self) -> Bytes {
        self.join();
        std::mem::take(&mut self.joined)
    }

    /// The stream has ended: its last event, if no blank line came behind it.
    pub fn finish(&mut self) -> Option<Frame<'_>> {
        if self.held == 0 {
            return None;
        }
        self.join();
        let read = read(&self.joined, !self.has_begun, true)?;
        let found = self.found(Block { is_joined: true, start: 0, read })?;
        Some(self.frame(found))
    }

    /// Whether the stream stands between two events.
    #[must_use]
    pub fn at_boundary(&self) -> bool {
        self.held == 0
    }

    fn frame(&self, found: Found) -> Frame<'_> {
        let source = if found.is_joined { &self.joined } else { &self.chunk };
        let raw = found.raw.map(|raw| &source[raw]);
        Frame { event: &source[found.event], data: &source[found.data], raw, source }
    }

    fn skip_lf(&mut self) {
        if self.skip_lf && self.at < self.chunk.len() {
            self.at += usize::from(self.chunk[self.at] == b'\n');
            self.skip_lf = false;
        }
    }

    fn find(&mut self) -> Result<Option<Found>, TooLarge> {
        while let Some(block) = self.next_block()? {
            if let Some(found) = self.found(block) {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// The next lines up to a blank one, be they an event or not.
    fn next_block(&mut self) -> Result<Option<Block>, TooLarge> {
        loop {
            self.skip_lf();
            if !self.joined.is_empty() {
                self.joined = Bytes::new();
            }
            if self.at == self.chunk.len() {
                // Whoever reads from the backend may want the buffer back.
                self.chunk = Bytes::new();
                self.at = 0;
                return Ok(None);
            }
            let is_joined = self.held > 0;
            if is_joined {
                let Some(len) = frame_end(self.last, &self.chunk[self.at..]) else {
                    self.hold_rest()?;
                    continue;
                };
                self.hold(self.at + len);
                self.join();
            }
            let start = if is_joined { 0 } else { self.at };
            let source = if is_joined { &self.joined } else { &self.chunk };
            let Some(read) = read(&source[start..], !self.has_begun, false) else {
                self.hold_rest()?;
                continue;
            };
            let all = &source[start..start + read.len];
            // Of a CRLF at the end, the LF may be cut off: it does not count.
            if all.strip_suffix(b"\r\n").map_or(all.len(), |rest| rest.len() + 1) > self.limit {
                return Err(TooLarge { limit: self.limit });
            }
            self.has_begun = true;
            self.skip_lf = all.ends_with(b"\r");
            if !is_joined {
                self.at += read.len;
            }
            return Ok(Some(Block { is_joined, start, read }));
        }
    }

    /// Where an event stands. `None` where there is no data.
    fn found(&mut self, block: Block) -> Option<Found> {
        let Block { is_joined, start, read } = block;
        let data = read.data?;
        let shift = |range: Range<usize>| range.start + start..range.end + start;
        if !read.is_torn {
            let raw = Some(start..start + read.len);
            return Some(Found { is_joined, raw, event: shift(read.event), data: shift(data) });
        }
        let source = if is_joined { &self.joined } else { &self.chunk };
        let bytes = &source[start..start + read.len];
        let mut joined = bytes[read.event].to_vec();
        let bytes = &bytes[read.mark..];
        let event = 0..joined.len();
        for line in bytes.split(|byte| matches!(byte, b'\n' | b'\r')) {
            if let Some(value) = field(line, b"data") {
                joined.extend_from_slice(value);
                joined.push(b'\n');
            }
        }
        joined.pop();
        let data = event.end..joined.len();
        self.joined = joined.into();
        Some(Found { is_joined: true, raw: None, event, data })
    }

    /// Keeps the rest of the chunk: an event that is not whole.
    fn hold_rest(&mut self) -> Result<(), TooLarge> {
        self.hold(self.chunk.len());
        if self.held > self.limit { Err(TooLarge { limit: self.limit }) } else { Ok(()) }
    }

    /// Keeps what stands before `end`.
    fn hold(&mut self, end: usize) {
        let range = std::mem::replace(&mut self.at, end)..end;
        self.held += range.len();
        self.last = self.chunk[end - 1];
        if range.len() < LARGE {
            self.carry.extend_from_slice(&self.chunk[range]);
            return;
        }
        if !self.carry.is_empty() {
            self.pieces.push(self.carry.split().freeze());
        }
        self.pieces.push(self.chunk.slice(range));
    }

    /// Puts together what was kept.
    fn join(&mut self) {
        if self.pieces.is_empty() {
            self.joined = self.carry.split().freeze();
        } else {
            let mut joined = BytesMut::with_capacity(self.held);
            self.pieces.drain(..).for_each(|piece| joined.extend_from_slice(&piece));
            joined.extend_from_slice(&self.carry);
            self.carry.clear();
            self.joined = joined.freeze();
        }
        self.held = 0;
    }
}

/// Lines up to a blank one.
struct Block {
    is_joined: bool,
    start: usize,
    read: Read,
}

/// What stands in an event, by its place in it.
struct Read {
    /// Blank line included.
    len: usize,
    /// Length of the byte order mark before it.
    mark: usize,
    event: Range<usize>,
    data: Option<Range<usize>>,
    /// There is more than one line of data.
    is_torn: bool,
}

/// Reads the event that these bytes begin with. `None` if its blank line is not there.
fn read(bytes: &[u8], is_first: bool, is_last: bool) -> Option<Read> {
    let mut read = Read { len: 0, mark: 0, event: 0..0, data: None, is_torn: false };
    let mut at = 0;
    loop {
        let (end, next) = match memchr2(b'\n', b'\r', &bytes[at..]) {
            Some(len) => (at + len, at + len + line_end(&bytes[at + len..])),
            None if is_last => (bytes.len(), bytes.len()),
            None => return None,
        };
        if end == at {
            read.len = next;
            return Some(read);
        }
        if is_first && at == 0 && bytes.starts_with(BYTE_ORDER_MARK) {
            read.mark = BYTE_ORDER_MARK.len();
            at = read.mark;
        }
        let line = &bytes[at..end];
        if let Some(value) = field(line, b"data") {
            read.is_torn |= read.data.is_some();
            read.data = Some(end - value.len()..end);
        } else if let Some(value) = field(line, b"event") {
            read.event = end - value.len()..end;
        }
        at = next;
    }
}

/// The value of this field, if the line has it.
#[inline]
fn field<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    match line.strip_prefix(name)? {
        [] => Some(b""),
        [b':', b' ', value @ ..] | [b':', value @ ..] => Some(value),
        _ => None,
    }
}

/// Length of the line end that these bytes begin with.
fn line_end(bytes: &[u8]) -> usize {
    if bytes.starts_with(b"\r\n") { 2 } else { 1 }
}

/// Where an event ends that has begun before, its last byte so far being `last`.
fn frame_end(last: u8, bytes: &[u8]) -> Option<usize> {
    let mut at = usize::from(last == b'\r' && bytes.first() == Some(&b'\n'));
    let mut at_line_start = matches!(last, b'\n' | b'\r');
    while at < bytes.len() {
        if at_line_start && matches!(bytes[at], b'\n' | b'\r') {
            return Some(at + line_end(&bytes[at..]));
        }
        at += memchr2(b'\n', b'\r', &bytes[at..])?;
        at += line_end(&bytes[at..]);
        at_line_start = true;
    }
    None
}

#[cfg(test)]
mod tests;
