//! The wire: what requests and responses look like as bytes.
//!
//! Everything here is *sans-IO*: pure functions and state machines over bytes that the HTTP face and the ExtProc face drive
//! alike. It must not know sockets, async, hyper, models or decisions.

pub mod draft;
pub mod json;
pub mod metadata;
pub mod openai;
pub mod prompt;
pub mod rewrite;
pub mod splice;
pub mod tail;
