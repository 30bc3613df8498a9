//! How long Envoy waited: what its access log tells of each request, and what that comes to.

use hardwire_compare::flags::Failure;
use hardwire_compare::stats::median;
use serde::Serialize;
use std::fmt::Write;

/// Envoy that asks nobody.
pub(crate) const ALONE: &str = "alone";
/// Envoy before a service that does nothing.
pub(crate) const BARE: &str = "bare";
/// Envoy before the router.
pub(crate) const SERVICE: &str = "service";

/// What Envoy's filter notes, in the order in which it stands in a line behind the status. Times are microseconds.
pub(crate) const FIELDS: [&str; 6] = [
    "request_header_latency_us",
    "request_body_total_latency_us",
    "response_header_latency_us",
    "response_body_total_latency_us",
    "request_body_call_count",
    "response_body_call_count",
];

/// What stands above the columns.
const HEAD: [&str; 9] =
    ["messages", "req. head", "req. body", "ans. head", "ans. body", "sum", "round trips", "min..max", "client p50"];

/// How long Envoy waited for what was said of the parts of one request, microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Waits {
    /// Head and body of the request, head and body of the answer.
    phases: [u32; 4],
    /// In how many messages they were sent.
    messages: u32,
}

/// One run before one of those that Envoy asks.
#[derive(Debug, Serialize)]
pub(crate) struct Sample {
    pub(crate) round: usize,
    pub(crate) name: &'static str,
    /// From the first byte out to the last byte in, as the client sees it, median.
    pub(crate) client_p50_us: f64,
    pub(crate) waits: Vec<Waits>,
}

impl Waits {
    /// Reads a line of the access log. What went wrong, or was not asked for, is an error: it would be no measurement.
    pub(crate) fn parse(line: &str) -> Result<Self, Failure> {
        let wrong = || format!("not a request that went well and was asked about to its end: {line}");
        let mut words = line.split(' ');
        if words.next() != Some("200") {
            return Err(wrong().into());
        }
        let numbers: Vec<u32> = words.map(str::parse).collect::<Result<_, _>>().map_err(|_| wrong())?;
        let &[a, b, c, d, request, response] = numbers.as_slice() else { return Err(wrong().into()) };
        // Each head is a message.
        Ok(Self { phases: [a, b, c, d], messages: 2 + request + response })
    }

    fn sum(&self) -> f64 {
        self.phases.iter().map(|&us| f64::from(us)).sum()
    }
}

impl Sample {
    fn middle(&self, of: impl Fn(&Waits) -> f64) -> f64 {
        median(&mut self.waits.iter().map(of).collect::<Vec<_>>())
    }

    /// The wait for the first message and its answer: the whole of a call that consists of one message each way.
    fn first(&self) -> f64 {
        self.middle(|waits| f64::from(waits.phases[0]))
    }

    fn sum(&self) -> f64 {
        self.middle(Waits::sum)
    }

    fn messages(&self) -> f64 {
        self.middle(|waits| f64::from(waits.messages))
    }
}

/// Both that Envoy asks, in round trips of the one that does nothing. Ratios are medians over the rounds of those within a round.
pub(crate) fn render(samples: &[Sample]) -> String {
    let of = |name: &'static str| -> Vec<&Sample> {
        let mut own: Vec<_> = samples.iter().filter(|sample| sample.name == name).collect();
        own.sort_by_key(|sample| sample.round);
        own
    };
    let (alone, bare, service) = (of(ALONE), of(BARE), of(SERVICE));
    let requests = bare.first().map_or(0, |sample| sample.waits.len());
    let mut out = String::new();
    // Writing to a String cannot fail, here and below.
    let _ = writeln!(
        out,
        "how long Envoy waits, in µs; one request at a time, bodies BUFFERED; medians of {requests} requests and {} rounds",
        bare.len(),
    );
    row(&mut out, "", &HEAD.map(String::from));
    for own in [&alone, &bare, &service] {
        line(&mut out, own, &bare);
    }
    let trip = across(&bare, Sample::first);
    let per_message = |own: &[&Sample]| ratio(own, &bare, |own, bare| own.sum() / own.messages() / bare.first());
    let beyond = ratio(&service, &bare, |own, bare| (own.sum() - bare.sum()) / bare.first());
    let _ = write!(
        out,
        "\nround trip: the first message of a call and its answer, where nothing is done in between: {trip:.0} µs\n\
         a message costs {:.2} round trips (bare) and {:.2} (service)\n\
         the service beyond bare, of which the parts wait as often: {:.2} round trips ({:.2}..{:.2})",
        per_message(&bare).0,
        per_message(&service).0,
        beyond.0,
        beyond.1,
        beyond.2,
    );
    out
}

