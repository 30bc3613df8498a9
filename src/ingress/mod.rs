//! The HTTP face: the public listener, OpenAI's API.
//!
//! It knows hyper's server side and the client's protocol, and drives routing and upstream. It must not know how a backend
//! is reached, nor the other faces.

mod answer;
mod auth;
mod body;
mod chat;
mod error;
mod exchange;
mod labels;
mod linger;
mod listener;
mod patience;
mod plugins;

pub use answer::{Cut, ResponseBody};
pub use listener::serve;

use crate::env::Env;
use crate::routing::Routing;
use crate::routing::catalog::{Catalog, decode_id};
use crate::table::{Listener, Tables};
use crate::telemetry::metrics::Recorder;
use crate::upstream::Upstream;
use auth::Keys;
use bytes::Bytes;
use error::ApiError;
use exchange::Exchange;
use http::{HeaderName, HeaderValue, Method, Request, Response, header};
use hyper::body::Incoming;
use labels::Labels;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// One listener in one worker.
#[derive(Debug)]
pub struct Ingress {
    tables: &'static Tables,
    routing: Arc<Routing>,
    catalog: Arc<Catalog>,
    upstream: Rc<Upstream>,
    recorder: Arc<Recorder>,
    labels: Labels,
    keys: Keys,
    timeout: Duration,
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
}

impl Ingress {
    /// A listener of one worker.
    #[must_use]
    pub fn new(
        shared: &Shared,
        listener: &Listener,
        env: &Env,
        upstream: Rc<Upstream>,
        recorder: Arc<Recorder>,
    ) -> Self {
        Ingress {
            tables: shared.tables,
            routing: Arc::clone(&shared.routing),
            catalog: Arc::clone(&shared.catalog),
            upstream,
            recorder,
            labels: Labels::new(shared.tables),
            keys: Keys::new(listener, env),
            timeout: listener.timeout,
        }
    }

    /// Answers one request.
    async fn handle(&self, mut request: Request<Incoming>) -> Response<ResponseBody> {
        let request_id = request_id(&request);
        let exchange = Box::new(Exchange::new(
            Arc::clone(&self.recorder),
            self.tables,
            request_id,
            request.method().clone(),
            request.uri().path(),
        ));
        if !self.keys.admit(request.headers_mut()) {
            return self.refuse(ApiError::unauthorized(), exchange);
        }
        let path = request.uri().path();
        match (request.method(), path.strip_suffix('/').unwrap_or(path)) {
            (&Method::POST, "/v1/chat/completions") => chat::chat(self, request, exchange).await,
            (_, "/v1/chat/completions") => self.refuse(ApiError::wrong_method("POST"), exchange),
            (&Method::GET | &Method::HEAD, "/v1/models") => json(self.catalog.list.clone(), exchange),
            (method, path) => match path.strip_prefix("/v1/models/") {
                Some(id) if method == Method::GET || method == Method::HEAD => self.model(id, exchange),
                Some(_) => self.refuse(ApiError::wrong_method("GET, HEAD"), exchange),
                None if path == "/v1/models" => self.refuse(ApiError::wrong_method("GET, HEAD"), exchange),
                None => self.refuse(ApiError::no_endpoint(method, path), exchange),
            },
        }
    }

    fn model(&self, id: &str, exchange: Box<Exchange>) -> Response<ResponseBody> {
        let found = decode_id(id).and_then(|id| self.catalog.get(&id));
        match found {
            Some(model) => json(model, exchange),
            None => self.refuse(ApiError::no_model(&decode_id(id).unwrap_or_default()), exchange),
        }
    }

    fn refuse(&self, error: ApiError, mut exchange: Box<Exchange>) -> Response<ResponseBody> {
        exchange.failed(error.reason);
        own(error.into_response(), exchange)
    }
}

/// The client's id of the request, or a new one.
fn request_id(request: &Request<Incoming>) -> HeaderValue {
    const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
    const LONGEST: usize = 128;
    match request.headers().get(REQUEST_ID) {
        Some(id) if id.len() <= LONGEST => id.clone(),
        _ => HeaderValue::from_str(&format!("req_{:032x}", fastrand::u128(..))).expect("hexadecimal digits"),
    }
}

fn json(body: Bytes, exchange: Box<Exchange>) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::full(body));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    own(response, exchange)
}

/// The router's own answer ends the exchange.
fn own(mut response: Response<ResponseBody>, mut exchange: Box<Exchange>) -> Response<ResponseBody> {
    exchange.answered(response.status().as_u16());
    response.headers_mut().insert("x-request-id", exchange.request_id.clone());
    response.map(|body| body.finish(exchange))
}
