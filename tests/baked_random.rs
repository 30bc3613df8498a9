//! Baked routers against a plain interpreter of the documented semantics: random documents, random requests.
//!
//! The interpreter shares nothing with the emitter and the server: it looks for words in lists of words, walks rules as
//! trees, and sorts all decisions that match.

use hardwire::language::detect;
use hardwire::protocol::prompt::Raw;
use hardwire::routing::{Request, Routing};
use hardwire::table::{Language, SignalKind};
use hardwire_baked::random;
use hardwire_codegen::ir::{
    Counts, Feature, Input, InputOf, InputValue, KeywordOperator, MetadataTest, Modality, ModalityDetector, Policy,
    Predicate, Rule, Signal, SignalWhat, Strategy, Term,
};
use hardwire_codegen::{Source, check};
use regex::Regex;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

/// Requests for each document.
const REQUESTS: usize = 400;

const WORDS: [&str; 16] = [
    "alpha", "beta", "Gamma", "delta", "critical", "now", "draw", "explain", "ALPHA", "other", "drawing", "?", "!!",
    "beta?", "zwischen", "nachts",
];

/// Numbers without a pattern, the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }
}

// === A request, and what it is made of ===

#[derive(Debug)]
struct Case {
    text: String,
    /// Roles, oldest first; the last is the user's, and all but that are empty.
    roles: Vec<&'static str>,
    tools: usize,
    metadata: Option<&'static str>,
    user: &'static str,
    groups: &'static str,
}

impl Case {
    fn random(random: &mut Random) -> Case {
        let words: Vec<&str> = (0..random.below(9)).map(|_| WORDS[random.below(WORDS.len())]).collect();
        let mut roles: Vec<&str> =
            (0..random.below(4)).map(|_| ["assistant", "tool", "user"][random.below(3)]).collect();
        roles.push("user");
        Case {
            text: words.join(" "),
            roles,
            tools: random.below(3),
            metadata: [None, Some("a"), Some("b"), Some("x")][random.below(4)],
            user: ["", "u", "v"][random.below(3)],
            groups: ["", "g", "h, g", "h"][random.below(4)],
        }
    }

