//! Stored responses in the memory of this process: all workers share them, and nobody has them after a restart.
//!
//! A map of our own under one lock, and not a cache crate: what was stored must be there for the next request, so nothing may
//! judge whether a record is worth keeping; two bounds hold at once, entries and bytes; and what leaves is what would expire
//! first. The lock is held for a few map operations, a record is one allocation, and reading one copies nothing.

use super::due::{Dues, expired_before};
use super::{Answer, Backend, Held, Id, Most, OpenError, Place, StoreError, Stores, now, walk};
use crate::table::{MemoryStore, StoreBounds};
use bytes::Bytes;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a record costs beside its own bytes: its entries in both maps, as full as those get at worst, and the allocator.
const OVERHEAD: u64 = 256;

/// Expired records that one operation takes away at most.
const PURGE: usize = 64;

/// Opens a store that begins empty.
pub fn open(settings: &MemoryStore, _: &Place<'_>) -> Result<Stores, OpenError> {
    let memory = Memory { bounds: settings.bounds, shelf: Arc::default(), held: Arc::default() };
    Ok(Stores::new(settings.ttl, Some(Arc::clone(&memory.held)), move || Rc::new(memory.clone())))
}

/// The store; clones are the same one.
#[derive(Debug, Clone)]
struct Memory {
    bounds: StoreBounds,
    shelf: Arc<Mutex<Shelf>>,
    held: Arc<Held>,
}

#[derive(Debug, Default)]
struct Shelf {
    /// The record and its place in `order`.
    records: HashMap<Id, (u64, Bytes)>,
    order: BTreeMap<u64, Id>,
    dues: Dues,
    /// What all records cost.
    bytes: u64,
}

fn cost(blob: &Bytes) -> u64 {
    (blob.len() as u64).saturating_add(OVERHEAD)
}

// === impl Memory ===

impl Memory {
    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        // Nothing in there is left half done by a panic that could happen.
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put_at(&self, id: Id, expires_at: u64, blob: Bytes, now: u64) -> Result<(), StoreError> {
        if cost(&blob) > self.bounds.bytes {
            return Err(StoreError::TooLarge);
        }
        // Freed after the lock.
        let mut gone = Vec::new();
        let mut shelf = self.shelf();
        gone.extend(shelf.remove(id));
        shelf.purge(now, &mut gone);
        while shelf.records.len() as u64 >= self.bounds.responses || shelf.bytes + cost(&blob) > self.bounds.bytes {
            let Some((_, first)) = shelf.order.first_key_value() else { break };
            let first = *first;
            gone.extend(shelf.remove(first));
        }
        shelf.insert(id, expires_at, blob);
        self.count(&shelf);
        drop(shelf);
        Ok(())
    }

    /// For whoever asks how much there is.
    fn count(&self, shelf: &Shelf) {
        self.held.set(shelf.records.len() as u64, shelf.bytes);
    }
}

impl Backend for Memory {
    fn get(&self, ids: Vec<Id>) -> Answer<'_, Vec<Option<Bytes>>> {
        let shelf = self.shelf();
        let blobs = ids.iter().map(|id| shelf.get(*id)).collect();
        Box::pin(std::future::ready(Ok(blobs)))
    }

    fn chain(&self, id: Id, most: Most) -> Answer<'_, Vec<(Id, Bytes)>> {
        let shelf = self.shelf();
        Box::pin(std::future::ready(walk(id, most, |id| Ok(shelf.get(id)))))
    }

    fn put(&self, id: Id, expires_at: u64, blob: Bytes) -> Answer<'_, ()> {
        Box::pin(std::future::ready(self.put_at(id, expires_at, blob, now())))
    }

    fn delete(&self, id: Id) -> Answer<'_, bool> {
        let mut shelf = self.shelf();
        let gone = shelf.remove(id);
        self.count(&shelf);
        drop(shelf);
        Box::pin(std::future::ready(Ok(gone.is_some())))
    }
}

// === impl Shelf ===

impl Shelf {
    fn get(&self, id: Id) -> Option<Bytes> {
        self.records.get(&id).map(|(_, blob)| blob.clone())
    }

