//! Writes an answer as the event stream of a chat completion.
//!
//! One chunk with the role comes first, exactly one with the finish reason, a chunk with the usage only where the client asked
//! for it, then `[DONE]`; an error is an event of its own, and nothing comes behind it. All chunks have one id, time and model.
//! Thinking is told in pieces, and once more as a whole with the finish reason, to be handed back.
//! What goes around a text is rendered once for all texts of its kind.

use super::thoughts::Thoughts;
use super::{error, usage};
use crate::protocol::event::{Event, Stop, Usage};
use crate::protocol::out::{JsonText, Out};
use crate::protocol::stream::Context;

/// How the choice begins whose delta follows.
const CHOICE: &[u8] = b"\"choices\":[{\"index\":0,\"delta\":{";

/// Writes events as chunks.
#[derive(Debug)]
pub struct Encoder {
    context: Context,
    endings: &'static Endings,
    /// A chunk up to what is in its delta.
    head: Vec<u8>,
    /// A chunk of text, up to that text.
    text: Vec<u8>,
    /// A chunk of the last tool call's input, up to that input.
    input: Vec<u8>,
    /// Tool calls so far.
    calls: u64,
    /// The last tool call has no input yet.
    needs_input: bool,
    /// Blocks of thinking so far, the open one left out.
    thoughts: u64,
    is_thinking: bool,
    /// What is handed back of them.
    kept: Thoughts,
    usage: Usage,
}

impl Encoder {
    /// At the beginning of an answer.
    #[must_use]
    pub fn new(context: Context) -> Self {
        Encoder {
            endings: Endings::new(context.include_usage),
            context,
            head: Vec::new(),
            text: Vec::new(),
            input: Vec::new(),
            calls: 0,
            needs_input: false,
            thoughts: 0,
            is_thinking: false,
            kept: Thoughts::default(),
            usage: Usage::default(),
        }
    }

    /// Writes what happened.
    #[inline]
    pub fn event(&mut self, event: Event<'_>, out: &mut Out) {
        match event {
            Event::Text(text) if !self.needs_input && !self.is_thinking => {
                out.write(&self.text);
                out.text(text);
                out.write(self.endings.text);
            }
            Event::ToolInput(input) => {
                self.needs_input = false;
                out.write(&self.input);
                out.text(input);
                out.write(self.endings.input);
            }
            _ => self.other(event, out),
        }
    }

    fn other(&mut self, event: Event<'_>, out: &mut Out) {
        match event {
            Event::Usage(usage) => return self.usage.update(usage),
            Event::Failure(failure) => return out.write(&error::event(failure)),
            _ => {}
        }
        if std::mem::take(&mut self.needs_input) {
            out.write(&self.input);
            out.write(b"{}");
            out.write(self.endings.input);
        }
        if self.is_thinking && !matches!(event, Event::Thinking(_) | Event::Signature(_)) {
            self.thought();
        }
        match event {
            Event::Start { id, created, .. } => self.start(id, created, out),
            Event::Text(_) => self.event(event, out),
            Event::Refusal(text) => {
                self.chunk(out, |out| {
                    out.write(b"\"refusal\":\"");
                    out.text(text);
                    out.write(b"\"");
                });
            }
            Event::Thinking(text) => {
                self.is_thinking = true;
                self.kept.text(text);
                self.chunk(out, |out| {
                    out.write(b"\"reasoning_content\":\"");
                    out.text(text);
                    out.write(b"\",");
                    detail(out, "reasoning.text", self.thoughts, "text", text);
                });
            }
            Event::Signature(signature) => {
                self.kept.signature(signature);
                self.chunk(out, |out| detail(out, "reasoning.text", self.thoughts, "signature", signature));
                self.thought();
            }
            Event::RedactedThinking(data) => {
                self.kept.redacted(data);
                self.chunk(out, |out| detail(out, "reasoning.encrypted", self.thoughts, "data", data));
                self.thought();
            }
            Event::ToolCall { id, name } => self.call(id, name, out),
            Event::Stop(stop) => {
                out.write(&self.head);
                if let Some(thoughts) = self.kept.items() {
                    out.write(b"\"thinking_blocks\":[");
                    out.write(thoughts);
                    out.write(b"]");
                }
                out.write(b"},\"logprobs\":null,\"finish_reason\":\"");
                out.write(finish_reason(stop).as_bytes());
                out.write(self.endings.finish);
            }
            Event::End => {
                if self.context.include_usage {
                    out.write(self.head.strip_suffix(CHOICE).unwrap_or_default());
                    out.write(b"\"choices\":[],\"usage\":");
                    usage::write(&self.usage, out);
                    out.write(b"}\n\n");
                }
                out.write(b"data: [DONE]\n\n");
            }
            // As in a plain answer: no other place is known for it.
            Event::Image(image) => self.chunk(out, |out| {
                out.write(b"\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":\"");
                out.text(image.data);
                out.text(image.source);
                out.write(b"\"}}]");
            }),
            Event::NoImage | Event::ToolInput(_) | Event::Usage(_) | Event::Failure(_) => {}
        }
    }

