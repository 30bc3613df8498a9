//! Prompt to decision, over 100 rules of three keywords each: baked, against the same document walked as a tree.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use hardwire::{
    routing::signals::Signals,
    table::{SignalSet, Tables},
};
use hardwire_baked::keywords_100;
use regex::{Regex, RegexSet};
use serde::Deserialize;
use std::{collections::HashMap, hint::black_box};

const TABLES: &Tables = &keywords_100::TABLES;

/// 1 KiB of prose in which no keyword stands: every rule is asked.
const PROSE: &str = include_str!("prompt.txt");

// === The document, as a router that is configured at start-up would hold it ===

#[derive(Deserialize)]
struct Document {
    routing: Routing,
}

#[derive(Deserialize)]
struct Routing {
    signals: Families,
    decisions: Vec<Decision>,
}

#[derive(Deserialize)]
struct Families {
    keywords: Vec<Keyword>,
}

#[derive(Deserialize)]
struct Keyword {
    name: String,
    keywords: Vec<String>,
}

#[derive(Deserialize)]
struct Decision {
    name: String,
    priority: i64,
    rules: Rule,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Rule {
    Group { operator: Operator, conditions: Vec<Rule> },
    Leaf { name: String },
}

#[derive(Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Operator {
    And,
    Or,
    Not,
}

impl Rule {
    fn holds(&self, matched: &impl Fn(&str) -> bool) -> bool {
        match self {
            Rule::Leaf { name } => matched(name),
            Rule::Group { operator: Operator::And, conditions } => conditions.iter().all(|rule| rule.holds(matched)),
            Rule::Group { operator: Operator::Or, conditions } => conditions.iter().any(|rule| rule.holds(matched)),
            Rule::Group { operator: Operator::Not, conditions } => !conditions[0].holds(matched),
        }
    }
}

impl Routing {
    /// By priority, as the rules are asked.
    fn load() -> Routing {
        let mut routing = serde_json::from_str::<Document>(TABLES.config.json).expect("the baked document").routing;
        routing.decisions.sort_by_key(|decision| -decision.priority);
        routing
    }

    fn decide(&self, matched: &impl Fn(&str) -> bool) -> Option<&str> {
        self.decisions.iter().find(|decision| decision.rules.holds(matched)).map(|decision| decision.name.as_str())
    }

    fn patterns(&self) -> impl Iterator<Item = String> {
        self.signals.keywords.iter().map(|signal| {
            let terms: Vec<String> = signal.keywords.iter().map(|keyword| regex::escape(keyword)).collect();
            format!(r"(?i)\b(?:{})\b", terms.join("|"))
        })
    }
}

fn baked(signals: &Signals, text: &str) -> Option<&'static str> {
    let mut set = SignalSet::EMPTY;
    signals.text(text, &mut set);
    (TABLES.policies[0].decide)(&set).map(|won| TABLES.decision(won.decision).name)
}

fn decide(c: &mut Criterion) {
    let signals = Signals::new(TABLES.policies[0]).expect("baked for this machine");
    let routing = Routing::load();
    let regexes: HashMap<&str, Regex> = routing
        .signals
        .keywords
        .iter()
        .zip(routing.patterns())
        .map(|(signal, pattern)| (signal.name.as_str(), Regex::new(&pattern).expect("escaped terms")))
        .collect();
    let set = RegexSet::new(routing.patterns()).expect("escaped terms");
    let numbers: HashMap<&str, usize> =
        routing.signals.keywords.iter().enumerate().map(|(n, signal)| (signal.name.as_str(), n)).collect();

    let with_tree = |text: &str| routing.decide(&|name| regexes[name].is_match(text));
    let with_set = |text: &str| {
        let matches = set.matches(text);
        routing.decide(&|name| matches.matched(numbers[name]))
    };

    let mut group = c.benchmark_group("decide");
    let with_keywords = PROSE.replace("a table", "a Database Table").replace("the reports", "the invoices");
    let long = PROSE.repeat(100);
    for (prompt, text) in [("1 KB", PROSE), ("1 KB with keywords", &*with_keywords), ("100 KB", &*long)] {
        let won = baked(&signals, text);
        assert_eq!(won.is_some(), prompt == "1 KB with keywords");
        assert_eq!(won, with_tree(text));
        assert_eq!(won, with_set(text));
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(BenchmarkId::new("baked", prompt), |b| b.iter(|| baked(&signals, black_box(text))));
        group.bench_function(BenchmarkId::new("RegexSet and tree", prompt), |b| b.iter(|| with_set(black_box(text))));
        group.bench_function(BenchmarkId::new("regexes and tree", prompt), |b| b.iter(|| with_tree(black_box(text))));
    }
    group.finish();
}

criterion_group!(benches, decide);
criterion_main!(benches);
