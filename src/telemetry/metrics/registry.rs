//! The sum over all workers, as OpenMetrics text.
//!
//! Series that can be many and are mostly zero (errors, attempts, selections, histograms) appear with their first event;
//! requests, requests under way and decisions are there from the start.

use super::histogram::{Bounds, COMPLETION, FIRST_BYTE, Histogram, PACE, ROUTING, Snapshot, TOKENS};
use super::labels::{AttemptOutcome, BackendState, ErrorReason};
use super::plugins::Limit;
use super::recorder::{Recorder, candidates};
use super::usage::Side;
use crate::table::{Backend, BackendId, Decision, Policy, Signal, Tables};
use crate::telemetry::cost::in_units;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, NoLabelSet};
use prometheus_client::metrics::MetricType;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::time::Instant;

/// All recorders, and how to tell about them.
#[derive(Debug)]
pub struct Registry(prometheus_client::registry::Registry);

impl Registry {
    /// What [`render`](Self::render) returns.
    pub const CONTENT_TYPE: &'static str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

    /// A registry over the recorders of all workers.
    #[must_use]
    pub fn new(tables: &'static Tables, recorders: Vec<Arc<Recorder>>) -> Self {
        Self::over(Scrape { tables, recorders, started: Instant::now(), backend_state: None })
    }

    /// The same, telling the state of each backend too. The function is called on every scrape, from the thread that
    /// serves it.
    #[must_use]
    pub fn with_backend_state(
        tables: &'static Tables,
        recorders: Vec<Arc<Recorder>>,
        state: impl Fn(BackendId) -> BackendState + Send + Sync + 'static,
    ) -> Self {
        Self::over(Scrape { tables, recorders, started: Instant::now(), backend_state: Some(Box::new(state)) })
    }

    /// The same, telling how many responses are stored and how many bytes they take, too. The function is called on every
    /// scrape, as above.
    #[must_use]
    pub fn with_stored(mut self, held: impl Fn() -> (u64, u64) + Send + Sync + 'static) -> Self {
        self.0.register_collector(Box::new(Stored(Box::new(held))));
        self
    }

    fn over(scrape: Scrape) -> Self {
        let mut registry = prometheus_client::registry::Registry::default();
        registry.register_collector(Box::new(scrape));
        Self(registry)
    }

    /// Everything as it is now, in OpenMetrics text.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.0).expect("writing to a string does not fail");
        text
    }
}

/// What is in the store of responses: how many, and their bytes.
struct Stored(Box<dyn Fn() -> (u64, u64) + Send + Sync>);

impl fmt::Debug for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stored(..)")
    }
}

impl Collector for Stored {
    fn encode(&self, mut to: DescriptorEncoder<'_>) -> fmt::Result {
        let (responses, bytes) = (self.0)();
        to.encode_descriptor("hardwire_stored_responses", "Responses in the store", None, MetricType::Gauge)?
            .encode_gauge(&responses)?;
        let help = "What they take, as `max_bytes` counts it";
        to.encode_descriptor("hardwire_stored_response_bytes", help, None, MetricType::Gauge)?.encode_gauge(&bytes)
    }
}

pub(super) struct Scrape {
    pub(super) tables: &'static Tables,
    recorders: Vec<Arc<Recorder>>,
    started: Instant,
    backend_state: Option<Box<dyn Fn(BackendId) -> BackendState + Send + Sync>>,
}

impl fmt::Debug for Scrape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scrape").field("recorders", &self.recorders.len()).finish_non_exhaustive()
    }
}

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.process(&mut encoder)?;
        self.requests(&mut encoder)?;
        self.routing(&mut encoder)?;
        self.plugins(&mut encoder)?;
        self.reasoning(&mut encoder)?;
        self.latencies(&mut encoder)?;
        self.usage(&mut encoder)?;
        self.images(&mut encoder)?;
        self.backends(&mut encoder)
    }
}

