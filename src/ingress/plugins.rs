//! What the decision that won does to a request: its plugins, and how its model is told to reason.

use super::Ingress;
use super::answer::ResponseBody;
use super::body::Received;
use crate::protocol::draft::Draft;
use crate::protocol::json::Kind;
use crate::protocol::openai::Reply;
use crate::protocol::rewrite::Rewrite;
use crate::routing::Plan;
use crate::routing::plugins::{self, Effect, NoTools};
use crate::table::{DecisionId, HeaderChange, PluginKind};
use crate::telemetry::metrics::Limit;
use http::{HeaderMap, HeaderName, HeaderValue, Response, header};
use std::ops::Range;
use std::time::{SystemTime, UNIX_EPOCH};

/// The router's own answer, where the decision has one.
pub(super) fn reply(
    ingress: &Ingress,
    plan: &Plan,
    received: &Received,
    stream: bool,
) -> Option<Response<ResponseBody>> {
    let decision = decision(plan)?;
    let message = ingress.tables.decision(decision).plugins.fast_response?;
    ingress.recorder.plugins.ran(decision, PluginKind::FastResponse, true);
    let created = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let reply = Reply { message, created };
    let (body, content_type) = if stream {
        (reply.to_stream(wants_usage(received)), "text/event-stream")
    } else {
        (reply.to_completion(), "application/json")
    };
    let mut response = Response::new(ResponseBody::full(body));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    if stream {
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    }
    Some(response)
}

/// `stream_options.include_usage`
fn wants_usage(received: &Received) -> bool {
    let body = &received.body;
    let member = |range: Range<usize>, key: &str| Some(Draft::of(body, range)?.find(body, key)?.1.value);
    member(0..body.len(), "stream_options")
        .filter(|options| options.kind == Kind::Object)
        .and_then(|options| member(options.start..options.end, "include_usage"))
        .is_some_and(|value| *body.range(value.start..value.end) == *b"true")
}

/// Changes the headers of the request, and says how its body is to change.
pub(super) fn apply(
    ingress: &Ingress,
    plan: &Plan,
    received: &Received,
    model: Range<usize>,
    headers: &mut HeaderMap,
) -> Result<Rewrite, NoTools> {
    let rewrite = Rewrite::of_model(model);
    let Some(id) = decision(plan) else { return Ok(rewrite) };
    let decision = ingress.tables.decision(id);
    let plugins = &decision.plugins;
    if !plugins.headers.is_empty() {
        change_headers(plugins.headers, headers);
        ingress.recorder.plugins.ran(id, PluginKind::HeaderMutation, true);
    }
    let candidate = plan.choice.as_ref().map_or(0, |choice| choice.candidate);
    let reasoning = decision.reasoning.get(candidate).and_then(Option::as_ref).map_or(&[][..], |told| told.changes);
    if !plugins.edit_body() && reasoning.is_empty() {
        return Ok(rewrite);
    }
    // The body was scanned when it came in, so there is an object.
    let Some(mut draft) = Draft::of(&received.body, 0..received.body.len()) else { return Ok(rewrite) };
    let counts = &ingress.recorder.plugins;
    plugins::edit(plugins, &received.body, &mut draft, |effect| match effect {
        Effect::Ran(plugin, changed) => counts.ran(id, plugin, changed),
        Effect::Blocked(position) => counts.blocked(id, position),
        Effect::MaxTokensCapped => counts.limited(id, Limit::MaxTokens),
        Effect::MaxNCapped => counts.limited(id, Limit::MaxN),
        Effect::UnknownStripped => counts.limited(id, Limit::Unknown),
    })?;
    Ok(rewrite.further(draft, reasoning))
}

fn decision(plan: &Plan) -> Option<DecisionId> {
    Some(plan.choice.as_ref()?.decision?.0)
}

/// Names and values were checked by the compiler.
fn change_headers(changes: &[HeaderChange], headers: &mut HeaderMap) {
    let value = HeaderValue::from_static;
    for change in changes {
        match *change {
            HeaderChange::Add(name, text) => {
                headers.append(HeaderName::from_static(name), value(text));
            }
            HeaderChange::Set(name, text) => {
                headers.insert(HeaderName::from_static(name), value(text));
            }
            HeaderChange::Remove(name) => {
                headers.remove(name);
            }
        }
    }
}
