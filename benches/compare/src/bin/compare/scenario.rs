//! What is asked of the proxies.

use std::time::Duration;

/// One kind of traffic. Counts are such that a run takes a fraction of a second, the paced one a few seconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// Flags of the load generator.
    pub(crate) flags: &'static [&'static str],
    /// By when it must be over.
    pub(crate) limit: Duration,
}

impl Scenario {
    /// All there are, in the order in which they run.
    pub(crate) const ALL: [Self; 9] = [
        Self {
            name: "plain",
            about: "1 KB request, 600 B answer, 32 connections",
            flags: &["--kind", "plain", "--connections", "32", "--requests", "20000", "--warmup", "2000"],
            limit: Duration::from_secs(60),
        },
        Self {
            name: "large",
            about: "1 MB request, 600 B answer, 4 connections",
            flags: &[
                "--kind",
                "plain",
                "--body-bytes",
                "1048576",
                "--connections",
                "4",
                "--requests",
                "1000",
                "--warmup",
                "100",
            ],
            limit: Duration::from_secs(60),
        },
        Self {
            name: "burst",
            about: "answer of 64 chunks that the backend sends in one write, 16 connections",
            flags: &["--kind", "burst", "--connections", "16", "--requests", "8000", "--warmup", "800"],
            limit: Duration::from_secs(60),
        },
        Self {
            name: "writes",
            about: "answer of 64 chunks, each in a write of its own without a pause, 16 connections",
            flags: &["--kind", "writes", "--connections", "16", "--requests", "3000", "--warmup", "300"],
            limit: Duration::from_secs(60),
        },
        Self {
            name: "translated",
            about: "as `burst`; hardwire translates it from an Anthropic backend's events, the others forward it",
            flags: &[
                "--kind",
                "burst",
                "--model",
                "claude",
                "--counted",
                "--connections",
                "16",
                "--requests",
                "8000",
                "--warmup",
                "800",
            ],
            limit: Duration::from_secs(60),
        },
        Self {
            name: "translated-writes",
            about: "as `writes`; hardwire translates it from an Anthropic backend's events, the others forward it",
            flags: &[
                "--kind",
                "writes",
                "--model",
                "claude",
                "--counted",
                "--connections",
                "16",
                "--requests",
                "3000",
                "--warmup",
                "300",
            ],
            limit: Duration::from_secs(60),
        },
        Self {
            name: "responses",
            about: "as `burst`; hardwire tells it as a response, and stores that, the others forward it",
            flags: &[
                "--kind",
                "burst",
                "--responses",
                "--counted",
                "--connections",
                "16",
                "--requests",
                "8000",
                "--warmup",
                "800",
            ],
            limit: Duration::from_secs(60),
        },
        Self {
            name: "responses-writes",
            about: "as `writes`; hardwire tells it as a response, and stores that, the others forward it",
            flags: &[
                "--kind",
                "writes",
                "--responses",
                "--counted",
                "--connections",
                "16",
                "--requests",
                "3000",
                "--warmup",
                "300",
            ],
            limit: Duration::from_secs(60),
        },
        Self {
            name: "paced",
            about: "answer of 64 chunks, 10 ms apart, 150 begun each second (96 at a time)",
            flags: &["--kind", "paced-10", "--rate", "150", "--requests", "600", "--warmup", "150"],
            limit: Duration::from_secs(60),
        },
    ];
}
