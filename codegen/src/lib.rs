//! The compiler of Hardwire: `router-config.yaml` in, Rust out.
pub mod ir;
