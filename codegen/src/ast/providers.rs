//! `providers`: models, prices, and the backends that serve them.

use super::decode::{Dict, Leaf, List, section};
use super::shape::{DURATION, NAME, PRICE, TEXT, whole, words};

/// Who may serve a model.
const PROVIDERS: &[&str] =
    &["openai", "vllm", "anthropic", "azure-openai", "bedrock", "gemini", "vertex-ai", "minimax", "echo"];

section! {
    /// All of it.
    "providers" => pub struct Providers {
        /// What holds for all models.
        defaults: Defaults,
        /// The models, in the order of `/v1/models`.
        models: List<Model> as TEXT.required().some(),
    }
}

section! {
    /// What holds for all models.
    "providers.defaults" => pub struct Defaults {
        /// Where a virtual name goes when no decision matches. A name of `providers.models`.
        default_model: Leaf as NAME,
        /// How much models reason that are told to, where it is not said. Default: `medium`.
        default_reasoning_effort: Leaf as words(EFFORTS),
        /// Ways in which models are told to reason, by a name of your own.
        reasoning_families: Dict<Family>,
    }
}

/// What effort may be called.
pub(crate) const EFFORTS: &[&str] = &["none", "minimal", "low", "medium", "high", "xhigh", "max"];

section! {
    /// A way in which models are told to reason.
    "providers.defaults.reasoning_families" => pub struct Family {
        /// `chat_template_kwargs`: a switch of the chat template. `reasoning_effort`: a word, in the chat template, or
        /// beside the messages for providers that take it there. `top_level_reasoning_effort`: a word beside the messages.
        kind = "type": Leaf as words(&["chat_template_kwargs", "reasoning_effort", "top_level_reasoning_effort"]).required(),
        /// What the switch or the word is called. Default: `reasoning_effort`, for a word.
        parameter: Leaf as NAME,
    }
}

section! {
    /// A logical model: what clients ask for and decisions choose.
    "providers.models[]" => pub struct Model {
        /// The client-visible name. Unique, and no virtual name.
        name: Leaf as NAME.required(),
        /// How it is told to reason. A name of `providers.defaults.reasoning_families`.
        reasoning_family: Leaf as NAME,
        /// What backends call the model. Default: its `name`.
        provider_model_id: Leaf as NAME,
        /// The same by `type` of backend; wins over `provider_model_id`.
        external_model_ids: Dict<Leaf> as NAME,
        /// The protocol of the backends: `openai`, or `anthropic` for its Messages. Default: `openai`.
        api_format: Leaf as words(&["openai", "anthropic"]),
        /// What its tokens cost. Default: unknown.
        pricing: Pricing,
        /// Balancing, retries and health of its backends.
        reliability: Reliability,
        /// Where it is served, at least one.
        backend_refs: List<BackendRef> as TEXT.required().some(),
    }
}

section! {
    /// Prices per million tokens, at most six decimals.
    "providers.models[].pricing" => pub struct Pricing {
        /// ISO 4217 code. Default: `USD`.
        currency: Leaf,
        /// Prompt tokens.
        prompt_per_1m: Leaf as PRICE,
        /// Prompt tokens that the provider read from its cache. Default: 0, with a warning.
        cached_input_per_1m: Leaf as PRICE,
        /// Prompt tokens that the provider wrote to its cache. Default: as prompt tokens.
        cache_write_per_1m: Leaf as PRICE,
        /// Tokens of the answer.
        completion_per_1m: Leaf as PRICE,
    }
}

section! {
    /// What happens when a backend fails.
    "providers.models[].reliability" => pub struct Reliability {
        /// `round_robin` or `least_request`. Default: at random by weight.
        lb_policy: Leaf as words(&["round_robin", "least_request"]),
        /// Further attempts, 0 to 5. Default: one for every other backend.
        retry_count: Leaf as whole(0, 5),
        /// Comma-separated: what is worth another attempt, beyond connect failures, resets, 502, 503 and 504.
        retry_on: Leaf,
        /// So many failures in a row take a backend out. Default: never.
        consecutive_5xx: Leaf as whole(1, 1_000_000),
        /// For how long, the first time. Default: `30s`.
        base_ejection_time: Leaf as DURATION,
        /// At most this share of the backends at a time. Default: 50.
        max_ejection_percent: Leaf as whole(1, 100),
        /// Path that is asked for the backend's health. Default: none is asked.
        health_check_path: Leaf,
        /// Time between two such questions. Default: `10s`.
        health_check_interval: Leaf as DURATION,
        /// How long one may take. Default: `2s`.
        health_check_timeout: Leaf as DURATION,
    }
}

section! {
    /// One place where a model is served.
    "providers.models[].backend_refs[]" => pub struct BackendRef {
        /// Unique within the model. Default: `primary`, then `backend-2` and so on.
        name: Leaf as NAME,
        /// Host and port; a scheme may stand before. Either this or `base_url`.
        endpoint: Leaf,
        /// `http` or `https`, where `endpoint` has no scheme. Default: `http`.
        protocol: Leaf as words(&["http", "https"]),
        /// Its share of the requests, at least 1. Default: 1.
        weight: Leaf as whole(1, 1_000_000),
        /// Key into `external_model_ids`. Default: `provider`, else `vllm`.
        kind = "type": Leaf,
        /// Scheme, host and first part of the path. Either this or `endpoint`.
        base_url: Leaf,
        /// Who serves it: sets the path and the authentication.
        provider: Leaf as words(PROVIDERS),
        /// Header that carries the key. Default: the provider's.
        auth_header: Leaf,
        /// What stands before the key. Default: the provider's.
        auth_prefix: Leaf,
        /// Headers that are set on every request.
        extra_headers: Dict<Leaf>,
        /// Version of the Azure API.
        api_version: Leaf,
        /// Path of chat completions, in place of the whole path.
        chat_path: Leaf,
        /// The key, as a reference to an environment variable.
        api_key: Leaf as NAME,
        /// The name of the environment variable that holds the key.
        api_key_env: Leaf,
        /// Pause before each token of the echo backend. Default: none.
        token_delay: Leaf as DURATION,
    }
}
