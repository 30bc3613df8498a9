//! What one worker counts.

use super::cells::{Grid, Rows};
use super::histogram::{COMPLETION, FIRST_BYTE, Histogram, ROUTING};
use super::images::ImageCounts;
#[cfg(feature = "extproc")]
use super::inflight::OpenStream;
use super::inflight::{InFlight, OpenConnection};
use super::labels::{AttemptOutcome, ErrorReason};
use super::plugins::PluginCounts;
use super::usage::UsageCounts;
use crate::table::{BackendId, DecisionId, ModelId, PolicyId, SignalSet, Tables};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::time::Duration;

/// The metrics of one worker thread. Nothing here locks, allocates or formats, and no two workers share a cache line of
/// counters.
#[derive(Debug)]
pub struct Recorder {
    tables: &'static Tables,
    /// By model.
    pub(super) requests: Grid,
    /// By model; a worker may finish what another began, so single cells may be negative.
    pub(super) inflight: Box<[AtomicI64]>,
    /// By model, with one row more for requests that have none, and reason.
    pub(super) errors: Grid,
    /// By virtual name and model.
    pub(super) modifications: Grid,
    /// By policy and signal: how often it matched.
    pub(super) signals: Rows,
    /// By policy: how often its signals were looked at.
    pub(super) extractions: Grid,
    /// By decision.
    pub(super) decisions: Grid,
    /// By decision and position in [`candidates`].
    pub(super) selections: Rows,
    /// By decision and position among its models: how often that one was told to reason, or not to.
    pub(super) reasoned: Rows,
    /// By backend and outcome.
    pub(super) attempts: Grid,
    /// By model.
    pub(super) first_byte: Box<[Histogram]>,
    /// By model.
    pub(super) completion: Box<[Histogram]>,
    pub(super) routing: Histogram,
    pub(super) connections: AtomicI64,
    /// Of Envoy's.
    pub(super) streams: AtomicI64,
    /// What plugins did.
    pub plugins: PluginCounts,
    /// Tokens and what they cost.
    pub usage: UsageCounts,
    /// Images that were asked for.
    pub images: ImageCounts,
}

impl Recorder {
    /// A recorder in which everything is zero.
    #[must_use]
    pub fn new(tables: &'static Tables) -> Self {
        let models = tables.models.len();
        Self {
            tables,
            requests: Grid::new(models, 1),
            inflight: (0..models).map(|_| AtomicI64::new(0)).collect(),
            errors: Grid::new(models + 1, ErrorReason::ALL.len()),
            modifications: Grid::new(tables.virtual_names().count(), models),
            signals: Rows::new(tables.policies.iter().map(|policy| policy.signals.len())),
            extractions: Grid::new(tables.policies.len(), 1),
            decisions: Grid::new(tables.decisions().count(), 1),
            selections: Rows::new(tables.decisions().map(|d| candidates(tables, d.models).len())),
            reasoned: Rows::new(tables.decisions().map(|decision| decision.reasoning.len())),
            attempts: Grid::new(tables.backend_count, AttemptOutcome::ALL.len()),
            first_byte: (0..models).map(|_| Histogram::new(FIRST_BYTE)).collect(),
            completion: (0..models).map(|_| Histogram::new(COMPLETION)).collect(),
            routing: Histogram::new(ROUTING),
            connections: AtomicI64::new(0),
            streams: AtomicI64::new(0),
            plugins: PluginCounts::new(tables),
            usage: UsageCounts::new(tables),
            images: ImageCounts::new(),
        }
    }

    /// The signals of a policy were looked at, and these matched.
    pub fn noticed(&self, policy: PolicyId, matched: &SignalSet) {
        let row = usize::from(policy.0);
        self.extractions.add(row, 0);
        for signal in matched.iter() {
            self.signals.add(row, usize::from(signal.0));
        }
    }

    /// A decision won and chose this model: one of its own, or the default model where it has none.
    pub fn decided(&self, decision: DecisionId, selection: ModelId) {
        let row = usize::from(decision.0);
        self.decisions.add(row, 0);
        let candidates = candidates(self.tables, self.tables.decision(decision).models);
        let column = candidates.iter().position(|model| *model == selection);
        debug_assert!(column.is_some(), "a decision chooses among its models");
        if let Some(column) = column {
            self.selections.add(row, column);
        }
    }

    /// A decision won and chose the model at this position. Counted where the model is told whether to reason.
    pub fn reasoned(&self, decision: DecisionId, candidate: usize) {
        let told = self.tables.decision(decision).reasoning.get(candidate);
        if told.is_some_and(Option::is_some) {
            self.reasoned.add(usize::from(decision.0), candidate);
        }
    }

    /// A decision won and needs no model.
    pub fn decided_alone(&self, decision: DecisionId) {
        self.decisions.add(usize::from(decision.0), 0);
    }

    /// The client asked for `requested` and gets `selected`. Counted where `requested` is a virtual name.
    pub fn routed(&self, requested: &str, selected: ModelId) {
        if let Some(name) = self.tables.virtual_names().position(|(name, _)| name == requested) {
            self.modifications.add(name, usize::from(selected.0));
        }
    }

    /// A request has its model and is about to be sent. The guard counts it as under way until it is dropped.
    pub fn begin(self: &Arc<Self>, model: ModelId) -> InFlight {
        let row = usize::from(model.0);
        self.requests.add(row, 0);
        self.inflight[row].fetch_add(1, Relaxed);
        InFlight::new(Arc::clone(self), model)
    }

    /// A request ended before [`begin`](Self::begin), with or without a model.
    pub fn rejected(&self, model: Option<ModelId>, reason: ErrorReason) {
        let row = model.map_or(self.tables.models.len(), |model| usize::from(model.0));
        self.errors.add(row, reason as usize);
    }

    /// One attempt at a backend ended. A request has as many as it took.
    pub fn attempt(&self, backend: BackendId, outcome: AttemptOutcome) {
        self.attempts.add(usize::from(backend.0), outcome as usize);
    }

    /// How long the choice of a model for a virtual name took: signals and decision.
    pub fn routing_latency(&self, duration: Duration) {
        self.routing.observe(duration);
    }

    /// A client connected. The guard counts the connection as open until it is dropped.
    pub fn connection(self: &Arc<Self>) -> OpenConnection {
        OpenConnection::new(Arc::clone(self))
    }

    /// Envoy asks about a request. The guard counts the stream as open until it is dropped.
    #[cfg(feature = "extproc")]
    pub fn stream(self: &Arc<Self>) -> OpenStream {
        OpenStream::new(Arc::clone(self))
    }
}

/// The models that a decision with this list chooses among.
pub(super) fn candidates(tables: &'static Tables, models: &'static [ModelId]) -> &'static [ModelId] {
    if models.is_empty() { tables.default_model.as_slice() } else { models }
}
