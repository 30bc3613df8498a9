//! The apiserver: health, models, the configuration as it was baked, and metrics, on the management port.
//!
//! For operators and their tools; it knows nothing of backends, and sees no prompt but those that it is asked to explain.
//! It reads what was baked and what was counted, and changes nothing: the configuration is part of the binary.

mod answer;
mod classify;
mod configuration;
mod evaluation;
mod handlers;
mod routes;
mod serve;
mod time;

pub use evaluation::evaluation;
pub use serve::serve;

use crate::openapi::{self, Face};
use crate::routing::Routing;
use crate::routing::catalog::Catalog;
use crate::table::Tables;
use crate::telemetry::metrics::Registry;
use bytes::Bytes;
use configuration::Configuration;
use http::request::Parts;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, SystemTime};

/// What the apiserver tells about.
#[derive(Debug)]
pub struct Api {
    tables: &'static Tables,
    routing: Arc<Routing>,
    registry: Registry,
    catalog: Arc<Catalog>,
    draining: Arc<AtomicBool>,
    configuration: Configuration,
    /// The body of `GET /api/v1`.
    endpoints: Bytes,
    /// The body of `GET /openapi.json`.
    openapi: Bytes,
    bounds: Bounds,
}

/// A request as endpoints see it.
#[derive(Debug)]
struct Asked<'a> {
    head: &'a Parts,
    /// What stands for `{id}` in the path, as it was sent.
    id: &'a str,
    /// Empty where the endpoint takes none.
    body: &'a [u8],
}

/// How far a client can stretch the apiserver.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// A request head, and then its body, must arrive within this time each; a kept connection is idle no longer.
    pub read: Duration,
    /// A connection that stays open this long without a new request is one whose client does not read: it is cut.
    pub write: Duration,
    /// Connections at a time; more wait in the listener's backlog.
    pub connections: usize,
    /// How long running requests may take to finish when the server stops.
    pub stop: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            read: Duration::from_secs(30),
            write: Duration::from_secs(120),
            connections: 256,
            stop: Duration::from_secs(5),
        }
    }
}

impl Api {
    /// Renders what does not change. `started` is when this process began to serve; `draining` turns true with SIGTERM,
    /// and `/ready` says so from then on.
    #[must_use]
    pub fn new(
        tables: &'static Tables,
        routing: Arc<Routing>,
        registry: Registry,
        catalog: Arc<Catalog>,
        started: SystemTime,
        draining: Arc<AtomicBool>,
    ) -> Self {
        let api = Self {
            tables,
            routing,
            registry,
            catalog,
            draining,
            configuration: Configuration::new(&tables.config, started),
            endpoints: routes::describe(),
            openapi: Bytes::new(),
            bounds: Bounds::default(),
        };
        api.beside(&[])
    }

    /// The same beside other faces of the router, which are described together with it.
    #[must_use]
    pub fn beside(mut self, faces: &[Face]) -> Self {
        let own = Face {
            tag: "management",
            ports: vec![self.tables.management.port],
            error: openapi::MANAGEMENT_ERROR,
            operations: routes::operations(),
        };
        let all: Vec<Face> = faces.iter().cloned().chain([own]).collect();
        self.openapi = openapi::document(self.tables, &all);
        self
    }

    /// The same within other bounds.
    #[must_use]
    pub fn within(mut self, bounds: Bounds) -> Self {
        self.bounds = bounds;
        self
    }

    fn is_draining(&self) -> bool {
        self.draining.load(Relaxed)
    }
}
