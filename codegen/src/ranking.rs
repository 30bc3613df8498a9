//! What each word of a keyword weighs by BM25, where the keywords of a signal are the documents: `method: bm25`.
//!
//! The weights are those that the crate `bm25` gives in English with its defaults, which is what is used upstream; a test
//! of the server holds both together. A text's score for a keyword is the sum of the weights of its words, so that nothing
//! is left to do at run time but to add.

use rust_stemmers::{Algorithm, Stemmer};
use std::collections::{BTreeMap, BTreeSet};
use unicode_segmentation::UnicodeSegmentation as _;

/// How fast repetition stops to count.
const K1: f32 = 1.2;

/// How much the length of a document counts.
const B: f32 = 0.75;

/// The weights of all keywords of a signal.
#[derive(Debug)]
pub struct Ranking {
    /// By keyword: its stems, each once, in the order of the alphabet.
    pub documents: Vec<Vec<(String, f32)>>,
}

/// Words that mean nothing in any text, and have no part in it.
#[must_use]
pub fn stop_words() -> BTreeSet<String> {
    stop_words::get(stop_words::LANGUAGE::English).iter().map(|word| plain(word)).collect()
}

/// The stem of a word in lower case.
#[must_use]
pub fn stem(word: &str) -> String {
    Stemmer::create(Algorithm::English).stem(word).into_owned()
}

fn plain(text: &str) -> String {
    deunicode::deunicode_with_tofu(text, "[?]").to_lowercase()
}

impl Ranking {
    /// Of these keywords.
    pub fn of<'t>(keywords: impl Iterator<Item = &'t str>) -> Ranking {
        let left_out = stop_words();
        let stems = |text: &str| -> Vec<String> {
            plain(text).unicode_words().filter(|word| !left_out.contains(*word)).map(stem).collect()
        };
        let documents: Vec<Vec<String>> = keywords.map(stems).collect();
        let count = documents.len() as f32;
        let average = (documents.iter().map(Vec::len).sum::<usize>() as f64 / documents.len().max(1) as f64) as f32;
        let mut having: BTreeMap<&str, usize> = BTreeMap::new();
        for document in &documents {
            for stem in document.iter().map(String::as_str).collect::<BTreeSet<_>>() {
                *having.entry(stem).or_default() += 1;
            }
        }
        let weigh = |document: &Vec<String>| {
            let of = |stem: &str| {
                let frequency = document.iter().filter(|other| *other == stem).count() as f32;
                let length = 1.0 - B + B * (document.len() as f32 / average);
                let value = frequency * (K1 + 1.0) / (frequency + K1 * length);
                let having = having[stem] as f32;
                (1.0 + (count - having + 0.5) / (having + 0.5)).ln() * value
            };
            let stems: BTreeSet<&str> = document.iter().map(String::as_str).collect();
            stems.into_iter().map(|stem| (stem.to_owned(), of(stem))).collect()
        };
        Ranking { documents: documents.iter().map(weigh).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_become_stems_and_rare_ones_weigh_more() {
        let ranking = Ranking::of(["refund the payments", "payment", "the", "refunds"].into_iter());
        let stems = |n: usize| ranking.documents[n].iter().map(|(stem, _)| stem.as_str()).collect::<Vec<_>>();
        assert_eq!((stems(0), stems(1), stems(2)), (vec!["payment", "refund"], vec!["payment"], vec![]));
        let rare = Ranking::of(["refund", "payment", "payment due"].into_iter());
        assert!(rare.documents[0][0].1 > rare.documents[1][0].1);
    }
}
