//! The apiserver over a socket.
#![allow(clippy::unwrap_used)] // to clippy, the helpers of tests are no tests

mod client;
mod endpoints;
mod limits;
mod metrics;
mod openapi;
mod reasons;
mod tables;
