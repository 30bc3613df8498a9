//! Prompt to decision over a policy of some size: 500 keywords in 100 rules, 20 expressions and 50 decisions. Baked, against
//! the same document interpreted: a `RegexSet` for each rule, and a walk over the tree of each decision.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use hardwire::{
    routing::signals::Signals,
    table::{SignalSet, Tables},
};
use hardwire_baked::policy;
use regex::RegexSet;
use serde::Deserialize;
use std::{collections::HashMap, hint::black_box};

const TABLES: &Tables = &policy::TABLES;

/// 1 KiB of prose of which no rule takes notice.
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
    #[serde(default)]
    method: String,
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

/// Ready to be interpreted.
struct Interpreter {
    decisions: Vec<Decision>,
    signals: HashMap<String, RegexSet>,
}

impl Interpreter {
    fn load() -> Interpreter {
        let routing = serde_json::from_str::<Document>(TABLES.config.json).expect("the baked document").routing;
        let mut decisions = routing.decisions;
        decisions.sort_by_key(|decision| -decision.priority);
        let set = |signal: Keyword| {
            let pattern = |keyword: &String| match signal.method.as_str() {
                // The document's expressions are ASCII, as Go's are.
                "regex" => format!(r"(?i-u){keyword}"),
                _ => format!(r"(?i)\b{}\b", regex::escape(keyword)),
            };
            let patterns: Vec<String> = signal.keywords.iter().map(pattern).collect();
            (signal.name, RegexSet::new(patterns).expect("they compile when they are baked"))
        };
        Interpreter { decisions, signals: routing.signals.keywords.into_iter().map(set).collect() }
    }

    /// Each signal is looked at once, and only if a rule comes to ask for it.
    fn decide(&self, text: &str) -> Option<&str> {
        let mut known: HashMap<&str, bool> = HashMap::new();
        let mut matched = |name| *known.entry(name).or_insert_with(|| self.signals[name].is_match(text));
        let won = self.decisions.iter().find(|decision| holds(&decision.rules, &mut matched));
        won.map(|decision| decision.name.as_str())
    }
}

fn holds<'r>(rule: &'r Rule, matched: &mut impl FnMut(&'r str) -> bool) -> bool {
    match rule {
        Rule::Leaf { name } => matched(name),
        Rule::Group { operator: Operator::And, conditions } => conditions.iter().all(|rule| holds(rule, matched)),
        Rule::Group { operator: Operator::Or, conditions } => conditions.iter().any(|rule| holds(rule, matched)),
        Rule::Group { operator: Operator::Not, conditions } => !holds(&conditions[0], matched),
    }
}

fn baked(signals: &Signals, text: &str) -> Option<&'static str> {
    let mut set = SignalSet::EMPTY;
    signals.text(text, &mut set);
    (TABLES.policies[0].decide)(&set).map(|won| TABLES.decision(won.decision).name)
}

fn policy(c: &mut Criterion) {
    let signals = Signals::new(TABLES.policies[0]).expect("baked for this machine");
    let interpreter = Interpreter::load();
    let mut group = c.benchmark_group("policy");
    let last = "the 40th rule of visas, chapter 7";
    let [short, long] = [1, 32].map(|times| PROSE.repeat(times));
    let matching = [format!("{short} {last}"), format!("{long} {last}")];
    let prompts =
        [("1 KB, no match", &short), ("1 KB", &matching[0]), ("32 KB, no match", &long), ("32 KB", &matching[1])];
    for (prompt, text) in prompts {
        let won = baked(&signals, text);
        assert_eq!(won.is_some(), !prompt.contains("no match"), "{prompt}: {won:?}");
        assert_eq!(won, interpreter.decide(text), "{prompt}");
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(BenchmarkId::new("baked", prompt), |b| b.iter(|| baked(&signals, black_box(text))));
        group.bench_function(BenchmarkId::new("interpreted", prompt), |b| {
            b.iter(|| interpreter.decide(black_box(text)).map(str::len));
        });
    }
    group.finish();
}

criterion_group!(benches, policy);
criterion_main!(benches);
