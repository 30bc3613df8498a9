//! Decisions: the table, a small function for each rule, and `decide`, which asks them in the order of evaluation.

use super::{
    names::Names,
    tokens::{doc, int, prose},
};
use crate::ir::{Decision, Router, Rule, Strategy};
use proc_macro2::{Ident, Literal, TokenStream};
use quote::quote;
use std::collections::BTreeSet;

/// The table and the code of all decisions.
pub(super) fn items(router: &Router, names: &Names) -> TokenStream {
    let ids = names.decisions.iter().enumerate().map(|(n, name)| {
        let doc = doc(&describe(n, router));
        let n = int(n as u64);
        quote! {
            #doc
            const #name: DecisionId = DecisionId(#n);
        }
    });
    let decisions = router.decisions.iter().map(|d| decision(d, names));
    let len = int(router.decisions.len() as u64);
    let order = order(router);
    let rules = order.iter().filter_map(|n| {
        let (name, decision) = (&names.rules[*n], &names.decisions[*n]);
        let doc = doc(&format!("The rule of `{decision}`."));
        let rule = router.decisions[*n].rule.as_ref()?;
        // Clippy would write such a rule otherwise, and it is right; but the document has its reasons.
        let allow = is_roundabout(rule)
            .then(|| quote!(#[allow(clippy::nonminimal_bool, clippy::overly_complex_bool_expr, clippy::eq_op)]));
        let rule = expression(rule, &names.signals, false);
        Some(quote! {
            #doc
            #allow
            fn #name(s: &SignalSet) -> bool { #rule }
        })
    });
    let decide = decide(router, names, &order);
    quote! {
        #(#ids)*
        static DECISIONS: [Decision; #len] = [#(#decisions),*];
        #(#rules)*
        #decide
    }
}

fn describe(n: usize, router: &Router) -> String {
    let Decision { name, description, .. } = &router.decisions[n];
    let colon = if description.is_empty() { "" } else { ": " };
    format!("`routing.decisions[{n}]`, `{}`{colon}{}", prose(name), prose(description))
}

fn decision(decision: &Decision, names: &Names) -> TokenStream {
    let name = &decision.name;
    let priority = int(decision.priority);
    let models = decision.models.iter().map(|m| &names.models[*m]);
    quote! {
        Decision { name: #name, priority: #priority, models: &[#(#models),*], algorithm: Algorithm::Static }
    }
}

/// The decisions as they are asked: the first that matches wins. Ends at the first that always matches.
fn order(router: &Router) -> Vec<usize> {
    let mut order: Vec<usize> = (0..router.decisions.len()).collect();
    order.sort_by(|a, b| {
        let (a, b) = (&router.decisions[*a], &router.decisions[*b]);
        let by_priority = b.priority.cmp(&a.priority);
        let by_confidence = confidence(b).total_cmp(&confidence(a));
        let by_strategy = match router.strategy {
            Strategy::Priority => by_priority.then(by_confidence),
            Strategy::Confidence => by_confidence.then(by_priority),
        };
        by_strategy.then(a.name.cmp(&b.name))
    });
    let asked = order.iter().position(|n| router.decisions[*n].rule.is_none()).map_or(order.len(), |last| last + 1);
    order.truncate(asked);
    order
}

/// How sure a decision is when it matches. Every leaf of a rule has confidence 1, and so has every combination of such
/// leaves; a decision without rules has 0. When leaves come to have confidences of their own, this becomes code.
fn confidence(decision: &Decision) -> f64 {
    if decision.rule.is_some() { 1.0 } else { 0.0 }
}

fn decide(router: &Router, names: &Names, order: &[usize]) -> TokenStream {
    let doc = doc(match router.strategy {
        Strategy::Priority => "The decision that wins: by priority, then confidence, then name.",
        Strategy::Confidence => "The decision that wins: by confidence, then priority, then name.",
    });
    let mut body = TokenStream::new();
    let mut otherwise = quote!(None);
    for n in order {
        let (id, rule) = (&names.decisions[*n], &names.rules[*n]);
        let confidence = Literal::f64_unsuffixed(confidence(&router.decisions[*n]));
        if router.decisions[*n].rule.is_some() {
            body.extend(quote!(if #rule(s) { return won(#id, #confidence); }));
        } else {
            otherwise = quote!(won(#id, #confidence));
        }
    }
    let s = if body.is_empty() { quote!(_) } else { quote!(s) };
    let won = (!order.is_empty()).then(|| {
        quote! {
            const fn won(decision: DecisionId, confidence: f64) -> Option<Matched> {
                Some(Matched { decision, confidence })
            }
        }
    });
    quote! {
        #doc
        fn decide(#s: &SignalSet) -> Option<Matched> {
            #body
            #otherwise
        }
        #won
    }
}

/// Whether a rule may not be the shortest way to say it: it names a signal twice, or has negations that could be moved.
fn is_roundabout(rule: &Rule) -> bool {
    fn visit(rule: &Rule, seen: &mut BTreeSet<usize>, negations: &mut usize) -> bool {
        match rule {
            Rule::Signal(n) => !seen.insert(*n),
            Rule::All(rules) | Rule::Any(rules) => rules.iter().any(|rule| visit(rule, seen, negations)),
            Rule::Not(rule) => {
                *negations += 1;
                *negations > 1 || !matches!(**rule, Rule::Signal(_)) || visit(rule, seen, negations)
            }
        }
    }
    visit(rule, &mut BTreeSet::new(), &mut 0)
}

/// A rule as a Rust expression, in parentheses where it is `nested` and needs them.
fn expression(rule: &Rule, signals: &[Ident], nested: bool) -> TokenStream {
    let joined = |rules: &[Rule], operator: TokenStream| {
        if let [only] = rules {
            return expression(only, signals, nested);
        }
        let mut joined = TokenStream::new();
        for (n, rule) in rules.iter().enumerate() {
            if n > 0 {
                joined.extend(operator.clone());
            }
            joined.extend(expression(rule, signals, true));
        }
        if nested { quote!((#joined)) } else { joined }
    };
    match rule {
        Rule::Signal(n) => {
            let signal = &signals[*n];
            quote!(s.has(#signal))
        }
        Rule::All(rules) => joined(rules, quote!(&&)),
        Rule::Any(rules) => joined(rules, quote!(||)),
        Rule::Not(rule) => {
            let rule = expression(rule, signals, true);
            quote!(!#rule)
        }
    }
}
