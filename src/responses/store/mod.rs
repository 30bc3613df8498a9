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
pub use record::{FURTHER, NotARecord, Record, Scope};

use crate::env::Env;
use bytes::Bytes;
use std::fmt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
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
    held: Option<Arc<Held>>,
    worker: Box<dyn Fn() -> Rc<dyn Backend> + Send + Sync>,
}

/// A worker's end of a store.
#[derive(Debug, Clone)]
pub struct Store {
    ttl: Duration,
    backend: Rc<dyn Backend>,
}

/// How much is in a store that has bounds. What has expired and was not taken away yet is in it, too.
#[derive(Debug, Default)]
pub struct Held {
    responses: AtomicU64,
    bytes: AtomicU64,
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
    /// Its turns, or all that is stored of it, have more bytes than this.
    #[error("the chain has more than {0} bytes")]
    TooLarge(usize),
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How much of a chain is read. Whoever asks for more is told so before it takes memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Most {
    /// Responses.
    pub responses: usize,
    /// Bytes of their turns.
    pub bytes: usize,
    /// Bytes of all that is stored of them, which has to be read for that.
    pub read: usize,
}

/// A chain as a backend reads it.
#[derive(Debug)]
struct Reading {
    most: Most,
    /// Newest first.
    blobs: Vec<(Id, Bytes)>,
    /// What their turns have.
    bytes: usize,
    /// What they have in all.
    read: usize,
}

/// A backend is asked for so many records at a time.
const AT_ONCE: usize = FURTHER + 1;

/// What a backend will have done.
type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + 'a>>;

/// Keeps blobs. Dropping an answer may leave its operation done or not done, never half done.
trait Backend: fmt::Debug {
    /// The blobs of these, each in its place; those that have expired may still be there.
    fn get(&self, ids: Vec<Id>) -> Answer<'_, Vec<Option<Bytes>>>;

    /// The blob and those of the records that it goes on from, newest first, as far as they are there, until that is as
    /// much as may be read or more.
    fn chain(&self, id: Id, most: Most) -> Answer<'_, Vec<(Id, Bytes)>>;

    /// Of how many further records a record should tell, for `chain` to ask for at once: none where asking costs nothing.
    fn further(&self) -> usize {
        0
    }

    /// Keeps a blob until then, in seconds since 1970, in place of any that is there. Answers when it is safe.
    fn put(&self, id: Id, expires_at: u64, blob: Bytes) -> Answer<'_, ()>;

    /// Takes a blob away; whether it was there.
    fn delete(&self, id: Id) -> Answer<'_, bool>;
}

/// Follows a chain record by record, where looking one up costs little.
fn walk<E>(id: Id, most: Most, mut get: impl FnMut(Id) -> Result<Option<Bytes>, E>) -> Result<Vec<(Id, Bytes)>, E> {
    let mut reading = Reading::new(most);
    let mut next = Some(id);
    while let Some(id) = next
        && let Some(blob) = get(id)?
    {
        next = reading.push(id, blob).first().copied();
    }
    Ok(reading.blobs)
}

/// Seconds since 1970.
#[must_use]
pub fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

// === impl Held ===

impl Held {
    fn set(&self, responses: u64, bytes: u64) {
        self.responses.store(responses, Relaxed);
        self.bytes.store(bytes, Relaxed);
    }

    /// How many responses.
    #[must_use]
    pub fn responses(&self) -> u64 {
        self.responses.load(Relaxed)
    }

    /// What they take, as `max_bytes` counts it.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }
}

// === impl Reading ===

impl Reading {
    fn new(most: Most) -> Reading {
        Reading { most, blobs: Vec::new(), bytes: 0, read: 0 }
    }

    /// How many of the next ones may be asked for at once: no more than there is room for if they are like the largest so far.
    fn room(&self) -> usize {
        let largest = self.blobs.iter().map(|(_, blob)| blob.len()).max().unwrap_or(1).max(1);
        let left = self.most.bytes.saturating_sub(self.bytes).min(self.most.read.saturating_sub(self.read));
        let by_size = left / largest;
        by_size.min(self.most.responses - self.blobs.len()).max(1)
    }

