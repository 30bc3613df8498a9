//! Which decisions can ever win.
//!
//! A decision is dead if its rules contradict themselves, or if another that comes first matches whenever it does. The
//! proofs are syntactic: what is reported is true, and what is true but needs cleverness to see is not reported.

use crate::confidence::{self, Range};
use crate::ir::{Rule, Strategy};
use std::cmp::Reverse;

/// Steps that a document's proofs may take in all. It bounds the time that a huge one takes; some dead decisions may
/// then go unnoticed.
const MAX_STEPS: usize = 20_000_000;

/// What matters of a decision.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate<'r> {
    /// Index among all decisions.
    pub(super) index: usize,
    /// Breaks ties.
    pub(super) name: &'r str,
    /// Larger wins.
    pub(super) priority: i64,
    /// Smaller wins, where any that matches has one above 0.
    pub(super) tier: u32,
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

/// What a signal says about the length of the prompt, if that is what it is about: fewest and most tokens. One that
/// always matches holds every length.
pub(super) type Band = Option<(u64, u64)>;

/// What is known of a signal that rules name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    /// What it says about the length of the prompt.
    pub(super) band: Band,
    /// How sure it is when it matches.
    pub(super) confidence: Range,
    /// Whether it counts something, which comparisons then look at.
    pub(super) counts: bool,
}

