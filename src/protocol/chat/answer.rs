//! A plain chat completion: read as events, written from an [`Answer`].

use super::encode::finish_reason;
use super::{reading, usage};
use crate::protocol::answer::{Answer, Part, Text};
use crate::protocol::error_body;
use crate::protocol::event::{Event, Image, tell_object};
use crate::protocol::failure::Failure;
use crate::protocol::json::Kind;
use crate::protocol::out::JsonText;
use crate::protocol::splice::Chunks;
use crate::protocol::stream::Context;
use crate::protocol::view::{Object, View};
use crate::protocol::write::Writer;
use bytes::Bytes;
use http::StatusCode;

/// Tells what a completion says: its first choice.
pub fn read(body: &Bytes, emit: &mut impl FnMut(Event<'_>)) {
    let Ok(completion) = View::of(body) else {
        return emit(Event::Failure(&Failure::of_backend("the backend sent an answer that cannot be read")));
    };
    let mut completion = completion.members();
    let choice = completion.take("choices").and_then(|choices| first(choices.elements()));
    let Some(mut choice) = choice else {
        // An error with a status of success.
        return emit(Event::Failure(&error_body::read(StatusCode::OK, body)));
    };
    if let Some(usage) = completion.take("usage").and_then(|usage| usage::read(usage.raw().as_bytes())) {
        emit(Event::Usage(usage));
    }
    let id = text(completion.take("id"));
    let created = completion.take("created").and_then(|created| created.raw().parse().ok()).filter(|&n: &u64| n > 0);
    emit(Event::Start { id, model: text(completion.take("model")), created });
    let message = choice.take("message").map(|message| message.members());
    let calls = message.map_or(0, |message| tell(message, id, emit));
    let sequence = choice.take("stop_reason").and_then(|reason| reason.text());
    let reason = choice.take("finish_reason").and_then(|reason| reason.string()).unwrap_or_default();
    match reading::stop(&reason, calls > 0, sequence.as_ref().map(|sequence| sequence.json())) {
        Ok(stop) => emit(Event::Stop(stop)),
        Err(failure) => return emit(Event::Failure(&failure)),
    }
    emit(Event::End);
}

fn first(choices: Vec<View<'_>>) -> Option<Object<'_>> {
    let is_first = |choice: &View<'_>| choice.members().take("index").is_none_or(|index| index.is("0"));
    choices.into_iter().find(is_first).map(|choice| choice.members())
}

fn text(view: Option<View<'_>>) -> JsonText<'_> {
    view.and_then(|view| view.text()).map_or(JsonText::EMPTY, |text| text.json())
}

/// Tells what stands in a message. Returns how many tools it calls.
fn tell(mut message: Object<'_>, id: JsonText<'_>, emit: &mut impl FnMut(Event<'_>)) -> usize {
    tell_thinking(&mut message, emit);
    if let Some(content) = message.take("content") {
        if content.kind() == Kind::Array {
            reading::parts(content.raw(), &mut |piece| emit(piece.event()));
        } else {
            tell_text(text(Some(content)), Event::Text, emit);
        }
    }
    // OpenRouter.
    for image in message.take("images").map(|images| images.elements()).unwrap_or_default() {
        tell_image(image.members().take("image_url").and_then(|image| image.members().take("url")), emit);
    }
    tell_text(text(message.take("refusal")), Event::Refusal, emit);
    let mut calls: Vec<(Option<View<'_>>, Object<'_>)> = Vec::new();
    for call in message.take("tool_calls").map(|calls| calls.elements()).unwrap_or_default() {
        let mut call = call.members();
        let function = call.take("function").or_else(|| call.take("custom"));
        calls.extend(function.map(|function| (call.take("id"), function.members())));
    }
    calls.extend(message.take("function_call").map(|function| (None, function.members())));
    let count = calls.len();
    for (n, (call_id, mut function)) in calls.into_iter().enumerate() {
        let made = format!("call_{n}_{}", String::from_utf8_lossy(id.as_raw()));
        let call_id = Some(text(call_id)).filter(|id| !id.is_empty());
        let id = call_id.unwrap_or_else(|| JsonText::raw(made.as_bytes()));
        emit(Event::ToolCall { id, name: text(function.take("name")) });
        match function.take("arguments").or_else(|| function.take("input")) {
            // Some backends send the object itself.
            Some(input) if input.kind() == Kind::Object => tell_object(&input, emit),
            input => tell_text(text(input), Event::ToolInput, emit),
        }
    }
    count
}

fn tell_thinking(message: &mut Object<'_>, emit: &mut impl FnMut(Event<'_>)) {
    let details = message.take("reasoning_details").map(|details| details.elements()).unwrap_or_default();
    let is_told = details.iter().any(|detail| detail.members().take("text").is_some());
    let (new, old) = (message.take("reasoning_content"), message.take("reasoning"));
    if !is_told {
        tell_text(text(new.or(old)), Event::Thinking, emit);
    }
    for detail in details {
        let mut detail = detail.members();
        tell_text(text(detail.take("text")), Event::Thinking, emit);
        tell_text(text(detail.take("signature")), Event::Signature, emit);
        tell_text(text(detail.take("data")), Event::RedactedThinking, emit);
    }
}

fn tell_text<'t>(text: JsonText<'t>, event: fn(JsonText<'t>) -> Event<'t>, emit: &mut impl FnMut(Event<'_>)) {
    if !text.is_empty() {
        emit(event(text));
    }
}

fn tell_image(url: Option<View<'_>>, emit: &mut impl FnMut(Event<'_>)) {
    tell_text(text(url), |url| Event::Image(Image::of_url(url)), emit);
}

/// Writes an answer as a completion.
#[must_use]
pub fn write(answer: &Answer, context: &Context) -> Chunks {
    let mut w = Writer::default();
    w.open_object().key("id");
    if answer.id.is_empty() {
        w.string(&context.id)
    } else {
        w.pieces(answer.id.pieces())
    };
    w.key("object").json("\"chat.completion\"").key("created").number(answer.created.unwrap_or(context.created));
    w.key("model").string(&context.model).key("choices").open_array().open_object().key("index").json("0");
    w.key("message").open_object().key("role").json("\"assistant\"");
    write_message(answer, &mut w);
    w.close_object().key("logprobs").json("null");
    w.key("finish_reason").string(finish_reason(answer.end.into())).close_object().close_array();
    w.key("usage").value(|out| usage::write(&answer.usage, out)).close_object();
    w.finish()
}

fn write_message(answer: &Answer, w: &mut Writer) {
    let said = answer.parts.iter().filter_map(|part| if let Part::Text(text) = part { Some(text) } else { None });
    let calls = answer.parts.iter().filter(|part| matches!(part, Part::ToolCall { .. }));
    let has_calls = calls.clone().next().is_some();
    let images = answer.parts.iter().filter(|part| matches!(part, Part::Image(..)));
    w.key("content");
    if images.clone().next().is_some() {
        write_parts(&answer.parts, w);
    } else if said.clone().next().is_none() && (has_calls || !answer.refusal.is_empty()) {
        w.json("null");
    } else {
        w.pieces(said.flat_map(Text::pieces));
    }
    w.key("refusal");
    if answer.refusal.is_empty() {
        w.json("null")
    } else {
        w.pieces(answer.refusal.pieces())
    };
    write_thinking(&answer.parts, w);
    if !has_calls {
        return;
    }
    w.key("tool_calls").open_array();
    for call in calls {
        let Part::ToolCall { id, name, input } = call else { continue };
        w.open_object().key("id").pieces(id.pieces()).key("type").json("\"function\"");
        w.key("function").open_object().key("name").pieces(name.pieces()).key("arguments");
        if input.is_empty() {
            w.json("\"{}\"")
        } else {
            w.pieces(input.pieces())
        };
        w.close_object().close_object();
    }
    w.close_array();
}

/// A content with images in it: parts, as clients send them, too.
fn write_parts(parts: &[Part], w: &mut Writer) {
    w.open_array();
    for part in parts {
        match part {
            Part::Text(text) => {
                w.open_object().key("type").json("\"text\"").key("text").pieces(text.pieces()).close_object();
            }
            Part::Image(data, source) => {
                w.open_object().key("type").json("\"image_url\"").key("image_url").open_object();
                w.key("url").pieces(data.pieces().chain(source.pieces())).close_object().close_object();
            }
            Part::Thinking(..) | Part::RedactedThinking(_) | Part::NoImage | Part::ToolCall { .. } => {}
        }
    }
    w.close_array();
}

/// The text for those who read that alone, and all of it to be handed back: as OpenRouter has it, and as Anthropic has it
/// itself, which is what a stream ends with, too.
fn write_thinking(parts: &[Part], w: &mut Writer) {
    let texts = parts.iter().filter_map(|part| if let Part::Thinking(text, _) = part { Some(text) } else { None });
    if texts.clone().any(|text| !text.is_empty()) {
        w.key("reasoning_content").pieces(texts.flat_map(Text::pieces));
    }
    let thoughts = parts.iter().filter(|part| matches!(part, Part::Thinking(..) | Part::RedactedThinking(_)));
    if thoughts.clone().next().is_none() {
        return;
    }
    w.key("reasoning_details").open_array();
    for (index, thought) in thoughts.clone().enumerate() {
        w.open_object().key("type");
        match thought {
            Part::RedactedThinking(data) => {
                w.json("\"reasoning.encrypted\"").key("index").number(index as u64).key("data").pieces(data.pieces());
            }
            Part::Thinking(text, signature) => {
                w.json("\"reasoning.text\"").key("index").number(index as u64).key("text").pieces(text.pieces());
                if let Some(signature) = signature {
                    w.key("signature").pieces(signature.pieces());
                }
            }
            Part::Text(_) | Part::Image(..) | Part::NoImage | Part::ToolCall { .. } => {}
        }
        w.close_object();
    }
    w.close_array();
    let mut signed = thoughts.filter(|thought| !matches!(thought, Part::Thinking(_, None))).peekable();
    if signed.peek().is_none() {
        return;
    }
    w.key("thinking_blocks").open_array();
    for thought in signed {
        w.open_object().key("type");
        match thought {
            Part::RedactedThinking(data) => {
                w.json("\"redacted_thinking\"").key("data").pieces(data.pieces());
            }
            Part::Thinking(text, Some(signature)) => {
                w.json("\"thinking\"").key("thinking").pieces(text.pieces());
                w.key("signature").pieces(signature.pieces());
            }
            _ => {}
        }
        w.close_object();
    }
    w.close_array();
}
