//! What the events of a chat completion's stream mean.
//!
//! Lenient where backends differ: choices may be missing or empty, counts may come with any chunk, reasoning goes by two names,
//! indices of tool calls may be missing, contents may come in parts. Only the first choice is told of. A stream that has told its
//! finish reason is complete without `[DONE]`, and one that has told anything is complete with it.

use super::calls::{Calls, Mark, Place};
use super::reading::{self, Piece};
use super::usage;
use crate::protocol::error_body;
use crate::protocol::event::{Delta, Event, Stop, Teller};
use crate::protocol::failure::Failure;
use crate::protocol::out::JsonText;
use crate::protocol::sse::Frame;
use http::StatusCode;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// Makes events of chunks.
#[derive(Debug, Default)]
pub struct Decoder {
    has_started: bool,
    /// More than that was told.
    has_content: bool,
    has_stopped: bool,
    has_ended: bool,
    /// The backend's id of the answer.
    id: String,
    calls: Calls,
}

#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    model: Option<&'a RawValue>,
    #[serde(borrow)]
    created: Option<&'a RawValue>,
    #[serde(borrow, default)]
    choices: Option<First<'a>>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
    error: Option<IgnoredAny>,
    #[serde(borrow)]
    object: Option<&'a RawValue>,
    /// FastChat: what went wrong, 0 for nothing.
    #[serde(borrow)]
    error_code: Option<&'a RawValue>,
}

/// The first of the choices, if it is among those in the chunk.
#[derive(Default)]
struct First<'a>(Option<Choice<'a>>);

#[derive(Deserialize)]
struct Choice<'a> {
    index: Option<u64>,
    #[serde(borrow)]
    delta: Option<Part<'a>>,
    #[serde(borrow)]
    finish_reason: Option<&'a RawValue>,
    /// vLLM: the text that the model stopped at, or the number of a token.
    #[serde(borrow)]
    stop_reason: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Part<'a> {
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(borrow)]
    refusal: Option<&'a RawValue>,
    #[serde(borrow)]
    reasoning_content: Option<&'a RawValue>,
    #[serde(borrow)]
    reasoning: Option<&'a RawValue>,
    #[serde(borrow)]
    reasoning_details: Option<&'a RawValue>,
    #[serde(borrow)]
    tool_calls: Option<&'a RawValue>,
    /// As calls were told before there could be several.
    #[serde(borrow)]
    function_call: Option<Function<'a>>,
}

#[derive(Deserialize)]
struct CallPart<'a> {
    index: Option<u64>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    function: Option<Function<'a>>,
    #[serde(borrow)]
    custom: Option<Function<'a>>,
}

#[derive(Clone, Copy, Deserialize)]
struct Function<'a> {
    #[serde(borrow)]
    name: Option<&'a RawValue>,
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
    /// Of a custom tool.
    #[serde(borrow)]
    input: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Detail<'a> {
    #[serde(borrow)]
    text: Option<&'a RawValue>,
    #[serde(borrow)]
    signature: Option<&'a RawValue>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

