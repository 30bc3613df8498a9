//! Explanations say what the baked code does: the rules as data and the rules as code come out alike.

#![allow(clippy::unwrap_used, reason = "a test stops where it stands")]

use hardwire::protocol::prompt::Raw;
use hardwire::routing::explain::{Explanation, Noticed, Part, considered, signal_name};
use hardwire::routing::{Request, Routing};
use hardwire::table::{SignalId, SignalSet, Tables};
use hardwire_baked::{confidence, families, keywords_100, signals};
use proptest::prelude::*;
use std::time::{Duration, Instant};

fn explain(tables: &'static Tables, model: &str, text: &str) -> Explanation {
    let messages = serde_json::json!([{ "role": "user", "content": text }]).to_string();
    let body = Raw { messages: messages.as_bytes(), ..Raw::default() };
    Routing::new(tables).unwrap().explain(model, Request { body, user: "somebody", ..Request::default() }).unwrap()
}

/// What wins by the documented order, among what matches by the rules as data.
fn winner(tables: &'static Tables, set: &SignalSet, by_confidence: bool) -> Option<(u16, f64)> {
    let mut matched: Vec<_> =
        considered(tables.policies[0], set).into_iter().filter(|decision| decision.matched).collect();
    let tiered = matched.iter().any(|one| tables.decision(one.decision).tier > 0);
    matched.sort_by(|a, b| {
        let (one, other) = (tables.decision(a.decision), tables.decision(b.decision));
        let priority = other.priority.cmp(&one.priority);
        let confidence = b.confidence.total_cmp(&a.confidence);
        let order = match (tiered, by_confidence) {
            (true, _) => one.tier.cmp(&other.tier).then(confidence).then(priority),
            (false, true) => confidence.then(priority),
            (false, false) => priority.then(confidence),
        };
        order.then(one.name.cmp(other.name))
    });
    matched.first().map(|one| (one.decision.0, one.confidence))
}

fn agrees(tables: &'static Tables, by_confidence: bool, bits: &[bool]) {
    let mut set = SignalSet::EMPTY;
    for (id, _) in bits.iter().enumerate().take(tables.policies[0].signals.len()).filter(|(_, bit)| **bit) {
        set.insert(SignalId(id as u16));
    }
    let code = (tables.policies[0].decide)(&set).map(|won| (won.decision.0, won.confidence));
    assert_eq!(code, winner(tables, &set, by_confidence), "{:?}", set.iter().collect::<Vec<_>>());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn data_and_code_agree(bits in proptest::collection::vec(any::<bool>(), 128)) {
        agrees(&signals::TABLES, false, &bits);
        agrees(&confidence::TABLES, true, &bits);
        agrees(&keywords_100::TABLES, false, &bits);
    }

    /// Every place lies in the text, and signals without one of their terms did not match because of one.
    #[test]
    fn places_are_in_the_text(text in "[ a-zA-ZéЯ重量C+.0-9:/v-]{0,80}") {
        let explanation = explain(&signals::TABLES, "auto", &text);
        for noticed in &explanation.signals {
            for (_, place) in &noticed.places {
                prop_assert!(!explanation.text[place.clone()].is_empty());
            }
        }
    }
}

/// A term of every keyword signal with `OR` is found where the signal matches, and nowhere else.
#[test]
fn terms_are_shown_where_they_stand() {
    let tables = &keywords_100::TABLES;
    let mut shown = 0;
    for keyword in tables.policies[0].keywords {
        for term in keyword.first_term..keyword.first_term + keyword.terms {
            let word = tables.policies[0].reasons.terms[usize::from(term)];
            let text = format!("Über {word}!");
            let explanation = explain(tables, "auto", &text);
            for noticed in explanation.signals.iter().filter(|noticed| noticed.signal == keyword.signal) {
                let own = noticed.places.iter().find(|(found, _)| *found == word);
                if noticed.confidence.is_some() && !word.contains(['\\', '(', '[']) {
                    assert_eq!(text[own.unwrap().1.clone()].to_lowercase(), word.to_lowercase());
                    shown += 1;
                }
            }
        }
    }
    assert!(shown > 100, "{shown}");
}

/// An automaton knows where a match ends; where it began is found out.
#[test]
fn patterns_are_shown_from_their_first_byte() {
    for (text, shown) in [("see ABC-123, now", "ABC-123"), ("help", "help"), ("é OPS-7", "OPS-7")] {
        let explanation = explain(&signals::TABLES, "auto", text);
        let places: Vec<&str> = explanation
            .signals
            .iter()
            .filter(|noticed| signal_name(signals::TABLES.policies[0], noticed.signal) == "keyword:ticket")
            .flat_map(|noticed| &noticed.places)
            .map(|(_, place)| &text[place.clone()])
            .collect();
        assert_eq!(places, [shown]);
    }
}

/// The first places of each term, however many there are, and soon: this runs where health is asked for.
#[test]
fn a_long_text_is_explained_soon() {
    let began = Instant::now();
    let explanation = explain(&signals::TABLES, "auto", &"ABC-12 ".repeat(40_000));
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    let of = |noticed: &&Noticed| signal_name(signals::TABLES.policies[0], noticed.signal) == "keyword:ticket";
    let places = &explanation.signals.iter().find(of).unwrap().places;
    let places: Vec<_> = places.iter().map(|(_, place)| place.clone()).collect();
    assert_eq!(places, (0..8).map(|n| 7 * n..7 * n + 6).collect::<Vec<_>>());
}

/// Each match is known to end only at the end of the text, so the matches are not counted to the last.
#[test]
fn counting_gives_up_in_time() {
    let began = Instant::now();
    let explanation = explain(&families::TABLES, "auto", &"whither whence ".repeat(16_000));
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    let of = |noticed: &&Noticed| signal_name(families::TABLES.policies[0], noticed.signal) == "structure:far";
    let far = explanation.signals.iter().find(of).unwrap();
    assert_eq!((far.confidence.is_some(), far.value), (true, Some(16.0)));
}

#[test]
fn a_named_model_has_no_reasons() {
    let tables = &signals::TABLES;
    let model = tables.models[0].name;
    let explanation = explain(tables, model, "urgent");
    assert!(explanation.plan.is_some_and(|plan| plan.choice.is_none()));
    assert!(explanation.signals.is_empty() && explanation.decisions.is_empty());
}

/// A trace has the shape of the rule in the document.
#[test]
fn traces_follow_the_document() {
    let tables = &signals::TABLES;
    let explanation = explain(tables, "auto", "nothing of interest");
    for (decision, considered) in tables.decisions().zip(&explanation.decisions) {
        let Some(trace) = &considered.trace else {
            assert!(considered.matched, "{} has no rules", decision.name);
            continue;
        };
        assert_eq!((trace.matched, trace.confidence), (considered.matched, considered.confidence));
        if let Part::Leaf(id) = trace.part {
            assert!(signal_name(tables.policies[0], id).contains(':'));
            assert!(trace.children.is_empty());
        } else {
            assert!(!trace.children.is_empty());
        }
    }
}
