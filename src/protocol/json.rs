//! An incremental JSON scanner: checks the grammar of a whole document and notes where the top-level fields stand.
//!
//! It takes a body in whatever chunks arrive and never holds them: the result is byte spans into the concatenation of all
//! chunks. So a request is checked while it is still in the cache from being read, and forwarded from the same buffers.
//! Checked is the grammar of RFC 8259 with nesting up to [`MAX_DEPTH`]; *not* checked is UTF-8 inside strings: whoever reads
//! a string's content does that.

pub(super) mod strings;

use std::fmt;

/// Arrays and objects may nest this deep.
pub const MAX_DEPTH: u8 = 127;

/// An array or object may have this many items. Bodies with far fewer bytes than they may have could otherwise have so many that
/// noting them would take many times the memory of the body.
pub const MAX_ITEMS: u32 = 100_000;

/// Below this depth nothing is ever noted item by item, so it is not counted either.
const COUNTED_DEPTH: usize = 8;

/// Top-level fields whose place is noted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// `model`
    Model,
    /// `stream`
    Stream,
    /// `messages`
    Messages,
    /// `tools`
    Tools,
    /// `tool_choice`
    ToolChoice,
    /// `response_format`
    ResponseFormat,
    /// `max_tokens`
    MaxTokens,
    /// `max_completion_tokens`
    MaxCompletionTokens,
    /// `metadata`
    Metadata,
    /// `stream_options`
    StreamOptions,
    /// `system`
    System,
}

impl Field {
    const COUNT: usize = 11;

    fn from_key(key: &[u8]) -> Option<Field> {
        Some(match key {
            b"model" => Field::Model,
            b"stream" => Field::Stream,
            b"messages" => Field::Messages,
            b"tools" => Field::Tools,
            b"tool_choice" => Field::ToolChoice,
            b"response_format" => Field::ResponseFormat,
            b"max_tokens" => Field::MaxTokens,
            b"max_completion_tokens" => Field::MaxCompletionTokens,
            b"metadata" => Field::Metadata,
            b"stream_options" => Field::StreamOptions,
            b"system" => Field::System,
            _ => return None,
        })
    }

    /// The key as clients write it.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Field::Model => "model",
            Field::Stream => "stream",
            Field::Messages => "messages",
            Field::Tools => "tools",
            Field::ToolChoice => "tool_choice",
            Field::ResponseFormat => "response_format",
            Field::MaxTokens => "max_tokens",
            Field::MaxCompletionTokens => "max_completion_tokens",
            Field::Metadata => "metadata",
            Field::StreamOptions => "stream_options",
            Field::System => "system",
        }
    }
}

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `{…}`
    Object,
    /// `[…]`
    Array,
    /// `"…"`
    String,
    /// `-1.5e3`
    Number,
    /// `true` or `false`
    Bool,
    /// `null`
    Null,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Object => "an object",
            Kind::Array => "an array",
            Kind::String => "a string",
            Kind::Number => "a number",
            Kind::Bool => "a boolean",
            Kind::Null => "null",
        })
    }
}

/// Where a value stands: byte offsets into the whole document, quotes and brackets included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
    /// What it is.
    pub kind: Kind,
}

/// The noted fields of a document.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fields([Option<Span>; Field::COUNT]);

impl Fields {
    /// Where this field's value stands. A field that is `null` counts as absent, as OpenAI's API has it.
    #[must_use]
    pub fn get(&self, field: Field) -> Option<Span> {
        self.0[field as usize].filter(|span| span.kind != Kind::Null)
    }
}

/// Why a document was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A byte that cannot stand where it stands.
    #[error("malformed JSON body: {expected} expected at byte {at}")]
    Syntax {
        /// Offset of the byte.
        at: usize,
        /// What could have stood there.
        expected: &'static str,
    },
    /// The document ended too early.
    #[error("malformed JSON body: it ends after {at} bytes, in the middle of a value")]
    Truncated {
        /// Length of the document.
        at: usize,
    },
    /// Arrays and objects nest too deep.
    #[error("malformed JSON body: nested more than {MAX_DEPTH} levels deep at byte {at}")]
    TooDeep {
        /// Offset of the bracket.
        at: usize,
    },
    /// An array or object has too many items.
    #[error("malformed JSON body: more than {MAX_ITEMS} items in one array or object at byte {at}")]
    TooMany {
        /// Offset of the comma behind the last one that may be there.
        at: usize,
    },
    /// A noted field stands twice: two readers could see two different values.
    #[error("field `{}` stands twice", .field.key())]
    Duplicate {
        /// Which one.
        field: Field,
        /// Offset of its second value.
        at: usize,
    },
}

