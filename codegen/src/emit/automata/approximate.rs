//! What finds keywords that need not stand in the text as they are: tables that are prepared here, as far as that goes
//! without the text.

use super::super::tokens::int;
use crate::ranking;
use proc_macro2::{Literal, TokenStream};
use quote::{format_ident, quote};
use std::collections::{BTreeMap, BTreeSet};

/// Keywords by the groups of letters in them.
#[derive(Debug)]
pub struct Similar {
    arity: usize,
    case_sensitive: bool,
    threshold: f32,
    /// Number, and how many groups there are in it.
    terms: Vec<(usize, usize)>,
    /// For each group of letters, the keywords by position, and how often it stands in each.
    grams: BTreeMap<String, BTreeMap<usize, usize>>,
}

/// Keywords by the weights of their stems.
#[derive(Debug, Default)]
pub struct Ranked {
    /// Number and threshold.
    terms: Vec<(usize, f32)>,
    /// For each stem, the keywords by position, and what it weighs in each.
    stems: BTreeMap<String, Vec<(usize, f32)>>,
}

impl Similar {
    pub(super) fn new(arity: usize, case_sensitive: bool, threshold: f32) -> Similar {
        Similar { arity, case_sensitive, threshold, terms: Vec::new(), grams: BTreeMap::new() }
    }

    /// Whether both find keywords in the same way.
    pub(super) fn takes(&self, other: &Similar) -> bool {
        self.arity == other.arity && self.case_sensitive == other.case_sensitive && self.threshold == other.threshold
    }

    pub(super) fn add(&mut self, number: usize, text: &str) {
        let text = if self.case_sensitive { text.to_owned() } else { text.to_lowercase() };
        let around = " ".repeat(self.arity - 1);
        let padded: Vec<char> = format!("{around}{text}{around}").chars().collect();
        let position = self.terms.len();
        for gram in padded.windows(self.arity) {
            let stands = self.grams.entry(gram.iter().collect()).or_default();
            *stands.entry(position).or_default() += 1;
        }
        self.terms.push((number, padded.len() + 1 - self.arity));
    }

    /// The most characters that a word can have which is similar to a keyword: were it longer, too much of it would be
    /// something else.
    fn longest(&self) -> usize {
        let is_similar = |word: usize, keyword: usize| {
            let (all, more) = (word as f32, (word - keyword) as f32);
            (all.powf(2.0) - more.powf(2.0)) / all.powf(2.0) >= self.threshold
        };
        let grams = self.terms.iter().map(|(_, grams)| *grams).max().unwrap_or(0);
        // The share falls as the word grows.
        let (mut similar, mut other) = (grams, grams * 2);
        while is_similar(other, grams) && other < 1 << 24 {
            (similar, other) = (other, other * 2);
        }
        while other - similar > 1 {
            let middle = similar + (other - similar) / 2;
            if is_similar(middle, grams) { similar = middle } else { other = middle }
        }
        similar.saturating_sub(self.arity - 1)
    }

    pub(super) fn item(&self, n: usize) -> (TokenStream, TokenStream) {
        let (grams, terms) = (format_ident!("GRAMS_{n}"), format_ident!("SIMILAR_{n}"));
        let [arity, longest] = [self.arity, self.longest()].map(|count| int(count as u64));
        let (case_sensitive, threshold) = (self.case_sensitive, Literal::f32_unsuffixed(self.threshold));
        let value = quote! {
            Automaton::Similar(Similar {
                arity: #arity,
                case_sensitive: #case_sensitive,
                threshold: #threshold,
                longest: #longest,
                grams: &#grams,
                terms: &#terms,
            })
        };
        let gram_rows = self.grams.iter().map(|(text, stands)| {
            let stands = stands.iter().map(|(position, count)| {
                let [position, count] = [position, count].map(|number| int(*number as u64));
                quote!((#position, #count))
            });
            quote!(Gram { text: #text, stands: &[#(#stands),*] })
        });
        let term_rows = self.terms.iter().map(|(number, count)| {
            let [number, count] = [number, count].map(|number| int(*number as u64));
            quote!((#number, #count))
        });
        let [grams_len, terms_len] = [self.grams.len(), self.terms.len()].map(|len| int(len as u64));
        let tables = quote! {
            static #grams: [Gram; #grams_len] = [#(#gram_rows),*];
            static #terms: [(u16, u16); #terms_len] = [#(#term_rows),*];
        };
        (value, tables)
    }
}

impl Ranked {
    pub(super) fn add(&mut self, number: usize, threshold: f32, weights: &[(String, f32)]) {
        let position = self.terms.len();
        for (stem, weight) in weights {
            self.stems.entry(stem.clone()).or_default().push((position, *weight));
        }
        self.terms.push((number, threshold));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    pub(super) fn item(&self, n: usize) -> (TokenStream, TokenStream) {
        let (stems, terms) = (format_ident!("STEMS_{n}"), format_ident!("RANKED_{n}"));
        // Of the words that have no part in it, only those matter that share a stem with one that has.
        let left_out: BTreeSet<String> =
            ranking::stop_words().into_iter().filter(|word| self.stems.contains_key(&ranking::stem(word))).collect();
        let value = quote! {
            Automaton::Ranked(Ranked {
                words: ::hardwire::stems::words,
                left_out: &[#(#left_out),*],
                stems: &#stems,
                terms: &#terms,
            })
        };
        let stem_rows = self.stems.iter().map(|(text, weights)| {
            let weights = weights.iter().map(|(position, weight)| {
                let (position, weight) = (int(*position as u64), Literal::f32_unsuffixed(*weight));
                quote!((#position, #weight))
            });
            quote!(Stem { text: #text, weights: &[#(#weights),*] })
        });
        let term_rows = self.terms.iter().map(|(number, threshold)| {
            let (number, threshold) = (int(*number as u64), Literal::f32_unsuffixed(*threshold));
            quote!((#number, #threshold))
        });
        let [stems_len, terms_len] = [self.stems.len(), self.terms.len()].map(|len| int(len as u64));
        let tables = quote! {
            #[allow(clippy::approx_constant)] // the weight of a word in one of two keywords is the logarithm of 2
            static #stems: [Stem; #stems_len] = [#(#stem_rows),*];
            static #terms: [(u16, f32); #terms_len] = [#(#term_rows),*];
        };
        (value, tables)
    }
}

/// Keywords that a word may miss by some edits: number, text in lower case, edits.
pub(super) fn near(terms: &[(usize, String, usize)]) -> TokenStream {
    let rows = terms.iter().map(|(number, text, edits)| {
        let [number, edits] = [number, edits].map(|number| int(*number as u64));
        quote!(NearTerm { term: #number, text: #text, edits: #edits })
    });
    quote!(Automaton::Near(Near { terms: &[#(#rows),*] }))
}
