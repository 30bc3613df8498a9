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

/// Bytes of a text in which places are told: an explanation of a long text must not take long either.
const LOOKED_AT: usize = 64 << 10;

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

    /// Tells where patterns match `text`, the first `most` places of each: for explanations, which have time, but not all
    /// of it. The automaton only knows where matches end; a match begins at the last byte from which that end is still
    /// reached. What ends beyond [`LOOKED_AT`] is not looked for.
    pub(super) fn places(&self, text: &str, most: usize, tell: &mut dyn FnMut(u16, Range<usize>)) {
        let mut open: Vec<(usize, usize)> = Vec::new();
        // For each pattern, how many of these are its own and which is the last.
        let mut own = vec![(0, 0); self.terms.len()];
        self.ends(text.as_bytes(), |pattern, end| {
            let (count, last) = &mut own[pattern];
            match open.get_mut(*last) {
                // Ends one after the other are of one match that grows.
                Some((_, grown)) if *count > 0 && *grown + 1 == end => *grown = end,
                _ if *count < most => {
                    (*count, *last) = (*count + 1, open.len());
                    open.push((pattern, end));
                }
                _ => {}
            }
        });
        for (pattern, end) in open {
            tell(self.terms[pattern], self.start_of(text, pattern, end)..end);
        }
    }

    /// Every pattern with every offset at which a match of it ends.
    fn ends(&self, text: &[u8], mut tell: impl FnMut(usize, usize)) {
        let mut state = self.start;
        for end in 0..=text.len().min(LOOKED_AT) {
            state = match text.get(end) {
                Some(&byte) => self.dfa.next_state(state, byte),
                None => self.dfa.next_eoi_state(state),
            };
            if self.dfa.is_match_state(state) {
                (0..self.dfa.match_len(state)).for_each(|n| tell(self.dfa.match_pattern(state, n).as_usize(), end));
            }
        }
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
        // What reaches the end from one byte does so from all before it. A match is short beside its text, so the way goes
        // back from its end in steps that double.
        let (mut from, mut to, mut step) = (0, end, 1);
        while let Some(start) = end.checked_sub(step) {
            if reaches(start) {
                from = start;
                break;
            }
            (to, step) = (start, 2 * step);
        }
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
