//! What one run of the load generator found.

use serde::{Deserialize, Serialize};

/// One line of JSON on the load generator's standard output.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Report {
    /// How many were measured.
    pub requests: u64,
    /// How many failed, those of the warm-up among them.
    pub errors: u64,
    /// What was wrong with the first of them.
    pub first_error: Option<String>,
    /// How long the measured requests took, all together.
    pub seconds: f64,
    /// CPU time of the proxy for each request, microseconds.
    pub cpu_us: f64,
    /// Time for each request that the proxy was ready to run but did not get its core, microseconds: near 0 if undisturbed.
    pub wait_us: f64,
    /// From the first byte out to the last byte in, median, microseconds.
    pub p50_us: f64,
    /// The same, 99th percentile.
    pub p99_us: f64,
    /// From the first byte out to the first byte of the answer's body, median, microseconds.
    pub first_byte_us: f64,
}
