//! Algorithms: how a decision chooses among its models. What prices and cards say is settled here; what depends on the
//! moment is measured while the router runs.

use std::time::Duration;

/// How a decision chooses among its models. Positions are those of its `models`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Algorithm {
    /// The first one.
    Static,
    /// The cheapest one whose context window holds the request; the one with the largest window where none does.
    Cost {
        /// Cheapest first.
        order: &'static [u16],
        /// The one with the largest window.
        largest: u16,
    },
    /// The one with the best percentiles of latency; the first one as long as nothing was measured.
    LatencyAware {
        /// Which percentile of the time to the first byte counts, 1 to 100.
        ttft: Option<u8>,
        /// Which percentile of the time for a token counts, 1 to 100.
        tpot: Option<u8>,
    },
    /// The best one by quality, latency, cost and load.
    MultiFactor(&'static MultiFactor),
}

/// How models are compared by several factors.
#[derive(Debug, PartialEq)]
pub struct MultiFactor {
    /// What makes one of them the best.
    pub objective: Objective,
    /// Which time is the latency.
    pub latency: Latency,
    /// Which percentile of latencies counts, 1 to 100.
    pub percentile: u8,
    /// A model beyond one of these is not chosen.
    pub ceilings: Ceilings,
    /// What happens where all are beyond.
    pub otherwise: Otherwise,
}

/// What makes a model the best one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Objective {
    /// The sum of all factors, each on a scale from the worst to the best model. All weights are at least 0, and one is more.
    Weighted {
        /// Of the card's quality score.
        quality: f64,
        /// Of latency.
        latency: f64,
        /// Of the price of prompt tokens.
        cost: f64,
        /// Of the requests under way.
        load: f64,
    },
    /// One factor after the other: only models close to the best by one of them are compared by the next.
    Ordered(&'static [Priority]),
}

/// A factor in an order of factors.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Priority {
    /// Which one.
    pub factor: Factor,
    /// How far from the best model another may be, as a share of the best one's value: 0 to 1.
    pub tolerance: f64,
}

/// What models are compared by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Factor {
    /// The card's quality score: more is better, as it is nowhere else.
    Quality,
    /// The latency that was measured.
    Latency,
    /// The price of prompt tokens.
    Cost,
    /// The requests under way.
    Load,
}

/// Which time is the latency of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Latency {
    /// For a token; to the first byte where that was not measured.
    Either,
    /// For a token.
    Tpot,
    /// To the first byte.
    Ttft,
}

/// The most that a model may have to be chosen. What was not measured is within.
#[derive(Debug, PartialEq)]
pub struct Ceilings {
    /// Percentile of the time for a token.
    pub tpot: Option<Duration>,
    /// Percentile of the time to the first byte.
    pub ttft: Option<Duration>,
    /// Price of a prompt token in pico-units.
    pub cost: Option<u64>,
    /// Requests under way.
    pub inflight: Option<u32>,
}

/// What happens where no model is within its ceilings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Otherwise {
    /// The model at this position, which is the cheapest or the first.
    Take(u16),
    /// The request fails.
    Fail,
}

impl Algorithm {
    /// As the document writes it and `x-vsr-selected-algorithm` tells it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Algorithm::Static => "static",
            Algorithm::Cost { .. } => "cost",
            Algorithm::LatencyAware { .. } => "latency_aware",
            Algorithm::MultiFactor(_) => "multi_factor",
        }
    }

    /// Whether it looks at what is measured while the router runs.
    #[must_use]
    pub const fn measures(self) -> bool {
        matches!(self, Algorithm::LatencyAware { .. } | Algorithm::MultiFactor(_))
    }
}
