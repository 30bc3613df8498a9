//! Where responses are stored between two requests: the seam, and the walk along a chain.
//!
//! A store keeps records under unguessable ids until they expire. `put` answers when the record is as safe as its backend can
//! make it, so that a client can be told. Which backend there is, the compiler says by naming its `open`: nothing here does,
//! so that the linker leaves out the others. Nothing in here knows what is in a record beyond its header.

mod due;
pub mod file;
mod id;
pub mod memory;
mod record;
pub mod redis;

pub use id::{Id, NotAnId};
pub use record::{NotARecord, Record, Scope};

use crate::env::Env;
use bytes::Bytes;
use std::fmt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

/// How a store is opened: what generated code names.
pub type Open = fn(&Place<'_>) -> Result<Stores, OpenError>;

/// What the surroundings tell a store.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// Addresses, paths and passwords.
    pub env: &'a Env,
    /// PEM file with the certificates that are trusted, if not the public ones.
    pub ca_file: Option<&'a Path>,
}

/// An open store, of which every worker gets its own end.
pub struct Stores {
    ttl: Duration,
    worker: Box<dyn Fn() -> Rc<dyn Backend> + Send + Sync>,
}

/// A worker's end of a store.
#[derive(Debug, Clone)]
pub struct Store {
    ttl: Duration,
    backend: Rc<dyn Backend>,
}

/// Why a store cannot be opened. The operator must mend it before the router can start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has the file.
    #[error("the response store `{}` is in use by another process; one file serves one router, Redis many", .0.display())]
    InUse(PathBuf),
    /// The file cannot be used.
    #[error("the response store `{}` cannot be opened: {why}", .path.display())]
    File {
        /// As the configuration says it.
        path: PathBuf,
        /// What the system or the database says.
        why: String,
    },
    /// What the environment says about Redis cannot be used.
    #[error("the response store in Redis cannot be used: {0}")]
    Redis(String),
}

/// Why a store did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It is down, or does not answer in time: 503, and worth another try.
    #[error("the response store is not available: {0}")]
    Unavailable(String),
    /// The record is larger than the store may be.
    #[error("the response is too large to be stored")]
    TooLarge,
    /// What lies under this id was not written by this router, or has been damaged.
    #[error("what is stored as {0} is no response")]
    Damaged(Id),
}

/// Why there is no chain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// This one of its responses is not stored: never was, has expired, was deleted or made room.
    #[error("there is no response {0}")]
    Missing(Id),
    /// It has more responses than this.
    #[error("the chain has more than {0} responses")]
    TooLong(usize),
    /// Its turns have more bytes than this.
    #[error("the chain has more than {0} bytes")]
    TooLarge(usize),
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a backend will have done.
type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + 'a>>;

/// Keeps blobs. Dropping an answer may leave its operation done or not done, never half done.
trait Backend: fmt::Debug {
    /// The blob; one that has expired may still be there.
    fn get(&self, id: Id) -> Answer<'_, Option<Bytes>>;

    /// Keeps a blob until then, in seconds since 1970, in place of any that is there. Answers when it is safe.
    fn put(&self, id: Id, expires_at: u64, blob: Bytes) -> Answer<'_, ()>;

    /// Takes a blob away; whether it was there.
    fn delete(&self, id: Id) -> Answer<'_, bool>;
}

/// Seconds since 1970.
#[must_use]
pub fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

// === impl Stores ===

impl fmt::Debug for Stores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stores(for {:?})", self.ttl)
    }
}

impl Stores {
    fn new(ttl: Duration, worker: impl Fn() -> Rc<dyn Backend> + Send + Sync + 'static) -> Stores {
        Stores { ttl, worker: Box::new(worker) }
    }

    /// An end for the worker that asks, within its runtime.
    #[must_use]
    pub fn worker(&self) -> Store {
        Store { ttl: self.ttl, backend: (self.worker)() }
    }
}

// === impl Store ===

impl Store {
    /// When a record that is made at this second expires.
    #[must_use]
    pub fn expiry(&self, created_at: u64) -> u64 {
        created_at.saturating_add(self.ttl.as_secs())
    }

    /// The record, unless it has expired.
    pub async fn get(&self, id: Id) -> Result<Option<Record>, StoreError> {
        let Some(blob) = self.backend.get(id).await? else { return Ok(None) };
        let record = Record::decode(id, blob).map_err(|_| StoreError::Damaged(id))?;
        Ok((now() < record.expires_at).then_some(record))
    }

    /// Keeps a record, in place of any with its id. Once this has answered, whoever asks gets it.
    pub async fn put(&self, record: &Record) -> Result<(), StoreError> {
        let blob = record.encode().ok_or(StoreError::TooLarge)?;
        self.backend.put(record.id, record.expires_at, blob).await
    }

    /// Takes a record away; whether there was one.
    pub async fn delete(&self, id: Id) -> Result<bool, StoreError> {
        self.backend.delete(id).await
    }

    /// The responses that lead up to this one and itself, oldest first. Whose they are is for the caller to ask; who may have
    /// the last may have all, as it was made by somebody who had them.
    pub async fn chain(&self, id: Id, max_length: usize, max_bytes: usize) -> Result<Vec<Record>, ChainError> {
        let mut records = Vec::new();
        let mut left = max_bytes;
        let mut next = Some(id);
        while let Some(id) = next {
            if records.len() == max_length {
                return Err(ChainError::TooLong(max_length));
            }
            let record = self.get(id).await?.ok_or(ChainError::Missing(id))?;
            left = left.checked_sub(record.turn.len()).ok_or(ChainError::TooLarge(max_bytes))?;
            next = record.previous_response_id;
            records.push(record);
        }
        records.reverse();
        Ok(records)
    }
}
