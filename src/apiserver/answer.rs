//! Responses of the apiserver, and the one shape of its errors.

use super::time::rfc3339;
use bytes::Bytes;
use http::header::{ALLOW, CONNECTION, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;
use serde::Serialize;
use std::time::SystemTime;

pub(super) type Answer = Response<Full<Bytes>>;

/// A response with this body and type.
pub(super) fn with_type(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// A 200 with JSON that is there already.
pub(super) fn json(body: impl Into<Bytes>) -> Answer {
    with_type(StatusCode::OK, "application/json", body)
}

/// What is wrong, as `error.code` says it.
#[derive(Debug)]
pub(super) enum Problem {
    NotFound,
    ModelNotFound,
    /// With the methods that there are, as `Allow` lists them.
    MethodNotAllowed(String),
    RestartRequired,
    /// What is asked needs a model.
    NoClassifier,
    /// With what is wrong with it.
    InvalidInput(String),
    /// With the name and the nearest one that there is.
    InvalidModel(String),
    /// Decisions ask for roles, and the question does not tell who asks.
    NoIdentity,
    BodyTooLarge,
    BodyTimeout,
    BodyBroken,
}

/// An error response.
pub(super) fn problem(problem: Problem) -> Answer {
    let (status, code, message) = match &problem {
        Problem::NotFound => {
            (StatusCode::NOT_FOUND, "NOT_FOUND", "there is nothing at this path; GET /api/v1 lists what there is")
        }
        Problem::ModelNotFound => {
            (StatusCode::NOT_FOUND, "MODEL_NOT_FOUND", "no such model; GET /v1/models lists the public names")
        }
        Problem::MethodNotAllowed(_) => {
            (StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", "this path has other methods; see Allow")
        }
        Problem::RestartRequired => (
            StatusCode::CONFLICT,
            "RESTART_REQUIRED",
            "the configuration is compiled into the binary: change the YAML, rebuild, restart",
        ),
        Problem::NoClassifier => (
            StatusCode::SERVICE_UNAVAILABLE,
            "UNIFIED_CLASSIFIER_UNAVAILABLE",
            "this needs a model, and a baked router has none; it tells decisions: task_type intent",
        ),
        Problem::InvalidInput(message) => (StatusCode::BAD_REQUEST, "INVALID_INPUT", message.as_str()),
        Problem::InvalidModel(message) => (StatusCode::BAD_REQUEST, "INVALID_ROUTING_MODEL", message.as_str()),
        Problem::NoIdentity => (
            StatusCode::FORBIDDEN,
            "IDENTITY_REQUIRED",
            "decisions ask for roles: tell in `user` who sends the request, and in `groups` of which groups",
        ),
        Problem::BodyTooLarge => {
            (StatusCode::PAYLOAD_TOO_LARGE, "REQUEST_BODY_TOO_LARGE", "the request body exceeds 10 MiB")
        }
        Problem::BodyTimeout => {
            (StatusCode::REQUEST_TIMEOUT, "REQUEST_TIMEOUT", "the request body did not arrive in time")
        }
        Problem::BodyBroken => (StatusCode::BAD_REQUEST, "INVALID_INPUT", "the request body broke off"),
    };
    let timestamp = rfc3339(SystemTime::now());
    let envelope = Envelope { error: Error { code, message, timestamp: &timestamp } };
    let body = render(&envelope);
    let mut response = with_type(status, "application/json", body);
    match problem {
        Problem::MethodNotAllowed(allow) => {
            response.headers_mut().insert(ALLOW, HeaderValue::try_from(allow).expect("methods are tokens"));
        }
        // The rest of the body is not read, so the connection cannot be used again.
        Problem::BodyTooLarge | Problem::BodyTimeout | Problem::BodyBroken => {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        _ => {}
    }
    response
}

/// JSON of our own types.
pub(super) fn render(value: &impl Serialize) -> Bytes {
    serde_json::to_vec(value).expect("strings, numbers and lists become JSON").into()
}

#[derive(Serialize)]
struct Envelope<'a> {
    error: Error<'a>,
}

#[derive(Serialize)]
struct Error<'a> {
    code: &'static str,
    message: &'a str,
    timestamp: &'a str,
}
