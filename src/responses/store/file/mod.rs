//! Stored responses in a file of this machine: for one router process, which finds them again after a crash.
//!
//! One thread writes. What has come in while the last transaction went to the disk makes up the next, so that many responses
//! share one wait for the disk. Another thread reads, and waits for no writer. The workers only pass messages, and wait for
//! none of this longer than [`PATIENCE`]. Knows nothing of redb.

mod disk;

use super::due::Dues;
use super::{Answer, Backend, Id, Most, OpenError, Place, StoreError, Stores, now, walk};
use crate::table::FileStore;
use bytes::Bytes;
use disk::{Change, Disk};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// How long a worker waits for the disk.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often expired records are looked for while nothing is written.
const TICK: Duration = Duration::from_secs(60);

/// How long after a failed write the file is opened again, if nothing is written before.
const AGAIN: Duration = Duration::from_secs(1);

/// Changes that share a transaction at most.
const BATCH: usize = 512;

/// What may wait to be written, in KiB; beyond that, workers wait before they hand over.
const WRITE_ROOM: u32 = 64 << 10;

/// Reads that may wait.
const READ_ROOM: usize = 256;

/// Opens the file, which no other process may have open.
pub fn open(settings: &FileStore, place: &Place<'_>) -> Result<Stores, OpenError> {
    let path = PathBuf::from(place.env.text(&settings.path).as_ref());
    let disk = Arc::new(Disk::open(path.clone(), settings.bounds)?);
    let held = Arc::clone(disk.held());
    let shared = Threads::start(disk).map_err(|error| OpenError::File { path, why: error.to_string() })?;
    let store = FileEnd { threads: Arc::new(shared), bytes: settings.bounds.bytes };
    Ok(Stores::new(settings.ttl, Some(held), move || Rc::new(store.clone())))
}

/// A worker's end.
#[derive(Debug, Clone)]
struct FileEnd {
    threads: Arc<Threads>,
    /// What the store may hold.
    bytes: u64,
}

/// The two threads. Dropping this ends them, when they have done what they were asked.
#[derive(Debug)]
struct Threads {
    /// There until the end; dropped before the threads are waited for.
    senders: Option<(Sender<Write>, Sender<Read>)>,
    write_room: Arc<Semaphore>,
    read_room: Arc<Semaphore>,
    handles: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct Write {
    change: Change,
    done: Reply<bool>,
    _room: OwnedSemaphorePermit,
}

#[derive(Debug)]
struct Read {
    ask: Ask,
    _room: OwnedSemaphorePermit,
}

#[derive(Debug)]
enum Ask {
    These(Vec<Id>, Reply<Vec<Option<Bytes>>>),
    Chain(Id, Most, Reply<Vec<(Id, Bytes)>>),
}

type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

#[allow(clippy::needless_pass_by_value, reason = "fits `map_err`")]
fn unavailable(why: impl ToString) -> StoreError {
    StoreError::Unavailable(why.to_string())
}

// === impl FileEnd ===

impl Backend for FileEnd {
    fn get(&self, ids: Vec<Id>) -> Answer<'_, Vec<Option<Bytes>>> {
        Box::pin(self.read(|done| Ask::These(ids, done)))
    }

    fn chain(&self, id: Id, most: Most) -> Answer<'_, Vec<(Id, Bytes)>> {
        Box::pin(self.read(move |done| Ask::Chain(id, most, done)))
    }

    fn put(&self, id: Id, expires_at: u64, blob: Bytes) -> Answer<'_, ()> {
        Box::pin(async move {
            if disk::cost(blob.len()) > self.bytes {
                return Err(StoreError::TooLarge);
            }
            self.write(Change::Put(id, expires_at, blob)).await.map(|_| ())
        })
    }

    fn delete(&self, id: Id) -> Answer<'_, bool> {
        Box::pin(self.write(Change::Delete(id)))
    }
}

impl FileEnd {
    async fn read<T>(&self, ask: impl FnOnce(Reply<T>) -> Ask) -> Result<T, StoreError> {
        patiently(async move {
            let (done, answer) = oneshot::channel();
            let room = Arc::clone(&self.threads.read_room).acquire_owned().await.map_err(unavailable)?;
            self.threads.ask(|(_, reads)| reads.send(Read { ask: ask(done), _room: room }).is_ok())?;
            answer.await.map_err(unavailable)?
        })
        .await
    }

