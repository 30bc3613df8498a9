//! The database in the file: the one place that knows redb.
//!
//! Three tables: the records, the order in which they leave, and one number, what all records cost. All that is asked for
//! together goes into one transaction, which is on the disk when `write` returns.

use super::super::due::{Dues, expired_before, rest_of_second};
use super::super::{Held, Id, OpenError};
use crate::table::StoreBounds;
use bytes::Bytes;
pub(super) use redb::Error;
use redb::backends::FileBackend;
use redb::{Database, ReadOnlyTable, ReadableDatabase, ReadableTable, ReadableTableMetadata, Table, TableDefinition};
use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

/// By id: the record's place in the order, then the record.
const RECORDS: TableDefinition<'_, [u8; 16], &[u8]> = TableDefinition::new("responses");
/// Ids by their place.
const ORDER: TableDefinition<'_, u64, [u8; 16]> = TableDefinition::new("order");
/// What all records cost, under [`BYTES`].
const TOTALS: TableDefinition<'_, &str, u64> = TableDefinition::new("totals");
const BYTES: &str = "bytes";

/// How many bytes of a value are its place.
const PLACE: usize = size_of::<u64>();

/// What a record costs beside its own bytes: keys, places, and its share of pages.
const OVERHEAD: u64 = 128;

/// Records that a transaction takes away at most because they have expired, or beyond what it adds.
const PURGE: usize = 1024;

/// Pages that redb keeps in memory. The system keeps the file's pages besides.
const CACHE_BYTES: usize = 8 << 20;

/// What becomes of a record.
#[derive(Debug)]
pub(super) enum Change {
    /// It is there until then, in seconds since 1970.
    Put(Id, u64, Bytes),
    /// It is gone.
    Delete(Id),
}

/// What a transaction did.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Done {
    /// By change: whether the record had been there.
    pub(super) was_there: Vec<bool>,
    /// Whether there is more to take away than one transaction may.
    pub(super) more: bool,
}

/// The database, or why it is not open.
#[derive(Debug)]
pub(super) struct Disk {
    path: PathBuf,
    bounds: StoreBounds,
    /// After a write that failed there is none until it can be opened again.
    database: RwLock<Option<Database>>,
    held: Arc<Held>,
}

/// The records as they were at one moment.
pub(super) struct Snapshot {
    records: ReadOnlyTable<[u8; 16], &'static [u8]>,
}

/// What a record of this length costs.
pub(super) fn cost(length: usize) -> u64 {
    (length as u64).saturating_add(OVERHEAD)
}

// === impl Disk ===

impl Disk {
    /// Opens the file, or makes it. After a crash redb first finds the last transaction that is whole.
    pub(super) fn open(path: PathBuf, bounds: StoreBounds) -> Result<Disk, OpenError> {
        match database(&path) {
            Ok((database, responses, bytes)) => {
                let held = Arc::new(Held::default());
                held.set(responses, bytes);
                Ok(Disk { path, bounds, database: RwLock::new(Some(database)), held })
            }
            Err(Error::DatabaseAlreadyOpen) => Err(OpenError::InUse(path)),
            Err(error) => Err(OpenError::File { path, why: error.to_string() }),
        }
    }

    /// Reads records as they are at this moment, all of them in one transaction. Waits for no writer.
    pub(super) fn read<T>(&self, read: impl FnOnce(&Snapshot) -> Result<T, Error>) -> Result<T, Error> {
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
        let transaction = database.as_ref().ok_or(Error::PreviousIo)?.begin_read()?;
        read(&Snapshot { records: transaction.open_table(RECORDS)? })
    }

    /// Does all of this or, where it fails, nothing of it; takes away what has expired and what has no room.
    pub(super) fn write(&self, changes: &[Change], dues: &mut Dues, now: u64) -> Result<Done, Error> {
        self.reopen()?;
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
        let result = database.as_ref().ok_or(Error::PreviousIo).and_then(|it| self.commit(it, changes, dues, now));
        drop(database);
        if result.is_err() {
            // It trusts itself no more after an error of the disk; the file is as it was before.
            *self.database.write().unwrap_or_else(PoisonError::into_inner) = None;
        }
        result
    }

