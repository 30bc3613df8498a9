//! From a routed request to the answer of a backend: picking, connecting, sending, trying the next one.
//!
//! The only module that speaks HTTP as a client. It must not know decisions, signals or the client's side of the request;
//! what is sent is made of bytes that it was given.

mod balance;
mod body;
mod connect;
mod connection;
mod echo;
mod fleet;
mod head;
mod health;
#[doc(hidden)] // public for tests and fuzzing
pub mod http1;
#[cfg(feature = "extproc")]
mod outside;
mod pool;
mod tls;

pub use body::{Body, BodyError};
pub use fleet::{Fleet, FleetError};
pub use head::{CREDENTIALS, strip_description, strip_request, strip_response};
pub use health::check_forever;
#[cfg(feature = "extproc")]
pub use outside::{Handed, Pending, Sender};

use crate::protocol::rewrite::Rewrite;
use crate::protocol::splice::Chunks;
use crate::table::{Backend, BackendId, Model, ModelId, Protocol, Tables};
use crate::telemetry::metrics::{AttemptOutcome, Recorder};
use balance::Balancer;
use bytes::Bytes;
use connection::{Connection, SendError};
use fleet::{Member, Place, Server};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use pool::Pool;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use tokio::time::{Instant, timeout_at};

/// Which version of Anthropic's protocol a request is written in.
const ANTHROPIC_VERSION: HeaderName = HeaderName::from_static("anthropic-version");

/// The upstream side of one worker: its connections, and its view of the fleet.
#[derive(Debug)]
pub struct Upstream {
    tables: &'static Tables,
    fleet: Arc<Fleet>,
    pool: Pool,
    balancer: Balancer,
    recorder: Arc<Recorder>,
}

/// A request for a model, before a backend was picked.
#[derive(Debug)]
pub struct Outbound {
    /// Already rid of what no backend may see.
    pub headers: HeaderMap,
    /// As the client sent it.
    pub body: Chunks,
    /// How what is sent differs from it.
    pub rewrite: Rewrite,
    /// When the whole exchange must be over.
    pub deadline: Instant,
}

/// What became of a request, whether it was answered or not.
#[derive(Debug)]
pub struct Outcome {
    /// The answer, or why there is none.
    pub answer: Result<Response<Body>, Error>,
    /// The backend that answered, or was tried last.
    pub backend: &'static Backend,
    /// How many attempts were made.
    pub attempts: u32,
}

