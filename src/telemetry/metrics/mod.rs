//! Metrics: one [`Recorder`] per worker that is written without locks or allocation, and a [`Registry`] that sums all of
//! them when Prometheus asks.
//!
//! Everything that can be a label value is known when the binary is built, so a counter is a slot in an array and label
//! text is only touched on a scrape. Names and labels follow the metrics of vLLM Semantic Router; what is our own starts
//! with `hardwire_`.

mod cells;
mod histogram;
mod images;
mod inflight;
mod labels;
mod plugins;
mod reasoning;
mod recorder;
mod registry;
mod usage;

pub use images::ImageCounts;
#[cfg(feature = "extproc")]
pub use inflight::OpenStream;
pub use inflight::{InFlight, OpenConnection};
pub use labels::{AttemptOutcome, BackendState, ErrorReason};
pub use plugins::{Limit, PluginCounts};
pub use recorder::Recorder;
pub use registry::Registry;
pub use usage::UsageCounts;
