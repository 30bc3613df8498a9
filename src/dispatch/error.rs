//! Every error that the router itself gives a client, in the client's protocol: the one place that renders them.

use super::client::Client;
use super::labels;
use crate::protocol::failure::{Failure, FailureKind};
use crate::protocol::openai::{ErrorBody, ErrorDetail};
use crate::protocol::view::RequestError;
use crate::protocol::{json, messages};
use crate::responses::store::StoreError;
use crate::responses::turn::TurnError;
use crate::table::Protocol;
use crate::telemetry::metrics::ErrorReason;
use crate::{routing, upstream};
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use std::borrow::Cow;

/// An error response in the making.
#[derive(Debug)]
pub struct ApiError {
    pub(crate) status: StatusCode,
    pub(crate) message: Cow<'static, str>,
    /// The request field to blame.
    pub(crate) param: Option<Cow<'static, str>>,
    /// For programs.
    pub(crate) code: Option<&'static str>,
    pub(crate) reason: ErrorReason,
    /// For 405: the methods that are allowed.
    pub(crate) allow: Option<&'static str>,
    /// The request body was not read to its end, so the connection cannot go on.
    pub(crate) close: bool,
    /// A model has answered, and would be paid again: SDKs, which retry such a status, are told not to.
    pub(crate) paid: bool,
}

impl ApiError {
    pub(crate) fn new(status: StatusCode, reason: ErrorReason, message: impl Into<Cow<'static, str>>) -> Self {
        ApiError {
            status,
            message: message.into(),
            param: None,
            code: None,
            reason,
            allow: None,
            close: false,
            paid: false,
        }
    }

    pub(crate) fn code(self, code: &'static str) -> Self {
        ApiError { code: Some(code), ..self }
    }

    fn param(self, param: impl Into<Cow<'static, str>>) -> Self {
        ApiError { param: Some(param.into()), ..self }
    }

    /// A field of the request that is missing or of the wrong type.
    pub(crate) fn invalid(param: impl Into<Cow<'static, str>>, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, ErrorReason::ParseError, message).param(param)
    }

    /// No or a wrong key.
    pub(crate) fn unauthorized() -> Self {
        let message = "missing or wrong API key: send `Authorization: Bearer <key>`";
        ApiError { close: true, ..Self::new(StatusCode::UNAUTHORIZED, ErrorReason::Unauthorized, message) }
            .code("invalid_api_key")
    }

    /// There is nothing at this path.
    pub(crate) fn no_endpoint(method: &http::Method, path: &str) -> Self {
        let path = routing::nearest::shortened(path);
        let message = format!("endpoint not found: {method} {path}");
        ApiError { close: true, ..Self::new(StatusCode::NOT_FOUND, ErrorReason::NotFound, message) }
            .code("endpoint_not_found")
    }

    /// The path is right, the method is not.
    pub(crate) fn wrong_method(allow: &'static str) -> Self {
        let message = format!("method not allowed: use {allow}");
        ApiError {
            close: true,
            allow: Some(allow),
            ..Self::new(StatusCode::METHOD_NOT_ALLOWED, ErrorReason::NotFound, message)
        }
        .code("method_not_allowed")
    }

    /// `GET /v1/models/{id}` for a name that is not there.
    pub(crate) fn no_model(name: &str) -> Self {
        let message = format!("the model `{}` does not exist", routing::nearest::shortened(name));
        Self::new(StatusCode::NOT_FOUND, ErrorReason::ModelNotFound, message).param("model").code("model_not_found")
    }

