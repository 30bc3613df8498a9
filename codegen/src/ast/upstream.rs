//! Keys and values of vLLM Semantic Router's schema that this version does not have, so that they can be named as such.
//!
//! Data only: supporting one of them takes its name off the list.

/// Keys that exist in the schema and not here, by section.
pub const UNSUPPORTED: &[(&str, &[&str])] = &[
    ("providers.models[]", &["catalog"]),
    ("routing", &["candidate_requirements", "data_policy", "fallback", "model_bindings"]),
    ("recipes[].routing", &["candidate_requirements", "data_policy", "fallback", "model_bindings"]),
    ("routing.projections.scores[].inputs[]", &["kb", "metric"]),
    ("routing.projections.mappings[]", &["top_k"]),
    (
        "routing.decisions[]",
        &["action", "candidateIterations", "adaptations", "output_contract", "output_contract_spec"],
    ),
    ("routing.decisions[].modelRefs[]", &["reasoning_mode"]),
    ("routing.decisions[].algorithm.multi_factor", &["expected_output_tokens", "quality"]),
    ("plugins.request_params", &["default_max_tokens"]),
    ("plugins.tools", &["semantic_selection", "strategy", "dynamic_retrieval", "trusted_facts"]),
    (
        "routing.decisions[].algorithm",
        &[
            "confidence",
            "ratings",
            "remom",
            "fusion",
            "workflows",
            "prompt",
            "hybrid",
            "router_dc",
            "automix",
            "knn",
            "kmeans",
            "mlp",
            "svm",
            "minimum_candidates",
            "on_error",
        ],
    ),
    ("global.router", &["fallback", "state_store", "strategy"]),
    ("global.services", &["ratelimit"]),
    ("global.services.authz", &["providers"]),
    ("global.services.response_api.redis", &["config_path", "tls_ca_path", "tls_cert_path", "tls_key_path"]),
    ("global.services.management_api", &["remote_exposure"]),
    ("global.services.management_api.auth", &["tokens"]),
];

/// Keys that the schema once had, with what took their place.
const REMOVED: &[(&str, &str, &str)] = &[
    ("routing", "models", "`routing.modelCards`"),
    ("providers", "model_targets", "`providers.models[].backend_refs`"),
    ("providers", "backends", "`providers.models[].backend_refs`"),
    ("providers", "auth_profiles", "`api_key_env` or `api_key` of a backend"),
    ("providers", "default_model", "`providers.defaults.default_model`"),
    ("providers", "reasoning_families", "`providers.defaults.reasoning_families`"),
    ("providers", "default_reasoning_effort", "`providers.defaults.default_reasoning_effort`"),
    ("providers.models[]", "access", "`backend_refs`"),
    ("providers.models[]", "endpoints", "`backend_refs`"),
    ("providers.models[]", "access_key", "`api_key_env` of a backend"),
    ("providers.models[]", "param_size", "`param_size` of the model's card"),
    ("providers.models[]", "context_window_size", "`context_window_size` of the model's card"),
    ("providers.models[]", "description", "`description` of the model's card"),
    ("providers.models[]", "capabilities", "`capabilities` of the model's card"),
    ("providers.models[]", "loras", "`loras` of the model's card"),
    ("providers.models[]", "quality_score", "`quality_score` of the model's card"),
    ("providers.models[]", "modality", "`modality` of the model's card"),
    ("providers.models[]", "tags", "`tags` of the model's card"),
    ("global", "modules", "`global.model_catalog.modules`"),
    ("routing.decisions[]", "modelSelectionAlgorithm", "`algorithm`"),
    ("routing.decisions[]", "tool_scope", "the plugin `tools`"),
    ("routing.decisions[]", "allow_tools", "the plugin `tools`"),
    ("routing.decisions[]", "block_tools", "the plugin `tools`"),
    ("routing.signals", "category_kb", "`routing.signals.kb`"),
    ("routing.signals", "taxonomy", "`routing.signals.kb`"),
];

/// Keys that newer versions of the schema call by another name, with the name here.
const RENAMED: &[(&str, &str, &str)] = &[
    ("providers.defaults", "model", "default_model"),
    ("providers.defaults", "reasoning_effort", "default_reasoning_effort"),
    ("providers.models[]", "reasoning", "reasoning_family"),
    ("routing.modelCards[]", "modalities", "modality"),
];

/// Keys that belong elsewhere, with the place.
const MISPLACED: &[(&str, &str, &str)] = &[("recipes[].routing", "modelCards", "`routing.modelCards`")];

/// Types of rule leaves that exist in the schema and not here.
pub const UNSUPPORTED_SIGNAL_TYPES: &[&str] = &[
    "classifier",
    "complexity",
    "domain",
    "embedding",
    "fact_check",
    "hallucination",
    "input_modality",
    "jailbreak",
    "kb",
    "pii",
    "preference",
    "reask",
    "safety",
    "user_feedback",
];

/// Algorithms that exist, or existed, in the schema and not here.
pub const UNSUPPORTED_ALGORITHMS: &[&str] = &[
    "automix",
    "bandit",
    "confidence",
    "elo",
    "fusion",
    "gmtrouter",
    "hybrid",
    "kmeans",
    "knn",
    "mlp",
    "personalization",
    "prompt",
    "random",
    "ratings",
    "remom",
    "rl_driven",
    "router_dc",
    "session_aware",
    "svm",
    "workflows",
];

/// Plugins that exist, or existed, in the schema and not here.
pub const UNSUPPORTED_PLUGINS: &[&str] = &[
    "content-safety",
    "context_compression",
    "hallucination",
    "jailbreak",
    "memory",
    "pii",
    "rag",
    "response_cache",
    "response_jailbreak",
    "router_replay",
    "semantic-cache",
    "semantic_cache",
    "shadow_dispatch",
    "tool_selection",
];

/// Providers that exist in the schema and not here.
pub const UNSUPPORTED_PROVIDERS: &[&str] = &["anthropic-compatible", "vllm_omni"];

/// Whether this key of a section exists in the schema, but not here.
pub fn unsupported(section: &str, key: &str) -> bool {
    UNSUPPORTED.iter().any(|(path, keys)| *path == section && keys.contains(&key))
}

/// Where a key belongs that does not belong in this section.
pub fn belongs(section: &str, key: &str) -> Option<&'static str> {
    MISPLACED.iter().find(|(path, name, _)| *path == section && *name == key).map(|(_, _, place)| *place)
}

/// The name here of a key that has another one elsewhere.
pub fn renamed(section: &str, key: &str) -> Option<&'static str> {
    RENAMED.iter().find(|(path, name, _)| *path == section && *name == key).map(|(_, _, here)| *here)
}

/// What took the place of a key that the schema once had.
pub fn removed(section: &str, key: &str) -> Option<&'static str> {
    REMOVED.iter().find(|(path, name, _)| *path == section && *name == key).map(|(_, _, replacement)| *replacement)
}
