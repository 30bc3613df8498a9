//! `algorithm`: how a decision chooses among its models. Prices, windows and qualities are settled here.

use super::models::Models;
use super::{Cx, units};
use crate::ast::decode::Leaf;
use crate::ast::node::Span;
use crate::ast::routing::{Algorithm, Ceilings, LatencyAware, MultiFactor, Objective, Weights};
use crate::ast::upstream;
use crate::{errors, ir};
use std::cmp::Reverse;
use std::time::Duration;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Static,
    Cost,
    LatencyAware,
    MultiFactor,
}

/// What factors weigh that are not told apart.
const ALIKE: [f64; 4] = [0.25; 4];

/// The algorithm of a decision that chooses among `among`; `at` is where the decision stands.
pub(super) fn lower(
    section: Option<&Algorithm>,
    among: &[usize],
    models: &Models,
    at: Span,
    cx: &mut Cx<'_>,
) -> ir::Algorithm {
    let Some(section) = section else { return ir::Algorithm::Static };
    let words = [
        ("static", Kind::Static),
        ("cost", Kind::Cost),
        ("latency_aware", Kind::LatencyAware),
        ("multi_factor", Kind::MultiFactor),
    ];
    let leaf = section.kind.as_ref();
    let kind = match leaf {
        Some(leaf) => cx.choice(leaf, "type", &words, upstream::UNSUPPORTED_ALGORITHMS),
        None => Some(Kind::Static),
    };
    let blocks = [
        (section.latency_aware.as_ref().map(|block| block.span), "latency_aware", Kind::LatencyAware),
        (section.multi_factor.as_ref().map(|block| block.span), "multi_factor", Kind::MultiFactor),
    ];
    for (span, name, of) in blocks {
        if let (Some(span), Some(kind)) = (span, kind)
            && of != kind
        {
            cx.sink.report(&errors::KEY_WITHOUT_EFFECT, span, &[name, &format!("without `type: {name}`")]);
        }
    }
    let latency_aware = section.latency_aware.as_ref().map(|block| latency_aware(block, cx));
    let multi_factor = section.multi_factor.as_ref().map(|block| multi_factor(block, among, models, cx));
    let at = leaf.map_or(at, |leaf| leaf.span);
    match kind {
        None | Some(Kind::Static) => ir::Algorithm::Static,
        // Nothing to choose among: the default model, or what was reported.
        _ if among.is_empty() => ir::Algorithm::Static,
        Some(Kind::Cost) => cost(among, models, at, cx),
        Some(Kind::LatencyAware) => latency_aware.unwrap_or_else(|| {
            if section.whole {
                cx.sink.report(&errors::MISSING_KEY, at, &["the algorithm", "latency_aware"]);
            }
            ir::Algorithm::Static
        }),
        Some(Kind::MultiFactor) => {
            let defaults = || {
                let otherwise = ir::Otherwise::Take(cheapest(among, models));
                ir::MultiFactor {
                    objective: ir::Objective::Weighted(ALIKE),
                    latency: ir::Latency::Either,
                    percentile: 95,
                    ceilings: ir::Ceilings::default(),
                    otherwise,
                }
            };
            ir::Algorithm::MultiFactor(multi_factor.unwrap_or_else(defaults))
        }
    }
}

/// By the price of prompt tokens, then of answers, then in the order of the document.
fn cost(among: &[usize], models: &Models, at: Span, cx: &mut Cx<'_>) -> ir::Algorithm {
    let mut prices = Vec::new();
    for (position, model) in among.iter().enumerate() {
        let model = &models.models[*model];
        match &model.pricing {
            Some(pricing) => prices.push((pricing.prompt, pricing.completion, position, &pricing.currency)),
            None => {
                cx.sink.report(&errors::NO_PRICE, at, &[&model.name]);
            }
        }
    }
    prices.sort();
    if let Some((_, _, _, currency)) = prices.iter().find(|price| price.3 != prices[0].3) {
        cx.sink.report(&errors::MIXED_CURRENCIES, at, &[prices[0].3, currency]);
    }
    let window = |position: &usize| models.models[among[*position]].context_window.unwrap_or(u64::MAX);
    let largest = (0..among.len()).max_by_key(|position| (window(position), Reverse(*position))).unwrap_or(0);
    ir::Algorithm::Cost { order: prices.iter().map(|price| price.2).collect(), largest }
}

