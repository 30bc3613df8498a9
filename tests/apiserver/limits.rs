//! What clients could stretch, and how it ends.

use crate::client::{PATIENCE, Server, read_to_end, start, start_with};
use crate::tables::tables;
use hardwire::apiserver::Bounds;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{sleep, timeout};

const SHORT: Duration = Duration::from_millis(200);

async fn start_within(bounds: Bounds) -> Server {
    start_with(tables(false, "{}"), bounds).await
}

/// The same connection serves a second request after a refused one with a body.
#[tokio::test]
async fn a_refused_body_leaves_the_connection_usable() {
    let server = start().await;
    let body = "x".repeat(100_000);
    let reply = server
        .raw(&format!(
            "PUT /config/router HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}\
             GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
            body.len()
        ))
        .await;
    assert_eq!(reply.status, 409);
    assert!(reply.body.contains("HTTP/1.1 200 OK\r\n"), "{}", reply.body);
    assert!(reply.body.ends_with(r#"{"status": "healthy", "service": "classification-api"}"#), "{}", reply.body);
}

#[tokio::test]
async fn a_body_of_ten_mebibytes_is_read_and_one_byte_more_is_not() {
    const MAX: usize = 10 * 1024 * 1024;
    let server = start().await;
    let head = "PATCH /config/router HTTP/1.1\r\nhost: x\r\n";
    let full = "x".repeat(MAX);

    // Announced: refused before the first body byte is sent.
    let reply = server.raw(&format!("{head}content-length: {}\r\n\r\n", MAX + 1)).await;
    assert_eq!((reply.status, reply.header("connection")), (413, Some("close")));
    assert!(reply.body.starts_with(r#"{"error":{"code":"REQUEST_BODY_TOO_LARGE","#), "{}", reply.body);

    // Chunked: read up to the bound.
    let chunked = format!("{head}transfer-encoding: chunked\r\nconnection: close\r\n\r\n{MAX:x}\r\n{full}\r\n");
    assert_eq!(server.raw(&format!("{chunked}0\r\n\r\n")).await.status, 409);
    assert_eq!(server.raw(&format!("{chunked}1\r\nx\r\n")).await.status, 413);
}

#[tokio::test]
async fn a_head_that_does_not_arrive_ends_the_connection() {
    let server = start_within(Bounds { read: SHORT, ..Bounds::default() }).await;
    for beginning in ["", "GET /health HT"] {
        let mut stream = server.connect().await;
        stream.write_all(beginning.as_bytes()).await.unwrap();
        let begin = Instant::now();
        read_to_end(&mut stream).await;
        assert!(begin.elapsed() >= SHORT / 2, "{beginning:?} was cut at once");
    }
}

#[tokio::test]
async fn a_body_that_does_not_arrive_is_a_408() {
    let server = start_within(Bounds { read: SHORT, ..Bounds::default() }).await;
    let reply = server.raw("PUT /config/router HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nabc").await;
    assert_eq!((reply.status, reply.header("connection")), (408, Some("close")));
}

#[tokio::test]
async fn what_is_not_http_is_a_400() {
    let server = start().await;
    for request in ["\x16\x03\x01\x02\r\n\r\n", "GET /health HTTP/9.9\r\n\r\n", "GET\r\n\r\n"] {
        assert_eq!(server.raw(request).await.status, 400, "{request:?}");
    }
    assert_eq!(server.get("/health").await.status, 200);
}

/// A client that does not read its answer holds the only place until it is cut; then the next one is served.
#[tokio::test]
async fn a_client_that_does_not_read_is_cut() {
    let document: &'static str = Box::leak("x".repeat(64 * 1024 * 1024).into_boxed_str());
    let bounds = Bounds { read: SHORT, write: SHORT, connections: 1, ..Bounds::default() };
    let server = start_with(tables(false, document), bounds).await;
    let mut stuck = server.connect().await;
    stuck.write_all(b"GET /config/router HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    stuck.read_exact(&mut [0; 15]).await.unwrap(); // it is being answered
    let begin = Instant::now();
    assert_eq!(timeout(PATIENCE, server.get("/health")).await.unwrap().status, 200);
    assert!(begin.elapsed() >= SHORT, "the place was not taken");
    let read = read_to_end(&mut stuck).await.len();
    assert!(read < document.len(), "{read} bytes were sent in all");
}

/// An idle connection is closed, a running request gets its answer, and new connections are refused.
#[tokio::test]
async fn a_stop_is_orderly() {
    let server = start().await;
    let mut idle = server.connect().await;
    idle.write_all(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    idle.read_exact(&mut [0; 15]).await.unwrap();
    let mut running = server.connect().await;
    running.write_all(b"PUT /config/router HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\na").await.unwrap();
    sleep(SHORT).await; // both are where they should be

    let Server { stop, task, address, .. } = server;
    stop.send(()).unwrap();
    read_to_end(&mut idle).await;
    running.write_all(b"b").await.unwrap();
    let answer = String::from_utf8(read_to_end(&mut running).await).unwrap();
    assert!(answer.starts_with("HTTP/1.1 409 "), "{answer}");
    timeout(PATIENCE, task).await.unwrap().unwrap();
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}

/// A request that does not end in time does not keep the server from stopping.
#[tokio::test]
async fn a_stop_is_bounded() {
    let server = start_within(Bounds { stop: SHORT, ..Bounds::default() }).await;
    let mut stuck = server.connect().await;
    stuck.write_all(b"PUT /config/router HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\na").await.unwrap();
    sleep(SHORT).await;
    let Server { stop, task, .. } = server;
    stop.send(()).unwrap();
    timeout(PATIENCE, task).await.unwrap().unwrap();
    assert_eq!(read_to_end(&mut stuck).await, b"");
}
