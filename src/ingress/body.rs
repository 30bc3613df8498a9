//! Takes in a request body: bounded in size and time, checked as JSON while it arrives, and kept in the pieces it came in.

use crate::protocol::json::{self, Fields, Scanner};
use crate::protocol::splice::Chunks;
use crate::table::Limits;
use http::{HeaderMap, header};
use http_body::Body;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::timeout;

/// A request body, whole.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) body: Chunks,
    /// Where its top-level fields stand.
    pub(super) fields: Fields,
}

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
