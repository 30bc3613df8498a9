//! `routing.signals.keywords`: words and expressions.

use super::Cx;
use super::regex::{self, Bad};
use crate::ast::decode::Leaf;
use crate::ast::node::Span;
use crate::ast::routing::Keyword;
use crate::ast::upstream;
use crate::{errors, ir};

/// Longest literal in characters. A state of an automaton has two bytes, and a text of letters that all differ needs one for
/// each and a column for each: this is far from what that can hold, and from what anybody looks for.
const LONGEST: usize = 1000;

/// What a keyword signal looks for.
pub(super) fn lower(item: &Keyword, name: &str, cx: &mut Cx<'_>) -> ir::SignalWhat {
    let operators =
        [("OR", ir::KeywordOperator::Or), ("AND", ir::KeywordOperator::And), ("NOR", ir::KeywordOperator::Nor)];
    let operator = item.operator.as_ref().and_then(|leaf| cx.choice(leaf, "operator", &operators, &[]));
    let case_sensitive = cx.flag(item.case_sensitive.as_ref(), "case_sensitive", false);
    let method = item.method.as_ref();
    let unsupported = upstream::UNSUPPORTED_KEYWORD_METHODS;
    let is_regex = method.and_then(|leaf| cx.choice(leaf, "method", &[("regex", ())], unsupported)).is_some();
    cx.fixed_opt(item.description.as_ref(), "description");
    let mut terms = Vec::new();
    if item.keywords.as_ref().is_none_or(|list| list.written == 0) {
        let at = item.keywords.as_ref().map_or(item.span, |list| list.span);
        cx.sink.report(&errors::NO_KEYWORDS, at, &[name]);
    }
    for leaf in item.keywords.iter().flat_map(|list| &list.items) {
        if !is_regex {
            terms.extend(literal(leaf, case_sensitive, cx));
        } else if let Some(text) = cx.fixed(leaf, "keywords") {
            if text.trim().is_empty() {
                cx.sink.report(&errors::EMPTY_STRING, leaf.span, &["keywords"]);
            } else if let Some(pattern) = pattern(leaf, &text, case_sensitive, cx) {
                terms.push(ir::Term::Regex { pattern });
            }
        }
    }
    ir::SignalWhat::Keyword { operator: operator.unwrap_or(ir::KeywordOperator::Or), terms }
}

/// One keyword as it is written. `None`: it was reported.
pub(super) fn literal(leaf: &Leaf, case_sensitive: bool, cx: &mut Cx<'_>) -> Option<ir::Term> {
    let text = cx.fixed(leaf, "keywords")?;
    if text.trim().is_empty() {
        cx.sink.report(&errors::EMPTY_STRING, leaf.span, &["keywords"]);
        return None;
    }
    if text.chars().count() > LONGEST {
        let length = text.chars().count().to_string();
        cx.sink.report(&errors::LONG_KEYWORD, leaf.span, &[&length, &LONGEST.to_string()]);
        return None;
    }
    Some(ir::Term::Literal { text, case_sensitive })
}

/// One expression. `None`: it was reported.
pub(super) fn pattern(leaf: &Leaf, text: &str, case_sensitive: bool, cx: &mut Cx<'_>) -> Option<String> {
    match regex::translate(text, case_sensitive) {
        Ok(pattern) => return Some(pattern),
        Err(Bad::Syntax(message, range)) => {
            // Where a `$$` was resolved, positions no longer fit.
            let span = if text == leaf.text { cx.within(leaf, range) } else { leaf.span };
            let span = Span { start: span.start, end: span.end.max(span.start + 1).min(leaf.span.end) };
            cx.sink.report(&errors::BAD_REGEX, span, &[&message]);
        }
        Err(Bad::NoDfa(why)) => {
            let help = "shorten its repetitions, or split it into several keywords".to_owned();
            cx.sink.report(&errors::REGEX_WITHOUT_DFA, leaf.span, &[&why]).help(help);
        }
    }
    None
}
