//! The wire: what requests and responses look like as bytes.
//!
//! Everything here is *sans-IO*: pure functions and state machines over bytes that the HTTP face and the ExtProc face drive
//! alike. It must not know sockets, async, hyper, models or decisions.

pub mod answer;
pub mod chat;
pub mod draft;
pub mod error_body;
pub mod event;
pub mod failure;
pub mod hide;
pub mod images;
pub mod json;
pub mod messages;
pub mod metadata;
pub mod openai;
pub mod out;
pub mod prompt;
pub mod responses;
pub mod rewrite;
pub mod splice;
pub mod sse;
pub mod stream;
pub mod tap;
pub mod translated;
pub mod view;
pub mod write;
