//! The events of a Responses stream, one frame each: their names, their numbers, and the members that all of one sort have.
//!
//! It knows nothing of the order in which they come.

use super::assistant::{Content, Thinking};
use super::item::{self, Item, ItemKind, Status};
use crate::protocol::out::Out;
use bytes::Bytes;

/// Writes frames and numbers them.
#[derive(Debug, Default)]
pub(super) struct Frames {
    /// Off for a plain answer, of which only the result counts.
    on: bool,
    next: u64,
    /// What every delta of the part that is open begins with.
    delta: Vec<u8>,
}

/// Where a part stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct At<'a> {
    pub(super) item_id: &'a str,
    pub(super) output_index: usize,
    /// Of a message its content part. Calls and reasoning have none, or only one.
    pub(super) part: Part,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Content(usize),
    Summary,
    /// The input of a call. Images have no parts either.
    Input,
}

impl Frames {
    pub(super) fn new(on: bool) -> Frames {
        Frames { on, next: 0, delta: Vec::new() }
    }

    /// One frame; `members` writes what it has beside its type and number, a comma after each.
    pub(super) fn frame(&mut self, out: &mut Out, kind: &str, members: impl FnOnce(&mut Out)) {
        if !self.on {
            return;
        }
        out.write(b"event: ");
        out.write(kind.as_bytes());
        out.write(b"\ndata: {\"type\":\"");
        out.write(kind.as_bytes());
        out.write(b"\",");
        members(out);
        self.end(out);
    }

    fn end(&mut self, out: &mut Out) {
        out.write(b"\"sequence_number\":");
        out.number(self.next);
        out.write(b"}\n\n");
        self.next += 1;
    }

    /// The end of the stream.
    pub(super) fn done(&self, out: &mut Out) {
        if self.on {
            out.write(b"data: [DONE]\n\n");
        }
    }

    /// An item is new, or complete.
    pub(super) fn item(&mut self, out: &mut Out, kind: &str, output_index: usize, item: &Item) {
        self.frame(out, kind, |out| {
            out.write(br#""output_index":"#);
            out.number(output_index as u64);
            out.write(br#","item":"#);
            item.write(out);
            out.write(b",");
        });
    }

    /// A content part is new, or complete.
    pub(super) fn part(&mut self, out: &mut Out, kind: &str, at: At<'_>, content: &Content) {
        self.frame(out, kind, |out| {
            at.write(out);
            out.write(br#""part":"#);
            item::part(out, content);
            out.write(b",");
        });
    }

    /// A part of a summary is new, or complete.
    pub(super) fn summary(&mut self, out: &mut Out, kind: &str, at: At<'_>, text: &Bytes) {
        self.frame(out, kind, |out| {
            at.write(out);
            out.write(br#""part":"#);
            item::summary(out, text);
            out.write(b",");
        });
    }

    /// Of a call that is told only when it is complete: its first events.
    pub(super) fn begin(&mut self, out: &mut Out, output_index: usize, item: &mut Item) {
        let status = std::mem::replace(&mut item.status, Status::InProgress);
        let mut said = Bytes::new();
        if let ItemKind::Function(call) = &mut item.kind {
            said = std::mem::take(&mut call.arguments);
        }
        self.item(out, "response.output_item.added", output_index, item);
        if let ItemKind::Function(call) = &mut item.kind {
            let at = At { item_id: &item.id, output_index, part: Part::Input };
            self.prepare("response.function_call_arguments.delta", at);
            if !said.is_empty() {
                self.delta(out, |out| out.write(&said));
            }
            call.arguments = said;
        }
        item.status = status;
    }

    /// What goes before the last event of an item, for all but messages.
    pub(super) fn complete(&mut self, out: &mut Out, output_index: usize, item: &Item) {
        let at = |part| At { item_id: &item.id, output_index, part };
        match &item.kind {
            ItemKind::Message(_) | ItemKind::Image(_) | ItemKind::Native(..) => {}
            ItemKind::Function(call) => {
                self.frame(out, "response.function_call_arguments.done", |out| {
                    at(Part::Input).write(out);
                    item::member(out, "name", call.shown());
                    item::member(out, "arguments", &call.arguments);
                });
            }
            ItemKind::Custom(_, input) => {
                self.text(out, "response.custom_tool_call_input.done", at(Part::Input), "input", input);
            }
            ItemKind::Reasoning(Thinking::Redacted(_), _) => {}
            ItemKind::Reasoning(Thinking::Unsigned(text) | Thinking::Signed { text, .. }, _) => {
                self.text(out, "response.reasoning_summary_text.done", at(Part::Summary), "text", text);
                self.summary(out, "response.reasoning_summary_part.done", at(Part::Summary), text);
            }
        }
    }

    /// How far an image has come.
    pub(super) fn image(&mut self, out: &mut Out, kind: &str, item_id: &str, output_index: usize) {
        self.frame(out, kind, |out| At { item_id, output_index, part: Part::Input }.write(out));
    }

    /// A text is complete.
    pub(super) fn text(&mut self, out: &mut Out, kind: &str, at: At<'_>, key: &str, text: &Bytes) {
        self.frame(out, kind, |out| {
            at.write(out);
            if kind == "response.output_text.done" {
                out.write(br#""logprobs":[],"#);
            }
            item::member(out, key, text);
        });
    }

    /// Deltas of this sort will come.
    pub(super) fn prepare(&mut self, kind: &str, at: At<'_>) {
        if !self.on {
            return;
        }
        let mut out = Out::default();
        out.write(format!("event: {kind}\ndata: {{\"type\":\"{kind}\",").as_bytes());
        at.write(&mut out);
        if kind == "response.output_text.delta" {
            out.write(br#""logprobs":[],"#);
        }
        out.write(br#""delta":""#);
        self.delta.clear();
        while let Some(piece) = out.take() {
            self.delta.extend_from_slice(&piece);
        }
    }

    /// One of them; `text` writes it.
    #[inline]
    pub(super) fn delta(&mut self, out: &mut Out, text: impl FnOnce(&mut Out)) {
        if !self.on {
            return;
        }
        out.write(&self.delta);
        text(out);
        out.write(b"\",");
        self.end(out);
    }
}

impl At<'_> {
    fn write(&self, out: &mut Out) {
        out.write(br#""item_id":""#);
        out.write(self.item_id.as_bytes());
        out.write(br#"","output_index":"#);
        out.number(self.output_index as u64);
        match self.part {
            Part::Content(index) => {
                out.write(br#","content_index":"#);
                out.number(index as u64);
            }
            Part::Summary => out.write(br#","summary_index":0"#),
            Part::Input => {}
        }
        out.write(b",");
    }
}
