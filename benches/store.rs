//! Storing responses of 10 KB, one after the other and by 64 at once, in memory and in a file; against appending each to a plain
//! file and waiting for the disk, which is the least that a file can cost without sharing the wait. And a turn that goes on from
//! 1, 10 and 100 others: what the store takes to find them, what the texts take to become one request, and both together.
//! Where `HARDWIRE_REDIS_SERVER` names the program of a server, it is asked, too.

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use hardwire::env::Env;
use hardwire::protocol::responses::request::Request;
use hardwire::protocol::responses::to_chat::History;
use hardwire::responses::store::{FURTHER, Id, Most, Place, Record, Store, Stores, file, memory, now, redis};
use hardwire::responses::turn::{Memory, Turn, Want};
use hardwire::table::{FileStore, MemoryStore, RedisStore, StoreBounds, Text, UnsupportedTools};
use hardwire_baked::models_8;
use std::hint::black_box;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::runtime::{Builder, LocalOptions, LocalRuntime};
use tokio::task::JoinSet;

/// Responses that are stored in one measurement.
const RESPONSES: usize = 512;

const BOUNDS: StoreBounds = StoreBounds { responses: 10_000, bytes: 256 << 20 };

fn record(store: &Store, before: &[Id]) -> Record {
    let created_at = now();
    let part = |size| Bytes::from(vec![b'x'; size]);
    let turn = [&br#"{"role":"user","content":""#[..], &[b'x'; 2000], br#""}"#].concat();
    let mut before = before.iter().rev().copied();
    Record {
        id: Id::random().expect("the system has random bits"),
        scope: None,
        previous_response_id: before.next(),
        further: before.take(FURTHER).collect(),
        created_at,
        expires_at: store.expiry(created_at),
        response: part(6000),
        input_items: part(2000),
        turn: turn.into(),
    }
}

fn stores(folder: &std::path::Path) -> [(&'static str, Stores); 2] {
    let (ttl, env) = (Duration::from_secs(3600), env());
    let place = Place { env: &env, ca_file: None };
    let path = Text::Baked(folder.join("responses.redb").display().to_string().leak());
    let memory = memory::open(&MemoryStore { ttl, bounds: BOUNDS }, &place).expect("memory is there");
    let file = file::open(&FileStore { path, ttl, bounds: BOUNDS }, &place).expect("the folder takes files");
    [("memory", memory), ("file", file)]
}

fn env() -> Env {
    Env::read(&models_8::TABLES, |_| None).expect("the document names no variables")
}

/// A server of our own, where its program is known.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn redis_store() -> Option<(Server, Stores)> {
    let program = std::env::var("HARDWIRE_REDIS_SERVER").ok()?;
    let free = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port is free");
    let child = Command::new(program)
        .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--port", &free.port().to_string()])
        .stdout(Stdio::null())
        .spawn()
        .expect("the server starts");
    let server = Server(child);
    while TcpStream::connect(free).is_err() {
        std::thread::sleep(Duration::from_millis(10));
    }
    let seconds = Duration::from_secs(5);
    let settings = RedisStore {
        addresses: vec![Text::Baked(free.to_string().leak())].leak(),
        cluster: false,
        db: 0,
        password: None,
        tls: false,
        key_prefix: Text::Baked("bench:"),
        max_retries: 0,
        dial_timeout: seconds,
        read_timeout: seconds,
        write_timeout: seconds,
        ttl: Duration::from_secs(3600),
    };
    let stores = redis::open(&settings, &Place { env: &env(), ca_file: None }).expect("the settings are good");
    Some((server, stores))
}

async fn store_all(stores: &Stores, at_once: usize) {
    let mut tasks = JoinSet::new();
    for _ in 0..at_once {
        let store = stores.worker();
        tasks.spawn_local(async move {
            for _ in 0..RESPONSES / at_once {
                store.put(&record(&store, &[])).await.expect("the store takes it");
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
    drop((group, stores));
    std::fs::remove_dir_all(&folder).expect("it was ours");
}

const MOST: Most = Most { responses: 100, bytes: 1 << 20, read: 1 << 30 };

/// The turns that one goes on from.
const LENGTHS: [usize; 3] = [1, 10, 100];

fn chain(c: &mut Criterion) {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench-chain");
    std::fs::create_dir_all(&folder).expect("the target folder takes folders");
    let runtime = runtime();
    let mut group = c.benchmark_group("chain");
    group.sample_size(20);
    let (server, redis) = redis_store().unzip();
    for (name, stores) in stores(&folder).into_iter().chain(redis.map(|stores| ("redis", stores))) {
        let store = stores.worker();
        let ids = runtime.block_on(async {
            let mut ids = Vec::new();
            for _ in 0..100 {
                let record = record(&store, &ids);
                store.put(&record).await.expect("the store takes it");
                ids.push(record.id);
            }
            ids
        });
        for turns in LENGTHS {
            let last = ids[turns - 1];
            group.throughput(Throughput::Elements(turns as u64));
            group.bench_function(format!("{name}/store/{turns}"), |b| {
                b.iter(|| black_box(runtime.block_on(store.chain(last, MOST)).expect("all are there")));
            });
            let body = Bytes::from(format!(r#"{{"model":"m","input":"And now?","previous_response_id":"{last}"}}"#));
            let read = || Request::read(&body, UnsupportedTools::Refuse).expect("it is a request");
            group.bench_function(format!("{name}/store and text/{turns}"), |b| {
                b.iter(|| {
                    let mut request = read();
                    let turn = Turn::begin(
                        Memory { store: &store, recent: None },
                        &mut request,
                        None,
                        Want::Response,
                        u64::MAX,
                    );
                    black_box(runtime.block_on(turn).expect("all are there"));
                });
            });
            if name == "memory" {
                let turns: Vec<Bytes> = ids[..turns].iter().map(|_| record(&store, &[]).turn).collect();
                group.bench_function(format!("text/{}", turns.len()), |b| {
                    b.iter(|| {
                        black_box(read().to_chat(History { turns: &turns, items: &|_| None }).expect("it is one"))
                    });
                });
            }
        }
    }
    drop((group, server));
    std::fs::remove_dir_all(&folder).expect("it was ours");
}

criterion_group!(benches, put, chain);
criterion_main!(benches);
