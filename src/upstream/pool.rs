//! Idle connections of one worker, by backend. Not shared between workers: no lock, no wake across cores.

use super::connection::Connection;
use crate::table::BackendId;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::task::Context;
use std::time::Duration;

/// Idle connections are kept this long. Short of the usual keep-alive times of load balancers.
const MAX_IDLE: Duration = Duration::from_secs(50);

/// At most this many for one backend and worker.
const MAX_PER_BACKEND: usize = 512;

/// Idle connections, the most recently used last.
#[derive(Debug)]
pub(super) struct Pool(Vec<RefCell<VecDeque<Connection>>>);

impl Pool {
    pub(super) fn new(backends: usize) -> Self {
        Pool((0..backends).map(|_| RefCell::default()).collect())
    }

    /// The most recently used connection that is still open.
    pub(super) fn take(&self, backend: BackendId, cx: &mut Context<'_>) -> Option<Connection> {
        let mut idle = self.0[usize::from(backend.0)].borrow_mut();
        while let Some(mut connection) = idle.pop_back() {
            if connection.idle_since.elapsed() < MAX_IDLE && connection.is_reusable(cx) {
                return Some(connection);
            }
        }
        None
    }

    /// Keeps a connection whose response has ended, if it can serve another request.
    pub(super) fn put(&self, backend: BackendId, mut connection: Connection) {
        if !connection.rest() {
            return;
        }
        let mut idle = self.0[usize::from(backend.0)].borrow_mut();
        idle.push_back(connection);
        // The oldest are in front: what a burst has left behind goes as time passes.
        while idle.len() > MAX_PER_BACKEND || idle.front().is_some_and(|oldest| oldest.idle_since.elapsed() > MAX_IDLE)
        {
            idle.pop_front();
        }
    }
}
