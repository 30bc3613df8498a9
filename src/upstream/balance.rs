//! Which backend of a model is asked next.

use super::fleet::Fleet;
use crate::table::{Backend, BackendId, Balance, Model};
use std::cell::Cell;

/// What one worker remembers between picks.
#[derive(Debug)]
pub(super) struct Balancer(Vec<State>);

#[derive(Debug, Default)]
struct State {
    /// Credit of smooth weighted round robin.
    credit: Cell<i64>,
    /// Requests of this worker that are under way.
    active: Cell<u32>,
}

impl Balancer {
    pub(super) fn new(backends: usize) -> Self {
        Balancer((0..backends).map(|_| State::default()).collect())
    }

    fn state(&self, id: BackendId) -> &State {
        &self.0[usize::from(id.0)]
    }

    pub(super) fn began(&self, id: BackendId) {
        let active = &self.state(id).active;
        active.set(active.get() + 1);
    }

    pub(super) fn ended(&self, id: BackendId) {
        let active = &self.state(id).active;
        active.set(active.get().saturating_sub(1));
    }

    /// A backend that was not tried yet, an available one if there is one. `None` only if all were tried.
    pub(super) fn pick(&self, model: &Model, fleet: &Fleet, tried: &[BackendId]) -> Option<&'static Backend> {
        if let ([only], []) = (model.backends, tried) {
            return Some(only);
        }
        let untried = || model.backends.iter().filter(|backend| !tried.contains(&backend.id));
        let available = || untried().filter(|backend| fleet.member(backend.id).health.is_available());
        // When none is left that looks healthy, one that does not is better than an error.
        self.pick_among(model.reliability.balance, available)
            .or_else(|| self.pick_among(model.reliability.balance, untried))
    }

    fn pick_among<I: Iterator<Item = &'static Backend>>(
        &self,
        balance: Balance,
        among: impl Fn() -> I,
    ) -> Option<&'static Backend> {
        let weight = |backend: &Backend| i64::from(backend.weight);
        let total: i64 = among().map(weight).sum();
        match balance {
            Balance::Weighted => {
                let mut point = if total > 0 { fastrand::i64(0..total) } else { 0 };
                among().find(|backend| {
                    point -= weight(backend);
                    point < 0
                })
            }
            Balance::RoundRobin => {
                for backend in among() {
                    let credit = &self.state(backend.id).credit;
                    credit.set(credit.get() + weight(backend));
                }
                let next = among()
                    .max_by_key(|backend| (self.state(backend.id).credit.get(), std::cmp::Reverse(backend.id.0)))?;
                let credit = &self.state(next.id).credit;
                credit.set(credit.get() - total);
                Some(next)
            }
            // Compared as fractions, without dividing: (a + 1) / weight(a) < (b + 1) / weight(b).
            Balance::LeastRequest => among().min_by(|a, b| {
                let load = |of: &Backend, by: &Backend| (i64::from(self.state(of.id).active.get()) + 1) * weight(by);
                load(a, b).cmp(&load(b, a))
            }),
        }
    }
}