    /// OpenAI's name for the family of the error.
    fn family(&self) -> &'static str {
        match self.status.as_u16() {
            500.. => "server_error",
            _ => "invalid_request_error",
        }
    }

    /// As OpenAI's API shows errors.
    pub(crate) fn body(&self) -> ErrorBody<'_> {
        let error = ErrorDetail {
            message: &self.message,
            r#type: self.family(),
            param: self.param.as_deref(),
            code: self.code,
        };
        ErrorBody { error }
    }

    /// The same, in no protocol's terms.
    pub(crate) fn to_failure(&self) -> Failure {
        Failure {
            kind: FailureKind::of_status(self.status),
            message: self.message.to_string(),
            code: self.code.map(str::to_owned),
            param: self.param.as_deref().map(str::to_owned),
        }
    }

    /// As an event of a stream, which ends with it.
    pub(crate) fn to_event(&self, client: Client, request_id: &HeaderValue) -> Vec<u8> {
        match client.protocol() {
            Protocol::Chat => self.body().to_event(),
            Protocol::Messages => messages::error::event(&self.to_failure(), request_id.to_str().ok()),
        }
    }

    /// As the answer to a request.
    pub(crate) fn into_response(self, client: Client, request_id: &HeaderValue) -> Response<Bytes> {
        let body = match client.protocol() {
            Protocol::Chat => self.body().to_json(),
            Protocol::Messages => messages::error::body(&self.to_failure(), request_id.to_str().ok()),
        };
        let mut response = Response::new(Bytes::from(body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(labels::SCHEMA_VERSION, labels::SCHEMA_VERSION_VALUE);
        headers.insert(labels::RESPONSE_PATH, HeaderValue::from_static("error"));
        if client.protocol() == Protocol::Messages {
            headers.insert(labels::ANTHROPIC_REQUEST_ID, request_id.clone());
        }
        if let Some(allow) = self.allow {
            headers.insert(header::ALLOW, HeaderValue::from_static(allow));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if self.paid {
            headers.insert("x-should-retry", HeaderValue::from_static("false"));
        }
        if self.status == StatusCode::UPGRADE_REQUIRED {
            headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
            headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        }
        if self.close {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(why) => {
                // What it says names addresses: it is in the log, not in the answer.
                tracing::warn!(error = why, "the response store is not available");
                let message = "the response store is not available: try again, or send `store: false` without \
                    `previous_response_id`";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, ErrorReason::StoreUnavailable, message)
                    .code("store_unavailable")
            }
            StoreError::TooLarge => {
                let message = "the response is too large to be stored: send `store: false`";
                // "Insufficient Storage": must not be repeated as it is.
                Self::new(StatusCode::INSUFFICIENT_STORAGE, ErrorReason::StoreUnavailable, message)
                    .code("response_too_large")
            }
            StoreError::Damaged(_) => {
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, ErrorReason::Internal, error.to_string())
            }
        }
    }
}

impl From<TurnError> for ApiError {
    fn from(error: TurnError) -> Self {
        let message = error.to_string();
        match error {
            TurnError::Request(error) => error.into(),
            TurnError::NoPrevious(_) => {
                ApiError::invalid("previous_response_id", message).code("previous_response_not_found")
            }
            TurnError::TooLong(_) => ApiError::invalid("previous_response_id", message),
            TurnError::TooLarge(_) => ApiError::invalid("input", message).code("context_length_exceeded"),
            TurnError::TooManyReferences(_) => ApiError::invalid("input", message),
            TurnError::Store(error) => error.into(),
            TurnError::NoRandom(_) => Self::new(StatusCode::INTERNAL_SERVER_ERROR, ErrorReason::Internal, message),
        }
    }
}

impl From<RequestError> for ApiError {
    fn from(error: RequestError) -> Self {
        match error.param {
            Some(param) => ApiError::invalid(param, error.message),
            None => Self::new(StatusCode::BAD_REQUEST, ErrorReason::ParseError, error.message),
        }
    }
}

impl From<routing::Error> for ApiError {
    fn from(error: routing::Error) -> Self {
        let message = error.to_string();
        match error {
            routing::Error::UnknownModel { .. } => {
                Self::new(StatusCode::NOT_FOUND, ErrorReason::ModelNotFound, message)
                    .param("model")
                    .code("model_not_found")
            }
            routing::Error::NothingSelected => {
                Self::new(StatusCode::BAD_REQUEST, ErrorReason::NoModelSelected, message).param("model")
            }
            routing::Error::NoCandidate => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, ErrorReason::NoModelSelected, message)
                    .param("model")
                    .code("no_candidate")
            }
            routing::Error::Prompt(_) => ApiError::invalid("messages", message),
            routing::Error::Metadata(_) => ApiError::invalid("metadata", message),
            routing::Error::NoIdentity => Self::new(StatusCode::FORBIDDEN, ErrorReason::Unauthorized, message),
        }
    }
}

impl From<routing::plugins::NoTools> for ApiError {
    fn from(error: routing::plugins::NoTools) -> Self {
        ApiError::invalid(error.field, error.to_string())
    }
}

impl From<upstream::Error> for ApiError {
    fn from(error: upstream::Error) -> Self {
        use upstream::Error;
        let (status, reason, message, code) = match error {
            Error::Connect(_) => (
                StatusCode::BAD_GATEWAY,
                ErrorReason::UpstreamUnreachable,
                // The cause names addresses: it is in the log, not in the answer.
                "no backend of the model can be reached",
                "upstream_unreachable",
            ),
            Error::ConnectTimeout => (
                StatusCode::GATEWAY_TIMEOUT,
                ErrorReason::UpstreamUnreachable,
                "no backend of the model can be reached in time",
                "upstream_timeout",
            ),
            Error::Reset(Some(cause)) if cause.is_malformed() => (
                StatusCode::BAD_GATEWAY,
                ErrorReason::UpstreamBroken,
                "the backend's answer is not valid HTTP",
                "upstream_malformed",
            ),
            Error::Reset(_) => (
                StatusCode::BAD_GATEWAY,
                ErrorReason::UpstreamBroken,
                "the backend closed the connection before it answered",
                "upstream_reset",
            ),
            Error::FirstByteTimeout => (
                StatusCode::GATEWAY_TIMEOUT,
                ErrorReason::Timeout,
                "the backend did not answer in time",
                "upstream_timeout",
            ),
        };
        Self::new(status, reason, message).code(code)
    }
}

