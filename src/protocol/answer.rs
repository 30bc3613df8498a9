//! A plain answer, in no protocol's terms: collected from events, and rendered as each protocol has it.
//!
//! Texts are kept as they were written in what came in, escapes and all.

use super::event::{Delta, Event, Image, Stop, Usage};
use super::failure::Failure;
use super::out::JsonText;
use super::splice::Chunks;
use super::stream::Context;
use super::{chat, messages};
use crate::table::Protocol;
use bytes::Bytes;

/// An answer, whole.
#[derive(Debug, Default)]
pub struct Answer {
    /// The backend's id of it; empty where it told none.
    pub id: Text,
    /// When it was made, where the backend tells.
    pub created: Option<u64>,
    /// What it consists of, in order.
    pub parts: Vec<Part>,
    /// Why the model does not answer; empty where it does.
    pub refusal: Text,
    /// Why it ended.
    pub end: End,
    /// The text that it was stopped at, where the backend tells.
    pub stop_sequence: Option<Text>,
    /// What it cost.
    pub usage: Usage,
    /// What went wrong instead.
    pub failure: Option<Failure>,
}

/// Why an answer ended: see [`Stop`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "as in `Stop`")]
pub enum End {
    #[default]
    EndTurn,
    Sequence,
    Length,
    ToolUse,
    Refusal,
    Pause,
}

/// A part of an answer.
#[derive(Debug)]
pub enum Part {
    /// What the model says.
    Text(Text),
    /// What it thinks, and the provider's signature, where there is one.
    Thinking(Text, Option<Text>),
    /// What it thinks and nobody else can read.
    RedactedThinking(Text),
    /// An image that it has made: the beginning of its data URL and base64, or nothing and where it is.
    Image(Text, Text),
    /// An image that was asked for and could not be made.
    NoImage,
    /// A tool that it calls.
    ToolCall {
        /// The backend's id of the call.
        id: Text,
        /// Name of the tool.
        name: Text,
        /// A JSON document; empty where there is no input.
        input: Text,
    },
}

/// The body of a JSON string in the pieces in which it came.
#[derive(Debug, Clone, Default)]
pub struct Text(Vec<Bytes>);

impl Text {
    /// Appends a piece.
    pub fn push(&mut self, text: JsonText<'_>) {
        if !text.is_empty() {
            self.0.push(text.to_bytes());
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// In one piece: itself, where it is that.
    fn whole(&self) -> Bytes {
        match self.0.as_slice() {
            [piece] => piece.clone(),
            pieces => pieces.concat().into(),
        }
    }

    /// As it is written between its quotes.
    pub fn pieces(&self) -> impl Iterator<Item = Bytes> {
        self.0.iter().cloned()
    }

    /// The text itself, escapes undone. `None` where it is no Unicode.
    #[must_use]
    pub fn unescape(&self) -> Option<String> {
        JsonText::raw(&self.0.concat()).unescape()
    }
}

impl From<JsonText<'_>> for Text {
    fn from(text: JsonText<'_>) -> Self {
        let mut out = Text::default();
        out.push(text);
        out
    }
}

impl Answer {
    /// Reads the body of a backend that speaks this protocol.
    #[must_use]
    pub fn read(protocol: Protocol, body: &Bytes) -> Answer {
        let mut answer = Answer::default();
        let mut collect = |event: Event<'_>| answer.event(event);
        match protocol {
            Protocol::Chat => chat::answer::read(body, &mut collect),
            Protocol::Messages => messages::answer::read(body, &mut collect),
        }
        answer
    }

    /// The body that a client of this protocol gets. A failure is one of the backend's answer as a whole.
    pub fn write(&self, protocol: Protocol, context: &Context) -> Result<Chunks, Failure> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        match protocol {
            Protocol::Chat => Ok(chat::answer::write(self, context)),
            Protocol::Messages => messages::answer::write(self, context),
        }
    }

