//! Tokens and what they cost, by model.

use super::cells::Grid;
use super::histogram::{Histogram, PACE, TOKENS};
use crate::protocol::event::Usage;
use crate::table::{ModelId, Tables};
use crate::telemetry::cost::cost;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// One worker's counts.
#[derive(Debug)]
pub struct UsageCounts {
    tables: &'static Tables,
    /// By model and [`Side`].
    tokens: Grid,
    /// By model.
    cost: Box<[Wide]>,
    /// By model: tokens of a request.
    pub(super) prompt: Box<[Histogram]>,
    /// By model: tokens of an answer.
    pub(super) completion: Box<[Histogram]>,
    /// By model: time a token of a stream.
    pub(super) pace: Box<[Histogram]>,
}

/// Where tokens stand.
#[derive(Debug, Clone, Copy)]
pub(super) enum Side {
    Prompt,
    Completion,
}

impl UsageCounts {
    pub(super) fn new(tables: &'static Tables) -> Self {
        let models = tables.models.len();
        let histograms = |bounds| (0..models).map(|_| Histogram::new(bounds)).collect();
        Self {
            tables,
            tokens: Grid::new(models, 2),
            cost: (0..models).map(|_| Wide::default()).collect(),
            prompt: histograms(TOKENS),
            completion: histograms(TOKENS),
            pace: histograms(PACE),
        }
    }

    /// A request took so many tokens of a model. To be told once.
    pub fn used(&self, model: ModelId, usage: &Usage) {
        let row = usize::from(model.0);
        let (prompt, completion) = (usage.prompt(), usage.completion());
        self.tokens.add_many(row, Side::Prompt as usize, prompt);
        self.tokens.add_many(row, Side::Completion as usize, completion);
        self.prompt[row].count(prompt);
        self.completion[row].count(completion);
        if let Some(pricing) = &self.tables.model(model).pricing {
            self.cost[row].add(cost(pricing, usage));
        }
    }

    /// From its first to its last byte, a stream of so many tokens took so long.
    pub fn streamed(&self, model: ModelId, completion: u64, took: Duration) {
        // The first token is there with the first byte.
        if let Some(further) = completion.checked_sub(1).filter(|further| *further > 0) {
            let nanoseconds = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
            self.pace[usize::from(model.0)].observe(Duration::from_nanos(nanoseconds / further));
        }
    }

    pub(super) fn tokens(&self, row: usize, side: Side) -> u64 {
        self.tokens.get(row, side as usize)
    }

    /// In pico-units of the model's currency.
    pub(super) fn cost(&self, row: usize) -> u128 {
        self.cost[row].get()
    }
}

/// A counter of 128 bits: 64 would be full after a few hundred dollars in some currencies.
#[derive(Debug, Default)]
struct Wide {
    low: AtomicU64,
    high: AtomicU64,
}

impl Wide {
    fn add(&self, amount: u128) {
        let (low, high) = (amount as u64, (amount >> 64) as u64);
        let before = self.low.fetch_add(low, Relaxed);
        // Whoever makes it wrap carries, so that no carry is lost or made twice.
        let carry = high.wrapping_add(u64::from(before.checked_add(low).is_none()));
        if carry > 0 {
            self.high.fetch_add(carry, Relaxed);
        }
    }

    fn get(&self) -> u128 {
        (u128::from(self.high.load(Relaxed)) << 64) | u128::from(self.low.load(Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::Wide;

    #[test]
    fn sums_go_beyond_64_bits() {
        let wide = Wide::default();
        let mut sum = 0_u128;
        for amount in [1, u128::from(u64::MAX), 7 << 70, u128::from(u64::MAX) - 3, 5] {
            wide.add(amount);
            sum += amount;
            assert_eq!(wide.get(), sum);
        }
    }
}
