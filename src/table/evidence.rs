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
        (0..Self::CAPACITY as u16).map(SignalId).filter(|id| self.has(*id))
    }
}

/// The confidence of a rule that is any of others: the best of those that match.
#[must_use]
pub fn best<const N: usize>(rules: [(bool, f64); N]) -> f64 {
    rules.into_iter().filter(|(matches, _)| *matches).fold(0.0, |best, (_, confidence)| f64::max(best, confidence))
}
