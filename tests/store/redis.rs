//! The store in Redis, against a real server. `HARDWIRE_REDIS_SERVER` names its program: `tests/run` brings one along.

use crate::common;
use hardwire::responses::store::{Id, Place, Store, StoreError, Stores, redis};
use hardwire::table::{RedisStore, Text};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;

/// A server that keeps nothing on the disk.
struct Server {
    port: u16,
    more: Vec<String>,
    child: Child,
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Server {
    fn new(more: &[&str]) -> Server {
        let more: Vec<String> = more.iter().map(|&word| word.to_owned()).collect();
        let port = free_port();
        Server { port, child: start(port, &more), more }
    }

    fn stop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn start_again(&mut self) {
        self.child = start(self.port, &self.more);
    }

    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The first line of the answer to an inline command, and the second where the first is a length.
    fn ask(&self, command: &str) -> String {
        let mut stream = TcpStream::connect(self.address()).unwrap();
        stream.write_all(format!("{command}\r\n").as_bytes()).unwrap();
        let mut lines = BufReader::new(stream).lines();
        let first = lines.next().unwrap().unwrap();
        if first.starts_with('$') { lines.take(4).map_while(Result::ok).collect() } else { first }
    }

    /// How often it was given this command since it was told to forget.
    fn calls(&self, command: &str) -> u64 {
        let mut stream = TcpStream::connect(self.address()).unwrap();
        stream.write_all(b"INFO commandstats\r\nQUIT\r\n").unwrap();
        let told = format!("cmdstat_{command}:calls=");
        let lines = BufReader::new(stream).lines().map_while(Result::ok);
        let calls = lines.filter_map(|line| line.strip_prefix(&told)?.split(',').next()?.parse::<u64>().ok());
        calls.sum()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn start(port: u16, more: &[String]) -> Child {
    let program = std::env::var("HARDWIRE_REDIS_SERVER").expect("the path of a Redis or Valkey server");
    let child = Command::new(program)
        .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--port", &port.to_string()])
        .args(more)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let patience = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(patience.elapsed() < Duration::from_secs(5), "the server does not listen");
        std::thread::sleep(Duration::from_millis(10));
    }
    child
}

fn settings(addresses: &[String]) -> RedisStore {
    let addresses: Vec<Text> = addresses.iter().map(|address| Text::Baked(address.clone().leak())).collect();
    RedisStore {
        addresses: addresses.leak(),
        cluster: false,
        db: 0,
        password: None,
        tls: false,
        key_prefix: Text::Baked("test:"),
        max_retries: 3,
        dial_timeout: Duration::from_secs(2),
        read_timeout: Duration::from_millis(500),
        write_timeout: Duration::from_millis(700),
        ttl: Duration::from_secs(3600),
    }
}

fn open(settings: &RedisStore) -> Stores {
    redis::open(settings, &common::place(&common::env())).unwrap()
}

/// Decrypts what comes in, and passes it on to the server. Where it listens.
async fn tls_before(server: &Server, certificate: &rcgen::CertifiedKey<rcgen::KeyPair>) -> String {
    let key = PrivateKeyDer::try_from(certificate.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("localhost:{}", listener.local_addr().unwrap().port());
    let behind = server.address();
    tokio::task::spawn_local(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let mut server = tokio::net::TcpStream::connect(&behind).await.unwrap();
            // A client that does not trust the certificate leaves.
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            tokio::task::spawn_local(async move { tokio::io::copy_bidirectional(&mut stream, &mut server).await });
        }
    });
    address
}

/// Passes everything on to the server and back, but the answer to the first `DEL`: there the connection breaks. Where it
/// listens.
async fn cutting_before(server: &Server) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let behind = server.address();
    tokio::task::spawn_local(async move {
        let mut has_cut = false;
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            let mut server = tokio::net::TcpStream::connect(&behind).await.unwrap();
            let (mut asked, mut told) = (vec![0; 4096], vec![0; 4096]);
            let mut cuts = false;
            loop {
                tokio::select! {
                    read = client.read(&mut asked) => match read {
                        Ok(0) | Err(_) => break,
                        Ok(n) => {
                            cuts = !has_cut && asked[..n].windows(3).any(|word| word == b"DEL");
                            server.write_all(&asked[..n]).await.unwrap();
                        }
                    },
                    read = server.read(&mut told) => match read {
                        Ok(0) | Err(_) => break,
                        Ok(_) if cuts => {
                            has_cut = true;
                            break;
                        }
                        Ok(n) => client.write_all(&told[..n]).await.unwrap(),
                    },
                }
            }
        }
    });
    address
}

async fn get_fails(store: &Store, within: Duration) -> String {
    let record = common::record(store, None, 30);
    let began = Instant::now();
    let error = store.get(record.id).await.unwrap_err();
    assert!(began.elapsed() < within, "{:?} for {error}", began.elapsed());
    match error {
        StoreError::Unavailable(why) => why,
        other => panic!("{other}"),
    }
}

