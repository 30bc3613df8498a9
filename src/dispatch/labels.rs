//! The `x-vsr-*` headers of a response: what was decided, for the client to see.

use super::client::Client;
use crate::protocol::translated::Warnings;
use crate::routing::{Plan, Produce};
use crate::table::{DecisionId, Protocol, Retention, SignalKind, Tables};
use http::{HeaderMap, HeaderName, HeaderValue};

pub(crate) const SCHEMA_VERSION: HeaderName = HeaderName::from_static("x-vsr-schema-version");
pub(crate) const SCHEMA_VERSION_VALUE: HeaderValue = HeaderValue::from_static("2");
pub(crate) const RESPONSE_PATH: HeaderName = HeaderName::from_static("x-vsr-response-path");
/// Anthropic's SDKs read the id of a request from here.
pub(super) const ANTHROPIC_REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
const SELECTED_MODEL: HeaderName = HeaderName::from_static("x-vsr-selected-model");
const SELECTED_RECIPE: HeaderName = HeaderName::from_static("x-vsr-selected-recipe");
const SELECTED_DECISION: HeaderName = HeaderName::from_static("x-vsr-selected-decision");
const SELECTED_CONFIDENCE: HeaderName = HeaderName::from_static("x-vsr-selected-confidence");
const SELECTED_ALGORITHM: HeaderName = HeaderName::from_static("x-vsr-selected-algorithm");
const SELECTED_REASONING: HeaderName = HeaderName::from_static("x-vsr-selected-reasoning");
const INJECTED_SYSTEM_PROMPT: HeaderName = HeaderName::from_static("x-vsr-injected-system-prompt");
const RETENTION_DROP: HeaderName = HeaderName::from_static("x-vsr-retention-drop");
const RETENTION_TTL_TURNS: HeaderName = HeaderName::from_static("x-vsr-retention-ttl-turns");
const RETENTION_KEEP_CURRENT_MODEL: HeaderName = HeaderName::from_static("x-vsr-retention-keep-current-model");
const RETENTION_PREFER_PREFIX: HeaderName = HeaderName::from_static("x-vsr-retention-prefer-prefix");
const SELECTED_MODALITY: HeaderName = HeaderName::from_static("x-vsr-selected-modality");
/// What of an answer is missing.
pub(super) const RESPONSE_WARNINGS: HeaderName = HeaderName::from_static("x-vsr-response-warnings");
const FAST_RESPONSE: HeaderName = HeaderName::from_static("x-vsr-fast-response");
/// The signals that matched, by family.
const MATCHED: [HeaderName; SignalKind::ALL.len()] = [
    HeaderName::from_static("x-vsr-matched-keywords"),
    HeaderName::from_static("x-vsr-matched-context"),
    HeaderName::from_static("x-vsr-matched-structure"),
    HeaderName::from_static("x-vsr-matched-conversation"),
    HeaderName::from_static("x-vsr-matched-metadata"),
    HeaderName::from_static("x-vsr-matched-authz"),
    HeaderName::from_static("x-vsr-matched-event"),
    HeaderName::from_static("x-vsr-matched-modality"),
    HeaderName::from_static("x-vsr-matched-language"),
    HeaderName::from_static("x-vsr-matched-projections"),
];
const CONTEXT_TOKEN_COUNT: HeaderName = HeaderName::from_static("x-vsr-context-token-count");

const CLIENT_PROTOCOL: HeaderName = HeaderName::from_static("x-vsr-client-protocol");
const UPSTREAM_PROTOCOL: HeaderName = HeaderName::from_static("x-vsr-upstream-protocol");
const PROTOCOL_WARNINGS: HeaderName = HeaderName::from_static("x-vsr-protocol-warnings");

/// A request with this header set to `true` gets the labels that explain a decision.
const DEBUG: HeaderName = HeaderName::from_static("x-vsr-debug");

/// Header values that are the same for every request, made once.
#[derive(Debug)]
pub(crate) struct Labels {
    tables: &'static Tables,
    models: Vec<HeaderValue>,
    decisions: Vec<HeaderValue>,
    recipes: Vec<HeaderValue>,
}

/// Whether a client asks for the labels that explain a decision.
pub(crate) fn wants_debug(headers: &HeaderMap) -> bool {
    headers.get(DEBUG).is_some_and(|value| value == "true")
}

impl Labels {
    pub(crate) fn new(tables: &'static Tables) -> Self {
        Labels {
            tables,
            models: tables.models.iter().map(|model| value(model.shown())).collect(),
            decisions: tables.decisions().map(|decision| value(decision.name)).collect(),
            recipes: tables.policies.iter().map(|policy| value(policy.name)).collect(),
        }
    }

    /// Sets the labels of a response that the decision itself gave.
    pub(crate) fn set_own(&self, headers: &mut HeaderMap, plan: &Plan, debug: bool) {
        self.set(headers, plan, debug);
        headers.insert(RESPONSE_PATH, HeaderValue::from_static("fast_response"));
        headers.insert(FAST_RESPONSE, HeaderValue::from_static("true"));
        // No model was asked, so none was chosen.
        for name in [SELECTED_ALGORITHM, SELECTED_REASONING] {
            headers.remove(name);
        }
    }