    fn reopen(&self) -> Result<(), Error> {
        if self.database.read().unwrap_or_else(PoisonError::into_inner).is_none() {
            let (database, ..) = database(&self.path)?;
            *self.database.write().unwrap_or_else(PoisonError::into_inner) = Some(database);
        }
        Ok(())
    }

    fn commit(&self, db: &Database, changes: &[Change], dues: &mut Dues, now: u64) -> Result<Done, Error> {
        let transaction = db.begin_write()?;
        let mut totals = transaction.open_table(TOTALS)?;
        let bytes = totals.get(BYTES)?.map_or(0, |bytes| bytes.value());
        let records = transaction.open_table(RECORDS)?;
        let mut shelf = Shelf { records, order: transaction.open_table(ORDER)?, bytes };
        let mut was_there = Vec::with_capacity(changes.len());
        for change in changes {
            was_there.push(match change {
                Change::Put(id, expires_at, blob) => shelf.put(*id, *expires_at, blob, dues)?,
                Change::Delete(id) => shelf.remove(id.bytes())?,
            });
        }
        let more = shelf.make_room(self.bounds, now, PURGE + 2 * changes.len())?;
        let changed = !changes.is_empty() || shelf.bytes != bytes;
        totals.insert(BYTES, shelf.bytes)?;
        let (responses, bytes) = (shelf.records.len()?, shelf.bytes);
        drop((totals, shelf));
        // Nothing to be done is no reason to wait for the disk.
        if changed {
            transaction.commit()?;
            self.held.set(responses, bytes);
        } else {
            transaction.abort()?;
        }
        Ok(Done { was_there, more })
    }

    /// How many records there are, and what they cost.
    pub(super) fn held(&self) -> &Arc<Held> {
        &self.held
    }

    /// The same, as the file has it.
    #[cfg(test)]
    fn counted(&self) -> (u64, u64) {
        let database = self.database.read().unwrap();
        let transaction = database.as_ref().unwrap().begin_read().unwrap();
        let bytes = transaction.open_table(TOTALS).unwrap().get(BYTES).unwrap().map_or(0, |bytes| bytes.value());
        let (records, order) =
            (transaction.open_table(RECORDS).unwrap().len().unwrap(), transaction.open_table(ORDER).unwrap().len());
        assert_eq!(records, order.unwrap());
        assert_eq!((self.held.responses(), self.held.bytes()), (records, bytes));
        (records, bytes)
    }
}

/// The database, how many records it has, and what they cost.
fn database(path: &Path) -> Result<(Database, u64, u64), Error> {
    let file = FileBackend::new(private_file(path)?)?;
    let database = Database::builder().set_cache_size(CACHE_BYTES).create_with_backend(file)?;
    let transaction = database.begin_write()?;
    let records = transaction.open_table(RECORDS)?.len()?;
    transaction.open_table(ORDER)?;
    let bytes = transaction.open_table(TOTALS)?.get(BYTES)?.map_or(0, |bytes| bytes.value());
    transaction.commit()?;
    Ok((database, records, bytes))
}

/// The file, which nobody else on the machine may read: it holds what users wrote.
fn private_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let new = !path.exists();
    let file = options.open(path)?;
    if new && let Some(parent) = path.parent() {
        // The name must outlive a loss of power, too.
        let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        File::open(parent)?.sync_all()?;
    }
    Ok(file)
}

// === impl Snapshot ===

impl Snapshot {
    /// A record.
    pub(super) fn get(&self, id: Id) -> Result<Option<Bytes>, Error> {
        let value = self.records.get(id.bytes())?;
        Ok(value.map(|value| value.value().get(PLACE..).unwrap_or_default().to_vec().into()))
    }
}

// === impl Shelf ===

/// The tables within a transaction.
struct Shelf<'t> {
    records: Table<'t, [u8; 16], &'static [u8]>,
    order: Table<'t, u64, [u8; 16]>,
    bytes: u64,
}

