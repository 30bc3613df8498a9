//! `hardwire`: bounds and timeouts that the upstream schema has no keys for.

use super::decode::{Leaf, section};
use super::shape::{DURATION, SIZE};

section! {
    /// All of it.
    "hardwire" => pub struct Hardwire {
        /// Largest request body: bytes, or with a unit. Default: `32MiB`.
        max_body_bytes: Leaf as SIZE,
        /// For a complete request head. Default: `10s`.
        header_timeout: Leaf as DURATION,
        /// Longest pause within a request body. Default: `30s`.
        body_timeout: Leaf as DURATION,
        /// Name look-up, connect and TLS handshake to a backend. Default: `5s`.
        connect_timeout: Leaf as DURATION,
        /// From the request to the head of the backend's response. Default: the listener's timeout alone.
        first_byte_timeout: Leaf as DURATION,
        /// Longest pause in a backend's response body. Default: `120s`.
        idle_timeout: Leaf as DURATION,
        /// For running requests to finish after SIGTERM. Default: `30s`.
        drain_timeout: Leaf as DURATION,
    }
}
