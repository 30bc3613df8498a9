//! Where responses are stored, and how long, and what becomes of tools that are not here: `global.services.response_api`.
//!
//! Which of the stores there is, generated code says by naming its constructor: a binary holds no store that it does not use.

use super::Text;
use std::time::Duration;

/// What becomes of tools of the Responses API that the router does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnsupportedTools {
    /// A request with one is refused.
    Refuse,
    /// Backends are not told of them, and the client is told that they were not.
    Omit,
}

/// In the memory of the process.
#[derive(Debug)]
pub struct MemoryStore {
    /// How long a response is kept.
    pub ttl: Duration,
    /// How much is kept at most.
    pub bounds: StoreBounds,
}

/// In a file of this machine, for one process.
#[derive(Debug)]
pub struct FileStore {
    /// Its path.
    pub path: Text,
    /// How long a response is kept.
    pub ttl: Duration,
    /// How much is kept at most.
    pub bounds: StoreBounds,
}

/// In Redis, for any number of processes.
#[derive(Debug)]
pub struct RedisStore {
    /// `host:port`; of a cluster, some of its nodes.
    pub addresses: &'static [Text],
    /// Whether it is a cluster.
    pub cluster: bool,
    /// Number of the database; 0 in a cluster.
    pub db: u32,
    /// Always from the environment.
    pub password: Option<Text>,
    /// Whether it is reached over TLS.
    pub tls: bool,
    /// What all keys begin with.
    pub key_prefix: Text,
    /// How often an operation is tried again on a new connection.
    pub max_retries: u32,
    /// For a connection to be there.
    pub dial_timeout: Duration,
    /// For reading a response.
    pub read_timeout: Duration,
    /// For writing or deleting one.
    pub write_timeout: Duration,
    /// How long a response is kept.
    pub ttl: Duration,
}

/// How much is kept. What would expire first makes room.
#[derive(Debug, Clone, Copy)]
pub struct StoreBounds {
    /// Responses.
    pub responses: u64,
    /// Bytes of all of them.
    pub bytes: u64,
}
