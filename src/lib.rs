//! Hardwire: an LLM router whose configuration is compiled into it.
//!
//! This library is everything but the configuration: it takes the [`table::Tables`] that the compiler
//! (`hardwire-codegen`) wrote from `router-config.yaml`, and serves them. See `ARCHITECTURE.md` for the map.

pub mod table;
pub mod telemetry;