    async fn write(&self, change: Change) -> Result<bool, StoreError> {
        let length = if let Change::Put(_, _, blob) = &change { blob.len() } else { 0 };
        let room = u32::try_from(length / 1024 + 1).unwrap_or(WRITE_ROOM).min(WRITE_ROOM);
        patiently(async move {
            let (done, answer) = oneshot::channel();
            let room = Arc::clone(&self.threads.write_room).acquire_many_owned(room).await.map_err(unavailable)?;
            self.threads.ask(|(writes, _)| writes.send(Write { change, done, _room: room }).is_ok())?;
            answer.await.map_err(unavailable)?
        })
        .await
    }
}

async fn patiently<T>(work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    let late = |_| unavailable(format!("the disk has not answered within {PATIENCE:?}"));
    tokio::time::timeout(PATIENCE, work).await.map_err(late)?
}

// === impl Threads ===

impl Threads {
    fn start(disk: Arc<Disk>) -> std::io::Result<Threads> {
        let (write, writes) = channel();
        let (read, reads) = channel();
        let to_read = Arc::clone(&disk);
        // Takes the senders along where the second thread cannot be started: the first then ends.
        let mut threads = Threads {
            senders: Some((write, read)),
            write_room: Arc::new(Semaphore::new(WRITE_ROOM as usize)),
            read_room: Arc::new(Semaphore::new(READ_ROOM)),
            handles: Vec::new(),
        };
        let named = |name: &str| thread::Builder::new().name(name.to_owned());
        threads.handles.push(named("store-write").spawn(move || write_all(&disk, &writes))?);
        threads.handles.push(named("store-read").spawn(move || read_all(&to_read, &reads))?);
        Ok(threads)
    }

    fn ask(&self, send: impl FnOnce(&(Sender<Write>, Sender<Read>)) -> bool) -> Result<(), StoreError> {
        let sent = self.senders.as_ref().is_some_and(send);
        if sent { Ok(()) } else { Err(unavailable("its thread has ended; the log says why")) }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        drop(self.senders.take());
        for handle in self.handles.drain(..) {
            // A panic has told of itself.
            let _ = handle.join();
        }
    }
}

fn write_all(disk: &Disk, writes: &Receiver<Write>) {
    let mut dues = Dues::default();
    let mut failing = false;
    let mut wait = Duration::ZERO;
    loop {
        let first = match writes.recv_timeout(wait) {
            Ok(write) => Some(write),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        let batch = first.into_iter().chain(writes.try_iter().take(BATCH - 1));
        let (changes, answers): (Vec<_>, Vec<_>) =
            batch.map(|Write { change, done, _room }| (change, (done, _room))).unzip();
        match disk.write(&changes, &mut dues, now()) {
            Ok(done) => {
                wait = if done.more { Duration::ZERO } else { TICK };
                for ((answer, _), was_there) in answers.into_iter().zip(done.was_there) {
                    // Whoever has left does not need to know.
                    let _ = answer.send(Ok(was_there));
                }
                if std::mem::take(&mut failing) {
                    tracing::info!("the response store writes again");
                }
            }
            Err(error) => {
                wait = AGAIN;
                if !std::mem::replace(&mut failing, true) {
                    tracing::error!(%error, "the response store cannot write");
                }
                for (answer, _) in answers {
                    let _ = answer.send(Err(unavailable(&error)));
                }
            }
        }
    }
}

fn read_all(disk: &Disk, reads: &Receiver<Read>) {
    for Read { ask, _room } in reads {
        match ask {
            Ask::These(ids, done) => {
                reply(done, || disk.read(|shelf| ids.iter().map(|id| shelf.get(*id)).collect()));
            }
            Ask::Chain(id, most, done) => reply(done, || disk.read(|shelf| walk(id, most, |id| shelf.get(id)))),
        }
    }
}

/// Answers whoever is still there.
fn reply<T>(done: Reply<T>, work: impl FnOnce() -> Result<T, disk::Error>) {
    if !done.is_closed() {
        let _ = done.send(work().map_err(unavailable));
    }
}
