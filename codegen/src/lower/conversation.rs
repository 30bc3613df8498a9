//! `routing.signals.conversation`: what can be counted in the messages and tools of a request.

use super::{Cx, predicate};
use crate::ast::decode::Leaf;
use crate::ast::routing::Conversation;
use crate::{errors, ir};
use ir::Counts;

const SOURCES: &[(&str, Counts)] = &[
    ("message", Counts::Messages),
    ("tool_definition", Counts::ToolDefinitions),
    ("assistant_tool_call", Counts::ToolCalls),
    ("assistant_tool_cycle", Counts::ToolMessages),
    ("active_tool_loop", Counts::ActiveToolLoop),
    ("image_content", Counts::Images),
    ("tool_choice_required", Counts::ToolChoiceRequired),
    ("tool_choice_none", Counts::ToolChoiceNone),
];

/// A source that exists in the schema and not here.
const UNSUPPORTED: &str = "flow_tool_state";

/// The source of a signal, where it is one that this version does not have.
pub(super) fn unsupported(item: &Conversation) -> Option<&Leaf> {
    let kind = item.feature.as_ref()?.source.as_ref()?.kind.as_ref()?;
    (kind.text == UNSUPPORTED).then_some(kind)
}

const ROLES: &[(&str, Counts)] = &[
    ("user", Counts::UserMessages),
    ("assistant", Counts::AssistantMessages),
    ("system", Counts::SystemMessages),
    ("developer", Counts::DeveloperMessages),
    ("tool", Counts::ToolMessages),
    ("non_user", Counts::NonUserMessages),
];

/// What a conversation signal counts and how that compares. `None`: broken, and reported.
pub(super) fn lower(item: &Conversation, cx: &mut Cx<'_>) -> Option<ir::SignalWhat> {
    cx.fixed_opt(item.description.as_ref(), "description");
    let predicate = item.predicate.as_ref().map(|bounds| predicate::lower(bounds, cx));
    let at = (item.span, item.whole);
    let feature = cx.required_part(item.feature.as_ref(), "the conversation signal", "feature", at)?;
    let at = (feature.span, feature.whole);
    let exists = cx.required(feature.kind.as_ref(), "the feature", "type", at);
    let exists = exists.and_then(|leaf| cx.choice(leaf, "type", &[("count", false), ("exists", true)], &[]));
    let source = cx.required_part(feature.source.as_ref(), "the feature", "source", at)?;
    let leaf = cx.required(source.kind.as_ref(), "the source", "type", (source.span, source.whole))?;
    let mut counts = cx.choice(leaf, "type", SOURCES, &[])?;
    if let Some(role) = &source.role {
        if counts != Counts::Messages {
            let why = format!("on a source of `type: {}`", leaf.text);
            cx.sink.report(&errors::KEY_WITHOUT_EFFECT, role.span, &["role", &why]);
            return None;
        }
        counts = cx.choice(role, "role", ROLES, &[])?;
    }
    let predicate = predicate.map_or(Some(None), |predicate| predicate.map(Some))?;
    Some(ir::SignalWhat::Conversation { counts, exists: exists?, predicate })
}
