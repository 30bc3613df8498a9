//! Takes in a request body piece by piece, whichever way it comes: bounded in size, checked as JSON while it arrives, and
//! kept in the pieces it came in, but for small ones, which are put together.

use super::error::ApiError;
use super::request::Received;
use crate::protocol::json::{self, Scanner};
use crate::protocol::splice::Chunks;
use crate::telemetry::metrics::ErrorReason;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode, header};

/// A body that arrives.
#[derive(Debug)]
pub(crate) struct Intake {
    body: Chunks,
    /// Small pieces, put together: a body that comes byte by byte must not be one of a million pieces.
    small: BytesMut,
    taken: u64,
    limit: u64,
    scanner: Scanner,
    scanned: Result<(), json::Error>,
}

/// Pieces below this are small.
const SMALL: usize = 4096;

/// So much is put together at most.
const TOGETHER: usize = 64 * 1024;

/// Why a request body was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReceiveError {
    #[error(transparent)]
    Json(#[from] json::Error),
    #[error("the request body is larger than {limit} bytes")]
    TooLarge { limit: u64 },
    #[error("the request body did not arrive in time")]
    Timeout,
    #[error("the request body broke off")]
    Broken,
    #[error("request bodies must not be compressed")]
    Encoded,
    #[cfg(feature = "extproc")]
    #[error("malformed JSON body: something comes behind it")]
    Trailing,
    #[cfg(feature = "extproc")]
    #[error("the request body comes in too many pieces")]
    TooManyPieces,
}

impl Intake {
    /// For a body of at most `limit` bytes, `announced` of which there are at least.
    pub(crate) fn new(headers: &HeaderMap, announced: u64, limit: u64) -> Result<Intake, ReceiveError> {
        if headers.get(header::CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
            return Err(ReceiveError::Encoded);
        }
        if announced > limit {
            return Err(ReceiveError::TooLarge { limit });
        }
        let (body, small) = (Chunks::default(), BytesMut::new());
        Ok(Intake { body, small, taken: 0, limit, scanner: Scanner::new(), scanned: Ok(()) })
    }

    /// Takes a piece.
    pub(crate) fn push(&mut self, piece: Bytes) -> Result<(), ReceiveError> {
        self.taken += piece.len() as u64;
        if self.taken > self.limit {
            return Err(ReceiveError::TooLarge { limit: self.limit });
        }
        // After a mistake the rest is still taken, though not kept: the client hears of it on a connection that stays
        // usable.
        if self.scanned.is_ok() {
            self.scanned = self.scanner.push(&piece);
            self.keep(piece);
        }
        Ok(())
    }

    /// Whether it is a whole document already, whatever comes.
    #[cfg(feature = "extproc")]
    pub(crate) fn is_complete(&self) -> bool {
        self.scanned.is_ok() && self.scanner.is_complete()
    }

    /// Whether something must still come: what is no JSON stays so.
    #[cfg(feature = "extproc")]
    pub(crate) fn is_partial(&self) -> bool {
        self.scanned.is_ok() && !self.scanner.is_complete()
    }

    fn keep(&mut self, piece: Bytes) {
        // Most bodies are one small piece.
        if piece.len() >= SMALL || self.body.is_empty() {
            self.body.push(self.small.split().freeze());
            self.body.push(piece);
            return;
        }
        self.small.extend_from_slice(&piece);
        if self.small.len() >= TOGETHER {
            self.body.push(self.small.split().freeze());
        }
    }

    /// That was all.
    pub(crate) fn finish(mut self) -> Result<Received, ReceiveError> {
        self.scanned?;
        self.body.push(self.small.freeze());
        Ok(Received { fields: self.scanner.finish()?, body: self.body })
    }
}

impl From<ReceiveError> for ApiError {
    fn from(error: ReceiveError) -> Self {
        let message = error.to_string();
        match error {
            ReceiveError::Json(json::Error::Duplicate { field, .. }) => ApiError::invalid(field.key(), message),
            #[cfg(feature = "extproc")]
            ReceiveError::Trailing => ApiError::new(StatusCode::BAD_REQUEST, ErrorReason::ParseError, message),
            ReceiveError::Json(_) => ApiError::new(StatusCode::BAD_REQUEST, ErrorReason::ParseError, message),
            #[cfg(feature = "extproc")]
            ReceiveError::TooManyPieces => {
                ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, ErrorReason::BodyTooLarge, message)
                    .code("request_too_large")
            }
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
            ReceiveError::Broken => {
                ApiError { close: true, ..ApiError::new(StatusCode::BAD_REQUEST, ErrorReason::BodyIncomplete, message) }
            }
            ReceiveError::Encoded => ApiError {
                close: true,
                ..ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, ErrorReason::ParseError, message)
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(body: &[u8], piece: usize) -> Vec<Bytes> {
        let mut intake = Intake::new(&HeaderMap::new(), 0, 1 << 20).unwrap();
        for piece in body.chunks(piece) {
            intake.push(piece.to_vec().into()).unwrap();
        }
        let pieces = intake.finish().unwrap().body.into_inner();
        assert_eq!(pieces.concat(), body);
        pieces
    }

    #[test]
    fn small_pieces_are_put_together() {
        let body = format!(r#"{{"model":"m","x":"{}"}}"#, "x".repeat(500_000)).into_bytes();
        for piece in [1, 7, 100, 4095] {
            assert!(taken(&body, piece).len() < 20, "{piece}");
        }
        assert_eq!(taken(&body, SMALL).len(), body.len().div_ceil(SMALL), "large ones stay as they are");
    }

    #[test]
    fn small_pieces_stay_in_their_place() {
        let mut intake = Intake::new(&HeaderMap::new(), 0, 1 << 20).unwrap();
        let large = vec![b'x'; SMALL];
        for piece in [&b"{\"a\""[..], b":", b"\"", &large, b"\"", b",\"b\":\"", &large, &large, b"\"}"] {
            intake.push(piece.to_vec().into()).unwrap();
        }
        let x = "x".repeat(SMALL);
        let expected = format!(r#"{{"a":"{x}","b":"{x}{x}"}}"#);
        assert_eq!(*intake.finish().unwrap().body.to_bytes(), *expected.as_bytes());
    }
}
