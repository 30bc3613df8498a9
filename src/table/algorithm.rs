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
    /// The one with the best weighted sum of quality, latency, cost and load.
    MultiFactor(&'static MultiFactor),
}

/// How models are weighed against each other.
#[derive(Debug, PartialEq)]
pub struct MultiFactor {
    /// Of the card's quality score. All weights are at least 0, and one is more.
    pub quality: f64,
    /// Of latency: of the time for a token, or to the first byte where that was not measured.
    pub latency: f64,
    /// Of the price of prompt tokens.
    pub cost: f64,
    /// Of the requests under way.
    pub load: f64,
    /// Which percentile of latencies counts, 1 to 100.
    pub percentile: u8,
    /// A model beyond one of these is not chosen.
    pub ceilings: Ceilings,
    /// What happens where all are beyond.
    pub otherwise: Otherwise,
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
