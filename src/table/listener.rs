//! Where the router listens, and the bounds that hold there.

use super::Text;
use std::time::Duration;

/// A public ingress listener.
#[derive(Debug)]
pub struct Listener {
    /// For logs.
    pub name: &'static str,
    /// IP address.
    pub address: &'static str,
    /// TCP port.
    pub port: u16,
    /// Bound on a whole request, from its last body byte to the last byte of the answer.
    pub timeout: Duration,
    /// Keys of which a client must show one; empty: anyone may ask. Always from the environment.
    pub api_keys: &'static [Text],
}

/// The apiserver.
#[derive(Debug)]
pub struct Management {
    /// IP address.
    pub address: &'static str,
    /// TCP port.
    pub port: u16,
}

/// The service for Envoy: an external processor.
#[derive(Debug, Clone, Copy)]
pub struct ExtProc {
    /// IP address.
    pub address: &'static str,
    /// TCP port.
    pub port: u16,
    /// Largest message in bytes.
    pub max_message_bytes: u32,
    /// Most open streams in each worker, and on each connection.
    pub max_streams: u32,
    /// For what is said of one message.
    pub message_timeout: Duration,
    /// `global.router.clear_route_cache`: whether Envoy looks for a route again when the model is chosen.
    pub clear_route_cache: bool,
    /// Where it speaks TLS.
    pub tls: Option<ExtProcTls>,
}

/// TLS of the service for Envoy: names of PEM files, read at start-up.
#[derive(Debug, Clone, Copy)]
pub struct ExtProcTls {
    /// The certificates, the service's own first.
    pub cert_file: Text,
    /// The key.
    pub key_file: Text,
    /// The authorities whose clients alone are served.
    pub client_ca_file: Option<Text>,
}

/// Bounds and timeouts: the document's `hardwire` block.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Largest request body in bytes; above it the client gets a 413.
    pub max_body_bytes: u64,
    /// A request head must be complete within this time.
    pub header_timeout: Duration,
    /// Longest pause between two parts of a request body.
    pub body_timeout: Duration,
    /// Name look-up, TCP connect and TLS handshake to a backend.
    pub connect_timeout: Duration,
    /// From the request to the head of the backend's response; `None`: the listener's timeout alone bounds it.
    pub first_byte_timeout: Option<Duration>,
    /// Longest pause in a backend's response body.
    pub idle_timeout: Duration,
    /// How long running requests may take to finish after SIGTERM.
    pub drain_timeout: Duration,
}