impl Scrape {
    fn process(&self, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let build = [
            ("version", env!("CARGO_PKG_VERSION")),
            ("config_source", self.tables.config.source),
            ("config_sha256", self.tables.config.sha256),
        ];
        to.encode_descriptor("hardwire_build", "What this binary was built from", None, MetricType::Info)?
            .encode_info(&build)?;
        to.encode_descriptor("hardwire_uptime_seconds", "Time since start-up", None, MetricType::Gauge)?
            .encode_gauge(&self.started.elapsed().as_secs_f64())?;
        to.encode_descriptor("hardwire_client_connections", "Open client connections", None, MetricType::Gauge)?
            .encode_gauge(&self.gauge(|recorder| &recorder.connections))?;
        if self.tables.extproc.is_none() {
            return Ok(());
        }
        let help = "Requests under way that Envoy asks about";
        to.encode_descriptor("hardwire_extproc_streams", help, None, MetricType::Gauge)?
            .encode_gauge(&self.gauge(|recorder| &recorder.streams))
    }

    fn requests(&self, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let models = || self.tables.models.iter().enumerate();
        counters(
            to,
            "llm_model_requests",
            "Requests by the model that served them",
            models().map(|(row, model)| ([("model", model.name)], self.sum(|r| r.requests.get(row, 0)))),
        )?;
        gauges(
            to,
            "llm_model_inflight_requests",
            "Requests under way by model",
            models().map(|(row, model)| ([("model", model.name)], self.gauge(|r| &r.inflight[row]))),
        )?;
        let rows = self.tables.models.iter().map(|model| model.name).chain(["unknown"]).enumerate();
        counters(
            to,
            "llm_request_errors",
            "Requests that did not end well, by model and reason",
            occurred(rows.flat_map(|(row, model)| {
                ErrorReason::ALL.iter().map(move |reason| {
                    let errors = self.sum(|r| r.errors.get(row, *reason as usize));
                    ([("model", model), ("reason", reason.name())], errors)
                })
            })),
        )
    }

    fn routing(&self, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let tables = self.tables;
        let names = tables.virtual_names().map(|(name, _)| name).enumerate();
        counters(
            to,
            "llm_model_routing_modifications",
            "Requests for a virtual model by the model that they were routed to",
            occurred(names.flat_map(|(row, name)| {
                tables.models.iter().enumerate().map(move |(column, model)| {
                    let labels = [("source_model", name), ("target_model", model.name)];
                    (labels, self.sum(|r| r.modifications.get(row, column)))
                })
            })),
        )?;
        let policies = || tables.policies.iter().enumerate();
        let signals =
            || policies().flat_map(|(row, policy)| policy.signals.iter().enumerate().map(move |s| (row, policy, s)));
        let label = |policy: &Policy, signal: &Signal| {
            [("signal_type", signal.kind.name()), ("signal_name", signal.name), ("recipe", policy.name)]
        };
        let extractions: Vec<u64> = policies().map(|(row, _)| self.sum(|r| r.extractions.get(row, 0))).collect();
        counters(
            to,
            "llm_signal_extraction",
            "Requests for a virtual model by the signals that were looked for in them",
            occurred(signals().map(|(row, policy, (_, signal))| (label(policy, signal), extractions[row]))),
        )?;
        counters(
            to,
            "llm_signal_match",
            "Requests for a virtual model by the signals that matched",
            occurred(signals().map(|(row, policy, (column, signal))| {
                (label(policy, signal), self.sum(|r| r.signals.get(row, column)))
            })),
        )?;
        counters(
            to,
            "llm_decision_match",
            "Requests by the decision that won",
            self.decisions().map(|(row, recipe, d)| {
                ([("decision_name", d.name), ("recipe", recipe)], self.sum(|r| r.decisions.get(row, 0)))
            }),
        )?;
        let tiers: Vec<String> = tables.decisions().map(|decision| decision.tier.to_string()).collect();
        counters(
            to,
            "llm_model_selection",
            "Selections of a model by a decision",
            occurred(self.decisions().zip(&tiers).flat_map(|((row, recipe, decision), tier)| {
                candidates(tables, decision.models).iter().enumerate().map(move |(column, model)| {
                    let labels = [
                        ("method", decision.algorithm.name()),
                        ("model", tables.model(*model).name),
                        ("decision", decision.name),
                        ("tier", tier.as_str()),
                        ("recipe", recipe),
                    ];
                    (labels, self.sum(|r| r.selections.get(row, column)))
                })
            })),
        )
    }

