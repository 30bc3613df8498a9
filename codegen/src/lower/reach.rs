//! Which decisions can ever win.
//!
//! A decision is dead if its rules contradict themselves, or if another that comes first matches whenever it does. The
//! proofs are syntactic: what is reported is true, and what is true but needs cleverness to see is not reported.

use crate::ir::{Rule, Strategy};
use std::cmp::Reverse;

/// Steps that a document's proofs may take in all. It bounds the time that a huge one takes; some dead decisions may
/// then go unnoticed.
const MAX_STEPS: usize = 20_000_000;

/// What matters of a decision.
#[derive(Debug)]
pub(super) struct Candidate<'r> {
    /// Index among all decisions.
    pub(super) index: usize,
    /// Breaks ties.
    pub(super) name: &'r str,
    /// Larger wins.
    pub(super) priority: i64,
    /// `None` always matches.
    pub(super) rule: Option<&'r Rule>,
}

/// Why a decision can never win.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dead {
    /// It never matches.
    Contradiction,
    /// This one matches whenever it does, and wins.
    Behind(usize),
}

/// What a signal says about the length of the prompt, if that is what it is about: fewest and most tokens.
pub(super) type Band = Option<(u64, u64)>;

/// The dead decisions by index, in the order in which decisions win. `bands` are those of the signals that rules name.
pub(super) fn dead(mut candidates: Vec<Candidate<'_>>, strategy: Strategy, bands: &[Band]) -> Vec<(usize, Dead)> {
    // A matched rule has confidence 1, as every signal of this version has; one without rules has 0.
    candidates.sort_by_key(|c| match strategy {
        Strategy::Priority => (false, Reverse(c.priority), c.rule.is_none(), c.name.to_owned()),
        Strategy::Confidence => (c.rule.is_none(), Reverse(c.priority), false, c.name.to_owned()),
    });
    let mut proof = Proof { bands, steps: MAX_STEPS };
    let mut alive: Vec<Candidate<'_>> = Vec::new();
    let mut catch_all = None;
    let mut out = Vec::new();
    for candidate in candidates {
        if candidate.rule.is_some_and(|rule| proof.never(rule)) {
            out.push((candidate.index, Dead::Contradiction));
        } else if let Some(earlier) = catch_all {
            out.push((candidate.index, Dead::Behind(earlier)));
        } else if let Some(earlier) = proof.decided_by(&candidate, &alive) {
            out.push((candidate.index, Dead::Behind(earlier)));
        } else {
            if candidate.rule.is_none_or(|rule| proof.always(rule)) {
                catch_all = Some(candidate.index);
            }
            alive.push(candidate);
        }
    }
    out
}

struct Proof<'b> {
    bands: &'b [Band],
    steps: usize,
}

impl Proof<'_> {
    /// The first decision that matches whenever this one does.
    fn decided_by(&mut self, later: &Candidate<'_>, alive: &[Candidate<'_>]) -> Option<usize> {
        let rule = later.rule.filter(|_| self.steps > 0)?;
        let implied = |earlier: &&Candidate<'_>| earlier.rule.is_some_and(|earlier| self.implies(rule, earlier));
        alive.iter().find(implied).map(|earlier| earlier.index)
    }

    /// Counts a step; false when there are none left.
    fn step(&mut self) -> bool {
        self.steps = self.steps.saturating_sub(1);
        self.steps > 0
    }

    /// Whether `b` matches whenever `a` does.
    fn implies(&mut self, a: &Rule, b: &Rule) -> bool {
        if !self.step() {
            return false;
        }
        // Groups are taken apart first where that loses nothing: an `OR` on the left, an `AND` on the right.
        match (a, b) {
            (Rule::Any(all), _) => all.iter().all(|a| self.implies(a, b)),
            (_, Rule::All(all)) => all.iter().all(|b| self.implies(a, b)),
            (_, Rule::Not(b)) => self.excludes(a, b),
            (Rule::All(some), Rule::Any(others)) => {
                some.iter().any(|a| self.implies(a, b)) || others.iter().any(|b| self.implies(a, b))
            }
            (Rule::All(some), Rule::Signal(_)) => some.iter().any(|a| self.implies(a, b)),
            (_, Rule::Any(some)) => some.iter().any(|b| self.implies(a, b)),
            (Rule::Signal(a), Rule::Signal(b)) => a == b || self.within(*a, *b),
            (Rule::Not(_), Rule::Signal(_)) => false,
        }
    }

    /// Whether `a` and `b` cannot both match.
    fn excludes(&mut self, a: &Rule, b: &Rule) -> bool {
        if !self.step() {
            return false;
        }
        match (a, b) {
            (Rule::Any(all), _) => all.iter().all(|a| self.excludes(a, b)),
            (_, Rule::Any(all)) => all.iter().all(|b| self.excludes(a, b)),
            (Rule::All(some), _) => some.iter().any(|a| self.excludes(a, b)),
            (_, Rule::All(some)) => some.iter().any(|b| self.excludes(a, b)),
            (Rule::Not(a), _) => self.implies(b, a),
            (_, Rule::Not(b)) => self.implies(a, b),
            (Rule::Signal(a), Rule::Signal(b)) => self.disjoint(*a, *b),
        }
    }

    /// Whether a rule can never match.
    fn never(&mut self, rule: &Rule) -> bool {
        match rule {
            Rule::Signal(_) => false,
            Rule::Not(rule) => self.always(rule),
            Rule::Any(all) => all.iter().all(|rule| self.never(rule)),
            Rule::All(some) => {
                some.iter().any(|rule| self.never(rule))
                    || pairs(some).any(|(a, b)| self.steps > 0 && self.excludes(a, b))
            }
        }
    }

    /// Whether a rule matches whatever the request is.
    fn always(&mut self, rule: &Rule) -> bool {
        match rule {
            Rule::Signal(signal) => self.bands[*signal] == Some((0, u64::MAX)),
            Rule::Not(rule) => self.never(rule),
            Rule::All(all) => all.iter().all(|rule| self.always(rule)),
            Rule::Any(some) => {
                some.iter().any(|rule| self.always(rule))
                    || pairs(some).any(|pair| match pair {
                        (Rule::Not(a), b) | (b, Rule::Not(a)) => self.steps > 0 && self.implies(a, b),
                        _ => false,
                    })
            }
        }
    }

    /// Whether one band of lengths lies in another.
    fn within(&self, a: usize, b: usize) -> bool {
        match (self.bands[a], self.bands[b]) {
            (Some((a_min, a_max)), Some((b_min, b_max))) => b_min <= a_min && a_max <= b_max,
            _ => false,
        }
    }

    /// Whether two bands of lengths have no length in common.
    fn disjoint(&self, a: usize, b: usize) -> bool {
        match (self.bands[a], self.bands[b]) {
            (Some((a_min, a_max)), Some((b_min, b_max))) => a_max < b_min || b_max < a_min,
            _ => false,
        }
    }
}

