//! The tool calls of a stream, told one behind the other however a backend mixes their inputs.
//!
//! One call is being told, and its input as it comes. What comes for others meanwhile is kept until that input is a whole
//! document, or the answer ends: most backends send one call behind the other, and nothing waits.

use crate::protocol::event::Event;
use crate::protocol::failure::Failure;
use crate::protocol::out::JsonText;
use crate::protocol::stream::EVENT_LIMIT;
use std::collections::VecDeque;

/// The calls of an answer.
#[derive(Debug, Default)]
pub(super) struct Calls {
    /// The one that is being told.
    told: Option<Call>,
    /// Its input.
    document: Document,
    waiting: VecDeque<Waiting>,
    /// Bytes of those that wait.
    kept: usize,
    count: u64,
}

#[derive(Debug)]
struct Call {
    index: Option<u64>,
    /// As the backend calls it, if it does.
    id: Option<String>,
}

/// A call whose turn has not come. Texts are bodies of JSON strings.
#[derive(Debug)]
struct Waiting {
    call: Call,
    /// What it is told by.
    id: String,
    name: Vec<u8>,
    input: Vec<u8>,
}

/// Which call a fragment belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// The one that is being told.
    Told,
    /// One of those that wait.
    Waiting(usize),
}

/// What a fragment says of its call.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark<'a> {
    pub(super) index: Option<u64>,
    pub(super) id: Option<JsonText<'a>>,
    pub(super) name: Option<JsonText<'a>>,
}

// === impl Calls ===

impl Calls {
    /// Whether there has been a call.
    pub(super) fn any(&self) -> bool {
        self.count > 0
    }

