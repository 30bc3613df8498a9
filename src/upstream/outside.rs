//! A request that somebody else sends: a proxy in front of the backends, which balances among those that are sent the same.
//!
//! Such backends stand in one cluster of the proxy. Which ones do is a rule that the compiler knows, too, which writes the
//! proxy's configuration: the same model id, path, headers, credential and way to reason, and with TLS the same host.

use super::fleet::Place;
use super::{Body, Lease, Outbound, Upstream, echo, status_outcome};
use crate::protocol::splice::Chunks;
use crate::table::{Backend, BackendId, Endpoint, Model, ModelId, Tables};
use crate::telemetry::metrics::AttemptOutcome;
use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, Response, StatusCode};
use std::rc::Rc;

/// Who sends a request.
#[derive(Debug)]
pub enum Sender {
    /// Nobody: the backend is in this process, and has answered.
    Nobody(&'static Backend, Box<Response<Body>>),
    /// The proxy.
    Proxy(Box<Handed>),
}

/// What the proxy sends.
#[derive(Debug)]
pub struct Handed {
    /// The backend that was chosen. The proxy may take another one of its cluster.
    pub backend: &'static Backend,
    /// The first backend of the cluster, where the model has several clusters.
    pub cluster: Option<&'static str>,
    /// Path and query.
    pub path: PathAndQuery,
    /// All that the backend is sent, `host` included.
    pub headers: HeaderMap,
    /// In the backend's own terms.
    pub body: Chunks,
    /// Where the backend is, `IP:PORT`, as far as that is known without looking a name up, and no certificate is to be checked.
    pub destination: Option<Bytes>,
    /// Until the answer is over.
    pub pending: Pending,
}

/// A request that the proxy has sent.
#[derive(Debug)]
pub struct Pending(Lease);

/// For each backend, the first one that is sent the same.
#[derive(Debug)]
pub(super) struct Clusters(Vec<BackendId>);

impl Upstream {
    /// Chooses a backend of `model`, and makes of a request what that backend is sent.
    #[must_use]
    pub fn hand_over(self: &Rc<Self>, model: ModelId, outbound: Outbound) -> Sender {
        let model = self.tables.model(model);
        let backend = self.balancer.pick(model, &self.fleet, &[]);
        let backend = backend.expect("the compiler refuses a model without backends");
        let body = self.body_for(model, backend, &outbound);
        let mut pending = Pending(Lease::new(Rc::clone(self), backend.id));
        let server = match &self.fleet.member(backend.id).place {
            Place::Http(server) => server,
            Place::Echo { token_delay } => {
                let answer = echo::answer(model.protocol, *token_delay, &body);
                pending.answered(answer.status());
                let idle = self.tables.limits.idle_timeout;
                let answer = answer.map(|source| source.lease(pending.0, idle, outbound.deadline));
                return Sender::Nobody(backend, Box::new(answer));
            }
        };
        let clusters = &self.fleet.clusters;
        let first = clusters.first(backend.id);
        let is_one = model.backends.iter().all(|other| {
            clusters.first(other.id) == first || matches!(self.fleet.member(other.id).place, Place::Echo { .. })
        });
        let name = |id| model.backends.iter().find(|backend| backend.id == id).map(|backend| backend.name);
        Sender::Proxy(Box::new(Handed {
            backend,
            cluster: if is_one { None } else { name(first) },
            path: server.path.clone(),
            headers: server.headers(model.protocol, outbound.headers),
            body,
            destination: server.destination.clone(),
            pending,
        }))
    }
}

impl Pending {
    /// The head of the answer is there.
    pub fn answered(&mut self, status: StatusCode) {
        self.settle(status_outcome(status));
    }

    /// The proxy has found no backend that answers.
    pub fn failed(&mut self, outcome: AttemptOutcome) {
        self.settle(outcome);
    }

    fn settle(&mut self, outcome: AttemptOutcome) {
        if !std::mem::replace(&mut self.0.settled, true) {
            self.0.upstream.recorder.attempt(self.0.backend, outcome);
        }
    }
}

impl Clusters {
    /// `places` are those of all backends.
    pub(super) fn new(tables: &Tables, places: &[&Place]) -> Self {
        let mut first: Vec<BackendId> = Vec::with_capacity(places.len());
        for model in tables.models.iter().filter(|model| model.lora.is_none()) {
            for (n, backend) in model.backends.iter().enumerate() {
                let same = |other: &usize| are_sent_the_same(tables, model, (*other, n), places);
                let earlier = (0..n).find(same).map(|other| model.backends[other].id);
                first.push(earlier.unwrap_or(backend.id));
            }
        }
        Clusters(first)
    }

    fn first(&self, id: BackendId) -> BackendId {
        self.0[usize::from(id.0)]
    }
}

fn are_sent_the_same(tables: &Tables, model: &Model, (a, b): (usize, usize), places: &[&Place]) -> bool {
    let (one, other) = (&model.backends[a], &model.backends[b]);
    let (Endpoint::Http(http), Endpoint::Http(other_http)) = (&one.endpoint, &other.endpoint) else { return false };
    let place = |backend: &Backend| places[usize::from(backend.id.0)];
    let (Place::Http(server), Place::Http(other_server)) = (place(one), place(other)) else { return false };
    let with_tls = server.address.tls.is_some();
    let reasoning = tables.decisions().all(|decision| {
        let ways = decision.models.iter().zip(decision.reasoning);
        // Adapters have the backends of their base.
        let mut ways = ways.filter(|(of, _)| tables.model(**of).backends[0].id == model.backends[0].id);
        ways.all(|(_, way)| way.as_ref().is_none_or(|way| way.changes[a] == way.changes[b]))
    });
    one.model_id == other.model_id
        && http.headers == other_http.headers
        && http.auth == other_http.auth
        && reasoning
        && server.path == other_server.path
        && with_tls == other_server.address.tls.is_some()
        // A cluster knows one name that certificates must be for.
        && (!with_tls || server.address.host == other_server.address.host)
}
