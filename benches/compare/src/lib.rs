//! The side-by-side run: what its programs share.
//!
//! `mock-upstream` answers, `load` asks, `bare` is the least that a hyper proxy can be, and `compare` puts proxies between
//! the two and prints what each costs. Nothing here knows the router's own code: it is measured from outside, as a
//! process, like its opponents.

pub mod chat;
pub mod cpu;
pub mod flags;
pub mod report;
pub mod stats;
pub mod wire;
