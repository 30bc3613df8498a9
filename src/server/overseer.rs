//! What the first thread does while the workers serve: the apiserver, health checks, and the way down.

use super::Error;
use crate::apiserver::{self, Api};
use crate::table::Tables;
use crate::upstream::{self, Fleet};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};

/// How long cutting requests off may take.
const LAST: Duration = Duration::from_secs(1);

/// The first thread.
#[derive(Debug)]
pub(super) struct Overseer {
    pub(super) tables: &'static Tables,
    pub(super) fleet: Arc<Fleet>,
    pub(super) api: Arc<Api>,
    pub(super) management: std::net::TcpListener,
    /// `/ready` reads it.
    pub(super) draining: Arc<AtomicBool>,
    pub(super) signals: Signals,
    /// Tells the workers to accept nothing more.
    pub(super) stop: watch::Sender<bool>,
    /// Tells them to end at once.
    pub(super) cut: watch::Sender<bool>,
    /// Closed when all workers have ended; a message says that one ended before it should.
    pub(super) ended: mpsc::Receiver<()>,
}

/// The signals that ask the process to stop.
#[derive(Debug)]
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Overseer {
    /// Runs until the process shall end.
    pub(super) async fn run(self) -> Result<(), Error> {
        let management = tokio::net::TcpListener::from_std(self.management)?;
        let apiserver = apiserver::serve(management, self.api, std::future::pending());
        let (mut signals, mut ended) = (self.signals, self.ended);
        let bound = self.tables.limits.drain_timeout;
        let down = async {
            tokio::select! {
                () = signals.asked_to_stop() => (),
                _ = ended.recv() => return Err(Error::WorkerLost),
            }
            self.draining.store(true, Ordering::Relaxed);
            tracing::info!(seconds = bound.as_secs_f32(), "draining: running requests may finish");
            self.stop.send_replace(true);
            tokio::select! {
                _ = ended.recv() => {
                    tracing::info!("drained");
                    return Ok(());
                }
                () = tokio::time::sleep(bound) => tracing::warn!("the drain timed out: requests are cut off"),
                () = signals.asked_to_stop() => tracing::warn!("asked again to stop: requests are cut off"),
            }
            self.cut.send_replace(true);
            // So that there is a line in the log for each of them.
            let _ = tokio::time::timeout(LAST, ended.recv()).await;
            Ok(())
        };
        tokio::select! {
            ended = down => ended,
            () = apiserver => Ok(()),
            () = upstream::check_forever(self.tables, self.fleet) => Ok(()),
        }
    }
}

impl Signals {
    /// From now on the signals are noticed. To be called within a runtime.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Signals { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn asked_to_stop(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => (),
            _ = self.interrupt.recv() => (),
        }
    }
}
