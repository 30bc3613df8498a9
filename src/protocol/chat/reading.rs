//! What a plain completion and a stream of chunks have in common: why an answer ends, and content that comes in parts.

use crate::protocol::event::{Delta, Event, Image, Stop};
use crate::protocol::failure::Failure;
use crate::protocol::out::JsonText;
use serde::Deserialize;
use serde_json::value::RawValue;

/// Why an answer has ended, by its `finish_reason` and what it held. A failure where the backend gave up.
pub(super) fn stop<'a>(reason: &str, has_calls: bool, sequence: Option<JsonText<'a>>) -> Result<Stop<'a>, Failure> {
    Ok(match reason {
        // Mistral: the end of the model's context.
        "length" | "model_length" => Stop::Length,
        "content_filter" => Stop::Refusal,
        "abort" | "error" => return Err(Failure::of_backend("the backend aborted its answer")),
        // A tool that had to be called is often called with `stop`. Without a call there is nothing for the client to do.
        _ if has_calls => Stop::ToolUse,
        _ => sequence.map_or(Stop::EndTurn, |sequence| Stop::Sequence(Some(sequence))),
    })
}

/// A part of a content. Mistral's thinking is a list of parts itself.
#[derive(Deserialize)]
struct Part<'a> {
    #[serde(borrow)]
    text: Option<&'a RawValue>,
    #[serde(borrow)]
    thinking: Option<&'a RawValue>,
    #[serde(borrow)]
    refusal: Option<&'a RawValue>,
    /// One that was made: vLLM Omni.
    #[serde(borrow)]
    image_url: Option<Place<'a>>,
}

#[derive(Deserialize)]
struct Place<'a> {
    #[serde(borrow)]
    url: Option<&'a RawValue>,
}

/// What a part says.
#[derive(Debug, Clone, Copy)]
pub(super) enum Piece<'a> {
    Said(Delta, JsonText<'a>),
    /// The URL of an image.
    Image(JsonText<'a>),
}

impl<'a> Piece<'a> {
    pub(super) fn event(self) -> Event<'a> {
        match self {
            Piece::Said(delta, text) => delta.event(text),
            Piece::Image(url) => Event::Image(Image::of_url(url)),
        }
    }
}

/// Tells the texts and the images of a content that is a list of parts. What is none of them is left out.
pub(super) fn parts<'a>(content: &'a str, tell: &mut impl FnMut(Piece<'a>)) {
    let parts: Vec<&'a RawValue> = serde_json::from_str(content).unwrap_or_default();
    for part in parts.into_iter().filter_map(|part| serde_json::from_str::<Part<'a>>(part.get()).ok()) {
        if let Some(thinking) = part.thinking {
            match text(thinking) {
                Some(text) => tell(Piece::Said(Delta::Thinking, text)),
                None => thoughts(thinking.get(), tell),
            }
        }
        for (delta, value) in [(Delta::Text, part.text), (Delta::Refusal, part.refusal)] {
            if let Some(text) = value.and_then(text) {
                tell(Piece::Said(delta, text));
            }
        }
        if let Some(url) = part.image_url.and_then(|image| text(image.url?)) {
            tell(Piece::Image(url));
        }
    }
}

fn thoughts<'a>(thinking: &'a str, tell: &mut impl FnMut(Piece<'a>)) {
    let parts: Vec<&'a RawValue> = serde_json::from_str(thinking).unwrap_or_default();
    let parts = parts.into_iter().filter_map(|part| serde_json::from_str::<Part<'a>>(part.get()).ok());
    parts.filter_map(|part| text(part.text?)).for_each(|text| tell(Piece::Said(Delta::Thinking, text)));
}

/// A string that is not empty.
fn text(value: &RawValue) -> Option<JsonText<'_>> {
    let raw = value.get().strip_prefix('"')?.strip_suffix('"')?;
    (!raw.is_empty()).then_some(JsonText::raw(raw.as_bytes()))
}
