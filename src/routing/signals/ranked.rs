//! Finds keywords by what their stems weigh, summed up over the words of the text.

use super::found::Found;
use crate::table::Ranked;
use std::ops::Range;

/// Marks the terms whose sum comes to their threshold.
pub(super) fn scan(ranked: &Ranked, text: &str, found: &mut Found<'_>) {
    let mut sums = vec![0_f32; ranked.terms.len()];
    (ranked.words)(text, &mut |word, stem| {
        for (position, weight) in weights(ranked, word, stem) {
            sums[usize::from(*position)] += weight;
        }
    });
    for ((term, threshold), sum) in ranked.terms.iter().zip(sums) {
        // A sum of nothing is no match, whatever the threshold.
        if sum > 0.0 && sum >= *threshold {
            found.insert(*term);
        }
    }
}

/// Tells which words count for which terms: for explanations.
pub(super) fn places(ranked: &Ranked, text: &str, tell: &mut dyn FnMut(u16, Range<usize>)) {
    let mut start = 0;
    for piece in text.split_inclusive(char::is_whitespace) {
        let at = start..start + piece.trim_end().len();
        start += piece.len();
        (ranked.words)(piece, &mut |word, stem| {
            for (position, _) in weights(ranked, word, stem) {
                tell(ranked.terms[usize::from(*position)].0, at.clone());
            }
        });
    }
}

fn weights(ranked: &Ranked, word: &str, stem: &str) -> &'static [(u16, f32)] {
    match ranked.stems.binary_search_by(|other| other.text.cmp(stem)) {
        Ok(at) if !ranked.left_out.contains(&word) => ranked.stems[at].weights,
        _ => &[],
    }
}
