//! Guards that count what is under way, whatever way it ends.

use super::labels::ErrorReason;
use super::recorder::Recorder;
use crate::table::ModelId;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

/// A request that is under way. Dropped before [`complete`](Self::complete) or [`error`](Self::error), it counts as left
/// by the client, because that is how futures of clients that leave end; dropped by a panic, as a defect of the router.
#[derive(Debug)]
pub struct InFlight {
    recorder: Arc<Recorder>,
    model: ModelId,
    began: Instant,
    saw_first_byte: bool,
    settled: bool,
}

impl InFlight {
    pub(super) fn new(recorder: Arc<Recorder>, model: ModelId) -> Self {
        Self { recorder, model, began: Instant::now(), saw_first_byte: false, settled: false }
    }

    /// The first byte of the answer's body arrived. Only the first call counts, and none after an error: what comes then
    /// may be the router's own words.
    pub fn first_byte(&mut self) {
        if !self.saw_first_byte && !self.settled {
            self.saw_first_byte = true;
            self.recorder.first_byte[usize::from(self.model.0)].observe(self.began.elapsed());
        }
    }

    /// The last byte of the answer was handed to the client. After [`error`](Self::error) it adds nothing, so an error
    /// response that is passed through may be completed like any other.
    pub fn complete(self) {
        let took = self.began.elapsed();
        self.complete_after(took);
    }

    /// The same, of an answer that took so long and is counted later.
    pub fn complete_after(mut self, took: Duration) {
        if !self.settled {
            self.settled = true;
            self.recorder.completion[usize::from(self.model.0)].observe(took);
        }
    }

    /// The request failed. Only the first reason counts.
    pub fn error(&mut self, reason: ErrorReason) {
        if !self.settled {
            self.settled = true;
            self.recorder.rejected(Some(self.model), reason);
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.error(if std::thread::panicking() { ErrorReason::Internal } else { ErrorReason::ClientClosed });
        self.recorder.inflight[usize::from(self.model.0)].fetch_sub(1, Relaxed);
    }
}

/// A client connection that is open.
#[derive(Debug)]
pub struct OpenConnection(Arc<Recorder>);

impl OpenConnection {
    pub(super) fn new(recorder: Arc<Recorder>) -> Self {
        recorder.connections.fetch_add(1, Relaxed);
        Self(recorder)
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Relaxed);
    }
}

/// A stream of Envoy's that is open: a request that it asks about.
#[cfg(feature = "extproc")]
#[derive(Debug)]
pub struct OpenStream(Arc<Recorder>);

#[cfg(feature = "extproc")]
impl OpenStream {
    pub(super) fn new(recorder: Arc<Recorder>) -> Self {
        recorder.streams.fetch_add(1, Relaxed);
        Self(recorder)
    }
}

#[cfg(feature = "extproc")]
impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, Relaxed);
    }
}
