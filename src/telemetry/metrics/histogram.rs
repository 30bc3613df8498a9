//! Histograms of durations and counts with fixed buckets: two atomic additions per observation.

use super::cells::zeros;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

const MICROSECOND: u64 = 1_000;
const MILLISECOND: u64 = 1_000 * MICROSECOND;
const SECOND: u64 = 1_000 * MILLISECOND;

/// Upper bounds of the buckets, inclusive, ascending, in nanoseconds or as numbers. One more bucket takes what is above the last.
pub(super) type Bounds = &'static [u64];

/// Of the choice of a model: microseconds, unless the machine is starved.
pub(super) const ROUTING: Bounds = &[
    MICROSECOND,
    2 * MICROSECOND,
    5 * MICROSECOND,
    10 * MICROSECOND,
    20 * MICROSECOND,
    50 * MICROSECOND,
    100 * MICROSECOND,
    200 * MICROSECOND,
    500 * MICROSECOND,
    MILLISECOND,
    5 * MILLISECOND,
    25 * MILLISECOND,
    100 * MILLISECOND,
];

/// To the first byte of an answer: a cache hit of the provider at one end, a long prompt at the other.
pub(super) const FIRST_BYTE: Bounds = &[
    MILLISECOND,
    5 * MILLISECOND,
    10 * MILLISECOND,
    25 * MILLISECOND,
    50 * MILLISECOND,
    100 * MILLISECOND,
    250 * MILLISECOND,
    500 * MILLISECOND,
    SECOND,
    2 * SECOND + 500 * MILLISECOND,
    5 * SECOND,
    10 * SECOND,
    30 * SECOND,
    60 * SECOND,
];

/// To the last byte of an answer: up to the long streams of reasoning models.
pub(super) const COMPLETION: Bounds = &[
    5 * MILLISECOND,
    25 * MILLISECOND,
    100 * MILLISECOND,
    250 * MILLISECOND,
    500 * MILLISECOND,
    SECOND,
    2 * SECOND + 500 * MILLISECOND,
    5 * SECOND,
    10 * SECOND,
    20 * SECOND,
    30 * SECOND,
    60 * SECOND,
    120 * SECOND,
    300 * SECOND,
    600 * SECOND,
];

/// For an image.
pub(super) const IMAGE: Bounds =
    &[SECOND, 2 * SECOND, 5 * SECOND, 10 * SECOND, 20 * SECOND, 30 * SECOND, 60 * SECOND, 120 * SECOND, 300 * SECOND];

/// For each token of a stream: from small models on fast hardware to large ones under load.
pub(super) const PACE: Bounds = &[
    MILLISECOND,
    2 * MILLISECOND,
    5 * MILLISECOND,
    10 * MILLISECOND,
    20 * MILLISECOND,
    30 * MILLISECOND,
    50 * MILLISECOND,
    75 * MILLISECOND,
    100 * MILLISECOND,
    200 * MILLISECOND,
    500 * MILLISECOND,
    SECOND,
];

/// Of a request or an answer.
pub(super) const TOKENS: Bounds = &[16, 64, 256, 1_024, 4_096, 16_384, 32_768, 65_536, 131_072, 262_144, 1_048_576];

/// One histogram, or one worker's part of it.
#[derive(Debug)]
pub(super) struct Histogram {
    bounds: Bounds,
    counts: Box<[AtomicU64]>,
    /// Of all observations.
    sum: AtomicU64,
}

impl Histogram {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self { bounds, counts: zeros(bounds.len() + 1), sum: AtomicU64::new(0) }
    }

    pub(super) fn observe(&self, duration: Duration) {
        self.count(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX));
    }

    /// A number, where the bounds are numbers.
    pub(super) fn count(&self, number: u64) {
        let bucket = self.bounds.partition_point(|bound| *bound < number);
        self.counts[bucket].fetch_add(1, Relaxed);
        self.sum.fetch_add(number, Relaxed);
    }
}

/// The sum of the same histogram over all workers.
#[derive(Debug)]
pub(super) struct Snapshot {
    /// Upper bound, durations in seconds, and number of observations, not cumulative.
    pub(super) buckets: Vec<(f64, u64)>,
    /// Number of all observations: of the buckets as they were read, so that both always agree.
    pub(super) count: u64,
    /// Of all observations, durations in seconds.
    pub(super) sum: f64,
}

impl Snapshot {
    /// Sums the parts of a histogram of durations, which all have these bounds.
    pub(super) fn sum<'a>(bounds: Bounds, parts: impl Iterator<Item = &'a Histogram>) -> Self {
        Self::in_units(SECOND, bounds, parts)
    }

    /// The same of one of numbers.
    pub(super) fn of_counts<'a>(bounds: Bounds, parts: impl Iterator<Item = &'a Histogram>) -> Self {
        Self::in_units(1, bounds, parts)
    }

    fn in_units<'a>(unit: u64, bounds: Bounds, parts: impl Iterator<Item = &'a Histogram>) -> Self {
        let units = |value: u64| value as f64 / unit as f64;
        let ends = bounds.iter().map(|bound| units(*bound)).chain([f64::INFINITY]);
        let mut buckets: Vec<(f64, u64)> = ends.map(|end| (end, 0)).collect();
        let mut sum = 0_u64;
        for part in parts {
            for (bucket, count) in buckets.iter_mut().zip(&part.counts) {
                bucket.1 += count.load(Relaxed);
            }
            sum = sum.wrapping_add(part.sum.load(Relaxed));
        }
        let count = buckets.iter().map(|bucket| bucket.1).sum();
        Self { buckets, count, sum: units(sum) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_belongs_to_its_own_bucket_and_the_rest_to_the_last() {
        const BOUNDS: Bounds = &[10, 20];
        let (one, two) = (Histogram::new(BOUNDS), Histogram::new(BOUNDS));
        for nanoseconds in [0, 10, 11] {
            one.observe(Duration::from_nanos(nanoseconds));
        }
        two.observe(Duration::from_nanos(20));
        two.observe(Duration::from_nanos(21));
        let sum = Snapshot::sum(BOUNDS, [&one, &two].into_iter());
        assert_eq!(sum.buckets.iter().map(|b| b.1).collect::<Vec<_>>(), [2, 2, 1]);
        assert_eq!(sum.buckets.iter().map(|b| b.0).collect::<Vec<_>>(), [1e-8, 2e-8, f64::INFINITY]);
        assert_eq!(sum.count, 5);
        assert!((sum.sum - 62e-9).abs() < 1e-15, "{}", sum.sum);
    }

    #[test]
    fn bounds_ascend() {
        for bounds in [ROUTING, FIRST_BYTE, COMPLETION, IMAGE, PACE, TOKENS] {
            assert!(bounds.is_sorted_by(|a, b| a < b), "{bounds:?}");
        }
    }
}