fn line(out: &mut String, own: &[&Sample], bare: &[&Sample]) {
    let Some(name) = own.first().map(|sample| sample.name) else { return };
    let us = |us: f64| format!("{us:.0}");
    let client = us(across(own, |sample| sample.client_p50_us));
    if name == ALONE {
        let mut cells = [""; HEAD.len()].map(String::from);
        (cells[0], cells[HEAD.len() - 1]) = ("0".into(), client);
        return row(out, name, &cells);
    }
    let phase = |at: usize| us(across(own, |sample| sample.middle(|waits| f64::from(waits.phases[at]))));
    let (trips, least, most) = ratio(own, bare, |own, bare| own.sum() / bare.first());
    let sum = us(across(own, Sample::sum));
    let (trips, spread) = (format!("{trips:.2}"), format!("{least:.2}..{most:.2}"));
    let messages = us(across(own, Sample::messages));
    row(out, name, &[messages, phase(0), phase(1), phase(2), phase(3), sum, trips, spread, client]);
}

fn row(out: &mut String, name: &str, cells: &[String; HEAD.len()]) {
    let cells: String = cells.iter().map(|cell| format!(" {cell:>11}")).collect();
    let _ = writeln!(out, "  {name:10}{cells}");
}

/// The median over the rounds.
fn across(own: &[&Sample], of: impl Fn(&Sample) -> f64) -> f64 {
    median(&mut own.iter().map(|sample| of(sample)).collect::<Vec<_>>())
}

/// The median over the rounds of what two samples of a round come to, and the least and the most.
fn ratio(own: &[&Sample], other: &[&Sample], of: impl Fn(&Sample, &Sample) -> f64) -> (f64, f64, f64) {
    let mut values: Vec<f64> = own.iter().zip(other).map(|(own, other)| of(own, other)).collect();
    // `median` sorts.
    let middle = median(&mut values);
    (middle, values.first().copied().unwrap_or(f64::NAN), values.last().copied().unwrap_or(f64::NAN))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(round: usize, name: &'static str, phases: [u32; 4]) -> Sample {
        let waits = vec![Waits { phases, messages: 4 }; 3];
        Sample { round, name, client_p50_us: 500.0, waits }
    }

    #[test]
    fn lines() {
        let waits = Waits { phases: [60, 40, 30, 20], messages: 4 };
        assert_eq!(Waits::parse("200 60 40 30 20 1 1").unwrap(), waits);
        for line in ["503 60 40 30 20 1 1", "200 60 40 - - 1 -", "200 60 40 30 20 1", "200 60 40 30 20 1 1 1", ""] {
            assert!(Waits::parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn round_trips() {
        // Twice as slow a machine in the second round, which the ratios do not see.
        let samples = [
            sample(0, BARE, [50, 40, 30, 30]),
            sample(0, SERVICE, [60, 80, 60, 50]),
            sample(1, SERVICE, [120, 160, 120, 100]),
            sample(1, BARE, [100, 80, 60, 60]),
        ];
        let text = render(&samples);
        for part in [
            " 3.00  3.00..3.00 ",
            " 5.00  5.00..5.00 ",
            "0.75 round trips (bare) and 1.25 (service)",
            "2.00 round trips (2.00..2.00)",
        ] {
            assert!(text.contains(part), "{part} in\n{text}");
        }
    }
}
