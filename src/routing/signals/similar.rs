//! Finds keywords that share groups of letters with a word of the text, or with all of it where that is short.

use super::found::Found;
use crate::table::Similar;
use std::ops::Range;

/// Makes room for what is counted, once for a text.
struct Counting {
    /// The word, spaces around it included.
    padded: Vec<char>,
    /// Where its groups begin, in the order of the groups.
    starts: Vec<usize>,
    /// How many groups each keyword shares with it.
    shared: Vec<usize>,
    /// The keywords that share any.
    touched: Vec<usize>,
}

/// Marks the terms that some word of `text` is similar to.
pub(super) fn scan(similar: &Similar, text: &str, found: &mut Found<'_>) {
    each(similar, text, &mut |term, _| found.insert(term));
}

/// Calls with each term and each word that is similar to it, and with the whole text where that is.
pub(super) fn each(similar: &Similar, text: &str, tell: &mut dyn FnMut(u16, Range<usize>)) {
    let mut counting =
        Counting { padded: Vec::new(), starts: Vec::new(), shared: vec![0; similar.terms.len()], touched: Vec::new() };
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    let mut from = 0;
    for (at, c) in text.char_indices().chain(std::iter::once((text.len(), ' '))) {
        if !is_word(c) {
            if from < at {
                counting.compare(similar, text, from..at, tell);
            }
            from = at + c.len_utf8();
        }
    }
    counting.compare(similar, text, 0..text.len(), tell);
}

impl Counting {
    fn compare(&mut self, similar: &Similar, text: &str, at: Range<usize>, tell: &mut dyn FnMut(u16, Range<usize>)) {
        // A character has four bytes at most, and becomes at most three in lower case.
        if at.is_empty() || at.len() / 4 > similar.longest as usize {
            return;
        }
        let around = std::iter::repeat_n(' ', usize::from(similar.arity) - 1);
        self.padded.clear();
        self.padded.extend(around.clone());
        let word = text[at.clone()].chars();
        if similar.case_sensitive {
            self.padded.extend(word);
        } else {
            self.padded.extend(word.flat_map(char::to_lowercase));
        }
        self.padded.extend(around.clone());
        if self.padded.len() > similar.longest as usize + 2 * around.count() {
            return;
        }
        let groups = self.count(similar);
        for position in self.touched.drain(..) {
            let shared = std::mem::take(&mut self.shared[position]);
            let (term, of_keyword) = similar.terms[position];
            if similarity(shared, groups + usize::from(of_keyword) - shared) >= similar.threshold {
                tell(term, at.clone());
            }
        }
    }

    /// Counts what the keywords share with the word, and tells how many groups that has.
    fn count(&mut self, similar: &Similar) -> usize {
        let arity = usize::from(similar.arity);
        let gram = |start: usize| &self.padded[start..start + arity];
        self.starts.clear();
        self.starts.extend(0..=self.padded.len() - arity);
        self.starts.sort_unstable_by(|one, other| gram(*one).cmp(gram(*other)));
        for same in self.starts.chunk_by(|one, other| gram(*one) == gram(*other)) {
            let own = gram(same[0]);
            let found = similar.grams.binary_search_by(|other| other.text.chars().cmp(own.iter().copied()));
            let Ok(found) = found else { continue };
            for (position, count) in similar.grams[found].stands {
                let position = usize::from(*position);
                if self.shared[position] == 0 {
                    self.touched.push(position);
                }
                self.shared[position] += same.len().min(usize::from(*count));
            }
        }
        self.starts.len()
    }
}

/// How much of `all` groups is shared. The squares let a few that differ weigh little.
fn similarity(shared: usize, all: usize) -> f32 {
    let (all, differ) = (all as f32, (all - shared) as f32);
    (all.powf(2.0) - differ.powf(2.0)) / all.powf(2.0)
}
