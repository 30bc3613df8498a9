//! What the events of a message stream mean.
//!
//! Events and blocks that it does not know are left out, and so are tools that the provider runs itself: the client did not
//! offer them, and cannot answer their calls.

use super::usage;
use crate::protocol::error_body;
use crate::protocol::event::{Delta, Event, Stop, Teller, escaped};
use crate::protocol::failure::Failure;
use crate::protocol::out::JsonText;
use crate::protocol::sse::Frame;
use http::StatusCode;
use serde::Deserialize;
use serde_json::value::RawValue;

/// Makes events of a message's events.
#[derive(Debug, Default)]
pub struct Decoder {
    has_started: bool,
    has_stopped: bool,
    has_ended: bool,
    block: Option<Block>,
}

/// The block that is being told.
#[derive(Debug)]
struct Block {
    index: u64,
    kind: BlockKind,
}

#[derive(Debug)]
enum BlockKind {
    /// Text or thinking.
    Told,
    /// A tool call. The input that it began with counts if no other comes.
    Tool { input: Option<String> },
    /// Nothing that is told of.
    Unknown,
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    r#type: Option<&'a RawValue>,
    index: Option<u64>,
    #[serde(borrow)]
    delta: Option<DeltaPart<'a>>,
    #[serde(borrow)]
    content_block: Option<BlockPart<'a>>,
    #[serde(borrow)]
    message: Option<MessagePart<'a>>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct MessagePart<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    model: Option<&'a RawValue>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct BlockPart<'a> {
    #[serde(borrow)]
    r#type: Option<&'a RawValue>,
    #[serde(borrow)]
    text: Option<&'a RawValue>,
    #[serde(borrow)]
    thinking: Option<&'a RawValue>,
    #[serde(borrow)]
    signature: Option<&'a RawValue>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    name: Option<&'a RawValue>,
    #[serde(borrow)]
    input: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct DeltaPart<'a> {
    #[serde(borrow)]
    r#type: Option<&'a RawValue>,
    #[serde(borrow)]
    text: Option<&'a RawValue>,
    #[serde(borrow)]
    partial_json: Option<&'a RawValue>,
    #[serde(borrow)]
    thinking: Option<&'a RawValue>,
    #[serde(borrow)]
    signature: Option<&'a RawValue>,
    #[serde(borrow)]
    stop_reason: Option<&'a RawValue>,
    #[serde(borrow)]
    stop_sequence: Option<&'a RawValue>,
}

