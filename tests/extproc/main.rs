//! The Envoy face: its messages held against those of `envoy-types`, and its service asked by a client of tonic's.

#![allow(clippy::unwrap_used, reason = "a test stops where it stands")]

mod face;
mod harness;
mod service;
mod wire;
