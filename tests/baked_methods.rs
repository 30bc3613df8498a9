//! Keywords that need not stand in the text as they are: by hand-made cases, and on random texts against the crates that are
//! used upstream and a plain edit distance.

use bm25::{Document, Language, SearchEngineBuilder};
use hardwire::routing::signals::Signals;
use hardwire::table::SignalSet;
use hardwire_baked::methods::TABLES;
use hardwire_codegen::ir::{KeywordOperator, SignalWhat, Term};
use hardwire_codegen::{Source, check};
use ngrammatic::{CorpusBuilder, Pad};
use std::collections::BTreeSet;

/// The signals that match, but for those that match where nothing is found.
fn found(text: &str) -> BTreeSet<&'static str> {
    let mut set = SignalSet::EMPTY;
    Signals::new(TABLES.policies[0]).expect("baked for this machine").text(text, &mut set);
    set.iter().map(|id| TABLES.policies[0].signals[usize::from(id.0)].name).collect()
}

#[track_caller]
fn expect(text: &str, signals: &[&str]) {
    let found: Vec<&str> = found(text).into_iter().filter(|name| !name.starts_with("not_")).collect();
    assert_eq!(found, signals, "{text:?}");
}

#[test]
fn words_may_miss_letters() {
    expect("an invoyce", &["near"]);
    expect("an invoice", &["near", "plain", "ranked"]);
    expect("INVOCE!", &["near"]);
    expect("an inovice, in two edits", &["near"]);
    expect("voyce", &[]);
    expect("invoiceinvoice", &[]);
    expect("an email", &["near"]); // the hyphen is an edit
    expect("e-mail", &["near"]); // as it stands
    expect("kubernetez clusterz", &["alike", "nearer"]);
    assert!(!found("an urgnt matter").contains("not_near") && found("a matter").contains("not_near"));
    assert!(!found("die Grösse, die GRÖßE").contains("not_near"));
}

#[test]
fn words_may_be_alike() {
    expect("the deploymnt", &["alike"]);
    expect("ma chine lear nin", &["alike"]); // the whole text
    expect("we talk of ma chine lear nin and of other things", &[]);
    expect("重构", &["alike"]);
    expect("Refunds, payments", &["more_alike", "near", "ranked"]);
    expect("refunds, payments", &["near", "ranked"]);
}

#[test]
fn words_are_ranked_by_their_stems() {
    expect("it is paid too late", &["ranked"]);
    expect("he pays", &[]);
    expect("a cafe", &["ranked"]);
    expect("the haves", &["ranked"]); // and its stem is that of a word that does not count
    expect("I have none", &[]);
    expect("our nodes pool in a cluster", &["all_ranked"]);
    expect("a database", &[]);
    expect("a database, a database, a database of databases", &["high_ranked"]);
    expect("migrate the database", &["high_ranked"]);
    assert!(!found("my passwords").contains("not_ranked") && found("our").contains("not_ranked"));
}

#[test]
fn no_text_finds_nothing() {
    for text in ["", " ", "\n.\n"] {
        expect(text, &[]);
    }
    expect(&"x".repeat(100_000), &[]);
    expect(&"x ".repeat(100_000), &[]);
}

/// What the document says, asked of others.
struct Oracle {
    name: String,
    operator: KeywordOperator,
    terms: Vec<Term>,
}

impl Oracle {
    fn all() -> Vec<Oracle> {
        let text = include_str!("baked/configs/methods.yaml");
        let (router, report) = check(&Source { path: "methods.yaml", text });
        let mut router = router.unwrap_or_else(|| panic!("{}", report.render_text(false)));
        let oracle = |signal: hardwire_codegen::ir::Signal| match signal.what {
            SignalWhat::Keyword { operator, terms } => Oracle { name: signal.name, operator, terms },
            other => panic!("{other:?} is no keyword signal"),
        };
        router.policies.swap_remove(0).signals.into_iter().map(oracle).collect()
    }

    fn matches(&self, text: &str) -> bool {
        let found: Vec<bool> = match &self.terms[0] {
            Term::Ranked { threshold, .. } => self.ranked(text, *threshold),
            Term::Similar { arity, threshold, case_sensitive, .. } => {
                self.similar(text, *arity, *threshold, *case_sensitive)
            }
            _ => self.terms.iter().map(|term| near(term, text)).collect(),
        };
        match self.operator {
            KeywordOperator::Or => found.contains(&true),
            KeywordOperator::And => !found.contains(&false),
            KeywordOperator::Nor => !found.contains(&true),
        }
    }

