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

/// How deep scores may be made of others.
const DEEPEST: usize = 32;

/// How many inputs a score may have, those of the scores in it included.
const MOST_INPUTS: usize = 4096;

/// A declared score.
#[derive(Debug)]
struct Declaration {
    at: Span,
    /// `None` if one of its inputs is broken, which was reported.
    inputs: Option<Vec<Part>>,
}

/// An input as it is written.
#[derive(Debug, Clone)]
enum Part {
    Signal(ir::Input),
    /// Another score, by name.
    Score(f64, String),
}

/// A mapping and its source, by name.
type Sourced = (ir::Mapping, Option<String>);

/// Resolves all scores and mappings, over declared signals, and declares the outputs as signals. Mappings come after those
/// that they depend on.
pub(super) fn lower(section: Option<&Projections>, declared: &mut Declared, cx: &mut Cx<'_>) -> Vec<ir::Mapping> {
    let scores = || section.iter().flat_map(|s| s.scores.iter()).flat_map(|list| &list.items);
    let names: Vec<&str> = scores().filter_map(|item| item.name.as_ref()).map(|leaf| leaf.text.as_str()).collect();
    let mut mappings = Vec::new();
    for item in section.iter().flat_map(|s| s.mappings.iter()).flat_map(|list| &list.items) {
        let mapping = mapping(item, &names, mappings.len(), declared, cx);
        mappings.push(mapping);
    }
    let mut all: BTreeMap<String, Declaration> = BTreeMap::new();
    for item in scores() {
        let leaf = cx.required(item.name.as_ref(), "the score", "name", (item.span, item.whole));
        let name = leaf.and_then(|leaf| Some((leaf.span, cx.name(leaf, "name")?)));
        let inputs = score(item, &names, declared, cx);
        let Some((at, name)) = name else { continue };
        if let Some(first) = all.get(&name) {
            cx.sink.report(&errors::DUPLICATE_NAME, at, &["score", &name]).related(first.at, "first declared here");
        } else {
            all.insert(name, Declaration { at, inputs });
        }
    }
    let outputs = mappings.iter().enumerate().flat_map(|(position, (mapping, _))| {
        mapping.outputs.iter().filter_map(move |output| Some((output.signal?, position)))
    });
    let emitters = outputs.collect();
    Resolving { scores: &all, mappings: &mappings, emitters, order: Vec::new(), done: BTreeMap::new() }.all(cx)
}

/// Puts scores into scores, and mappings behind those whose outputs they look at.
struct Resolving<'a> {
    scores: &'a BTreeMap<String, Declaration>,
    mappings: &'a [Sourced],
    /// The mapping of each output, by the index of its signal.
    emitters: BTreeMap<usize, usize>,
    /// Mappings by position, those that others look at first.
    order: Vec<usize>,
    /// Scores that are resolved. `None`: broken, which was reported.
    done: BTreeMap<&'a str, Option<Vec<ir::Input>>>,
}

impl<'a> Resolving<'a> {
    fn all(mut self, cx: &mut Cx<'_>) -> Vec<ir::Mapping> {
        // Each score once, so that a mistake is reported whether or not a mapping looks at it.
        for name in self.scores.keys() {
            self.score(name, &mut Vec::new(), cx);
        }
        for position in 0..self.mappings.len() {
            self.mapping(position, &mut Vec::new(), cx);
        }
        let inputs = |source: &Option<String>| self.done.get(source.as_deref()?)?.clone();
        let of = |position: &usize| {
            let (mapping, source) = &self.mappings[*position];
            ir::Mapping { inputs: inputs(source).unwrap_or_default(), ..mapping.clone() }
        };
        self.order.iter().map(of).collect()
    }

