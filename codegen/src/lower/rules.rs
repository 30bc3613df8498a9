//! `rules`: trees of conditions.

use super::signals::{Declared, Kind};
use super::{Cx, predicate};
use crate::ast::decode::Leaf;
use crate::ast::routing::Rule;
use crate::ast::upstream;
use crate::{errors, ir};

#[derive(Clone, Copy)]
enum Operator {
    And,
    Or,
    Not,
}

/// A rule tree over indices of declared signals. `None`: something in it is broken and was reported.
pub(super) fn lower(rule: &Rule, declared: &mut Declared, cx: &mut Cx<'_>) -> Option<ir::Rule> {
    let group = rule.operator.as_ref().map(|leaf| (leaf.span, "operator"));
    let group = group.or_else(|| rule.conditions.as_ref().map(|list| (list.span, "conditions")));
    let leaf = rule.kind.as_ref().map(|leaf| (leaf.span, "type"));
    let leaf = leaf.or_else(|| rule.name.as_ref().map(|leaf| (leaf.span, "name")));
    let leaf = leaf.or_else(|| rule.predicate.as_ref().map(|bounds| (bounds.span, "predicate")));
    match (group, leaf) {
        // What could not be read may be what is missing, and was reported.
        (None, None) if !rule.whole => None,
        (Some((span, group)), Some((at, leaf))) => {
            cx.sink.report(&errors::LEAF_AND_GROUP, at, &[leaf, group]).related(span, "a group");
            None
        }
        (None, Some(_)) => signal(rule, declared, cx),
        (Some(_), None) => self::group(rule, declared, cx),
        (None, None) => {
            let help = "write `type` and `name` of a signal, or `operator` and `conditions` of a group".to_owned();
            cx.sink.report(&errors::MISSING_KEY, rule.span, &["the condition", "type"]).help(help);
            None
        }
    }
}

fn signal(rule: &Rule, declared: &mut Declared, cx: &mut Cx<'_>) -> Option<ir::Rule> {
    let kind = cx.required(rule.kind.as_ref(), "the condition", "type", (rule.span, rule.whole));
    let kind = kind.and_then(|leaf| cx.choice(leaf, "type", Kind::ALL, upstream::UNSUPPORTED_SIGNAL_TYPES));
    let name = cx.required(rule.name.as_ref(), "the condition", "name", (rule.span, rule.whole))?;
    let signal = declared.use_named(kind?, name, cx)?;
    if rule.predicate.is_some() {
        declared.ask_value(signal);
    }
    let compared = rule.predicate.as_ref().map(|bounds| predicate::lower(bounds, cx));
    match compared {
        _ if !rule.whole => None,
        Some(predicate) => predicate.map(|predicate| ir::Rule::Compare { signal, predicate }),
        None => Some(ir::Rule::Signal(signal)),
    }
}

fn group(rule: &Rule, declared: &mut Declared, cx: &mut Cx<'_>) -> Option<ir::Rule> {
    let words = [("AND", Operator::And), ("OR", Operator::Or), ("NOT", Operator::Not)];
    let leaf = cx.required(rule.operator.as_ref(), "the group", "operator", (rule.span, rule.whole));
    let operator = leaf.and_then(|leaf| cx.choice(leaf, "operator", &words, &[]));
    let list = rule.conditions.as_ref();
    let written = list.map_or(0, |list| list.written);
    if let (Some(leaf), Some(operator)) = (leaf, operator) {
        arity(leaf, operator, written, cx);
    }
    let children: Vec<Option<ir::Rule>> =
        list.iter().flat_map(|list| &list.items).map(|child| lower(child, declared, cx)).collect();
    let mut children: Vec<ir::Rule> = children.into_iter().collect::<Option<_>>()?;
    if children.len() != written || children.is_empty() || !rule.whole {
        return None;
    }
    match operator? {
        Operator::And => Some(ir::Rule::All(children)),
        Operator::Or => Some(ir::Rule::Any(children)),
        Operator::Not => (written == 1).then(|| ir::Rule::Not(Box::new(children.remove(0)))),
    }
}

fn arity(leaf: &Leaf, operator: Operator, written: usize, cx: &mut Cx<'_>) {
    let help = match operator {
        Operator::And => "an `AND` of nothing would always match: leave `rules` out for a decision that always does",
        Operator::Or => "an `OR` of nothing would never match",
        Operator::Not => "a `NOT` takes one condition",
    };
    if written == 0 {
        cx.sink.report(&errors::EMPTY_GROUP, leaf.span, &[&leaf.text, help]);
    } else if written > 1 && matches!(operator, Operator::Not) {
        cx.sink.report(&errors::NOT_TAKES_ONE, leaf.span, &[&written.to_string()]);
    }
}
