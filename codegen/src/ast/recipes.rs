//! `entrypoints` and `recipes`: further policies behind names of their own.

use super::decode::{Leaf, List, section};
use super::routing::{Decision, Projections, Signals};
use super::shape::{NAME, TEXT, words};

section! {
    /// Names that clients may ask for, and what they are routed by.
    "entrypoints[]" => pub struct Entrypoint {
        /// What clients write in `model`. Unique among these, the virtual names and the models.
        model_names: List<Leaf> as NAME.some(),
        /// The name of one of `recipes`, or `default` for the top-level `routing`.
        recipe: Leaf as NAME.required(),
    }
}

section! {
    /// A policy with signals and decisions of its own.
    "recipes[]" => pub struct Recipe {
        /// What entrypoints and responses call it. Any but `default`.
        name: Leaf as NAME.required(),
        /// For people, and for `/v1/models`.
        description: Leaf,
        /// What it consists of.
        routing: Routing as TEXT.required(),
    }
}

section! {
    /// What stands in the top-level `routing`, but for the models: they are the same for all.
    "recipes[].routing" => pub struct Routing {
        /// How one of several matching decisions wins: `priority` or `confidence`. Default: `priority`.
        strategy: Leaf as words(&["priority", "confidence"]),
        /// What is noticed about a request.
        signals: Signals,
        /// What is computed from that.
        projections: Projections,
        /// What follows from it.
        decisions: List<Decision>,
    }
}
