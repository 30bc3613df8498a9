//! Connections over loopback, against a backend whose every byte the test decides.

use super::*;
use http::StatusCode;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

/// A connection and the backend's end of it.
async fn pair() -> (Connection, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (backend, _) = listener.accept().await.unwrap();
    backend.set_nodelay(true).unwrap();
    (Connection::new(Stream::Tcp(client)), backend)
}

fn request(body: Bytes) -> Request<Chunks> {
    let request = Request::post("/v1/chat/completions").header("host", "h");
    request.body(Chunks::from(body)).unwrap()
}

/// Reads a request whose body is `body` bytes long.
async fn receive(backend: &mut TcpStream, body: usize) {
    let mut got = Vec::new();
    loop {
        if let Some(end) = got.windows(4).position(|four| four == b"\r\n\r\n")
            && got.len() >= end + 4 + body
        {
            assert_eq!(got.len(), end + 4 + body, "more came than the request");
            return;
        }
        assert_ne!(backend.read_buf(&mut got).await.unwrap(), 0, "the request is incomplete");
    }
}

async fn data(connection: &mut Connection) -> Option<Result<Bytes, Error>> {
    timeout(Duration::from_secs(5), poll_fn(|cx| connection.poll_data(cx))).await.expect("data or an end in time")
}

async fn whole_body(connection: &mut Connection) -> Result<Vec<u8>, Error> {
    let mut body = Vec::new();
    while let Some(piece) = data(connection).await {
        body.extend_from_slice(&piece?);
    }
    assert!(connection.is_end_stream());
    Ok(body)
}

/// Whether the pool would keep the connection, and then give it out again.
async fn is_kept(connection: &mut Connection) -> bool {
    // What the backend last did reaches this side while it sleeps.
    sleep(Duration::from_millis(20)).await;
    connection.rest() && poll_fn(|cx| Poll::Ready(connection.is_reusable(cx))).await
}

/// Sends a small request that is answered with these bytes.
async fn exchange(
    connection: &mut Connection,
    backend: &mut TcpStream,
    answer: &[u8],
) -> Result<Response<()>, SendError> {
    let request = request(Bytes::from_static(b"{}"));
    let (response, _) = tokio::join!(connection.send(&request), async {
        receive(backend, 2).await;
        backend.write_all(answer).await.unwrap();
    });
    response
}

