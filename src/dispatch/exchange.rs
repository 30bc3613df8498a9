//! What is noted about one request from its first byte to the last byte of its answer, and told when it is over: one access
//! log event, and the counters. Dropped before its end, the client has left.

use crate::protocol::event::Usage;
use crate::routing::live::Passage;
use crate::table::{Backend, DecisionId, ImageApi, ModelId, PluginKind, Tables};
use crate::telemetry::access::Access;
use crate::telemetry::cost;
use crate::telemetry::metrics::{ErrorReason, InFlight, Recorder};
use http::{HeaderValue, Method};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// One request and its answer.
#[derive(Debug)]
pub struct Exchange {
    recorder: Arc<Recorder>,
    tables: &'static Tables,
    began: Instant,
    first_byte: Option<Instant>,
    pub(crate) request_id: HeaderValue,
    method: Method,
    path: String,
    pub(crate) requested_model: String,
    pub(crate) stream: bool,
    pub(crate) bytes_in: u64,
    selected: Option<Selected>,
    backend: Option<&'static Backend>,
    attempts: u32,
    status: Option<u16>,
    bytes_out: u64,
    error: Option<ErrorReason>,
    over: bool,
    /// What is measured of the model, where a decision chooses by it.
    passage: Option<Passage>,
    /// As far as the backend told.
    usage: Usage,
    /// An image is made, by somebody who makes nothing else.
    draws: bool,
    /// What goes out is the router's own so far: no backend has said anything yet.
    unheard: bool,
    /// The image that is made beside the words.
    beside: Option<Beside>,
}

/// A second model that is asked for a request.
#[derive(Debug)]
struct Beside {
    model: ModelId,
    in_flight: Option<InFlight>,
    usage: Usage,
}

#[derive(Debug)]
struct Selected {
    /// None is asked where the decision answers itself.
    model: Option<ModelId>,
    decision: Option<&'static str>,
    in_flight: Option<InFlight>,
}

impl Exchange {
    pub(crate) fn new(
        recorder: Arc<Recorder>,
        tables: &'static Tables,
        request_id: HeaderValue,
        method: Method,
        path: &str,
    ) -> Self {
        Exchange {
            recorder,
            tables,
            began: Instant::now(),
            first_byte: None,
            request_id,
            method,
            path: path.to_owned(),
            requested_model: String::new(),
            stream: false,
            bytes_in: 0,
            selected: None,
            backend: None,
            attempts: 0,
            status: None,
            bytes_out: 0,
            error: None,
            over: false,
            passage: None,
            usage: Usage::default(),
            draws: false,
            unheard: false,
            beside: None,
        }
    }

    /// A model was chosen: the request counts as under way there.
    pub(crate) fn selected(&mut self, model: ModelId, decision: Option<&'static str>) {
        let in_flight = Some(self.recorder.begin(model));
        self.selected = Some(Selected { model: Some(model), decision, in_flight });
    }

    /// The request is measured from here on.
    pub(crate) fn measured(&mut self, passage: Option<Passage>) {
        self.passage = passage;
    }

    /// Bytes of a backend's answer come by.
    pub(crate) fn came(&mut self, bytes: &[u8], is_event_stream: bool) {
        if let Some(passage) = &mut self.passage {
            passage.came(bytes, is_event_stream);
        }
    }

    /// The backend tells how many tokens it took. What it tells later counts.
    pub(crate) fn used(&mut self, usage: Usage) {
        self.usage.update(usage);
    }

    /// An image is made by somebody who makes nothing else: by this model, where the one that was chosen is asked for words.
    pub(crate) fn draws(&mut self, beside: Option<ModelId>) {
        self.draws = true;
        self.beside = beside.map(|model| {
            let in_flight = Some(self.recorder.begin(model));
            Beside { model, in_flight, usage: Usage::default() }
        });
    }

    /// What goes out from here on is the router's own, until a backend is [heard](Self::heard).
    pub(crate) fn begins_unheard(&mut self) {
        self.unheard = true;
    }

    /// A backend has said something.
    pub(crate) fn heard(&mut self) {
        self.unheard = false;
    }

    /// The image was made, or could not be.
    pub(crate) fn drew(
        &mut self,
        api: ImageApi,
        decision: Option<DecisionId>,
        took: Duration,
        lost: Option<ErrorReason>,
    ) {
        self.recorder.images.drew(api, lost.is_none(), took);
        if let Some(decision) = decision {
            self.recorder.plugins.ran(decision, PluginKind::ImageGen, lost.is_none());
        }
        let Some(mut in_flight) = self.beside.as_mut().and_then(|beside| beside.in_flight.take()) else { return };
        match lost {
            None => in_flight.complete_after(took),
            Some(reason) => in_flight.error(reason),
        }
    }

