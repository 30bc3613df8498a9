//! Signals: an id for each, and what the keyword and context signals look for.

use super::{
    names::Names,
    tokens::{doc, int, prose},
};
use crate::ir::{KeywordOperator, Policy, Signal, SignalWhat, Term};
use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};

/// A constant for each id, and the tables of signals.
pub(super) fn items(policy: &Policy, names: &Names) -> TokenStream {
    let ids = policy.signals.iter().zip(&names.signals).enumerate().map(|(n, (signal, name))| {
        let doc = doc(&describe(signal));
        let n = int(n as u64);
        quote! {
            #doc
            const #name: SignalId = SignalId(#n);
        }
    });
    let mut signals = Vec::new();
    let mut keywords = Vec::new();
    let mut contexts = Vec::new();
    let mut first_term = 0u64;
    for (signal, id) in policy.signals.iter().zip(&names.signals) {
        let name = &signal.name;
        let kind = kind(&signal.what);
        signals.push(quote!(Signal { kind: SignalKind::#kind, name: #name }));
        match &signal.what {
            SignalWhat::Keyword { operator, terms } => {
                let operator = self::operator(*operator);
                let (first, count) = (int(first_term), int(terms.len() as u64));
                keywords.push(quote! {
                    KeywordSignal { signal: #id, operator: #operator, first_term: #first, terms: #count }
                });
            }
            SignalWhat::Context { min_tokens, max_tokens } => {
                let (min, max) = (tokens(*min_tokens), tokens(*max_tokens));
                contexts.push(quote!(ContextSignal { signal: #id, min_tokens: #min, max_tokens: #max }));
            }
            _ => {} // see `families`
        }
        first_term += signal.what.terms().count() as u64;
    }
    let measures = names.measures.iter().enumerate().map(|(n, name)| {
        let n = int(n as u64);
        quote!(const #name: MeasureId = MeasureId(#n);)
    });
    let (s, k, c) = (int(signals.len() as u64), int(keywords.len() as u64), int(contexts.len() as u64));
    quote! {
        #(#ids)*
        #(#measures)*
        static SIGNALS: [Signal; #s] = [#(#signals),*];
        static KEYWORDS: [KeywordSignal; #k] = [#(#keywords),*];
        static CONTEXTS: [ContextSignal; #c] = [#(#contexts),*];
    }
}

fn kind(what: &SignalWhat) -> Ident {
    let family = what.family();
    format_ident!("{}{}", family[..1].to_ascii_uppercase(), &family[1..])
}

fn operator(operator: KeywordOperator) -> TokenStream {
    match operator {
        KeywordOperator::Or => quote!(KeywordOperator::Or),
        KeywordOperator::And => quote!(KeywordOperator::And),
        KeywordOperator::Nor => quote!(KeywordOperator::Nor),
    }
}

fn tokens(n: u64) -> TokenStream {
    if n == u64::MAX { quote!(u64::MAX) } else { int(n) }
}

/// What the document says, for whoever reads the generated file.
fn describe(signal: &Signal) -> String {
    let name = prose(&signal.name);
    match &signal.what {
        SignalWhat::Keyword { operator, terms } => {
            let quantity = match operator {
                KeywordOperator::Or => "any",
                KeywordOperator::And => "all",
                KeywordOperator::Nor => "none",
            };
            const SHOWN: usize = 6;
            let mut list = terms.iter().take(SHOWN).map(term).collect::<Vec<_>>().join(", ");
            if terms.len() > SHOWN {
                list.push_str(&format!(" and {} more", terms.len() - SHOWN));
            }
            format!("Keyword signal `{name}`: {quantity} of {list}.")
        }
        SignalWhat::Context { min_tokens, max_tokens: u64::MAX } => {
            format!("Context signal `{name}`: {min_tokens} tokens or more.")
        }
        SignalWhat::Context { min_tokens, max_tokens } => {
            format!("Context signal `{name}`: {min_tokens} to {max_tokens} tokens.")
        }
        SignalWhat::Modality(_) => format!("Modality signal `{name}`."),
        SignalWhat::Language { threshold, .. } => format!("Language signal `{name}`, from confidence {threshold} on."),
        SignalWhat::Role { users, groups } => {
            let names = users.iter().chain(groups).map(|name| prose(name)).collect::<Vec<_>>().join(", ");
            format!("Role `{name}`, of {names}.")
        }
        SignalWhat::Metadata { key, .. } => format!("Metadata signal `{name}`, on `{}`.", prose(key)),
        SignalWhat::Event { criteria } => format!("Event signal `{name}`: any of {} criteria.", criteria.len()),
        what => {
            let family = what.family();
            format!("{}{} signal `{name}`.", family[..1].to_ascii_uppercase(), &family[1..])
        }
    }
}

fn term(term: &Term) -> String {
    match term {
        Term::Literal { text, case_sensitive: false } => format!("\"{}\"", prose(text)),
        Term::Literal { text, case_sensitive: true } => format!("\"{}\" (as written)", prose(text)),
        Term::Regex { pattern } => format!("`{}`", one_code_span(pattern)),
        Term::Near { text, edits, .. } => format!("\"{}\" (or {edits} edits from it)", prose(text)),
        Term::Similar { text, arity, .. } => format!("\"{}\" (or alike, by groups of {arity} letters)", prose(text)),
        Term::Ranked { text, .. } => format!("\"{}\" (by its stems)", prose(text)),
    }
}

/// A pattern keeps its brackets in a code span; only the span's own mark must not stand in it.
fn one_code_span(pattern: &str) -> String {
    super::file::one_line(pattern).replace('`', "'")
}
