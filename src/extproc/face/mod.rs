//! What the service knows of requests: it drives the core as the HTTP face does, with Envoy's parts in place of sockets.
//!
//! Taking a request in and handing it over is in `asking`, what becomes of the answer in `answering`, `passage` and `held`; `heads` and `replies`
//! translate between Envoy's messages and HTTP, `delivery` knows in which ways bodies come. Nothing in here waits for
//! anything but the store of responses and the echo, which answers in this process.

mod answering;
mod asking;
mod delivery;
mod exchange;
mod heads;
mod held;
mod passage;
mod replies;

use super::processor::Processor;
use crate::dispatch::{ApiError, Dispatch, Keys};
use crate::env::Env;
use crate::extproc::wire::BodySendMode;
use crate::responding::Responding;
use crate::responses::store::{Scope, Store, StoreError};
use crate::routing::Routing;
use crate::routing::catalog::Catalog;
use crate::table::{Listener, Tables};
use crate::telemetry::metrics::Recorder;
use crate::upstream::Upstream;
use answering::Answer;
use delivery::{Delivery, Modes};
use exchange::Conversation;
use http::HeaderMap;
use std::cell::Cell;
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
    /// Where responses are stored; `None`: there is no Responses API.
    store: Option<Store>,
    /// How long the store may take: shorter than what is said of a message may take, so that the client can be told.
    patience: Duration,
    /// In the order of the tables.
    doors: Vec<Door>,
    clear_route_cache: bool,
    /// It was told that Envoy does not send answers.
    has_warned: Cell<bool>,
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
        store: Option<Store>,
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
            store,
            patience: tables.extproc.map_or(Duration::MAX, |service| service.message_timeout * 9 / 10),
            doors: tables.listeners.iter().map(door).collect(),
            clear_route_cache: tables.extproc.is_none_or(|service| service.clear_route_cache),
            has_warned: Cell::new(false),
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

impl Inner {
    /// An answer was over before its end had come. Envoy may never have sent anything of it: it says so once.
    fn note_modes(&self, modes: Modes, answer: &Answer) {
        let is_not_sent = modes.response == Delivery::Unusable(BodySendMode::None) && !answer.clock.has_begun;
        if is_not_sent && !self.has_warned.replace(true) {
            tracing::warn!(
                "Envoy has sent nothing of an answer: with response_body_mode NONE, allow_mode_override must be set"
            );
        }
    }

    /// Serves the Responses API, where there is one.
    fn responding(&self, caller: Option<Scope>) -> Result<Responding<'_>, ApiError> {
        let store = self.store.as_ref().ok_or_else(ApiError::no_responses)?;
        Ok(Responding { dispatch: &self.dispatch, store, recent: None, caller })
    }

    /// Waits for what the store has a part in, as long as the client can still be told.
    async fn wait<T, E: From<StoreError>>(&self, stored: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        let late = || StoreError::Unavailable(format!("it has not answered within {:?}", self.patience));
        tokio::time::timeout(self.patience, stored).await.unwrap_or_else(|_| Err(late().into()))
    }
}

impl Processor for Face {
    type Exchange = Conversation;

    fn begin(&self, metadata: &HeaderMap) -> Conversation {
        Conversation::new(Rc::clone(&self.0), self.0.door(metadata))
    }
}
