//! `POST /v1/chat/completions`.

use super::Ingress;
use super::answer::{ResponseBody, status_reason};
use super::body::{Received, receive};
use super::error::ApiError;
use super::exchange::Exchange;
use super::{labels, plugins};
use crate::protocol::json::{Field, Kind, Span};
use crate::protocol::prompt::Raw;
use crate::routing::{self, Plan};
use crate::upstream::{Outbound, strip_request, strip_response};
use http::{HeaderMap, HeaderValue, Request, Response, header};
use hyper::body::Incoming;
use std::borrow::Cow;
use std::time::Instant;

const REQUEST_ID: header::HeaderName = header::HeaderName::from_static("x-request-id");

/// Routes a chat request and forwards it.
pub(super) async fn chat(
    ingress: &Ingress,
    request: Request<Incoming>,
    mut exchange: Box<Exchange>,
) -> Response<ResponseBody> {
    match answer(ingress, request, &mut exchange).await {
        Ok(Answer::Own(response)) => super::own(response, exchange),
        Ok(Answer::Backend(response, is_event_stream)) => {
            let mut response = response.map(|body| ResponseBody::relay(body, is_event_stream, exchange));
            if is_event_stream {
                let headers = response.headers_mut();
                headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-cache"));
                headers.entry("x-accel-buffering").or_insert(HeaderValue::from_static("no"));
            }
            response
        }
        Err(error) => ingress.refuse(error, exchange),
    }
}

/// Who answers.
#[allow(clippy::large_enum_variant, reason = "the large one is what there nearly always is, and is moved once")]
enum Answer {
    /// The router itself.
    Own(Response<ResponseBody>),
    /// A backend, and whether it does with an event stream.
    Backend(Response<crate::upstream::Body>, bool),
}

async fn answer(ingress: &Ingress, request: Request<Incoming>, exchange: &mut Exchange) -> Result<Answer, ApiError> {
    let (mut head, incoming) = request.into_parts();
    let received = receive(&head.headers, incoming, &ingress.tables.limits).await?;
    exchange.bytes_in = received.body.len() as u64;
    let deadline = tokio::time::Instant::now() + ingress.timeout;

    let model = read(&received, exchange)?;
    let plan = plan(ingress, &head.headers, &received, exchange)?;
    let debug = labels::wants_debug(&head.headers);
    if let Some(mut response) = plugins::reply(ingress, &plan, &received, exchange.stream) {
        ingress.labels.set_own(response.headers_mut(), &plan, debug);
        return Ok(Answer::Own(response));
    }
    let chosen = plan.model.expect("a plan without a model has an answer of its own");
    strip_request(&mut head.headers);
    if let Some(roles) = ingress.tables.identity() {
        head.headers.remove(roles.user_header);
        head.headers.remove(roles.groups_header);
    }
    let rewrite = plugins::apply(ingress, &plan, &received, model.start..model.end, &mut head.headers)?;
    head.headers.insert(REQUEST_ID, exchange.request_id.clone());
    let outbound = Outbound { headers: head.headers, body: received.body, rewrite, deadline };
    let outcome = ingress.upstream.send(chosen, outbound).await;
    exchange.tried(outcome.backend, outcome.attempts);
    let mut response = outcome.answer.map_err(|error| {
        let cause = std::error::Error::source(&error);
        tracing::warn!(backend = outcome.backend.name, attempts = outcome.attempts, %error, cause, "no answer");
        ApiError::from(error)
    })?;

    let status = response.status();
    exchange.answered(status.as_u16());
    if let Some(reason) = status_reason(status) {
        exchange.failed(reason);
    }
    let headers = response.headers_mut();
    strip_response(headers);
    ingress.labels.set(headers, &plan, debug);
    headers.entry(REQUEST_ID).or_insert_with(|| exchange.request_id.clone());
    let is_event_stream = status.is_success() && headers.get(header::CONTENT_TYPE).is_some_and(is_event_stream);
    if is_event_stream {
        // An error event may have to be added.
        headers.remove(header::CONTENT_LENGTH);
    }
    Ok(Answer::Backend(response, is_event_stream))
}

fn is_event_stream(content_type: &HeaderValue) -> bool {
    const EVENT_STREAM: &[u8] = b"text/event-stream";
    content_type.as_bytes().get(..EVENT_STREAM.len()).is_some_and(|start| start.eq_ignore_ascii_case(EVENT_STREAM))
}

