//! Which of its models a decision takes.

use super::live::Live;
use crate::table::{Algorithm, Factor, Latency, ModelId, MultiFactor, Objective, Otherwise, Priority, Tables};
use std::time::Duration;

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
        Algorithm::MultiFactor(factors) => compare(factors, models, tables, live),
    }
}

/// The first one that is due to be measured, else the one whose percentiles are closest to the best of each kind. What was
/// not measured takes no part there.
fn fastest(models: &[ModelId], ttft: Option<u8>, tpot: Option<u8>, live: &Live) -> Option<usize> {
    if let Some(due) = models.iter().position(|model| live.is_due(*model)) {
        return Some(due);
    }
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

/// What models are compared by, and what each of them has to show.
struct Shown<'a> {
    factors: &'a MultiFactor,
    models: &'a [ModelId],
    tables: &'a Tables,
    live: &'a Live,
}

impl Shown<'_> {
    /// `None` where it is not known.
    fn of(&self, position: usize, factor: Factor) -> Option<f64> {
        let model = self.models[position];
        match factor {
            Factor::Quality => self.tables.model(model).quality,
            Factor::Latency => self.latency(model).map(|latency| latency.as_secs_f64()),
            Factor::Cost => self.tables.model(model).pricing.map(|pricing| pricing.prompt as f64),
            Factor::Load => Some(f64::from(self.live.inflight(model))),
        }
    }

    fn is_due(&self, position: usize) -> bool {
        self.live.is_due(self.models[position])
    }

    fn latency(&self, model: ModelId) -> Option<Duration> {
        let percentile = self.factors.percentile;
        let (tpot, ttft) = (|| self.live.tpot(model, percentile), || self.live.ttft(model, percentile));
        match self.factors.latency {
            Latency::Either => tpot().or_else(ttft),
            Latency::Tpot => tpot(),
            Latency::Ttft => ttft(),
        }
    }
}

fn compare(factors: &MultiFactor, models: &[ModelId], tables: &Tables, live: &Live) -> Option<usize> {
    let shown = Shown { factors, models, tables, live };
    let within: Vec<usize> = (0..models.len()).filter(|n| is_within(factors, models[*n], tables, live)).collect();
    if within.is_empty() {
        return match factors.otherwise {
            Otherwise::Take(position) => Some(usize::from(position)),
            Otherwise::Fail => None,
        };
    }
    match factors.objective {
        Objective::Weighted { quality, latency, cost, load } => {
            let weights =
                [(Factor::Quality, quality), (Factor::Latency, latency), (Factor::Cost, cost), (Factor::Load, load)];
            weigh(&weights, &within, &shown)
        }
        Objective::Ordered(priorities) => first_by(priorities, within, &shown),
    }
}

/// The one with the best weighted sum; of equals, the first that is due to be measured, else the first.
fn weigh(weights: &[(Factor, f64)], within: &[usize], shown: &Shown<'_>) -> Option<usize> {
    let scales: Vec<_> = weights
        .iter()
        .filter(|(_, weight)| *weight > 0.0)
        .map(|(factor, weight)| {
            let values = within.iter().filter_map(|position| shown.of(*position, *factor));
            let range = |(low, high): (f64, f64), value: f64| (low.min(value), high.max(value));
            (*factor, *weight, values.fold((f64::INFINITY, f64::NEG_INFINITY), range))
        })
        .collect();
    let score = |position: usize| {
        let (mut sum, mut weights) = (0.0, 0.0);
        for (factor, weight, (low, high)) in &scales {
            // What is due to be measured may be the best; else what a model does not show counts neither for nor against it.
            if *factor == Factor::Latency && shown.is_due(position) {
                (sum, weights) = (sum + weight, weights + weight);
                continue;
            }
            let Some(value) = shown.of(position, *factor) else { continue };
            let share = if high > low { (value - low) / (high - low) } else { 0.5 };
            sum += weight * if *factor == Factor::Quality { share } else { 1.0 - share };
            weights += weight;
        }
        if weights > 0.0 { sum / weights } else { 0.0 }
    };
    let by_latency = scales.iter().any(|(factor, ..)| *factor == Factor::Latency);
    let mut best: Option<(usize, f64, bool)> = None;
    for &position in within {
        let (score, due) = (score(position), by_latency && shown.is_due(position));
        if best.is_none_or(|(_, least, was_due)| score > least || (score >= least && due && !was_due)) {
            best = Some((position, score, due));
        }
    }
    best.map(|(position, ..)| position)
}

/// The first one of those that are left when each factor has left only what is close to its best.
fn first_by(priorities: &[Priority], mut left: Vec<usize>, shown: &Shown<'_>) -> Option<usize> {
    for Priority { factor, tolerance } in priorities {
        if *factor == Factor::Latency
            && let Some(due) = left.iter().find(|position| shown.is_due(**position))
        {
            return Some(*due);
        }
        let more_is_better = *factor == Factor::Quality;
        let better = if more_is_better { f64::max } else { f64::min };
        // Looked at once: what is measured changes meanwhile.
        let known: Vec<_> = left.iter().filter_map(|n| Some((*n, shown.of(*n, *factor)?))).collect();
        // A factor of which nothing is known tells nobody apart. Where it is known of some, it rules out the others.
        let Some(best) = known.iter().map(|(_, value)| *value).reduce(better) else { continue };
        let margin = best.abs() * tolerance;
        let close = |value: f64| if more_is_better { value >= best - margin } else { value <= best + margin };
        left = known.into_iter().filter(|(_, value)| close(*value)).map(|(position, _)| position).collect();
    }
    left.first().copied()
}

fn is_within(factors: &MultiFactor, model: ModelId, tables: &Tables, live: &Live) -> bool {
    let ceilings = &factors.ceilings;
    let below = |most: Option<Duration>, value: &dyn Fn() -> Option<Duration>| {
        most.is_none_or(|most| value().is_none_or(|value| value <= most))
    };
    let price = tables.model(model).pricing.map(|pricing| pricing.prompt);
    below(ceilings.tpot, &|| live.tpot(model, factors.percentile))
        && below(ceilings.ttft, &|| live.ttft(model, factors.percentile))
        && ceilings.cost.is_none_or(|most| price.is_none_or(|price| price <= most))
        && ceilings.inflight.is_none_or(|most| live.inflight(model) <= most)
}