    /// Resolves a score; `path` are those that it is asked for by.
    fn score(&mut self, name: &'a str, path: &mut Vec<&'a str>, cx: &mut Cx<'_>) -> Option<Vec<ir::Input>> {
        if let Some(done) = self.done.get(name) {
            return done.clone();
        }
        let declaration = self.scores.get(name)?;
        if let Some(from) = path.iter().position(|other| *other == name) {
            let through = [&path[from..], &[name]].concat().iter().map(|name| format!("`{name}`")).collect::<Vec<_>>();
            cx.sink.report(&errors::SCORE_CYCLE, declaration.at, &[name, &through.join(", ")]);
            return None;
        }
        if path.len() >= DEEPEST {
            let deep = (path.len() + 1).to_string();
            cx.sink.report(
                &errors::TOO_MANY,
                declaration.at,
                &["scores within each other", &deep, &DEEPEST.to_string()],
            );
            return None;
        }
        path.push(name);
        let mut inputs = Some(Vec::new());
        let mut count = 0;
        for part in declaration.inputs.iter().flatten() {
            let input = match part {
                Part::Score(weight, other) => {
                    let other = self.scores.get_key_value(other.as_str()).map(|(name, _)| name.as_str());
                    let nested = other.and_then(|other| self.score(other, path, cx));
                    nested.map(|nested| ir::Input { weight: *weight, of: ir::InputOf::Score(nested) })
                }
                Part::Signal(input) => self.signal(input, path, cx).then(|| input.clone()),
            };
            match (&mut inputs, input) {
                (Some(inputs), Some(mut input)) => {
                    input.signals(&mut |_, _| count += 1);
                    inputs.push(input);
                }
                _ => inputs = None,
            }
            if count > MOST_INPUTS {
                let (count, most) = (count.to_string(), MOST_INPUTS.to_string());
                cx.sink.report(&errors::TOO_MANY, declaration.at, &["inputs of a score", &count, &most]);
                inputs = None;
                break;
            }
        }
        path.pop();
        let inputs = inputs.filter(|_| declaration.inputs.is_some());
        self.done.insert(name, inputs.clone());
        inputs
    }

    /// Where an input is the output of a mapping, that one comes first. Says whether it can.
    fn signal(&mut self, input: &ir::Input, path: &mut Vec<&'a str>, cx: &mut Cx<'_>) -> bool {
        let ir::InputOf::Signal { signal, .. } = input.of else { return true };
        self.emitters.get(&signal).copied().is_none_or(|position| self.mapping(position, path, cx))
    }

    fn mapping(&mut self, position: usize, path: &mut Vec<&'a str>, cx: &mut Cx<'_>) -> bool {
        if self.order.contains(&position) {
            return true;
        }
        let mappings = self.mappings;
        let source = mappings[position].1.as_deref();
        let sound = source.is_some_and(|source| self.score(source, path, cx).is_some());
        if !self.order.contains(&position) {
            self.order.push(position);
        }
        sound
    }
}

fn score(item: &Score, names: &[&str], declared: &Declared, cx: &mut Cx<'_>) -> Option<Vec<Part>> {
    let at = (item.span, item.whole);
    if let Some(leaf) = cx.required(item.method.as_ref(), "the score", "method", at) {
        cx.choice(leaf, "method", &[("weighted_sum", ())], &[]);
    }
    let list = cx.required_part(item.inputs.as_ref(), "the score", "inputs", at)?;
    let inputs = all_sound(list.items.iter().map(|item| input(item, names, declared, cx)));
    if list.written == 0 {
        cx.sink.report(&errors::EMPTY_LIST, list.span, &["inputs"]);
    }
    inputs.filter(|inputs| inputs.len() == list.written && !inputs.is_empty())
}

