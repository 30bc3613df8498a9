//! `routing.signals.keywords`: words and expressions.

use super::Cx;
use super::regex::{self, Bad};
use crate::ast::decode::Leaf;
use crate::ast::node::Span;
use crate::ast::routing::Keyword;
use crate::ranking::Ranking;
use crate::{errors, ir};

/// Longest literal in characters. A state of an automaton has two bytes, and a text of letters that all differ needs one for
/// each and a column for each: this is far from what that can hold, and from what anybody looks for.
const LONGEST: usize = 1000;

/// Longest keyword in characters that words of a text are compared with.
const LONGEST_COMPARED: usize = 64;

/// How many letters may differ, where that is not written.
const EDITS: i64 = 2;

/// Groups of how many letters are compared, where that is not written.
const ARITY: i64 = 3;

/// How keywords are looked for.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Method {
    Literal,
    Regex,
    Fuzzy,
    Bm25,
    Ngram,
}

/// What a keyword signal looks for.
pub(super) fn lower(item: &Keyword, name: &str, cx: &mut Cx<'_>) -> ir::SignalWhat {
    let operators =
        [("OR", ir::KeywordOperator::Or), ("AND", ir::KeywordOperator::And), ("NOR", ir::KeywordOperator::Nor)];
    let operator = item.operator.as_ref().and_then(|leaf| cx.choice(leaf, "operator", &operators, &[]));
    let case_sensitive = cx.flag(item.case_sensitive.as_ref(), "case_sensitive", false);
    let method = method(item, cx);
    cx.fixed_opt(item.description.as_ref(), "description");
    if item.keywords.as_ref().is_none_or(|list| list.written == 0) {
        let at = item.keywords.as_ref().map_or(item.span, |list| list.span);
        cx.sink.report(&errors::NO_KEYWORDS, at, &[name]);
    }
    let keywords = item.keywords.iter().flat_map(|list| &list.items);
    let terms = match method {
        Method::Literal => keywords.filter_map(|leaf| literal(leaf, case_sensitive, cx)).collect(),
        Method::Regex => keywords.filter_map(|leaf| expression(leaf, case_sensitive, cx)).collect(),
        Method::Fuzzy => near(item, case_sensitive, cx),
        Method::Bm25 => ranked(item, cx),
        Method::Ngram => {
            let threshold = threshold(item.ngram_threshold.as_ref(), "ngram_threshold", 0.4, 1.0, cx);
            let arity = item.ngram_arity.as_ref();
            let arity =
                arity.map_or(Some(ARITY), |leaf| cx.number(leaf, "ngram_arity", 2..=8)).unwrap_or(ARITY) as usize;
            let texts = keywords.filter_map(|leaf| text(leaf, LONGEST_COMPARED, cx));
            texts.map(|text| ir::Term::Similar { text, case_sensitive, arity, threshold }).collect()
        }
    };
    ir::SignalWhat::Keyword { operator: operator.unwrap_or(ir::KeywordOperator::Or), terms }
}

/// The method, and whether each key is one of its own.
fn method(item: &Keyword, cx: &mut Cx<'_>) -> Method {
    let words = [("regex", Method::Regex), ("fuzzy", Method::Fuzzy), ("bm25", Method::Bm25), ("ngram", Method::Ngram)];
    let leaf = item.method.as_ref();
    let written = leaf.and_then(|leaf| cx.choice(leaf, "method", &words, &[]));
    let fuzzy = cx.flag(item.fuzzy_match.as_ref(), "fuzzy_match", false);
    let method = match (written, fuzzy) {
        (Some(method), true) if method != Method::Fuzzy => {
            cx.no_effect(item.fuzzy_match.as_ref(), "fuzzy_match", "with another `method`");
            method
        }
        (None, true) => Method::Fuzzy,
        (written, _) => written.unwrap_or(Method::Literal),
    };
    let keys = [
        (item.fuzzy_threshold.as_ref(), "fuzzy_threshold", Method::Fuzzy, "without `fuzzy_match: true`"),
        (item.bm25_threshold.as_ref(), "bm25_threshold", Method::Bm25, "without `method: bm25`"),
        (item.ngram_threshold.as_ref(), "ngram_threshold", Method::Ngram, "without `method: ngram`"),
        (item.ngram_arity.as_ref(), "ngram_arity", Method::Ngram, "without `method: ngram`"),
    ];
    for (leaf, key, of, why) in keys {
        if of != method {
            cx.no_effect(leaf, key, why);
        }
    }
    // `false` is what it does anyway.
    if method == Method::Bm25 && item.case_sensitive.as_ref().is_some_and(|leaf| leaf.text != "false") {
        cx.no_effect(item.case_sensitive.as_ref(), "case_sensitive", "with `method: bm25`, which compares stems");
    }
    method
}

