//! The apiserver on a loopback port, and a client that sees every byte.

use crate::tables;
use hardwire::apiserver::{Api, Bounds, serve};
use hardwire::routing::Routing;
use hardwire::routing::catalog::Catalog;
use hardwire::table::Tables;
use hardwire::telemetry::metrics::{Recorder, Registry};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, SystemTime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// No exchange of a test takes this long; a test that waits longer has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// A running apiserver.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    /// Of two workers.
    pub(crate) recorders: [Arc<Recorder>; 2],
    pub(crate) draining: Arc<AtomicBool>,
    pub(crate) task: JoinHandle<()>,
    pub(crate) stop: oneshot::Sender<()>,
}

/// 2026-01-02T03:04:05Z.
pub(crate) const STARTED: u64 = 1_767_323_045;

pub(crate) async fn start() -> Server {
    start_with(tables::tables(false, r#"{"version":"v0.3"}"#), Bounds::default()).await
}

pub(crate) async fn start_with(tables: &'static Tables, bounds: Bounds) -> Server {
    let recorders = [Arc::new(Recorder::new(tables)), Arc::new(Recorder::new(tables))];
    let draining = Arc::new(AtomicBool::new(false));
    let started = SystemTime::UNIX_EPOCH + Duration::from_secs(STARTED);
    let catalog = Arc::new(Catalog::new(tables, started));
    let registry = Registry::new(tables, recorders.to_vec());
    let routing = Arc::new(Routing::new(tables).unwrap());
    let api = Api::new(tables, routing, registry, catalog, started, Arc::clone(&draining)).within(bounds);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(serve(listener, Arc::new(api), async move {
        let _: Result<(), _> = stopped.await;
    }));
    Server { address, recorders, draining, task, stop }
}

/// A response, read to the end of the connection.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Reply {
    fn parse(bytes: Vec<u8>) -> Self {
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no response head in {text:?}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Self { status, head: head.to_owned(), body: body.to_owned() }
    }

    /// The value of a header, whose name is given in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let fields = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        fields.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }
}

impl Server {
    /// One request on a connection of its own. `headers` are whole lines with their line ends.
    pub(crate) async fn request(&self, method: &str, path: &str, headers: &str, body: &str) -> Reply {
        let length = if body.is_empty() { String::new() } else { format!("content-length: {}\r\n", body.len()) };
        self.raw(&format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{length}{headers}\r\n{body}"))
            .await
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.request("GET", path, "", "").await
    }

    /// Sends these bytes and reads until the server closes.
    pub(crate) async fn raw(&self, request: &str) -> Reply {
        let mut stream = self.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        Reply::parse(read_to_end(&mut stream).await)
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }
}

/// Everything up to the server's close. A reset counts as one: the server need not read what it refused.
pub(crate) async fn read_to_end(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 16 * 1024];
    loop {
        match timeout(PATIENCE, stream.read(&mut chunk)).await.expect("the server closes in time") {
            Ok(0) | Err(_) => return bytes,
            Ok(read) => bytes.extend_from_slice(&chunk[..read]),
        }
    }
}
