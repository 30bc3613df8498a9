//! Hardwire: an LLM router whose configuration is compiled into it.
//!
//! This library is everything but the configuration: it takes the [`table::Tables`] that the compiler
//! (`hardwire-codegen`) wrote from `router-config.yaml`, and serves them. See `ARCHITECTURE.md` for the map.

pub mod apiserver;
pub mod dispatch;
pub mod env;
#[cfg(feature = "extproc")]
pub mod extproc;
pub mod ingress;
pub mod language;
pub mod openapi;
pub mod protocol;
mod responding;
pub mod responses;
pub mod routing;
pub mod server;
pub mod stems;
pub mod table;
pub mod telemetry;
pub mod upstream;