/// The lowest price of prompt tokens; the first of equals, and of those without a price.
fn cheapest(among: &[usize], models: &Models) -> usize {
    let price = |position: &usize| models.models[among[*position]].pricing.as_ref().map_or(u64::MAX, |p| p.prompt);
    (0..among.len()).min_by_key(price).unwrap_or(0)
}

fn latency_aware(block: &LatencyAware, cx: &mut Cx<'_>) -> ir::Algorithm {
    let ttft = percentile(block.ttft_percentile.as_ref(), "ttft_percentile", cx);
    let tpot = percentile(block.tpot_percentile.as_ref(), "tpot_percentile", cx);
    if block.ttft_percentile.is_none() && block.tpot_percentile.is_none() && block.whole {
        let help = "or `ttft_percentile`, or both".to_owned();
        cx.sink.report(&errors::MISSING_KEY, block.span, &["the algorithm", "tpot_percentile"]).help(help);
    }
    ir::Algorithm::LatencyAware { ttft, tpot }
}

fn percentile(leaf: Option<&Leaf>, key: &str, cx: &mut Cx<'_>) -> Option<u8> {
    leaf.and_then(|leaf| cx.number(leaf, key, 1..=100)).and_then(|percentile| u8::try_from(percentile).ok())
}

fn multi_factor(block: &MultiFactor, among: &[usize], models: &Models, cx: &mut Cx<'_>) -> ir::MultiFactor {
    let objective = objective(block, cx);
    let metrics = [("tpot", ir::Latency::Tpot), ("ttft", ir::Latency::Ttft)];
    let latency = block.latency_metric.as_ref().and_then(|leaf| cx.choice(leaf, "latency_metric", &metrics, &[]));
    let latency = latency.unwrap_or(ir::Latency::Either);
    let ceilings = block.slo.as_ref().map(|ceilings| self::ceilings(ceilings, cx)).unwrap_or_default();
    let percentile = percentile(block.latency_percentile.as_ref(), "latency_percentile", cx).unwrap_or(95);
    let words = [
        ("cheapest", ir::Otherwise::Take(cheapest(among, models))),
        ("first", ir::Otherwise::Take(0)),
        ("fail", ir::Otherwise::Fail),
    ];
    let leaf = block.on_no_candidates.as_ref();
    let otherwise = leaf.and_then(|leaf| cx.choice(leaf, "on_no_candidates", &words, &[])).unwrap_or(words[0].1);
    ir::MultiFactor { objective, latency, percentile, ceilings, otherwise }
}

/// Weights go with the one strategy, priorities with the other.
fn objective(block: &MultiFactor, cx: &mut Cx<'_>) -> ir::Objective {
    let weights = block.weights.as_ref().map_or(ALIKE, |weights| self::weights(weights, cx));
    let Some(section) = &block.objective else { return ir::Objective::Weighted(weights) };
    let priorities = priorities(section, cx);
    let words = [("weighted", false), ("lexicographic", true)];
    let ordered = section.strategy.as_ref().map_or(Some(false), |leaf| cx.choice(leaf, "strategy", &words, &[]));
    match ordered {
        Some(true) => {
            if let Some(weights) = &block.weights {
                let why = "with `strategy: lexicographic`";
                cx.sink.report(&errors::KEY_WITHOUT_EFFECT, weights.span, &["weights", why]);
            }
            cx.required_part(section.priorities.as_ref(), "the objective", "priorities", (section.span, section.whole));
            ir::Objective::Ordered(priorities)
        }
        Some(false) => {
            if let Some(list) = &section.priorities {
                let why = "without `strategy: lexicographic`";
                cx.sink.report(&errors::KEY_WITHOUT_EFFECT, list.span, &["priorities", why]);
            }
            ir::Objective::Weighted(weights)
        }
        None => ir::Objective::Weighted(weights),
    }
}

