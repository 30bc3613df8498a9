//! What is noted about one request from its first byte to the last byte of its answer, and told when it is over: one access
//! log event, and the counters. Dropped before its end, the client has left.

use crate::protocol::event::Usage;
use crate::routing::live::Passage;
use crate::table::{Backend, ModelId, Tables};
use crate::telemetry::access::Access;
use crate::telemetry::cost;
use crate::telemetry::metrics::{ErrorReason, InFlight, Recorder};
use http::{HeaderValue, Method};
use std::sync::Arc;
use std::time::Instant;

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

    /// What the router knew of the answer's head has not gone out, and will not.
    #[cfg(feature = "extproc")]
    pub(crate) fn untold(&mut self) {
        self.status = None;
    }

    /// Bytes of the answer's body go out.
    pub(crate) fn sent(&mut self, bytes: usize) {
        if self.first_byte.is_none() {
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
            (self.stream && self.error.is_none(), self.usage.output, self.model(), self.first_byte)
        {
            self.recorder.usage.streamed(model, tokens, first_byte.elapsed());
        }
        if let Some(in_flight) = self.selected.as_mut().and_then(|selected| selected.in_flight.take()) {
            in_flight.complete();
        }
    }

    fn model(&self) -> Option<ModelId> {
        self.selected.as_ref().and_then(|selected| selected.model)
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if !self.over {
            self.failed(match (std::thread::panicking(), self.recorder.ends()) {
                (true, _) => ErrorReason::Internal,
                (_, true) => ErrorReason::Cut,
                _ => ErrorReason::ClientClosed,
            });
        }
        let model = self.model();
        let mut cost = None;
        if let Some(model) = model.filter(|_| !self.usage.is_unknown()) {
            self.recorder.usage.used(model, &self.usage);
            let pricing = self.tables.model(model).pricing.as_ref();
            cost = pricing.map(|pricing| (cost::in_units(cost::cost(pricing, &self.usage)), pricing.currency));
        }
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
