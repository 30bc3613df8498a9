//! An answer as a response: the events of its stream with everything that has to open and close around them, and the
//! response object that they add up to. A plain answer is the same without the stream.
//!
//! The last event is held back until it is asked for, so that the response can be stored before the client is told.

mod drawing;

pub use drawing::Drawing;

use super::assistant::{Assistant, Call, Content, Thinking};
use super::custom::{Unwrap, wrap};
use super::frames::{At, Frames, Part};
use super::ids::{Place, item_id};
use super::item::{Item, ItemKind, Status};
use super::native::Native;
use super::resource::{self, Context, Outcome};
use crate::protocol::event::{Event, Stop, Usage};
use crate::protocol::failure::{Failure, FailureKind};
use crate::protocol::out::{JsonText, Out};
use bytes::{Bytes, BytesMut};

/// Room for the text of a part at first: some sentences.
const TEXT: usize = 1024;

/// Tells an answer as a response.
#[derive(Debug)]
pub struct Encoder {
    context: Context,
    frames: Frames,
    begun: bool,
    items: Vec<Item>,
    open: Option<Open>,
    usage: Usage,
    /// What the backend said of the end, which is believed when the end comes.
    stop: Outcome,
    outcome: Outcome,
    completed_at: Option<u64>,
    /// The response object once it will not change any more.
    settled: Option<Bytes>,
}

/// The item that is being made.
#[derive(Debug)]
struct Open {
    id: String,
    kind: OpenKind,
    /// What has come of its last part: the body of a JSON string.
    text: BytesMut,
}

#[derive(Debug)]
enum OpenKind {
    /// Parts that are complete, and whether the one that is open is a refusal.
    Message {
        contents: Vec<Content>,
        refusal: bool,
    },
    Function {
        call_id: Bytes,
        name: Bytes,
    },
    Custom {
        call_id: Bytes,
        name: Bytes,
        input: Unwrap,
    },
    /// Only when all of it is there can it be told.
    Native {
        call_id: Bytes,
        native: Native,
    },
    Reasoning,
}

impl Encoder {
    /// The encoder of an answer that is streamed, or not.
    #[must_use]
    pub fn new(context: Context, stream: bool) -> Encoder {
        Encoder {
            context,
            frames: Frames::new(stream),
            begun: false,
            items: Vec::new(),
            open: None,
            usage: Usage::default(),
            stop: Outcome::Completed,
            outcome: Outcome::InProgress,
            completed_at: None,
            settled: None,
        }
    }

    /// Takes what happens in the answer, and writes what the client is told of it: everything but the last event.
    pub fn event(&mut self, event: Event<'_>, out: &mut Out) {
        if self.is_done() {
            return;
        }
        self.begin(out);
        match event {
            Event::Start { .. } => {}
            Event::Text(text) => self.say(text, false, out),
            Event::Refusal(text) => self.say(text, true, out),
            Event::Thinking(text) => self.think(text, out),
            Event::Signature(signature) => self.sign(signature, out),
            Event::RedactedThinking(data) => {
                self.close(Status::Completed, out);
                self.whole_thinking(Thinking::Redacted(data.to_bytes()), out);
            }
            Event::ToolCall { id, name } => self.call(id, name, out),
            Event::ToolInput(text) => self.tool_input(text, out),
            Event::Image(image) => self.image(Some(image.source.to_bytes()), out),
            Event::NoImage => self.image(None, out),
            Event::Usage(usage) => self.usage.update(usage),
            Event::Stop(stop) => {
                self.stop = match stop {
                    Stop::Length => Outcome::Incomplete("max_output_tokens"),
                    Stop::Refusal => Outcome::Incomplete("content_filter"),
                    Stop::EndTurn | Stop::Sequence(_) | Stop::ToolUse | Stop::Pause => Outcome::Completed,
                }
            }
            Event::End => {
                self.close(self.stop.of_last_item(), out);
                self.outcome = self.stop.clone();
            }
            Event::Failure(failure) => self.fail(failure),
        }
    }

    /// The answer ends with an error, or breaks off.
    pub fn fail(&mut self, failure: &Failure) {
        if !self.is_done() {
            self.outcome = Outcome::failed(failure);
            self.break_off();
        }
    }

    /// The answer was made, and is lost before the client was told its end.
    pub fn lose(&mut self, failure: &Failure) {
        self.settled = None;
        self.outcome = Outcome::failed(failure);
    }

    /// What was said, as the body of a JSON string.
    #[must_use]
    pub fn said(&self) -> Bytes {
        let texts = self.items.iter().flat_map(|item| match &item.kind {
            ItemKind::Message(contents) => &contents[..],
            _ => &[],
        });
        let mut said = BytesMut::new();
        for content in texts {
            if let Content::Text(text) = content {
                said.extend_from_slice(text);
            }
        }
        said.freeze()
    }

