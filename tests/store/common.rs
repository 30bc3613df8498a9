//! Records, chains and workers: what holds of every store.

use bytes::Bytes;
use hardwire::env::Env;
use hardwire::responses::store::{ChainError, Id, Place, Record, Store, Stores, now};
use hardwire_baked::basic;
use tokio::runtime::{Builder, LocalOptions};

/// A place whose environment says what the baked document asks for, and nothing of a store.
pub(crate) fn env() -> Env {
    Env::read(&basic::TABLES, |_| Some("x".into())).unwrap()
}

pub(crate) fn place(env: &Env) -> Place<'_> {
    Place { env, ca_file: None }
}

/// Runs a future as a worker would.
pub(crate) fn on_worker<T>(future: impl Future<Output = T>) -> T {
    Builder::new_current_thread().enable_all().build_local(LocalOptions::default()).unwrap().block_on(future)
}

/// A record whose parts can be told from those of all others.
pub(crate) fn record(store: &Store, previous: Option<Id>, size: usize) -> Record {
    let id = Id::random().unwrap();
    let created_at = now();
    let part = |name: &str| Bytes::from(format!("{{\"{name}\":\"{id}\"}}{:size$}", "", size = size / 3));
    Record {
        id,
        scope: None,
        previous_response_id: previous,
        created_at,
        expires_at: store.expiry(created_at),
        response: part("response"),
        input_items: part("input"),
        turn: part("turn"),
    }
}

/// A chain of 100 comes back in order, with its own text and no other; it is found to be too long, or broken.
pub(crate) async fn chains(store: &Store) {
    let mut chain: Vec<Record> = Vec::new();
    for _ in 0..100 {
        let record = record(store, chain.last().map(|last| last.id), 300);
        store.put(&record).await.unwrap();
        // It can be chained on at once.
        assert_eq!(store.get(record.id).await.unwrap().as_ref(), Some(&record));
        chain.push(record);
    }
    let last = chain[99].id;
    assert_eq!(store.chain(last, 100, usize::MAX).await.unwrap(), chain);
    assert_eq!(store.chain(chain[9].id, 100, usize::MAX).await.unwrap(), chain[..10]);
    assert_eq!(store.chain(last, 99, usize::MAX).await, Err(ChainError::TooLong(99)));
    assert!(store.delete(chain[40].id).await.unwrap());
    assert!(!store.delete(chain[40].id).await.unwrap());
    assert_eq!(store.chain(last, 100, usize::MAX).await, Err(ChainError::Missing(chain[40].id)));
    assert_eq!(store.chain(chain[39].id, 100, usize::MAX).await.unwrap(), chain[..40]);
    assert_eq!(store.get(Id::random().unwrap()).await, Ok(None));
}

/// What has expired is not there, however the store takes it away.
pub(crate) async fn expiry(store: &Store) {
    let gone = Record { expires_at: now(), ..record(store, None, 30) };
    store.put(&gone).await.unwrap();
    let soon = Record { expires_at: now() + 2, ..record(store, None, 30) };
    store.put(&soon).await.unwrap();
    assert_eq!(store.get(soon.id).await.unwrap().as_ref(), Some(&soon));
    tokio::time::sleep(std::time::Duration::from_millis(2100)).await;
    assert_eq!(store.get(soon.id).await, Ok(None));
    assert_eq!(store.get(gone.id).await, Ok(None));
    let chained = record(store, Some(soon.id), 30);
    store.put(&chained).await.unwrap();
    assert_eq!(store.chain(chained.id, 9, usize::MAX).await, Err(ChainError::Missing(soon.id)));
}

/// Workers on threads of their own write at once, and each finds what the others have written.
pub(crate) fn workers(stores: &Stores) {
    let write = || {
        on_worker(async {
            let store = stores.worker();
            let mut written = Vec::new();
            for _ in 0..50 {
                let record = record(&store, None, 3000);
                store.put(&record).await.unwrap();
                written.push(record);
            }
            written
        })
    };
    let written: Vec<Record> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(write)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(written.len(), 200);
    on_worker(async {
        let store = stores.worker();
        for record in &written {
            assert_eq!(store.get(record.id).await.unwrap().as_ref(), Some(record));
        }
    });
}
