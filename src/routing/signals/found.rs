//! A bit for each term that was found.

use crate::table::Terms;

/// Bits in borrowed memory, by number of the term.
#[derive(Debug)]
pub(super) struct Found<'a>(pub(super) &'a mut [u64]);

impl Found<'_> {
    pub(super) fn insert(&mut self, term: u16) {
        self.0[usize::from(term) / 64] |= 1 << (term % 64);
    }

    pub(super) fn has(&self, term: u16) -> bool {
        self.0[usize::from(term) / 64] & (1 << (term % 64)) != 0
    }

    /// Whether one of these was found.
    pub(super) fn any(&self, terms: Terms) -> bool {
        (terms.first..terms.first + terms.count).any(|term| self.has(term))
    }
}