#[test]
#[ignore = "needs a Redis server: `tests/run e2e` brings one"]
fn chains_expiry_and_workers() {
    let server = Server::new(&[]);
    let stores = open(&settings(&[server.address()]));
    common::on_worker(async {
        common::chains(&stores.worker()).await;
        common::expiry(&stores.worker()).await;
    });
    common::workers(&stores);
}

/// Reading takes as many commands as there are sixty-fourths of the chain, and a turn takes the room of its own text.
#[test]
#[ignore = "needs a Redis server: `tests/run e2e` brings one"]
fn a_long_chain_is_read_in_few_commands() {
    let server = Server::new(&[]);
    let stores = open(&settings(&[server.address()]));
    common::on_worker(async {
        let store = stores.worker();
        let mut chain = Vec::new();
        for turn in 1..=1000 {
            if [1, 2, 65, 66, 100, 1000].contains(&turn) {
                server.ask("CONFIG RESETSTAT");
            }
            let record = common::going_on(&store, &chain, 300);
            store.put(&record).await.unwrap();
            let read = || store.chain(record.id, common::most(1000));
            let commands = match turn {
                1 => [1, 0, 1],
                2 => [2, 0, 1],
                65 => [1, 1, 1],
                66 => [2, 1, 1],
                100 => [1, 2, 1],
                1000 => [1, 16, 1],
                _ => {
                    chain.push(record);
                    continue;
                }
            };
            assert_eq!(read().await.unwrap().len(), turn);
            assert_eq!(["get", "mget", "set"].map(|command| server.calls(command)), commands, "{turn}");
            let length = server.ask(&format!("STRLEN test:response:{}", record.id));
            let text = record.response.len() + record.input_items.len() + record.turn.len();
            assert!(length.trim_start_matches(':').parse::<usize>().unwrap() < text + 1100, "{turn}: {length}");
            chain.push(record);
        }
        // Each in its place, and as many at a time.
        server.ask("CONFIG RESETSTAT");
        let ids: Vec<Id> = chain[..100].iter().map(|record| record.id).collect();
        assert!(store.get_all(&ids).await.unwrap().iter().all(Option::is_some));
        assert_eq!(["get", "mget"].map(|command| server.calls(command)), [0, 2]);
    });
}

#[test]
#[ignore = "needs a Redis server: `tests/run e2e` brings one"]
fn what_one_router_stores_another_goes_on_from() {
    let server = Server::new(&[]);
    let one = RedisStore { db: 3, ..settings(&[server.address()]) };
    let (here, there) = (open(&one), open(&one));
    let elsewhere = open(&settings(&[server.address()]));
    common::on_worker(async {
        let (here, there) = (here.worker(), there.worker());
        let first = common::record(&here, None, 300);
        here.put(&first).await.unwrap();
        let second = common::record(&there, Some(first.id), 300);
        there.put(&second).await.unwrap();
        assert_eq!(here.chain(second.id, common::most(10)).await.unwrap(), [first.clone(), second.clone()]);
        assert_eq!(elsewhere.worker().get(first.id).await, Ok(None));
        let left = common::record(&here, None, 30);
        elsewhere.worker().put(&left).await.unwrap();
        // The key is the documented one, and Redis itself lets it expire.
        let ttl: u64 = server.ask(&format!("TTL test:response:{}", left.id)).trim_start_matches(':').parse().unwrap();
        assert!((3590..=3600).contains(&ttl), "{ttl}");
    });
}

#[test]
#[ignore = "needs a Redis server: `tests/run e2e` brings one"]
fn a_server_that_is_down_is_told_quickly_and_found_again() {
    let mut server = Server::new(&[]);
    let stores = open(&settings(&[server.address()]));
    common::on_worker(async {
        let store = stores.worker();
        let record = common::record(&store, None, 300);
        store.put(&record).await.unwrap();
        server.stop();
        for _ in 0..3 {
            get_fails(&store, Duration::from_millis(500)).await;
        }
        server.start_again();
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(store.get(record.id).await, Ok(None));
        store.put(&record).await.unwrap();
        // A connection that broke while nobody looked costs nobody an answer.
        server.stop();
        server.start_again();
        assert_eq!(store.get(record.id).await, Ok(None));
    });
}

/// What this very request has taken away was there.
#[test]
#[ignore = "needs a Redis server: `tests/run e2e` brings one"]
fn a_deletion_is_told_truly_where_its_answer_is_lost() {
    let server = Server::new(&[]);
    common::on_worker(async {
        let store = open(&settings(&[cutting_before(&server).await])).worker();
        let record = common::record(&store, None, 300);
        store.put(&record).await.unwrap();
        assert_eq!(store.delete(record.id).await, Ok(true));
        assert_eq!((server.calls("del"), store.get(record.id).await), (2, Ok(None)));
        assert_eq!(store.delete(record.id).await, Ok(false));
    });
}

