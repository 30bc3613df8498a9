//! Rules as Rust expressions: whether one matches, and how sure it is.

use super::{names::Names, tokens::decimal};
use crate::confidence;
use crate::ir::{Policy, Predicate, Rule};
use proc_macro2::TokenStream;
use quote::quote;
use std::collections::BTreeSet;

/// What expressions name.
#[derive(Clone, Copy)]
pub(super) struct Scope<'a> {
    pub(super) policy: &'a Policy,
    pub(super) names: &'a Names,
}

/// Whether a rule may not be the shortest way to say it: it names a signal twice, or has negations that could be moved.
pub(super) fn is_roundabout(rule: &Rule) -> bool {
    fn visit(rule: &Rule, seen: &mut BTreeSet<usize>, negations: &mut usize) -> bool {
        match rule {
            Rule::Signal(n) => !seen.insert(*n),
            Rule::Compare { .. } => true,
            Rule::All(rules) | Rule::Any(rules) => rules.iter().any(|rule| visit(rule, seen, negations)),
            Rule::Not(rule) => {
                *negations += 1;
                *negations > 1 || !matches!(**rule, Rule::Signal(_)) || visit(rule, seen, negations)
            }
        }
    }
    visit(rule, &mut BTreeSet::new(), &mut 0)
}

impl Scope<'_> {
    /// Whether a rule matches, in parentheses where it is `nested` and needs them.
    pub(super) fn matches(self, rule: &Rule, nested: bool) -> TokenStream {
        let joined = |rules: &[Rule], operator: TokenStream| {
            if let [only] = rules {
                return self.matches(only, nested);
            }
            let parts = rules.iter().map(|rule| self.matches(rule, true));
            join(parts, &operator, nested)
        };
        match rule {
            Rule::Signal(n) => {
                let signal = &self.names.signals[*n];
                quote!(s.has(#signal))
            }
            Rule::Compare { signal, predicate } => self.compared(*signal, predicate, nested),
            Rule::All(rules) => joined(rules, quote!(&&)),
            Rule::Any(rules) => joined(rules, quote!(||)),
            Rule::Not(rule) => {
                let rule = self.matches(rule, true);
                quote!(!#rule)
            }
        }
    }

    fn compared(self, n: usize, predicate: &Predicate, nested: bool) -> TokenStream {
        let (signal, ir) = (&self.names.signals[n], &self.policy.signals[n]);
        let has = quote!(s.has(#signal));
        let Some(noted) = ir.noted_value.or(ir.noted_confidence) else {
            // How sure it is is known, and with it how it compares.
            let holds = ir.confidence.constant().is_some_and(|constant| predicate.holds(constant));
            return if holds { has } else { quote!(false) };
        };
        let measure = &self.names.measures[noted];
        let value = quote!(s.measure(#measure));
        join(std::iter::once(has).chain(bounds(predicate, &value)), &quote!(&&), nested)
    }

    /// How sure a rule is that matches.
    pub(super) fn confidence(self, rule: &Rule) -> TokenStream {
        let range = confidence::of(rule, &|n| self.policy.signals[n].confidence);
        if let Some(constant) = range.constant() {
            return decimal(constant);
        }
        match rule {
            Rule::Signal(n) => {
                let noted = self.policy.signals[*n].noted_confidence.expect("one that is not constant is noted");
                let measure = &self.names.measures[noted];
                quote!(s.measure(#measure))
            }
            Rule::All(rules) | Rule::Any(rules) if rules.len() == 1 => self.confidence(&rules[0]),
            Rule::All(rules) => {
                let parts = rules.iter().map(|rule| self.confidence(rule));
                let sum = join(parts, &quote!(+), true);
                let count = decimal(rules.len() as f64);
                quote!(#sum / #count)
            }
            Rule::Any(rules) => {
                let parts = rules.iter().map(|rule| {
                    let (matches, confidence) = (self.matches(rule, false), self.confidence(rule));
                    quote!((#matches, #confidence))
                });
                quote!(best([#(#parts),*]))
            }
            Rule::Compare { .. } | Rule::Not(_) => unreachable!("their confidence is constant"),
        }
    }
}

/// The comparisons of a predicate.
pub(super) fn bounds(predicate: &Predicate, value: &TokenStream) -> Vec<TokenStream> {
    let Predicate { gt, gte, lt, lte } = *predicate;
    let bounds = [(gt, quote!(>)), (gte, quote!(>=)), (lt, quote!(<)), (lte, quote!(<=))];
    let compared = |(bound, operator): (Option<f64>, TokenStream)| {
        let bound = decimal(bound?);
        Some(quote!(#value #operator #bound))
    };
    bounds.into_iter().filter_map(compared).collect()
}

fn join(parts: impl Iterator<Item = TokenStream>, operator: &TokenStream, nested: bool) -> TokenStream {
    let mut joined = TokenStream::new();
    for (n, part) in parts.enumerate() {
        if n > 0 {
            joined.extend(operator.clone());
        }
        joined.extend(part);
    }
    if nested { quote!((#joined)) } else { joined }
}
