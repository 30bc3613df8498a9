//! Takes in a request body as hyper brings it: bounded in time.

use super::Ingress;
use crate::dispatch::{Intake, ReceiveError, Received};
use http::HeaderMap;
use http_body::Body;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::{Instant, timeout_at};

/// Reads a body to its end. It may pause for a while, and take as long in all as its answer may.
pub(super) async fn receive(
    headers: &HeaderMap,
    mut incoming: Incoming,
    ingress: &Ingress,
) -> Result<Received, ReceiveError> {
    let limits = &ingress.tables.limits;
    let mut now = Instant::now();
    let deadline = now + ingress.timeout;
    let mut intake = Intake::new(headers, incoming.size_hint().lower(), limits.max_body_bytes)?;
    loop {
        let until = deadline.min(now + limits.body_timeout);
        let frame = timeout_at(until, incoming.frame()).await.map_err(|_| ReceiveError::Timeout)?;
        let Some(frame) = frame else { return intake.finish() };
        if let Ok(data) = frame.map_err(|_| ReceiveError::Broken)?.into_data() {
            intake.push(data)?;
        }
        now = Instant::now();
    }
}
