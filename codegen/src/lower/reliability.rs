//! `reliability`: balancing, retries and health of a model's backends.

use super::{Cx, url};
use crate::ast::decode::{Leaf, nearest};
use crate::ast::providers::Reliability;
use crate::{errors, ir};
use std::time::Duration;

/// Statuses that are always worth another attempt: the backend or something before it was not there.
const ALWAYS: &[(u16, u16)] = &[(502, 504)];

/// Anthropic is overloaded: what others mean by 503.
const OVERLOADED: (u16, u16) = (529, 529);

/// Conditions of `retry_on`, under the names that Envoy gave them, with the statuses that they add. Those without any are
/// always on.
const CONDITIONS: &[(&str, &[(u16, u16)])] = &[
    ("5xx", &[(500, 599)]),
    ("gateway-error", &[(502, 504)]),
    ("retriable-4xx", &[(409, 409)]),
    ("connect-failure", &[]),
    ("refused-stream", &[]),
    ("reset", &[]),
    ("reset-before-request", &[]),
];

/// How failures of a model's backends are met.
pub(super) fn lower(section: Option<&Reliability>, protocol: Option<ir::Protocol>, cx: &mut Cx<'_>) -> ir::Reliability {
    let mut always = ALWAYS.to_vec();
    if protocol == Some(ir::Protocol::Messages) {
        always.push(OVERLOADED);
    }
    let Some(section) = section else {
        return ir::Reliability {
            balance: ir::Balance::Weighted,
            retries: None,
            retry_statuses: always,
            ejection: None,
            health_check: None,
        };
    };
    let policies = [("round_robin", ir::Balance::RoundRobin), ("least_request", ir::Balance::LeastRequest)];
    let policy = section.lb_policy.as_ref();
    let balance = policy.and_then(|leaf| cx.choice(leaf, "lb_policy", &policies, &[]));
    let retries = section.retry_count.as_ref().and_then(|leaf| cx.number(leaf, "retry_count", 0..=5));
    if let (Some(leaf), None, Some(1..)) = (&section.retry_count, &section.retry_on, retries) {
        cx.sink.report(&errors::RETRY_COUNT_ALONE, leaf.span, &[]);
    }
    ir::Reliability {
        balance: balance.unwrap_or(ir::Balance::Weighted),
        retries: retries.and_then(|count| u8::try_from(count).ok()),
        retry_statuses: statuses(section.retry_on.as_ref(), always, cx),
        ejection: ejection(section, cx),
        health_check: health_check(section, cx),
    }
}

fn statuses(leaf: Option<&Leaf>, mut ranges: Vec<(u16, u16)>, cx: &mut Cx<'_>) -> Vec<(u16, u16)> {
    if let Some((leaf, text)) = leaf.and_then(|leaf| Some((leaf, cx.fixed(leaf, "retry_on")?))) {
        for word in text.split(',').map(str::trim) {
            let code = word.parse::<u16>().ok().filter(|code| (400..=599).contains(code));
            if let Some((_, add)) = CONDITIONS.iter().find(|(name, _)| *name == word) {
                ranges.extend_from_slice(add);
            } else if let Some(code) = code {
                ranges.push((code, code));
            } else {
                let names = CONDITIONS.iter().map(|(name, _)| *name);
                let help = nearest(word, names.clone()).map_or_else(
                    || format!("a status from 400 to 599, or one of {}", names.collect::<Vec<_>>().join(", ")),
                    |near| format!("did you mean `{near}`?"),
                );
                cx.sink.report(&errors::UNKNOWN_VALUE, leaf.span, &["retry_on", word]).help(help);
            }
        }
    }
    merged(ranges)
}

/// Ascending and disjoint.
fn merged(mut ranges: Vec<(u16, u16)>) -> Vec<(u16, u16)> {
    ranges.sort_unstable();
    let mut out: Vec<(u16, u16)> = Vec::new();
    for (start, end) in ranges {
        match out.last_mut() {
            Some(last) if start <= last.1 + 1 => last.1 = last.1.max(end),
            _ => out.push((start, end)),
        }
    }
    out
}

fn ejection(section: &Reliability, cx: &mut Cx<'_>) -> Option<ir::Ejection> {
    let Some(leaf) = &section.consecutive_5xx else {
        cx.no_effect(section.base_ejection_time.as_ref(), "base_ejection_time", "without `consecutive_5xx`");
        cx.no_effect(section.max_ejection_percent.as_ref(), "max_ejection_percent", "without `consecutive_5xx`");
        return None;
    };
    let count = cx.number(leaf, "consecutive_5xx", 1..=1_000_000).and_then(|count| u32::try_from(count).ok());
    let base_time = cx.duration(section.base_ejection_time.as_ref(), "base_ejection_time", Duration::from_secs(30));
    let percent = section.max_ejection_percent.as_ref();
    let percent = percent.map_or(Some(50), |leaf| cx.number(leaf, "max_ejection_percent", 1..=100));
    let max_percent = u8::try_from(percent?).ok()?;
    Some(ir::Ejection { consecutive_5xx: count?, base_time, max_percent })
}

fn health_check(section: &Reliability, cx: &mut Cx<'_>) -> Option<ir::HealthCheck> {
    let Some(leaf) = &section.health_check_path else {
        cx.no_effect(section.health_check_interval.as_ref(), "health_check_interval", "without `health_check_path`");
        cx.no_effect(section.health_check_timeout.as_ref(), "health_check_timeout", "without `health_check_path`");
        return None;
    };
    let path = url::path(leaf, "health_check_path", cx);
    let seconds = Duration::from_secs;
    let interval = cx.duration(section.health_check_interval.as_ref(), "health_check_interval", seconds(10));
    let timeout = cx.duration(section.health_check_timeout.as_ref(), "health_check_timeout", seconds(2));
    Some(ir::HealthCheck { path: path?, interval, timeout })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_merged() {
        assert_eq!(merged(vec![(502, 504), (429, 429), (500, 599), (409, 409)]), [(409, 409), (429, 429), (500, 599)]);
        assert_eq!(merged(vec![(502, 504), (505, 505), (501, 501)]), [(501, 505)]);
        assert_eq!(merged(vec![(502, 504), (506, 506)]), [(502, 504), (506, 506)]);
    }
}
