//! The answer of `POST /api/v1/eval`: an [`Explanation`] in the shape that the contract gives it, and nothing that is not in
//! it. The command line prints the same.

use crate::routing::Plan;
use crate::routing::explain::{Considered, Explanation, Noticed, Part, Trace, signal_name};
use crate::table::{PluginKind, Policy, Rule, SignalId, SignalKind, Tables};
use serde::Serialize;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What was decided for a request, and why.
#[derive(Debug, Serialize)]
pub struct Evaluation<'a> {
    original_text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    requested_model: Option<&'a str>,
    /// What it was routed by; a model that is asked for by its own name is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    recipe: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decision_result: Option<DecisionResult<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    eval_trace: Option<Vec<DecisionTrace<'a>>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    recommended_models: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    selected_model: Option<&'a str>,
    selection_status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    selection_method: Option<&'static str>,
    selection_reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    routing_decision: Option<&'a str>,
    metrics: Metrics,
    signal_confidences: BTreeMap<String, f64>,
    /// What signals counted that count something, whether they matched or not.
    signal_values: BTreeMap<String, f64>,
    /// Our own addition: on what the signals fired.
    signal_evidence: Vec<Evidence<'a>>,
}

#[derive(Debug, Serialize)]
struct DecisionResult<'a> {
    decision_name: &'a str,
    algorithm: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    plugins: Vec<&'static str>,
    used_signals: Lists<'a>,
    matched_signals: Lists<'a>,
    unmatched_signals: Lists<'a>,
    /// Our own addition: as the document has them.
    #[serde(skip_serializing_if = "Option::is_none")]
    annotations: Option<&'a RawValue>,
}

/// Names of signals by family: `keywords`, `context`, …
pub(super) type Lists<'a> = BTreeMap<&'static str, Vec<&'a str>>;

#[derive(Debug, Serialize)]
struct DecisionTrace<'a> {
    decision_name: &'a str,
    matched: bool,
    confidence: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    root_trace: Option<Node<'a>>,
}

#[derive(Debug, Serialize)]
struct Node<'a> {
    node_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    signal_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signal_name: Option<&'a str>,
    matched: bool,
    confidence: f64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    children: Vec<Node<'a>>,
}

/// Signals are evaluated together, so there is one time for all of them.
#[derive(Debug, Serialize)]
struct Metrics {
    execution_time_ms: f64,
    estimated_tokens: u64,
}

/// A piece of the text that a signal looks for.
#[derive(Debug, Serialize)]
struct Evidence<'a> {
    signal: String,
    term: &'static str,
    /// As it stands in the text.
    text: &'a str,
    /// Its first byte in `original_text`.
    start: usize,
    /// One past its last.
    end: usize,
}