/// Why no backend answered.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Name look-up, TCP or TLS failed.
    #[error("the backend cannot be reached: {0}")]
    Connect(#[source] std::io::Error),
    /// Connecting took too long.
    #[error("the backend cannot be reached: connecting took too long")]
    ConnectTimeout,
    /// The connection broke before the head of the response.
    #[error("the backend closed the connection before it answered")]
    Reset(#[source] Option<http1::Error>),
    /// The head of the response did not come in time.
    #[error("the backend did not answer in time")]
    FirstByteTimeout,
}

impl Error {
    fn outcome(&self) -> AttemptOutcome {
        match self {
            Error::Connect(_) => AttemptOutcome::ConnectFailure,
            Error::Reset(_) => AttemptOutcome::Reset,
            Error::ConnectTimeout | Error::FirstByteTimeout => AttemptOutcome::Timeout,
        }
    }

    /// Whether another backend is worth a try: this one has certainly not begun to work, or has given up.
    fn is_retryable(&self) -> bool {
        !matches!(self, Error::FirstByteTimeout)
    }
}

impl Upstream {
    /// The upstream side of one worker.
    #[must_use]
    pub fn new(tables: &'static Tables, fleet: Arc<Fleet>, recorder: Arc<Recorder>) -> Rc<Self> {
        Rc::new(Upstream {
            tables,
            fleet,
            pool: Pool::new(tables.backend_count),
            balancer: Balancer::new(tables.backend_count),
            recorder,
        })
    }

    /// Sends a request to a backend of `model`, and to further ones as long as that is worth it.
    pub async fn send(self: &Rc<Self>, model: ModelId, mut outbound: Outbound) -> Outcome {
        let model = self.tables.model(model);
        let retries = model.reliability.retries.map_or(model.backends.len() - 1, usize::from);
        let mut tried: Vec<BackendId> = Vec::new();
        let mut attempts = 0;
        // A response that is worth another attempt, but better than none.
        let mut fallback: Option<Outcome> = None;
        loop {
            let backend = self.balancer.pick(model, &self.fleet, &tried).or_else(|| {
                tried.clear();
                self.balancer.pick(model, &self.fleet, &tried)
            });
            let backend = backend.expect("the compiler refuses a model without backends");
            attempts += 1;
            let is_last = attempts > retries;
            let headers = if is_last { std::mem::take(&mut outbound.headers) } else { outbound.headers.clone() };
            let answer = self.attempt(model, backend, headers, &outbound).await;
            let worth_another = match &answer {
                Ok(response) => is_retryable_status(model, response.status()),
                Err(error) => error.is_retryable(),
            };
            // `attempts` tells them all, whichever response is given back.
            if let (Err(_), Some(earlier)) = (&answer, &mut fallback)
                && (is_last || !worth_another)
            {
                earlier.attempts = attempts as u32;
                return fallback.expect("it was just looked at");
            }
            let outcome = Outcome { answer, backend, attempts: attempts as u32 };
            if is_last || !worth_another || Instant::now() >= outbound.deadline {
                return outcome;
            }
            tracing::warn!(backend = backend.name, attempt = attempts, problem = %Problem(&outcome.answer), "trying another backend");
            if outcome.answer.is_ok() {
                fallback = Some(outcome);
            }
            tried.push(backend.id);
        }
    }

    async fn attempt(
        self: &Rc<Self>,
        model: &'static Model,
        backend: &'static Backend,
        headers: HeaderMap,
        outbound: &Outbound,
    ) -> Result<Response<Body>, Error> {
        let member = self.fleet.member(backend.id);
        let mut lease = Lease::new(Rc::clone(self), backend.id);
        let body = self.body_for(model, backend, outbound);
        let answer = match &member.place {
            Place::Echo { token_delay } => Ok(echo::answer(model.protocol, *token_delay, &body)),
            Place::Http(server) => {
                let first_byte = self.tables.limits.first_byte_timeout.map(|bound| Instant::now() + bound);
                let until = first_byte.map_or(outbound.deadline, |bound| bound.min(outbound.deadline));
                let request = server.request(model.protocol, headers, body);
                self.exchange(backend.id, server, &request, until).await
            }
        };
        let outcome = match &answer {
            Ok(response) => status_outcome(response.status()),
            Err(error) => error.outcome(),
        };
        lease.settled = true;
        self.recorder.attempt(backend.id, outcome);
        self.note_health(model, member, outcome);
        let idle = self.tables.limits.idle_timeout;
        answer.map(|response| response.map(|source| source.lease(lease, idle, outbound.deadline)))
    }

    /// The body as this backend gets it.
    fn body_for(&self, model: &Model, backend: &Backend, outbound: &Outbound) -> Chunks {
        let own_name = || self.fleet.member(backend.id).model_json.clone();
        let name = model.lora.map_or_else(own_name, |json| Bytes::from_static(json.as_bytes()));
        let nth = model.backends.iter().position(|other| other.id == backend.id).unwrap_or_default();
        outbound.rewrite.apply(&outbound.body, nth, &name)
    }

    /// Sends a request on an idle connection, or a new one. The head of the answer must be there at `until`.
    async fn exchange(
        &self,
        id: BackendId,
        server: &Server,
        request: &Request<Chunks>,
        until: Instant,
    ) -> Result<Response<body::Source>, Error> {
        let mut may_reuse = true;
        loop {
            let idle = poll_fn(|cx| Poll::Ready(may_reuse.then(|| self.pool.take(id, cx)).flatten())).await;
            let is_new = idle.is_none();
            let mut connection = match idle {
                Some(connection) => connection,
                None => self.connect(server, until).await?,
            };
            match timeout_at(until, connection.send(request)).await.map_err(|_| Error::FirstByteTimeout)? {
                Ok(response) => return Ok(response.map(|()| body::Source::Http(connection))),
                // An idle connection may be closed by the backend at the very moment that it is used: that is no failure of
                // the backend, and a new connection tells.
                Err(SendError::Unsent) if !is_new => continue,
                Err(SendError::Broken(error)) if !is_new && error.closed_before_answer() => may_reuse = false,
                Err(SendError::Unsent) => return Err(Error::Reset(None)),
                Err(SendError::Broken(error)) => return Err(Error::Reset(Some(error))),
            }
        }
    }

    async fn connect(&self, server: &Server, until: Instant) -> Result<Connection, Error> {
        // As long as there is no connection, the backend cannot be at work, whichever bound comes first.
        let until = until.min(Instant::now() + self.tables.limits.connect_timeout);
        // Rare and large: what is boxed makes no room for itself in every connection of a client.
        let connecting = timeout_at(until, Box::pin(server.address.connect(until)));
        connecting.await.map_err(|_| Error::ConnectTimeout)?.map(Connection::new).map_err(Error::Connect)
    }

    fn note_health(&self, model: &Model, member: &Member, outcome: AttemptOutcome) {
        let Some(ejection) = &model.reliability.ejection else { return };
        if matches!(outcome, AttemptOutcome::Success | AttemptOutcome::Status4xx) {
            return member.health.succeeded();
        }
        if member.health.failed(ejection) {
            let ejected = model.backends.iter().filter(|b| self.fleet.member(b.id).health.is_ejected()).count();
            let allowed = (model.backends.len() * usize::from(ejection.max_percent) / 100).max(1);
            if ejected < allowed {
                let time = member.health.eject(ejection);
                tracing::warn!(backend = member.table.name, seconds = time.as_secs_f32(), "backend ejected");
            }
        }
    }
}

fn is_retryable_status(model: &Model, status: StatusCode) -> bool {
    model.reliability.retry_on.statuses.iter().any(|&(low, high)| (low..=high).contains(&status.as_u16()))
}

fn status_outcome(status: StatusCode) -> AttemptOutcome {
    match status.as_u16() {
        ..400 => AttemptOutcome::Success,
        400..500 => AttemptOutcome::Status4xx,
        _ => AttemptOutcome::Status5xx,
    }
}

/// For logs: what made an attempt worth another.
struct Problem<'a>(&'a Result<Response<Body>, Error>);

