//! A small router, filled in by hand: two models of which one has an awkward name, three backends, two decisions.

use hardwire::table::{
    Algorithm, Backend, BackendId, Balance, Config, Decision, DecisionId, Endpoint, ExtProc, Limits, Listener,
    Management, Matched, Model, ModelId, Plugins, Policy, PolicyId, Pricing, Reasons, Reliability, RetryOn, SignalSet,
    Tables, Target, UnsupportedTools,
};
use std::time::Duration;

pub(crate) const SMALL: ModelId = ModelId(0);
/// Its name has what must be escaped in a path, in JSON and in a metric.
pub(crate) const BIG: ModelId = ModelId(1);
pub(crate) const SMALL_A: BackendId = BackendId(0);
pub(crate) const BIG_A: BackendId = BackendId(2);
/// Chooses [`BIG`].
pub(crate) const URGENT: DecisionId = DecisionId(0);
/// Has no models of its own.
pub(crate) const REST: DecisionId = DecisionId(1);

pub(crate) const SHA256: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

const RELIABILITY: Reliability = Reliability {
    balance: Balance::Weighted,
    retries: None,
    retry_on: RetryOn { statuses: &[] },
    ejection: None,
    health_check: None,
};

const fn backend(id: u16, name: &'static str) -> Backend {
    let endpoint = Endpoint::Echo { token_delay: Duration::ZERO };
    Backend { id: BackendId(id), name, weight: 1, model_id: "m", endpoint }
}

/// 2, 0.20 and 8 dollars per million tokens.
const PRICING: Pricing = Pricing {
    currency: "USD",
    prompt: 2_000_000,
    cached_input: 200_000,
    cache_write: 2_000_000,
    completion: 8_000_000,
};

const fn model(name: &'static str, description: &'static str, backends: &'static [Backend]) -> Model {
    Model {
        name,
        description,
        lora: None,
        context_window: None,
        quality: None,
        protocol: hardwire::table::Protocol::Chat,
        max_output_tokens: 4096,
        makes: hardwire::table::Makes::Words,
        takes_effort: false,
        takes_thinking: true,
        pricing: None,
        reliability: RELIABILITY,
        backends,
    }
}

const fn decision(name: &'static str, models: &'static [ModelId]) -> Decision {
    Decision {
        name,
        priority: 0,
        tier: 0,
        models,
        reasoning: &[],
        algorithm: Algorithm::Static,
        plugins: Plugins::NONE,
        retention: None,
        annotations: None,
    }
}

static MODELS: [Model; 2] = [
    model("small", "for everyday", &[backend(0, "small_a"), backend(1, "small_b")]),
    Model { pricing: Some(PRICING), ..model("lab/big \"1\"", "", &[backend(2, "big_a")]) },
];

static POLICY: Policy = Policy {
    decisions: const { &[decision("urgent", &[BIG]), decision("rest", &[])] },
    reasons: Reasons { rules: &[None, None], confidences: &[], terms: &[] },
    decide,
    ..Policy::EMPTY
};

fn resolve(name: &str) -> Option<Target> {
    match name {
        "vllm-sr/auto" | "auto" => Some(Target::Auto(PolicyId(0))),
        "small" => Some(Target::Model(SMALL)),
        "lab/big \"1\"" => Some(Target::Model(BIG)),
        _ => None,
    }
}

fn decide(_: &SignalSet) -> Option<Matched> {
    Some(Matched { decision: REST, confidence: 0.0 })
}

/// The router, with its models in `/v1/models` or not, and with this document.
pub(crate) fn tables(list_models: bool, json: &'static str) -> &'static Tables {
    const SECOND: Duration = Duration::from_secs(1);
    Box::leak(Box::new(Tables {
        config: Config { source: "router.yaml", sha256: SHA256, json },
        env: &[],
        listeners: &[Listener { name: "public", address: "127.0.0.1", port: 0, timeout: SECOND, api_keys: &[] }],
        management: Management { address: "127.0.0.1", port: 0 },
        extproc: Some(ExtProc {
            address: "127.0.0.1",
            port: 0,
            max_message_bytes: 1,
            max_streams: 1,
            message_timeout: SECOND,
            clear_route_cache: true,
            tls: None,
        }),
        unsupported_tools: UnsupportedTools::Refuse,
        limits: Limits {
            max_body_bytes: 1,
            header_timeout: SECOND,
            body_timeout: SECOND,
            connect_timeout: SECOND,
            first_byte_timeout: None,
            idle_timeout: SECOND,
            drain_timeout: SECOND,
        },
        auto_names: &["vllm-sr/auto", "auto"],
        list_models,
        models: &MODELS,
        backend_count: 3,
        default_model: Some(SMALL),
        policies: const { &[&POLICY] },
        entrypoints: &[],
        resolve,
    }))
}