    fn start(&mut self, id: JsonText<'_>, created: Option<u64>, out: &mut Out) {
        let mut head = Out::default();
        head.write(b"data: {\"id\":\"");
        match id.is_empty() {
            true => head.escape(&self.context.id),
            false => head.text(id),
        }
        head.write(b"\",\"object\":\"chat.completion.chunk\",\"created\":");
        head.number(created.unwrap_or(self.context.created));
        head.write(b",\"model\":\"");
        head.escape(&self.context.model);
        head.write(b"\",");
        head.write(CHOICE);
        self.head = head.into_vec();
        self.text = [&self.head[..], b"\"content\":\""].concat();
        self.chunk(out, |out| out.write(br#""role":"assistant","content":"","refusal":null"#));
    }

    fn call(&mut self, id: JsonText<'_>, name: JsonText<'_>, out: &mut Out) {
        let mut input = Out::default();
        input.write(&self.head);
        input.write(b"\"tool_calls\":[{\"index\":");
        input.number(self.calls);
        let begun = input.into_vec();
        out.write(&begun);
        out.write(b",\"id\":\"");
        out.text(id);
        out.write(b"\",\"type\":\"function\",\"function\":{\"name\":\"");
        out.text(name);
        out.write(b"\",\"arguments\":\"");
        out.write(self.endings.input);
        self.input = [&begun[..], b",\"function\":{\"arguments\":\""].concat();
        self.calls += 1;
        self.needs_input = true;
    }

    /// A block of thinking is complete.
    fn thought(&mut self) {
        self.thoughts += 1;
        self.is_thinking = false;
        self.kept.close();
    }

    /// Writes a chunk with this delta.
    fn chunk(&self, out: &mut Out, delta: impl FnOnce(&mut Out)) {
        out.write(&self.head);
        delta(out);
        out.write(self.endings.delta);
    }
}

/// How chunks go on behind what was told, up to their end.
#[derive(Debug)]
struct Endings {
    /// Behind the content of a delta.
    delta: &'static [u8],
    /// Behind a text.
    text: &'static [u8],
    /// Behind the input of a tool.
    input: &'static [u8],
    /// Behind a finish reason.
    finish: &'static [u8],
}

impl Endings {
    /// A client that asked for the usage gets it in the last chunk, and null in every other.
    const fn new(include_usage: bool) -> &'static Endings {
        if include_usage {
            &Endings {
                delta: b"},\"logprobs\":null,\"finish_reason\":null}],\"usage\":null}\n\n",
                text: b"\"},\"logprobs\":null,\"finish_reason\":null}],\"usage\":null}\n\n",
                input: b"\"}}]},\"logprobs\":null,\"finish_reason\":null}],\"usage\":null}\n\n",
                finish: b"\"}],\"usage\":null}\n\n",
            }
        } else {
            &Endings {
                delta: b"},\"logprobs\":null,\"finish_reason\":null}]}\n\n",
                text: b"\"},\"logprobs\":null,\"finish_reason\":null}]}\n\n",
                input: b"\"}}]},\"logprobs\":null,\"finish_reason\":null}]}\n\n",
                finish: b"\"}]}\n\n",
            }
        }
    }
}

/// One piece of thinking, as OpenRouter tells it: SDKs put together what has one index.
fn detail(out: &mut Out, kind: &str, index: u64, key: &str, text: JsonText<'_>) {
    out.write(b"\"reasoning_details\":[{\"type\":\"");
    out.write(kind.as_bytes());
    out.write(b"\",\"index\":");
    out.number(index);
    out.write(b",\"");
    out.write(key.as_bytes());
    out.write(b"\":\"");
    out.text(text);
    out.write(b"\"}]");
}

/// What OpenAI calls the reason why an answer ended.
#[must_use]
pub fn finish_reason(stop: Stop<'_>) -> &'static str {
    match stop {
        Stop::EndTurn | Stop::Sequence(_) | Stop::Pause => "stop",
        Stop::Length => "length",
        Stop::ToolUse => "tool_calls",
        Stop::Refusal => "content_filter",
    }
}