#[test]
#[ignore = "needs a Redis server: `tests/run e2e` brings one"]
fn a_server_that_hangs_is_not_waited_for() {
    let server = Server::new(&[]);
    let stores = open(&settings(&[server.address()]));
    common::on_worker(async {
        let store = stores.worker();
        let record = common::record(&store, None, 300);
        store.put(&record).await.unwrap();
        assert_eq!(server.ask("CLIENT PAUSE 1200 ALL"), "+OK");
        let others = async {
            // The worker goes on meanwhile.
            let mut ticks = 0;
            for _ in 0..40 {
                tokio::time::sleep(Duration::from_millis(10)).await;
                ticks += 1;
            }
            ticks
        };
        let (why, ticks) = tokio::join!(get_fails(&store, Duration::from_millis(600)), others);
        assert!(why.contains("500ms"), "{why}");
        assert_eq!(ticks, 40);
        tokio::time::sleep(Duration::from_millis(1000)).await;
        assert_eq!(store.get(record.id).await, Ok(Some(record)));
    });
}

#[test]
#[ignore = "needs a Redis server: `tests/run e2e` brings one"]
fn one_that_accepts_and_says_nothing_is_given_up_after_the_dial_timeout() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let stores = open(&RedisStore { dial_timeout: Duration::from_millis(400), ..settings(&[address]) });
    common::on_worker(async {
        let store = stores.worker();
        // All who wait share one attempt.
        let began = Instant::now();
        let soon = Duration::from_millis(800);
        tokio::join!(get_fails(&store, soon), get_fails(&store, soon), get_fails(&store, soon));
        assert!(began.elapsed() >= Duration::from_millis(400));
    });
}

#[test]
#[ignore = "needs a Redis server: `tests/run e2e` brings one"]
fn a_password_is_shown_and_not_told() {
    let server = Server::new(&["--requirepass", "correct horse:/@"]);
    let with = |password| open(&RedisStore { password: Some(Text::Baked(password)), ..settings(&[server.address()]) });
    common::on_worker(async {
        common::chains(&with("correct horse:/@").worker()).await;
        let why = get_fails(&with("battery staple").worker(), Duration::from_millis(500)).await;
        assert!(!why.contains("battery"), "{why}");
        get_fails(&open(&settings(&[server.address()])).worker(), Duration::from_millis(500)).await;
    });
}

#[test]
#[ignore = "needs a Redis server: `tests/run e2e` brings one"]
fn tls_is_spoken_with_those_whom_the_ca_file_vouches_for() {
    let server = Server::new(&[]);
    let certificate = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("redis-ca-{}.pem", server.port));
    std::fs::write(&file, certificate.cert.pem()).unwrap();
    common::on_worker(async {
        let address = tls_before(&server, &certificate).await;
        let tls = RedisStore { tls: true, ..settings(std::slice::from_ref(&address)) };
        let env = common::env();
        let stores = redis::open(&tls, &Place { env: &env, ca_file: Some(&file) }).unwrap();
        common::chains(&stores.worker()).await;
        let why = get_fails(&open(&tls).worker(), Duration::from_secs(1)).await;
        assert!(why.contains("certificate"), "{why}");
        get_fails(&open(&settings(&[address])).worker(), Duration::from_secs(3)).await;
    });
    std::fs::remove_file(file).unwrap();
}

#[test]
#[ignore = "needs a Redis server: `tests/run e2e` brings one"]
fn a_cluster_is_found_through_one_of_its_nodes() {
    let node = || {
        let bus = free_port().to_string();
        let file = format!("{}/nodes-{bus}.conf", env!("CARGO_TARGET_TMPDIR"));
        Server::new(&["--cluster-enabled", "yes", "--cluster-port", &bus, "--cluster-config-file", &file])
    };
    let (one, two) = (node(), node());
    assert_eq!(one.ask("CLUSTER ADDSLOTSRANGE 0 8191"), "+OK");
    assert_eq!(two.ask("CLUSTER ADDSLOTSRANGE 8192 16383"), "+OK");
    assert_eq!(one.ask(&format!("CLUSTER MEET 127.0.0.1 {} {}", two.port, two.more[3])), "+OK");
    let patience = Instant::now();
    while ![&one, &two].iter().all(|node| node.ask("CLUSTER INFO").contains("cluster_state:ok")) {
        assert!(patience.elapsed() < Duration::from_secs(15), "the nodes do not find each other");
        std::thread::sleep(Duration::from_millis(100));
    }
    let cluster = RedisStore { cluster: true, ..settings(&[one.address()]) };
    let stores = open(&cluster);
    common::on_worker(async {
        common::chains(&stores.worker()).await;
        common::chains(&open(&RedisStore { ..cluster }).worker()).await;
    });
    common::workers(&stores);
    let held = |node: &Server| node.ask("DBSIZE").trim_start_matches(':').parse::<u32>().unwrap();
    assert!(held(&one) > 50 && held(&two) > 50, "{} {}", held(&one), held(&two));
}
