//! Records, chains and workers: what holds of every store.

use bytes::Bytes;
use hardwire::env::Env;
use hardwire::responses::store::{ChainError, FURTHER, Id, Most, Place, Record, Store, Stores, now};
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
        further: Vec::new(),
        created_at,
        expires_at: store.expiry(created_at),
        response: part("response"),
        input_items: part("input"),
        turn: part("turn"),
    }
}

/// A record that goes on from these, oldest first, and tells of as many as a record may.
pub(crate) fn going_on(store: &Store, chain: &[Record], size: usize) -> Record {
    let mut before = chain.iter().rev().map(|record| record.id);
    let record = record(store, before.next(), size);
    Record { further: before.take(FURTHER).collect(), ..record }
}

/// What must come back. Of further ones, a store keeps what it has use of.
fn told(record: &Record) -> Record {
    Record { further: Vec::new(), ..record.clone() }
}

/// So many responses of any size.
pub(crate) fn most(responses: usize) -> Most {
    Most { responses, bytes: usize::MAX, read: usize::MAX }
}

/// A chain of 100 comes back in order, with its own text and no other; it is found to be too long, or broken.
pub(crate) async fn chains(store: &Store) {
    let mut stored: Vec<Record> = Vec::new();
    for n in 0..100 {
        // Records of earlier versions tell of the previous one alone.
        let record =
            if n < 20 { record(store, stored.last().map(|last| last.id), 300) } else { going_on(store, &stored, 300) };
        store.put(&record).await.unwrap();
        // It can be chained on at once.
        assert_eq!(store.get(record.id).await.unwrap().as_ref().map(told), Some(told(&record)));
        stored.push(record);
    }
    let chain: Vec<Record> = stored.iter().map(told).collect();
    let read = async |id, responses| {
        store.chain(id, most(responses)).await.map(|chain| chain.iter().map(told).collect::<Vec<_>>())
    };
    let last = chain[99].id;
    for length in [1, 2, 10, 20, 21, 64, 65, 66, 84, 85, 99, 100] {
        assert_eq!(read(chain[length - 1].id, 100).await.unwrap(), chain[..length]);
        assert_eq!(read(chain[length - 1].id, length).await.unwrap(), chain[..length]);
        if length > 1 {
            let fewer = length - 1;
            assert_eq!(read(chain[fewer].id, fewer).await, Err(ChainError::TooLong(fewer)));
        }
    }
    let ids: Vec<Id> = chain.iter().map(|record| record.id).chain([Id::random().unwrap()]).collect();
    let all = store.get_all(&ids).await.unwrap();
    assert_eq!(all[..100].iter().map(|record| told(record.as_ref().unwrap())).collect::<Vec<_>>(), chain);
    assert_eq!(all[100..], [None]);
    assert_eq!(store.get_all(&[]).await, Ok(Vec::new()));
    let turns = |chain: &[Record]| chain.iter().map(|record| record.turn.len()).sum::<usize>();
    for length in [1, 30, 100] {
        let bytes = turns(&chain[..length]);
        let last = chain[length - 1].id;
        assert_eq!(store.chain(last, Most { bytes, ..most(100) }).await.unwrap().len(), length);
        let bytes = bytes - 1;
        assert_eq!(store.chain(last, Most { bytes, ..most(100) }).await, Err(ChainError::TooLarge(bytes)));
        // What is stored beside the turns has to be read, too.
        let read = chain[..length].iter().map(Record::size).sum::<usize>() - 1;
        assert_eq!(store.chain(last, Most { read, ..most(100) }).await, Err(ChainError::TooLarge(read)));
        assert!(store.chain(last, Most { read: 1000 * read, ..most(100) }).await.is_ok());
    }
    assert!(store.delete(chain[40].id).await.unwrap());
    assert!(!store.delete(chain[40].id).await.unwrap());
    assert_eq!(read(last, 100).await, Err(ChainError::Missing(chain[40].id)));
    assert_eq!(read(last, 60).await, Err(ChainError::Missing(chain[40].id)));
    assert_eq!(read(last, 59).await, Err(ChainError::TooLong(59)));
    assert_eq!(read(chain[39].id, 100).await.unwrap(), chain[..40]);
    assert!(store.delete(chain[10].id).await.unwrap());
    assert_eq!(read(last, 100).await, Err(ChainError::Missing(chain[40].id)));
    assert_eq!(read(chain[39].id, 100).await, Err(ChainError::Missing(chain[10].id)));
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
    assert_eq!(store.chain(chained.id, most(9)).await, Err(ChainError::Missing(soon.id)));
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
