//! Finds keywords that a word of the text becomes with a few edits.

use super::found::Found;
use crate::table::Near;
use std::ops::Range;

/// Keywords, ready to be compared.
#[derive(Debug)]
pub(super) struct Scanner {
    terms: Box<[Keyword]>,
    /// The most characters that a word can have which is near to one of them.
    longest: usize,
}

#[derive(Debug)]
struct Keyword {
    term: u16,
    letters: Box<[char]>,
    edits: usize,
}

impl Scanner {
    pub(super) fn new(near: &'static Near) -> Scanner {
        let keyword = |near: &'static crate::table::NearTerm| Keyword {
            term: near.term,
            letters: near.text.chars().collect(),
            edits: usize::from(near.edits),
        };
        let terms: Box<[Keyword]> = near.terms.iter().map(keyword).collect();
        let longest = terms.iter().map(|keyword| keyword.letters.len() + keyword.edits).max().unwrap_or(0);
        Scanner { terms, longest }
    }

    /// Marks the terms that some word of `text` is near to.
    pub(super) fn scan(&self, text: &str, found: &mut Found<'_>) {
        self.words(text, &mut |word, _| {
            for keyword in self.terms.iter().filter(|keyword| keyword.is_near(word)) {
                found.insert(keyword.term);
            }
        });
    }

    /// Tells which words those are: for explanations.
    pub(super) fn places(&self, text: &str, tell: &mut dyn FnMut(u16, Range<usize>)) {
        self.words(text, &mut |word, place| {
            for keyword in self.terms.iter().filter(|keyword| keyword.is_near(word)) {
                tell(keyword.term, place.clone());
            }
        });
    }

    /// Calls with each run of letters and digits that is not too long, in lower case.
    fn words(&self, text: &str, tell: &mut dyn FnMut(&[char], Range<usize>)) {
        let mut word = Vec::with_capacity(self.longest + 1);
        let mut start = 0;
        let ends = std::iter::once((text.len(), ' '));
        for (at, c) in text.char_indices().chain(ends) {
            if c.is_alphanumeric() {
                if word.is_empty() {
                    start = at;
                }
                // One more than the longest says enough.
                if word.len() <= self.longest {
                    word.extend(c.to_lowercase());
                }
            } else if !word.is_empty() {
                if word.len() <= self.longest {
                    tell(&word, start..at);
                }
                word.clear();
            }
        }
    }
}

impl Keyword {
    /// Whether so few edits make one of the other, by the table of Wagner and Fischer, row by row.
    fn is_near(&self, word: &[char]) -> bool {
        const LONGEST: usize = 64;
        if word.len().abs_diff(self.letters.len()) > self.edits || self.letters.len() > LONGEST {
            return false;
        }
        let mut row = [0; LONGEST + 1];
        let row = &mut row[..=self.letters.len()];
        for (n, cell) in row.iter_mut().enumerate() {
            *cell = n;
        }
        for (n, letter) in word.iter().enumerate() {
            let mut above_left = std::mem::replace(&mut row[0], n + 1);
            let mut least = row[0];
            for (m, own) in self.letters.iter().enumerate() {
                let changed = above_left + usize::from(letter != own);
                above_left = row[m + 1];
                row[m + 1] = changed.min(above_left + 1).min(row[m] + 1);
                least = least.min(row[m + 1]);
            }
            if least > self.edits {
                return false;
            }
        }
        row[self.letters.len()] <= self.edits
    }
}
