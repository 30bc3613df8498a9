//! Runs a [`Patterns`] automaton over a text.

use super::{Error, found::Found};
use crate::table::Patterns;
use regex_automata::{
    Anchored,
    dfa::{Automaton as _, dense::DFA},
    util::{primitives::StateID, start},
};
use std::fmt;

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
