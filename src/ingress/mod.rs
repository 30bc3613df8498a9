//! The HTTP face: the public listener, OpenAI's API.
//!
//! It knows hyper's server side and the client's protocol, and drives routing and upstream. It must not know how a backend
//! is reached, nor the other faces.

mod answer;
mod ask;
mod body;
mod draw;
mod linger;
mod listener;
mod patience;
mod respond;
mod unfold;
mod websocket;

pub use answer::{Cut, ResponseBody};
pub use listener::serve;

use crate::dispatch::{self, Admission, ApiError, Client, Dispatch, Endpoint, Exchange, Found, Keys};
use crate::env::Env;
use crate::responding::Responding;
use crate::responses::recent::Budget;
use crate::responses::store::{Scope, Store, Stores};
use crate::routing::Routing;
use crate::routing::catalog::{Catalog, decode_id};
use crate::table::{Listener, Tables};
use crate::telemetry::metrics::Recorder;
use crate::upstream::Upstream;
use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// One listener in one worker.
#[derive(Debug)]
pub struct Ingress {
    tables: &'static Tables,
    dispatch: Dispatch,
    catalog: Arc<Catalog>,
    upstream: Rc<Upstream>,
    recorder: Arc<Recorder>,
    keys: Keys,
    store: Option<Store>,
    timeout: Duration,
    /// What its WebSockets may remember.
    remembered: Budget,
}

/// What all listeners and workers share.
#[derive(Debug, Clone)]
pub struct Shared {
    /// The generated tables.
    pub tables: &'static Tables,
    /// Names, signals and decisions.
    pub routing: Arc<Routing>,
    /// `/v1/models`.
    pub catalog: Arc<Catalog>,
    /// Where responses are stored; `None`: there is no Responses API.
    pub stores: Option<Arc<Stores>>,
}

impl Ingress {
    /// A listener of one worker, with the worker's end of the store.
    #[must_use]
    pub fn new(
        shared: &Shared,
        listener: &Listener,
        env: &Env,
        upstream: Rc<Upstream>,
        recorder: Arc<Recorder>,
        store: Option<Store>,
    ) -> Self {
        Ingress {
            tables: shared.tables,
            dispatch: Dispatch::new(shared.tables, Arc::clone(&shared.routing), Arc::clone(&recorder)),
            catalog: Arc::clone(&shared.catalog),
            upstream,
            recorder,
            keys: Keys::new(listener, env),
            store,
            timeout: listener.timeout,
            remembered: Budget::default(),
        }
    }

    /// Answers one request.
    async fn handle(&self, mut request: Request<Incoming>) -> Response<ResponseBody> {
        let request_id = dispatch::request_id(request.headers());
        let exchange = Box::new(Exchange::new(
            Arc::clone(&self.recorder),
            self.tables,
            request_id,
            request.method().clone(),
            request.uri().path(),
        ));
        let client = dispatch::client_at(request.uri().path());
        let caller = match self.keys.admit(request.headers_mut()) {
            Admission::Refused => return self.refuse(ApiError::unauthorized(), client, exchange),
            Admission::Open => None,
            Admission::Key(scope) => Some(scope),
        };
        let path = request.uri().path();
        match dispatch::find(request.method(), path) {
            Found::Endpoint(Endpoint::Chat | Endpoint::Messages, _) => ask::ask(self, client, request, exchange).await,
            Found::Endpoint(Endpoint::CountTokens, _) => ask::count(self, client, request, exchange).await,
            Found::Endpoint(Endpoint::Models, _) => json(self.catalog.list.clone(), exchange),
            Found::Endpoint(Endpoint::Model, id) => self.model(id, exchange),
            // Boxed, it makes no room for itself in connections that never ask for it.
            Found::Endpoint(endpoint, _) => Box::pin(self.respond(endpoint, caller, request, exchange)).await,
            Found::Methods(methods) => self.refuse(ApiError::wrong_method(methods), client, exchange),
            Found::Nothing => {
                let path = path.strip_suffix('/').unwrap_or(path);
                self.refuse(ApiError::no_endpoint(request.method(), path), client, exchange)
            }
        }
    }

    /// Serves the Responses API, where there is one.
    async fn respond(
        &self,
        endpoint: Endpoint,
        caller: Option<Scope>,
        request: Request<Incoming>,
        exchange: Box<Exchange>,
    ) -> Response<ResponseBody> {
        let Some(store) = &self.store else {
            return self.refuse(ApiError::no_responses(), Client::Responses, exchange);
        };
        let to = Responding { dispatch: &self.dispatch, store, recent: None, caller };
        match endpoint {
            Endpoint::Converse => websocket::open(self, &request, caller, exchange),
            _ => respond::respond(self, to, endpoint, request, exchange).await,
        }
    }

    fn model(&self, id: &str, exchange: Box<Exchange>) -> Response<ResponseBody> {
        let found = decode_id(id).and_then(|id| self.catalog.get(&id));
        match found {
            Some(model) => json(model, exchange),
            None => self.refuse(ApiError::no_model(&decode_id(id).unwrap_or_default()), Client::Chat, exchange),
        }
    }

    fn refuse(&self, error: ApiError, client: Client, mut exchange: Box<Exchange>) -> Response<ResponseBody> {
        exchange.failed(error.reason);
        own(error.into_response(client, &exchange.request_id), exchange)
    }
}

fn json(body: Bytes, exchange: Box<Exchange>) -> Response<ResponseBody> {
    own(dispatch::json_response(body), exchange)
}

/// The router's own answer ends the exchange.
fn own(mut response: Response<Bytes>, mut exchange: Box<Exchange>) -> Response<ResponseBody> {
    exchange.answered(response.status().as_u16());
    response.headers_mut().insert("x-request-id", exchange.request_id.clone());
    response.map(|body| ResponseBody::full(body, exchange))
}
