//! `router-config.yaml` exactly as it is written: a file per top-level section, every leaf with the place where it stands.
//!
//! The structs are the list of what may be written, and their documentation says what it means; docs/configuration.md is
//! held against them by a test. Nothing here is checked beyond its shape: that is `lower`'s part.

pub mod decode;
pub mod global;
pub mod hardwire;
pub mod listeners;
pub mod node;
pub mod plugins;
pub mod providers;
pub mod recipes;
pub mod responses;
pub mod routing;
pub mod secret;
pub mod shape;
pub mod upstream;
pub mod verdicts;

use decode::{Decode, Leaf, List, SectionKeys, section};
use shape::{TEXT, words};

section! {
    /// The whole document.
    "" => pub struct Document {
        /// Version of the schema: `v0.3`, if it is told at all.
        version: Leaf as words(&["v0.3"]),
        /// Where clients come in.
        listeners: List<listeners::Listener> as TEXT.some(),
        /// Models and where they are served.
        providers: providers::Providers as TEXT.required(),
        /// Which model a request for a virtual name gets.
        routing: routing::Routing,
        /// Names that are routed by a recipe.
        entrypoints: List<recipes::Entrypoint>,
        /// Further policies, each apart from the others.
        recipes: List<recipes::Recipe>,
        /// What concerns the router as a whole.
        global: global::Global,
        /// Bounds and timeouts: our own addition to the schema.
        hardwire: hardwire::Hardwire,
    }
}

/// Every section and its keys, in the order of the document.
#[must_use]
pub fn sections() -> Vec<SectionKeys> {
    let mut out = Vec::new();
    Document::sections(&mut out);
    out
}
