//! The rounds: each proxy in turn, again and again, so that what disturbs the machine disturbs all of them alike.

use crate::options::Options;
use crate::proxies::UPSTREAM_PORT;
use crate::running::{Running, pinned};
use crate::scenario::Scenario;
use crate::tools;
use hardwire_compare::flags::Failure;
use hardwire_compare::report::Report;
use serde::Serialize;
use std::process::Stdio;

/// What one proxy cost in one round of one scenario.
#[derive(Debug, Serialize)]
pub(crate) struct Sample {
    pub(crate) scenario: &'static str,
    pub(crate) round: usize,
    pub(crate) proxy: &'static str,
    #[serde(flatten)]
    pub(crate) report: Report,
}

/// Starts everything, runs all rounds of all scenarios, ends everything.
pub(crate) async fn run(options: &Options) -> Result<Vec<Sample>, Failure> {
    let mut upstream = upstream(options).await?;
    let mut proxies = Vec::new();
    for &proxy in &options.proxies {
        proxies.push((proxy, proxy.start(options).await?));
    }
    let mut samples = Vec::new();
    for &scenario in &options.scenarios {
        for round in 0..options.rounds {
            // A different one goes first each time.
            proxies.rotate_left(usize::from(round > 0));
            for (proxy, running) in &mut proxies {
                running.check()?;
                upstream.check()?;
                let report = ask(options, scenario, proxy.port(), proxy.name(), &running.pids()).await?;
                samples.push(Sample { scenario: scenario.name, round, proxy: proxy.name(), report });
            }
        }
    }
    Ok(samples)
}

/// The mock that all proxies ask.
pub(crate) async fn upstream(options: &Options) -> Result<Running, Failure> {
    let name = "mock-upstream";
    let mut command = pinned(options.load_core, &tools::sibling(name)?);
    command.args(["--listen", &format!("127.0.0.1:{UPSTREAM_PORT}")]);
    Running::start(name, command, UPSTREAM_PORT, &tools::dir()?.join("mock-upstream.log")).await
}

/// One run of the load generator. An answer that is not right to the byte fails the whole comparison.
pub(crate) async fn ask(
    options: &Options,
    traffic: Scenario,
    port: u16,
    name: &str,
    pids: &[u32],
) -> Result<Report, Failure> {
    let mut command = tokio::process::Command::from(pinned(options.load_core, &tools::sibling("load")?));
    command.arg("--target").arg(format!("127.0.0.1:{port}"));
    command.args(pids.iter().flat_map(|pid| ["--pid".to_owned(), pid.to_string()]));
    command.args(traffic.flags).stderr(Stdio::inherit()).kill_on_drop(true);
    let what = format!("{} through {name}", traffic.name);
    let output = tokio::time::timeout(traffic.limit, command.output()).await;
    let output = output.map_err(|_| format!("{what}: not done after {} s", traffic.limit.as_secs()))??;
    if !output.status.success() {
        return Err(format!("{what}: the load generator failed ({})", output.status).into());
    }
    let report: Report = serde_json::from_slice(&output.stdout)?;
    if report.errors > 0 {
        let first = report.first_error.unwrap_or_default();
        return Err(format!("{what}: {} of the answers were wrong, the first: {first}", report.errors).into());
    }
    Ok(report)
}
