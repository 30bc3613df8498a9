//! What becomes of a request and of its answer, whichever face the request came in through: reading, routing, plugins,
//! translation, and what is told about it all.
//!
//! It is not async and does no I/O; it must not know how a face hears of a request, nor how a backend is reached.

mod answer;
mod client;
mod draw;
pub mod error;
pub mod exchange;
mod intake;
mod keys;
pub mod labels;
mod passing;
mod plugins;
mod request;
mod respond;
mod routes;
mod translate;
mod unfolding;

pub use answer::{Answering, Handling, Whole};
pub(crate) use answer::{MAX_WHOLE, event_stream_response};
pub use client::Client;
pub use draw::{Came, Draw, Drawn, Made, Picture, Telling};
pub use error::ApiError;
pub use exchange::Exchange;
pub(crate) use intake::{Intake, ReceiveError};
pub(crate) use keys::{Admission, Keys};
pub use passing::{Ending, Passing, Stream};
pub use request::Received;
pub use respond::{Asked, SettledResponse, Told};
pub use routes::operations;
pub(crate) use routes::{Endpoint, Found, client_at, find};
pub use unfolding::Unfolding;

use crate::protocol::json::Field;
use crate::protocol::json::Span;
use crate::protocol::messages;
use crate::protocol::prompt::Raw;
use crate::protocol::responses::image_tool::ImageTool;
use crate::protocol::rewrite::Rewrite;
use crate::protocol::splice::Chunks;
use crate::routing::{self, Plan, Produce, Routing};
use crate::table::{ModelId, Protocol, Tables};
use crate::telemetry::metrics::Recorder;
use crate::upstream::{strip_description, strip_request};
use bytes::Bytes;
use draw::Wish;
use http::{HeaderMap, HeaderName, HeaderValue, Response, header};
use labels::Labels;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;

pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The client's id of a request, or a new one.
pub(crate) fn request_id(headers: &HeaderMap) -> HeaderValue {
    const LONGEST: usize = 128;
    match headers.get(REQUEST_ID) {
        Some(id) if !id.is_empty() && id.len() <= LONGEST => id.clone(),
        _ => HeaderValue::from_str(&format!("req_{:032x}", fastrand::u128(..))).expect("hexadecimal digits"),
    }
}