/// The scanner. Feed it with [`push`](Scanner::push), end it with [`finish`](Scanner::finish).
#[derive(Debug)]
pub struct Scanner {
    state: State,
    /// Bytes taken so far.
    offset: usize,
    depth: u8,
    /// Bit `d` tells whether the container at depth `d + 1` is an object.
    objects: u128,
    /// At each depth, the commas of the container that is open there.
    commas: [u32; COUNTED_DEPTH],
    key: Key,
    /// The top-level field whose value is being read.
    open: Option<(Field, usize, Kind)>,
    fields: Fields,
    /// Set for an outline: everything at the first level is noted, fields or not.
    outline: Option<Outline>,
}

/// One member of an object, or one element of an array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Item {
    /// Where it begins: with its key, or in an array with its value.
    pub start: usize,
    /// Its value.
    pub value: Span,
}

/// What stands at the first level of an object or array.
#[derive(Debug, Default)]
pub(super) struct Outline {
    /// Its brackets.
    pub(super) open: usize,
    pub(super) close: usize,
    /// In their order.
    pub(super) items: Vec<Item>,
    /// Where the key that was read last begins.
    key: Option<usize>,
    value: Option<(usize, Kind)>,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// The document has not begun.
    Start,
    Value,
    FirstValueOrEnd,
    FirstKeyOrEnd,
    Key,
    Colon,
    AfterValue,
    String {
        key: bool,
    },
    Escape {
        key: bool,
    },
    /// This many hex digits are missing.
    Unicode {
        key: bool,
        left: u8,
    },
    Number(Number),
    /// The rest of `true`, `false` or `null`.
    Literal(&'static [u8]),
    /// The document is complete; only white space may follow.
    End,
}

#[derive(Debug, Clone, Copy)]
enum Number {
    Minus,
    Zero,
    Integer,
    Point,
    Fraction,
    Exponent,
    ExponentSign,
    ExponentDigits,
}

/// The raw bytes of the top-level key that is being read, as long as it could still be a noted one.
#[derive(Debug)]
struct Key {
    bytes: [u8; Key::MAX],
    len: usize,
}

impl Default for Scanner {
    fn default() -> Self {
        Scanner::new()
    }
}

impl Scanner {
    /// A scanner at the beginning of a document.
    #[must_use]
    pub const fn new() -> Self {
        Scanner {
            state: State::Start,
            offset: 0,
            depth: 0,
            objects: 0,
            commas: [0; COUNTED_DEPTH],
            key: Key::EMPTY,
            open: None,
            fields: Fields([None; Field::COUNT]),
            outline: None,
        }
    }

    /// A scanner of one object or array that notes every item of it, and no fields.
    pub(super) fn outlining() -> Self {
        Scanner { outline: Some(Outline::default()), ..Scanner::new() }
    }

    /// The document has ended: what stands in it.
    pub(super) fn into_outline(self) -> Option<Outline> {
        self.outline.filter(|_| matches!(self.state, State::End))
    }

    /// Takes the next bytes of the document.
    pub fn push(&mut self, chunk: &[u8]) -> Result<(), Error> {
        let mut i = 0;
        while i < chunk.len() {
            if let State::String { key } = self.state {
                let run = strings::run(&chunk[i..]);
                if key && self.depth == 1 {
                    self.key.extend(&chunk[i..i + run]);
                }
                i += run;
                if i == chunk.len() {
                    break;
                }
            }
            self.byte(chunk[i], self.offset + i)?;
            i += 1;
        }
        self.offset += chunk.len();
        Ok(())
    }

    /// Whether the document is complete: only white space may follow.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        matches!(self.state, State::End)
    }

    /// The document has ended: where its fields stand.
    pub fn finish(self) -> Result<Fields, Error> {
        match self.state {
            State::End => Ok(self.fields),
            _ => Err(Error::Truncated { at: self.offset }),
        }
    }