/// Every two members of a group.
fn pairs(rules: &[Rule]) -> impl Iterator<Item = (&Rule, &Rule)> {
    rules.iter().enumerate().flat_map(|(i, a)| rules[i + 1..].iter().map(move |b| (a, b)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three keywords, and bands that lie apart, in each other, and everywhere.
    const BANDS: &[Band] = &[None, None, None, Some((0, 9)), Some((5, 7)), Some((20, u64::MAX)), Some((0, u64::MAX))];

    /// What a request is, as far as signals can tell: which keywords it has, and its length.
    fn requests() -> impl Iterator<Item = (usize, u64)> {
        (0..8).flat_map(|keywords| [0, 5, 8, 15, 20].map(|length| (keywords, length)))
    }

    fn matches(rule: &Rule, request: (usize, u64)) -> bool {
        match rule {
            Rule::Signal(signal) => match BANDS[*signal] {
                None => request.0 & (1 << signal) != 0,
                Some((min, max)) => (min..=max).contains(&request.1),
            },
            Rule::All(rules) => rules.iter().all(|rule| matches(rule, request)),
            Rule::Any(rules) => rules.iter().any(|rule| matches(rule, request)),
            Rule::Not(rule) => !matches(rule, request),
        }
    }

    /// Numbers without a pattern, the same in every run.
    struct Random(u64);

    impl Random {
        fn below(&mut self, bound: usize) -> usize {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(self.0 >> 33).unwrap() % bound
        }

        fn rule(&mut self, depth: usize) -> Rule {
            let group = |random: &mut Random| (0..=random.below(3)).map(|_| random.rule(depth - 1)).collect();
            match if depth == 0 { 0 } else { self.below(5) } {
                0 | 1 => Rule::Signal(self.below(BANDS.len())),
                2 => Rule::All(group(self)),
                3 => Rule::Any(group(self)),
                _ => Rule::Not(Box::new(self.rule(depth - 1))),
            }
        }
    }

    /// Which decision wins: as the router does it, by the book.
    fn winner(decisions: &[(String, i64, Option<Rule>)], strategy: Strategy, request: (usize, u64)) -> Option<usize> {
        let matching =
            (0..decisions.len()).filter(|&i| decisions[i].2.as_ref().is_none_or(|rule| matches(rule, request)));
        matching.min_by_key(|&i| {
            let (name, priority, rule) = &decisions[i];
            match strategy {
                Strategy::Priority => (0, Reverse(*priority), rule.is_none(), name),
                Strategy::Confidence => (i32::from(rule.is_none()), Reverse(*priority), false, name),
            }
        })
    }

    #[test]
    fn the_dead_never_win() {
        let mut random = Random(7);
        let (mut behind, mut contradictions) = (0, 0);
        for round in 0..4_000 {
            let strategy = if round % 2 == 0 { Strategy::Priority } else { Strategy::Confidence };
            let decisions: Vec<(String, i64, Option<Rule>)> = (0..4)
                .map(|n| {
                    let rule = (random.below(8) > 0).then(|| random.rule(3));
                    (format!("d{n}"), i64::try_from(random.below(3)).unwrap(), rule)
                })
                .collect();
            let candidates = decisions.iter().enumerate().map(|(index, (name, priority, rule))| Candidate {
                index,
                name,
                priority: *priority,
                rule: rule.as_ref(),
            });
            for (index, dead) in dead(candidates.collect(), strategy, BANDS) {
                assert!(
                    requests().all(|request| winner(&decisions, strategy, request) != Some(index)),
                    "{decisions:?}"
                );
                match dead {
                    Dead::Contradiction => contradictions += 1,
                    Dead::Behind(_) => behind += 1,
                }
            }
        }
        assert!(behind > 500 && contradictions > 500, "{behind} and {contradictions} were found");
    }
}
