//! Runs a [`Literals`] automaton over a text.

use super::{Error, found::Found, words::is_spaced_word};
use crate::table::{Edge, Literals, Term};
use std::fmt;
use std::ops::Range;

/// Walks over a text at once. More than two gain nothing that could be measured.
const LANES: usize = 2;

/// Bytes that a walk must have before it for several to be worth their start.
const MIN_PART: usize = 64;

/// An automaton that is ready to run.
pub(super) struct Scanner {
    automaton: &'static Literals,
    /// Class of each byte.
    classes: &'static [u8; 256],
    /// Next states by class, then state.
    next: &'static [[u8; 2]],
}

impl Scanner {
    pub(super) fn new(automaton: &'static Literals) -> Result<Self, Error> {
        let (classes, next) = automaton.table.split_first_chunk().ok_or(Error::Literals)?;
        let (next, rest) = next.as_chunks();
        let columns = usize::from(classes.iter().copied().max().unwrap_or(0)) + 1;
        if next.len() != columns * automaton.states || !rest.is_empty() {
            return Err(Error::Literals);
        }
        Ok(Scanner { automaton, classes, next })
    }

    /// How many terms it tells apart.
    pub(super) fn terms(&self) -> usize {
        self.automaton.terms.len()
    }

    /// Marks the terms that stand in `text`.
    ///
    /// One walk mostly waits for memory to tell its next state, so a text of some length is walked in [`LANES`] parts at
    /// once. Each walk goes on beyond its part for as far as a keyword that began in the part can reach.
    pub(super) fn scan(&self, text: &str, found: &mut Found<'_>) {
        let bytes = text.as_bytes();
        let part = bytes.len() / LANES;
        if part < MIN_PART.max(self.automaton.longest) {
            self.walk(0, text, 0, bytes.len(), found);
            return;
        }
        let mut states = [0; LANES];
        for at in 0..part {
            for (lane, state) in states.iter_mut().enumerate() {
                let at = lane * part + at;
                *state = self.step(*state, bytes[at]);
                if *state >= self.automaton.first_match {
                    self.mark(*state, text, at + 1, found);
                }
            }
        }
        for (lane, state) in states.into_iter().enumerate() {
            let end = (lane + 1) * part;
            let reach = if lane + 1 == LANES { bytes.len() } else { end + self.automaton.longest };
            self.walk(state, text, end, reach.min(bytes.len()), found);
        }
    }

    /// Calls `hit` with the index, the length in characters and the end of each keyword that stands in `text`, from left to right, overlaps included.
    pub(super) fn each(&self, text: &str, mut hit: impl FnMut(usize, usize, usize)) {
        let mut state = 0;
        for (at, &byte) in text.as_bytes().iter().enumerate() {
            state = self.step(state, byte);
            if state >= self.automaton.first_match {
                for index in self.automaton.matches[usize::from(state - self.automaton.first_match)] {
                    let term = &self.automaton.terms[usize::from(*index)];
                    if is_meant(term, text, at + 1) {
                        hit(usize::from(*index), usize::from(term.chars), at + 1);
                    }
                }
            }
        }
    }

    /// Tells where terms stand in `text`: for explanations, which have time.
    pub(super) fn places(&self, text: &str, tell: &mut dyn FnMut(u16, Range<usize>)) {
        let mut state = 0;
        for (at, &byte) in text.as_bytes().iter().enumerate() {
            state = self.step(state, byte);
            if state >= self.automaton.first_match {
                for index in self.automaton.matches[usize::from(state - self.automaton.first_match)] {
                    let term = &self.automaton.terms[usize::from(*index)];
                    if is_meant(term, text, at + 1) {
                        let first = text[..=at].char_indices().rev().nth(usize::from(term.chars).saturating_sub(1));
                        tell(term.term, first.map_or(0, |(start, _)| start)..at + 1);
                    }
                }
            }
        }
    }

    fn walk(&self, mut state: u16, text: &str, from: usize, to: usize, found: &mut Found<'_>) {
        for (at, &byte) in text.as_bytes()[from..to].iter().enumerate() {
            state = self.step(state, byte);
            if state >= self.automaton.first_match {
                self.mark(state, text, from + at + 1, found);
            }
        }
    }

    /// Which column is known before the state is: only the last load waits for the one of the step before.
    #[inline(always)]
    fn step(&self, state: u16, byte: u8) -> u16 {
        let states = self.automaton.states;
        let column = &self.next[usize::from(self.classes[usize::from(byte)]) * states..][..states];
        u16::from_le_bytes(column[usize::from(state)])
    }

    #[cold]
    fn mark(&self, state: u16, text: &str, end: usize, found: &mut Found<'_>) {
        for index in self.automaton.matches[usize::from(state - self.automaton.first_match)] {
            let term = &self.automaton.terms[usize::from(*index)];
            if !found.has(term.term) && is_meant(term, text, end) {
                found.insert(term.term);
            }
        }
    }
}

impl fmt::Debug for Scanner {
    /// Without the table, which is long.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scanner").field("terms", &self.automaton.terms.len()).finish_non_exhaustive()
    }
}

/// Whether a match that ends at `end` has the case and the edges that its term asks for.
fn is_meant(term: &Term, text: &str, end: usize) -> bool {
    // A keyword ends where a character ends.
    let Some((head, tail)) = text.split_at_checked(end) else {
        return false;
    };
    let word = |c: Option<char>| c.is_some_and(is_spaced_word);
    term.exact.is_none_or(|exact| head.ends_with(exact))
        && (term.right == Edge::Any || !word(tail.chars().next()))
        && (term.left == Edge::Any || !word(head.chars().rev().nth(usize::from(term.chars))))
}
