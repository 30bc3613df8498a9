//! Writes an answer as the event stream of a message.
//!
//! Blocks come one behind the other, their indices are contiguous. What is known of the usage goes with the beginning, and all
//! of it with the end: backends that speak Chat tell it last. What goes around a text is rendered once for each block.

use super::{error, usage};
use crate::protocol::event::{Event, IMAGE_SHOWN, Stop, Usage};
use crate::protocol::out::{JsonText, Out};
use crate::protocol::stream::Context;

/// How the delta of a block ends behind its text.
const DELTA_END: &[u8] = b"\"}}\n\n";

/// Writes events as a message's events.
#[derive(Debug)]
pub struct Encoder {
    context: Context,
    /// The block that is open.
    block: Option<Block>,
    /// Index of that block, or of the next one.
    index: u64,
    /// A delta of the open block, up to its text.
    delta: Vec<u8>,
    has_refused: bool,
    /// Why the answer ended: the word, and the text that it was stopped at.
    stop: (&'static str, Option<Vec<u8>>),
    usage: Usage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Block {
    Text,
    Thinking,
    ToolUse,
}

impl Encoder {
    /// At the beginning of an answer.
    #[must_use]
    pub fn new(context: Context) -> Self {
        Encoder {
            context,
            block: None,
            index: 0,
            delta: Vec::new(),
            has_refused: false,
            stop: ("end_turn", None),
            usage: Usage::default(),
        }
    }

    /// Writes what happened.
    #[inline]
    pub fn event(&mut self, event: Event<'_>, out: &mut Out) {
        match (event, self.block) {
            (Event::Text(text), Some(Block::Text))
            | (Event::ToolInput(text), Some(Block::ToolUse))
            | (Event::Thinking(text), Some(Block::Thinking)) => self.write_delta(text, out),
            _ => self.other(event, out),
        }
    }

    #[inline]
    fn write_delta(&self, text: JsonText<'_>, out: &mut Out) {
        out.write(&self.delta);
        out.text(text);
        out.write(DELTA_END);
    }

    fn other(&mut self, event: Event<'_>, out: &mut Out) {
        match event {
            Event::Start { id, .. } => self.start(id, out),
            Event::Text(text) => {
                self.enter(Block::Text, out);
                self.write_delta(text, out);
            }
            Event::Refusal(text) => {
                self.has_refused = true;
                self.enter(Block::Text, out);
                self.write_delta(text, out);
            }
            Event::Thinking(text) => {
                self.enter(Block::Thinking, out);
                self.write_delta(text, out);
            }
            Event::Signature(signature) => {
                self.enter(Block::Thinking, out);
                self.begin_delta(out);
                out.write(b"signature_delta\",\"signature\":\"");
                out.text(signature);
                out.write(DELTA_END);
                self.close(out);
            }
            Event::RedactedThinking(data) => {
                self.close(out);
                self.begin_block(out);
                out.write(b"redacted_thinking\",\"data\":\"");
                out.text(data);
                out.write(b"\"}}\n\n");
                self.end_block(out);
            }
            Event::ToolCall { id, name } => {
                self.close(out);
                self.begin_block(out);
                out.write(b"tool_use\",\"id\":\"");
                out.text(id);
                out.write(b"\",\"name\":\"");
                out.text(name);
                out.write(b"\",\"input\":{}}}\n\n");
                self.opened(Block::ToolUse);
            }
            // Of no call: decoders tell no such thing.
            Event::ToolInput(_) => {}
            // Messages of an assistant have no images.
            Event::Image(_) => self.event(Event::Text(JsonText::raw(IMAGE_SHOWN.as_bytes())), out),
            Event::NoImage => {}
            Event::Usage(usage) => self.usage.update(usage),
            Event::Stop(stop) => {
                self.close(out);
                let sequence = if let Stop::Sequence(Some(text)) = stop { Some(text.as_raw().to_vec()) } else { None };
                let refused = self.has_refused && matches!(stop, Stop::EndTurn);
                self.stop = (stop_reason(if refused { Stop::Refusal } else { stop }), sequence);
            }
            Event::End => self.end(out),
            Event::Failure(failure) => out.write(&error::event(failure, None)),
        }
    }

    fn start(&mut self, id: JsonText<'_>, out: &mut Out) {
        out.write(b"event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"");
        match id.is_empty() {
            true => out.escape(&self.context.id),
            false => out.text(id),
        }
        out.write(b"\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"");
        out.escape(&self.context.model);
        out.write(b"\",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":");
        usage::write(&self.usage, out);
        out.write(b"}}\n\n");
    }

    /// Makes sure that a block of this kind is open.
    fn enter(&mut self, block: Block, out: &mut Out) {
        if self.block == Some(block) {
            return;
        }
        self.close(out);
        self.begin_block(out);
        out.write(match block {
            Block::Text => b"text\",\"text\":\"\"}}\n\n",
            Block::Thinking => b"thinking\",\"thinking\":\"\",\"signature\":\"\"}}\n\n",
            Block::ToolUse => unreachable!("calls open their blocks themselves"),
        });
        self.opened(block);
    }

    fn opened(&mut self, block: Block) {
        self.block = Some(block);
        let mut delta = Out::default();
        self.begin_delta(&mut delta);
        delta.write(match block {
            Block::Text => b"text_delta\",\"text\":\"",
            Block::Thinking => b"thinking_delta\",\"thinking\":\"",
            Block::ToolUse => b"input_json_delta\",\"partial_json\":\"",
        });
        self.delta = delta.into_vec();
    }

    fn close(&mut self, out: &mut Out) {
        if self.block.take().is_some() {
            self.end_block(out);
        }
    }

    /// Up to the type of the block.
    fn begin_block(&self, out: &mut Out) {
        out.write(b"event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":");
        out.number(self.index);
        out.write(b",\"content_block\":{\"type\":\"");
    }

    /// Up to the type of the delta.
    fn begin_delta(&self, out: &mut Out) {
        out.write(b"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":");
        out.number(self.index);
        out.write(b",\"delta\":{\"type\":\"");
    }

    fn end_block(&mut self, out: &mut Out) {
        out.write(b"event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":");
        out.number(self.index);
        out.write(b"}\n\n");
        self.index += 1;
    }

    fn end(&mut self, out: &mut Out) {
        let (reason, sequence) = &self.stop;
        out.write(b"event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"");
        out.write(reason.as_bytes());
        out.write(b"\",\"stop_sequence\":");
        match sequence {
            Some(sequence) => {
                out.write(b"\"");
                out.write(sequence);
                out.write(b"\"");
            }
            None => out.write(b"null"),
        }
        out.write(b"},\"usage\":");
        usage::write(&self.usage, out);
        out.write(b"}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n");
    }
}

/// What Anthropic calls the reason why an answer ended.
#[must_use]
pub fn stop_reason(stop: Stop<'_>) -> &'static str {
    match stop {
        Stop::EndTurn => "end_turn",
        Stop::Sequence(_) => "stop_sequence",
        Stop::Length => "max_tokens",
        Stop::ToolUse => "tool_use",
        Stop::Refusal => "refusal",
        Stop::Pause => "pause_turn",
    }
}