    /// Whether some call waits for its turn.
    pub(super) fn wait(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// The call that a fragment belongs to, if it has begun. The newest one needs no sign: some backends give all calls the same
    /// index, or none. An older one has to be named.
    pub(super) fn find(&self, mark: Mark<'_>) -> Option<Place> {
        let waiting = self.waiting.iter().enumerate().map(|(n, waiting)| (Place::Waiting(n), &waiting.call));
        let mut calls = self.told.iter().map(|call| (Place::Told, call)).chain(waiting).rev();
        let (newest, call) = calls.next()?;
        if call.goes_on(mark) {
            return Some(newest);
        }
        calls.find(|(_, call)| call.is_named(mark)).map(|(place, _)| place)
    }

    /// A call begins. It is told at once where none is open before it. `answer` is the backend's id of the answer.
    pub(super) fn begin(
        &mut self,
        mark: Mark<'_>,
        name: JsonText<'_>,
        answer: &str,
        tell: &mut impl FnMut(Event<'_>),
    ) -> Result<Place, Failure> {
        let own = mark.id.map(|id| String::from_utf8_lossy(id.as_raw()).into_owned());
        let id = own.clone().unwrap_or_else(|| format!("call_{}_{answer}", self.count));
        let call = Call { index: mark.index, id: own };
        self.count += 1;
        if self.waiting.is_empty() && (self.told.is_none() || self.document.is_whole()) {
            tell(Event::ToolCall { id: JsonText::raw(id.as_bytes()), name });
            (self.told, self.document) = (Some(call), Document::default());
            return Ok(Place::Told);
        }
        self.keep(id.len() + name.as_raw().len())?;
        self.waiting.push_back(Waiting { call, id, name: name.as_raw().to_vec(), input: Vec::new() });
        Ok(Place::Waiting(self.waiting.len() - 1))
    }

    /// More input of a call that waits.
    pub(super) fn put_by(&mut self, waiting: usize, input: JsonText<'_>) -> Result<(), Failure> {
        self.keep(input.as_raw().len())?;
        self.waiting[waiting].input.extend_from_slice(input.as_raw());
        Ok(())
    }

    /// More input of the call that is being told was told.
    pub(super) fn heard(&mut self, input: JsonText<'_>) {
        self.document.push(input.as_raw());
    }

    /// Something else was told: whatever call was told before is over.
    pub(super) fn interrupt(&mut self) {
        self.told = None;
    }

    /// Tells of those whose turn has come.
    pub(super) fn go_on(&mut self, tell: &mut impl FnMut(Event<'_>)) {
        while self.told.is_none() || self.document.is_whole() {
            if !self.tell_next(tell) {
                return;
            }
        }
    }

    /// The answer ends: tells of all that still wait.
    pub(super) fn end(&mut self, tell: &mut impl FnMut(Event<'_>)) {
        while self.tell_next(tell) {}
    }

    fn tell_next(&mut self, tell: &mut impl FnMut(Event<'_>)) -> bool {
        let Some(Waiting { call, id, name, input }) = self.waiting.pop_front() else { return false };
        self.kept -= id.len() + name.len() + input.len();
        tell(Event::ToolCall { id: JsonText::raw(id.as_bytes()), name: JsonText::raw(&name) });
        if !input.is_empty() {
            tell(Event::ToolInput(JsonText::raw(&input)));
        }
        (self.told, self.document) = (Some(call), Document::default());
        self.document.push(&input);
        true
    }

    fn keep(&mut self, bytes: usize) -> Result<(), Failure> {
        self.kept += bytes;
        if self.kept > EVENT_LIMIT {
            return Err(Failure::of_backend(
                "the backend mixed the inputs of several tool calls, and they are too large",
            ));
        }
        Ok(())
    }
}

// === impl Call ===

impl Call {
    /// Whether a fragment belongs to it, if it is the newest. Some backends repeat id and name with every fragment.
    fn goes_on(&self, Mark { index, id, name }: Mark<'_>) -> bool {
        match (id, &self.id) {
            (Some(id), Some(known)) if id.as_raw() != known.as_bytes() => return false,
            (None, _) if index.is_none() && name.is_some() => return false,
            _ => {}
        }
        self.fits(index)
    }

    /// Whether a fragment names it.
    fn is_named(&self, Mark { index, id, .. }: Mark<'_>) -> bool {
        match (id, &self.id) {
            (Some(id), Some(known)) => id.as_raw() == known.as_bytes() && self.fits(index),
            _ => index.is_some() && index == self.index,
        }
    }

    fn fits(&self, index: Option<u64>) -> bool {
        index.is_none_or(|index| self.index.is_none_or(|known| known == index))
    }
}

/// How far the input of a call has come: an object, in fragments that are bodies of JSON strings.
#[derive(Debug, Default)]
struct Document {
    depth: u32,
    in_string: bool,
    /// Within a string, behind a backslash.
    escapes: bool,
    state: State,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Empty,
    Begun,
    Whole,
    /// It is no object: nobody knows when it is whole.
    Other,
}

impl Document {
    fn is_whole(&self) -> bool {
        self.state == State::Whole
    }

    fn push(&mut self, raw: &[u8]) {
        let mut rest = raw;
        while let (State::Empty | State::Begun, [first, behind @ ..]) = (&self.state, rest) {
            let (byte, behind) = match (first, behind) {
                (b'\\', [b'u', behind @ ..]) => {
                    let digits = behind.get(..4).and_then(|digits| std::str::from_utf8(digits).ok());
                    let unit = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
                    // What is not ASCII opens and closes nothing.
                    (unit.unwrap_or(u8::MAX), behind.get(4..).unwrap_or_default())
                }
                (b'\\', [b'n' | b'r' | b't', behind @ ..]) => (b' ', behind),
                (b'\\', [byte, behind @ ..]) => (*byte, behind),
                (byte, behind) => (*byte, behind),
            };
            rest = behind;
            self.byte(byte);
        }
    }

    fn byte(&mut self, byte: u8) {
        match byte {
            _ if self.escapes => self.escapes = false,
            b'\\' if self.in_string => self.escapes = true,
            b'"' if self.in_string => self.in_string = false,
            _ if self.in_string || byte.is_ascii_whitespace() => {}
            b'{' if self.state == State::Empty => (self.state, self.depth) = (State::Begun, 1),
            _ if self.state == State::Empty => self.state = State::Other,
            b'"' => self.in_string = true,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => {
                self.depth -= 1;
                if self.depth == 0 {
                    self.state = State::Whole;
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
#[path = "calls_tests.rs"]
mod tests;