fn priorities(section: &Objective, cx: &mut Cx<'_>) -> Vec<(ir::Factor, f64)> {
    let factors = [
        ("quality", ir::Factor::Quality),
        ("latency", ir::Factor::Latency),
        ("cost", ir::Factor::Cost),
        ("load", ir::Factor::Load),
    ];
    if let Some(list) = section.priorities.as_ref().filter(|list| list.written == 0) {
        cx.sink.report(&errors::EMPTY_LIST, list.span, &["priorities"]);
    }
    let mut out = Vec::new();
    let mut seen: Vec<(ir::Factor, Span)> = Vec::new();
    for item in section.priorities.iter().flat_map(|list| &list.items) {
        let tolerance = item.tolerance.as_ref().and_then(|leaf| cx.decimal(leaf, "tolerance", 0.0..=1.0));
        let leaf = cx.required(item.factor.as_ref(), "the priority", "factor", (item.span, item.whole));
        let Some(leaf) = leaf else { continue };
        let Some(factor) = cx.choice(leaf, "factor", &factors, &[]) else { continue };
        if let Some((_, first)) = seen.iter().find(|(other, _)| *other == factor) {
            let report = cx.sink.report(&errors::DUPLICATE_NAME, leaf.span, &["factor", &leaf.text]);
            report.related(*first, "first declared here").help("each factor stands once".to_owned());
        }
        seen.push((factor, leaf.span));
        out.push((factor, tolerance.unwrap_or(0.0)));
    }
    out
}

fn weights(section: &Weights, cx: &mut Cx<'_>) -> [f64; 4] {
    let mut weight = |leaf: Option<&Leaf>, key| number(leaf, key, cx).unwrap_or(0.25);
    let weights = [
        weight(section.quality.as_ref(), "quality"),
        weight(section.latency.as_ref(), "latency"),
        weight(section.cost.as_ref(), "cost"),
        weight(section.load.as_ref(), "load"),
    ];
    if weights == [0.0; 4] {
        cx.sink.report(&errors::NO_WEIGHT, section.span, &[]);
    }
    weights
}

fn ceilings(section: &Ceilings, cx: &mut Cx<'_>) -> ir::Ceilings {
    let mut time = |leaf: Option<&Leaf>, key| Some(Duration::from_secs_f64(number(leaf, key, cx)?.min(1e9) / 1e3));
    let tpot = time(section.max_tpot_ms.as_ref(), "max_tpot_ms");
    let ttft = time(section.max_ttft_ms.as_ref(), "max_ttft_ms");
    let cost = section.max_cost_per_1m.as_ref().and_then(|leaf| {
        let text = cx.fixed(leaf, "max_cost_per_1m")?;
        let price = units::price(&text).ok();
        if price.is_none() {
            cx.sink.report(&errors::BAD_PRICE, leaf.span, &["max_cost_per_1m", &text]);
        }
        price
    });
    let inflight = section.max_inflight.as_ref();
    let inflight = inflight.and_then(|leaf| cx.number(leaf, "max_inflight", 1..=i64::from(u32::MAX)));
    ir::Ceilings { tpot, ttft, cost, inflight: inflight.and_then(|most| u32::try_from(most).ok()) }
}

fn number(leaf: Option<&Leaf>, key: &str, cx: &mut Cx<'_>) -> Option<f64> {
    let leaf = leaf?;
    let text = cx.fixed(leaf, key)?;
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0);
    if number.is_none() {
        cx.sink.report(&errors::BAD_NUMBER, leaf.span, &[key, "a number of at least 0", &text]);
    }
    number
}
