//! Takes in a request body: bounded in size and time, checked as JSON while it arrives, and kept in the pieces it came in.

use crate::dispatch::{ApiError, Received};
use crate::protocol::json::{self, Scanner};
use crate::protocol::splice::Chunks;
use crate::table::Limits;
use crate::telemetry::metrics::ErrorReason;
use http::{HeaderMap, StatusCode, header};
use http_body::Body;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::timeout;

/// Why a request body was not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReceiveError {
    #[error(transparent)]
    Json(#[from] json::Error),
    #[error("the request body is larger than {limit} bytes")]
    TooLarge { limit: u64 },
    #[error("the request body did not arrive in time")]
    Timeout,
    #[error("the request body broke off")]
    Broken(#[source] hyper::Error),
    #[error("request bodies must not be compressed")]
    Encoded,
}

/// Reads a body to its end.
pub(super) async fn receive(
    headers: &HeaderMap,
    mut incoming: Incoming,
    limits: &Limits,
) -> Result<Received, ReceiveError> {
    let limit = limits.max_body_bytes;
    if headers.get(header::CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
        return Err(ReceiveError::Encoded);
    }
    if incoming.size_hint().lower() > limit {
        return Err(ReceiveError::TooLarge { limit });
    }
    let mut body = Chunks::default();
    let mut taken = 0;
    let mut scanner = Scanner::new();
    let mut scanned = Ok(());
    while let Some(frame) = timeout(limits.body_timeout, incoming.frame()).await.map_err(|_| ReceiveError::Timeout)? {
        let Ok(data) = frame.map_err(ReceiveError::Broken)?.into_data() else { continue };
        taken += data.len() as u64;
        if taken > limit {
            return Err(ReceiveError::TooLarge { limit });
        }
        // After a mistake the rest is still read, though not kept: the client hears of it on a connection that stays
        // usable.
        if scanned.is_ok() {
            scanned = scanner.push(&data);
            body.push(data);
        }
    }
    scanned?;
    Ok(Received { fields: scanner.finish()?, body })
}

impl From<ReceiveError> for ApiError {
    fn from(error: ReceiveError) -> Self {
        let message = error.to_string();
        match error {
            ReceiveError::Json(json::Error::Duplicate { field, .. }) => ApiError::invalid(field.key(), message),
            ReceiveError::Json(_) => ApiError::new(StatusCode::BAD_REQUEST, ErrorReason::ParseError, message),
            ReceiveError::TooLarge { .. } => ApiError {
                close: true,
                ..ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, ErrorReason::BodyTooLarge, message)
                    .code("request_too_large")
            },
            ReceiveError::Timeout => ApiError {
                close: true,
                ..ApiError::new(StatusCode::REQUEST_TIMEOUT, ErrorReason::BodyIncomplete, message)
                    .code("request_timeout")
            },
            ReceiveError::Broken(_) => {
                ApiError { close: true, ..ApiError::new(StatusCode::BAD_REQUEST, ErrorReason::BodyIncomplete, message) }
            }
            ReceiveError::Encoded => ApiError {
                close: true,
                ..ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, ErrorReason::ParseError, message)
            },
        }
    }
}
