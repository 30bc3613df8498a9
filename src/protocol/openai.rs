//! OpenAI's shapes that the router itself writes.

use serde::Serialize;

/// The body of an error response, and the payload of an error event in a stream.
///
/// OpenAI: API reference, "Error codes"; `code` is a string or null there, and its SDKs expose it as such.
#[derive(Debug, Serialize)]
pub struct ErrorBody<'a> {
    /// The one field.
    pub error: ErrorDetail<'a>,
}

/// What went wrong.
#[derive(Debug, Serialize)]
pub struct ErrorDetail<'a> {
    /// For people.
    pub message: &'a str,
    /// The family: `invalid_request_error`, `server_error`, …
    pub r#type: &'a str,
    /// The request field to blame.
    pub param: Option<&'a str>,
    /// For programs: `model_not_found`, …
    pub code: Option<&'a str>,
}

impl ErrorBody<'_> {
    /// As the body of a response.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("strings always serialise")
    }

    /// As a frame of an event stream. SDKs raise it as an error; it is never followed by `[DONE]`.
    #[must_use]
    pub fn to_event(&self) -> Vec<u8> {
        let mut frame = b"data: ".to_vec();
        frame.extend_from_slice(&self.to_json());
        frame.extend_from_slice(b"\n\n");
        frame
    }
}