    /// Whether the answer has ended, one way or another.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.outcome != Outcome::InProgress
    }

    /// How the response stands.
    #[must_use]
    pub fn outcome(&self) -> &Outcome {
        &self.outcome
    }

    /// What is known of the tokens.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.usage
    }

    /// Of an answer that has ended: writes the event that says so, and the end of the stream. An answer that has not is a
    /// failed one. The time is in seconds since 1970.
    pub fn finish(&mut self, now: u64, out: &mut Out) {
        if !self.is_done() {
            self.begin(out);
            let message = "the answer ended before it was complete".to_owned();
            self.fail(&Failure { kind: FailureKind::Api, message, code: None, param: None });
        }
        self.completed_at.get_or_insert(now);
        let kind = match self.outcome {
            Outcome::Completed | Outcome::InProgress => "response.completed",
            Outcome::Incomplete(_) => "response.incomplete",
            Outcome::Failed { .. } => "response.failed",
        };
        self.lifecycle(kind, out);
        self.frames.done(out);
    }

    /// Of an answer that has ended: the response object, to be stored before the client is told it. The time is in seconds
    /// since 1970.
    #[must_use]
    pub fn settle(&mut self, now: u64) -> Bytes {
        self.completed_at = Some(now);
        let mut out = Out::default();
        self.write_response(&mut out);
        let response = out.into_bytes();
        self.settled = Some(response.clone());
        response
    }

    /// Writes the response object as it stands: the body of a plain answer.
    pub fn write_response(&self, out: &mut Out) {
        let Encoder { context, outcome, completed_at, items, usage, settled, .. } = self;
        match settled {
            Some(response) => out.pass(response.clone()),
            None => resource::write(out, context, outcome, *completed_at, items, usage),
        }
    }

    /// Writes what the next turn is told of this one, a Chat message. Tells whether there is anything to tell.
    pub fn write_turn(&self, out: &mut Out) -> bool {
        let mut turn = Assistant::default();
        self.items.iter().for_each(|item| item.tell(&mut turn));
        if turn.is_empty() {
            return false;
        }
        turn.write(out);
        true
    }

    /// Nothing closes: what broke off is not made to look complete.
    fn break_off(&mut self) {
        if let Some(item) = self.take_open(Status::Incomplete) {
            self.items.push(item);
        }
    }

    fn begin(&mut self, out: &mut Out) {
        if !std::mem::replace(&mut self.begun, true) {
            self.lifecycle("response.created", out);
            self.lifecycle("response.in_progress", out);
        }
    }

    fn lifecycle(&mut self, kind: &str, out: &mut Out) {
        let mut frames = std::mem::take(&mut self.frames);
        frames.frame(out, kind, |out| {
            out.write(br#""response":"#);
            self.write_response(out);
            out.write(b",");
        });
        self.frames = frames;
    }

    /// The item that is open, where it will stand, and where its events go.
    fn parts(&mut self) -> Option<(&mut Open, usize, &mut Frames)> {
        let Encoder { open, items, frames, .. } = self;
        open.as_mut().map(|open| (open, items.len(), frames))
    }

    fn say(&mut self, text: JsonText<'_>, refuses: bool, out: &mut Out) {
        if text.is_empty() {
            return;
        }
        match &mut self.open {
            Some(Open { kind: OpenKind::Message { refusal, .. }, .. }) if *refusal == refuses => {}
            Some(Open { kind: OpenKind::Message { .. }, .. }) => {
                self.close_part(out);
                self.open_part(refuses, out);
            }
            _ => {
                self.open("msg", OpenKind::Message { contents: Vec::new(), refusal: refuses }, out);
                self.open_part(refuses, out);
            }
        }
        self.delta(text, out);
    }

    fn open_part(&mut self, refuses: bool, out: &mut Out) {
        let Some((open, index, frames)) = self.parts() else { return };
        let OpenKind::Message { contents, refusal } = &mut open.kind else { return };
        *refusal = refuses;
        let at = At { item_id: &open.id, output_index: index, part: Part::Content(contents.len()) };
        let (empty, delta) = match refuses {
            true => (Content::Refusal(Bytes::new()), "response.refusal.delta"),
            false => (Content::Text(Bytes::new()), "response.output_text.delta"),
        };
        frames.part(out, "response.content_part.added", at, &empty);
        frames.prepare(delta, at);
    }

    /// The open part of a message is complete.
    fn close_part(&mut self, out: &mut Out) {
        let Some((open, index, frames)) = self.parts() else { return };
        let OpenKind::Message { contents, refusal } = &mut open.kind else { return };
        let text = open.text.split().freeze();
        let at = At { item_id: &open.id, output_index: index, part: Part::Content(contents.len()) };
        let content = match refusal {
            true => {
                frames.text(out, "response.refusal.done", at, "refusal", &text);
                Content::Refusal(text)
            }
            false => {
                frames.text(out, "response.output_text.done", at, "text", &text);
                Content::Text(text)
            }
        };
        frames.part(out, "response.content_part.done", at, &content);
        contents.push(content);
    }

    fn think(&mut self, text: JsonText<'_>, out: &mut Out) {
        if text.is_empty() {
            return;
        }
        if !matches!(self.open, Some(Open { kind: OpenKind::Reasoning, .. })) {
            self.open("rs", OpenKind::Reasoning, out);
            if let Some((open, index, frames)) = self.parts() {
                let at = At { item_id: &open.id, output_index: index, part: Part::Summary };
                frames.summary(out, "response.reasoning_summary_part.added", at, &Bytes::new());
                frames.prepare("response.reasoning_summary_text.delta", at);
            }
        }
        self.delta(text, out);
    }

    /// The thinking up to here is complete.
    fn sign(&mut self, signature: JsonText<'_>, out: &mut Out) {
        let signature = signature.to_bytes();
        if matches!(self.open, Some(Open { kind: OpenKind::Reasoning, .. })) {
            self.close_with(Status::Completed, Some(signature), out);
        } else {
            self.close(Status::Completed, out);
            self.whole_thinking(Thinking::Signed { text: Bytes::new(), signature }, out);
        }
    }

    /// Thinking of which nothing can be shown.
    fn whole_thinking(&mut self, thinking: Thinking, out: &mut Out) {
        let mut item = Item {
            id: item_id("rs", &self.context.id, Place::Output(self.items.len())),
            status: Status::InProgress,
            kind: ItemKind::Reasoning(thinking, self.context.seal_unsigned),
        };
        let index = self.items.len();
        self.frames.item(out, "response.output_item.added", index, &item);
        item.status = Status::Completed;
        self.frames.item(out, "response.output_item.done", index, &item);
        self.items.push(item);
    }

    fn call(&mut self, id: JsonText<'_>, name: JsonText<'_>, out: &mut Out) {
        self.close(Status::Completed, out);
        let known = |item: &Item| match &item.kind {
            ItemKind::Function(call) | ItemKind::Custom(call, _) | ItemKind::Native(_, call, _) => {
                call.id == id.as_raw()
            }
            _ => false,
        };
        // Clients tell calls apart by this id alone.
        let call_id = if id.is_empty() || self.items.iter().any(known) {
            item_id("call", &self.context.id, Place::Output(self.items.len())).into()
        } else {
            id.to_bytes()
        };
        if let Some(native) = self.context.native_of(name.as_raw()) {
            let id = item_id(native.prefix(), &self.context.id, Place::Output(self.items.len()));
            self.open = Some(Open { id, kind: OpenKind::Native { call_id, native }, text: BytesMut::new() });
            return;
        }
        let (name, custom) = (name.to_bytes(), self.context.custom_tools.iter().any(|tool| tool == name.as_raw()));
        let (prefix, kind, delta) = match custom {
            true => {
                let kind = OpenKind::Custom { call_id, name, input: Unwrap::default() };
                ("ctc", kind, "response.custom_tool_call_input.delta")
            }
            false => ("fc", OpenKind::Function { call_id, name }, "response.function_call_arguments.delta"),
        };
        self.open(prefix, kind, out);
        if let Some((open, index, frames)) = self.parts() {
            frames.prepare(delta, At { item_id: &open.id, output_index: index, part: Part::Input });
        }
    }

    fn tool_input(&mut self, text: JsonText<'_>, out: &mut Out) {
        match self.parts() {
            Some((Open { kind: OpenKind::Function { .. }, .. }, ..)) if !text.is_empty() => self.delta(text, out),
            Some((Open { kind: OpenKind::Native { .. }, text: arguments, .. }, ..)) => {
                arguments.extend_from_slice(text.as_raw());
            }
            Some((Open { kind: OpenKind::Custom { input, .. }, text: arguments, .. }, _, frames)) => {
                arguments.extend_from_slice(text.as_raw());
                let added = input.push(text.as_raw());
                if !added.is_empty() {
                    frames.delta(out, |out| out.write(added));
                }
            }
            _ => {}
        }
    }

    fn delta(&mut self, text: JsonText<'_>, out: &mut Out) {
        if let Some((open, _, frames)) = self.parts() {
            open.text.extend_from_slice(text.as_raw());
            frames.delta(out, |out| out.text(text));
        }
    }

    /// A new item, in place of any that is open.
    fn open(&mut self, prefix: &str, kind: OpenKind, out: &mut Out) {
        self.close(Status::Completed, out);
        let index = self.items.len();
        let id = item_id(prefix, &self.context.id, Place::Output(index));
        let open = Open { id, kind, text: BytesMut::with_capacity(TEXT) };
        self.frames.item(out, "response.output_item.added", index, &open.as_new(&self.context));
        self.open = Some(open);
    }

    fn close(&mut self, status: Status, out: &mut Out) {
        self.close_with(status, None, out);
    }

    /// The open item, if there is one, gets no more.
    fn close_with(&mut self, status: Status, signature: Option<Bytes>, out: &mut Out) {
        self.close_part(out);
        if let Some((open, _, frames)) = self.parts()
            && status == Status::Completed
        {
            open.top_up(frames, out);
        }
        let is_late = matches!(self.open, Some(Open { kind: OpenKind::Native { .. }, .. }));
        let Some(mut item) = self.take_open(status) else { return };
        if let (ItemKind::Reasoning(thinking, _), Some(signature)) = (&mut item.kind, signature)
            && let Thinking::Unsigned(text) = thinking
        {
            *thinking = Thinking::Signed { text: std::mem::take(text), signature };
        }
        let index = self.items.len();
        if is_late {
            self.frames.begin(out, index, &mut item);
        }
        self.frames.complete(out, index, &item);
        self.frames.item(out, "response.output_item.done", index, &item);
        self.items.push(item);
    }

    /// What has come of the item that is open.
    fn take_open(&mut self, status: Status) -> Option<Item> {
        let Open { id, kind, text } = self.open.take()?;
        let text = text.freeze();
        let kind = match kind {
            OpenKind::Message { mut contents, refusal } => {
                match refusal {
                    _ if text.is_empty() => {}
                    true => contents.push(Content::Refusal(text)),
                    false => contents.push(Content::Text(text)),
                }
                ItemKind::Message(contents)
            }
            OpenKind::Function { call_id, name } => {
                let space = self.context.space_of(&name);
                ItemKind::Function(Call { id: call_id, name, arguments: text, space })
            }
            OpenKind::Custom { call_id, name, input } => {
                let space = self.context.space_of(&name);
                ItemKind::Custom(Call { id: call_id, name, arguments: text, space }, input.into_input())
            }
            OpenKind::Native { call_id, native } => {
                let name = Bytes::from_static(native.name().as_bytes());
                let members = native.members(&text).filter(|_| status == Status::Completed);
                let call = Call { id: call_id, name, arguments: text, space: None };
                match members {
                    Some(members) => ItemKind::Native(native, call, members),
                    // The client can tell the model that it asked for nothing.
                    None => ItemKind::Function(call),
                }
            }
            OpenKind::Reasoning => ItemKind::Reasoning(Thinking::Unsigned(text), self.context.seal_unsigned),
        };
        Some(Item { id, status, kind })
    }
}

