//! `routing.projections`: scores over signals, and the bands that they fall into.

use super::signals::{Declared, Kind};
use super::values::all_sound;
use super::{Cx, predicate};
use crate::ast::decode::Leaf;
use crate::ast::node::Span;
use crate::ast::routing::{Input, Mapping, Projections, Score};
use crate::confidence::Range;
use crate::{errors, ir};
use std::collections::BTreeMap;

/// How steeply confidence rises with the distance from a bound, where that is not written.
const SLOPE: f64 = 12.0;

/// Resolves all scores and mappings, over declared signals, and declares the outputs as signals.
pub(super) fn lower(section: Option<&Projections>, declared: &mut Declared, cx: &mut Cx<'_>) -> Vec<ir::Mapping> {
    let mut scores: BTreeMap<String, (Span, Option<Vec<ir::Input>>)> = BTreeMap::new();
    for item in section.iter().flat_map(|s| s.scores.iter()).flat_map(|list| &list.items) {
        let leaf = cx.required(item.name.as_ref(), "the score", "name", (item.span, item.whole));
        let name = leaf.and_then(|leaf| Some((leaf.span, cx.name(leaf, "name")?)));
        let inputs = score(item, declared, cx);
        let Some((at, name)) = name else { continue };
        if let Some((first, _)) = scores.get(&name) {
            cx.sink.report(&errors::DUPLICATE_NAME, at, &["score", &name]).related(*first, "first declared here");
        } else {
            scores.insert(name, (at, inputs));
        }
    }
    let mut mappings = Vec::new();
    for item in section.iter().flat_map(|s| s.mappings.iter()).flat_map(|list| &list.items) {
        let mapping = mapping(item, &scores, mappings.len(), declared, cx);
        mappings.push(mapping);
    }
    mappings
}

fn score(item: &Score, declared: &Declared, cx: &mut Cx<'_>) -> Option<Vec<ir::Input>> {
    let at = (item.span, item.whole);
    if let Some(leaf) = cx.required(item.method.as_ref(), "the score", "method", at) {
        cx.choice(leaf, "method", &[("weighted_sum", ())], &[]);
    }
    let list = cx.required_part(item.inputs.as_ref(), "the score", "inputs", at)?;
    let inputs = all_sound(list.items.iter().map(|item| input(item, declared, cx)));
    if list.written == 0 {
        cx.sink.report(&errors::EMPTY_LIST, list.span, &["inputs"]);
    }
    inputs.filter(|inputs| inputs.len() == list.written && !inputs.is_empty())
}

fn input(item: &Input, declared: &Declared, cx: &mut Cx<'_>) -> Option<ir::Input> {
    let at = (item.span, item.whole);
    let number = |leaf: Option<&Leaf>, key: &str, default: f64, cx: &mut Cx<'_>| match leaf {
        Some(leaf) => cx.decimal(leaf, key, f64::MIN..=f64::MAX),
        None => Some(default),
    };
    let unsupported = [crate::ast::upstream::UNSUPPORTED_SIGNAL_TYPES, &["kb_metric", "projection"]].concat();
    let signals: Vec<(&str, Kind)> = Kind::ALL.iter().copied().filter(|(_, kind)| *kind != Kind::Projection).collect();
    let kind = cx.required(item.kind.as_ref(), "the input", "type", at);
    let kind = kind.and_then(|leaf| cx.choice(leaf, "type", &signals, &unsupported));
    let name = cx.required(item.name.as_ref(), "the input", "name", at);
    let signal = kind.zip(name).and_then(|(kind, leaf)| declared.find(kind, leaf, cx));
    let weight = cx.required(item.weight.as_ref(), "the input", "weight", at);
    let weight = weight.and_then(|leaf| number(Some(leaf), "weight", 0.0, cx));
    let sources = [("binary", 0), ("confidence", 1), ("raw", 2)];
    let source =
        item.value_source.as_ref().map_or(Some(0), |leaf| cx.choice(leaf, "value_source", &sources, &["score"]));
    let hit = number(item.hit.as_ref(), "match", 1.0, cx);
    let miss = number(item.miss.as_ref(), "miss", 0.0, cx);
    if source.is_some_and(|source| source != 0) {
        cx.no_effect(item.hit.as_ref(), "match", "where `value_source` is not `binary`");
        cx.no_effect(item.miss.as_ref(), "miss", "where `value_source` is not `binary`");
    }
    if let (Some(2), Some(kind), Some(leaf)) = (source, kind, &item.value_source)
        && !kind.counts()
    {
        let message = format!("on a {} signal, which counts nothing", kind.word());
        cx.sink.report(&errors::KEY_WITHOUT_EFFECT, leaf.span, &["value_source", &message]);
    }
    let value = match source? {
        0 => ir::InputValue::Binary { hit: hit?, miss: miss? },
        1 => ir::InputValue::Confidence,
        _ => ir::InputValue::Raw,
    };
    Some(ir::Input { signal: signal?, weight: weight?, value })
}