/// Checks the fields that routing needs, and notes them. Returns where the model's name stands.
fn read(received: &Received, exchange: &mut Exchange) -> Result<Span, ApiError> {
    let Some(model) = received.fields.get(Field::Model) else {
        return Err(ApiError::invalid("model", "invalid request body: missing required field: model"));
    };
    if model.kind != Kind::String {
        return Err(ApiError::invalid(
            "model",
            format!("invalid request body: field model must be a string, got {}", model.kind),
        ));
    }
    let raw = received.body.range(model.start..model.end);
    exchange.requested_model = match string(&raw) {
        Some(name) => name.trim().to_owned(),
        None => return Err(ApiError::invalid("model", "invalid request body: field model is no valid UTF-8")),
    };
    exchange.stream = match received.fields.get(Field::Stream) {
        None => false,
        Some(span) if span.kind == Kind::Bool => *received.body.range(span.start..span.end) == *b"true",
        Some(span) => {
            let message = format!("invalid request body: field stream must be a boolean, got {}", span.kind);
            return Err(ApiError::invalid("stream", message));
        }
    };
    match received.fields.get(Field::Messages) {
        None => Err(ApiError::invalid("messages", "messages field is required")),
        Some(span) if span.kind != Kind::Array => {
            Err(ApiError::invalid("messages", format!("messages field must be an array, got {}", span.kind)))
        }
        Some(_) => Ok(model),
    }
}

/// The content of a JSON string, quotes included in `raw`.
fn string(raw: &[u8]) -> Option<Cow<'_, str>> {
    if raw.contains(&b'\\') {
        return serde_json::from_slice::<String>(raw).ok().map(Cow::Owned);
    }
    std::str::from_utf8(&raw[1..raw.len() - 1]).ok().map(Cow::Borrowed)
}

/// A header's value; empty where it is not there, or is there twice: what is told twice is not told.
fn text<'h>(headers: &'h HeaderMap, name: &str) -> &'h str {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().unwrap_or_default(),
        _ => "",
    }
}

/// Chooses the model, and counts the choice.
fn plan(
    ingress: &Ingress,
    headers: &HeaderMap,
    received: &Received,
    exchange: &mut Exchange,
) -> Result<Plan, ApiError> {
    let part = |field| received.fields.get(field).map(|span| received.body.range(span.start..span.end));
    // Only a virtual name has the messages read, so only then are pieces put together.
    let mut parts = None;
    let began = Instant::now();
    let plan = ingress.routing.plan(&exchange.requested_model, || {
        let parts = parts.insert([
            part(Field::Messages),
            part(Field::Tools),
            part(Field::ToolChoice),
            part(Field::ResponseFormat),
            part(Field::MaxCompletionTokens).or_else(|| part(Field::MaxTokens)),
            part(Field::Metadata),
        ]);
        let [messages, tools, tool_choice, response_format, max_tokens, metadata] =
            parts.each_ref().map(Option::as_deref);
        let messages = messages.unwrap_or(b"[]");
        let body = Raw { messages, tools, tool_choice, response_format, max_tokens, metadata };
        match ingress.tables.identity() {
            None => routing::Request { body, ..routing::Request::default() },
            Some(roles) => routing::Request {
                body,
                user: text(headers, roles.user_header),
                groups: text(headers, roles.groups_header),
            },
        }
    })?;
    let decision = plan.choice.as_ref().and_then(|choice| choice.decision).map(|(decision, _)| decision);
    if let Some(choice) = &plan.choice {
        ingress.recorder.routing_latency(began.elapsed());
        ingress.recorder.noticed(choice.policy, &choice.matched);
    }
    match (plan.model, decision) {
        (Some(model), _) => {
            if plan.choice.is_some() {
                ingress.recorder.routed(&exchange.requested_model, model);
            }
            if let Some(decision) = decision {
                ingress.recorder.decided(decision, model);
                ingress.recorder.reasoned(decision, plan.choice.as_ref().map_or(0, |choice| choice.candidate));
            }
            exchange.selected(model, decision.map(|id| ingress.tables.decision(id).name));
            exchange.measured(ingress.routing.live().begin(model));
        }
        (None, Some(decision)) => {
            ingress.recorder.decided_alone(decision);
            exchange.answers_itself(ingress.tables.decision(decision).name);
        }
        (None, None) => {} // only a decision answers itself
    }
    Ok(plan)
}
