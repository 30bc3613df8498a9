//! Storing responses of 10 KB, one after the other and by 64 at once, in memory and in a file; against appending each to a plain
//! file and waiting for the disk, which is the least that a file can cost without sharing the wait. And reading a chain.

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use hardwire::env::Env;
use hardwire::responses::store::{Id, Place, Record, Store, Stores, file, memory, now};
use hardwire::table::{FileStore, MemoryStore, StoreBounds, Text};
use hardwire_baked::models_8;
use std::hint::black_box;
use std::io::Write;
use std::time::Duration;
use tokio::runtime::{Builder, LocalOptions, LocalRuntime};
use tokio::task::JoinSet;

/// Responses that are stored in one measurement.
const RESPONSES: usize = 512;

const BOUNDS: StoreBounds = StoreBounds { responses: 10_000, bytes: 256 << 20 };

fn record(store: &Store, previous: Option<Id>) -> Record {
    let created_at = now();
    let part = |size| Bytes::from(vec![b'x'; size]);
    Record {
        id: Id::random().expect("the system has random bits"),
        scope: None,
        previous_response_id: previous,
        created_at,
        expires_at: store.expiry(created_at),
        response: part(6000),
        input_items: part(2000),
        turn: part(2000),
    }
}

fn stores(folder: &std::path::Path) -> [(&'static str, Stores); 2] {
    let env = Env::read(&models_8::TABLES, |_| None).expect("the document names no variables");
    let place = Place { env: &env, ca_file: None };
    let ttl = Duration::from_secs(3600);
    let path = Text::Baked(folder.join("responses.redb").display().to_string().leak());
    let memory = memory::open(&MemoryStore { ttl, bounds: BOUNDS }, &place).expect("memory is there");
    let file = file::open(&FileStore { path, ttl, bounds: BOUNDS }, &place).expect("the folder takes files");
    [("memory", memory), ("file", file)]
}

async fn store_all(stores: &Stores, at_once: usize) {
    let mut tasks = JoinSet::new();
    for _ in 0..at_once {
        let store = stores.worker();
        tasks.spawn_local(async move {
            for _ in 0..RESPONSES / at_once {
                store.put(&record(&store, None)).await.expect("the store takes it");
            }
        });
    }
    tasks.join_all().await;
}

fn runtime() -> LocalRuntime {
    Builder::new_current_thread().enable_all().build_local(LocalOptions::default()).expect("a runtime")
}

fn put(c: &mut Criterion) {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench-store");
    std::fs::create_dir_all(&folder).expect("the target folder takes folders");
    let runtime = runtime();
    let mut group = c.benchmark_group("store");
    group.sample_size(10).throughput(Throughput::Elements(RESPONSES as u64));
    let stores = stores(&folder);
    for (name, stores) in &stores {
        for at_once in [1, 64] {
            group.bench_function(format!("{name}/put/{at_once}"), |b| {
                b.iter(|| runtime.block_on(store_all(stores, at_once)));
            });
        }
    }
    let mut plain = std::fs::File::create(folder.join("plain")).expect("the folder takes files");
    let bytes = vec![b'x'; 10_000];
    group.bench_function("plain file, synced/append/1", |b| {
        b.iter(|| {
            for _ in 0..RESPONSES {
                plain.write_all(&bytes).expect("the disk has room");
                plain.sync_data().expect("the disk works");
            }
        });
    });
    group.throughput(Throughput::Elements(100));
    for (name, stores) in &stores {
        let store = stores.worker();
        let last = runtime.block_on(async {
            let mut last = None;
            for _ in 0..100 {
                let record = record(&store, last);
                store.put(&record).await.expect("the store takes it");
                last = Some(record.id);
            }
            last.expect("there are a hundred")
        });
        group.bench_function(format!("{name}/chain of 100"), |b| {
            b.iter(|| black_box(runtime.block_on(store.chain(last, 100, usize::MAX)).expect("all are there")));
        });
    }
    drop((group, stores));
    std::fs::remove_dir_all(&folder).expect("it was ours");
}

criterion_group!(benches, put);
criterion_main!(benches);
