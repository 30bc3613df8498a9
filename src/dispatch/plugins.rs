//! What the decision that won does to a request: its plugins, and how its model is told to reason.

use super::answer::event_stream_response;
use super::client::Client;
use super::request::Received;
use super::{Dispatch, json_response};
use crate::protocol::draft::Draft;
use crate::protocol::messages::said::Said;
use crate::protocol::openai::Reply;
use crate::protocol::splice::Chunks;
use crate::routing::Plan;
use crate::routing::plugins::{self, Effect, NoTools};
use crate::table::{BodyChange, DecisionId, HeaderChange, PluginKind, Protocol};
use crate::telemetry::metrics::Limit;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use std::time::{SystemTime, UNIX_EPOCH};

/// The router's own answer, where the decision has one.
pub(super) fn reply(
    dispatch: &Dispatch,
    client: Client,
    plan: &Plan,
    received: &Received,
    stream: bool,
) -> Option<Response<Bytes>> {
    let message = said(dispatch, plan)?;
    let created = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let reply = Reply { message, created };
    let id = format!("msg_fast_{created}");
    let said = Said { id: &id, model: r#""router""#, input_tokens: 0, output_tokens: 0 };
    let body = match (client.protocol(), stream) {
        (Protocol::Chat, false) => reply.to_completion(),
        (Protocol::Chat, true) => reply.to_stream(received.wants_usage()),
        (Protocol::Messages, false) => said.message(message).into(),
        (Protocol::Messages, true) => said.stream([message].into_iter()).concat().into(),
    };
    Some(if stream { event_stream_response(body) } else { json_response(body) })
}

/// What the decision that won says in place of a model, if it does: a JSON string.
pub(super) fn said(dispatch: &Dispatch, plan: &Plan) -> Option<&'static str> {
    let decision = decision(plan)?;
    let message = dispatch.tables.decision(decision).plugins.fast_response?;
    dispatch.recorder.plugins.ran(decision, PluginKind::FastResponse, true);
    Some(message)
}

/// What the decision that won makes of a request.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// To the body, in the protocol of the client.
    pub(super) draft: Option<Draft>,
    /// Then, to what the n-th backend gets, in its own protocol: how the model is told to reason.
    pub(super) by_backend: &'static [&'static [BodyChange]],
}

impl Changes {
    /// An image is to be made by a model that makes words, too: it is of this size, and comes with them as a whole.
    pub(super) fn whole_with_image(&mut self, body: &Chunks, size: Option<(u32, u32)>) {
        let Some(mut draft) = self.draft.take().or_else(|| Draft::of(body, 0..body.len())) else { return };
        draft.remove_key(body, "stream");
        draft.remove_key(body, "stream_options");
        if let Some((width, height)) = size {
            draft.set(body, "extra_body", format!(r#"{{"width":{width},"height":{height}}}"#).into());
        }
        self.draft = Some(draft);
    }

    /// The bound of the answer is told under the name that models which reason know it by.
    pub(super) fn bound_completion(&mut self, body: &Chunks) {
        let Some(mut draft) = self.draft.take().or_else(|| Draft::of(body, 0..body.len())) else { return };
        if let Some((position, _)) = draft.settle(body, "max_tokens") {
            draft.rename(position, "max_completion_tokens");
        }
        self.draft = Some(draft);
    }
}

/// Changes the headers of the request, and says how its body is to change.
pub(super) fn apply(
    dispatch: &Dispatch,
    client: Client,
    plan: &Plan,
    received: &Received,
    headers: &mut HeaderMap,
) -> Result<Changes, NoTools> {
    let Some(id) = decision(plan) else { return Ok(Changes::default()) };
    let decision = dispatch.tables.decision(id);
    let plugins = &decision.plugins;
    change_headers(dispatch, plan, headers);
    let candidate = plan.choice.as_ref().map_or(0, |choice| choice.candidate);
    let by_backend = decision.reasoning.get(candidate).and_then(Option::as_ref).map_or(&[][..], |told| told.changes);
    if !plugins.edit_body() {
        return Ok(Changes { draft: None, by_backend });
    }
    // The body was scanned when it came in, so there is an object.
    let Some(mut draft) = Draft::of(&received.body, 0..received.body.len()) else { return Ok(Changes::default()) };
    let counts = &dispatch.recorder.plugins;
    plugins::edit(client.protocol(), plugins, &received.body, &mut draft, |effect| match effect {
        Effect::Ran(plugin, changed) => counts.ran(id, plugin, changed),
        Effect::Blocked(position) => counts.blocked(id, position),
        Effect::MaxTokensCapped => counts.limited(id, Limit::MaxTokens),
        Effect::MaxNCapped => counts.limited(id, Limit::MaxN),
        Effect::UnknownStripped => counts.limited(id, Limit::Unknown),
    })?;
    Ok(Changes { draft: Some(draft), by_backend })
}

fn decision(plan: &Plan) -> Option<DecisionId> {
    Some(plan.choice.as_ref()?.decision?.0)
}

/// Changes the headers of the request as the decision says. Names and values were checked by the compiler.
pub(super) fn change_headers(dispatch: &Dispatch, plan: &Plan, headers: &mut HeaderMap) {
    let Some(id) = decision(plan) else { return };
    let changes = dispatch.tables.decision(id).plugins.headers;
    if changes.is_empty() {
        return;
    }
    dispatch.recorder.plugins.ran(id, PluginKind::HeaderMutation, true);
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