    /// Takes the next one. What it goes on from, newest first, as far as it tells; nothing where that need not be read.
    fn push(&mut self, id: Id, blob: Bytes) -> Vec<Id> {
        let record = Record::decode(id, blob.clone()).ok();
        self.read = self.read.saturating_add(blob.len());
        self.blobs.push((id, blob));
        let Some(record) = record else { return Vec::new() };
        self.bytes = self.bytes.saturating_add(record.turn.len());
        if self.blobs.len() >= self.most.responses || self.bytes > self.most.bytes || self.read > self.most.read {
            return Vec::new();
        }
        record.previous_response_id.into_iter().chain(record.further).collect()
    }
}

// === impl Stores ===

impl fmt::Debug for Stores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stores(for {:?})", self.ttl)
    }
}

impl Stores {
    fn new(
        ttl: Duration,
        held: Option<Arc<Held>>,
        worker: impl Fn() -> Rc<dyn Backend> + Send + Sync + 'static,
    ) -> Stores {
        Stores { ttl, held, worker: Box::new(worker) }
    }

    /// How much is in it, where this process alone knows.
    #[must_use]
    pub fn held(&self) -> Option<&Arc<Held>> {
        self.held.as_ref()
    }

    /// An end for the worker that asks, within its runtime.
    #[must_use]
    pub fn worker(&self) -> Store {
        Store { ttl: self.ttl, backend: (self.worker)() }
    }
}

// === impl Store ===

impl Store {
    /// When a record that is stored at this second expires.
    #[must_use]
    pub fn expiry(&self, stored_at: u64) -> u64 {
        stored_at.saturating_add(self.ttl.as_secs())
    }

    /// The record, unless it has expired.
    pub async fn get(&self, id: Id) -> Result<Option<Record>, StoreError> {
        Ok(self.get_all(&[id]).await?.pop().flatten())
    }

    /// The records of these, each in its place, as far as they are there and have not expired. The store is asked for
    /// many at a time.
    pub async fn get_all(&self, ids: &[Id]) -> Result<Vec<Option<Record>>, StoreError> {
        let mut records = Vec::with_capacity(ids.len());
        for ids in ids.chunks(AT_ONCE) {
            let blobs = self.backend.get(ids.to_vec()).await?;
            for (id, blob) in ids.iter().zip(blobs) {
                records.push(blob.map(|blob| decode(*id, blob)).transpose()?.flatten());
            }
        }
        Ok(records)
    }

    /// Keeps a record, in place of any with its id. Once this has answered, whoever asks gets it.
    pub async fn put(&self, record: &Record) -> Result<(), StoreError> {
        let blob = record.encode(self.backend.further()).ok_or(StoreError::TooLarge)?;
        self.backend.put(record.id, record.expires_at, blob).await
    }

    /// Takes a record away; whether there was one.
    pub async fn delete(&self, id: Id) -> Result<bool, StoreError> {
        self.backend.delete(id).await
    }

    /// The responses that lead up to this one and itself, oldest first. Whose they are is for the caller to ask; who may have
    /// the last may have all, as it was made by somebody who had them.
    pub async fn chain(&self, id: Id, most: Most) -> Result<Vec<Record>, ChainError> {
        let mut records: Vec<Record> = Vec::new();
        let (mut next, mut bytes, mut read) = (Some(id), 0_usize, 0_usize);
        for (id, blob) in self.backend.chain(id, most).await? {
            if next != Some(id) {
                // It tells of further ones that do not lead up to it.
                return Err(ChainError::Store(StoreError::Damaged(id)));
            }
            read = read.saturating_add(blob.len());
            let record = decode(id, blob)?.ok_or(ChainError::Missing(id))?;
            next = record.previous_response_id;
            bytes = bytes.saturating_add(record.turn.len());
            records.push(record);
        }
        match next {
            _ if bytes > most.bytes => Err(ChainError::TooLarge(most.bytes)),
            _ if read > most.read => Err(ChainError::TooLarge(most.read)),
            Some(_) if records.len() == most.responses => Err(ChainError::TooLong(most.responses)),
            Some(id) => Err(ChainError::Missing(id)),
            None => {
                records.reverse();
                Ok(records)
            }
        }
    }
}

/// The record, unless it has expired.
fn decode(id: Id, blob: Bytes) -> Result<Option<Record>, StoreError> {
    let record = Record::decode(id, blob).map_err(|_| StoreError::Damaged(id))?;
    Ok((now() < record.expires_at).then_some(record))
}
