//! Keywords to automata: the terms of all keyword signals, in as few automata as their size allows. Those that stand as
//! they are written, regular expressions, and those that a word may miss are found by different kinds.

mod approximate;
mod items;
pub mod literals;
pub mod patterns;

use super::words::is_spaced_word;
use crate::ir::{Feature, Policy, SignalWhat, Term};
use approximate::{Ranked, Similar};
pub(super) use items::{counted, items};
use literals::Machine;

/// `hardwire::table::Automaton`.
#[derive(Debug)]
pub enum Automaton {
    /// `hardwire::table::Literals`.
    Literals {
        /// The automaton itself.
        machine: Machine,
        /// What it finds, by number.
        terms: Vec<Literal>,
    },
    /// `hardwire::table::Patterns`.
    Patterns {
        /// The serialised DFA.
        dfa: Vec<u8>,
        /// Term of each pattern.
        terms: Vec<usize>,
    },
    /// `hardwire::table::Near`.
    Near(Vec<(usize, String, usize)>),
    /// `hardwire::table::Similar`.
    Similar(Similar),
    /// `hardwire::table::Ranked`.
    Ranked(Ranked),
}

/// `hardwire::table::Term`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Literal {
    /// Number over all signals.
    pub term: usize,
    /// The keyword.
    pub text: String,
    /// Whether its case matters.
    pub case_sensitive: bool,
    /// Whether the match must not follow a word character.
    pub word_left: bool,
    /// Whether no word character must follow the match.
    pub word_right: bool,
}

impl Literal {
    /// An edge is looked at where the keyword itself has a word character there: `C++` may be followed by anything.
    fn new(term: usize, text: &str, case_sensitive: bool) -> Literal {
        Literal {
            term,
            text: text.to_owned(),
            case_sensitive,
            word_left: text.chars().next().is_some_and(is_spaced_word),
            word_right: text.chars().next_back().is_some_and(is_spaced_word),
        }
    }
}

/// All terms that are found in one pass, in the order of their numbers.
pub(super) fn terms(policy: &Policy) -> impl Iterator<Item = &Term> {
    let modality = policy.modality.iter().flat_map(|detector| detector.image.iter().chain(&detector.both));
    policy.signals.iter().flat_map(|signal| signal.what.terms()).chain(modality)
}

/// All automata of a policy: those that find terms, and for each structure signal that counts, those that count.
pub(super) fn groups(policy: &Policy) -> Vec<Group> {
    let mut groups = vec![Group { name: "AUTOMATA".to_owned(), automata: build(terms(policy)) }];
    for (n, signal) in policy.signals.iter().enumerate() {
        if let SignalWhat::Structure { feature: Feature::Words(terms), .. } = &signal.what {
            groups.push(Group { name: words_of(n), automata: build(terms.iter()) });
        }
    }
    groups
}

/// Automata that are emitted as one list.
#[derive(Debug)]
pub(super) struct Group {
    /// Of the list.
    pub(super) name: String,
    /// What stands in it.
    pub(super) automata: Vec<Automaton>,
}

/// Name of the list of automata that count the keywords of this signal.
pub(super) fn words_of(signal: usize) -> String {
    format!("WORDS_OF_{signal}")
}

/// Name of the expression that this signal counts.
pub(super) fn pattern_of(signal: usize) -> String {
    format!("PATTERN_OF_{signal}")
}

/// The automata that find terms, which are numbered as they come.
pub(super) fn build<'a>(terms: impl Iterator<Item = &'a Term>) -> Vec<Automaton> {
    let (mut words, mut patterns) = (Vec::new(), Vec::new());
    let (mut near, mut similar, mut ranked) = (Vec::new(), Vec::<Similar>::new(), Ranked::default());
    for (number, term) in terms.enumerate() {
        match term {
            Term::Literal { text, case_sensitive } => words.push(Literal::new(number, text, *case_sensitive)),
            Term::Regex { pattern } => patterns.push((number, pattern.as_str())),
            Term::Near { text, case_sensitive, edits } => {
                words.push(Literal::new(number, text, *case_sensitive));
                near.push((number, text.to_lowercase(), *edits));
            }
            Term::Similar { text, case_sensitive, arity, threshold } => {
                let own = Similar::new(*arity, *case_sensitive, *threshold);
                let group = similar.iter().position(|other| other.takes(&own));
                let group = group.unwrap_or_else(|| {
                    similar.push(own);
                    similar.len() - 1
                });
                similar[group].add(number, text);
            }
            Term::Ranked { threshold, weights, .. } => ranked.add(number, *threshold, weights),
        }
    }
    let mut automata = Vec::new();
    share(&words, &mut automata, &|some| {
        let keywords: Vec<&str> = some.iter().map(|literal| literal.text.as_str()).collect();
        let machine = literals::build(&keywords).ok()?;
        Some(Automaton::Literals { machine, terms: some.to_vec() })
    });
    share(&patterns, &mut automata, &|some| {
        let (terms, patterns): (Vec<usize>, Vec<&str>) = some.iter().copied().unzip();
        let dfa = patterns::build(&patterns).ok()?;
        Some(Automaton::Patterns { dfa, terms })
    });
    if !near.is_empty() {
        automata.push(Automaton::Near(near));
    }
    automata.extend(similar.into_iter().map(Automaton::Similar));
    if !ranked.is_empty() {
        automata.push(Automaton::Ranked(ranked));
    }
    automata
}

/// One automaton for all terms, or each half in its own where they do not fit together.
fn share<T>(terms: &[T], into: &mut Vec<Automaton>, build: &impl Fn(&[T]) -> Option<Automaton>) {
    if terms.is_empty() {
        return;
    }
    if let Some(automaton) = build(terms) {
        into.push(automaton);
        return;
    }
    assert!(terms.len() > 1, "lower bounds each term");
    let (one, other) = terms.split_at(terms.len() / 2);
    share(one, into, build);
    share(other, into, build);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The terms of each automaton, literals before patterns.
    fn shared(terms: &[Term]) -> Vec<Vec<usize>> {
        let numbers = |automaton: &Automaton| match automaton {
            Automaton::Literals { terms, .. } => terms.iter().map(|literal| literal.term).collect(),
            Automaton::Patterns { terms, .. } => terms.clone(),
            other => panic!("no term asks for {other:?}"),
        };
        build(terms.iter()).iter().map(numbers).collect()
    }

    fn literal(text: &str) -> Term {
        Term::Literal { text: text.to_owned(), case_sensitive: false }
    }

    fn regex(pattern: &str) -> Term {
        Term::Regex { pattern: pattern.to_owned() }
    }

    #[test]
    fn few_terms_share() {
        let terms = [literal("a"), regex("b+"), literal("c"), regex("^d"), literal("a")];
        assert_eq!(shared(&terms), [vec![0, 2, 4], vec![1, 3]]);
        assert!(shared(&[]).is_empty());
    }

    #[test]
    fn what_does_not_fit_is_parted() {
        let long = |letter: &str| literal(&letter.repeat(30_000));
        assert_eq!(shared(&[long("a"), regex("x"), long("b"), long("c")]), [vec![0], vec![2, 3], vec![1]]);
    }

    #[test]
    fn patterns_that_multiply_each_other_are_parted() {
        let gaps: Vec<Term> = (b'a'..=b'l').map(|c| regex(&format!("{0}{0}.*{0}{0}.*{0}", c as char))).collect();
        let shared = shared(&gaps);
        assert!(shared.len() > 1, "{shared:?}");
        assert_eq!(shared.concat(), (0..gaps.len()).collect::<Vec<_>>());
    }
}
