//! The access log: one event for each request, when it is over.
//!
//! It has no field for a prompt, an answer, a header or a key, so none can get in. What the client chose freely (path,
//! model name, request id) is cut to a bound and escaped by the formatter.

use super::metrics::ErrorReason;
use crate::protocol::event::Usage;
use std::time::Duration;

/// Longest text of the client's that is logged, in bytes.
const MAX_TEXT: usize = 128;

/// What is known about a request when it is over. A field that is `None` is left out.
#[derive(Debug, Clone, Copy)]
pub struct Access<'a> {
    /// The client's `x-request-id`, or one that was made for it.
    pub request_id: &'a str,
    /// `POST`.
    pub method: &'a str,
    /// Path without its query, which may carry a key.
    pub path: &'a str,
    /// The `model` of the request.
    pub requested_model: Option<&'a str>,
    /// The model that served it.
    pub selected_model: Option<&'static str>,
    /// The decision that chose it.
    pub decision: Option<&'static str>,
    /// The backend that answered, or was tried last.
    pub backend: Option<&'static str>,
    /// Status that the client got; `None` where it left first.
    pub status: Option<u16>,
    /// Whether a stream was asked for.
    pub stream: bool,
    /// Attempts at a backend.
    pub attempts: u32,
    /// From the request's head to the end.
    pub duration: Duration,
    /// From the request's head to the first byte of the answer's body.
    pub first_byte: Option<Duration>,
    /// Of the request's body.
    pub bytes_in: u64,
    /// Of the answer's body.
    pub bytes_out: u64,
    /// Tokens, as far as the backend told.
    pub usage: Usage,
    /// What they cost, in units of a currency.
    pub cost: Option<(f64, &'static str)>,
    /// `None`: it went well.
    pub error: Option<ErrorReason>,
}

impl Access<'_> {
    /// Writes the event, at level INFO with target `access`. Costs one load and one branch where that is off.
    pub fn emit(&self) {
        let known = !self.usage.is_unknown();
        tracing::info!(
            target: "access",
            request_id = cut(self.request_id),
            method = cut(self.method),
            path = cut(self.path),
            requested_model = self.requested_model.map(cut),
            selected_model = self.selected_model,
            decision = self.decision,
            backend = self.backend,
            status = self.status,
            stream = self.stream,
            attempts = self.attempts,
            duration_ms = milliseconds(self.duration),
            ttfb_ms = self.first_byte.map(milliseconds),
            bytes_in = self.bytes_in,
            bytes_out = self.bytes_out,
            prompt_tokens = known.then(|| self.usage.prompt()),
            cached_tokens = self.usage.cached,
            completion_tokens = self.usage.output,
            cost = self.cost.map(|cost| cost.0),
            currency = self.cost.map(|cost| cost.1),
            outcome = self.error.map_or("ok", ErrorReason::name),
        );
    }
}

/// With three decimals, so that a line stays readable.
fn milliseconds(duration: Duration) -> f64 {
    (duration.as_micros() as f64) / 1_000.0
}

/// The text up to the bound, at a character boundary.
fn cut(text: &str) -> &str {
    let end = (0..=MAX_TEXT.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or(0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_is_cut_between_characters() {
        assert_eq!(cut("short"), "short");
        let long = "ab".repeat(63) + "aé and more"; // the é would end at byte 129
        assert_eq!(cut(&long), "ab".repeat(63) + "a");
    }

    #[test]
    fn milliseconds_have_three_decimals() {
        assert_eq!(milliseconds(Duration::from_nanos(1_234_567)).to_string(), "1.234");
    }
}
