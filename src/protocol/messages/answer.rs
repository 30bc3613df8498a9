//! A plain message: read as events, written from an [`Answer`].

use super::decode::stop;
use super::encode::stop_reason;
use super::usage;
use crate::protocol::answer::{Answer, End, Part, Text};
use crate::protocol::error_body;
use crate::protocol::event::{Event, IMAGE_SHOWN, tell_object};
use crate::protocol::failure::Failure;
use crate::protocol::json::Kind;
use crate::protocol::out::JsonText;
use crate::protocol::splice::Chunks;
use crate::protocol::stream::Context;
use crate::protocol::view::View;
use crate::protocol::write::Writer;
use bytes::Bytes;
use http::StatusCode;

/// Tells what a message says. Blocks that are none of the client's business are left out: tools that the provider runs
/// itself, and what will come.
pub fn read(body: &Bytes, emit: &mut impl FnMut(Event<'_>)) {
    let Ok(message) = View::of(body) else {
        return emit(Event::Failure(&Failure::of_backend("the backend sent an answer that cannot be read")));
    };
    let mut message = message.members();
    let Some(content) = message.take("content").filter(|content| content.kind() == Kind::Array) else {
        // An error with a status of success.
        return emit(Event::Failure(&error_body::read(StatusCode::OK, body)));
    };
    if let Some(usage) = message.take("usage").and_then(|usage| usage::read(usage.raw().as_bytes())) {
        emit(Event::Usage(usage));
    }
    emit(Event::Start { id: text(message.take("id")), model: text(message.take("model")), created: None });
    content.elements().iter().for_each(|block| tell(block, emit));
    let sequence = message.take("stop_sequence").and_then(|sequence| sequence.text());
    let reason = message.take("stop_reason").and_then(|reason| reason.string()).unwrap_or_default();
    emit(Event::Stop(stop(&reason, sequence.as_ref().map(|sequence| sequence.json()))));
    emit(Event::End);
}

fn text(view: Option<View<'_>>) -> JsonText<'_> {
    view.and_then(|view| view.text()).map_or(JsonText::EMPTY, |text| text.json())
}

fn tell(block: &View<'_>, emit: &mut impl FnMut(Event<'_>)) {
    let mut block = block.members();
    let r#type = block.take("type").and_then(|kind| kind.string()).unwrap_or_default();
    match &*r#type {
        "text" => {
            let said = text(block.take("text"));
            if !said.is_empty() {
                emit(Event::Text(said));
            }
        }
        "thinking" => {
            let (thought, signature) = (text(block.take("thinking")), text(block.take("signature")));
            if !thought.is_empty() {
                emit(Event::Thinking(thought));
            }
            // It may come without a text.
            if !signature.is_empty() {
                emit(Event::Signature(signature));
            }
        }
        "redacted_thinking" => emit(Event::RedactedThinking(text(block.take("data")))),
        "tool_use" => {
            emit(Event::ToolCall { id: text(block.take("id")), name: text(block.take("name")) });
            if let Some(input) = block.take("input") {
                tell_object(&input, emit);
            }
        }
        _ => {}
    }
}

/// Writes an answer as a message. Fails where the backend has called a tool with something else than an object.
pub fn write(answer: &Answer, context: &Context) -> Result<Chunks, Failure> {
    let mut w = Writer::default();
    w.open_object().key("id");
    if answer.id.is_empty() {
        w.string(&context.id)
    } else {
        w.pieces(answer.id.pieces())
    };
    w.key("type").json("\"message\"").key("role").json("\"assistant\"").key("model").string(&context.model);
    w.key("content").open_array();
    for part in &answer.parts {
        write_part(part, answer.end, &mut w)?;
    }
    if !answer.refusal.is_empty() {
        w.open_object().key("type").json("\"text\"").key("text").pieces(answer.refusal.pieces()).close_object();
    }
    w.close_array();
    let is_refused = answer.end == End::EndTurn && !answer.refusal.is_empty();
    let end = if is_refused { End::Refusal } else { answer.end };
    w.key("stop_reason").string(stop_reason(end.into())).key("stop_sequence");
    match &answer.stop_sequence {
        Some(sequence) => w.pieces(sequence.pieces()),
        None => w.json("null"),
    };
    w.key("usage").value(|out| usage::write(&answer.usage, out)).close_object();
    Ok(w.finish())
}

fn write_part(part: &Part, end: End, w: &mut Writer) -> Result<(), Failure> {
    match part {
        Part::Text(text) => {
            w.open_object().key("type").json("\"text\"").key("text").pieces(text.pieces());
        }
        Part::NoImage => return Ok(()),
        // Messages of an assistant have none.
        Part::Image(..) => {
            w.open_object().key("type").json("\"text\"").key("text").string(IMAGE_SHOWN);
        }
        Part::Thinking(text, signature) => {
            w.open_object().key("type").json("\"thinking\"").key("thinking").pieces(text.pieces());
            w.key("signature").pieces(signature.iter().flat_map(Text::pieces));
        }
        Part::RedactedThinking(data) => {
            w.open_object().key("type").json("\"redacted_thinking\"").key("data").pieces(data.pieces());
        }
        Part::ToolCall { id, name, input } => {
            let Some(input) = object(input) else {
                // The tokens were used up in the middle of it.
                if end == End::Length {
                    return Ok(());
                }
                return Err(Failure::of_backend("the backend called a tool with an input that is no JSON object"));
            };
            w.open_object().key("type").json("\"tool_use\"").key("id").pieces(id.pieces());
            w.key("name").pieces(name.pieces()).key("input").made(input);
        }
    }
    w.close_object();
    Ok(())
}

/// The object that a call's input is.
fn object(input: &Text) -> Option<Bytes> {
    let json = Bytes::from(input.unescape()?);
    if json.trim_ascii().is_empty() {
        return Some(Bytes::from_static(b"{}"));
    }
    Some(View::of(&json).ok()?.bytes())
}
