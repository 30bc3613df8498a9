//! What was noticed about one request: the signals that matched, and the numbers that some of them come with.

use super::SignalId;

/// Index of a number that a signal measures: how sure it is, or what it counted. Below [`SignalSet::MEASURES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MeasureId(pub u8);

/// The signals that matched for one request, and what they measured.
#[derive(Debug, Clone, PartialEq)]
pub struct SignalSet {
    bits: [u64; SignalSet::WORDS],
    measures: [f64; SignalSet::MEASURES],
}

impl SignalSet {
    const WORDS: usize = 16;

    /// How many signals a router can have.
    pub const CAPACITY: usize = Self::WORDS * 64;

    /// How many numbers they can measure. Most signals need none: how sure they are is known to the compiler.
    pub const MEASURES: usize = 64;

    /// No signal matched.
    pub const EMPTY: SignalSet = SignalSet { bits: [0; Self::WORDS], measures: [0.0; Self::MEASURES] };

    /// Marks a signal as matched.
    pub fn insert(&mut self, id: SignalId) {
        self.bits[usize::from(id.0) / 64] |= 1 << (id.0 % 64);
    }

    /// Whether a signal matched.
    #[inline]
    #[must_use]
    pub const fn has(&self, id: SignalId) -> bool {
        self.bits[(id.0 / 64) as usize] & (1 << (id.0 % 64)) != 0
    }

    /// Notes what was measured.
    pub fn note(&mut self, id: MeasureId, value: f64) {
        self.measures[usize::from(id.0)] = value;
    }

    /// What was measured; 0 where nothing was.
    #[inline]
    #[must_use]
    pub const fn measure(&self, id: MeasureId) -> f64 {
        self.measures[id.0 as usize]
    }

    /// The matched signals in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = SignalId> + '_ {
        self.bits.iter().zip(0u16..).flat_map(|(&word, n)| {
            let mut left = word;
            std::iter::from_fn(move || {
                let bit = (left != 0).then(|| left.trailing_zeros())?;
                left &= left - 1;
                Some(SignalId(n * 64 + bit as u16))
            })
        })
    }
}

/// The confidence of a rule that is any of others: the best of those that match.
#[must_use]
pub fn best<const N: usize>(rules: [(bool, f64); N]) -> f64 {
    rules.into_iter().filter(|(matches, _)| *matches).fold(0.0, |best, (_, confidence)| f64::max(best, confidence))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_inserted_is_listed() {
        let mut set = SignalSet::EMPTY;
        let last = SignalSet::CAPACITY as u16 - 1;
        for id in [last, 64, 0, 63, 700, 64] {
            set.insert(SignalId(id));
        }
        assert_eq!(set.iter().map(|id| id.0).collect::<Vec<_>>(), [0, 63, 64, 700, last]);
        assert!(set.has(SignalId(63)) && !set.has(SignalId(62)));
        assert_eq!(SignalSet::EMPTY.iter().count(), 0);
    }

    #[test]
    fn the_best_of_those_that_match() {
        assert_eq!(best([(true, 0.5), (false, 1.0), (true, 0.75)]), 0.75);
        assert_eq!(best([(false, 1.0)]), 0.0);
    }
}