    fn byte(&mut self, byte: u8, at: usize) -> Result<(), Error> {
        match self.state {
            State::String { key } => self.in_string(byte, at, key),
            State::Escape { key } => self.in_escape(byte, at, key),
            State::Unicode { key, left } => {
                if !byte.is_ascii_hexdigit() {
                    return Err(Error::Syntax { at, expected: "a hexadecimal digit" });
                }
                self.note_key_byte(byte, key);
                self.state = if left == 1 { State::String { key } } else { State::Unicode { key, left: left - 1 } };
                Ok(())
            }
            State::Literal(rest) => {
                if byte != rest[0] {
                    return Err(Error::Syntax { at, expected: "a value" });
                }
                match rest.len() {
                    1 => self.end_value(at + 1),
                    _ => self.state = State::Literal(&rest[1..]),
                }
                Ok(())
            }
            State::Number(number) => match number.next(byte) {
                Some(next) => {
                    self.state = State::Number(next);
                    Ok(())
                }
                None if number.can_end() => {
                    self.end_value(at);
                    self.byte(byte, at)
                }
                None => Err(Error::Syntax { at, expected: "a digit" }),
            },
            _ if matches!(byte, b' ' | b'\t' | b'\n' | b'\r') => Ok(()),
            State::Start if byte == b'{' || (byte == b'[' && self.outline.is_some()) => self.begin_value(byte, at),
            State::Start => Err(Error::Syntax { at, expected: "a JSON object" }),
            State::FirstValueOrEnd if byte == b']' => self.close(at),
            State::Value | State::FirstValueOrEnd => self.begin_value(byte, at),
            State::FirstKeyOrEnd if byte == b'}' => self.close(at),
            State::Key | State::FirstKeyOrEnd if byte == b'"' => {
                if self.depth == 1 {
                    self.key.clear();
                    if let Some(outline) = &mut self.outline {
                        outline.key = Some(at);
                    }
                }
                self.state = State::String { key: true };
                Ok(())
            }
            State::Key | State::FirstKeyOrEnd => Err(Error::Syntax { at, expected: "a key in quotes" }),
            State::Colon if byte == b':' => {
                self.state = State::Value;
                Ok(())
            }
            State::Colon => Err(Error::Syntax { at, expected: "`:`" }),
            State::AfterValue => self.after_value(byte, at),
            State::End => Err(Error::Syntax { at, expected: "the end of the body" }),
        }
    }

    fn begin_value(&mut self, byte: u8, at: usize) -> Result<(), Error> {
        let (kind, state) = match byte {
            b'{' => (Kind::Object, State::FirstKeyOrEnd),
            b'[' => (Kind::Array, State::FirstValueOrEnd),
            b'"' => (Kind::String, State::String { key: false }),
            b't' => (Kind::Bool, State::Literal(b"rue")),
            b'f' => (Kind::Bool, State::Literal(b"alse")),
            b'n' => (Kind::Null, State::Literal(b"ull")),
            b'-' => (Kind::Number, State::Number(Number::Minus)),
            b'0' => (Kind::Number, State::Number(Number::Zero)),
            b'1'..=b'9' => (Kind::Number, State::Number(Number::Integer)),
            _ => return Err(Error::Syntax { at, expected: "a value" }),
        };
        if self.depth == 1
            && let Some(outline) = &mut self.outline
        {
            outline.value = Some((at, kind));
        } else if self.depth == 1
            && let Some(field) = self.key.field()
        {
            if self.fields.0[field as usize].is_some() {
                return Err(Error::Duplicate { field, at });
            }
            self.open = Some((field, at, kind));
        }
        if matches!(kind, Kind::Object | Kind::Array) {
            if self.depth == MAX_DEPTH {
                return Err(Error::TooDeep { at });
            }
            if self.depth == 0
                && let Some(outline) = &mut self.outline
            {
                outline.open = at;
            }
            let bit = 1 << self.depth;
            if kind == Kind::Object {
                self.objects |= bit;
            } else {
                self.objects &= !bit;
            }
            if let Some(commas) = self.commas.get_mut(usize::from(self.depth)) {
                *commas = 0;
            }
            self.depth += 1;
        }
        self.state = state;
        Ok(())
    }

    fn in_object(&self) -> bool {
        self.depth > 0 && self.objects & (1 << (self.depth - 1)) != 0
    }