    fn messages(&self) -> String {
        let (last, before) = self.roles.split_last().expect("there is the user's");
        let mut messages: Vec<String> =
            before.iter().map(|role| format!(r#"{{"role":"{role}","content":""}}"#)).collect();
        messages.push(format!(r#"{{"role":"{last}","content":"{}"}}"#, self.text));
        format!("[{}]", messages.join(","))
    }

    fn count(&self, counts: Counts) -> usize {
        let of = |role: &str| self.roles.iter().filter(|own| **own == role).count();
        match counts {
            Counts::Messages => self.roles.len(),
            Counts::UserMessages => of("user"),
            Counts::AssistantMessages => of("assistant"),
            Counts::ToolMessages => of("tool"),
            Counts::NonUserMessages => self.roles.len() - of("user"),
            Counts::ToolDefinitions => self.tools,
            Counts::ActiveToolLoop => usize::from(self.roles.iter().rev().nth(1) == Some(&"tool")),
            other => panic!("no document asks for {other:?}"),
        }
    }
}

// === The interpreter ===

/// What is known of a matched signal.
#[derive(Clone, Copy)]
struct Match {
    confidence: f64,
    value: Option<f64>,
}

fn words(text: &str) -> Vec<&str> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect()
}

/// Each expression is compiled once.
fn regex(pattern: &str) -> Regex {
    static REGEXES: Mutex<BTreeMap<String, Regex>> = Mutex::new(BTreeMap::new());
    let mut regexes = REGEXES.lock().expect("no test panics in here");
    let compile = || Regex::new(pattern).expect("checked by the compiler");
    regexes.entry(pattern.to_owned()).or_insert_with(compile).clone()
}

fn occurrences(term: &Term, text: &str) -> usize {
    match term {
        Term::Literal { text: keyword, case_sensitive: true } => words(text).iter().filter(|w| *w == keyword).count(),
        Term::Literal { text: keyword, .. } => words(text).iter().filter(|w| w.eq_ignore_ascii_case(keyword)).count(),
        Term::Regex { pattern } => regex(pattern).find_iter(text).count(),
        other => panic!("no document asks for {other:?}"),
    }
}

fn stands(term: &Term, text: &str) -> bool {
    occurrences(term, text) > 0
}

fn within(predicate: Predicate, value: f64) -> bool {
    let Predicate { gt, gte, lt, lte } = predicate;
    !gt.is_some_and(|bound| value <= bound)
        && !gte.is_some_and(|bound| value < bound)
        && !lt.is_some_and(|bound| value >= bound)
        && !lte.is_some_and(|bound| value > bound)
}

fn structure(feature: &Feature, per_word: bool, predicate: Option<Predicate>, text: &str) -> Option<Match> {
    if text.trim().is_empty() {
        return None;
    }
    let count = match feature {
        Feature::Exists(terms) => usize::from(terms.iter().any(|term| stands(term, text))),
        Feature::Words(terms) => terms.iter().map(|term| occurrences(term, text)).sum(),
        Feature::Pattern(pattern) => regex(pattern).find_iter(text).count(),
        Feature::Bytes => text.len(),
    } as f64;
    let value = match words(text).len() {
        _ if !per_word => count,
        0 => 0.0,
        units => count / units as f64,
    };
    let Some(predicate) = predicate else {
        return (value > 0.0).then_some(Match { confidence: 1.0, value: Some(value) });
    };
    let bound = [predicate.gt, predicate.gte, predicate.lt, predicate.lte].into_iter().flatten().next();
    let distance = (value - bound.expect("a predicate has a bound")).abs();
    let confidence = f64::max(1.0 / (1.0 + f64::exp(-4.0 * distance)), 0.5);
    within(predicate, value).then_some(Match { confidence, value: Some(value) })
}

fn signal(signal: &Signal, detector: Option<&ModalityDetector>, case: &Case, tokens: u64) -> Option<Match> {
    let sure = |matches: bool| matches.then_some(Match { confidence: 1.0, value: None });
    let text = case.text.as_str();
    match &signal.what {
        SignalWhat::Keyword { operator, terms } => sure(match operator {
            KeywordOperator::Or => terms.iter().any(|term| stands(term, text)),
            KeywordOperator::And => terms.iter().all(|term| stands(term, text)),
            KeywordOperator::Nor => !terms.iter().any(|term| stands(term, text)),
        }),
        SignalWhat::Context { min_tokens, max_tokens } => sure(*min_tokens <= tokens && tokens <= *max_tokens),
        SignalWhat::Structure { feature, per_word, predicate } => structure(feature, *per_word, *predicate, text),
        SignalWhat::Conversation { counts, exists, predicate } => {
            let count = case.count(*counts);
            let value = if *exists { f64::from(u8::from(count > 0)) } else { count as f64 };
            let matches = match predicate {
                Some(predicate) => within(*predicate, value),
                None => !exists || value > 0.0,
            };
            matches.then_some(Match { confidence: 1.0, value: Some(value) })
        }
        SignalWhat::Metadata { test: MetadataTest::In(values), .. } => {
            sure(case.metadata.is_some_and(|value| values.iter().any(|other| other == value)))
        }
        SignalWhat::Metadata { test: MetadataTest::Exists(exists), .. } => sure(case.metadata.is_some() == *exists),
        SignalWhat::Role { .. } => {
            sure(!case.user.is_empty() && (case.user == "u" || case.groups.split(", ").any(|group| group == "g")))
        }
        SignalWhat::Event { criteria } => {
            let met = criteria.iter().filter(|terms| terms.iter().any(|term| stands(term, text))).count();
            let confidence = 0.5 + 0.5 * met as f64 / criteria.len() as f64;
            (met > 0).then_some(Match { confidence, value: None })
        }
        SignalWhat::Modality(modality) => {
            let detector = detector.expect("a modality signal has a detector");
            let asks = |terms: &[Term]| terms.iter().any(|term| stands(term, text));
            sure(
                *modality
                    == match (asks(&detector.image), asks(&detector.both)) {
                        (false, _) => Modality::Ar,
                        (true, false) => Modality::Diffusion,
                        (true, true) => Modality::Both,
                    },
            )
        }
        SignalWhat::Language { code, threshold } => {
            let Language { code: told, confidence } = detect(text);
            (told == code && confidence >= *threshold).then_some(Match { confidence, value: None })
        }
        SignalWhat::Projection { .. } => None, // comes after the others
    }
}

fn score(inputs: &[Input], matches: &[Option<Match>]) -> f64 {
    let value = |input: &Input| match &input.of {
        InputOf::Score(inputs) => score(inputs, matches),
        InputOf::Signal { signal, value } => match (matches[*signal], value) {
            (Some(_), InputValue::Binary { hit, .. }) => *hit,
            (None, InputValue::Binary { miss, .. }) => *miss,
            (Some(matched), InputValue::Confidence) => matched.confidence,
            (Some(matched), InputValue::Raw) => matched.value.expect("it counts"),
            (None, _) => 0.0,
        },
    };
    inputs.iter().fold(0.0, |sum, input| sum + input.weight * value(input))
}

/// Adds the outputs of all mappings.
fn project(policy: &Policy, matches: &mut [Option<Match>]) {
    for mapping in &policy.mappings {
        let score = score(&mapping.inputs, matches);
        for output in &mapping.outputs {
            let bounds = output.predicate.map(|p| [p.gt, p.gte, p.lt, p.lte]);
            let distances = bounds.iter().flatten().flatten().map(|bound| (score - bound).abs());
            let distance = distances.reduce(f64::min).unwrap_or(1.0);
            if output.predicate.is_some_and(|predicate| !within(predicate, score)) {
                continue;
            }
            if let Some(signal) = output.signal {
                let confidence = 1.0 / (1.0 + f64::exp(-mapping.slope * distance));
                matches[signal] = Some(Match { confidence, value: None });
            }
            if mapping.first_only {
                break;
            }
        }
    }
}

/// The confidence of a rule that matches.
fn rule(rule: &Rule, matches: &[Option<Match>]) -> Option<f64> {
    match rule {
        Rule::Signal(n) => matches[*n].map(|matched| matched.confidence),
        Rule::Compare { signal, predicate } => {
            let matched = matches[*signal]?;
            within(*predicate, matched.value.unwrap_or(matched.confidence)).then_some(1.0)
        }
        Rule::All(rules) => {
            let all = rules.iter().map(|child| self::rule(child, matches)).collect::<Option<Vec<f64>>>()?;
            Some(all.iter().sum::<f64>() / all.len() as f64)
        }
        Rule::Any(rules) => rules.iter().filter_map(|child| self::rule(child, matches)).reduce(f64::max),
        Rule::Not(child) => self::rule(child, matches).is_none().then_some(1.0),
    }
}

fn winner<'p>(policy: &'p Policy, case: &Case, tokens: u64) -> Option<(&'p str, f64)> {
    let mut matches: Vec<Option<Match>> =
        policy.signals.iter().map(|own| signal(own, policy.modality.as_ref(), case, tokens)).collect();
    project(policy, &mut matches);
    let confidence = |own: &Option<Rule>| own.as_ref().map_or(Some(0.0), |own| rule(own, &matches));
    let mut all: Vec<_> = policy.decisions.iter().filter_map(|d| Some((d, confidence(&d.rule)?))).collect();
    let tiered = all.iter().any(|(decision, _)| decision.tier > 0);
    all.sort_by(|(a, a_sure), (b, b_sure)| {
        let (by_confidence, by_priority) = (b_sure.total_cmp(a_sure), b.priority.cmp(&a.priority));
        let order = match policy.strategy {
            _ if tiered => a.tier.cmp(&b.tier).then(by_confidence).then(by_priority),
            Strategy::Priority => by_priority.then(by_confidence),
            Strategy::Confidence => by_confidence.then(by_priority),
        };
        order.then(a.name.cmp(&b.name))
    });
    all.first().map(|(decision, confidence)| (decision.name.as_str(), *confidence))
}

// === The two of them ===

#[test]
fn baked_routers_decide_as_documented() {
    let mut random = Random(7);
    let (mut wins, mut weighed, mut tiered, mut recipes) = (0, 0, 0, 0);
    let mut families = BTreeSet::new();
    for (text, tables) in random::ALL {
        let (router, report) = check(&Source { path: "random.yaml", text });
        let router = router.unwrap_or_else(|| panic!("{}", report.render_text(false)));
        for policy in &router.policies {
            families.extend(policy.signals.iter().map(|signal| signal.what.family()));
            tiered += usize::from(policy.decisions.iter().any(|decision| decision.tier > 0));
        }
        let routing = Routing::new(tables).expect("baked for this machine");
        for n in 0..REQUESTS {
            let case = Case::random(&mut random);
            let (messages, tools) = (case.messages(), vec!["{}"; case.tools].join(","));
            let (tools, metadata) = (format!("[{tools}]"), case.metadata.map(|value| format!(r#"{{"k":"{value}"}}"#)));
            let body = Raw {
                messages: messages.as_bytes(),
                tools: Some(tools.as_bytes()),
                metadata: metadata.as_deref().map(str::as_bytes),
                ..Raw::default()
            };
            // By turns, where there are two.
            let asked = n % router.policies.len();
            let name = ["auto", "r"][asked];
            let plan = routing.plan(name, || Request { body, user: case.user, groups: case.groups, wish: None });
            let choice = plan.expect("there is a default model").choice.expect("both are chosen for");
            assert_eq!(usize::from(choice.policy.0), asked);
            let baked = choice.decision.map(|(id, confidence)| (tables.decision(id).name, confidence));
            let expected = winner(&router.policies[asked], &case, choice.tokens.unwrap_or(0));
            assert_eq!(baked, expected, "{case:?}\n{text}");
            recipes += usize::from(asked > 0 && baked.is_some());
            wins += usize::from(baked.is_some_and(|(name, _)| name != "rest"));
            weighed += usize::from(baked.is_some_and(|(_, confidence)| confidence > 0.0 && confidence < 1.0));
        }
    }
    assert_eq!(families.len(), SignalKind::ALL.len(), "every family is decided by: {families:?}");
    assert!(recipes > 1_000, "{recipes} decided by recipes");
    assert!(wins > 4_000 && weighed > 500 && tiered > 5, "{wins} won, {weighed} of them weighed, {tiered} with tiers");
}