/// Puts an explanation into its shape. `requested` is the model that the request asked for, if it named one; `trace` adds
/// how each part of each rule came out.
#[must_use]
pub fn evaluation<'a>(
    tables: &'static Tables,
    requested: Option<&'a str>,
    explained: &'a Explanation,
    trace: bool,
    took: Duration,
) -> Evaluation<'a> {
    let policy = explained.policy;
    let won = explained.won().map(|(id, _)| id);
    let decision = won.map(|id| tables.decision(id));
    let (selection_status, selection_method) = match (&explained.plan, decision) {
        (None, _) => ("unavailable", None),
        (Some(Plan { choice: None, .. }), _) => ("selected", Some("explicit")),
        (Some(Plan { model: None, .. }), _) => ("selected", None),
        (Some(_), None) => ("fallback", Some("default")),
        (Some(_), Some(decision)) => ("selected", Some(decision.algorithm.name())),
    };
    let matched = explained.signals.iter().filter(|noticed| noticed.confidence.is_some());
    let confidence = |noticed: &Noticed| (signal_name(policy, noticed.signal), noticed.confidence.unwrap_or_default());
    Evaluation {
        original_text: &explained.text,
        requested_model: requested,
        recipe: explained.recipe,
        decision_result: decision.zip(won).map(|(decision, id)| {
            let rule = policy.reasons.rules[usize::from(id.0 - policy.first_decision)].as_ref();
            let used = rule.map(used).unwrap_or_default();
            DecisionResult {
                decision_name: decision.name,
                algorithm: decision.algorithm.name(),
                plugins: decision.plugins.kinds().map(PluginKind::name).collect(),
                used_signals: lists(policy, used.into_iter().map(SignalId)),
                matched_signals: matched_signals(explained),
                unmatched_signals: lists(
                    policy,
                    explained.signals.iter().filter(|noticed| noticed.confidence.is_none()).map(|n| n.signal),
                ),
                annotations: decision.annotations.and_then(|json| serde_json::from_str(json).ok()),
            }
        }),
        eval_trace: trace.then(|| explained.decisions.iter().map(|one| decision_trace(policy, one)).collect()),
        recommended_models: decision.iter().flat_map(|d| d.models).map(|id| tables.model(*id).name).collect(),
        selected_model: explained.model(tables),
        selection_status,
        selection_method,
        selection_reason: explained.reason(tables),
        routing_decision: decision.map(|decision| decision.name),
        metrics: Metrics { execution_time_ms: took.as_secs_f64() * 1e3, estimated_tokens: explained.tokens },
        signal_confidences: matched.map(confidence).collect(),
        signal_values: explained
            .signals
            .iter()
            .filter_map(|noticed| Some((signal_name(policy, noticed.signal), noticed.value?)))
            .collect(),
        signal_evidence: explained
            .signals
            .iter()
            .flat_map(|noticed| evidence(policy, noticed, &explained.text))
            .collect(),
    }
}

/// The signals that matched, by family.
pub(super) fn matched_signals(explained: &Explanation) -> Lists<'static> {
    let matched = explained.signals.iter().filter(|noticed| noticed.confidence.is_some());
    lists(explained.policy, matched.map(|noticed| noticed.signal))
}

fn lists(policy: &'static Policy, ids: impl Iterator<Item = SignalId>) -> Lists<'static> {
    let mut out = Lists::new();
    for id in ids {
        let signal = policy.signal(id);
        out.entry(family(signal.kind)).or_default().push(signal.name);
    }
    out
}

/// The key of a family in lists. Only those that have a list of their own in the document are in the plural.
fn family(kind: SignalKind) -> &'static str {
    match kind {
        SignalKind::Keyword => "keywords",
        other => other.name(),
    }
}

/// The signals that a rule names.
fn used(rule: &Rule) -> BTreeSet<u16> {
    match rule {
        Rule::Signal(id) | Rule::Compare(id, ..) => BTreeSet::from([id.0]),
        Rule::All(rules) | Rule::Any(rules) => rules.iter().flat_map(used).collect(),
        Rule::Not(rule) => used(rule),
    }
}

fn decision_trace<'a>(policy: &'static Policy, considered: &Considered) -> DecisionTrace<'a> {
    DecisionTrace {
        decision_name: policy.decision(considered.decision).name,
        matched: considered.matched,
        confidence: considered.confidence,
        root_trace: considered.trace.as_ref().map(|trace| node(policy, trace)),
    }
}

fn node<'a>(policy: &'static Policy, trace: &Trace) -> Node<'a> {
    let (node_type, signal) = match trace.part {
        Part::Leaf(id) => ("leaf", Some(policy.signal(id))),
        Part::And => ("AND", None),
        Part::Or => ("OR", None),
        Part::Not => ("NOT", None),
    };
    Node {
        node_type,
        signal_type: signal.map(|signal| signal.kind.name()),
        signal_name: signal.map(|signal| signal.name),
        matched: trace.matched,
        confidence: trace.confidence,
        children: trace.children.iter().map(|child| node(policy, child)).collect(),
    }
}

fn evidence<'a>(policy: &'static Policy, noticed: &'a Noticed, text: &'a str) -> impl Iterator<Item = Evidence<'a>> {
    noticed.places.iter().map(move |(term, place)| Evidence {
        signal: signal_name(policy, noticed.signal),
        term,
        text: &text[place.clone()],
        start: place.start,
        end: place.end,
    })
}
