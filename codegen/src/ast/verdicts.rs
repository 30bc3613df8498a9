//! Keys of vLLM Semantic Router's schema that the compiler does not read and yet lets stand, with the reason. Each gets one
//! warning, however much stands in it.
//!
//! Data only. Keys that must not stand are in [`upstream`](super::upstream).

use super::node::Node;

/// What becomes of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It means nothing in a baked router.
    Ignored,
    /// It declares what this version does not have. Whatever relies on it is an error where it does.
    Declared,
    /// It does more than to declare, unless it is switched off.
    Switch {
        /// From the key to its switch.
        path: &'static [&'static str],
        /// Where the switch is not written.
        on_by_default: bool,
    },
}

/// A key that is let stand.
#[derive(Debug)]
pub struct Entry {
    /// Path of the section.
    pub section: &'static str,
    /// The key.
    pub key: &'static str,
    /// What becomes of it.
    pub verdict: Verdict,
    /// Why, as a help line.
    pub why: &'static str,
}

const fn ignored(section: &'static str, key: &'static str, why: &'static str) -> Entry {
    Entry { section, key, verdict: Verdict::Ignored, why }
}

const fn declared(section: &'static str, key: &'static str, why: &'static str) -> Entry {
    Entry { section, key, verdict: Verdict::Declared, why }
}

const fn switch(
    section: &'static str,
    key: &'static str,
    path: &'static [&'static str],
    on_by_default: bool,
    why: &'static str,
) -> Entry {
    Entry { section, key, verdict: Verdict::Switch { path, on_by_default }, why }
}

const CARDS: &str = "routing.modelCards[]";
const FOR_PEOPLE: &str = "it tells people about the model; no decision looks at it";
const SIGNALS: &str = "routing.signals";
const ROUTER: &str = "global.router";
const SERVICES: &str = "global.services";
const REDIS: &str = "global.services.response_api.redis";
const CATALOG: &str = "global.model_catalog";
const MODULES: &str = "global.model_catalog.modules";
const DETECTOR: &str = "global.model_catalog.modules.modality_detector";
const NO_MODELS: &str = "there are no models in the router, and none are downloaded";
const ENABLED: &[&str] = &["enabled"];

const CLASSIFIER: &str = "it needs a classifier beside the router";
const EMBEDDINGS: &str = "it needs an embedding model beside the router";

