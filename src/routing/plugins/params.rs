//! `request_params`: fields that are removed and bounded.

use super::Effect;
use crate::protocol::draft::Draft;
use crate::protocol::json::Kind;
use crate::protocol::messages::fields::MESSAGES_FIELDS;
use crate::protocol::openai::CHAT_FIELDS;
use crate::protocol::splice::Chunks;
use crate::table::{Protocol, RequestParams};

/// Tells whether anything changed.
pub(super) fn edit(
    protocol: Protocol,
    params: &RequestParams,
    body: &Chunks,
    draft: &mut Draft,
    note: &mut impl FnMut(Effect),
) -> bool {
    let mut changed = false;
    for (position, field) in params.blocked.iter().enumerate() {
        // Messages has no requests without a bound.
        let needed = protocol == Protocol::Messages && *field == "max_tokens";
        if !needed && draft.remove_key(body, field) {
            changed = true;
            note(Effect::Blocked(position));
        }
    }
    for field in ["max_tokens", "max_completion_tokens"] {
        changed |=
            params.max_tokens.is_some_and(|most| cap(field, most, body, draft, || note(Effect::MaxTokensCapped)));
    }
    changed |= params.max_n.is_some_and(|most| cap("n", most, body, draft, || note(Effect::MaxNCapped)));
    if params.strip_unknown {
        let known = match protocol {
            Protocol::Chat => CHAT_FIELDS,
            Protocol::Messages => MESSAGES_FIELDS,
        };
        let unknown = draft.items().filter(|(_, item)| !known.contains(&Draft::key(body, item).as_str()));
        for position in unknown.map(|(position, _)| position).collect::<Vec<_>>() {
            draft.remove(position);
            changed = true;
            note(Effect::UnknownStripped);
        }
    }
    changed
}

/// Bounds a whole number. What is something else goes, `null` aside: a lenient backend could take it for a larger number.
/// A field that stands twice is as large as the largest of the two.
fn cap(field: &'static str, most: u64, body: &Chunks, draft: &mut Draft, capped: impl FnOnce()) -> bool {
    let (mut too_large, mut odd) = (false, false);
    for (_, item) in draft.items().filter(|(_, item)| Draft::has_key(body, item, field)) {
        let raw = body.range(item.value.start..item.value.end);
        match (item.value.kind, serde_json::from_slice::<f64>(&raw)) {
            (Kind::Null, _) => {}
            // Beyond the exact whole numbers of a float, and still far above any bound that a model has.
            (Kind::Number, Ok(number)) if number.fract() == 0.0 => too_large |= number > most as f64,
            _ => odd = true,
        }
    }
    if too_large {
        draft.set(body, field, most.to_string().into());
        capped();
    } else if odd {
        draft.remove_key(body, field);
    }
    too_large || odd
}
