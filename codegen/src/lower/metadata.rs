//! `routing.signals.metadata`: conditions on what the client sends along.

use super::Cx;
use super::values::all_sound;
use crate::ast::routing::Metadata;
use crate::{errors, ir};

/// The condition of a metadata signal. `None`: broken, and reported.
pub(super) fn lower(item: &Metadata, cx: &mut Cx<'_>) -> Option<ir::SignalWhat> {
    cx.fixed_opt(item.description.as_ref(), "description");
    let at = (item.span, item.whole);
    let key = cx.required(item.key.as_ref(), "the metadata signal", "key", at);
    let key = key.and_then(|leaf| cx.name(leaf, "key"));
    let asked = cx.required_part(item.predicate.as_ref(), "the metadata signal", "predicate", at)?;
    if !asked.whole {
        return None;
    }
    let test = match (&asked.equals, &asked.one_of, &asked.exists) {
        (Some(leaf), None, None) => ir::MetadataTest::In(vec![cx.fixed(leaf, "equals")?]),
        (None, Some(list), None) => {
            let values = all_sound(list.items.iter().map(|leaf| cx.fixed(leaf, "in")));
            let values = values.filter(|values| values.len() == list.written)?;
            if values.is_empty() {
                cx.sink.report(&errors::EMPTY_LIST, list.span, &["in"]);
                return None;
            }
            ir::MetadataTest::In(values)
        }
        (None, None, Some(leaf)) => ir::MetadataTest::Exists(cx.flag(Some(leaf), "exists", true)),
        _ => {
            cx.sink.report(&errors::EXACTLY_ONE, asked.span, &["predicate", "`equals`, `in` and `exists`"]);
            return None;
        }
    };
    Some(ir::SignalWhat::Metadata { key: key?, test })
}
