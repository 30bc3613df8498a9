//! A policy: what signals it has, and what decides. The top-level `routing` stands in the file itself, a recipe in a module
//! of its own, so that both can call their signals and decisions by the same names.

use super::{
    Blob, automata, decisions, families,
    file::Section,
    names::Names,
    projections, reasons, signals,
    tokens::{self, int, prose},
};
use crate::ir::{self, Policy};
use proc_macro2::TokenStream;
use quote::quote;

/// What is written for a policy. `prefix` begins the names of its files.
pub(super) fn sections(policy: &Policy, names: &Names, prefix: &str) -> (Vec<Section>, Vec<Blob>) {
    let (automata, mut blobs) = automata::items(&automata::groups(policy), prefix);
    let (counted, counted_blobs) = automata::counted(policy, prefix);
    blobs.extend(counted_blobs);
    let sections = vec![
        Section { title: "Policy", items: value(policy, names) },
        Section { title: "Signals", items: signals::items(policy, names) },
        Section { title: "Further families", items: families::items(policy, names) },
        Section { title: "Automata", items: quote!(#automata #counted) },
        Section { title: "Projections", items: projections::items(policy, names) },
        Section { title: "Decisions", items: decisions::items(policy, names) },
        Section { title: "Reasons, which only explanations read", items: reasons::items(policy, names) },
    ];
    (sections, blobs)
}

/// The one item that others name.
fn value(policy: &Policy, names: &Names) -> TokenStream {
    let Policy { name, description, .. } = policy;
    let (doc, visibility) = match name.as_str() {
        ir::DEFAULT_POLICY => ("What the top-level `routing` comes to.".to_owned(), None),
        name => (format!("What the recipe `{}` comes to.", prose(name)), Some(quote!(pub(super)))),
    };
    let doc = tokens::doc(&doc);
    let reasons = reasons::value(policy);
    let families = families::families(policy, names);
    let project = projections::project(policy);
    let term_count = int(automata::terms(policy).count() as u64);
    let first_decision = int(policy.first_decision as u64);
    quote! {
        #doc
        #visibility static POLICY: Policy = Policy {
            name: #name,
            description: #description,
            signals: &SIGNALS,
            keywords: &KEYWORDS,
            automata: &AUTOMATA,
            term_count: #term_count,
            contexts: &CONTEXTS,
            families: #families,
            project: #project,
            first_decision: #first_decision,
            decisions: &DECISIONS,
            reasons: #reasons,
            decide,
        };
    }
}
