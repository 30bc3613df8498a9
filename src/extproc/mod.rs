//! The Envoy face: an external processor, `envoy.service.ext_proc.v3.ExternalProcessor`, and `grpc.health.v1` beside it.
//!
//! Envoy opens a stream for each HTTP request that passes it, tells of its parts, and is told what becomes of each. What
//! that is, a [`Processor`] knows: [`Face`], which drives the core. How it is asked is a matter of its own: connections, gRPC,
//! and the bounds on both. Nothing in here knows the other faces.

mod calls;
mod face;
mod gathered;
pub mod grpc;
mod health;
mod listener;
mod processor;
mod tls;
pub mod wire;

pub use face::Face;
pub use listener::serve;
pub use processor::{Exchange, Flow, Processor, Refusal};
pub use tls::{Tls, TlsError};

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

/// Full name of the service.
pub const SERVICE: &str = "envoy.service.ext_proc.v3.ExternalProcessor";

/// The service in one worker.
#[derive(Debug)]
pub struct Service<P> {
    processor: P,
    bounds: Bounds,
    tls: Option<Tls>,
    /// Open streams.
    open: Cell<u32>,
}

/// What a caller can stretch, and how far.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Longest message in bytes. It must hold a whole body where Envoy is told to send bodies whole.
    pub max_message_bytes: usize,
    /// Most open streams, each of which is an HTTP request under way.
    pub max_streams: u32,
    /// For what is said of one message, and for a message that has begun to be complete.
    pub message_timeout: Duration,
    /// For the TLS handshake of a connection, and from there to its first call.
    pub connect_timeout: Duration,
}

impl<P: Processor> Service<P> {
    /// The service of one worker.
    #[must_use]
    pub fn new(processor: P, bounds: Bounds, tls: Option<Tls>) -> Rc<Self> {
        Rc::new(Service { processor, bounds, tls, open: Cell::new(0) })
    }
}