impl Decoder {
    /// Tells what an event means. The result is its one text, if another event that differs in that text alone would mean
    /// the same with the other text.
    pub fn frame<'a>(&mut self, frame: &Frame<'a>, emit: &mut impl FnMut(Event<'_>)) -> Option<(Delta, JsonText<'a>)> {
        if self.has_ended {
            return None;
        }
        let Ok(body) = serde_json::from_slice::<Body<'a>>(frame.data) else {
            self.fail(&Failure::malformed_event(), emit);
            return None;
        };
        let kind = frame.text(body.r#type).map_or(frame.event, |kind| kind.as_raw());
        match kind {
            b"message_start" => self.start(frame, body.message.as_ref(), emit),
            b"content_block_start" => self.open(frame, body.index, body.content_block.as_ref(), emit),
            b"content_block_delta" => return self.delta(frame, body.index, body.delta.as_ref()?, emit),
            b"content_block_stop" => self.close(emit),
            b"message_delta" => {
                if let Some(usage) = body.usage.and_then(|usage| usage::read(usage.get().as_bytes())) {
                    emit(Event::Usage(usage));
                }
                self.stop(frame, body.delta.as_ref()?, emit);
            }
            b"message_stop" => self.end(emit),
            b"error" => self.fail(&error_body::read(StatusCode::OK, frame.data), emit),
            _ => {}
        }
        None
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

    fn start(&mut self, frame: &Frame<'_>, message: Option<&MessagePart<'_>>, emit: &mut impl FnMut(Event<'_>)) {
        if let Some(usage) = message.and_then(|message| usage::read(message.usage?.get().as_bytes())) {
            emit(Event::Usage(usage));
        }
        if std::mem::replace(&mut self.has_started, true) {
            return;
        }
        let id = message.and_then(|message| frame.text(message.id)).unwrap_or(JsonText::EMPTY);
        let model = message.and_then(|message| frame.text(message.model)).unwrap_or(JsonText::EMPTY);
        emit(Event::Start { id, model, created: None });
    }

    fn open(
        &mut self,
        frame: &Frame<'_>,
        index: Option<u64>,
        part: Option<&BlockPart<'_>>,
        emit: &mut impl FnMut(Event<'_>),
    ) {
        self.start(frame, None, emit);
        self.close(emit);
        let Some(part) = part.filter(|_| !self.has_stopped) else { return };
        let text = |value| frame.text(value);
        let kind = match part.r#type.map_or("", RawValue::get) {
            "\"text\"" => {
                text(part.text).into_iter().for_each(|text| emit(Event::Text(text)));
                BlockKind::Told
            }
            "\"thinking\"" => {
                text(part.thinking).into_iter().for_each(|thinking| emit(Event::Thinking(thinking)));
                text(part.signature).into_iter().for_each(|signature| emit(Event::Signature(signature)));
                BlockKind::Told
            }
            "\"redacted_thinking\"" => {
                text(part.data).into_iter().for_each(|data| emit(Event::RedactedThinking(data)));
                BlockKind::Unknown
            }
            "\"tool_use\"" => {
                let (id, name) = (text(part.id).unwrap_or(JsonText::EMPTY), text(part.name).unwrap_or(JsonText::EMPTY));
                emit(Event::ToolCall { id, name });
                let input = part.input.map(RawValue::get).filter(|input| !is_empty_object(input));
                BlockKind::Tool { input: input.map(escaped) }
            }
            _ => BlockKind::Unknown,
        };
        self.block = Some(Block { index: index.unwrap_or_default(), kind });
    }

    fn delta<'a>(
        &mut self,
        frame: &Frame<'a>,
        index: Option<u64>,
        part: &DeltaPart<'a>,
        emit: &mut impl FnMut(Event<'_>),
    ) -> Option<(Delta, JsonText<'a>)> {
        if self.has_stopped {
            return None;
        }
        self.start(frame, None, emit);
        let block = self.block.as_mut().filter(|block| index.is_none_or(|index| index == block.index));
        let mut teller = Teller::new(emit);
        let text = |value| frame.text(value).unwrap_or(JsonText::EMPTY);
        match (block.map(|block| &mut block.kind), part.r#type.map_or("", RawValue::get)) {
            (Some(BlockKind::Unknown), _) => {}
            (_, "\"text_delta\"") => teller.delta(Delta::Text, text(part.text)),
            (_, "\"thinking_delta\"") => teller.delta(Delta::Thinking, text(part.thinking)),
            (_, "\"signature_delta\"") => {
                let signature = text(part.signature);
                if !signature.is_empty() {
                    teller.event(Event::Signature(signature));
                }
            }
            (Some(BlockKind::Tool { input: begun }), "\"input_json_delta\"") => {
                let input = text(part.partial_json);
                if !input.is_empty() {
                    *begun = None;
                }
                teller.delta(Delta::ToolInput, input);
            }
            (_, "\"input_json_delta\"") => {
                self.fail(&Failure::of_backend("the backend sent the input of a tool call that is not open"), emit);
                return None;
            }
            // Citations, and what is to come.
            _ => {}
        }
        teller.only_text()
    }

    fn close(&mut self, emit: &mut impl FnMut(Event<'_>)) {
        if let Some(Block { kind: BlockKind::Tool { input: Some(input) }, .. }) = self.block.take() {
            emit(Event::ToolInput(JsonText::raw(input.as_bytes())));
        }
    }

    fn stop(&mut self, frame: &Frame<'_>, part: &DeltaPart<'_>, emit: &mut impl FnMut(Event<'_>)) {
        let Some(reason) = part.stop_reason.filter(|_| !self.has_stopped) else { return };
        self.start(frame, None, emit);
        self.close(emit);
        self.has_stopped = true;
        emit(Event::Stop(stop(reason.get().trim_matches('"'), frame.text(part.stop_sequence))));
    }

    fn end(&mut self, emit: &mut impl FnMut(Event<'_>)) {
        if !self.has_started {
            emit(Event::Start { id: JsonText::EMPTY, model: JsonText::EMPTY, created: None });
        }
        self.close(emit);
        if !self.has_stopped {
            emit(Event::Stop(Stop::EndTurn));
        }
        self.has_ended = true;
        emit(Event::End);
    }

    fn fail(&mut self, failure: &Failure, emit: &mut impl FnMut(Event<'_>)) {
        self.has_ended = true;
        emit(Event::Failure(failure));
    }
}

/// Why an answer has ended, by its `stop_reason`.
pub(super) fn stop<'a>(reason: &str, sequence: Option<JsonText<'a>>) -> Stop<'a> {
    match reason {
        "stop_sequence" => Stop::Sequence(sequence),
        "max_tokens" | "model_context_window_exceeded" => Stop::Length,
        "tool_use" => Stop::ToolUse,
        "refusal" => Stop::Refusal,
        "pause_turn" => Stop::Pause,
        _ => Stop::EndTurn,
    }
}

fn is_empty_object(json: &str) -> bool {
    json == "null"
        || json.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).is_some_and(|rest| rest.trim().is_empty())
}