// === impl Open ===

impl Open {
    /// As its first event shows it.
    fn as_new(&self, context: &Context) -> Item {
        let call = |call_id: &Bytes, name: &Bytes| {
            let space = context.space_of(name);
            Call { id: call_id.clone(), name: name.clone(), arguments: Bytes::new(), space }
        };
        let kind = match &self.kind {
            OpenKind::Message { .. } => ItemKind::Message(Vec::new()),
            OpenKind::Function { call_id, name } => ItemKind::Function(call(call_id, name)),
            OpenKind::Custom { call_id, name, .. } => ItemKind::Custom(call(call_id, name), Bytes::new()),
            // Told late, when it is whole.
            OpenKind::Native { call_id, native } => {
                ItemKind::Native(*native, call(call_id, &Bytes::from_static(native.name().as_bytes())), Bytes::new())
            }
            OpenKind::Reasoning => ItemKind::Reasoning(Thinking::Unsigned(Bytes::new()), false),
        };
        Item { id: self.id.clone(), status: Status::InProgress, kind }
    }

    /// Of a complete call: writes what its deltas lack.
    fn top_up(&mut self, frames: &mut Frames, out: &mut Out) {
        match &mut self.kind {
            OpenKind::Native { .. } if self.text.is_empty() => self.text.extend_from_slice(b"{}"),
            OpenKind::Function { .. } if self.text.is_empty() => {
                self.text.extend_from_slice(b"{}");
                frames.delta(out, |out| out.write(b"{}"));
            }
            OpenKind::Custom { input, .. } => {
                if self.text.is_empty() {
                    self.text.extend_from_slice(&wrap(b""));
                }
                let added = input.finish();
                if !added.is_empty() {
                    frames.delta(out, |out| out.write(added));
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
#[path = "encode_tests.rs"]
mod tests;
