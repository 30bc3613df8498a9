//! Keywords to automata: every term of every keyword signal becomes a pattern of a dense DFA that reports overlapping
//! matches, so that one pass over the text finds them all.

use super::{tokens, words::is_spaced_word};
use crate::ir::{Router, SignalWhat, Term};
use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use regex_automata::{
    MatchKind,
    dfa::{StartKind, dense},
    nfa::thompson,
};

/// Terms share an automaton as long as its table stays below this many bytes. Patterns with gaps (`a.*b`) multiply
/// each other's states: apart they are small, and two passes over a short text cost less than a table that no cache
/// holds.
const SHARED_LIMIT: usize = 2 << 20;

/// An automaton and what its patterns stand for, by pattern.
pub(super) struct Built<'a> {
    terms: Vec<Numbered<'a>>,
    /// The serialised DFA.
    pub(super) dfa: Vec<u8>,
}

/// A term and its number over all signals.
type Numbered<'a> = (usize, &'a Term);

/// Byte order of the machine that will run the automata.
#[derive(Debug, Clone, Copy)]
pub(super) enum ByteOrder {
    Little,
    Big,
}

impl ByteOrder {
    /// The target's in a build script, this machine's elsewhere.
    pub(super) fn of_target() -> ByteOrder {
        let big = match std::env::var("CARGO_CFG_TARGET_ENDIAN") {
            Ok(endian) => endian == "big",
            Err(_) => cfg!(target_endian = "big"),
        };
        if big { ByteOrder::Big } else { ByteOrder::Little }
    }
}

/// All terms in the order of their numbers.
pub(super) fn terms(router: &Router) -> impl Iterator<Item = &Term> {
    router.signals.iter().flat_map(|signal| match &signal.what {
        SignalWhat::Keyword { terms, .. } => terms.as_slice(),
        SignalWhat::Context { .. } => &[],
    })
}

/// As few automata as the limit on their size allows.
pub(super) fn build(router: &Router, order: ByteOrder) -> Vec<Built<'_>> {
    let all: Vec<Numbered<'_>> = terms(router).enumerate().collect();
    let mut automata = Vec::new();
    if !all.is_empty() {
        share(&all, order, &mut automata);
    }
    automata
}

/// Name of the file with the n-th automaton.
pub(super) fn file_name(n: usize) -> String {
    format!("keywords-{n}.dfa")
}

fn share<'a>(terms: &[Numbered<'a>], order: ByteOrder, into: &mut Vec<Built<'a>>) {
    let limit = (terms.len() > 1).then_some(SHARED_LIMIT);
    match determinize(terms, limit) {
        Ok(dfa) => into.push(Built { terms: terms.to_vec(), dfa: serialize(&dfa, order) }),
        Err(error) => {
            assert!(limit.is_some(), "lower checked each term alone: {error}");
            let (one, other) = halves(terms);
            share(&one, order, into);
            share(&other, order, into);
        }
    }
}

/// Literals grow an automaton by their length and no more: they stay together.
fn halves<'a>(terms: &[Numbered<'a>]) -> (Vec<Numbered<'a>>, Vec<Numbered<'a>>) {
    let (literals, regexes): (Vec<_>, Vec<_>) =
        terms.iter().copied().partition(|(_, term)| matches!(term, Term::Literal { .. }));
    if literals.is_empty() || regexes.is_empty() {
        let (one, other) = terms.split_at(terms.len() / 2);
        (one.to_vec(), other.to_vec())
    } else {
        (literals, regexes)
    }
}

fn determinize(terms: &[Numbered<'_>], limit: Option<usize>) -> Result<dense::DFA<Vec<u32>>, dense::BuildError> {
    let patterns: Vec<String> = terms.iter().map(|(_, term)| pattern(term)).collect();
    dense::Builder::new()
        .configure(
            dense::Config::new()
                .match_kind(MatchKind::All)
                .start_kind(StartKind::Unanchored)
                .accelerate(false)
                .dfa_size_limit(limit)
                .determinize_size_limit(limit.map(|bytes| 4 * bytes)),
        )
        .thompson(thompson::Config::new().which_captures(thompson::WhichCaptures::None))
        .build_many(&patterns)
}

fn serialize(dfa: &dense::DFA<Vec<u32>>, order: ByteOrder) -> Vec<u8> {
    let (mut bytes, padding) = match order {
        ByteOrder::Little => dfa.to_bytes_little_endian(),
        ByteOrder::Big => dfa.to_bytes_big_endian(),
    };
    bytes.drain(..padding); // it aligned this very vector; the generated code aligns for itself
    bytes
}

/// A literal without its edges: look-around in an automaton would double its states, so the server checks them.
fn pattern(term: &Term) -> String {
    match term {
        Term::Literal { text, case_sensitive: true } => regex_syntax::escape(text),
        Term::Literal { text, case_sensitive: false } => format!("(?i:{})", regex_syntax::escape(text)),
        Term::Regex { pattern } => pattern.clone(),
    }
}

/// The tables that take the automata in.
pub(super) fn items(automata: &[Built<'_>]) -> TokenStream {
    let names: Vec<_> = (0..automata.len()).map(|n| (format_ident!("DFA_{n}"), format_ident!("TERMS_{n}"))).collect();
    let list = names.iter().map(|(dfa, terms)| quote!(Automaton { dfa: #dfa, terms: &#terms }));
    let count = tokens::int(automata.len() as u64);
    let items = automata.iter().zip(&names).enumerate().map(|(n, (automaton, (dfa, terms)))| {
        let file = file_name(n);
        let rows = automaton.terms.iter().map(|(number, term)| row(*number, term));
        let len = tokens::int(automaton.terms.len() as u64);
        quote! {
            const #dfa: &AlignedBytes<[u8]> = &AlignedBytes { _align: [], bytes: *include_bytes!(#file) };
            static #terms: [Term; #len] = [#(#rows),*];
        }
    });
    let helpers = helpers(automata);
    quote! {
        static AUTOMATA: [Automaton; #count] = [#(#list),*];
        #(#items)*
        #helpers
    }
}

/// One line for each term: there may be hundreds.
fn row(number: usize, term: &Term) -> TokenStream {
    let number = tokens::int(number as u64);
    match term {
        Term::Literal { text, .. } => {
            let chars = tokens::int(text.chars().count() as u64);
            let (left, right) = (edge(text.chars().next()), edge(text.chars().next_back()));
            quote!(literal(#number, #chars, #left, #right))
        }
        Term::Regex { .. } => quote!(regex(#number)),
    }
}

fn edge(outermost: Option<char>) -> TokenStream {
    if outermost.is_some_and(is_spaced_word) { quote!(Edge::Word) } else { quote!(Edge::Any) }
}

/// The functions that the rows call, where any row does.
fn helpers(automata: &[Built<'_>]) -> TokenStream {
    let has = |literal: bool| {
        automata.iter().flat_map(|a| &a.terms).any(|(_, term)| matches!(term, Term::Literal { .. }) == literal)
    };
    let literal = has(true).then(|| {
        quote! {
            const fn literal(term: u16, chars: u16, left: Edge, right: Edge) -> Term {
                Term { term, chars, left, right }
            }
        }
    });
    let regex = has(false).then(|| {
        quote! {
            const fn regex(term: u16) -> Term {
                Term { term, chars: 0, left: Edge::Any, right: Edge::Any }
            }
        }
    });
    quote!(#literal #regex)
}