fn mapping(
    item: &Mapping,
    scores: &BTreeMap<String, (Span, Option<Vec<ir::Input>>)>,
    index: usize,
    declared: &mut Declared,
    cx: &mut Cx<'_>,
) -> ir::Mapping {
    let at = (item.span, item.whole);
    let name = cx.required(item.name.as_ref(), "the mapping", "name", at);
    let name = name.and_then(|leaf| cx.name(leaf, "name")).unwrap_or_default();
    let source = cx.required(item.source.as_ref(), "the mapping", "source", at);
    let source = source.and_then(|leaf| Some((leaf, cx.fixed(leaf, "source")?)));
    let inputs = source.and_then(|(leaf, source)| {
        let found = scores.get(&source);
        if found.is_none() {
            let near = crate::ast::decode::nearest(&source, scores.keys().map(String::as_str));
            let help = near.map(|near| format!("did you mean `{near}`?"));
            cx.sink.report(&errors::UNKNOWN_SCORE, leaf.span, &[&source]).help(help);
        }
        found.and_then(|(_, inputs)| inputs.clone())
    });
    let methods = [("threshold_bands", true), ("multi_emit", false)];
    let method = cx.required(item.method.as_ref(), "the mapping", "method", at);
    let first_only = method.and_then(|leaf| cx.choice(leaf, "method", &methods, &["top_k"])).unwrap_or(true);
    let slope = item.calibration.as_ref().and_then(|calibration| {
        if let Some(leaf) = &calibration.method {
            cx.choice(leaf, "method", &[("sigmoid_distance", ())], &[]);
        }
        calibration.slope.as_ref().and_then(|leaf| cx.decimal(leaf, "slope", f64::MIN_POSITIVE..=f64::MAX))
    });
    let slope = slope.unwrap_or(SLOPE);
    let list = cx.required_part(item.outputs.as_ref(), "the mapping", "outputs", at);
    if let Some(list) = list.filter(|list| list.written == 0) {
        cx.sink.report(&errors::EMPTY_LIST, list.span, &["outputs"]);
    }
    let mut outputs = Vec::new();
    for output in list.iter().flat_map(|list| &list.items) {
        let name = declared.declare(Kind::Projection, output.name.as_ref(), (output.span, output.whole), cx);
        let leaves = [&output.gt, &output.gte, &output.lt, &output.lte].map(Option::as_ref);
        let predicate = predicate::bounds(leaves, "the output", output.span, cx).filter(|_| output.whole);
        let confidence =
            if predicate.is_none() { Range::always(sure(slope, 1.0)) } else { Range { least: 0.5, most: 1.0 } };
        let at = output.name.as_ref().map_or(output.span, |leaf| leaf.span);
        let signal = declared.add_projection(name, index, confidence, at);
        outputs.push(ir::Band { signal, predicate });
    }
    ir::Mapping { name, inputs: inputs.unwrap_or_default(), first_only, slope, outputs }
}

/// How sure an output is at this distance from its bound.
pub(crate) fn sure(slope: f64, distance: f64) -> f64 {
    1.0 / (1.0 + (-slope * distance).exp())
}

/// The mappings that decisions use, over used signals. `ids` are those of declared signals among the used ones.
pub(super) fn used(mappings: Vec<ir::Mapping>, ids: &[Option<usize>]) -> Vec<ir::Mapping> {
    let id = |signal: Option<usize>| signal.and_then(|signal| ids[signal]);
    let renumbered = mappings.into_iter().filter_map(|mut mapping| {
        for output in &mut mapping.outputs {
            output.signal = id(output.signal);
        }
        if mapping.outputs.iter().all(|output| output.signal.is_none()) {
            return None;
        }
        for input in &mut mapping.inputs {
            // Where it is not, the document is broken, and nobody will see this router.
            input.signal = id(Some(input.signal))?;
        }
        Some(mapping)
    });
    renumbered.collect()
}
