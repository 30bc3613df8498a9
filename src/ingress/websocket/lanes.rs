//! Which request of a connection is answered when: those of a lane one after the other, lanes side by side, and no more at once
//! than a connection may have.
//!
//! It knows nothing of what is asked, and does no I/O.

use std::collections::{HashSet, VecDeque};

/// So many requests of one connection are answered at once.
const MAX_BUSY: usize = 16;

/// And so many wait.
const MAX_WAITING: usize = 64;

/// A connection may name so many lanes.
const MAX_NAMES: usize = 32;

/// A request, as far as its turn depends on it.
pub(super) trait Waits {
    /// Its lane; `None` is one, too.
    fn lane(&self) -> Option<&str>;

    /// Bytes that it keeps while it waits.
    fn size(&self) -> usize;
}

/// Why a request is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    /// There are too many lanes to begin another.
    Lanes,
    /// Too much waits.
    Waiting,
}

/// The lanes of a connection.
#[derive(Debug)]
pub(super) struct Lanes<T> {
    names: HashSet<String>,
    busy: Vec<Option<String>>,
    waiting: VecDeque<T>,
    /// What waits may have so many bytes.
    max_bytes: usize,
}

impl<T: Waits> Lanes<T> {
    pub(super) fn new(max_bytes: usize) -> Self {
        Lanes { names: HashSet::new(), busy: Vec::new(), waiting: VecDeque::new(), max_bytes }
    }

    /// Takes a request in, or gives it back.
    pub(super) fn push(&mut self, request: T) -> Result<(), (Full, T)> {
        let bytes: usize = self.waiting.iter().map(Waits::size).sum();
        let is_full = bytes.saturating_add(request.size()) > self.max_bytes && !self.waiting.is_empty();
        if is_full || self.waiting.len() == MAX_WAITING {
            return Err((Full::Waiting, request));
        }
        if let Some(lane) = request.lane()
            && !self.names.contains(lane)
        {
            if self.names.len() == MAX_NAMES {
                return Err((Full::Lanes, request));
            }
            self.names.insert(lane.to_owned());
        }
        self.waiting.push_back(request);
        Ok(())
    }

    /// The next one whose turn it is. Its lane is busy from here on.
    pub(super) fn next(&mut self) -> Option<T> {
        if self.busy.len() == MAX_BUSY {
            return None;
        }
        let is_busy = |lane: Option<&str>| self.busy.iter().any(|busy| busy.as_deref() == lane);
        let first = self.waiting.iter().position(|request| !is_busy(request.lane()))?;
        let request = self.waiting.remove(first)?;
        self.busy.push(request.lane().map(str::to_owned));
        Some(request)
    }

    /// The request of this lane is answered.
    pub(super) fn done(&mut self, lane: Option<&str>) {
        self.busy.retain(|busy| busy.as_deref() != lane);
    }

    /// Whether all are answered.
    pub(super) fn is_idle(&self) -> bool {
        self.busy.is_empty() && self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Waits for (Option<String>, usize) {
        fn lane(&self) -> Option<&str> {
            self.0.as_deref()
        }

        fn size(&self) -> usize {
            self.1
        }
    }

    fn request(lane: &str, n: usize) -> (Option<String>, usize) {
        ((!lane.is_empty()).then(|| lane.to_owned()), n)
    }

    fn next(lanes: &mut Lanes<(Option<String>, usize)>) -> Option<usize> {
        lanes.next().map(|(_, n)| n)
    }

    #[test]
    fn one_after_the_other_within_a_lane() {
        let mut lanes = Lanes::new(100);
        for (lane, n) in [("", 1), ("", 2), ("a", 3), ("a", 4), ("b", 5)] {
            lanes.push(request(lane, n)).unwrap();
        }
        assert_eq!(std::iter::from_fn(|| next(&mut lanes)).collect::<Vec<_>>(), [1, 3, 5]);
        lanes.done(Some("a"));
        assert_eq!((next(&mut lanes), next(&mut lanes)), (Some(4), None));
        lanes.done(None);
        assert_eq!((next(&mut lanes), next(&mut lanes)), (Some(2), None));
        assert!(!lanes.is_idle());
        [None, Some("a"), Some("b")].into_iter().for_each(|lane| lanes.done(lane));
        assert!(lanes.is_idle());
    }

    #[test]
    fn no_more_at_once_than_a_connection_may_have() {
        let mut lanes = Lanes::new(1000);
        (0..20).for_each(|n| lanes.push(request(&format!("l{n}"), n)).unwrap());
        assert_eq!(std::iter::from_fn(|| next(&mut lanes)).count(), MAX_BUSY);
        lanes.done(Some("l3"));
        assert_eq!((next(&mut lanes), next(&mut lanes)), (Some(16), None));
    }

    #[test]
    fn what_is_too_much_is_given_back() {
        let mut lanes = Lanes::new(usize::MAX);
        for n in 0..MAX_NAMES {
            lanes.push(request(&format!("l{n}"), 1)).unwrap();
        }
        assert_eq!(lanes.push(request("other", 1)), Err((Full::Lanes, request("other", 1))));
        for n in 0..MAX_WAITING - MAX_NAMES {
            lanes.push(request(["", "l1"][n % 2], 1)).unwrap();
        }
        assert_eq!(lanes.push(request("", 1)), Err((Full::Waiting, request("", 1))));

        let mut lanes = Lanes::new(10);
        lanes.push(request("", 50)).unwrap();
        assert_eq!(lanes.push(request("", 1)), Err((Full::Waiting, request("", 1))));
        assert_eq!(next(&mut lanes), Some(50));
        lanes.push(request("", 9)).unwrap();
        lanes.push(request("", 1)).unwrap();
        assert_eq!(lanes.push(request("", 1)), Err((Full::Waiting, request("", 1))));
    }
}
