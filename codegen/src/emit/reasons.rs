//! The rules once more, as data: what explanations show and the data path never reads.

use super::{
    automata,
    names::Names,
    tokens::{decimal, int, option},
};
use crate::ir::{Policy, Predicate, Rule, Signal, Term};
use proc_macro2::TokenStream;
use quote::quote;

/// The value of `Policy::reasons`.
pub(super) fn value(policy: &Policy) -> TokenStream {
    if policy.signals.is_empty() && policy.decisions.is_empty() {
        return quote!(Reasons::NONE);
    }
    quote!(Reasons { rules: &RULES, confidences: &CONFIDENCES, terms: &TERMS })
}

/// What it refers to.
pub(super) fn items(policy: &Policy, names: &Names) -> TokenStream {
    if policy.signals.is_empty() && policy.decisions.is_empty() {
        return TokenStream::new();
    }
    let rules = policy.decisions.iter().map(|decision| option(decision.rule.as_ref(), |r| rule(r, policy, names)));
    let confidences = policy.signals.iter().map(|signal| confidence(signal, names));
    let terms: Vec<&str> = automata::terms(policy).map(Term::text).collect();
    let [r, c, t] = [policy.decisions.len(), policy.signals.len(), terms.len()].map(|count| int(count as u64));
    quote! {
        static RULES: [Option<Rule>; #r] = [#(#rules),*];
        static CONFIDENCES: [Number; #c] = [#(#confidences),*];
        static TERMS: [&str; #t] = [#(#terms),*];
    }
}

fn rule(rule: &Rule, policy: &Policy, names: &Names) -> TokenStream {
    let all =
        |rules: &[Rule]| -> Vec<TokenStream> { rules.iter().map(|rule| self::rule(rule, policy, names)).collect() };
    match rule {
        Rule::Signal(n) => {
            let signal = &names.signals[*n];
            quote!(Rule::Signal(#signal))
        }
        Rule::Compare { signal: n, predicate } => {
            let signal = &names.signals[*n];
            let number = match policy.signals[*n].noted_value {
                Some(measure) => noted(measure, names),
                None => confidence(&policy.signals[*n], names),
            };
            let bounds = bounds(predicate);
            quote!(Rule::Compare(#signal, #number, #bounds))
        }
        Rule::All(rules) => {
            let rules = all(rules);
            quote!(Rule::All(&[#(#rules),*]))
        }
        Rule::Any(rules) => {
            let rules = all(rules);
            quote!(Rule::Any(&[#(#rules),*]))
        }
        Rule::Not(rule) => {
            let rule = self::rule(rule, policy, names);
            quote!(Rule::Not(&#rule))
        }
    }
}

fn confidence(signal: &Signal, names: &Names) -> TokenStream {
    match signal.noted_confidence {
        Some(measure) => noted(measure, names),
        None => {
            let known = decimal(signal.confidence.constant().unwrap_or(1.0));
            quote!(Number::Known(#known))
        }
    }
}

fn noted(measure: usize, names: &Names) -> TokenStream {
    let measure = &names.measures[measure];
    quote!(Number::Noted(#measure))
}

fn bounds(Predicate { gt, gte, lt, lte }: &Predicate) -> TokenStream {
    let [gt, gte, lt, lte] = [gt, gte, lt, lte].map(|bound| option(*bound, decimal));
    quote!(Bounds { gt: #gt, gte: #gte, lt: #lt, lte: #lte })
}
