//! The samples, as a table of medians and ratios and as JSON.

use crate::options::Options;
use crate::place::Facts;
use crate::proxies::Proxy;
use crate::rounds::Sample;
use crate::scenario::Scenario;
use hardwire_compare::flags::Failure;
use hardwire_compare::report::Report;
use hardwire_compare::stats::median;
use serde::Serialize;
use std::fmt::Write;

/// Above this share of its CPU time spent waiting for the core, a proxy was not alone on it.
const DISTURBED: f64 = 0.05;

/// All samples and where they come from.
#[derive(Serialize)]
struct Document<'a, S> {
    facts: &'a Facts,
    samples: &'a [S],
}

/// Every sample.
pub(crate) fn json(facts: &Facts, samples: &[impl Serialize]) -> Result<String, Failure> {
    Ok(serde_json::to_string_pretty(&Document { facts, samples })?)
}

/// A block for each scenario. A ratio is the median over the rounds of the ratios within a round.
pub(crate) fn render(options: &Options, samples: &[Sample]) -> String {
    let mut out = String::new();
    let Some(&first) = options.proxies.first() else { return out };
    for &scenario in &options.scenarios {
        let rounds = options.rounds;
        // Writing to a String cannot fail, here and below.
        let _ = writeln!(out, "{}: {}; median of {rounds} rounds", scenario.name, scenario.about);
        let _ = writeln!(
            out,
            "  {:10} {:>12} {:>10} {:>14} {:>10} {:>10} {:>10} {:>12}",
            "", "CPU µs/req", "ratio", "min..max", "p50 µs", "ratio", "p99 µs", "1st byte µs"
        );
        for &proxy in &options.proxies {
            line(&mut out, &of(samples, scenario, proxy), &of(samples, scenario, first), proxy);
        }
        out.push('\n');
    }
    out
}

fn line(out: &mut String, own: &[&Report], first: &[&Report], proxy: Proxy) {
    let middle = |value: fn(&Report) -> f64| median(&mut own.iter().map(|&report| value(report)).collect::<Vec<_>>());
    let ratios = |value: fn(&Report) -> f64| -> Vec<f64> {
        own.iter().zip(first).map(|(&own, &first)| value(own) / value(first)).collect()
    };
    // `median` sorts.
    let mut cpu = ratios(|report| report.cpu_us);
    let ratio = median(&mut cpu);
    let spread = format!("{:.2}..{:.2}", cpu.first().unwrap_or(&f64::NAN), cpu.last().unwrap_or(&f64::NAN));
    let _ = write!(
        out,
        "  {:10} {:>12.1} {:>10.2} {:>14} {:>10.0} {:>10.2} {:>10.0} {:>12.0}",
        proxy.name(),
        middle(|report| report.cpu_us),
        ratio,
        spread,
        middle(|report| report.p50_us),
        median(&mut ratios(|report| report.p50_us)),
        middle(|report| report.p99_us),
        middle(|report| report.first_byte_us),
    );
    let waited = middle(|report| report.wait_us / report.cpu_us);
    let _ = if waited > DISTURBED {
        writeln!(out, "  (not alone: waited {:.0} % of that for its core)", waited * 100.0)
    } else {
        writeln!(out)
    };
}

/// One proxy's reports, in the order of the rounds.
fn of(samples: &[Sample], scenario: Scenario, proxy: Proxy) -> Vec<&Report> {
    let mine = |sample: &&Sample| sample.scenario == scenario.name && sample.proxy == proxy.name();
    samples.iter().filter(mine).map(|sample| &sample.report).collect()
}