/// An answer of the router's own that is JSON.
pub(crate) fn json_response(body: Bytes) -> Response<Bytes> {
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// What settles requests: one in each worker.
#[derive(Debug)]
pub struct Dispatch {
    pub(crate) tables: &'static Tables,
    routing: Arc<Routing>,
    recorder: Arc<Recorder>,
    labels: Labels,
}

/// What becomes of a request.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "the large one is what there nearly always is, and is moved once")]
pub enum Settled {
    /// It is answered by the router itself.
    Own(Response<Bytes>),
    /// A backend is asked.
    Ask(Ask),
    /// An image is made, and perhaps words beside it.
    Draw(Box<Draw>),
}

/// A request for a backend of a model.
#[derive(Debug)]
pub struct Ask {
    /// Which model.
    pub model: ModelId,
    /// Without what no backend may see.
    pub headers: HeaderMap,
    /// In the protocol of the model's backends.
    pub body: Chunks,
    /// How what is sent differs from it.
    pub rewrite: Rewrite,
    /// What is done with the answer.
    pub answering: Answering,
}

/// A request for which a model was chosen.
struct Planned {
    plan: Plan,
    /// Where the model's name stands.
    name: Span,
    /// The client wants to know how it was routed.
    debug: bool,
}

impl Dispatch {
    /// For one worker.
    #[must_use]
    pub fn new(tables: &'static Tables, routing: Arc<Routing>, recorder: Arc<Recorder>) -> Self {
        Dispatch { tables, routing, recorder, labels: Labels::new(tables) }
    }

    /// Settles what becomes of a request.
    pub fn settle(
        &self,
        client: Client,
        headers: HeaderMap,
        received: Received,
        exchange: &mut Exchange,
    ) -> Result<Settled, ApiError> {
        exchange.bytes_in = received.body.len() as u64;
        let name = request::read(&received, exchange)?;
        let plan = self.plan(client, &headers, &received, None, None, exchange)?;
        let debug = labels::wants_debug(&headers);
        if let Some(mut response) = plugins::reply(self, client, &plan, &received, exchange.stream) {
            self.labels.set_own(response.headers_mut(), &plan, debug);
            return Ok(Settled::Own(response));
        }
        let generator = self.generator(&plan);
        let planned = Planned { plan, name, debug };
        if let Some(generator) = generator {
            let wish = Wish { client, headers, received, asked: None };
            let draw = self.draw(wish, planned, generator, exchange)?;
            return Ok(Settled::Draw(Box::new(draw)));
        }
        self.ask(client, planned, headers, received, None, exchange).map(Settled::Ask)
    }

    /// What a backend of the model that was chosen is asked.
    fn ask(
        &self,
        client: Client,
        planned: Planned,
        mut headers: HeaderMap,
        mut received: Received,
        image: Option<&ImageTool>,
        exchange: &mut Exchange,
    ) -> Result<Ask, ApiError> {
        let Planned { plan, name, debug } = planned;
        let chosen = plan.model.expect("a plan without a model has an answer of its own");
        self.prepare(&mut headers, exchange);
        let model = self.tables.model(chosen);
        let is_chat_for_response = client == Client::Responses && model.protocol == Protocol::Chat;
        let forgets = is_chat_for_response && !model.takes_thinking && received.forget_thinking();
        let mut changes = plugins::apply(self, client, &plan, &received, &mut headers)?;
        if is_chat_for_response && model.takes_effort {
            changes.bound_completion(&received.body);
        }
        if client == Client::Responses || client.protocol() != model.protocol {
            // What is sent is not what the client has described.
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            strip_description(&mut headers);
        }
        if let Some(image) = image {
            changes.whole_with_image(&received.body, image.size);
        }
        let mut answering = Answering::new(client, model, plan, &received, debug, exchange);
        if forgets {
            answering.warnings.dropped("input.reasoning");
        }
        let name = name.start..name.end;
        let (body, rewrite) = if answering.translates() {
            translate::headers(client, &mut headers);
            let edited = changes.draft.map(|draft| received.body.edited(&draft.into_edits()));
            let body = edited.as_ref().unwrap_or(&received.body);
            let (translated, place) = translate::request(client, model, body, name)?;
            answering.warnings = translated.warnings;
            let rewrite = Rewrite::of_model(place).told(&translated.body, None, changes.by_backend);
            (translated.body, rewrite)
        } else {
            let rewrite = Rewrite::of_model(name).told(&received.body, changes.draft, changes.by_backend);
            let rewrite = if answering.hides_usage {
                rewrite.asking_for_usage(&received.body, received.fields.get(Field::StreamOptions))
            } else {
                rewrite
            };
            (received.body, rewrite)
        };
        Ok(Ask { model: chosen, headers, body, rewrite, answering })
    }

    /// Takes out of a head what no backend may see.
    fn prepare(&self, headers: &mut HeaderMap, exchange: &Exchange) {
        strip_request(headers);
        if let Some(roles) = self.tables.identity() {
            headers.remove(roles.user_header);
            headers.remove(roles.groups_header);
        }
        headers.insert(REQUEST_ID, exchange.request_id.clone());
    }

    /// Answers how many tokens a request for Anthropic's Messages has, by estimate. No backend is asked.
    pub fn count_tokens(&self, received: &Received, exchange: &mut Exchange) -> Result<Response<Bytes>, ApiError> {
        exchange.bytes_in = received.body.len() as u64;
        request::read(received, exchange)?;
        self.routing.knows(&exchange.requested_model)?;
        let tokens = messages::count::count(&received.body.to_bytes())?;
        Ok(json_response(messages::count::body(tokens).into()))
    }

    /// Chooses the model, and counts the choice. Metadata may stand elsewhere than in the body.
    fn plan(
        &self,
        client: Client,
        headers: &HeaderMap,
        received: &Received,
        metadata: Option<&[u8]>,
        wish: Option<Produce>,
        exchange: &mut Exchange,
    ) -> Result<Plan, ApiError> {
        let part = |field| received.part(field);
        // Only a virtual name has the messages read, so only then are pieces put together.
        let mut parts = None;
        let began = Instant::now();
        let plan = self.routing.plan(&exchange.requested_model, || {
            let parts = parts.insert([
                part(Field::Messages),
                part(Field::Tools),
                part(Field::ToolChoice),
                part(Field::ResponseFormat),
                part(Field::MaxCompletionTokens).or_else(|| part(Field::MaxTokens)),
                metadata.map(Cow::Borrowed).or_else(|| part(Field::Metadata)),
                part(Field::System),
            ]);
            let [messages, tools, tool_choice, response_format, max_tokens, metadata, system] =
                parts.each_ref().map(Option::as_deref);
            let messages = messages.unwrap_or(b"[]");
            let protocol = client.protocol();
            let body = Raw { protocol, system, messages, tools, tool_choice, response_format, max_tokens, metadata };
            match self.tables.identity() {
                None => routing::Request { body, wish, ..routing::Request::default() },
                Some(roles) => routing::Request {
                    body,
                    user: text(headers, roles.user_header),
                    groups: text(headers, roles.groups_header),
                    wish,
                },
            }
        })?;
        let decision = plan.choice.as_ref().and_then(|choice| choice.decision).map(|(decision, _)| decision);
        if let Some(choice) = &plan.choice {
            self.recorder.routing_latency(began.elapsed());
            self.recorder.noticed(choice.policy, &choice.matched);
        }
        match (plan.model, decision) {
            (Some(model), _) => {
                if plan.choice.is_some() {
                    self.recorder.routed(&exchange.requested_model, model);
                }
                let makes_image = self.tables.model(model).is_no_candidate();
                if let Some(decision) = decision.filter(|_| makes_image) {
                    self.recorder.decided_alone(decision);
                } else if let Some(decision) = decision {
                    self.recorder.decided(decision, model);
                    self.recorder.reasoned(decision, plan.choice.as_ref().map_or(0, |choice| choice.candidate));
                }
                exchange.selected(model, decision.map(|id| self.tables.decision(id).name));
                exchange.measured(self.routing.live().begin(model));
            }
            (None, Some(decision)) => {
                self.recorder.decided_alone(decision);
                exchange.answers_itself(self.tables.decision(decision).name);
            }
            (None, None) => {} // only a decision answers itself
        }
        Ok(plan)
    }
}

/// A header's value; empty where it is not there, or is there twice: what is told twice is not told.
fn text<'h>(headers: &'h HeaderMap, name: &str) -> &'h str {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().unwrap_or_default(),
        _ => "",
    }
}
