//! Errors as Anthropic's clients read them.

use crate::protocol::failure::Failure;
use http::StatusCode;
use serde::Serialize;

#[derive(Serialize)]
struct ErrorBody<'a> {
    r#type: &'static str,
    error: ErrorDetail<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
}

#[derive(Serialize)]
struct ErrorDetail<'a> {
    r#type: &'static str,
    message: &'a str,
}

/// The body of an error response.
#[must_use]
pub fn body(failure: &Failure, request_id: Option<&str>) -> Vec<u8> {
    let error = ErrorDetail { r#type: failure.kind.anthropic(), message: &failure.message };
    serde_json::to_vec(&ErrorBody { r#type: "error", error, request_id }).expect("strings always serialise")
}

/// An error event within a stream: the last thing in it.
#[must_use]
pub fn event(failure: &Failure, request_id: Option<&str>) -> Vec<u8> {
    [b"event: error\ndata: ", &body(failure, request_id)[..], b"\n\n"].concat()
}

/// The status that goes with an error which a backend told with this one. Anthropic's own 529 stays.
#[must_use]
pub fn status(backend: StatusCode, failure: &Failure) -> StatusCode {
    match backend.as_u16() {
        400..600 => backend,
        _ => failure.kind.status(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::error_body;

    #[test]
    fn a_limit_of_openai() {
        let backend = StatusCode::TOO_MANY_REQUESTS;
        let told = br#"{"error":{"message":"slow\ndown","type":"requests","code":"rate_limit_exceeded","param":null}}"#;
        let failure = error_body::read(backend, told);
        let expected =
            r#"{"type":"error","error":{"type":"rate_limit_error","message":"slow\ndown"},"request_id":"req_1"}"#;
        assert_eq!(String::from_utf8(body(&failure, Some("req_1"))).unwrap(), expected);
        assert_eq!(
            String::from_utf8(event(&failure, Some("req_1"))).unwrap(),
            format!("event: error\ndata: {expected}\n\n")
        );
        assert!(String::from_utf8(body(&failure, None)).unwrap().ends_with(r#""slow\ndown"}}"#));
        assert_eq!(status(backend, &failure), backend);
        assert_eq!(status(StatusCode::from_u16(529).unwrap(), &failure).as_u16(), 529);
        assert_eq!(status(StatusCode::OK, &failure), backend);
    }
}