    fn ranked(&self, text: &str, threshold: f32) -> Vec<bool> {
        let documents: Vec<Document<usize>> =
            self.terms.iter().enumerate().map(|(id, term)| Document { id, contents: term.text().to_owned() }).collect();
        let count = documents.len();
        let engine = SearchEngineBuilder::<usize>::with_documents(Language::English, documents).build();
        let results = engine.search(text, count);
        let score = |n: usize| results.iter().find(|result| result.document.id == n).map(|result| result.score);
        (0..count).map(|n| score(n).is_some_and(|score| score >= threshold)).collect()
    }

    fn similar(&self, text: &str, arity: usize, threshold: f32, case_sensitive: bool) -> Vec<bool> {
        let fold = |text: &str| if case_sensitive { text.to_owned() } else { text.to_lowercase() };
        let keywords: Vec<String> = self.terms.iter().map(|term| fold(term.text())).collect();
        let mut corpus = CorpusBuilder::default().arity(arity).pad_full(Pad::Auto).finish();
        for keyword in &keywords {
            corpus.add_text(keyword);
        }
        let text = fold(text);
        let words = text.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '-').filter(|word| !word.is_empty());
        let found: BTreeSet<String> = words
            .chain([text.as_str()])
            .flat_map(|word| corpus.search(word, threshold, keywords.len()))
            .map(|result| result.text)
            .collect();
        keywords.iter().map(|keyword| found.contains(keyword)).collect()
    }
}

/// Texts in the test are ASCII and keywords stand between spaces, so that a literal is easily found.
fn near(term: &Term, text: &str) -> bool {
    let (keyword, case_sensitive, edits) = match term {
        Term::Near { text, case_sensitive, edits } => (text, *case_sensitive, *edits),
        Term::Literal { text, case_sensitive } => (text, *case_sensitive, 0),
        other => panic!("{other:?} is compared otherwise"),
    };
    let same = |word: &str| word == keyword || !case_sensitive && word.to_lowercase() == keyword.to_lowercase();
    let near = |word: &str| strsim::levenshtein(&word.to_lowercase(), &keyword.to_lowercase()) <= edits;
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    text.split(' ').any(same) || edits > 0 && words.into_iter().any(near)
}

#[test]
fn random_texts_are_found_as_upstream_finds_them() {
    const WORDS: &[&str] = &[
        "invoice",
        "Refund",
        "e-mail",
        "Kubernetes",
        "cluster",
        "urgent",
        "größe",
        "deployment",
        "machine",
        "learning",
        "重构",
        "payment",
        "aaaa",
        "aaaaaaaa",
        "the",
        "late",
        "database",
        "migration",
        "index",
        "slow",
        "query",
        "node",
        "pools",
        "password",
        "our",
        "secret",
        "café",
        "ours",
        "haves",
        "have",
    ];
    let oracles = Oracle::all();
    let mut state = 11_u64;
    let mut below = |bound: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % bound
    };
    let mut matched = vec![0; oracles.len()];
    const TEXTS: usize = 3_000;
    for _ in 0..TEXTS {
        let mut words = Vec::new();
        for _ in 0..1 + below(6) {
            let mut word: Vec<char> = WORDS[below(WORDS.len())].chars().collect();
            for _ in 0..below(4) {
                let at = below(word.len().max(1));
                match below(4) {
                    0 if word.len() > 1 => drop(word.remove(at)),
                    1 => word.insert(at, ['a', 'e', 's', 't'][below(4)]),
                    2 if !word.is_empty() => word[at] = ['i', 'o', 'r', 'Z'][below(4)],
                    _ => {}
                }
            }
            words.push(word.into_iter().collect::<String>());
        }
        let text = words.join(" ");
        let found = found(&text);
        for (oracle, matched) in oracles.iter().zip(&mut matched) {
            let expected = oracle.matches(&text);
            assert_eq!(found.contains(oracle.name.as_str()), expected, "{} in {text:?}", oracle.name);
            *matched += usize::from(expected);
        }
    }
    for (oracle, matched) in oracles.iter().zip(matched) {
        assert!((3..TEXTS - 3).contains(&matched), "{} matched {matched} times", oracle.name);
    }
}
