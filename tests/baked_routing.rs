//! Baked decisions and names behave as the contract says: order by priority or confidence, catch-alls, nested rules.

use hardwire::{
    routing::signals::Signals,
    table::{SignalId, SignalSet, Tables, Target},
};
use hardwire_baked::{basic, closed, confidence, models_64, signals};

/// What wins for a prompt: the decision, its confidence, its models.
fn decide(tables: &'static Tables, text: &str, tokens: u64) -> Option<String> {
    let signals = Signals::new(tables.policies[0]).expect("baked for this machine");
    let mut set = SignalSet::EMPTY;
    signals.text(text, &mut set);
    signals.context(tokens, &mut set);
    (tables.policies[0].decide)(&set).map(|won| {
        let decision = tables.decision(won.decision);
        let models: Vec<_> = decision.models.iter().map(|id| tables.model(*id).name).collect();
        format!("{} {} {}", decision.name, won.confidence, models.join(","))
    })
}

#[track_caller]
fn check(tables: &'static Tables, text: &str, tokens: u64, won: &str) {
    assert_eq!(decide(tables, text, tokens).as_deref(), Some(won), "{text:?} of {tokens} tokens");
}

#[test]
fn priority_decides() {
    let t = &signals::TABLES;
    check(t, "an URGENT refund for this invoice", 10, "urgent_refund 1 large");
    // The nested NOT: code, or a long context, speaks against it.
    check(t, "an urgent refund for this invoice, about rust", 10, "match 1 coder,large");
    check(t, "an urgent refund for this invoice, attack! ABC-1", 50_000, "a-long 1 large");
    // AND wants both words.
    check(t, "an urgent refund", 150, "not_short 1 large");
    check(t, "an urgent refund", 50, "twice 1 small");
    check(t, "nothing at all", 100, "rest 0 small");
    check(t, "nothing at all", 101, "negations 1 small");
}

#[test]
fn the_name_decides_between_equals() {
    let t = &signals::TABLES;
    check(t, "see ABC-123, attack", 50, "b-ticket 1 small");
    check(t, "see ABC-123, attack", 32_000, "a-long 1 large");
    check(t, "see ABC-123, attack", 31_999, "b-ticket 1 small");
}

#[test]
fn a_negated_negation_is_none() {
    check(&signals::TABLES, "attack, says SAP", 10, "match 1 coder,large");
    check(&signals::TABLES, "attack, says sap", 10, "rest 0 small");
}

#[test]
fn confidence_puts_the_catch_all_last() {
    let t = &confidence::TABLES;
    check(t, "an urgent contract", 10, "legal 1 large");
    check(t, "an urgent question", 10, "urgent 1 large");
    check(t, "a question", 10, "rest 0 small");
}

#[test]
fn without_rules_there_is_no_signal() {
    assert!(basic::TABLES.policies[0].signals.is_empty() && basic::TABLES.policies[0].automata.is_empty());
    check(&basic::TABLES, "anything", 10, "everything 0 local/qwen3-8b");
}

/// The rules of `signals.yaml`, written again by hand, in the order of evaluation.
fn expected(has: impl Fn(&str) -> bool) -> &'static str {
    let group = has("code") || has("long");
    let calm = !(has("urgent") && has("harmless"));
    let brief = has("short") && !has("code");
    if has("urgent") && has("refund") && !group {
        "urgent_refund"
    } else if (has("code") && has("harmless")) || has("brand") {
        "match"
    } else if has("long") {
        "a-long"
    } else if has("ticket") {
        "b-ticket"
    } else if calm && !has("refund") && !brief {
        "negations"
    } else if (has("urgent") && has("short")) || has("refund") {
        "twice"
    } else if !has("short") {
        "not_short"
    } else {
        "rest"
    }
}

#[test]
fn every_combination_of_signals() {
    let tables = &signals::TABLES;
    assert_eq!(tables.policies[0].signals.len(), 8);
    for bits in 0..1u32 << tables.policies[0].signals.len() {
        let mut set = SignalSet::EMPTY;
        for id in (0..8u16).filter(|id| bits & (1 << id) != 0) {
            set.insert(SignalId(id));
        }
        let has = |name: &str| set.iter().any(|id| tables.policies[0].signals[usize::from(id.0)].name == name);
        let won = (tables.policies[0].decide)(&set).map(|won| tables.decision(won.decision).name);
        assert_eq!(won, Some(expected(has)), "{bits:08b}");
    }
}

#[test]
fn names_resolve() {
    let t = &basic::TABLES;
    let resolve = |name| match (t.resolve)(name) {
        None => "nothing",
        Some(Target::Auto(_)) => "auto",
        Some(Target::Model(id)) => t.model(id).name,
    };
    for (name, target) in [
        ("auto", "auto"),
        ("MoM", "auto"),
        ("echo", "echo"),
        ("gpt-4o", "gpt-4o"),
        ("local/qwen3-8b", "local/qwen3-8b"),
        // Exact and case-sensitive; a default alias that the document replaced is gone.
        ("vllm-sr/auto", "nothing"),
        ("mom", "nothing"),
        ("GPT-4o", "nothing"),
        ("gpt-4o ", "nothing"),
        ("gpt-4o-2024-11-20", "nothing"),
        ("", "nothing"),
    ] {
        assert_eq!(resolve(name), target, "{name:?}");
    }
}

#[test]
fn ids_are_positions() {
    for tables in [&basic::TABLES, &models_64::TABLES] {
        for name in tables.names().filter(|name| !tables.auto_names.contains(name)) {
            let Some(Target::Model(id)) = (tables.resolve)(name) else { panic!("{name} is a model") };
            assert_eq!(tables.model(id).name, name);
        }
        let ids: Vec<_> = tables.models.iter().flat_map(|model| model.backends).map(|b| usize::from(b.id.0)).collect();
        assert_eq!(ids, (0..tables.backend_count).collect::<Vec<_>>());
    }
}

#[test]
fn a_decision_that_answers_itself_needs_no_model() {
    use hardwire::protocol::prompt::Raw;
    use hardwire::routing::{Request, Routing};
    let routing = Routing::new(&closed::TABLES).expect("baked for this machine");
    let body = Raw { messages: br#"[{"role":"user","content":"hello"}]"#, ..Raw::default() };
    let plan = routing.plan("auto", || Request { body, ..Request::default() }).expect("it answers");
    assert_eq!(plan.model, None);
    let (decision, _) = plan.choice.and_then(|choice| choice.decision).expect("a decision without rules");
    assert_eq!(closed::TABLES.decision(decision).plugins.fast_response, Some("\"We are closed.\""));
    let explained = routing.explain("auto", Request { body, ..Request::default() }).expect("it answers");
    assert_eq!(explained.model(&closed::TABLES), None);
    assert!(explained.reason(&closed::TABLES).ends_with("it answers itself, and no model is asked"));
}
