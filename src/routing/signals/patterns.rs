//! Runs a [`Patterns`] automaton over a text.

use super::{Error, found::Found};
use crate::table::Patterns;
use regex_automata::{
    Anchored,
    dfa::{Automaton as _, dense::DFA},
    util::{primitives::StateID, start},
};
use std::fmt;
use std::ops::Range;

/// An automaton that is ready to run.
pub(super) struct Scanner {
    dfa: DFA<&'static [u32]>,
    start: StateID,
    terms: &'static [u16],
}

impl Scanner {
    pub(super) fn new(automaton: &'static Patterns) -> Result<Self, Error> {
        let (dfa, _) = DFA::from_bytes(&automaton.dfa.bytes)?;
        // A text is always looked at from its very start, so the state to start in is always the same.
        let start = dfa.start_state(&start::Config::new().anchored(Anchored::No))?;
        Ok(Scanner { dfa, start, terms: automaton.terms })
    }

    /// Marks the terms that stand in `text`.
    pub(super) fn scan(&self, text: &str, found: &mut Found<'_>) {
        let mut state = self.start;
        for &byte in text.as_bytes() {
            state = self.dfa.next_state(state, byte);
            if self.dfa.is_special_state(state) {
                if !self.dfa.is_match_state(state) {
                    return; // dead: no pattern can match any more
                }
                self.mark(state, found);
            }
        }
        state = self.dfa.next_eoi_state(state);
        if self.dfa.is_match_state(state) {
            self.mark(state, found);
        }
    }

    /// Tells where patterns match `text`: for explanations, which have time. The automaton only knows where matches end; a
    /// match begins at the last byte from which that end is still reached.
    pub(super) fn places(&self, text: &str, tell: &mut dyn FnMut(u16, Range<usize>)) {
        let mut open: Vec<(usize, usize)> = Vec::new();
        for (pattern, end) in self.ends(text.as_bytes()) {
            // Ends one after the other are of one match that grows.
            match open.iter_mut().find(|(other, last)| *other == pattern && *last + 1 == end) {
                Some((_, last)) => *last = end,
                None => open.push((pattern, end)),
            }
        }
        for (pattern, end) in open {
            tell(self.terms[pattern], self.start_of(text, pattern, end)..end);
        }
    }

    /// Every pattern with every offset at which a match of it ends.
    fn ends(&self, text: &[u8]) -> Vec<(usize, usize)> {
        let mut ends = Vec::new();
        let mut state = self.start;
        for end in 0..=text.len() {
            state = match text.get(end) {
                Some(&byte) => self.dfa.next_state(state, byte),
                None => self.dfa.next_eoi_state(state),
            };
            if self.dfa.is_match_state(state) {
                ends.extend((0..self.dfa.match_len(state)).map(|n| (self.dfa.match_pattern(state, n).as_usize(), end)));
            }
        }
        ends
    }

    fn start_of(&self, text: &str, pattern: usize, end: usize) -> usize {
        let reaches = |start: usize| {
            let before = start.checked_sub(1).map(|at| text.as_bytes()[at]);
            let config = start::Config::new().anchored(Anchored::No).look_behind(before);
            let Ok(mut state) = self.dfa.start_state(&config) else { return false };
            for &byte in &text.as_bytes()[start..end] {
                state = self.dfa.next_state(state, byte);
            }
            state = match text.as_bytes().get(end) {
                Some(&byte) => self.dfa.next_state(state, byte),
                None => self.dfa.next_eoi_state(state),
            };
            let matches = self.dfa.is_match_state(state);
            matches && (0..self.dfa.match_len(state)).any(|n| self.dfa.match_pattern(state, n).as_usize() == pattern)
        };
        // What reaches the end from one byte does so from all before it.
        let (mut from, mut to) = (0, end);
        while from < to {
            let middle = from + (to - from).div_ceil(2);
            if reaches(middle) { from = middle } else { to = middle - 1 }
        }
        (0..=from).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
    }

    #[cold]
    fn mark(&self, state: StateID, found: &mut Found<'_>) {
        for n in 0..self.dfa.match_len(state) {
            found.insert(self.terms[self.dfa.match_pattern(state, n).as_usize()]);
        }
    }
}

impl fmt::Debug for Scanner {
    /// Without the table, which is long.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scanner").field("terms", &self.terms.len()).finish_non_exhaustive()
    }
}