#[track_caller]
fn broken(result: Result<Response<()>, SendError>) -> Error {
    match result {
        Err(SendError::Broken(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn one_connection_serves_many_requests() {
    let (mut connection, mut backend) = pair().await;
    for (answer, body) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi", "hi"),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nh\r\n1\r\ni\r\n0\r\n\r\n", "hi"),
        ("HTTP/1.1 204 No Content\r\n\r\n", ""),
        ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n", ""),
    ] {
        exchange(&mut connection, &mut backend, answer.as_bytes()).await.unwrap();
        assert_eq!(whole_body(&mut connection).await.unwrap(), body.as_bytes());
        assert!(is_kept(&mut connection).await, "{answer:?}");
        assert_eq!(connection.read.capacity(), 0, "an idle connection holds no buffer");
    }
}

#[tokio::test]
async fn connections_that_are_not_kept() {
    for answer in [
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nhi",
        "HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nhi",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi!",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhiHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nno",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 2\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
    ] {
        let (mut connection, mut backend) = pair().await;
        exchange(&mut connection, &mut backend, answer.as_bytes()).await.unwrap();
        assert_eq!(whole_body(&mut connection).await.unwrap(), b"hi");
        assert!(!is_kept(&mut connection).await, "{answer:?}");
    }
    // In the middle of a body.
    let (mut connection, mut backend) = pair().await;
    exchange(&mut connection, &mut backend, b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhi").await.unwrap();
    assert_eq!(data(&mut connection).await.unwrap().unwrap(), "hi");
    assert!(!is_kept(&mut connection).await);
}

#[tokio::test]
async fn what_happens_while_idle_is_seen() {
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
    let (mut connection, mut backend) = pair().await;
    exchange(&mut connection, &mut backend, answer).await.unwrap();
    assert!(is_kept(&mut connection).await);
    backend.write_all(b"HTTP/1.1 408 Request Timeout\r\n\r\n").await.unwrap();
    assert!(!is_kept(&mut connection).await, "an answer that nobody asked for");
    let (mut connection, mut backend) = pair().await;
    exchange(&mut connection, &mut backend, answer).await.unwrap();
    drop(backend);
    assert!(!is_kept(&mut connection).await, "closed");
}

#[tokio::test]
async fn closed_at_the_moment_of_use() {
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
    let request = request(Bytes::from_static(b"{}"));
    // In an orderly manner: the request is written, nothing comes back.
    let (mut connection, mut backend) = pair().await;
    exchange(&mut connection, &mut backend, answer).await.unwrap();
    assert!(connection.rest());
    drop(backend);
    assert!(broken(connection.send(&request).await).closed_before_answer());
    // Reset and known to be: not a byte can be written.
    let (mut connection, mut backend) = pair().await;
    exchange(&mut connection, &mut backend, answer).await.unwrap();
    assert!(connection.rest());
    backend.set_zero_linger().unwrap();
    drop(backend);
    sleep(Duration::from_millis(20)).await;
    assert!(matches!(connection.send(&request).await, Err(SendError::Unsent)));
    // The same on a connection that never served is a failure of the backend.
    let (mut connection, backend) = pair().await;
    backend.set_zero_linger().unwrap();
    drop(backend);
    sleep(Duration::from_millis(20)).await;
    assert!(broken(connection.send(&request).await).closed_before_answer());
}

#[tokio::test]
async fn closed_in_the_middle() {
    for (answer, data) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhell", "hell"),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhell\r\n", "hell"),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhell\r\n0\r\n", "hell"),
    ] {
        let (mut connection, mut backend) = pair().await;
        exchange(&mut connection, &mut backend, answer.as_bytes()).await.unwrap();
        drop(backend);
        assert_eq!(self::data(&mut connection).await.unwrap().unwrap(), data);
        assert!(matches!(self::data(&mut connection).await, Some(Err(Error::Truncated))), "{answer:?}");
    }
    let (mut connection, mut backend) = pair().await;
    let request = request(Bytes::new());
    let (result, ()) = tokio::join!(connection.send(&request), async {
        receive(&mut backend, 0).await;
        backend.write_all(b"HTTP/1.1 200 OK\r\ncontent-le").await.unwrap();
        drop(backend);
    });
    let error = broken(result);
    assert!(matches!(error, Error::Truncated) && !error.closed_before_answer(), "it had begun to answer");
    // The end of the connection is the end of the body only where nothing else is said.
    let (mut connection, mut backend) = pair().await;
    exchange(&mut connection, &mut backend, b"HTTP/1.1 200 OK\r\n\r\nhell").await.unwrap();
    backend.write_all(b"o").await.unwrap();
    drop(backend);
    assert_eq!(whole_body(&mut connection).await.unwrap(), b"hello");
    assert!(!is_kept(&mut connection).await);
    // Reset is no end.
    let (mut connection, mut backend) = pair().await;
    exchange(&mut connection, &mut backend, b"HTTP/1.1 200 OK\r\n\r\nhell").await.unwrap();
    assert_eq!(self::data(&mut connection).await.unwrap().unwrap(), "hell");
    backend.set_zero_linger().unwrap();
    drop(backend);
    assert!(matches!(self::data(&mut connection).await, Some(Err(Error::Io(_)))));
}

/// More than all socket buffers on the way hold.
fn large() -> Bytes {
    (0..24 * 1024 * 1024u32).map(|i| (i % 251) as u8).collect::<Vec<_>>().into()
}

#[tokio::test]
async fn a_large_request_goes_out_whole() {
    let (mut connection, mut backend) = pair().await;
    let body = large();
    let mut chunks = Chunks::default();
    // More pieces than one write takes.
    for piece in 0..200 {
        chunks.push(body.slice(piece * body.len() / 200..(piece + 1) * body.len() / 200));
    }
    let request = Request::post("/").body(chunks).unwrap();
    let (response, got) = tokio::join!(connection.send(&request), async {
        let mut got = Vec::new();
        while got.len() < body.len() {
            backend.read_buf(&mut got).await.unwrap();
        }
        backend.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        let rest = got.len() - body.len();
        backend
            .read_exact(&mut vec![0; "POST / HTTP/1.1\r\ncontent-length: 25165824\r\n\r\n".len() - rest])
            .await
            .unwrap();
        got
    });
    assert_eq!(response.unwrap().status(), StatusCode::OK);
    let head = got.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    assert!(body.starts_with(&got[head..]), "in order");
}

#[tokio::test]
async fn an_answer_before_the_request_is_read_is_given_out() {
    for close in [false, true] {
        let (mut connection, mut backend) = pair().await;
        let request = request(large());
        let (response, backend) = tokio::join!(connection.send(&request), async {
            backend.read_exact(&mut [0; 1000]).await.unwrap();
            backend.write_all(b"HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\n{}").await.unwrap();
            // Unread bytes make a close a reset: the upload fails while the answer lies there to be read.
            (!close).then_some(backend)
        });
        assert_eq!(response.unwrap().status(), StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(whole_body(&mut connection).await.unwrap(), b"{}");
        assert!(!is_kept(&mut connection).await);
        drop(backend);
    }
}

#[tokio::test]
async fn an_early_answer_does_not_stop_the_request() {
    let (mut connection, mut backend) = pair().await;
    let request = request(large());
    let length = large().len();
    let (body, _) = tokio::join!(
        async {
            connection.send(&request).await.unwrap();
            whole_body(&mut connection).await
        },
        async {
            backend.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await.unwrap();
            sleep(Duration::from_millis(20)).await;
            receive(&mut backend, length).await;
            backend.write_all(b"2\r\nhi\r\n0\r\n\r\n").await.unwrap();
        }
    );
    assert_eq!(body.unwrap(), b"hi");
    assert!(!is_kept(&mut connection).await);
}

#[tokio::test]
async fn a_slow_answer_comes_out_as_it_comes() {
    let (mut connection, mut backend) = pair().await;
    let request = request(Bytes::from_static(b"{}"));
    let send = async {
        let response = connection.send(&request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let mut pieces = Vec::new();
        while let Some(piece) = data(&mut connection).await {
            pieces.push(piece.unwrap());
        }
        pieces
    };
    let answer = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2;x\r\nde\r\n0\r\nt: v\r\n\r\n";
    let (pieces, ()) = tokio::join!(send, async {
        receive(&mut backend, 2).await;
        for byte in answer {
            backend.write_all(&[*byte]).await.unwrap();
            sleep(Duration::from_millis(1)).await;
        }
    });
    assert_eq!(pieces.concat(), b"abcde");
    assert!(pieces.len() >= 3, "nothing waits for more to come: {pieces:?}");
    assert!(is_kept(&mut connection).await);
}

#[tokio::test]
async fn a_large_answer_comes_out_whole() {
    let (mut connection, mut backend) = pair().await;
    let request = request(Bytes::from_static(b"{}"));
    let body = large();
    let receive_all = async {
        connection.send(&request).await.unwrap();
        assert_eq!(connection.remaining(), Some(body.len() as u64));
        whole_body(&mut connection).await.unwrap()
    };
    let (got, ()) = tokio::join!(receive_all, async {
        receive(&mut backend, 2).await;
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
        backend.write_all(head.as_bytes()).await.unwrap();
        backend.write_all(&body).await.unwrap();
    });
    assert!(got == body);
    assert!(is_kept(&mut connection).await);
}

#[tokio::test]
async fn what_is_no_http_is_refused() {
    for (answer, expected) in [
        ("220 mail.example ESMTP\r\n", "Head("),
        ("HTTP/1.1 101 Switching Protocols\r\n\r\n", "Upgrade"),
        ("HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n", "ContentLength"),
    ] {
        let (mut connection, mut backend) = pair().await;
        let error = broken(exchange(&mut connection, &mut backend, answer.as_bytes()).await);
        assert!(format!("{error:?}").starts_with(expected), "{error:?}");
        assert!(!error.closed_before_answer());
    }
}
