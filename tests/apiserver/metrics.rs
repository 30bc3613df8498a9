//! Counters of two workers, as Prometheus reads them.

use crate::client::start;
use crate::tables::{BIG, BIG_A, REST, SMALL, SMALL_A, URGENT, tables};
use hardwire::protocol::event::Usage;
use hardwire::table::BackendId;
use hardwire::telemetry::metrics::{AttemptOutcome, BackendState, ErrorReason, Recorder, Registry};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Series to value. Fails on a line that is not OpenMetrics: a series twice, a value that is no number, text after the end.
fn parse(text: &str) -> BTreeMap<&str, f64> {
    let body = text.strip_suffix("# EOF\n").expect("the text ends with its mark");
    let mut series = BTreeMap::new();
    let mut families = Vec::new();
    for line in body.lines() {
        if let Some(family) = line.strip_prefix("# TYPE ") {
            families.push(family.split_once(' ').unwrap().0);
        } else if !line.starts_with("# HELP ") {
            let (name, value) = line.rsplit_once(' ').unwrap();
            let family = families.last().unwrap();
            assert!(name.starts_with(family), "{name} stands under {family}");
            assert!(series.insert(name, value.parse().unwrap()).is_none(), "{name} stands twice");
        }
    }
    let count = families.len();
    families.sort_unstable();
    families.dedup();
    assert_eq!(families.len(), count, "a family stands twice");
    series
}

#[track_caller]
fn check(text: &str, expected: &[(&str, f64)]) {
    let series = parse(text);
    for (name, value) in expected {
        assert_eq!(series.get(name), Some(value), "{name} in\n{text}");
    }
}

