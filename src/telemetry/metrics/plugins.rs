//! What plugins did, by decision.

use super::cells::{Grid, Rows};
use crate::table::{DecisionId, PluginKind, Tables};

/// One worker's counts.
#[derive(Debug)]
pub struct PluginCounts {
    /// By decision; by plugin, skipped and successful.
    runs: Grid,
    /// By decision, and position in its `blocked_params`.
    blocked: Rows,
    /// By decision and [`Limit`].
    limited: Grid,
}

/// What `request_params` can do beside blocking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// `max_tokens` or `max_completion_tokens` was bounded.
    MaxTokens,
    /// `n` was bounded.
    MaxN,
    /// A field that the API does not have was removed.
    Unknown,
}

impl PluginCounts {
    const STATUSES: [&'static str; 2] = ["skipped", "success"];

    pub(super) fn new(tables: &'static Tables) -> Self {
        let decisions = tables.decisions().count();
        let blocked = |plugins: &crate::table::Plugins| plugins.request_params.map_or(0, |params| params.blocked.len());
        Self {
            runs: Grid::new(decisions, PluginKind::ALL.len() * Self::STATUSES.len()),
            blocked: Rows::new(tables.decisions().map(|decision| blocked(&decision.plugins))),
            limited: Grid::new(decisions, 3),
        }
    }

    /// A plugin ran and had something to do, or not.
    pub fn ran(&self, decision: DecisionId, plugin: PluginKind, changed: bool) {
        self.runs.add(row(decision), Self::column(plugin, changed));
    }

    /// The field at this position of `blocked_params` was removed.
    pub fn blocked(&self, decision: DecisionId, position: usize) {
        self.blocked.add(row(decision), position);
    }

    /// Another thing that `request_params` did.
    pub fn limited(&self, decision: DecisionId, limit: Limit) {
        self.limited.add(row(decision), limit as usize);
    }

    const fn column(plugin: PluginKind, changed: bool) -> usize {
        plugin as usize * Self::STATUSES.len() + changed as usize
    }

    /// Plugin, status and count of all runs of a decision.
    pub(super) fn runs(&self, row: usize) -> impl Iterator<Item = (&'static str, &'static str, u64)> + '_ {
        PluginKind::ALL.into_iter().flat_map(move |plugin| {
            [false, true].into_iter().map(move |changed| {
                let count = self.runs.get(row, Self::column(plugin, changed));
                (plugin.name(), Self::STATUSES[usize::from(changed)], count)
            })
        })
    }

    pub(super) fn blocked_count(&self, row: usize, position: usize) -> u64 {
        self.blocked.get(row, position)
    }

    pub(super) fn limited_count(&self, row: usize, limit: Limit) -> u64 {
        self.limited.get(row, limit as usize)
    }
}

fn row(decision: DecisionId) -> usize {
    usize::from(decision.0)
}