    fn after_value(&mut self, byte: u8, at: usize) -> Result<(), Error> {
        match (byte, self.in_object()) {
            (b',', in_object) => {
                if let Some(commas) = self.commas.get_mut(usize::from(self.depth) - 1) {
                    *commas += 1;
                    if *commas >= MAX_ITEMS {
                        return Err(Error::TooMany { at });
                    }
                }
                self.state = if in_object { State::Key } else { State::Value };
            }
            (b'}', true) | (b']', false) => return self.close(at),
            (_, true) => return Err(Error::Syntax { at, expected: "`,` or `}`" }),
            (_, false) => return Err(Error::Syntax { at, expected: "`,` or `]`" }),
        }
        Ok(())
    }

    fn close(&mut self, at: usize) -> Result<(), Error> {
        self.depth -= 1;
        if self.depth == 0
            && let Some(outline) = &mut self.outline
        {
            outline.close = at;
        }
        self.end_value(at + 1);
        Ok(())
    }

    /// A value ended before `end`.
    fn end_value(&mut self, end: usize) {
        if self.depth == 1
            && let Some((field, start, kind)) = self.open.take()
        {
            self.fields.0[field as usize] = Some(Span { start, end, kind });
        }
        if self.depth == 1
            && let Some(outline) = &mut self.outline
            && let Some((start, kind)) = outline.value.take()
        {
            let value = Span { start, end, kind };
            outline.items.push(Item { start: outline.key.take().unwrap_or(start), value });
        }
        self.state = if self.depth == 0 { State::End } else { State::AfterValue };
    }

    fn in_string(&mut self, byte: u8, at: usize, key: bool) -> Result<(), Error> {
        match byte {
            b'"' if key => self.state = State::Colon,
            b'"' => self.end_value(at + 1),
            b'\\' => {
                self.note_key_byte(byte, key);
                self.state = State::Escape { key };
            }
            // `strings::run` stops at nothing else.
            _ => return Err(Error::Syntax { at, expected: "an escaped control character" }),
        }
        Ok(())
    }

    fn in_escape(&mut self, byte: u8, at: usize, key: bool) -> Result<(), Error> {
        self.state = match byte {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => State::String { key },
            b'u' => State::Unicode { key, left: 4 },
            _ => return Err(Error::Syntax { at, expected: "an escape sequence" }),
        };
        self.note_key_byte(byte, key);
        Ok(())
    }

    fn note_key_byte(&mut self, byte: u8, key: bool) {
        if key && self.depth == 1 {
            self.key.extend(&[byte]);
        }
    }
}

impl Key {
    /// The longest noted key with every character written as `\uXXXX`.
    const MAX: usize = 21 * 6;
    const EMPTY: Key = Key { bytes: [0; Key::MAX], len: 0 };

    fn clear(&mut self) {
        self.len = 0;
    }

    /// Longer keys than any noted one are cut, and stay longer than any noted one.
    fn extend(&mut self, bytes: &[u8]) {
        let take = bytes.len().min(Key::MAX - self.len);
        self.bytes[self.len..self.len + take].copy_from_slice(&bytes[..take]);
        // A key that does not fit is marked by a byte that no noted key has.
        if take < bytes.len() {
            self.bytes[0] = 0;
        }
        self.len += take;
    }

    fn field(&self) -> Option<Field> {
        let raw = &self.bytes[..self.len];
        if !raw.contains(&b'\\') {
            return Field::from_key(raw);
        }
        let mut quoted = Vec::with_capacity(raw.len() + 2);
        quoted.push(b'"');
        quoted.extend_from_slice(raw);
        quoted.push(b'"');
        let key: String = serde_json::from_slice(&quoted).ok()?;
        Field::from_key(key.as_bytes())
    }
}

impl Number {
    fn next(self, byte: u8) -> Option<Number> {
        Some(match (self, byte) {
            (Number::Minus, b'0') => Number::Zero,
            (Number::Minus, b'1'..=b'9') | (Number::Integer, b'0'..=b'9') => Number::Integer,
            (Number::Zero | Number::Integer, b'.') => Number::Point,
            (Number::Point | Number::Fraction, b'0'..=b'9') => Number::Fraction,
            (Number::Zero | Number::Integer | Number::Fraction, b'e' | b'E') => Number::Exponent,
            (Number::Exponent, b'+' | b'-') => Number::ExponentSign,
            (Number::Exponent | Number::ExponentSign | Number::ExponentDigits, b'0'..=b'9') => Number::ExponentDigits,
            _ => return None,
        })
    }

    fn can_end(self) -> bool {
        matches!(self, Number::Zero | Number::Integer | Number::Fraction | Number::ExponentDigits)
    }
}

#[cfg(test)]
mod tests;