/// All of them.
pub const ENTRIES: &[Entry] = &[
    ignored("", "setup", "it belongs to another tool"),
    ignored("", "evaluation", "nothing is measured by benchmarks; what counts is `quality_score` of a card"),
    ignored(CARDS, "display_name", FOR_PEOPLE),
    ignored(CARDS, "publisher", FOR_PEOPLE),
    ignored(CARDS, "presentation", FOR_PEOPLE),
    ignored(CARDS, "distribution", FOR_PEOPLE),
    ignored(CARDS, "family", FOR_PEOPLE),
    ignored(CARDS, "revision", FOR_PEOPLE),
    ignored(CARDS, "released_at", FOR_PEOPLE),
    ignored(CARDS, "knowledge_cutoff", FOR_PEOPLE),
    ignored(CARDS, "lifecycle", FOR_PEOPLE),
    declared(SIGNALS, "domains", CLASSIFIER),
    declared(SIGNALS, "embeddings", EMBEDDINGS),
    declared(SIGNALS, "complexity", EMBEDDINGS),
    declared(SIGNALS, "jailbreak", CLASSIFIER),
    declared(SIGNALS, "pii", CLASSIFIER),
    declared(SIGNALS, "fact_check", CLASSIFIER),
    declared(SIGNALS, "user_feedbacks", CLASSIFIER),
    declared(SIGNALS, "reasks", EMBEDDINGS),
    declared(SIGNALS, "preferences", "it needs a language model to ask"),
    declared(SIGNALS, "kb", EMBEDDINGS),
    declared(SIGNALS, "classifiers", CLASSIFIER),
    declared(SIGNALS, "safety", CLASSIFIER),
    declared(SIGNALS, "hallucination", CLASSIFIER),
    declared(SIGNALS, "input_modality", "this version does not look at the kinds of parts that a request has"),
    declared(SIGNALS, "session_metrics", "nothing is remembered of a session"),
    declared(SIGNALS, "event_context_rules", "nothing is remembered of a session"),
    declared(SIGNALS, "session_states", "nothing is remembered of a session"),
    declared("routing.projections", "partitions", "their members are signals that need a model beside the router"),
    ignored(
        "routing.decisions[].rules",
        "label",
        "only conditions of `type: classifier` have labels, and those need a model",
    ),
    ignored("routing.decisions[].rules", "on_error", "no signal of this router asks anybody else, so none can fail"),
    ignored("routing.decisions[].algorithm.latency_aware", "description", "it is for people"),
    ignored("routing.decisions[].rules", "on_unknown", "every signal of this router is known: it is there or not"),
    ignored(
        ROUTER,
        "streamed_body",
        "bodies are taken as they come, and Envoy tells how it sends them; `hardwire.max_body_bytes` and `body_timeout` bound them",
    ),
    declared(ROUTER, "model_selection", "models are chosen by the `algorithm` of each decision"),
    switch(ROUTER, "skip_processing", ENABLED, false, "no header lets a client go past the decisions"),
    switch(ROUTER, "learning", ENABLED, false, "a baked router does what it was built to do"),
    ignored(SERVICES, "api", "no request is classified by a model, so there are no batches to bound"),
    ignored(
        SERVICES,
        "observability",
        "metrics are always served, at `/metrics` of the apiserver; traces are not exported",
    ),
    ignored(SERVICES, "startup_status", "the router is ready when it listens; `/ready` tells"),
    ignored(SERVICES, "router_replay", "requests are not kept; the access log tells what was decided"),
    ignored(REDIS, "pool_size", "one connection of each worker serves all that it asks"),
    ignored(REDIS, "min_idle_conns", "one connection of each worker serves all that it asks"),
    declared("global", "stores", "there are no caches, memories or vector stores"),
    switch("global", "integrations", &["tools", "enabled"], false, "tools are not selected by meaning"),
    declared(CATALOG, "embeddings", NO_MODELS),
    declared(CATALOG, "system", NO_MODELS),
    declared(CATALOG, "external", NO_MODELS),
    declared(CATALOG, "kbs", NO_MODELS),
    declared(CATALOG, "bindings", NO_MODELS),
    declared(CATALOG, "deployments", NO_MODELS),
    declared(CATALOG, "admission", NO_MODELS),
    declared(MODULES, "prompt_compression", NO_MODELS),
    declared(MODULES, "prompt_guard", NO_MODELS),
    declared(MODULES, "classifier", NO_MODELS),
    declared(MODULES, "complexity", NO_MODELS),
    declared(MODULES, "hallucination_mitigation", NO_MODELS),
    declared(MODULES, "feedback_detector", NO_MODELS),
    declared(MODULES, "safety", NO_MODELS),
    ignored(DETECTOR, "prompt_prefixes", "the keywords are looked for in the prompt as it is"),
    declared(DETECTOR, "classifier", NO_MODELS),
    ignored(DETECTOR, "confidence_threshold", "keywords are found or not; only a classifier is more or less sure"),
    ignored(DETECTOR, "lower_threshold_ratio", "keywords are found or not; only a classifier is more or less sure"),
];

/// The entry of a key, if it is let stand.
#[must_use]
pub fn entry(section: &str, key: &str) -> Option<&'static Entry> {
    ENTRIES.iter().find(|entry| entry.section == section && entry.key == key)
}

/// Whether a switch is off in what stands under its key.
#[must_use]
pub fn is_off(node: &Node, path: &[&str], on_by_default: bool) -> bool {
    let mut at = Some(node);
    for key in path {
        at = at.and_then(|node| node.get(key));
    }
    match at.map(|node| &node.value) {
        None => !on_by_default,
        Some(super::node::Value::Scalar(text, _)) => text.eq_ignore_ascii_case("false"),
        Some(_) => false,
    }
}