/// The dead decisions by index, in the order in which decisions win.
pub(super) fn dead(candidates: &[Candidate<'_>], strategy: Strategy, signals: &[Known]) -> Vec<(usize, Dead)> {
    let sure = |candidate: &Candidate<'_>| confidence::of_decision(candidate.rule, &|n| signals[n].confidence);
    let mut candidates: Vec<(Candidate<'_>, Range)> = candidates.iter().map(|c| (*c, sure(c))).collect();
    candidates.sort_by(|(a, a_sure), (b, b_sure)| {
        let by_priority = b.priority.cmp(&a.priority);
        let by_confidence = b_sure.most.total_cmp(&a_sure.most);
        let by_strategy = match strategy {
            Strategy::Priority => by_priority.then(by_confidence),
            Strategy::Confidence => by_confidence.then(by_priority),
        };
        a.tier.cmp(&b.tier).then(by_strategy).then(a.name.cmp(b.name))
    });
    let tiers = candidates.iter().any(|(candidate, _)| candidate.tier > 0);
    let mut proof = Proof { signals, steps: MAX_STEPS };
    let mut alive: Vec<(Candidate<'_>, Range)> = Vec::new();
    let mut out = Vec::new();
    for candidate in candidates {
        if candidate.0.rule.is_some_and(|rule| proof.never(rule)) {
            out.push((candidate.0.index, Dead::Contradiction));
            continue;
        }
        let behind = alive.iter().find(|earlier| {
            beats(earlier, &candidate, strategy, tiers) && proof.always_with(candidate.0.rule, earlier.0.rule)
        });
        match behind {
            Some((earlier, _)) => out.push((candidate.0.index, Dead::Behind(earlier.index))),
            None => alive.push(candidate),
        }
    }
    out
}

/// Whether `a` wins over `b` whenever both match, whatever else does.
fn beats(a: &(Candidate<'_>, Range), b: &(Candidate<'_>, Range), strategy: Strategy, tiers: bool) -> bool {
    let ((a, a_sure), (b, b_sure)) = (a, b);
    let surer = a_sure.least > b_sure.most;
    let as_sure = a_sure.least >= b_sure.most;
    let by_confidence = surer || (as_sure && (Reverse(a.priority), a.name) < (Reverse(b.priority), b.name));
    let by_priority = a.priority > b.priority || (a.priority == b.priority && (surer || (as_sure && a.name < b.name)));
    if a.tier != b.tier {
        return a.tier < b.tier; // one of them is above 0, so tiers decide
    }
    match strategy {
        Strategy::Confidence => by_confidence,
        Strategy::Priority if a.tier > 0 => by_confidence,
        // Whether tiers decide between these two is up to the others that match.
        Strategy::Priority => by_priority && (by_confidence || !tiers),
    }
}

struct Proof<'s> {
    signals: &'s [Known],
    steps: usize,
}

impl Proof<'_> {
    /// Whether a decision with rule `b` matches whenever one with rule `a` does.
    fn always_with(&mut self, a: Option<&Rule>, b: Option<&Rule>) -> bool {
        match (a, b) {
            (_, None) => true,
            (a, Some(b)) => self.always(b) || (self.steps > 0 && a.is_some_and(|a| self.implies(a, b))),
        }
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
            (Rule::Compare { .. }, Rule::Compare { .. }) => a == b,
            (Rule::Signal(a) | Rule::Compare { signal: a, .. }, Rule::Signal(b)) => a == b || self.within(*a, *b),
            (Rule::All(some), Rule::Compare { .. }) => some.iter().any(|a| self.implies(a, b)),
            (Rule::Not(_), Rule::Signal(_)) | (Rule::Not(_) | Rule::Signal(_), Rule::Compare { .. }) => false,
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
            (Rule::Signal(a) | Rule::Compare { signal: a, .. }, Rule::Signal(b) | Rule::Compare { signal: b, .. }) => {
                self.disjoint(*a, *b)
            }
        }
    }

    /// Whether a rule can never match.
    fn never(&mut self, rule: &Rule) -> bool {
        match rule {
            Rule::Signal(_) => false,
            Rule::Compare { signal, predicate } => {
                let Known { confidence, counts, .. } = self.signals[*signal];
                !counts && confidence.constant().is_some_and(|constant| !predicate.holds(constant))
            }
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
            Rule::Signal(signal) => self.signals[*signal].band == Some((0, u64::MAX)),
            Rule::Compare { .. } => false,
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
        match (self.signals[a].band, self.signals[b].band) {
            (Some((a_min, a_max)), Some((b_min, b_max))) => b_min <= a_min && a_max <= b_max,
            _ => false,
        }
    }

    /// Whether two bands of lengths have no length in common.
    fn disjoint(&self, a: usize, b: usize) -> bool {
        match (self.signals[a].band, self.signals[b].band) {
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
    use crate::ir::Predicate;

    const fn known(band: Band) -> Known {
        Known { band, confidence: Range::FULL, counts: false }
    }

    /// Two keywords, bands that lie apart, in each other, and everywhere, and two signals that are more or less sure.
    const SIGNALS: &[Known] = &[
        known(None),
        known(None),
        known(Some((0, 9))),
        known(Some((5, 7))),
        known(Some((20, u64::MAX))),
        known(Some((0, u64::MAX))),
        Known { band: None, confidence: Range { least: 0.5, most: 1.0 }, counts: true },
        Known { band: None, confidence: Range::always(0.75), counts: false },
    ];

    /// What a request is, as far as signals can tell: which of those without a band match, its length, and how sure the
    /// one is of which that is not known.
    type Request = (usize, u64, f64);

    fn requests() -> impl Iterator<Item = Request> {
        let lengths = [0, 5, 8, 15, 20];
        (0..256)
            .filter(|bits| bits & 0b0011_1100 == 0)
            .flat_map(move |bits| lengths.map(|length| (bits, length)))
            .flat_map(|(bits, length)| [0.5, 0.6, 0.75, 1.0].map(|sure| (bits, length, sure)))
    }

    fn has(signal: usize, request: Request) -> bool {
        match SIGNALS[signal].band {
            None => request.0 & (1 << signal) != 0,
            Some((min, max)) => (min..=max).contains(&request.1),
        }
    }

    fn sure(signal: usize, request: Request) -> f64 {
        SIGNALS[signal].confidence.constant().unwrap_or(request.2)
    }

    /// The confidence of a rule that matches.
    fn eval(rule: &Rule, request: Request) -> Option<f64> {
        match rule {
            Rule::Signal(signal) => has(*signal, request).then(|| sure(*signal, request)),
            Rule::Compare { signal, predicate } => {
                (has(*signal, request) && predicate.holds(sure(*signal, request))).then_some(1.0)
            }
            Rule::All(rules) => {
                let all = rules.iter().map(|rule| eval(rule, request)).collect::<Option<Vec<f64>>>()?;
                Some(all.iter().sum::<f64>() / all.len() as f64)
            }
            Rule::Any(rules) => rules.iter().filter_map(|rule| eval(rule, request)).reduce(f64::max),
            Rule::Not(rule) => eval(rule, request).is_none().then_some(1.0),
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
            match if depth == 0 { 0 } else { self.below(6) } {
                0 | 1 => Rule::Signal(self.below(SIGNALS.len())),
                2 => {
                    let predicate = Predicate { gt: Some([0.4, 0.6, 0.8][self.below(3)]), ..Predicate::default() };
                    Rule::Compare { signal: self.below(SIGNALS.len()), predicate }
                }
                3 => Rule::All(group(self)),
                4 => Rule::Any(group(self)),
                _ => Rule::Not(Box::new(self.rule(depth - 1))),
            }
        }
    }

    struct Decision {
        name: String,
        priority: i64,
        tier: u32,
        rule: Option<Rule>,
    }

    /// Which decision wins: as the router does it, by the book.
    fn winner(decisions: &[Decision], strategy: Strategy, request: Request) -> Option<usize> {
        let confidence = |d: &Decision| d.rule.as_ref().map_or(Some(0.0), |rule| eval(rule, request));
        let mut matching: Vec<(usize, f64)> =
            decisions.iter().enumerate().filter_map(|(n, d)| Some((n, confidence(d)?))).collect();
        let tiered = matching.iter().any(|(n, _)| decisions[*n].tier > 0);
        matching.sort_by(|(a, a_sure), (b, b_sure)| {
            let (a, b) = (&decisions[*a], &decisions[*b]);
            let by_confidence = b_sure.total_cmp(a_sure);
            let by_priority = b.priority.cmp(&a.priority);
            let order = match strategy {
                _ if tiered => a.tier.cmp(&b.tier).then(by_confidence).then(by_priority),
                Strategy::Priority => by_priority.then(by_confidence),
                Strategy::Confidence => by_confidence.then(by_priority),
            };
            order.then(a.name.cmp(&b.name))
        });
        matching.first().map(|(n, _)| *n)
    }

    #[test]
    fn the_dead_never_win() {
        let mut random = Random(7);
        let (mut behind, mut contradictions, mut tiered) = (0, 0, 0);
        for round in 0..3_000 {
            let strategy = if round % 2 == 0 { Strategy::Priority } else { Strategy::Confidence };
            let tiers = if round % 3 == 0 { 3 } else { 1 };
            let decisions: Vec<Decision> = (0..4)
                .map(|n| Decision {
                    name: format!("d{n}"),
                    priority: i64::try_from(random.below(3)).unwrap(),
                    tier: u32::try_from(random.below(tiers)).unwrap(),
                    rule: (random.below(8) > 0).then(|| random.rule(3)),
                })
                .collect();
            let candidates = decisions.iter().enumerate().map(|(index, decision)| Candidate {
                index,
                name: &decision.name,
                priority: decision.priority,
                tier: decision.tier,
                rule: decision.rule.as_ref(),
            });
            let dead = dead(&candidates.collect::<Vec<_>>(), strategy, SIGNALS);
            let winners: Vec<_> = requests().map(|request| winner(&decisions, strategy, request)).collect();
            for (index, dead) in dead {
                assert!(!winners.contains(&Some(index)), "{:?}", decisions.iter().map(|d| &d.rule).collect::<Vec<_>>());
                match dead {
                    Dead::Contradiction => contradictions += 1,
                    Dead::Behind(_) => behind += 1,
                }
                tiered += usize::from(tiers > 1);
            }
        }
        assert!(
            behind > 500 && contradictions > 300 && tiered > 300,
            "{behind}, {contradictions} and {tiered} were found"
        );
    }
}