impl From<&upstream::BodyError> for ApiError {
    fn from(error: &upstream::BodyError) -> Self {
        use upstream::BodyError;
        let (status, reason, code) = match error {
            BodyError::Broken(_) => (StatusCode::BAD_GATEWAY, ErrorReason::UpstreamBroken, "upstream_reset"),
            BodyError::Idle | BodyError::Deadline => {
                (StatusCode::GATEWAY_TIMEOUT, ErrorReason::Timeout, "upstream_timeout")
            }
        };
        Self::new(status, reason, error.to_string()).code(code)
    }
}

impl ApiError {
    /// The answer of a model is there, and could not be stored.
    pub(crate) fn unstored(error: StoreError) -> Self {
        ApiError { paid: true, ..error.into() }
    }

    /// What was written for a backend cannot be read.
    pub(crate) fn unreadable(error: &json::Error) -> Self {
        Self::new(StatusCode::BAD_REQUEST, ErrorReason::ParseError, error.to_string())
    }

    /// There is no such response, or it is not the caller's.
    pub(crate) fn no_response(id: &str) -> Self {
        let message = format!("Response with id '{}' not found.", routing::nearest::shortened(id));
        Self::new(StatusCode::NOT_FOUND, ErrorReason::NotFound, message)
    }

    /// Only what is made in the background can be cancelled.
    pub(crate) fn not_in_background() -> Self {
        let message = "Cannot cancel a synchronous response.";
        Self::new(StatusCode::BAD_REQUEST, ErrorReason::ParseError, message)
    }

    /// The model was asked for a summary and gave none.
    pub(crate) fn no_summary() -> Self {
        let message = "the model gave no summary of the conversation";
        Self::new(StatusCode::BAD_GATEWAY, ErrorReason::UpstreamBroken, message).code("no_summary")
    }

    /// The configuration has switched the Responses API off.
    pub(crate) fn no_responses() -> Self {
        let message = "the Responses API is switched off here: `global.services.response_api.enabled` is false";
        ApiError { close: true, ..Self::new(StatusCode::NOT_FOUND, ErrorReason::NotFound, message) }
            .code("response_api_disabled")
    }

    /// Anthropic's protocol has no images in answers.
    pub(crate) fn no_images_in_messages() -> Self {
        let message = "images cannot be told in answers of this protocol: use /v1/chat/completions or /v1/responses";
        Self::new(StatusCode::BAD_REQUEST, ErrorReason::ImagesNotSupported, message).code("images_not_supported")
    }

    /// A face that hands requests on to somebody else sends nothing itself.
    #[cfg(feature = "extproc")]
    pub(crate) fn no_images_here() -> Self {
        let message = "images are not made for requests that come through Envoy: send them to a listener of the router";
        Self::new(StatusCode::NOT_IMPLEMENTED, ErrorReason::ImagesNotSupported, message).code("images_not_supported")
    }

    /// The tool that makes images is there, and nobody who does.
    pub(crate) fn nobody_makes_images() -> Self {
        let message =
            "invalid request body: tools has `image_generation`, and nothing here makes images for this request";
        Self::new(StatusCode::BAD_REQUEST, ErrorReason::ImagesNotSupported, message)
            .param("tools")
            .code("images_not_supported")
    }

    /// An answer that had to be there whole to be translated, and is too large for that.
    pub(crate) fn answer_too_large() -> Self {
        let message = "the backend's answer is too large";
        Self::new(StatusCode::BAD_GATEWAY, ErrorReason::UpstreamBroken, message).code("upstream_too_large")
    }

    /// An event stream that ended properly as far as HTTP goes, but in the middle.
    pub(crate) fn truncated_stream() -> Self {
        let message = "the backend ended its stream before it was complete";
        Self::new(StatusCode::BAD_GATEWAY, ErrorReason::UpstreamBroken, message).code("upstream_reset")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A request may be repeated that cost nothing; one that was answered must not, or it is paid for again.
    #[test]
    fn who_may_try_again() {
        let request_id = HeaderValue::from_static("r");
        let told = |error: ApiError| {
            let response = error.into_response(Client::Responses, &request_id);
            let header = response.headers().get("x-should-retry").map(|value| value.to_str().unwrap().to_owned());
            (response.status().as_u16(), header)
        };
        let down = || StoreError::Unavailable("down".to_owned());
        assert_eq!(told(down().into()), (503, None));
        assert_eq!(told(ApiError::unstored(down())), (503, Some("false".to_owned())));
        assert_eq!(told(ApiError::unstored(StoreError::TooLarge)), (507, Some("false".to_owned())));
    }
}
