//! The items of a response's output, as the API shows them.

use super::assistant::{Assistant, Call, Content, Thinking};
use super::native::Native;
use crate::protocol::event::IMAGE_SHOWN;
use crate::protocol::out::Out;
use bytes::Bytes;

/// An item and how far it came.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) id: String,
    pub(super) status: Status,
    pub(super) kind: ItemKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    InProgress,
    Completed,
    /// The answer ended within it.
    Incomplete,
    /// Of an image: it could not be made.
    Failed,
}

#[derive(Debug)]
pub(super) enum ItemKind {
    Message(Vec<Content>),
    Function(Call),
    /// A call of a custom tool, and its input.
    Custom(Call, Bytes),
    /// An image that was made, in base64; nothing where it could not be.
    Image(Option<Bytes>),
    /// A call of a tool with items of its own, and what they have.
    Native(Native, Call, Bytes),
    /// Thinking, and whether what unsigned thinking there is goes along for the backend too.
    Reasoning(Thinking, bool),
}

impl Status {
    pub(super) fn word(self) -> &'static [u8] {
        match self {
            Status::InProgress => b"in_progress",
            Status::Completed => b"completed",
            Status::Incomplete => b"incomplete",
            Status::Failed => b"failed",
        }
    }
}

/// Writes a member that is a string, a comma after it.
pub(super) fn member(out: &mut Out, key: &str, raw: &Bytes) {
    out.write(b"\"");
    out.write(key.as_bytes());
    out.write(b"\":\"");
    out.pass(raw.clone());
    out.write(b"\",");
}

/// Writes what all calls have, a comma after it.
fn write_call(out: &mut Out, call: &Call) {
    member(out, "call_id", &call.id);
    if let Some(space) = &call.space {
        member(out, "namespace", &space.space);
    }
    member(out, "name", call.shown());
}

/// Writes a content part of a message.
pub(super) fn part(out: &mut Out, content: &Content) {
    match content {
        Content::Text(text) => {
            out.write(br#"{"type":"output_text","annotations":[],"logprobs":[],"text":""#);
            out.pass(text.clone());
        }
        Content::Refusal(text) => {
            out.write(br#"{"type":"refusal","refusal":""#);
            out.pass(text.clone());
        }
    }
    out.write(b"\"}");
}

/// Writes a part of the summary of a reasoning item.
pub(super) fn summary(out: &mut Out, text: &Bytes) {
    out.write(br#"{"type":"summary_text","text":""#);
    out.pass(text.clone());
    out.write(b"\"}");
}

impl Item {
    /// Writes the whole item.
    pub(super) fn write(&self, out: &mut Out) {
        out.write(br#"{"id":""#);
        out.write(self.id.as_bytes());
        out.write(br#"","status":""#);
        out.write(self.status.word());
        out.write(br#"","type":"#);
        match &self.kind {
            ItemKind::Message(contents) => {
                out.write(br#""message","role":"assistant","content":["#);
                for (n, content) in contents.iter().enumerate() {
                    if n > 0 {
                        out.write(b",");
                    }
                    part(out, content);
                }
                out.write(b"]}");
            }
            ItemKind::Function(call) => {
                out.write(br#""function_call","#);
                write_call(out, call);
                out.write(br#""arguments":""#);
                out.pass(call.arguments.clone());
                out.write(b"\"}");
            }
            ItemKind::Custom(call, input) => {
                out.write(br#""custom_tool_call","#);
                write_call(out, call);
                out.write(br#""input":""#);
                out.pass(input.clone());
                out.write(b"\"}");
            }
            ItemKind::Image(result) => {
                out.write(br#""image_generation_call","result":"#);
                match result {
                    Some(result) => {
                        out.write(b"\"");
                        out.pass(result.clone());
                        out.write(b"\"}");
                    }
                    None => out.write(b"null}"),
                }
            }
            ItemKind::Native(native, call, members) => {
                out.write(format!("\"{}_call\",", native.name()).as_bytes());
                out.pass(members.clone());
                out.write(br#""call_id":""#);
                out.pass(call.id.clone());
                out.write(b"\"}");
            }
            ItemKind::Reasoning(thinking, seal_unsigned) => {
                out.write(br#""reasoning","summary":["#);
                match thinking {
                    Thinking::Unsigned(text) | Thinking::Signed { text, .. } if !text.is_empty() => summary(out, text),
                    _ => {}
                }
                out.write(b"]");
                let unsigned = matches!(thinking, Thinking::Unsigned(_));
                if self.status == Status::Completed && (!unsigned || *seal_unsigned) {
                    out.write(br#","encrypted_content":""#);
                    out.pass(thinking.seal());
                    out.write(b"\"");
                }
                out.write(b"}");
            }
        }
    }

    /// Adds it to what the next turn is told of this one. Calls that broke off are not: nobody can answer them.
    pub(super) fn tell(&self, turn: &mut Assistant) {
        match &self.kind {
            ItemKind::Message(contents) => turn.content.extend_from_slice(contents),
            ItemKind::Reasoning(thinking, _) => turn.thinking.push(thinking.clone()),
            ItemKind::Function(call) | ItemKind::Custom(call, _) | ItemKind::Native(_, call, _)
                if self.status == Status::Completed =>
            {
                turn.calls.push(call.clone());
            }
            // A model of words knows that there is one; the image itself would be too much for most.
            ItemKind::Image(Some(_)) => turn.content.push(Content::Text(Bytes::from_static(IMAGE_SHOWN.as_bytes()))),
            ItemKind::Image(None) | ItemKind::Function(_) | ItemKind::Custom(..) | ItemKind::Native(..) => {}
        }
    }
}