fn input(item: &Input, names: &[&str], declared: &Declared, cx: &mut Cx<'_>) -> Option<Part> {
    let at = (item.span, item.whole);
    let number = |leaf: Option<&Leaf>, key: &str, default: f64, cx: &mut Cx<'_>| match leaf {
        Some(leaf) => cx.decimal(leaf, key, f64::MIN..=f64::MAX),
        None => Some(default),
    };
    let unsupported = [crate::ast::upstream::UNSUPPORTED_SIGNAL_TYPES, &["kb_metric"]].concat();
    let kind = cx.required(item.kind.as_ref(), "the input", "type", at);
    let kind = kind.and_then(|leaf| cx.choice(leaf, "type", Kind::ALL, &unsupported));
    let name = cx.required(item.name.as_ref(), "the input", "name", at);
    let weight = cx.required(item.weight.as_ref(), "the input", "weight", at);
    let weight = weight.and_then(|leaf| number(Some(leaf), "weight", 0.0, cx));
    let words: &[(&str, Source)] = match kind {
        Some(Kind::Projection) => &[("score", Source::Score), ("confidence", Source::Confidence)],
        _ => &[("binary", Source::Binary), ("confidence", Source::Confidence), ("raw", Source::Raw)],
    };
    let source = item.value_source.as_ref();
    let source = source.map_or(Some(words[0].1), |leaf| cx.choice(leaf, "value_source", words, &[]));
    let hit = number(item.hit.as_ref(), "match", 1.0, cx);
    let miss = number(item.miss.as_ref(), "miss", 0.0, cx);
    if source.is_some_and(|source| source != Source::Binary) {
        cx.no_effect(item.hit.as_ref(), "match", "where `value_source` is not `binary`");
        cx.no_effect(item.miss.as_ref(), "miss", "where `value_source` is not `binary`");
    }
    if let (Some(Source::Raw), Some(kind), Some(leaf)) = (source, kind, &item.value_source)
        && !kind.counts()
    {
        let message = format!("on a {} signal, which counts nothing", kind.word());
        cx.sink.report(&errors::KEY_WITHOUT_EFFECT, leaf.span, &["value_source", &message]);
    }
    let value = match source? {
        Source::Score => {
            let name = known_score(name?, names, cx)?;
            return Some(Part::Score(weight?, name));
        }
        Source::Binary => ir::InputValue::Binary { hit: hit?, miss: miss? },
        Source::Confidence => ir::InputValue::Confidence,
        Source::Raw => ir::InputValue::Raw,
    };
    let signal = kind.zip(name).and_then(|(kind, leaf)| declared.find(kind, leaf, cx))?;
    Some(Part::Signal(ir::Input { weight: weight?, of: ir::InputOf::Signal { signal, value } }))
}

/// What of an input is weighed.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Source {
    Binary,
    Confidence,
    Raw,
    Score,
}

/// The score that is named, if there is one.
fn known_score(leaf: &Leaf, names: &[&str], cx: &mut Cx<'_>) -> Option<String> {
    let name = cx.fixed(leaf, "name")?;
    if names.contains(&leaf.text.as_str()) {
        return Some(name);
    }
    let near = crate::ast::decode::nearest(&name, names.iter().copied());
    let help = near.map(|near| format!("did you mean `{near}`?"));
    cx.sink.report(&errors::UNKNOWN_SCORE, leaf.span, &[&name]).help(help);
    None
}

fn mapping(item: &Mapping, scores: &[&str], index: usize, declared: &mut Declared, cx: &mut Cx<'_>) -> Sourced {
    let at = (item.span, item.whole);
    let name = cx.required(item.name.as_ref(), "the mapping", "name", at);
    let name = name.and_then(|leaf| cx.name(leaf, "name")).unwrap_or_default();
    let source = cx.required(item.source.as_ref(), "the mapping", "source", at);
    let source = source.and_then(|leaf| known_score(leaf, scores, cx));
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
    (ir::Mapping { name, inputs: Vec::new(), first_only, slope, outputs }, source)
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
        // Where one is not there, the document is broken, and nobody will see this router.
        let mut sound = true;
        for input in &mut mapping.inputs {
            input.signals(&mut |signal, _| match id(Some(*signal)) {
                Some(used) => *signal = used,
                None => sound = false,
            });
        }
        sound.then_some(mapping)
    });
    renumbered.collect()
}
