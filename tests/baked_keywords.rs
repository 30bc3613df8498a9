//! Keywords are found where a reader finds them: by hand-made cases over a baked router, and against a naive search over
//! random keywords and texts.

use hardwire::{
    routing::signals::{Signals, is_spaced_word},
    table::{Automaton, Edge, KeywordOperator, KeywordSignal, Literals, Policy, SignalId, SignalSet, Term},
};
use hardwire_baked::{basic, signals};
use hardwire_codegen::emit::{automata::literals, words};
use proptest::prelude::*;

/// The keyword signals of `signals.yaml` that match a text. `harmless`, which nearly all do, is told by its absence.
fn found(text: &str) -> String {
    let tables = &signals::TABLES;
    let mut set = SignalSet::EMPTY;
    Signals::new(tables.policies[0]).expect("baked for this machine").text(text, &mut set);
    let mut names: Vec<_> = set.iter().map(|id| tables.policies[0].signals[usize::from(id.0)].name).collect();
    match names.iter().position(|name| *name == "harmless") {
        Some(at) => drop(names.remove(at)),
        None => names.insert(0, "harmful"),
    }
    names.join(" ")
}

#[track_caller]
fn check(text: &str, signals: &str) {
    assert_eq!(found(text), signals, "{text:?}");
}

#[test]
fn whole_words_in_any_case() {
    check("", "");
    check("urgent", "urgent");
    check("This is UrGeNt!", "urgent");
    check("Do it right now.", "urgent");
    check("insurgents", "");
    check("urgently", "");
    check("urgent_", "");
    check("urgent2", "");
    check("2urgent", "");
    check("(urgent)", "urgent");
    check("urgently, no, urgent", "urgent");
    // The Kelvin sign and the long s are letters of any case.
    check("a\u{17f}ap", "urgent");
    check("RU\u{17f}T", "code");
}

#[test]
fn operators() {
    check("refund", "");
    check("the invoice for a refund", "refund");
    check("no bombs here", "");
    check("a bomb here", "harmful");
}

#[test]
fn words_that_end_in_symbols() {
    check("C++", "code");
    check("c++17 and c++", "code");
    check("C++20", "code");
    check("ABC++", "");
    check("the .NET runtime", "code");
    check("asp.net", "code");
    check(".network", "");
}

#[test]
fn scripts() {
    check("это срочно!", "code");
    check("СРОЧНО", "code");
    check("бессрочно", "");
    check("срочность", "");
    check("请帮我重构代码", "code");
    check("使用rust语言", "code");
    check("rustы", "");
}

#[test]
fn case_where_it_matters() {
    check("Go", "brand");
    check("go GO gO", "");
    check("we use SAP", "brand");
    check("tree sap", "");
    check("tree sap, SAP", "brand");
}

#[test]
fn patterns() {
    check("see ABC-123", "ticket");
    check("ABC-123, ABCD-1", "ticket");
    check("see ABCDEFG-1", "");
    check("see ABC-1x", "");
    check("help me", "ticket");
    check("please help", "");
}

#[test]
fn nothing_to_look_for() {
    let mut set = SignalSet::EMPTY;
    Signals::new(basic::TABLES.policies[0]).unwrap().text("urgent", &mut set);
    assert_eq!(set, SignalSet::EMPTY);
}

#[test]
fn compiler_and_server_agree_on_words() {
    for c in '\0'..=char::MAX {
        assert_eq!(is_spaced_word(c), words::is_spaced_word(c), "{c:?}");
    }
}

#[test]
fn a_damaged_table_is_refused() {
    let literals = table(&[("abc".to_owned(), false)]);
    for table in [&[][..], &literals.table[..255], &literals.table[..literals.table.len() - 1]] {
        let broken = Literals { table, ..literals };
        assert!(Signals::new(policy(broken)).is_err());
    }
}

/// A keyword and whether its case matters.
type Keyword = (String, bool);

/// The automaton of some keywords, as the generated code would have it.
fn table(keywords: &[Keyword]) -> Literals {
    let texts: Vec<&str> = keywords.iter().map(|(text, _)| text.as_str()).collect();
    let machine = literals::build(&texts).expect("few keywords");
    let edge = |c: Option<char>| if c.is_some_and(words::is_spaced_word) { Edge::Word } else { Edge::Any };
    let terms = keywords.iter().enumerate().map(|(n, (text, case_sensitive))| Term {
        term: n as u16,
        chars: text.chars().count() as u16,
        left: edge(text.chars().next()),
        right: edge(text.chars().next_back()),
        exact: case_sensitive.then(|| &*text.clone().leak()),
    });
    let matches = machine.matches.iter().map(|ends| &*ends.iter().map(|end| *end as u16).collect::<Vec<_>>().leak());
    Literals {
        states: machine.states,
        table: machine.table.leak(),
        longest: machine.longest,
        first_match: machine.first_match,
        matches: matches.collect::<Vec<_>>().leak(),
        terms: terms.collect::<Vec<_>>().leak(),
    }
}

/// A policy with a signal for each keyword.
fn policy(literals: Literals) -> &'static Policy {
    let signal = |n: u16| KeywordSignal { signal: SignalId(n), operator: KeywordOperator::Or, first_term: n, terms: 1 };
    let term_count = literals.terms.len();
    Box::leak(Box::new(Policy {
        automata: vec![Automaton::Literals(literals)].leak(),
        keywords: (0..term_count as u16).map(signal).collect::<Vec<_>>().leak(),
        term_count,
        ..Policy::EMPTY
    }))
}

/// The same question, asked character by character.
fn is_in(text: &[char], (keyword, case_sensitive): &Keyword) -> bool {
    let keyword: Vec<char> = keyword.chars().collect();
    let same = |a: char, b: char| {
        a == b || !case_sensitive && (a.to_lowercase().eq(b.to_lowercase()) || a.to_uppercase().eq(b.to_uppercase()))
    };
    let clash = |edge: char, neighbour: Option<&char>| {
        is_spaced_word(edge) && neighbour.is_some_and(|neighbour| is_spaced_word(*neighbour))
    };
    text.windows(keyword.len()).enumerate().any(|(at, window)| {
        let before = at.checked_sub(1).and_then(|before| text.get(before));
        let after = text.get(at + keyword.len());
        window.iter().zip(&keyword).all(|(a, b)| same(*a, *b))
            && !clash(keyword[0], before)
            && !clash(keyword[keyword.len() - 1], after)
    })
}

/// Few letters, so that keywords overlap, contain and continue each other: variants of case that take one, two and three
/// bytes, scripts with and without spaces, symbols, and letters that share their first bytes with those.
const LETTERS: &str = "[aAkK\u{212a}\u{17f}sS+ _éÉяЯ重量\u{2127}\u{1e9e}ß]";

fn letters(count: &str) -> impl Strategy<Value = String> {
    prop::string::string_regex(&format!("{LETTERS}{{{count}}}")).expect("a class and a count")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn finds_what_a_naive_search_finds(
        keywords in prop::collection::vec((letters("1,4"), any::<bool>()), 1..8),
        // Short ones are walked in one go, long ones in parts.
        text in prop_oneof![letters("0,24"), letters("60,300")],
    ) {
        let mut set = SignalSet::EMPTY;
        Signals::new(policy(table(&keywords))).unwrap().text(&text, &mut set);
        let chars: Vec<char> = text.chars().collect();
        for (n, keyword) in keywords.iter().enumerate() {
            prop_assert_eq!(set.has(SignalId(n as u16)), is_in(&chars, keyword), "{:?} in {:?}", keyword, text);
        }
    }
}
