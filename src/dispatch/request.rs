//! A request as a face took it in, and the fields of it that routing needs.

use super::error::ApiError;
use super::exchange::Exchange;
use crate::protocol::chat::forget;
use crate::protocol::draft::Draft;
use crate::protocol::json::{self, Field, Fields, Kind, Scanner, Span};
use crate::protocol::splice::Chunks;
use std::borrow::Cow;
use std::ops::Range;

/// A request body, whole.
#[derive(Debug)]
pub struct Received {
    /// In the pieces in which it came.
    pub body: Chunks,
    /// Where its top-level fields stand.
    pub fields: Fields,
}

impl Received {
    /// A body that the router has written.
    pub(super) fn written(body: Chunks) -> Result<Received, json::Error> {
        let mut scanner = Scanner::new();
        body.pieces(0..body.len()).try_for_each(|piece| scanner.push(piece))?;
        Ok(Received { fields: scanner.finish()?, body })
    }

    /// The value of a field, as it stands.
    pub(super) fn part(&self, field: Field) -> Option<Cow<'_, [u8]>> {
        self.fields.get(field).map(|span| self.body.range(span.start..span.end))
    }

    /// Its messages say nothing of thinking any more. Whether they did. The model's name, which a body that the router has
    /// written begins with, stays where it is.
    pub(super) fn forget_thinking(&mut self) -> bool {
        let messages = self.fields.get(Field::Messages);
        let body = messages.and_then(|span| forget::without_thinking(&self.body, span.start..span.end));
        let read = body.and_then(|body| Received::written(body).ok());
        let forgets = read.is_some();
        if let Some(read) = read {
            *self = read;
        }
        forgets
    }

    /// `stream_options.include_usage`
    pub(super) fn wants_usage(&self) -> bool {
        let body = &self.body;
        let member = |range: Range<usize>, key: &str| Some(Draft::of(body, range)?.find(body, key)?.1.value);
        let options = self.fields.get(Field::StreamOptions).filter(|options| options.kind == Kind::Object);
        options
            .and_then(|options| member(options.start..options.end, "include_usage"))
            .is_some_and(|value| *body.range(value.start..value.end) == *b"true")
    }
}

/// Checks the fields that routing needs, and notes them. Returns where the model's name stands.
pub(super) fn read(received: &Received, exchange: &mut Exchange) -> Result<Span, ApiError> {
    let Some(model) = received.fields.get(Field::Model) else {
        return Err(ApiError::invalid("model", "invalid request body: missing required field: model"));
    };
    if model.kind != Kind::String {
        return Err(ApiError::invalid(
            "model",
            format!("invalid request body: field model must be a string, got {}", model.kind),
        ));
    }
    let raw = received.body.range(model.start..model.end);
    exchange.requested_model = match string(&raw) {
        Some(name) => name.trim().to_owned(),
        None => return Err(ApiError::invalid("model", "invalid request body: field model is no valid UTF-8")),
    };
    exchange.stream = match received.fields.get(Field::Stream) {
        None => false,
        Some(span) if span.kind == Kind::Bool => *received.body.range(span.start..span.end) == *b"true",
        Some(span) => {
            let message = format!("invalid request body: field stream must be a boolean, got {}", span.kind);
            return Err(ApiError::invalid("stream", message));
        }
    };
    match received.fields.get(Field::Messages) {
        None => Err(ApiError::invalid("messages", "messages field is required")),
        Some(span) if span.kind != Kind::Array => {
            Err(ApiError::invalid("messages", format!("messages field must be an array, got {}", span.kind)))
        }
        Some(_) => Ok(model),
    }
}

/// The content of a JSON string, quotes included in `raw`.
fn string(raw: &[u8]) -> Option<Cow<'_, str>> {
    if raw.contains(&b'\\') {
        return serde_json::from_slice::<String>(raw).ok().map(Cow::Owned);
    }
    std::str::from_utf8(&raw[1..raw.len() - 1]).ok().map(Cow::Borrowed)
}
