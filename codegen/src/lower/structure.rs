//! `routing.signals.structure`: what can be counted in a text.

use super::keywords::{literal, pattern};
use super::values::all_sound;
use super::{Cx, predicate, regex};
use crate::ast::routing::{Structure, StructureSource};
use crate::confidence::Range;
use crate::{errors, ir};

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Count,
    Exists,
    Density,
    Sequence,
}

#[derive(Clone, Copy, PartialEq)]
enum Source {
    Regex,
    KeywordSet,
    Sequence,
    TextBytes,
}

const KINDS: &[(&str, Kind)] =
    &[("count", Kind::Count), ("exists", Kind::Exists), ("density", Kind::Density), ("sequence", Kind::Sequence)];

const SOURCES: &[(&str, Source)] = &[
    ("regex", Source::Regex),
    ("keyword_set", Source::KeywordSet),
    ("sequence", Source::Sequence),
    ("text_bytes", Source::TextBytes),
];

/// What a structure signal counts and how that compares. `None`: broken, and reported.
pub(super) fn lower(item: &Structure, cx: &mut Cx<'_>) -> Option<ir::SignalWhat> {
    cx.fixed_opt(item.description.as_ref(), "description");
    let predicate = item.predicate.as_ref().map(|bounds| predicate::lower(bounds, cx));
    let feature =
        cx.required_part(item.feature.as_ref(), "the structure signal", "feature", (item.span, item.whole))?;
    let at = (feature.span, feature.whole);
    let kind_leaf = cx.required(feature.kind.as_ref(), "the feature", "type", at);
    let kind = kind_leaf.and_then(|leaf| Some((leaf.span, cx.choice(leaf, "type", KINDS, &[])?)));
    let source = cx.required_part(feature.source.as_ref(), "the feature", "source", at)?;
    let leaf = cx.required(source.kind.as_ref(), "the source", "type", (source.span, source.whole))?;
    let from = cx.choice(leaf, "type", SOURCES, &[])?;
    only_own_keys(source, from, &leaf.text, cx);
    let (at, kind) = kind?;
    if kind == Kind::Sequence && from != Source::Sequence {
        cx.sink.report(&errors::WRONG_SOURCE, at, &["sequence", "sequence"]);
        return None;
    }
    let feature = feature_of(source, from, kind, cx)?;
    let predicate = predicate.map_or(Some(None), |predicate| predicate.map(Some))?;
    Some(ir::SignalWhat::Structure { feature, per_word: kind == Kind::Density, predicate })
}

/// Keys that another source would read.
fn only_own_keys(source: &StructureSource, from: Source, word: &str, cx: &mut Cx<'_>) {
    let of = [
        ("pattern", source.pattern.as_ref().map(|leaf| leaf.span), from == Source::Regex),
        ("keywords", source.keywords.as_ref().map(|list| list.span), from == Source::KeywordSet),
        ("sequences", source.sequences.as_ref().map(|list| list.span), from == Source::Sequence),
        ("case_sensitive", source.case_sensitive.as_ref().map(|leaf| leaf.span), from != Source::TextBytes),
    ];
    for (key, span, own) in of {
        if let (Some(span), false) = (span, own) {
            cx.sink.report(&errors::KEY_WITHOUT_EFFECT, span, &[key, &format!("on a source of `type: {word}`")]);
        }
    }
}

fn feature_of(source: &StructureSource, from: Source, kind: Kind, cx: &mut Cx<'_>) -> Option<ir::Feature> {
    let case_sensitive = cx.flag(source.case_sensitive.as_ref(), "case_sensitive", false);
    let at = (source.span, source.whole);
    match from {
        Source::TextBytes => Some(ir::Feature::Bytes),
        Source::Regex => {
            let leaf = cx.required(source.pattern.as_ref(), "the source", "pattern", at)?;
            let text = cx.fixed(leaf, "pattern")?;
            let pattern = pattern(leaf, &text, case_sensitive, cx)?;
            Some(match kind {
                Kind::Exists => ir::Feature::Exists(vec![ir::Term::Regex { pattern }]),
                _ => ir::Feature::Pattern(pattern),
            })
        }
        Source::KeywordSet => {
            let list = cx.required_part(source.keywords.as_ref(), "the source", "keywords", at)?;
            let terms = all_sound(list.items.iter().map(|leaf| literal(leaf, case_sensitive, cx)));
            let terms = terms.filter(|terms| terms.len() == list.written)?;
            if terms.is_empty() {
                cx.sink.report(&errors::EMPTY_LIST, list.span, &["keywords"]);
                return None;
            }
            Some(if kind == Kind::Exists { ir::Feature::Exists(terms) } else { ir::Feature::Words(terms) })
        }
        Source::Sequence => {
            let list = cx.required_part(source.sequences.as_ref(), "the source", "sequences", at)?;
            let mut terms = Vec::new();
            for sequence in &list.items {
                let parts = all_sound(sequence.items.iter().map(|leaf| cx.fixed(leaf, "sequences")));
                let parts = parts.filter(|parts| parts.len() == sequence.written)?;
                if parts.is_empty() || parts.iter().any(String::is_empty) {
                    cx.sink.report(&errors::EMPTY_LIST, sequence.span, &["sequences"]);
                    return None;
                }
                let parts: Vec<String> = parts.iter().map(|part| regex_syntax::escape(part)).collect();
                match regex::translate(&parts.join("(?s:.*)"), case_sensitive) {
                    Ok(pattern) => terms.push(ir::Term::Regex { pattern }),
                    Err(_) => {
                        cx.sink.report(&errors::REGEX_WITHOUT_DFA, sequence.span, &["the sequence is too long"]);
                        return None;
                    }
                }
            }
            if terms.is_empty() {
                cx.sink.report(&errors::EMPTY_LIST, list.span, &["sequences"]);
                return None;
            }
            (terms.len() == list.written).then_some(ir::Feature::Exists(terms))
        }
    }
}

/// The bound from which a structure signal measures how sure it is: the first that there is.
pub(crate) fn bound(predicate: &ir::Predicate) -> Option<f64> {
    predicate.gt.or(predicate.gte).or(predicate.lt).or(predicate.lte)
}

/// How sure a structure signal is: the farther from its bound, the surer.
pub(super) fn confidence(feature: &ir::Feature, per_word: bool, predicate: Option<&ir::Predicate>) -> Range {
    let Some(predicate) = predicate else { return Range::FULL };
    let Some(bound) = bound(predicate) else { return Range::FULL };
    let sure_at = |value: f64| (1.0 / (1.0 + (-4.0 * (value - bound).abs()).exp())).max(0.5);
    if per_word || !matches!(feature, ir::Feature::Exists(_)) {
        return Range { least: 0.5, most: 1.0 };
    }
    let possible = || [0.0, 1.0].into_iter().filter(|value| predicate.holds(*value)).map(sure_at);
    let least = possible().fold(f64::INFINITY, f64::min);
    if least > 1.0 { Range::FULL } else { Range { least, most: possible().fold(0.0, f64::max) } }
}