/// A threshold that is more than nothing; upstream, 0 is one that is not set.
fn threshold(leaf: Option<&Leaf>, key: &str, default: f64, most: f64, cx: &mut Cx<'_>) -> f32 {
    let written = leaf.and_then(|leaf| cx.decimal(leaf, key, 0.0..=most));
    written.filter(|threshold| *threshold > 0.0).unwrap_or(default) as f32
}

/// Keywords that a word may miss by some letters. Where that makes any short word a match, it is an error: what is
/// meant by such a threshold is mostly a percentage.
fn near(item: &Keyword, case_sensitive: bool, cx: &mut Cx<'_>) -> Vec<ir::Term> {
    let leaf = item.fuzzy_threshold.as_ref();
    let edits = leaf.map_or(Some(EDITS), |leaf| cx.number(leaf, "fuzzy_threshold", 0..=999)).unwrap_or(EDITS);
    let edits = usize::try_from(if edits == 0 { EDITS } else { edits }).expect("it is at least 0");
    let mut terms = Vec::new();
    let keywords: Vec<&Leaf> = item.keywords.iter().flat_map(|list| &list.items).collect();
    let is_all = |leaf: &&Leaf| leaf.text.chars().count() <= edits;
    if let Some(leaf) = leaf.filter(|_| !keywords.is_empty() && keywords.iter().all(is_all)) {
        cx.sink.report(&errors::FUZZY_MATCHES_ALL, leaf.span, &[&edits.to_string(), "any keyword of this signal"]);
        return terms;
    }
    for leaf in keywords {
        if is_all(&leaf) && !leaf.text.trim().is_empty() {
            cx.sink.report(&errors::FUZZY_MATCHES_ALL, leaf.span, &[&edits.to_string(), &format!("`{}`", leaf.text)]);
        } else if let Some(text) = text(leaf, LONGEST_COMPARED, cx) {
            terms.push(ir::Term::Near { text, case_sensitive, edits });
        }
    }
    terms
}

/// Keywords that are ranked among each other as documents are.
fn ranked(item: &Keyword, cx: &mut Cx<'_>) -> Vec<ir::Term> {
    let threshold = threshold(item.bm25_threshold.as_ref(), "bm25_threshold", 0.1, f64::MAX, cx);
    let leaves = item.keywords.iter().flat_map(|list| &list.items);
    let texts: Vec<(&Leaf, String)> = leaves.filter_map(|leaf| Some((leaf, text(leaf, LONGEST, cx)?))).collect();
    let ranking = Ranking::of(texts.iter().map(|(_, text)| text.as_str()));
    let mut terms = Vec::new();
    for ((leaf, text), weights) in texts.into_iter().zip(ranking.documents) {
        if weights.is_empty() {
            cx.sink.report(&errors::NO_STEMS, leaf.span, &[&text]);
        }
        terms.push(ir::Term::Ranked { text, threshold, weights });
    }
    terms
}

fn expression(leaf: &Leaf, case_sensitive: bool, cx: &mut Cx<'_>) -> Option<ir::Term> {
    let text = cx.fixed(leaf, "keywords")?;
    if text.trim().is_empty() {
        cx.sink.report(&errors::EMPTY_STRING, leaf.span, &["keywords"]);
        return None;
    }
    pattern(leaf, &text, case_sensitive, cx).map(|pattern| ir::Term::Regex { pattern })
}

/// One keyword as it is written. `None`: it was reported.
pub(super) fn literal(leaf: &Leaf, case_sensitive: bool, cx: &mut Cx<'_>) -> Option<ir::Term> {
    text(leaf, LONGEST, cx).map(|text| ir::Term::Literal { text, case_sensitive })
}

fn text(leaf: &Leaf, longest: usize, cx: &mut Cx<'_>) -> Option<String> {
    let text = cx.fixed(leaf, "keywords")?;
    if text.trim().is_empty() {
        cx.sink.report(&errors::EMPTY_STRING, leaf.span, &["keywords"]);
        return None;
    }
    if text.chars().count() > longest {
        let length = text.chars().count().to_string();
        cx.sink.report(&errors::LONG_KEYWORD, leaf.span, &[&length, &longest.to_string()]);
        return None;
    }
    Some(text)
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