    fn plugins(&self, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
        counters(
            to,
            "llm_plugin_execution",
            "Runs of a plugin by what came of them",
            occurred(self.decisions().flat_map(|(row, recipe, decision)| {
                let runs = self.recorders.iter().flat_map(move |recorder| recorder.plugins.runs(row));
                let mut sums: Vec<((&str, &str), u64)> = Vec::new();
                for (plugin, status, count) in runs {
                    match sums.iter_mut().find(|(key, _)| *key == (plugin, status)) {
                        Some((_, sum)) => *sum += count,
                        None => sums.push(((plugin, status), count)),
                    }
                }
                let labels = move |plugin, status| {
                    let decision = ("decision_name", decision.name);
                    [("plugin_type", plugin), decision, ("status", status), ("recipe", recipe)]
                };
                sums.into_iter().map(move |((plugin, status), sum)| (labels(plugin, status), sum))
            })),
        )?;
        counters(
            to,
            "sr_request_params_blocked",
            "Fields that `request_params` removed because they are blocked",
            occurred(self.decisions().flat_map(|(row, recipe, decision)| {
                let params = decision.plugins.request_params.map_or(&[][..], |params| params.blocked);
                params.iter().enumerate().map(move |(position, param)| {
                    let blocked = self.sum(|r| r.plugins.blocked_count(row, position));
                    ([("decision", decision.name), ("param", *param), ("recipe", recipe)], blocked)
                })
            })),
        )?;
        for (name, help, limit) in [
            ("sr_request_params_max_tokens_capped", "Bounds put on `max_tokens`", Limit::MaxTokens),
            ("sr_request_params_max_n_capped", "Bounds put on `n`", Limit::MaxN),
            ("sr_request_params_unknown_field_stripped", "Fields removed that the API does not have", Limit::Unknown),
        ] {
            let rows = self.decisions().map(|(row, recipe, decision)| {
                ([("decision", decision.name), ("recipe", recipe)], self.sum(|r| r.plugins.limited_count(row, limit)))
            });
            counters(to, name, help, occurred(rows))?;
        }
        Ok(())
    }

    fn latencies(&self, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let routing = Snapshot::sum(ROUTING, self.recorders.iter().map(|r| &r.routing));
        to.encode_descriptor(
            "llm_model_routing_latency_seconds",
            "How long the choice of a model for a virtual name took",
            None,
            MetricType::Histogram,
        )?
        .encode_histogram::<NoLabelSet>(routing.sum, routing.count, &routing.buckets, None)?;
        self.by_model(
            to,
            "llm_model_ttft_seconds",
            "From sending a request to the first byte of its answer",
            FIRST_BYTE,
            |r| &r.first_byte,
        )?;
        self.by_model(
            to,
            "llm_model_completion_latency_seconds",
            "From sending a request to the last byte of its answer",
            COMPLETION,
            |r| &r.completion,
        )?;
        self.by_model(to, "llm_model_tpot_seconds", "Of streams, the time for each token behind the first", PACE, |r| {
            &r.usage.pace
        })
    }

    fn usage(&self, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let of = |row: usize, side: Side| self.sum(|r| r.usage.tokens(row, side));
        let whole = |row: usize| of(row, Side::Prompt) + of(row, Side::Completion);
        let models = || self.tables.models.iter().enumerate();
        for (name, help, count) in [
            ("llm_model_tokens", "Tokens by model", &whole as &dyn Fn(usize) -> u64),
            ("llm_model_prompt_tokens", "Tokens of prompts by model", &|row| of(row, Side::Prompt)),
            ("llm_model_completion_tokens", "Tokens of answers by model", &|row| of(row, Side::Completion)),
        ] {
            counters(to, name, help, occurred(models().map(|(row, model)| ([("model", model.name)], count(row)))))?;
        }
        let help = "What the tokens cost, in units of the currency";
        let mut family = to.encode_descriptor("llm_model_cost", help, None, MetricType::Counter)?;
        for (row, model) in models() {
            let Some(pricing) = &model.pricing else { continue };
            let pico = self.recorders.iter().map(|r| r.usage.cost(row)).fold(0, u128::saturating_add);
            let labels = [("model", model.name), ("currency", pricing.currency)];
            family.encode_family(&labels)?.encode_counter::<NoLabelSet, f64, u64>(&in_units(pico), None)?;
        }
        self.counts_by_model(to, "llm_prompt_tokens_per_request", "Tokens of a prompt", |r| &r.usage.prompt)?;
        self.counts_by_model(to, "llm_completion_tokens_per_request", "Tokens of an answer", |r| &r.usage.completion)
    }

