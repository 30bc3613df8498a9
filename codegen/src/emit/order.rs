//! In which order decisions are asked, as far as that can be settled when the router is built.
//!
//! Where priorities or known confidences decide, the first decision that matches wins. Only among decisions whose
//! confidence is known no better than within ranges that overlap, all are asked and the surest wins.

use crate::confidence::{self, Range};
use crate::ir::{Policy, Strategy};
use std::cmp::Reverse;

/// What is asked at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// If it matches, it wins.
    One(usize),
    /// The surest of those that match wins, of equals the one that stands first.
    Surest(Vec<usize>),
}

/// The decisions as they are asked. What can never be asked is left out.
#[derive(Debug, Default)]
pub(super) struct Order {
    /// Among decisions without a tier, where one with a tier matches and that makes a difference.
    pub(super) tiered: Option<Vec<Step>>,
    /// Among decisions without a tier.
    pub(super) plain: Vec<Step>,
    /// Among the others, where none of those matched.
    pub(super) tiers: Vec<Step>,
}

impl Order {
    /// The order of a policy's decisions.
    pub(super) fn of(policy: &Policy) -> Order {
        let decisions = Decisions { policy, sure: ranges(policy) };
        let of_tier = |tier: u32| (0..policy.decisions.len()).filter(|n| policy.decisions[*n].tier == tier).collect();
        let base: Vec<usize> = of_tier(0);
        let mut tiers: Vec<u32> = policy.decisions.iter().map(|d| d.tier).filter(|tier| *tier > 0).collect();
        tiers.sort_unstable();
        tiers.dedup();
        let has_rules = |n: usize| policy.decisions[n].rule.is_some();
        let always_tiered = policy.decisions.iter().any(|d| d.tier > 0 && d.rule.is_none());
        let by_confidence = until_certain(decisions.by_confidence(&base), has_rules);
        let plain = match policy.strategy {
            Strategy::Confidence => by_confidence.clone(),
            Strategy::Priority if always_tiered => by_confidence.clone(),
            Strategy::Priority => until_certain(decisions.by_priority(&base), has_rules),
        };
        let tiered = (!tiers.is_empty() && by_confidence != plain).then_some(by_confidence);
        let higher = tiers.into_iter().flat_map(|tier| decisions.by_confidence(&of_tier(tier))).collect();
        let is_certain = plain.last().is_some_and(|step| matches!(step, Step::One(n) if !has_rules(*n)));
        let tiers = if is_certain { Vec::new() } else { until_certain(higher, has_rules) };
        Order { tiered, plain, tiers }
    }

    /// Every step, in any of its orders.
    pub(super) fn steps(&self) -> impl Iterator<Item = &Step> {
        self.plain.iter().chain(self.tiered.iter().flatten()).chain(&self.tiers)
    }
}

/// How sure each decision is when it matches.
pub(super) fn ranges(policy: &Policy) -> Vec<Range> {
    let signal = |n: usize| policy.signals[n].confidence;
    policy.decisions.iter().map(|d| confidence::of_decision(d.rule.as_ref(), &signal)).collect()
}

/// Nothing is asked after a decision without rules.
fn until_certain(mut steps: Vec<Step>, has_rules: impl Fn(usize) -> bool) -> Vec<Step> {
    let certain = steps.iter().position(|step| matches!(step, Step::One(n) if !has_rules(*n)));
    steps.truncate(certain.map_or(steps.len(), |last| last + 1));
    steps
}

struct Decisions<'r> {
    policy: &'r Policy,
    sure: Vec<Range>,
}

impl Decisions<'_> {
    fn by_priority(&self, members: &[usize]) -> Vec<Step> {
        let mut members = members.to_vec();
        members.sort_by_key(|n| Reverse(self.policy.decisions[*n].priority));
        let classes = members.chunk_by(|a, b| self.policy.decisions[*a].priority == self.policy.decisions[*b].priority);
        classes.flat_map(|class| self.by_confidence(class)).collect()
    }

    /// Decisions whose ranges overlap are asked together.
    fn by_confidence(&self, members: &[usize]) -> Vec<Step> {
        let mut members = members.to_vec();
        members.sort_by(|a, b| self.sure[*b].most.total_cmp(&self.sure[*a].most));
        let mut clusters: Vec<(f64, Vec<usize>)> = Vec::new();
        for n in members {
            match clusters.last_mut() {
                Some((least, cluster)) if self.sure[n].most >= *least => {
                    *least = least.min(self.sure[n].least);
                    cluster.push(n);
                }
                _ => clusters.push((self.sure[n].least, vec![n])),
            }
        }
        clusters.into_iter().flat_map(|(_, cluster)| self.cluster(cluster)).collect()
    }

    /// One that stands first and is as sure as any other can be is asked alone; then the others may come apart.
    fn cluster(&self, mut members: Vec<usize>) -> Vec<Step> {
        let decisions = &self.policy.decisions;
        members.sort_by_key(|n| (Reverse(decisions[*n].priority), &decisions[*n].name));
        let rest = members[1..].iter().map(|n| self.sure[*n].most).fold(0.0, f64::max);
        if self.sure[members[0]].least < rest {
            return vec![Step::Surest(members)];
        }
        let mut steps = vec![Step::One(members[0])];
        steps.extend(self.by_confidence(&members[1..]));
        steps
    }
}