    /// What a model is told about reasoning, if anything.
    fn reasoning(&self, decision: DecisionId, candidate: usize) -> Option<bool> {
        let told = self.tables.decision(decision).reasoning.get(candidate)?.as_ref();
        told.map(|reasoning| reasoning.on)
    }

    /// Sets the labels of a response that a backend gave.
    pub(crate) fn set(&self, headers: &mut HeaderMap, plan: &Plan, debug: bool) {
        headers.insert(SCHEMA_VERSION, SCHEMA_VERSION_VALUE);
        headers.insert(RESPONSE_PATH, HeaderValue::from_static("upstream"));
        if let Some(model) = plan.model {
            headers.insert(SELECTED_MODEL, self.models[usize::from(model.0)].clone());
        }
        let Some(choice) = &plan.choice else { return };
        // That a request gets words is what everybody expects.
        if let Some((produce, said)) = choice.produces.filter(|(produce, _)| debug || *produce != Produce::Text) {
            headers.insert(SELECTED_MODALITY, value(&format!("{};{}", produce.word(), said.word())));
            if produce != Produce::Text {
                headers.insert(RESPONSE_PATH, HeaderValue::from_static("image_generation"));
            }
        }
        headers.insert(SELECTED_RECIPE, self.recipes[usize::from(choice.policy.0)].clone());
        if let Some((decision, confidence)) = choice.decision {
            headers.insert(SELECTED_DECISION, self.decisions[usize::from(decision.0)].clone());
            headers.insert(SELECTED_CONFIDENCE, confidence_value(confidence));
            if debug && self.tables.decision(decision).plugins.system_prompt.is_some() {
                headers.insert(INJECTED_SYSTEM_PROMPT, HeaderValue::from_static("true"));
            }
            if debug && let Some(on) = self.reasoning(decision, choice.candidate) {
                headers.insert(SELECTED_REASONING, HeaderValue::from_static(if on { "on" } else { "off" }));
            }
            if debug && let Some(retention) = &self.tables.decision(decision).retention {
                tell_retention(headers, retention);
            }
            let algorithm = self.tables.decision(decision).algorithm.name();
            headers.insert(SELECTED_ALGORITHM, HeaderValue::from_static(algorithm));
        }
        if debug {
            for (kind, name) in SignalKind::ALL.into_iter().zip(&MATCHED) {
                let signals = choice.matched.iter().map(|id| self.tables.policy(choice.policy).signal(id));
                let names: Vec<&str> = signals.filter(|signal| signal.kind == kind).map(|signal| signal.name).collect();
                if !names.is_empty() {
                    headers.insert(name, value(&names.join(",")));
                }
            }
            if let Some(tokens) = choice.tokens {
                headers.insert(CONTEXT_TOKEN_COUNT, HeaderValue::from(tokens));
            }
        }
    }
}

/// Sets what is told of a translation.
pub(super) fn set_protocols(headers: &mut HeaderMap, client: Client, upstream: Protocol, warnings: &Warnings) {
    let client = match client {
        Client::Chat => "openai",
        Client::Messages => "anthropic",
        Client::Responses => "openai-responses",
    };
    headers.insert(CLIENT_PROTOCOL, HeaderValue::from_static(client));
    headers.insert(UPSTREAM_PROTOCOL, protocol_name(upstream));
    if !warnings.is_empty() {
        headers.insert(PROTOCOL_WARNINGS, value(&warnings.to_header()));
    }
}

/// As `api_format` has it.
fn protocol_name(protocol: Protocol) -> HeaderValue {
    HeaderValue::from_static(match protocol {
        Protocol::Chat => "openai",
        Protocol::Messages => "anthropic",
    })
}

/// Tells what the document says, and nothing else: `false` and 0 are said too.
fn tell_retention(headers: &mut HeaderMap, retention: &Retention) {
    let flags = [
        (RETENTION_DROP, retention.drop),
        (RETENTION_KEEP_CURRENT_MODEL, retention.keep_current_model),
        (RETENTION_PREFER_PREFIX, retention.prefer_prefix),
    ];
    for (name, flag) in flags {
        if let Some(flag) = flag {
            headers.insert(name, HeaderValue::from_static(if flag { "true" } else { "false" }));
        }
    }
    if let Some(turns) = retention.ttl_turns {
        headers.insert(RETENTION_TTL_TURNS, HeaderValue::from(turns));
    }
}

fn confidence_value(confidence: f64) -> HeaderValue {
    if confidence == 1.0 {
        return HeaderValue::from_static("1.0000");
    }
    value(&format!("{confidence:.4}"))
}

/// Names are the configuration's own text: what no header may hold is replaced.
fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| {
        let plain: String = text.chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }).collect();
        HeaderValue::from_str(&plain).expect("only visible ASCII is left")
    })
}
