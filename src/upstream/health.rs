//! Whether a backend is picked: ejected after failures in a row, or found unhealthy by asking it.
//!
//! The state is shared by all workers: a few relaxed atomics a backend, written when something fails and read when a backend
//! is picked.

use super::connect::Address;
use super::connection::Connection;
use super::fleet::{Fleet, Place, Server};
use crate::protocol::splice::Chunks;
use crate::table::{Ejection, HealthCheck, Tables};
use http::{HeaderValue, Method, Request, header};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// The health of one backend.
#[derive(Debug)]
pub(super) struct Health {
    /// Zero of `ejected_until`.
    epoch: Instant,
    /// Failures since the last success.
    failures: AtomicU32,
    /// Milliseconds after `epoch` until which it is ejected; 0 if it is not.
    ejected_until: AtomicU64,
    /// Ejections since the last success: each lasts longer.
    ejections: AtomicU32,
    /// What the last health check said; true before the first.
    answers: AtomicBool,
}

/// How often an ejection grows by its base time.
const MAX_EJECTION_STEPS: u32 = 10;

impl Health {
    pub(super) fn new() -> Self {
        Health {
            epoch: Instant::now(),
            failures: AtomicU32::new(0),
            ejected_until: AtomicU64::new(0),
            ejections: AtomicU32::new(0),
            answers: AtomicBool::new(true),
        }
    }

    pub(super) fn is_ejected(&self) -> bool {
        let until = self.ejected_until.load(Relaxed);
        until != 0 && self.now() < until
    }

    pub(super) fn answers_checks(&self) -> bool {
        self.answers.load(Relaxed)
    }

    pub(super) fn is_available(&self) -> bool {
        self.answers_checks() && !self.is_ejected()
    }

    pub(super) fn succeeded(&self) {
        // A load first: a store would take the cache line from the other workers on every request.
        if self.failures.load(Relaxed) != 0 || self.ejections.load(Relaxed) != 0 {
            self.failures.store(0, Relaxed);
            self.ejections.store(0, Relaxed);
        }
    }

    /// Counts a failure and tells whether the backend should now be ejected.
    pub(super) fn failed(&self, ejection: &Ejection) -> bool {
        self.failures.fetch_add(1, Relaxed) + 1 >= ejection.consecutive_5xx && !self.is_ejected()
    }

    pub(super) fn eject(&self, ejection: &Ejection) -> Duration {
        let steps = (self.ejections.fetch_add(1, Relaxed) + 1).min(MAX_EJECTION_STEPS);
        let time = ejection.base_time * steps;
        self.ejected_until.store(self.now() + millis(time).max(1), Relaxed);
        self.failures.store(0, Relaxed);
        time
    }

    fn now(&self) -> u64 {
        millis(self.epoch.elapsed())
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Asks every backend that has a health check, for as long as the future is polled. Run it once for the process.
pub async fn check_forever(tables: &'static Tables, fleet: Arc<Fleet>) {
    let mut checks = tokio::task::JoinSet::new();
    // An adapter has the backends of its base.
    for model in tables.models.iter().filter(|model| model.lora.is_none()) {
        let Some(check) = model.reliability.health_check else { continue };
        for backend in model.backends {
            if matches!(fleet.member(backend.id).place, Place::Http(_)) {
                let fleet = Arc::clone(&fleet);
                checks.spawn(async move { check_one(&fleet, backend, check).await });
            }
        }
    }
    while checks.join_next().await.is_some() {}
    std::future::pending::<()>().await;
}

async fn check_one(fleet: &Fleet, backend: &crate::table::Backend, check: HealthCheck) {
    let member = fleet.member(backend.id);
    let Place::Http(server) = &member.place else { return };
    loop {
        let answers = matches!(timeout(check.timeout, ask(server, check)).await, Ok(true));
        if member.health.answers.swap(answers, Relaxed) != answers {
            let state = if answers { "healthy" } else { "unhealthy" };
            tracing::warn!(backend = backend.name, state, "health check changed its mind");
        }
        tokio::time::sleep(check.interval).await;
    }
}

/// Whether a `GET` is answered with a 2xx.
async fn ask(server: &Server, HealthCheck { path, timeout, .. }: HealthCheck) -> bool {
    let Some(mut connection) = open(&server.address, tokio::time::Instant::now() + timeout).await else { return false };
    let request = Request::builder()
        .method(Method::GET)
        .uri(path)
        .header(header::HOST, &server.authority)
        .header(header::USER_AGENT, HeaderValue::from_static("hardwire-health-check"))
        .body(Chunks::default());
    let Ok(request) = request else { return false };
    connection.send(&request).await.is_ok_and(|response| response.status().is_success())
}

async fn open(address: &Address, until: tokio::time::Instant) -> Option<Connection> {
    Some(Connection::new(address.connect(until).await.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ejected_after_failures_in_a_row() {
        let ejection = Ejection { consecutive_5xx: 2, base_time: Duration::from_secs(60), max_percent: 100 };
        let health = Health::new();
        assert!(!health.failed(&ejection));
        health.succeeded();
        assert!(!health.failed(&ejection));
        assert!(health.failed(&ejection));
        assert_eq!(health.eject(&ejection), Duration::from_secs(60));
        assert!(health.is_ejected() && !health.is_available());
        assert!(!health.failed(&ejection), "an ejected backend is not ejected again");
        assert_eq!(health.eject(&ejection), Duration::from_secs(120));
    }

    #[test]
    fn a_success_makes_the_next_ejection_a_short_one() {
        let ejection = Ejection { consecutive_5xx: 1, base_time: Duration::from_millis(5), max_percent: 100 };
        let health = Health::new();
        for _ in 0..3 {
            assert!(health.failed(&ejection));
            assert_eq!(health.eject(&ejection), Duration::from_millis(5));
            std::thread::sleep(Duration::from_millis(20));
            health.succeeded();
        }
    }

    #[test]
    fn an_ejection_ends() {
        let ejection = Ejection { consecutive_5xx: 1, base_time: Duration::from_millis(5), max_percent: 100 };
        let health = Health::new();
        assert!(health.failed(&ejection));
        health.eject(&ejection);
        std::thread::sleep(Duration::from_millis(20));
        assert!(health.is_available());
    }
}
