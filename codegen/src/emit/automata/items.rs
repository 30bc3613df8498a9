//! The tables that take the automata in.

use super::{
    super::{Blob, tokens::int},
    Automaton, Group, Literal, approximate,
    literals::Machine,
    pattern_of,
};
use crate::ir::{Feature, Policy, SignalWhat};
use proc_macro2::TokenStream;
use quote::{format_ident, quote};

/// The lists of automata, for each its terms, and the files that they include, whose names begin with `prefix`.
pub(in super::super) fn items(groups: &[Group], prefix: &str) -> (TokenStream, Vec<Blob>) {
    let mut blobs = Vec::new();
    let mut items = TokenStream::new();
    for group in groups {
        let (mut list, mut tables) = (Vec::new(), TokenStream::new());
        for automaton in &group.automata {
            let (n, of_list) = (blobs.len(), list.len());
            let (value, table, blob) = match automaton {
                Automaton::Literals { machine, terms } => literals(n, prefix, machine, terms),
                Automaton::Patterns { dfa, terms } => patterns(n, prefix, dfa, terms),
                Automaton::Near(terms) => (approximate::near(terms), TokenStream::new(), None),
                Automaton::Similar(similar) => without_blob(similar.item(of_list)),
                Automaton::Ranked(ranked) => without_blob(ranked.item(of_list)),
            };
            list.push(value);
            tables.extend(table);
            blobs.extend(blob);
        }
        let (name, len) = (format_ident!("{}", group.name), int(list.len() as u64));
        items.extend(quote! {
            static #name: [Automaton; #len] = [#(#list),*];
            #tables
        });
    }
    items.extend(helpers(groups));
    (items, blobs)
}

fn without_blob((value, tables): (TokenStream, TokenStream)) -> (TokenStream, TokenStream, Option<Blob>) {
    (value, tables, None)
}

/// The expressions that structure signals count, and their files.
pub(in super::super) fn counted(policy: &Policy, prefix: &str) -> (TokenStream, Vec<Blob>) {
    let mut blobs = Vec::new();
    let mut items = TokenStream::new();
    for (n, signal) in policy.signals.iter().enumerate() {
        let SignalWhat::Structure { feature: Feature::Pattern(pattern), .. } = &signal.what else { continue };
        let file = format!("{prefix}count-{}.dfa", blobs.len());
        let name = format_ident!("{}", pattern_of(n));
        items.extend(quote! {
            const #name: &AlignedBytes<[u8]> = &AlignedBytes { _align: [], bytes: *include_bytes!(#file) };
        });
        blobs.push(Blob { name: file, bytes: super::patterns::build_leftmost(pattern) });
    }
    (items, blobs)
}

fn literals(n: usize, prefix: &str, machine: &Machine, terms: &[Literal]) -> (TokenStream, TokenStream, Option<Blob>) {
    let file = format!("{prefix}literals-{n}.dfa");
    let (term_rows, match_rows) = (format_ident!("TERMS_{n}"), format_ident!("MATCHES_{n}"));
    let (states, first_match) = (int(machine.states as u64), int(machine.first_match));
    let longest = int(machine.longest as u64);
    let value = quote! {
        Automaton::Literals(Literals {
            states: #states,
            table: include_bytes!(#file),
            longest: #longest,
            first_match: #first_match,
            matches: &#match_rows,
            terms: &#term_rows,
        })
    };
    let rows = terms.iter().map(row);
    let matches = machine.matches.iter().map(|ends| {
        let ends = ends.iter().map(|end| int(*end as u64));
        quote!(&[#(#ends),*])
    });
    let (terms_len, matches_len) = (int(terms.len() as u64), int(machine.matches.len() as u64));
    let tables = quote! {
        static #term_rows: [Term; #terms_len] = [#(#rows),*];
        static #match_rows: [&[u16]; #matches_len] = [#(#matches),*];
    };
    (value, tables, Some(Blob { name: file, bytes: machine.table.clone() }))
}

/// One line for each term: there may be hundreds.
fn row(literal: &Literal) -> TokenStream {
    let Literal { term, text, case_sensitive, word_left, word_right } = literal;
    let (term, chars) = (int(*term as u64), int(text.chars().count() as u64));
    let edge = |word: bool| if word { quote!(Edge::Word) } else { quote!(Edge::Any) };
    let (left, right) = (edge(*word_left), edge(*word_right));
    let exact = if *case_sensitive { quote!(Some(#text)) } else { quote!(None) };
    quote!(literal(#term, #chars, #left, #right, #exact))
}

fn patterns(n: usize, prefix: &str, dfa: &[u8], terms: &[usize]) -> (TokenStream, TokenStream, Option<Blob>) {
    let file = format!("{prefix}patterns-{n}.dfa");
    let bytes = format_ident!("DFA_{n}");
    let terms = terms.iter().map(|term| int(*term as u64));
    let value = quote!(Automaton::Patterns(Patterns { dfa: #bytes, terms: &[#(#terms),*] }));
    let table = quote! {
        const #bytes: &AlignedBytes<[u8]> = &AlignedBytes { _align: [], bytes: *include_bytes!(#file) };
    };
    (value, table, Some(Blob { name: file, bytes: dfa.to_vec() }))
}

/// The function that the rows of terms call, where there are any.
fn helpers(groups: &[Group]) -> Option<TokenStream> {
    groups
        .iter()
        .flat_map(|group| &group.automata)
        .any(|automaton| matches!(automaton, Automaton::Literals { .. }))
        .then(|| {
            quote! {
                const fn literal(term: u16, chars: u16, left: Edge, right: Edge, exact: Option<&'static str>) -> Term {
                    Term { term, chars, left, right, exact }
                }
            }
        })
}