    /// The maker of the image tells how many tokens it took beside the words.
    pub(crate) fn used_beside(&mut self, usage: Usage) {
        if let Some(beside) = &mut self.beside {
            beside.usage.update(usage);
        }
    }

    /// A decision won that answers itself: no model has anything to do.
    pub(crate) fn answers_itself(&mut self, decision: &'static str) {
        self.selected = Some(Selected { model: None, decision: Some(decision), in_flight: None });
    }

    pub(crate) fn tried(&mut self, backend: &'static Backend, attempts: u32) {
        self.backend = Some(backend);
        self.attempts = attempts;
    }

    /// The answer has no body, whatever its head says.
    pub(crate) fn is_head(&self) -> bool {
        self.method == Method::HEAD
    }

    /// The head of the answer goes out.
    pub(crate) fn answered(&mut self, status: u16) {
        self.status = Some(status);
    }

    /// Bytes of the answer's body go out.
    pub(crate) fn sent(&mut self, bytes: usize) {
        if self.first_byte.is_none() && !self.unheard {
            self.first_byte = Some(Instant::now());
            if let Some(in_flight) = self.selected.as_mut().and_then(|selected| selected.in_flight.as_mut()) {
                in_flight.first_byte();
            }
        }
        self.bytes_out += bytes as u64;
    }

    /// Something went wrong. The first reason is the one that is told.
    pub(crate) fn failed(&mut self, reason: ErrorReason) {
        if self.error.is_some() {
            return;
        }
        self.error = Some(reason);
        // How long it took to fail says nothing about the model.
        self.passage = None;
        match self.selected.as_mut().and_then(|selected| selected.in_flight.as_mut()) {
            Some(in_flight) => in_flight.error(reason),
            None => self.recorder.rejected(None, reason),
        }
    }

    /// The last byte of the answer was handed over.
    pub(crate) fn complete(&mut self) {
        if std::mem::replace(&mut self.over, true) {
            return;
        }
        if let Some(passage) = self.passage.take() {
            passage.complete();
        }
        if let (true, Some(tokens), Some(model), Some(first_byte)) =
            (self.stream && !self.draws && self.error.is_none(), self.usage.output, self.model(), self.first_byte)
        {
            self.recorder.usage.streamed(model, tokens, first_byte.elapsed());
        }
        if let Some(in_flight) = self.selected.as_mut().and_then(|selected| selected.in_flight.take()) {
            in_flight.complete();
        }
    }

    /// Counts the tokens of a model, and tells what they cost, in pico-units of a currency.
    fn cost(&self, model: Option<ModelId>, usage: Usage) -> Option<(u128, &'static str)> {
        let model = model.filter(|_| !usage.is_unknown())?;
        self.recorder.usage.used(model, &usage);
        let pricing = self.tables.model(model).pricing.as_ref()?;
        Some((cost::cost(pricing, &usage), pricing.currency))
    }

    fn model(&self) -> Option<ModelId> {
        self.selected.as_ref().and_then(|selected| selected.model)
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if !self.over {
            let panicking = std::thread::panicking();
            self.failed(if panicking { ErrorReason::Internal } else { ErrorReason::ClientClosed });
        }
        let model = self.model();
        let cost = self.cost(model, self.usage);
        let beside = self.beside.as_ref().and_then(|beside| self.cost(Some(beside.model), beside.usage));
        let cost = match (cost, beside) {
            (Some((words, currency)), Some((image, other))) if currency == other => Some((words + image, currency)),
            (words, image) => words.or(image),
        };
        let cost = cost.map(|(cost, currency)| (cost::in_units(cost), currency));
        if !tracing::enabled!(target: "access", tracing::Level::INFO) {
            return;
        }
        Access {
            request_id: self.request_id.to_str().unwrap_or("?"),
            method: self.method.as_str(),
            path: &self.path,
            requested_model: (!self.requested_model.is_empty()).then_some(self.requested_model.as_str()),
            selected_model: model.map(|model| self.tables.model(model).name),
            decision: self.selected.as_ref().and_then(|selected| selected.decision),
            backend: self.backend.map(|backend| backend.name),
            status: self.status,
            stream: self.stream,
            attempts: self.attempts,
            duration: self.began.elapsed(),
            first_byte: self.first_byte.map(|at| at - self.began),
            bytes_in: self.bytes_in,
            bytes_out: self.bytes_out,
            usage: self.usage,
            cost,
            error: self.error,
        }
        .emit();
    }
}
