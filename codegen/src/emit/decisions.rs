//! Decisions: the table, a small function for each rule, and `decide`, which asks them in the order of evaluation.

use super::{
    algorithm,
    names::Names,
    order::{self, Order, Step},
    plugins,
    rules::{Scope, is_roundabout},
    tokens::{self, decimal, doc, int, option, prose},
};
use crate::confidence::Range;
use crate::ir::{Decision, Policy, Strategy};
use proc_macro2::TokenStream;
use quote::quote;

/// The table and the code of all decisions.
pub(super) fn items(policy: &Policy, names: &Names) -> TokenStream {
    let ids = names.decisions.iter().enumerate().map(|(n, name)| {
        let doc = doc(&describe(n, policy));
        let n = int((policy.first_decision + n) as u64);
        quote! {
            #doc
            const #name: DecisionId = DecisionId(#n);
        }
    });
    let decisions = policy.decisions.iter().map(|d| decision(d, names));
    let len = int(policy.decisions.len() as u64);
    let order = Order::of(policy);
    let sure = order::ranges(policy);
    let scope = Scope { policy, names };
    let rules = asked(policy, &order).into_iter().filter_map(|n| {
        let (name, decision) = (&names.rules[n], &names.decisions[n]);
        let doc = doc(&format!("The rule of `{decision}`."));
        let rule = policy.decisions[n].rule.as_ref()?;
        // Clippy would write such a rule otherwise, and it is right; but the document has its reasons.
        let allow = is_roundabout(rule)
            .then(|| quote!(#[allow(clippy::nonminimal_bool, clippy::overly_complex_bool_expr, clippy::eq_op)]));
        let matches = scope.matches(rule, false);
        let confidence = sure[n].constant().is_none().then(|| {
            let (name, confidence) = (&names.confidences[n], scope.confidence(rule));
            let doc = tokens::doc(&format!("How sure `{decision}` is when it matches."));
            quote! {
                #doc
                #allow
                fn #name(s: &SignalSet) -> f64 { #confidence }
            }
        });
        Some(quote! {
            #doc
            #allow
            fn #name(s: &SignalSet) -> bool { #matches }
            #confidence
        })
    });
    let decide = decide(policy, names, &order);
    quote! {
        #(#ids)*
        static DECISIONS: [Decision; #len] = [#(#decisions),*];
        #(#rules)*
        #decide
    }
}

/// The decisions that are asked at all, in the order in which they first are.
fn asked(policy: &Policy, order: &Order) -> Vec<usize> {
    let mut asked = Vec::new();
    let tiers = (0..policy.decisions.len()).filter(|n| order.tiered.is_some() && policy.decisions[*n].tier > 0);
    let steps = order.steps().flat_map(|step| match step {
        Step::One(n) => std::slice::from_ref(n),
        Step::Surest(members) => members,
    });
    for n in steps.copied().chain(tiers) {
        if !asked.contains(&n) {
            asked.push(n);
        }
    }
    asked
}

fn describe(n: usize, policy: &Policy) -> String {
    let Decision { name, description, .. } = &policy.decisions[n];
    let colon = if description.is_empty() { "" } else { ": " };
    format!("`routing.decisions[{n}]`, `{}`{colon}{}", prose(name), prose(description))
}

fn decision(decision: &Decision, names: &Names) -> TokenStream {
    let name = &decision.name;
    let (priority, tier) = (int(decision.priority), int(decision.tier));
    let models = decision.models.iter().map(|m| &names.models[*m]);
    let algorithm = algorithm::algorithm(&decision.algorithm);
    let (reasoning, plugins) =
        (plugins::reasoning(&decision.reasoning), plugins::plugins(&decision.plugins, &names.models));
    let retention = option(decision.retention, |retention| {
        let flag = |flag: Option<bool>| option(flag, |flag| quote!(#flag));
        let [drop, keep, prefix] = [retention.drop, retention.keep_current_model, retention.prefer_prefix].map(flag);
        let ttl = option(retention.ttl_turns, int);
        quote!(Retention { drop: #drop, ttl_turns: #ttl, keep_current_model: #keep, prefer_prefix: #prefix })
    });
    let annotations = option(decision.annotations.as_ref(), |json| quote!(#json));
    quote! {
        Decision {
            name: #name,
            priority: #priority,
            tier: #tier,
            models: &[#(#models),*],
            reasoning: #reasoning,
            algorithm: #algorithm,
            plugins: #plugins,
            retention: #retention,
            annotations: #annotations,
        }
    }
}

/// The functions that settle which decision wins.
fn decide(policy: &Policy, names: &Names, order: &Order) -> TokenStream {
    let sure = order::ranges(policy);
    let doc = doc(match (policy.strategy, order.tiers.is_empty() && order.tiered.is_none()) {
        (Strategy::Priority, true) => "The decision that wins: by priority, then confidence, then name.",
        (Strategy::Confidence, true) => "The decision that wins: by confidence, then priority, then name.",
        (_, false) => "The decision that wins: by tier, then confidence, then priority, then name.",
    });
    let asking = Asking { policy, names, sure };
    let mut body = TokenStream::new();
    if let Some(tiered) = &order.tiered {
        let steps = asking.steps(tiered);
        let rules = policy.decisions.iter().zip(&names.rules).filter(|(decision, _)| decision.tier > 0);
        let any = rules.map(|(_, rule)| quote!(#rule(s)));
        let tiers = any.reduce(|all, rule| quote!(#all || #rule)).expect("tiers differ from none");
        body.extend(quote!(if #tiers { #steps } else));
        let plain = asking.steps(&order.plain);
        body.extend(quote!({ #plain }));
    } else {
        body.extend(asking.steps(&order.plain));
    }
    body.extend(asking.steps(&order.tiers));
    let ends = |steps: &[Step]| matches!(steps.last(), Some(Step::One(n)) if policy.decisions[*n].rule.is_none());
    let ended = ends(&order.tiers) || (ends(&order.plain) && order.tiers.is_empty());
    let otherwise = (!ended).then(|| quote!(None));
    let s = if order.steps().any(|step| !matches!(step, Step::One(n) if policy.decisions[*n].rule.is_none())) {
        quote!(s)
    } else {
        quote!(_)
    };
    let won = order.steps().next().is_some().then(|| {
        quote! {
            const fn won(decision: DecisionId, confidence: f64) -> Option<Matched> {
                Some(Matched { decision, confidence })
            }
        }
    });
    let surer = order.steps().any(|step| matches!(step, Step::Surest(_))).then(|| {
        quote! {
            /// The surer of two decisions; of equals, the one that was asked first.
            const fn surer(first: Option<Matched>, decision: DecisionId, confidence: f64) -> Option<Matched> {
                match first {
                    Some(first) if first.confidence >= confidence => Some(first),
                    _ => won(decision, confidence),
                }
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
        #surer
    }
}

struct Asking<'a> {
    policy: &'a Policy,
    names: &'a Names,
    sure: Vec<Range>,
}

impl Asking<'_> {
    fn steps(&self, steps: &[Step]) -> TokenStream {
        steps.iter().map(|step| self.step(step)).collect()
    }

    fn step(&self, step: &Step) -> TokenStream {
        match step {
            Step::One(n) => {
                let (id, rule, confidence) = (&self.names.decisions[*n], &self.names.rules[*n], self.confidence(*n));
                match self.policy.decisions[*n].rule {
                    Some(_) => quote!(if #rule(s) { return won(#id, #confidence); }),
                    None => quote!(won(#id, #confidence)),
                }
            }
            Step::Surest(members) => {
                let mut asked = TokenStream::new();
                for (position, n) in members.iter().enumerate() {
                    let (id, rule, confidence) =
                        (&self.names.decisions[*n], &self.names.rules[*n], self.confidence(*n));
                    let first = if position == 0 { quote!(None) } else { quote!(surest) };
                    let rest = members[position + 1..].iter().map(|n| self.sure[*n].most);
                    // None of those that follow can be surer: it need not be asked.
                    let beyond = self.sure[*n].least >= rest.fold(0.0, f64::max);
                    asked.extend(if beyond {
                        quote!(if #rule(s) { return surer(#first, #id, #confidence); })
                    } else {
                        quote!(if #rule(s) { surest = surer(#first, #id, #confidence); })
                    });
                }
                quote! {
                    let mut surest = None;
                    #asked
                    if surest.is_some() {
                        return surest;
                    }
                }
            }
        }
    }

    fn confidence(&self, n: usize) -> TokenStream {
        match self.sure[n].constant() {
            Some(constant) => decimal(constant),
            None => {
                let confidence = &self.names.confidences[n];
                quote!(#confidence(s))
            }
        }
    }
}
