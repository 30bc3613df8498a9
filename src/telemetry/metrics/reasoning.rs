//! How often models were told to reason, by decision, by family and by effort. One count of each choice of a model has it all:
//! what the choice says is in the tables.

use super::registry::{Scrape, counters, occurred};
use crate::table::Reasoning;
use prometheus_client::encoding::DescriptorEncoder;
use std::collections::BTreeMap;
use std::fmt;

/// A choice of a model that was told whether to reason.
struct Told {
    recipe: &'static str,
    decision: &'static str,
    model: &'static str,
    reasoning: &'static Reasoning,
    count: u64,
}

impl Scrape {
    fn told(&self) -> Vec<Told> {
        let all = self.decisions().flat_map(|(row, recipe, decision)| {
            let models = decision.models.iter().zip(decision.reasoning).enumerate();
            models.filter_map(move |(position, (model, reasoning))| {
                let count = self.sum(|r| r.reasoned.get(row, position));
                let (model, reasoning) = (self.tables.model(*model).name, reasoning.as_ref()?);
                Some(Told { recipe, decision: decision.name, model, reasoning, count })
            })
        });
        all.collect()
    }

    pub(super) fn reasoning(&self, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let told = self.told();
        let on = || told.iter().filter(|told| told.reasoning.on);
        counters(
            to,
            "llm_reasoning_decisions",
            "Requests that a decision gave to a model with word of whether to reason",
            summed(told.iter().map(|Told { recipe, decision, model, reasoning, count }| {
                let enabled = if reasoning.on { "true" } else { "false" };
                let effort = ("effort", reasoning.effort.unwrap_or("unspecified"));
                ([("category", *decision), ("model", model), ("enabled", enabled), effort, ("recipe", recipe)], *count)
            })),
        )?;
        counters(
            to,
            "llm_reasoning_template_usage",
            "Requests that were told to reason, by the family that says how",
            summed(
                on().map(|told| ([("family", told.reasoning.family), ("param", told.reasoning.parameter)], told.count)),
            ),
        )?;
        counters(
            to,
            "llm_reasoning_effort_usage",
            "Requests that were told how much to reason",
            summed(on().filter_map(|told| {
                Some(([("family", told.reasoning.family), ("effort", told.reasoning.effort?)], told.count))
            })),
        )
    }
}

/// Several choices may say the same: a series stands once.
fn summed<L: Ord>(rows: impl Iterator<Item = (L, u64)>) -> impl Iterator<Item = (L, u64)> {
    let mut sums = BTreeMap::new();
    for (labels, count) in rows {
        *sums.entry(labels).or_default() += count;
    }
    occurred(sums.into_iter())
}
