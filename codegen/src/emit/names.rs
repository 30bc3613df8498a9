//! Identifiers for the generated items, made from the names of the document. Unique, ASCII, and stable: a name depends
//! on its own item and those before it in the document.

use crate::ir::{Policy, Router};
use proc_macro2::{Ident, Span};
use std::collections::BTreeSet;

/// Every generated identifier that stands for something in the document, by its index there.
pub(super) struct Names {
    /// `ENV_OPENAI_API_KEY: EnvSlot`.
    pub(super) env: Vec<Ident>,
    /// `MODEL_GPT_4O: ModelId`.
    pub(super) models: Vec<Ident>,
    /// `BACKENDS_GPT_4O: [Backend; 2]`, by model.
    pub(super) backends: Vec<Ident>,
    /// `KEYWORD_URGENT: SignalId`.
    pub(super) signals: Vec<Ident>,
    /// `DECISION_URGENT_BIZ: DecisionId`.
    pub(super) decisions: Vec<Ident>,
    /// `urgent_biz: fn(&SignalSet) -> bool`, by decision.
    pub(super) rules: Vec<Ident>,
    /// `urgent_biz_confidence: fn(&SignalSet) -> f64`, by decision.
    pub(super) confidences: Vec<Ident>,
    /// `project_bands: fn(&mut SignalSet)`, by mapping.
    pub(super) mappings: Vec<Ident>,
    /// `CONFIDENCE_STRUCTURE_LIST: MeasureId`, by number of the measure.
    pub(super) measures: Vec<Ident>,
}

impl Names {
    /// The identifiers of a router and one of its policies.
    pub(super) fn of(router: &Router, policy: &Policy) -> Names {
        // What the generated file and those that include it call their own.
        let mut taken: BTreeSet<String> = [
            "main",
            "resolve",
            "decide",
            "project",
            "sure_within",
            "score",
            "won",
            "surer",
            "surest",
            "best",
            "literal",
        ]
        .map(str::to_owned)
        .into();
        let mut unique = |wish: String| {
            let name = (2..).map(|n| format!("{wish}_{n}")).find(|name| !taken.contains(name));
            let name = if taken.contains(&wish) { name.expect("numbers do not end") } else { wish };
            taken.insert(name.clone());
            Ident::new(&name, Span::call_site())
        };
        let signal = |s: &crate::ir::Signal| constant(&format!("{}_", s.what.family().to_ascii_uppercase()), &s.name);
        let measure = |n: usize| {
            let of = |prefix: &str, s: &crate::ir::Signal| constant(prefix, &signal(s));
            let noted = policy.signals.iter().find_map(|s| match (s.noted_confidence, s.noted_value) {
                (Some(m), _) if m == n => Some(of("CONFIDENCE_", s)),
                (_, Some(m)) if m == n => Some(of("VALUE_", s)),
                _ => None,
            });
            noted.expect("a measure is some signal's")
        };
        let measures = policy.signals.iter().flat_map(|s| [s.noted_confidence, s.noted_value]).flatten().count();
        Names {
            env: router.env.iter().map(|v| unique(constant("ENV_", &v.name))).collect(),
            models: router.models.iter().map(|m| unique(constant("MODEL_", &m.name))).collect(),
            backends: router.models.iter().map(|m| unique(constant("BACKENDS_", &m.name))).collect(),
            signals: policy.signals.iter().map(|s| unique(signal(s))).collect(),
            decisions: policy.decisions.iter().map(|d| unique(constant("DECISION_", &d.name))).collect(),
            rules: policy.decisions.iter().map(|d| unique(function(&d.name))).collect(),
            confidences: policy.decisions.iter().map(|d| unique(function(&format!("{} confidence", d.name)))).collect(),
            mappings: policy.mappings.iter().map(|m| unique(function(&format!("project {}", m.name)))).collect(),
            measures: (0..measures).map(|n| unique(measure(n))).collect(),
        }
    }
}

/// The modules of recipes.
pub(super) fn modules(recipes: &[Policy]) -> Vec<Ident> {
    let mut taken = BTreeSet::new();
    let mut unique = |recipe: &Policy| {
        let wish = function(&format!("recipe {}", recipe.name));
        let names = std::iter::once(wish.clone()).chain((2..).map(|n| format!("{wish}_{n}")));
        let name = names.into_iter().find(|name| taken.insert(name.clone())).expect("numbers do not end");
        Ident::new(&name, Span::call_site())
    };
    recipes.iter().map(&mut unique).collect()
}

/// Words of letters and digits, joined by underscores. Letters outside ASCII have no part in it: rustc warns of some.
fn words(name: &str) -> String {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|w| !w.is_empty());
    let joined = words.collect::<Vec<_>>().join("_");
    if joined.is_empty() { "unnamed".to_owned() } else { joined }
}

fn constant(prefix: &str, name: &str) -> String {
    format!("{prefix}{}", words(name).to_ascii_uppercase())
}

fn function(name: &str) -> String {
    let name = words(name).to_ascii_lowercase();
    // A keyword or a leading digit is no identifier.
    if syn::parse_str::<Ident>(&name).is_ok() { name } else { format!("decision_{name}") }
}
