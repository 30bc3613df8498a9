//! Errors as OpenAI's clients read them.

use crate::protocol::failure::Failure;
use crate::protocol::openai::{ErrorBody, ErrorDetail};
use http::StatusCode;

/// The body of an error response.
#[must_use]
pub fn body(failure: &Failure) -> Vec<u8> {
    shape(failure).to_json()
}

/// An error event within a stream: the last thing in it.
#[must_use]
pub fn event(failure: &Failure) -> Vec<u8> {
    shape(failure).to_event()
}

/// The status that goes with an error which a backend told with this one. What is not OpenAI's becomes what its SDKs take
/// for the same: worth another attempt, or not.
#[must_use]
pub fn status(backend: StatusCode, failure: &Failure) -> StatusCode {
    match backend.as_u16() {
        529 => StatusCode::SERVICE_UNAVAILABLE,
        400..600 => backend,
        _ => failure.kind.status(),
    }
}

fn shape(failure: &Failure) -> ErrorBody<'_> {
    ErrorBody {
        error: ErrorDetail {
            message: &failure.message,
            r#type: failure.kind.openai(),
            param: failure.param.as_deref(),
            code: failure.code.as_deref(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::error_body;

    #[test]
    fn an_overload_of_anthropic() {
        let backend = StatusCode::from_u16(529).unwrap();
        let told = br#"{"type":"error","error":{"type":"overloaded_error","message":"Over\"loaded"}}"#;
        let failure = error_body::read(backend, told);
        let expected =
            r#"{"error":{"message":"Over\"loaded","type":"server_error","param":null,"code":"overloaded_error"}}"#;
        assert_eq!(String::from_utf8(body(&failure)).unwrap(), expected);
        assert_eq!(String::from_utf8(event(&failure)).unwrap(), format!("data: {expected}\n\n"));
        assert_eq!(status(backend, &failure), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(status(StatusCode::OK, &failure), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(status(StatusCode::TOO_MANY_REQUESTS, &failure), StatusCode::TOO_MANY_REQUESTS);
    }
}