impl Decoder {
    /// Tells what an event means. The result is its one text, if another event that differs in that text alone would mean
    /// the same with the other text.
    pub fn frame<'a>(&mut self, frame: &Frame<'a>, emit: &mut impl FnMut(Event<'_>)) -> Option<(Delta, JsonText<'a>)> {
        if self.has_ended {
            return None;
        }
        let data = frame.data.trim_ascii();
        if data.starts_with(b"[DONE]") {
            if self.has_content || self.has_stopped {
                self.end(emit);
            } else {
                self.fail(&Failure::truncated(), emit);
            }
            return None;
        }
        let Ok(chunk) = serde_json::from_slice::<Chunk<'a>>(data) else {
            self.fail(&Failure::malformed_event(), emit);
            return None;
        };
        if chunk.is_error(frame.event) {
            self.fail(&error_body::read(StatusCode::OK, data), emit);
            return None;
        }
        let usage = chunk.usage.and_then(|usage| usage::read(usage.get().as_bytes()));
        if let Some(usage) = usage {
            emit(Event::Usage(usage));
        }
        let choice = chunk.choices.and_then(|choices| choices.0)?;
        let is_first = !self.has_started;
        if is_first {
            self.has_started = true;
            let id = frame.text(chunk.id).unwrap_or(JsonText::EMPTY);
            let model = frame.text(chunk.model).unwrap_or(JsonText::EMPTY);
            let created = chunk.created.and_then(|created| created.get().parse().ok()).filter(|&seconds| seconds > 0);
            self.id = String::from_utf8_lossy(id.as_raw()).into_owned();
            emit(Event::Start { id, model, created });
        }
        if self.has_stopped {
            return None;
        }
        let mut teller = Teller::new(emit);
        let told = choice.delta.map_or(Ok(()), |part| self.part(frame, &part, &mut teller));
        let only = teller.only_text();
        self.has_content |= teller.has_told();
        if let Err(failure) = told {
            self.fail(&failure, emit);
            return None;
        }
        // Ollama and others have an empty one in every chunk.
        if let Some(reason) = choice.finish_reason.filter(|reason| reason.get() != "\"\"") {
            self.finish_reason(frame, reason, choice.stop_reason, emit);
            return None;
        }
        // Who waits may come behind any input.
        only.filter(|_| !is_first && usage.is_none() && !self.calls.wait())
    }

    /// What [`frame`](Decoder::frame) has returned was told again, with this text.
    pub fn again(&mut self, delta: Delta, text: JsonText<'_>) {
        if delta == Delta::ToolInput {
            self.calls.heard(text);
        }
    }

    /// The stream has ended between two events.
    pub fn finish(&mut self, emit: &mut impl FnMut(Event<'_>)) {
        if self.has_ended {
            return;
        }
        if self.has_stopped {
            self.end(emit);
        } else {
            self.fail(&Failure::truncated(), emit);
        }
    }

    fn part<'a>(
        &mut self,
        frame: &Frame<'a>,
        part: &Part<'a>,
        told: &mut Teller<'a, '_, impl FnMut(Event<'_>)>,
    ) -> Result<(), Failure> {
        let text = |value| frame.text(value);
        let thinking = text(part.reasoning_content).or_else(|| text(part.reasoning));
        if let Some(thinking) = thinking {
            told.delta(Delta::Thinking, thinking);
        }
        let details = part.reasoning_details.map(|details| serde_json::from_str::<Vec<Detail<'a>>>(details.get()));
        for detail in details.into_iter().flatten().flatten() {
            if let Some(text) = text(detail.text).filter(|_| thinking.is_none()) {
                told.delta(Delta::Thinking, text);
            }
            if let Some(signature) = text(detail.signature) {
                told.event(Event::Signature(signature));
            }
            if let Some(data) = text(detail.data) {
                told.event(Event::RedactedThinking(data));
            }
        }
        match part.content {
            Some(content) if content.get().starts_with('[') => {
                reading::parts(content.get(), &mut |piece| match piece {
                    Piece::Said(delta, text) => told.delta(delta, text),
                    Piece::Image(_) => told.event(piece.event()),
                });
            }
            content => told.delta(Delta::Text, text(content).unwrap_or(JsonText::EMPTY)),
        }
        if let Some(refusal) = text(part.refusal) {
            told.delta(Delta::Refusal, refusal);
        }
        if told.has_told() {
            self.calls.interrupt();
            self.calls.go_on(&mut |event| told.event(event));
        }
        if let Some(calls) = part.tool_calls {
            let calls: Vec<CallPart<'a>> = serde_json::from_str(calls.get()).map_err(|_| Failure::malformed_event())?;
            return calls.iter().try_for_each(|call| self.call(frame, call, told));
        }
        match part.function_call {
            Some(function) => {
                self.call(frame, &CallPart { index: None, id: None, function: Some(function), custom: None }, told)
            }
            None => Ok(()),
        }
    }

    fn call<'a>(
        &mut self,
        frame: &Frame<'a>,
        part: &CallPart<'a>,
        told: &mut Teller<'a, '_, impl FnMut(Event<'_>)>,
    ) -> Result<(), Failure> {
        let function = part.function.or(part.custom);
        let name = function.and_then(|function| frame.text(function.name));
        let input = function.and_then(|function| frame.text(function.arguments.or(function.input)));
        let mark = Mark { index: part.index, id: frame.text(part.id), name };
        let place = match (self.calls.find(mark), name) {
            (Some(place), _) => place,
            (None, Some(name)) => self.calls.begin(mark, name, &self.id, &mut |event| told.event(event))?,
            (None, None) if input.is_none() => return Ok(()),
            // A fragment of a call that is over cannot be told in its order any more.
            (None, None) => return Err(Failure::of_backend("the backend mixed the inputs of several tool calls")),
        };
        match (input, place) {
            (Some(input), Place::Told) => {
                told.delta(Delta::ToolInput, input);
                self.calls.heard(input);
                self.calls.go_on(&mut |event| told.event(event));
            }
            (Some(input), Place::Waiting(nth)) => self.calls.put_by(nth, input)?,
            (None, _) => {}
        }
        Ok(())
    }

    fn finish_reason(
        &mut self,
        frame: &Frame<'_>,
        reason: &RawValue,
        stop_reason: Option<&RawValue>,
        emit: &mut impl FnMut(Event<'_>),
    ) {
        let sequence = frame.text(stop_reason);
        match reading::stop(reason.get().trim_matches('"'), self.calls.any(), sequence) {
            Ok(stop) => {
                self.has_stopped = true;
                self.calls.end(emit);
                emit(Event::Stop(stop));
            }
            Err(failure) => self.fail(&failure, emit),
        }
    }

    fn end(&mut self, emit: &mut impl FnMut(Event<'_>)) {
        if !self.has_stopped {
            self.calls.end(emit);
            emit(Event::Stop(if self.calls.any() { Stop::ToolUse } else { Stop::EndTurn }));
        }
        self.has_ended = true;
        emit(Event::End);
    }

    fn fail(&mut self, failure: &Failure, emit: &mut impl FnMut(Event<'_>)) {
        self.has_ended = true;
        emit(Event::Failure(failure));
    }
}

impl Chunk<'_> {
    /// Whether the backend tells of an error. Some do so beside the protocol: by the name of the event, or in an object of
    /// their own.
    fn is_error(&self, event: &[u8]) -> bool {
        let has_no_choice = self.choices.as_ref().is_none_or(|choices| choices.0.is_none());
        self.error.is_some()
            || event == b"error"
            || self.object.is_some_and(|object| object.get() == "\"error\"")
            || (has_no_choice && self.error_code.is_some_and(|code| code.get() != "0"))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for First<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Choices;

        impl<'de> Visitor<'de> for Choices {
            type Value = First<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("choices")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut choices: A) -> Result<First<'de>, A::Error> {
                let mut first = First::default();
                while let Some(choice) = choices.next_element::<Choice<'de>>()? {
                    if first.0.is_none() && choice.index.is_none_or(|index| index == 0) {
                        first.0 = Some(choice);
                    }
                }
                Ok(first)
            }
        }

        deserializer.deserialize_seq(Choices)
    }
}
