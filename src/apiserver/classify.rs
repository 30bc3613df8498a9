//! Endpoints that decide for a request which nobody sends on: what it would get, and why.

use super::answer::{Answer, Problem, json, problem, render};
use super::evaluation::{Lists, evaluation, matched_signals};
use super::{Api, Asked};
use crate::protocol::prompt::Raw;
use crate::routing::explain::{Explanation, Part, Trace, signal_name};
use crate::routing::{Error, Request};
use crate::table::{Policy, Tables};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Instant;

/// More texts than this are several batches.
const MOST_TEXTS: usize = 1000;

/// A text, or a chat request; what else a client tells is not looked at.
#[derive(Deserialize, Default)]
struct Question<'a> {
    #[serde(borrow, default)]
    text: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    messages: Option<&'a RawValue>,
    #[serde(borrow, default)]
    tools: Option<&'a RawValue>,
    #[serde(borrow, default)]
    metadata: Option<&'a RawValue>,
    #[serde(default)]
    model: Option<String>,
    /// Who sends it, as the proxy in front would tell; our own addition, as is `groups`.
    #[serde(default)]
    user: String,
    /// Set apart by commas.
    #[serde(default)]
    groups: String,
    #[serde(default)]
    options: Options,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Options {
    trace: bool,
    return_probabilities: bool,
}

#[derive(Deserialize)]
struct Batch {
    texts: Vec<String>,
    #[serde(default)]
    task_type: Option<String>,
    /// Who sends them all.
    #[serde(default)]
    user: String,
    /// Set apart by commas.
    #[serde(default)]
    groups: String,
}

/// `POST /api/v1/eval`
pub(super) fn eval(api: &Api, asked: &Asked<'_>) -> Answer {
    let trace = asked.head.uri.query().is_some_and(|query| query.split('&').any(|pair| pair == "trace=true"));
    answer(|| {
        let question: Question<'_> = parse(asked.body)?;
        let began = Instant::now();
        let explained = explain(api, &question)?;
        let (model, trace) = (question.model.as_deref(), trace || question.options.trace);
        Ok(json(render(&evaluation(api.tables, model, &explained, trace, began.elapsed()))))
    })
}

/// `POST /api/v1/classify/intent`
pub(super) fn intent(api: &Api, asked: &Asked<'_>) -> Answer {
    answer(|| {
        let question: Question<'_> = parse(asked.body)?;
        let began = Instant::now();
        let explained = explain(api, &question)?;
        let won = explained.won();
        let decision_result = won.map(|(id, confidence)| DecisionResult {
            decision_name: api.tables.decision(id).name,
            confidence,
            matched_rules: explained.decisions[usize::from(id.0 - explained.policy.first_decision)]
                .trace
                .as_ref()
                .map_or_else(Vec::new, |trace| matched_rules(explained.policy, trace)),
        });
        let probabilities = || {
            let matched = explained.decisions.iter().filter(|one| one.matched);
            matched.map(|one| (api.tables.decision(one.decision).name, one.confidence)).collect()
        };
        Ok(json(render(&Intent {
            classification: classification(api.tables, &explained, began),
            probabilities: question.options.return_probabilities.then(probabilities),
            recommended_model: explained.model(api.tables).unwrap_or_default(),
            routing_decision: won.map_or("", |(id, _)| api.tables.decision(id).name),
            matched_signals: matched_signals(&explained),
            decision_result,
        })))
    })
}

/// `POST /api/v1/classify/batch`
pub(super) fn batch(api: &Api, asked: &Asked<'_>) -> Answer {
    answer(|| {
        let batch: Batch = parse(asked.body)?;
        match batch.task_type.as_deref() {
            None | Some("intent") => {}
            Some("pii" | "security" | "all") => return Err(Problem::NoClassifier),
            Some(other) => return Err(Problem::InvalidInput(format!("task_type `{other}` is not known"))),
        }
        if batch.texts.is_empty() || batch.texts.len() > MOST_TEXTS {
            return Err(Problem::InvalidInput(format!("texts must have 1 to {MOST_TEXTS} items")));
        }
        let began = Instant::now();
        let mut results = Vec::with_capacity(batch.texts.len());
        for text in &batch.texts {
            let began = Instant::now();
            let question = Question {
                text: Some(Cow::Borrowed(text)),
                user: batch.user.clone(),
                groups: batch.groups.clone(),
                ..Question::default()
            };
            results.push(classification(api.tables, &explain(api, &question)?, began));
        }
        Ok(json(render(&Results {
            total_count: results.len(),
            processing_time_ms: milliseconds(began),
            statistics: Statistics::of(&results),
            results,
        })))
    })
}

