//! `routing.signals.events`: signs of an event in a text.

use super::keywords::literal;
use super::{Cx, regex};
use crate::ast::decode::{Leaf, List};
use crate::ast::routing::Event;
use crate::confidence::Range;
use crate::{errors, ir};

/// Words of urgency.
const TEMPORAL: &str = r"\b(?:urgent|immediate|asap|deadline|time.sensitive|now|critical.window)\b";

/// The criteria of an event signal. `None`: broken, and reported.
pub(super) fn lower(item: &Event, name: &str, cx: &mut Cx<'_>) -> Option<ir::SignalWhat> {
    cx.fixed_opt(item.description.as_ref(), "description");
    let before = cx.sink.errors();
    let severities = [("critical", ()), ("high", ()), ("medium", ()), ("low", ())];
    for leaf in item.severities.iter().flat_map(|list| &list.items) {
        cx.choice(leaf, "severities", &severities, &[]);
    }
    let lists = [&item.event_types, &item.severities, &item.action_codes];
    let mut criteria: Vec<Vec<ir::Term>> = lists.into_iter().filter_map(|list| terms(list.as_ref(), cx)).collect();
    if cx.flag(item.temporal.as_ref(), "temporal", false) {
        let pattern = regex::translate(TEMPORAL, false).expect("a few words");
        criteria.push(vec![ir::Term::Regex { pattern }]);
    }
    if cx.sink.errors() > before || !item.whole {
        return None;
    }
    if criteria.is_empty() {
        cx.sink.report(&errors::NO_CRITERIA, item.span, &[name]);
        return None;
    }
    Some(ir::SignalWhat::Event { criteria })
}

fn terms(list: Option<&List<Leaf>>, cx: &mut Cx<'_>) -> Option<Vec<ir::Term>> {
    let terms: Vec<ir::Term> = list?.items.iter().filter_map(|leaf| literal(leaf, false, cx)).collect();
    (!terms.is_empty()).then_some(terms)
}

/// How sure an event is: half, and the other half by how many of its criteria are met.
pub(super) fn confidence(criteria: usize) -> Range {
    Range { least: 0.5 + 0.5 / criteria as f64, most: 1.0 }
}
