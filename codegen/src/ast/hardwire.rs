//! `hardwire`: bounds and timeouts that the upstream schema has no keys for.

use super::decode::{Leaf, section};
use super::shape::{DURATION, NAME, PORT, SIZE, whole};

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
        /// The service for Envoy. Default: there is none.
        extproc: ExtProc,
    }
}

section! {
    /// The service for Envoy, an external processor. It listens where this block stands, be it empty.
    "hardwire.extproc" => pub struct ExtProc {
        /// IP address. Default: `127.0.0.1`.
        address: Leaf,
        /// TCP port. Default: 50051.
        port: Leaf as PORT,
        /// Largest message: bytes, or with a unit. Default: `max_body_bytes` and 1 MiB.
        max_message_bytes: Leaf as SIZE,
        /// Most open streams in each worker, and on each connection. Default: 1024.
        max_streams: Leaf as whole(1, 1_000_000),
        /// For what is said of one message. Default: `10s`.
        message_timeout: Leaf as DURATION,
        /// The service speaks TLS. Default: it does not.
        tls: ExtProcTls,
    }
}

section! {
    /// TLS of the service for Envoy.
    "hardwire.extproc.tls" => pub struct ExtProcTls {
        /// PEM file with the certificates, the service's own first. Read when the router starts.
        cert_file: Leaf as NAME.required(),
        /// PEM file with the key. Read when the router starts.
        key_file: Leaf as NAME.required(),
        /// PEM file with the certificates of the authorities whose clients alone are served. Read when the router starts.
        /// Default: whoever connects is served.
        client_ca_file: Leaf as NAME,
    }
}
