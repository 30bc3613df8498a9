//! Policies: what a virtual name is routed by. Each has signals and decisions of its own, and a request looks at one alone.

use super::{
    Automaton, ContextSignal, Decision, DecisionId, Families, KeywordSignal, Matched, Reasons, Signal, SignalId,
    SignalSet,
};

/// Index into [`Tables::policies`](super::Tables::policies); 0 is the top-level `routing`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PolicyId(pub u16);

/// The top-level `routing`, or a recipe.
#[derive(Debug)]
pub struct Policy {
    /// `default`, or the name of the recipe.
    pub name: &'static str,
    /// Of the recipe, or empty.
    pub description: &'static str,
    /// The signals that some decision uses, indexed by [`SignalId`].
    pub signals: &'static [Signal],
    /// The keyword signals among them.
    pub keywords: &'static [KeywordSignal],
    /// The automata that find the terms of all keyword signals in one pass each.
    pub automata: &'static [Automaton],
    /// How many terms the automata tell apart.
    pub term_count: usize,
    /// The context-length signals among `signals`.
    pub contexts: &'static [ContextSignal],
    /// The other signals among `signals`.
    pub families: Families,
    /// Adds what is projected from signals to them, where anything is.
    pub project: Option<fn(&mut SignalSet)>,
    /// Id of the first of the decisions. Decisions are numbered over all policies, so that an id tells its policy.
    pub first_decision: u16,
    /// In the order of the document.
    pub decisions: &'static [Decision],
    /// Why they decide as they do.
    pub reasons: Reasons,
    /// The decision that wins for a set of matched signals.
    pub decide: fn(&SignalSet) -> Option<Matched>,
}

/// A virtual name that an entrypoint gives to a policy.
#[derive(Debug)]
pub struct Entrypoint {
    /// What clients ask for.
    pub name: &'static str,
    /// What they get.
    pub policy: PolicyId,
}

impl Policy {
    /// No signals and no decisions: every request gets the default model.
    pub const EMPTY: Policy = Policy {
        name: "default",
        description: "",
        signals: &[],
        keywords: &[],
        automata: &[],
        term_count: 0,
        contexts: &[],
        families: Families::NONE,
        project: None,
        first_decision: 0,
        decisions: &[],
        reasons: Reasons::NONE,
        decide: |_| None,
    };

    /// The signal with this id.
    #[must_use]
    pub fn signal(&self, id: SignalId) -> &'static Signal {
        &self.signals[usize::from(id.0)]
    }

    /// The decision with this id, which is one of this policy.
    #[must_use]
    pub fn decision(&self, id: DecisionId) -> &'static Decision {
        &self.decisions[usize::from(id.0 - self.first_decision)]
    }

    /// The ids of its decisions.
    pub fn decision_ids(&self) -> impl Iterator<Item = DecisionId> + use<> {
        (self.first_decision..).take(self.decisions.len()).map(DecisionId)
    }
}
