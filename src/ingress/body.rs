//! Takes in a request body as hyper brings it: bounded in time.

use crate::dispatch::{Intake, ReceiveError, Received};
use crate::table::Limits;
use http::HeaderMap;
use http_body::Body;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::timeout;

/// Reads a body to its end.
pub(super) async fn receive(
    headers: &HeaderMap,
    mut incoming: Incoming,
    limits: &Limits,
) -> Result<Received, ReceiveError> {
    let mut intake = Intake::new(headers, incoming.size_hint().lower(), limits.max_body_bytes)?;
    while let Some(frame) = timeout(limits.body_timeout, incoming.frame()).await.map_err(|_| ReceiveError::Timeout)? {
        let Ok(data) = frame.map_err(|_| ReceiveError::Broken)?.into_data() else { continue };
        intake.push(data)?;
    }
    intake.finish()
}
