//! What the router tells about itself: counters for Prometheus, and logs.
//!
//! Faces and the upstream call in here; this module calls nobody and knows no socket, no HTTP type and no runtime.

pub mod access;
pub mod cost;
pub mod log;
pub mod metrics;
