//! Which of its models a decision takes.

use super::live::Live;
use crate::table::{Algorithm, ModelId, MultiFactor, Otherwise, Tables};

/// The position of the chosen one among `models`, of which there is at least one. `None` where the decision would rather
/// fail. `tokens` is what the request needs of a context window.
pub(super) fn select(
    algorithm: Algorithm,
    models: &[ModelId],
    tables: &Tables,
    tokens: Option<u64>,
    live: &Live,
) -> Option<usize> {
    match algorithm {
        Algorithm::Static => Some(0),
        Algorithm::Cost { order, largest } => {
            let fits = |position: &u16| {
                let window = tables.model(models[usize::from(*position)]).context_window;
                window.is_none_or(|window| tokens.unwrap_or(0) <= window)
            };
            Some(usize::from(order.iter().copied().find(fits).unwrap_or(largest)))
        }
        Algorithm::LatencyAware { ttft, tpot } => Some(fastest(models, ttft, tpot, live).unwrap_or(0)),
        Algorithm::MultiFactor(factors) => weigh(factors, models, tables, live),
    }
}

/// The one whose percentiles are closest to the best of each kind. What was not measured takes no part.
fn fastest(models: &[ModelId], ttft: Option<u8>, tpot: Option<u8>, live: &Live) -> Option<usize> {
    let measured = |model: ModelId| {
        let ttft = ttft.map_or(Some(0.0), |percentile| Some(live.ttft(model, percentile)?.as_secs_f64()));
        let tpot = tpot.map_or(Some(0.0), |percentile| Some(live.tpot(model, percentile)?.as_secs_f64()));
        Some((ttft?, tpot?))
    };
    let all = || models.iter().enumerate().filter_map(|(n, model)| Some((n, measured(*model)?)));
    let best =
        all().fold((f64::INFINITY, f64::INFINITY), |best, (_, (ttft, tpot))| (best.0.min(ttft), best.1.min(tpot)));
    // Both kinds are divided by the best of all, so that a millisecond for a token is not drowned by a second to the first.
    let ratio = |value: f64, best: f64| if best > 0.0 { value / best } else { 0.0 };
    let score = |(ttft, tpot)| ratio(ttft, best.0) + ratio(tpot, best.1);
    all().min_by(|(_, a), (_, b)| score(*a).total_cmp(&score(*b))).map(|(n, _)| n)
}

/// What one model has to show.
struct Shown {
    quality: Option<f64>,
    latency: Option<f64>,
    cost: Option<f64>,
    load: Option<f64>,
}

/// One of these.
type Factor = fn(&Shown) -> Option<f64>;

fn weigh(factors: &MultiFactor, models: &[ModelId], tables: &Tables, live: &Live) -> Option<usize> {
    let within = || models.iter().enumerate().filter(|(_, model)| is_within(factors, **model, tables, live));
    let shown = |model: ModelId| Shown {
        quality: tables.model(model).quality,
        latency: (live.tpot(model, factors.percentile))
            .or_else(|| live.ttft(model, factors.percentile))
            .map(|latency| latency.as_secs_f64()),
        cost: tables.model(model).pricing.map(|pricing| pricing.prompt as f64),
        load: Some(f64::from(live.inflight(model))),
    };
    let range = |of: Factor| {
        let values = within().filter_map(|(_, model)| of(&shown(*model)));
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)))
    };
    let parts: [(f64, Factor, bool); 4] = [
        (factors.quality, |shown| shown.quality, true),
        (factors.latency, |shown| shown.latency, false),
        (factors.cost, |shown| shown.cost, false),
        (factors.load, |shown| shown.load, false),
    ];
    let parts = parts.map(|(weight, of, larger_is_better)| (weight, of, larger_is_better, range(of)));
    let score = |model: ModelId| {
        let shown = shown(model);
        let (mut sum, mut weights) = (0.0, 0.0);
        for (weight, of, larger_is_better, (low, high)) in &parts {
            // What a model does not show counts neither for it nor against it.
            let Some(value) = of(&shown).filter(|_| *weight > 0.0) else { continue };
            let share = if high > low { (value - low) / (high - low) } else { 0.5 };
            sum += weight * if *larger_is_better { share } else { 1.0 - share };
            weights += weight;
        }
        if weights > 0.0 { sum / weights } else { 0.0 }
    };
    // The first of equals.
    let mut best: Option<(usize, f64)> = None;
    for (position, model) in within() {
        let score = score(*model);
        if best.is_none_or(|(_, least)| score > least) {
            best = Some((position, score));
        }
    }
    match (best, factors.otherwise) {
        (Some((position, _)), _) => Some(position),
        (None, Otherwise::Take(position)) => Some(usize::from(position)),
        (None, Otherwise::Fail) => None,
    }
}

fn is_within(factors: &MultiFactor, model: ModelId, tables: &Tables, live: &Live) -> bool {
    let ceilings = &factors.ceilings;
    let below = |most: Option<std::time::Duration>, value: &dyn Fn() -> Option<std::time::Duration>| {
        most.is_none_or(|most| value().is_none_or(|value| value <= most))
    };
    let price = tables.model(model).pricing.map(|pricing| pricing.prompt);
    below(ceilings.tpot, &|| live.tpot(model, factors.percentile))
        && below(ceilings.ttft, &|| live.ttft(model, factors.percentile))
        && ceilings.cost.is_none_or(|most| price.is_none_or(|price| price <= most))
        && ceilings.inflight.is_none_or(|most| live.inflight(model) <= most)
}