    fn counts_by_model(
        &self,
        to: &mut DescriptorEncoder<'_>,
        name: &str,
        help: &str,
        of: impl Fn(&Recorder) -> &[Histogram],
    ) -> fmt::Result {
        let snapshot = |row: usize| Snapshot::of_counts(TOKENS, self.recorders.iter().map(|r| &of(r)[row]));
        self.histograms(to, name, help, snapshot)
    }

    fn by_model(
        &self,
        to: &mut DescriptorEncoder<'_>,
        name: &str,
        help: &str,
        bounds: Bounds,
        of: impl Fn(&Recorder) -> &[Histogram],
    ) -> fmt::Result {
        self.histograms(to, name, help, |row| Snapshot::sum(bounds, self.recorders.iter().map(|r| &of(r)[row])))
    }

    fn histograms(
        &self,
        to: &mut DescriptorEncoder<'_>,
        name: &str,
        help: &str,
        of: impl Fn(usize) -> Snapshot,
    ) -> fmt::Result {
        let mut family = to.encode_descriptor(name, help, None, MetricType::Histogram)?;
        for (row, model) in self.tables.models.iter().enumerate() {
            let sum = of(row);
            if sum.count > 0 {
                family.encode_family(&[("model", model.name)])?.encode_histogram::<NoLabelSet>(
                    sum.sum,
                    sum.count,
                    &sum.buckets,
                    None,
                )?;
            }
        }
        Ok(())
    }

    fn backends(&self, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let backends = || self.tables.backends();
        counters(
            to,
            "hardwire_upstream_attempts",
            "Attempts at a backend by how they ended",
            occurred(backends().flat_map(|Backend { id, name, .. }| {
                AttemptOutcome::ALL.iter().map(move |outcome| {
                    let attempts = self.sum(|r| r.attempts.get(usize::from(id.0), *outcome as usize));
                    ([("backend", *name), ("outcome", outcome.name())], attempts)
                })
            })),
        )?;
        let Some(state) = &self.backend_state else { return Ok(()) };
        let states =
            |wanted: BackendState| backends().map(move |b| ([("backend", b.name)], i64::from(state(b.id) == wanted)));
        gauges(to, "hardwire_backend_healthy", "1 where a backend is picked", states(BackendState::Healthy))?;
        gauges(
            to,
            "hardwire_backend_ejected",
            "1 where a backend is left out after failures in a row",
            states(BackendState::Ejected),
        )
    }

    /// All decisions with their policies. Names of decisions are unique within one policy alone.
    pub(super) fn decisions(&self) -> impl Iterator<Item = (usize, &'static str, &'static Decision)> + use<> {
        let policies = self.tables.policies.iter();
        let all = policies.flat_map(|policy| policy.decisions.iter().map(|decision| (policy.name, decision)));
        all.enumerate().map(|(row, (recipe, decision))| (row, recipe, decision))
    }

    pub(super) fn recorders(&self) -> impl Iterator<Item = &Recorder> {
        self.recorders.iter().map(|recorder| &**recorder)
    }

    pub(super) fn sum(&self, of: impl Fn(&Recorder) -> u64) -> u64 {
        self.recorders.iter().map(|recorder| of(recorder)).sum()
    }

    /// Never below zero: the cells of two workers are not read at the same moment.
    fn gauge(&self, of: impl Fn(&Recorder) -> &AtomicI64) -> i64 {
        self.recorders.iter().map(|recorder| of(recorder).load(Relaxed)).sum::<i64>().max(0)
    }
}

/// Only the series that have counted something.
pub(super) fn occurred<L>(rows: impl Iterator<Item = (L, u64)>) -> impl Iterator<Item = (L, u64)> {
    rows.filter(|row| row.1 > 0)
}

/// A family of counters; the text format appends `_total` to its name.
pub(super) fn counters<L: EncodeLabelSet>(
    to: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    rows: impl Iterator<Item = (L, u64)>,
) -> fmt::Result {
    let mut family = to.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (labels, value) in rows {
        family.encode_family(&labels)?.encode_counter::<NoLabelSet, u64, u64>(&value, None)?;
    }
    Ok(())
}

fn gauges<L: EncodeLabelSet>(
    to: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    rows: impl Iterator<Item = (L, i64)>,
) -> fmt::Result {
    let mut family = to.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (labels, value) in rows {
        family.encode_family(&labels)?.encode_gauge(&value)?;
    }
    Ok(())
}