    /// Tells it again.
    pub fn tell(&self, emit: &mut impl FnMut(Event<'_>)) {
        let id = self.id.0.concat();
        emit(Event::Start { id: JsonText::raw(&id), model: JsonText::EMPTY, created: self.created });
        fn each(text: &Text, delta: Delta, emit: &mut impl FnMut(Event<'_>)) {
            text.0.iter().for_each(|piece| emit(delta.event(JsonText::within(piece, 0..piece.len()))));
        }
        for part in &self.parts {
            match part {
                Part::Text(text) => each(text, Delta::Text, emit),
                Part::Thinking(text, signature) => {
                    each(text, Delta::Thinking, emit);
                    if let Some(signature) = signature {
                        emit(Event::Signature(JsonText::raw(&signature.0.concat())));
                    }
                }
                Part::RedactedThinking(data) => emit(Event::RedactedThinking(JsonText::raw(&data.0.concat()))),
                Part::ToolCall { id, name, input } => {
                    emit(Event::ToolCall { id: JsonText::raw(&id.0.concat()), name: JsonText::raw(&name.0.concat()) });
                    each(input, Delta::ToolInput, emit);
                }
                Part::Image(data, source) => {
                    let (data, source) = (data.whole(), source.whole());
                    let data = JsonText::within(&data, 0..data.len());
                    emit(Event::Image(Image { data, source: JsonText::within(&source, 0..source.len()) }));
                }
                Part::NoImage => emit(Event::NoImage),
            }
        }
        each(&self.refusal, Delta::Refusal, emit);
        if !self.usage.is_unknown() {
            emit(Event::Usage(self.usage));
        }
        let sequence = self.stop_sequence.as_ref().map(Text::whole);
        emit(Event::Stop(match (self.end, &sequence) {
            (End::Sequence, Some(text)) => Stop::Sequence(Some(JsonText::raw(text))),
            (end, _) => end.into(),
        }));
        emit(Event::End);
    }

    /// Takes the next thing that happened.
    pub fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Start { id, created, .. } => {
                self.id = id.into();
                self.created = created;
            }
            Event::Text(text) => match self.parts.last_mut() {
                Some(Part::Text(said)) => said.push(text),
                _ => self.parts.push(Part::Text(text.into())),
            },
            Event::Refusal(text) => self.refusal.push(text),
            Event::Thinking(text) => match self.parts.last_mut() {
                Some(Part::Thinking(thought, None)) => thought.push(text),
                _ => self.parts.push(Part::Thinking(text.into(), None)),
            },
            Event::Signature(signature) => match self.parts.last_mut() {
                Some(Part::Thinking(_, signed @ None)) => *signed = Some(signature.into()),
                _ => self.parts.push(Part::Thinking(Text::default(), Some(signature.into()))),
            },
            Event::RedactedThinking(data) => self.parts.push(Part::RedactedThinking(data.into())),
            Event::ToolCall { id, name } => {
                self.parts.push(Part::ToolCall { id: id.into(), name: name.into(), input: Text::default() });
            }
            Event::ToolInput(more) => {
                if let Some(Part::ToolCall { input, .. }) = self.parts.last_mut() {
                    input.push(more);
                }
            }
            Event::Image(image) => self.parts.push(Part::Image(image.data.into(), image.source.into())),
            Event::NoImage => self.parts.push(Part::NoImage),
            Event::Usage(usage) => self.usage.update(usage),
            Event::Stop(stop) => {
                self.end = End::from(stop);
                if let Stop::Sequence(Some(text)) = stop {
                    self.stop_sequence = Some(text.into());
                }
            }
            Event::End => {}
            Event::Failure(failure) => self.failure = Some(failure.clone()),
        }
    }
}

impl From<Stop<'_>> for End {
    fn from(stop: Stop<'_>) -> Self {
        match stop {
            Stop::EndTurn => End::EndTurn,
            Stop::Sequence(_) => End::Sequence,
            Stop::Length => End::Length,
            Stop::ToolUse => End::ToolUse,
            Stop::Refusal => End::Refusal,
            Stop::Pause => End::Pause,
        }
    }
}

impl From<End> for Stop<'static> {
    fn from(end: End) -> Self {
        match end {
            End::EndTurn => Stop::EndTurn,
            End::Sequence => Stop::Sequence(None),
            End::Length => Stop::Length,
            End::ToolUse => Stop::ToolUse,
            End::Refusal => Stop::Refusal,
            End::Pause => Stop::Pause,
        }
    }
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