fn answer(work: impl FnOnce() -> Result<Answer, Problem>) -> Answer {
    work().unwrap_or_else(problem)
}

fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(|error| Problem::InvalidInput(format!("the body cannot be read: {error}")))
}

fn explain(api: &Api, question: &Question<'_>) -> Result<Explanation, Problem> {
    let messages = match (&question.messages, &question.text) {
        (Some(messages), _) => Cow::Borrowed(messages.get().as_bytes()),
        (None, Some(text)) => Cow::Owned(one_message(text)),
        (None, None) => return Err(Problem::InvalidInput("text or messages is required".to_owned())),
    };
    let body = Raw {
        messages: &messages,
        tools: question.tools.map(|raw| raw.get().as_bytes()),
        metadata: question.metadata.map(|raw| raw.get().as_bytes()),
        ..Raw::default()
    };
    let request = Request { body, user: &question.user, groups: &question.groups, wish: None };
    let name = question.model.as_deref().or_else(|| api.tables.auto_names.first().copied()).unwrap_or("auto");
    api.routing.explain(name, request).map_err(|error| match error {
        Error::NoIdentity => Problem::NoIdentity,
        Error::UnknownModel { .. } => Problem::InvalidModel(error.to_string()),
        _ => Problem::InvalidInput(error.to_string()),
    })
}

/// The messages of a request with this text alone.
fn one_message(text: &str) -> Vec<u8> {
    serde_json::json!([{ "role": "user", "content": text }]).to_string().into_bytes()
}

fn classification(tables: &'static Tables, explained: &Explanation, began: Instant) -> Classification {
    let won = explained.won();
    Classification {
        category: won.map_or("", |(id, _)| tables.decision(id).name),
        confidence: won.map_or(0.0, |(_, confidence)| confidence),
        processing_time_ms: milliseconds(began),
    }
}

/// The signals that made a rule match.
fn matched_rules(policy: &Policy, trace: &Trace) -> Vec<String> {
    match trace.part {
        Part::Leaf(id) if trace.matched => vec![signal_name(policy, id)],
        Part::Leaf(_) | Part::Not => Vec::new(),
        Part::And | Part::Or => trace.children.iter().flat_map(|child| matched_rules(policy, child)).collect(),
    }
}

fn milliseconds(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// A decision stands in the place of a category: there is nothing else that texts are sorted by.
#[derive(Serialize)]
struct Classification {
    category: &'static str,
    confidence: f64,
    processing_time_ms: u64,
}

#[derive(Serialize)]
struct Intent<'a> {
    classification: Classification,
    #[serde(skip_serializing_if = "Option::is_none")]
    probabilities: Option<BTreeMap<&'a str, f64>>,
    recommended_model: &'a str,
    routing_decision: &'a str,
    matched_signals: Lists<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decision_result: Option<DecisionResult<'a>>,
}

#[derive(Serialize)]
struct DecisionResult<'a> {
    decision_name: &'a str,
    confidence: f64,
    matched_rules: Vec<String>,
}

#[derive(Serialize)]
struct Results {
    results: Vec<Classification>,
    total_count: usize,
    processing_time_ms: u64,
    statistics: Statistics,
}

#[derive(Serialize)]
struct Statistics {
    category_distribution: BTreeMap<&'static str, usize>,
    avg_confidence: f64,
    low_confidence_count: usize,
}

impl Statistics {
    fn of(results: &[Classification]) -> Self {
        const LOW: f64 = 0.7;
        let mut category_distribution = BTreeMap::new();
        for result in results {
            *category_distribution.entry(result.category).or_default() += 1;
        }
        let sum: f64 = results.iter().map(|result| result.confidence).sum();
        Self {
            category_distribution,
            avg_confidence: sum / results.len() as f64,
            low_confidence_count: results.iter().filter(|result| result.confidence < LOW).count(),
        }
    }
}