#[tokio::test]
async fn a_scrape_sums_all_workers() {
    let server = start().await;
    let [one, two] = &server.recorders;

    one.decided(URGENT, BIG);
    two.decided(URGENT, BIG);
    two.decided(REST, SMALL);
    one.routed("auto", BIG);
    two.routed("auto", BIG);
    two.routed("vllm-sr/auto", SMALL);
    two.routed("small", SMALL); // not a virtual name
    one.attempt(BIG_A, AttemptOutcome::ConnectFailure);
    one.attempt(BIG_A, AttemptOutcome::Success);
    two.attempt(BIG_A, AttemptOutcome::Success);
    two.attempt(SMALL_A, AttemptOutcome::Status5xx);
    one.rejected(None, ErrorReason::ParseError);
    two.rejected(None, ErrorReason::ParseError);
    two.rejected(Some(SMALL), ErrorReason::Unauthorized);
    one.routing_latency(Duration::from_micros(3));
    two.routing_latency(Duration::from_secs(1));
    let _open = (one.connection(), two.connection());
    drop(two.connection());

    let mut whole = one.begin(BIG);
    whole.first_byte();
    whole.first_byte();
    whole.complete();
    let mut failed = two.begin(BIG);
    failed.error(ErrorReason::Upstream5xx);
    failed.error(ErrorReason::Timeout);
    failed.first_byte(); // of what the router says of it
    failed.complete();
    drop(two.begin(BIG)); // the client left
    let _running = (one.begin(BIG), two.begin(SMALL));

    let usage = |input, cached, output| Usage {
        input: Some(input),
        cached: Some(cached),
        output: Some(output),
        ..Usage::default()
    };
    one.usage.used(BIG, &usage(1_000, 500, 20));
    two.usage.used(BIG, &usage(10, 0, 5));
    one.usage.used(SMALL, &usage(7, 0, 1));
    one.usage.streamed(BIG, 21, Duration::from_millis(400));
    one.usage.streamed(BIG, 1, Duration::from_millis(400)); // no token behind the first

    let reply = server.get("/metrics").await;
    assert_eq!(reply.header("content-type"), Some("application/openmetrics-text; version=1.0.0; charset=utf-8"));
    let big = r#"model="lab/big \"1\"""#;
    let of_big = |name: &str| format!("{name}{{{big}}}");
    check(
        &reply.body,
        &[
            (&of_big("llm_model_requests_total"), 4.0),
            (r#"llm_model_requests_total{model="small"}"#, 1.0),
            (&of_big("llm_model_inflight_requests"), 1.0),
            (r#"llm_model_inflight_requests{model="small"}"#, 1.0),
            (&format!(r#"llm_request_errors_total{{{big},reason="upstream_5xx"}}"#), 1.0),
            (&format!(r#"llm_request_errors_total{{{big},reason="client_closed"}}"#), 1.0),
            (r#"llm_request_errors_total{model="unknown",reason="parse_error"}"#, 2.0),
            (r#"llm_request_errors_total{model="small",reason="unauthorized"}"#, 1.0),
            (r#"llm_model_routing_modifications_total{source_model="auto",target_model="lab/big \"1\""}"#, 2.0),
            (r#"llm_model_routing_modifications_total{source_model="vllm-sr/auto",target_model="small"}"#, 1.0),
            (r#"llm_decision_match_total{decision_name="urgent",recipe="default"}"#, 2.0),
            (r#"llm_decision_match_total{decision_name="rest",recipe="default"}"#, 1.0),
            (
                &format!(
                    r#"llm_model_selection_total{{method="static",{big},decision="urgent",tier="0",recipe="default"}}"#
                ),
                2.0,
            ),
            (
                r#"llm_model_selection_total{method="static",model="small",decision="rest",tier="0",recipe="default"}"#,
                1.0,
            ),
            ("llm_model_routing_latency_seconds_count", 2.0),
            ("llm_model_routing_latency_seconds_sum", 1.000_003),
            (r#"llm_model_routing_latency_seconds_bucket{le="0.000002"}"#, 0.0),
            (r#"llm_model_routing_latency_seconds_bucket{le="0.000005"}"#, 1.0),
            (r#"llm_model_routing_latency_seconds_bucket{le="0.1"}"#, 1.0),
            (r#"llm_model_routing_latency_seconds_bucket{le="+Inf"}"#, 2.0),
            (&of_big("llm_model_ttft_seconds_count"), 1.0),
            (&of_big("llm_model_completion_latency_seconds_count"), 1.0),
            (&of_big("llm_model_tpot_seconds_count"), 1.0),
            (&of_big("llm_model_tpot_seconds_sum"), 0.02),
            (&of_big("llm_model_tokens_total"), 1_535.0),
            (&of_big("llm_model_prompt_tokens_total"), 1_510.0),
            (&of_big("llm_model_completion_tokens_total"), 25.0),
            (r#"llm_model_tokens_total{model="small"}"#, 8.0),
            (&of_big("llm_prompt_tokens_per_request_count"), 2.0),
            (&of_big("llm_prompt_tokens_per_request_sum"), 1_510.0),
            (&format!(r#"llm_prompt_tokens_per_request_bucket{{le="16.0",{big}}}"#), 1.0),
            (&format!(r#"llm_prompt_tokens_per_request_bucket{{le="4096.0",{big}}}"#), 2.0),
            (&of_big("llm_completion_tokens_per_request_count"), 2.0),
            (&format!(r#"llm_model_cost_total{{{big},currency="USD"}}"#), 0.002_32),
            (r#"hardwire_upstream_attempts_total{backend="big_a",outcome="connect_failure"}"#, 1.0),
            (r#"hardwire_upstream_attempts_total{backend="big_a",outcome="success"}"#, 2.0),
            (r#"hardwire_upstream_attempts_total{backend="small_a",outcome="status_5xx"}"#, 1.0),
            ("hardwire_client_connections", 2.0),
        ],
    );
    for absent in [
        format!(r#"llm_request_errors_total{{{big},reason="timeout"}}"#), // the second reason of one request
        r#"llm_model_ttft_seconds_count{model="small"}"#.to_owned(),
        r#"llm_model_cost_total{model="small",currency="USD"}"#.to_owned(), // it has no prices
        r#"llm_model_routing_modifications_total{source_model="small",target_model="small"}"#.to_owned(),
    ] {
        assert!(!parse(&reply.body).contains_key(absent.as_str()), "{absent}");
    }
}

#[tokio::test]
async fn what_is_known_is_there_before_the_first_request() {
    let server = start().await;
    let text = server.get("/metrics").await.body;
    let build = format!(
        r#"hardwire_build_info{{version="{}",config_source="router.yaml",config_sha256="{}"}}"#,
        env!("CARGO_PKG_VERSION"),
        crate::tables::SHA256
    );
    check(
        &text,
        &[
            (&build, 1.0),
            (r#"llm_model_requests_total{model="small"}"#, 0.0),
            (r#"llm_model_inflight_requests{model="small"}"#, 0.0),
            (r#"llm_decision_match_total{decision_name="urgent",recipe="default"}"#, 0.0),
            ("llm_model_routing_latency_seconds_count", 0.0),
            ("hardwire_client_connections", 0.0),
        ],
    );
    let uptime = parse(&text)["hardwire_uptime_seconds"];
    assert!((0.0..60.0).contains(&uptime), "{uptime}");
    assert!(!text.contains("hardwire_backend_healthy"), "{text}");
}

#[test]
fn the_state_of_backends_is_asked_for_on_every_scrape() {
    let tables = tables(false, "{}");
    let registry = Registry::with_backend_state(tables, vec![Arc::new(Recorder::new(tables))], |id| match id {
        BackendId(0) => BackendState::Healthy,
        BackendId(1) => BackendState::Unhealthy,
        _ => BackendState::Ejected,
    });
    check(
        &registry.render(),
        &[
            (r#"hardwire_backend_healthy{backend="small_a"}"#, 1.0),
            (r#"hardwire_backend_healthy{backend="small_b"}"#, 0.0),
            (r#"hardwire_backend_healthy{backend="big_a"}"#, 0.0),
            (r#"hardwire_backend_ejected{backend="small_a"}"#, 0.0),
            (r#"hardwire_backend_ejected{backend="small_b"}"#, 0.0),
            (r#"hardwire_backend_ejected{backend="big_a"}"#, 1.0),
        ],
    );
}

#[test]
fn what_is_stored_is_asked_for_on_every_scrape() {
    let tables = tables(false, "{}");
    let registry = || Registry::new(tables, vec![Arc::new(Recorder::new(tables))]);
    assert!(!registry().render().contains("hardwire_stored"));
    check(
        &registry().with_stored(|| (7, 8000)).render(),
        &[("hardwire_stored_responses", 7.0), ("hardwire_stored_response_bytes", 8000.0)],
    );
}

#[test]
fn a_request_may_end_on_another_thread() {
    let tables = tables(false, "{}");
    let recorder = Arc::new(Recorder::new(tables));
    let running = recorder.begin(SMALL);
    std::thread::spawn(move || running.complete()).join().unwrap();
    let registry = Registry::new(tables, vec![recorder]);
    check(&registry.render(), &[(r#"llm_model_inflight_requests{model="small"}"#, 0.0)]);
}

#[test]
fn a_panic_is_told_from_a_client_that_leaves() {
    let tables = tables(false, "{}");
    let recorder = Arc::new(Recorder::new(tables));
    let running = recorder.begin(SMALL);
    let panicked = std::thread::spawn(move || {
        let _running = running;
        std::panic::resume_unwind(Box::new("a defect"));
    });
    assert!(panicked.join().is_err());
    let text = Registry::new(tables, vec![recorder]).render();
    check(
        &text,
        &[
            (r#"llm_model_inflight_requests{model="small"}"#, 0.0),
            (r#"llm_request_errors_total{model="small",reason="internal"}"#, 1.0),
        ],
    );
    assert!(!text.contains("client_closed"), "{text}");
}

/// The tables of the operator's manual name every metric, reason and outcome that there is.
#[test]
fn the_manual_is_complete() {
    let manual = include_str!("../../docs/operations.md");
    let tables = tables(false, "{}");
    let registry =
        Registry::with_backend_state(tables, vec![Arc::new(Recorder::new(tables))], |_| BackendState::Healthy)
            .with_stored(|| (0, 0));
    let text = registry.render();
    let families = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let mut emitted: Vec<String> = families
        .map(|(name, kind)| match kind {
            "counter" => format!("`{name}_total` | counter"),
            "info" => format!("`{name}_info` | info"),
            _ => format!("`{name}` | {kind}"),
        })
        .collect();
    emitted.sort_unstable();
    let rows = manual.lines().filter_map(|line| line.strip_prefix("| "));
    let mut documented: Vec<String> = rows
        .filter(|row| ["`llm_", "`sr_", "`image_gen_", "`hardwire_"].iter().any(|prefix| row.starts_with(prefix)))
        .map(|row| row.splitn(3, " | ").take(2).collect::<Vec<_>>().join(" | "))
        .collect();
    documented.sort_unstable();
    assert_eq!(documented, emitted);

    for reason in ErrorReason::ALL {
        assert!(manual.contains(&format!("\n| `{}` | ", reason.name())), "{reason:?}");
    }
    for outcome in AttemptOutcome::ALL {
        let (_, outcomes) = manual.split_once("`outcome` of `hardwire_upstream_attempts_total`:").unwrap();
        let (outcomes, _) = outcomes.split_once("\n\n").unwrap();
        assert!(outcomes.contains(&format!("`{}`", outcome.name())), "{outcome:?}");
    }
}