impl std::fmt::Display for Problem<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Ok(response) => write!(f, "status {}", response.status().as_u16()),
            Err(Error::Connect(source)) => write!(f, "connect: {source}"),
            Err(error) => write!(f, "{error}"),
        }
    }
}

impl Server {
    fn request(&self, protocol: Protocol, headers: HeaderMap, body: Chunks) -> Request<Chunks> {
        let mut request = Request::new(body);
        *request.method_mut() = Method::POST;
        *request.uri_mut() = Uri::from(self.path.clone());
        *request.headers_mut() = self.headers(protocol, headers);
        request
    }

    /// What this server is sent of a request with these headers, `host` included.
    fn headers(&self, protocol: Protocol, mut headers: HeaderMap) -> HeaderMap {
        if self.auth.is_some() {
            for name in &CREDENTIALS {
                headers.remove(name);
            }
        }
        headers.insert(header::HOST, self.authority.clone());
        // The answer is read on its way through, so it must not be compressed.
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if protocol == Protocol::Messages {
            // A client that speaks it, too, knows which version it means.
            headers.entry(ANTHROPIC_VERSION).or_insert(HeaderValue::from_static("2023-06-01"));
        }
        for (name, value) in self.headers.iter().chain(&self.auth) {
            headers.insert(name, value.clone());
        }
        headers
    }
}

/// Marks a backend as busy with a request, from the attempt to the end of the response body.
#[derive(Debug)]
struct Lease {
    upstream: Rc<Upstream>,
    backend: BackendId,
    /// The attempt came to an outcome; dropped before that, the client has left.
    settled: bool,
}

impl Lease {
    fn new(upstream: Rc<Upstream>, backend: BackendId) -> Self {
        upstream.balancer.began(backend);
        Lease { upstream, backend, settled: false }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.upstream.balancer.ended(self.backend);
        if !self.settled {
            self.upstream.recorder.attempt(self.backend, AttemptOutcome::Cancelled);
        }
    }
}