impl Shelf<'_> {
    fn put(&mut self, id: Id, expires_at: u64, blob: &Bytes, dues: &mut Dues) -> Result<bool, Error> {
        let was_there = self.remove(id.bytes())?;
        let mut due = dues.next(expires_at);
        // An earlier process may have given places within the same second.
        let taken = self.order.range(rest_of_second(due))?.next_back().transpose()?.map(|(place, _)| place.value());
        if let Some(taken) = taken {
            due = dues.after(taken);
        }
        self.order.insert(due, id.bytes())?;
        let mut value = self.records.insert_reserve(id.bytes(), PLACE + blob.len())?;
        let (place, record) = value.as_mut().split_at_mut(PLACE);
        place.copy_from_slice(&due.to_le_bytes());
        record.copy_from_slice(blob);
        self.bytes += cost(blob.len());
        Ok(was_there)
    }

    fn remove(&mut self, id: [u8; 16]) -> Result<bool, Error> {
        let Some(value) = self.records.remove(id)? else { return Ok(false) };
        let value = value.value();
        if let Some(place) = value.first_chunk() {
            self.order.remove(u64::from_le_bytes(*place))?;
        }
        self.bytes = self.bytes.saturating_sub(cost(value.len().saturating_sub(PLACE)));
        Ok(true)
    }

    /// Takes from the front of the order what has expired and what is too much; whether there is more than it may.
    fn make_room(&mut self, bounds: StoreBounds, now: u64, at_most: usize) -> Result<bool, Error> {
        for _ in 0..at_most {
            if !self.too_much(bounds, now)? {
                return Ok(false);
            }
            let Some((place, id)) = self.order.pop_first()?.map(|(place, id)| (place.value(), id.value())) else {
                return Ok(false);
            };
            if !self.remove(id)? {
                tracing::warn!(place, "the response store has lost a record");
            }
        }
        self.too_much(bounds, now)
    }

    fn too_much(&self, bounds: StoreBounds, now: u64) -> Result<bool, Error> {
        let expired = self.order.first()?.is_some_and(|(place, _)| place.value() < expired_before(now));
        Ok(expired || self.bytes > bounds.bytes || self.records.len()? > bounds.responses)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expired_records_are_taken_away_in_bounded_steps() {
        let path = std::env::temp_dir().join(format!("hardwire-disk-{}.redb", Id::random().unwrap()));
        let disk = Disk::open(path.clone(), StoreBounds { responses: 100_000, bytes: 1 << 30 }).unwrap();
        let mut dues = Dues::default();
        let put = |expires_at| Change::Put(Id::random().unwrap(), expires_at, Bytes::from_static(b"0123456789"));
        let many: Vec<Change> = (0..PURGE + 100).map(|_| put(10)).collect();
        let done = disk.write(&many, &mut dues, 9).unwrap();
        assert_eq!(done, Done { was_there: vec![false; many.len()], more: false });
        assert_eq!(disk.counted(), (PURGE as u64 + 100, (PURGE as u64 + 100) * cost(10)));
        assert!(disk.write(&[], &mut dues, 10).unwrap().more);
        assert_eq!(disk.counted().0, 100);
        // Put again under its id it is one, and a later one.
        let (id, kept) = (Id::random().unwrap(), Bytes::from_static(b"kept"));
        let twice = [Change::Put(id, 10, kept.clone()), Change::Put(id, 20, kept.clone())];
        let done = disk.write(&twice, &mut dues, 10).unwrap();
        assert_eq!(done, Done { was_there: vec![false, true], more: false });
        assert_eq!(disk.counted(), (1, cost(4)));
        assert_eq!(disk.read(|records| records.get(id)).unwrap(), Some(kept));
        assert_eq!(disk.write(&[Change::Delete(id)], &mut dues, 10).unwrap().was_there, [true]);
        assert_eq!(disk.counted(), (0, 0));
        drop(disk);
        std::fs::remove_file(path).unwrap();
    }
}
