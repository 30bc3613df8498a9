//! The order in which stored responses leave: by the time at which they expire, and of the same second the older first.
//!
//! Expiry and the bounds both take from the front of it, so that one index serves both.

use std::ops::RangeInclusive;

/// Responses that expire within one second are told apart by the low bits.
const BITS: u32 = 20;

/// Gives each response a place in the order that no other has.
#[derive(Debug, Default)]
pub(super) struct Dues {
    last: u64,
}

impl Dues {
    /// The place of a response that expires then, in seconds since 1970.
    pub(super) fn next(&mut self, expires_at: u64) -> u64 {
        // More than a million in a second borrow from the next.
        self.last = first_of(expires_at).max(self.last.saturating_add(1));
        self.last
    }

    /// The place after one that somebody else has given.
    pub(super) fn after(&mut self, taken: u64) -> u64 {
        self.last = taken.saturating_add(1);
        self.last
    }
}

/// From a place to the last of its second.
pub(super) fn rest_of_second(place: u64) -> RangeInclusive<u64> {
    place..=place | ((1 << BITS) - 1)
}

/// The first place of that second. All that have expired at it lie before the first of the next.
fn first_of(second: u64) -> u64 {
    second.min(u64::MAX >> BITS) << BITS
}

/// What lies before this has expired.
pub(super) fn expired_before(now: u64) -> u64 {
    first_of(now.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_in_order_and_tell_what_has_expired() {
        let mut dues = Dues::default();
        let (a, b, c) = (dues.next(100), dues.next(100), dues.next(101));
        assert!(a < b && b < c);
        assert!(b < expired_before(100) && c >= expired_before(100));
        assert!(a >= expired_before(99));
        assert!(rest_of_second(a).contains(&b) && !rest_of_second(a).contains(&c));
        assert!(dues.after(c + 5) == c + 6 && dues.next(101) == c + 7);
        // A clock that goes back does not turn the order round.
        assert!(dues.next(50) > c);
    }

    #[test]
    fn the_end_of_time_is_a_time() {
        let mut dues = Dues::default();
        assert!(dues.next(u64::MAX) < u64::MAX);
        assert!(dues.next(u64::MAX) >= expired_before(1 << 40));
    }
}
