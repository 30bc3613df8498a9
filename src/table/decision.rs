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
    /// What the client is told of keeping what belongs to the conversation.
    pub retention: Option<Retention>,
    /// Annotations of the document, as JSON.
    pub annotations: Option<&'static str>,
}

/// What whoever keeps something of a conversation should do with it. Only what the document says is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Nothing of this turn should be kept.
    pub drop: Option<bool>,
    /// For how many turns it should be kept.
    pub ttl_turns: Option<u32>,
    /// The next turn should go to the same model.
    pub keep_current_model: Option<bool>,
    /// The beginning of the prompt should stay in the caches of the backend.
    pub prefer_prefix: Option<bool>,
}

/// The decision that won.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Matched {
    /// Which one.
    pub decision: DecisionId,
    /// Of its rules, 0 to 1; a decision without rules has 0.
    pub confidence: f64,
}
