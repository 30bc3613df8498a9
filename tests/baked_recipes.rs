//! Entrypoints and recipes: every name is routed by its own policy and by no other.

#![allow(clippy::disallowed_types, reason = "a test may look at any JSON")]

use hardwire::apiserver::evaluation;
use hardwire::protocol::prompt::Raw;
use hardwire::routing::catalog::Catalog;
use hardwire::routing::{Plan, Request, Routing};
use hardwire::table::{DecisionId, ModelId, PolicyId, SignalId, SignalSet};
use hardwire::telemetry::metrics::{Recorder, Registry};
use hardwire_baked::recipes::TABLES;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

fn messages(text: &str) -> String {
    json!([{ "role": "user", "content": text }]).to_string()
}

fn request(messages: &str) -> Request<'_> {
    Request { body: Raw { messages: messages.as_bytes(), ..Raw::default() }, ..Request::default() }
}

/// The recipe, its decision and the model for a text that is asked under this name.
fn routed(name: &str, text: &str) -> (&'static str, Option<DecisionId>, &'static str) {
    let routing = Routing::new(&TABLES).expect("baked for this machine");
    let messages = messages(text);
    let Plan { model, choice } = routing.plan(name, || request(&messages)).expect("there is a default model");
    let choice = choice.expect("a virtual name");
    (
        TABLES.policy(choice.policy).name,
        choice.decision.map(|(id, _)| id),
        TABLES.model(model.expect("a model is asked")).name,
    )
}

#[test]
fn a_name_is_routed_by_its_own_recipe() {
    let long = "word ".repeat(2_000);
    for (name, text, expected) in [
        // Three decisions have the name `fast`, two of them a signal `urgent`: each its own.
        ("auto", "urgent", ("default", Some(DecisionId(0)), "tiny")),
        ("acme/all", "asap", ("default", Some(DecisionId(0)), "tiny")),
        ("acme/cheap", "urgent", ("cheap", Some(DecisionId(1)), "everyday")),
        ("acme/cheapest", "an urgency", ("cheap", Some(DecisionId(1)), "everyday")),
        ("acme/careful", "hello", ("careful review", Some(DecisionId(3)), "thoughtful")),
        // What another policy knows means nothing here.
        ("acme/cheap", "asap", ("cheap", None, "everyday")),
        ("acme/all", "an urgency", ("default", None, "everyday")),
        ("acme/cheap", &long, ("cheap", Some(DecisionId(2)), "thoughtful")),
        ("MoM", &long, ("default", None, "everyday")),
    ] {
        assert_eq!(routed(name, text), expected, "{name}: {}", &text[..text.len().min(20)]);
    }
}

#[test]
fn ids_of_decisions_tell_their_policy() {
    let named: Vec<_> = TABLES.policies.iter().map(|policy| policy.decision_ids().count()).collect();
    assert_eq!(named, [1, 2, 1]);
    for policy in TABLES.policies {
        for (id, decision) in policy.decision_ids().zip(policy.decisions) {
            assert!(std::ptr::eq(TABLES.decision(id), decision) && std::ptr::eq(policy.decision(id), decision));
        }
    }
    assert_eq!(TABLES.decisions().count(), 4);
    assert_eq!(TABLES.policy(PolicyId(2)).name, "careful review");
}

#[test]
fn public_names_are_listed_with_their_recipes() {
    let catalog = Catalog::new(&TABLES, UNIX_EPOCH + Duration::from_secs(1));
    let list: Value = serde_json::from_slice(&catalog.list).expect("it is JSON");
    let of = |model: &Value| (model["id"].clone(), model["routing"].clone(), model["description"].clone());
    let listed: Vec<_> = list["data"].as_array().expect("a list").iter().map(of).collect();
    let general = "Intelligent Router for Mixture-of-Models";
    let expected = [
        ("vllm-sr/auto", "default", general),
        ("auto", "default", general),
        ("MoM", "default", general),
        ("acme/all", "default", general),
        ("acme/cheap", "cheap", "As little as it takes."),
        ("acme/cheapest", "cheap", "As little as it takes."),
        ("acme/careful", "careful review", general),
    ];
    let expected = expected.map(|(id, recipe, description)| {
        (json!(id), json!({ "resolution": "virtual", "selectable": true, "recipe": recipe }), json!(description))
    });
    assert_eq!(listed, expected);
    assert!(catalog.get("acme/careful").is_some() && catalog.get("cheap").is_none());
}

#[test]
fn metrics_tell_recipes_apart() {
    let recorder = Arc::new(Recorder::new(&TABLES));
    let registry = Registry::new(&TABLES, vec![Arc::clone(&recorder)]);
    let mut matched = SignalSet::EMPTY;
    matched.insert(SignalId(1));
    recorder.noticed(PolicyId(1), &matched);
    recorder.decided(DecisionId(1), ModelId(0));
    recorder.routed("acme/cheap", ModelId(0));
    let text = registry.render();
    for line in [
        r#"llm_decision_match_total{decision_name="fast",recipe="default"} 0"#,
        r#"llm_decision_match_total{decision_name="fast",recipe="cheap"} 1"#,
        r#"llm_decision_match_total{decision_name="fast",recipe="careful review"} 0"#,
        r#"llm_signal_extraction_total{signal_type="keyword",signal_name="urgent",recipe="cheap"} 1"#,
        r#"llm_signal_match_total{signal_type="context",signal_name="long",recipe="cheap"} 1"#,
        r#"llm_model_routing_modifications_total{source_model="acme/cheap",target_model="everyday"} 1"#,
    ] {
        assert!(text.lines().any(|own| own == line), "{line} in\n{text}");
    }
    assert!(!text.contains(r#"signal_name="urgent",recipe="default""#), "it was not looked for:\n{text}");
}

/// The evaluation of a text under this name.
fn evaluated(name: &str, text: &str) -> Value {
    let routing = Routing::new(&TABLES).expect("baked for this machine");
    let messages = messages(text);
    let explained = routing.explain(name, request(&messages)).expect("it can be read");
    let shown = evaluation(&TABLES, Some(name), &explained, true, Duration::ZERO);
    serde_json::to_value(&shown).expect("it is JSON")
}

#[test]
fn explanations_are_of_the_recipe_that_is_asked_for() {
    let cheap = evaluated("acme/cheap", "an urgency");
    assert_eq!(cheap["recipe"], "cheap");
    assert_eq!((&cheap["routing_decision"], &cheap["selected_model"]), (&json!("fast"), &json!("everyday")));
    assert_eq!(cheap["decision_result"]["used_signals"], json!({ "keywords": ["urgent"] }));
    assert_eq!(cheap["decision_result"]["unmatched_signals"], json!({ "context": ["long"] }));
    assert_eq!(cheap["signal_evidence"][0]["term"], "(?i)urgen(t|cy)");
    let considered: Vec<_> =
        cheap["eval_trace"].as_array().expect("a list").iter().map(|d| &d["decision_name"]).collect();
    assert_eq!(considered, ["fast", "long"]);

    let careful = evaluated("acme/careful", "an urgency");
    assert_eq!((&careful["recipe"], &careful["selected_model"]), (&json!("careful review"), &json!("thoughtful")));
    assert_eq!(careful["eval_trace"].as_array().map(Vec::len), Some(1));

    let default = evaluated("auto", "an urgency");
    assert_eq!((&default["recipe"], &default["selection_status"]), (&json!("default"), &json!("fallback")));

    let named = evaluated("tiny", "urgent");
    assert_eq!((named.get("recipe"), &named["eval_trace"]), (None, &json!([])));
}
