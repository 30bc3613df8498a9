//! The rounds: each proxy in turn, again and again, so that what disturbs the machine disturbs all of them alike.

use crate::options::Options;
use crate::proxies::{Proxy, UPSTREAM_PORT};
use crate::running::{Running, pinned};
use crate::scenario::Scenario;
use crate::tools;
use hardwire_compare::flags::Failure;
use hardwire_compare::report::Report;
use serde::Serialize;
use std::path::Path;
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
    let upstream = pinned_sibling(options.load_core, "mock-upstream", &format!("127.0.0.1:{UPSTREAM_PORT}"))?;
    let log = tools::dir()?.join("mock-upstream.log");
    let mut upstream = Running::start("mock-upstream", upstream, UPSTREAM_PORT, &log).await?;
    let mut proxies = Vec::new();
    for &proxy in &options.proxies {
        proxies.push((proxy, proxy.start(options).await?));
    }
    let load = tools::sibling("load")?;
    let mut samples = Vec::new();
    for &scenario in &options.scenarios {
        for round in 0..options.rounds {
            // A different one goes first each time.
            proxies.rotate_left(usize::from(round > 0));
            for (proxy, running) in &mut proxies {
                running.check()?;
                upstream.check()?;
                let report = ask(&load, options, scenario, *proxy, &running.pids()).await?;
                samples.push(Sample { scenario: scenario.name, round, proxy: proxy.name(), report });
            }
        }
    }
    Ok(samples)
}

fn pinned_sibling(core: usize, name: &str, listen: &str) -> Result<std::process::Command, Failure> {
    let mut command = pinned(core, &tools::sibling(name)?);
    command.args(["--listen", listen]);
    Ok(command)
}

/// One run of the load generator. An answer that is not right to the byte fails the whole comparison.
async fn ask(
    load: &Path,
    options: &Options,
    scenario: Scenario,
    proxy: Proxy,
    pids: &[u32],
) -> Result<Report, Failure> {
    let mut command = tokio::process::Command::from(pinned(options.load_core, load));
    command.arg("--target").arg(format!("127.0.0.1:{}", proxy.port()));
    command.args(pids.iter().flat_map(|pid| ["--pid".to_owned(), pid.to_string()]));
    command.args(scenario.flags).stderr(Stdio::inherit()).kill_on_drop(true);
    let what = format!("{} through {}", scenario.name, proxy.name());
    let output = tokio::time::timeout(scenario.limit, command.output()).await;
    let output = output.map_err(|_| format!("{what}: not done after {} s", scenario.limit.as_secs()))??;
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
