//! Decisions: what a virtual model name becomes.

use super::{Algorithm, ModelId, Plugins, Reasoning};

/// Number of a decision over all policies: see [`Policy::first_decision`](super::Policy::first_decision).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DecisionId(pub u16);

/// A routing decision. Its rules are code: [`Policy::decide`](super::Policy::decide).
#[derive(Debug)]
pub struct Decision {
    /// Its name in the document.
    pub name: &'static str,
    /// Larger wins.
    pub priority: i64,
    /// Smaller wins, where any that matches has one above 0.
    pub tier: u32,
    /// The models to choose among; empty: the default model.
    pub models: &'static [ModelId],
    /// How each of them is told to reason; empty where nothing is said to any.
    pub reasoning: &'static [Option<Reasoning>],
    /// How one of them is chosen.
    pub algorithm: Algorithm,
    /// What is done to the request.
    pub plugins: Plugins,
}

/// The decision that won.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Matched {
    /// Which one.
    pub decision: DecisionId,
    /// Of its rules, 0 to 1; a decision without rules has 0.
    pub confidence: f64,
}
