//! The stores of responses through their public face: bounds, expiry, chains, many workers, a process that is killed.

#![allow(clippy::unwrap_used, reason = "a test stops where it stands")]

mod common;
mod file;
mod memory;
mod redis;
mod turn;
