//! What the service knows of requests: it drives the core as the HTTP face does, with Envoy's parts in place of sockets.
//!
//! Taking a request in and handing it over is in `asking`, what becomes of the answer in `answering`; `heads` and `replies`
//! translate between Envoy's messages and HTTP, `delivery` knows in which ways bodies come. Nothing in here waits for
//! anything but the echo, which answers in this process.

mod answering;
mod asking;
mod delivery;
mod exchange;
mod heads;
mod replies;

use super::processor::Processor;
use crate::dispatch::{Dispatch, Keys};
use crate::env::Env;
use crate::routing::Routing;
use crate::routing::catalog::Catalog;
use crate::table::{Listener, Tables};
use crate::telemetry::metrics::Recorder;
use crate::upstream::Upstream;
use exchange::Conversation;
use http::HeaderMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// What Envoy's configuration adds to each stream: the name of the listener through which the request came.
const LISTENER: &str = "x-hardwire-listener";

/// The face of one worker.
#[derive(Debug, Clone)]
pub struct Face(Rc<Inner>);

#[derive(Debug)]
struct Inner {
    tables: &'static Tables,
    dispatch: Dispatch,
    catalog: Arc<Catalog>,
    upstream: Rc<Upstream>,
    recorder: Arc<Recorder>,
    /// In the order of the tables.
    doors: Vec<Door>,
    clear_route_cache: bool,
}

/// A listener of the document, which Envoy has in the router's place.
#[derive(Debug)]
struct Door {
    name: &'static str,
    keys: Keys,
    timeout: Duration,
}

impl Face {
    /// For one worker.
    #[must_use]
    pub fn new(
        tables: &'static Tables,
        routing: Arc<Routing>,
        catalog: Arc<Catalog>,
        env: &Env,
        upstream: Rc<Upstream>,
        recorder: Arc<Recorder>,
    ) -> Self {
        let door = |listener: &Listener| Door {
            name: listener.name,
            keys: Keys::new(listener, env),
            timeout: listener.timeout,
        };
        Face(Rc::new(Inner {
            tables,
            dispatch: Dispatch::new(tables, routing, Arc::clone(&recorder)),
            catalog,
            upstream,
            recorder,
            doors: tables.listeners.iter().map(door).collect(),
            clear_route_cache: tables.extproc.is_none_or(|service| service.clear_route_cache),
        }))
    }
}

impl Inner {
    /// Through which listener a request came. One that Envoy does not name, or that there is not, has the keys of the first
    /// one that asks for any: a mistake in Envoy's configuration opens no door.
    fn door(&self, metadata: &HeaderMap) -> usize {
        let named = metadata.get(LISTENER).and_then(|name| self.doors.iter().position(|door| name == door.name));
        named.or_else(|| self.doors.iter().position(|door| door.keys.are_asked_for())).unwrap_or_default()
    }
}

impl Processor for Face {
    type Exchange = Conversation;

    fn begin(&self, metadata: &HeaderMap) -> Conversation {
        Conversation::new(Rc::clone(&self.0), self.0.door(metadata))
    }
}