    fn insert(&mut self, id: Id, expires_at: u64, blob: Bytes) {
        let due = self.dues.next(expires_at);
        self.bytes += cost(&blob);
        self.order.insert(due, id);
        self.records.insert(id, (due, blob));
    }

    fn remove(&mut self, id: Id) -> Option<Bytes> {
        let (due, blob) = self.records.remove(&id)?;
        self.order.remove(&due);
        self.bytes -= cost(&blob);
        Some(blob)
    }

    fn purge(&mut self, now: u64, gone: &mut Vec<Bytes>) {
        for _ in 0..PURGE {
            match self.order.first_key_value() {
                Some((&due, &id)) if due < expired_before(now) => gone.extend(self.remove(id)),
                _ => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(responses: u64, bytes: u64) -> Memory {
        Memory { bounds: StoreBounds { responses, bytes }, shelf: Arc::default(), held: Arc::default() }
    }

    fn id(n: u8) -> Id {
        Id::from_bytes([n; 16])
    }

    fn blob(size: usize) -> Bytes {
        vec![b'x'; size].into()
    }

    fn there(memory: &Memory) -> Vec<u8> {
        let mut ids: Vec<u8> = memory.shelf().records.keys().map(|id| id.bytes()[0]).collect();
        ids.sort_unstable();
        ids
    }

    fn check(memory: &Memory) {
        let shelf = memory.shelf();
        assert_eq!(shelf.records.len(), shelf.order.len());
        assert_eq!(shelf.bytes, shelf.records.values().map(|(_, blob)| cost(blob)).sum::<u64>());
        assert!(shelf.records.iter().all(|(id, (due, _))| shelf.order[due] == *id));
        assert_eq!((memory.held.responses(), memory.held.bytes()), (shelf.records.len() as u64, shelf.bytes));
        assert!(shelf.bytes <= memory.bounds.bytes && shelf.records.len() as u64 <= memory.bounds.responses);
    }

    #[test]
    fn the_oldest_leave_when_there_are_too_many() {
        let memory = memory(3, 1 << 20);
        for n in 1..=5 {
            memory.put_at(id(n), 100, blob(10), 0).unwrap();
            check(&memory);
        }
        assert_eq!(there(&memory), [3, 4, 5]);
        // Stored again, it is new and not one more.
        memory.put_at(id(3), 100, blob(10), 0).unwrap();
        assert_eq!(there(&memory), [3, 4, 5]);
        memory.put_at(id(6), 100, blob(10), 0).unwrap();
        assert_eq!(there(&memory), [3, 5, 6]);
        check(&memory);
    }

    #[test]
    fn the_oldest_leave_when_there_is_too_much() {
        let memory = memory(100, 3000);
        for n in 1..=4 {
            memory.put_at(id(n), 100, blob(700), 0).unwrap();
            check(&memory);
        }
        assert_eq!(there(&memory), [2, 3, 4]);
        memory.put_at(id(5), 100, blob(2700), 0).unwrap();
        assert_eq!(there(&memory), [5]);
        assert_eq!(memory.put_at(id(6), 100, blob(2745), 0), Err(StoreError::TooLarge));
        assert_eq!(there(&memory), [5]);
        check(&memory);
    }

    #[test]
    fn expired_records_are_taken_away_in_bounded_steps() {
        let memory = memory(10_000, 1 << 30);
        for n in 0..100 {
            memory.put_at(id(n), 10, blob(1), 0).unwrap();
        }
        memory.put_at(id(200), 20, blob(1), 9).unwrap();
        assert_eq!(there(&memory).len(), 101);
        memory.put_at(id(201), 20, blob(1), 10).unwrap();
        assert_eq!(there(&memory).len(), 102 - PURGE);
        memory.put_at(id(202), 20, blob(1), 10).unwrap();
        assert_eq!(there(&memory), [200, 201, 202]);
        check(&memory);
    }

    #[test]
    fn what_is_removed_is_not_counted_any_more() {
        let memory = memory(10, 1 << 20);
        memory.put_at(id(1), 100, blob(10), 0).unwrap();
        drop(memory.delete(id(1)));
        assert!(memory.shelf().remove(id(1)).is_none());
        check(&memory);
        assert_eq!(memory.shelf().bytes, 0);
    }
}
