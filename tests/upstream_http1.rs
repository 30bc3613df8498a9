//! Requests over real sockets to a backend whose every byte is written here: which connections are used again, which are not,
//! and what a backend that closes at an awkward moment does to a request.

#![allow(clippy::unwrap_used)] // to clippy, the helpers of tests are no tests

use bytes::Bytes;
use hardwire::env::Env;
use hardwire::protocol::rewrite::Rewrite;
use hardwire::protocol::splice::Chunks;
use hardwire::table::{
    Backend, BackendId, Balance, Config, Endpoint, Http, Limits, Listener, Management, Model, ModelId, Policy,
    Protocol, Reliability, RetryOn, Tables, Target, UnsupportedTools, Url,
};
use hardwire::telemetry::metrics::Recorder;
use hardwire::upstream::{Body, BodyError, Error, Fleet, Outbound, Outcome, Upstream};
use http::{HeaderMap, Response};
use http_body::Body as _;
use http_body_util::BodyExt;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::{Instant, sleep, timeout};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

fn tables(port: u16, first_byte_timeout: Option<Duration>) -> &'static Tables {
    const SECOND: Duration = Duration::from_secs(1);
    let url = Url::Baked { tls: false, host: "127.0.0.1", port, authority: "mock", path: "/v1/chat/completions" };
    let endpoint = Endpoint::Http(Http { url, headers: &[], auth: None });
    let backend = Backend { id: BackendId(0), name: "m_mock", weight: 1, model_id: "theirs", endpoint };
    let retry_on = RetryOn { statuses: &[] };
    let reliability =
        Reliability { balance: Balance::Weighted, retries: None, retry_on, ejection: None, health_check: None };
    let backends = Box::leak(Box::new([backend]));
    let model = Model {
        name: "m",
        description: "",
        lora: None,
        context_window: None,
        quality: None,
        protocol: Protocol::Chat,
        max_output_tokens: 4096,
        makes: hardwire::table::Makes::Words,
        takes_effort: false,
        takes_thinking: true,
        pricing: None,
        reliability,
        backends,
    };
    Box::leak(Box::new(Tables {
        config: Config { source: "router.yaml", sha256: "", json: "{}" },
        env: &[],
        listeners: &[Listener { name: "public", address: "127.0.0.1", port: 0, timeout: SECOND, api_keys: &[] }],
        management: Management { address: "127.0.0.1", port: 0 },
        extproc: None,
        unsupported_tools: UnsupportedTools::Refuse,
        limits: Limits {
            max_body_bytes: 1 << 20,
            header_timeout: SECOND,
            body_timeout: SECOND,
            connect_timeout: SECOND,
            first_byte_timeout,
            idle_timeout: Duration::from_millis(100),
            drain_timeout: SECOND,
        },
        auto_names: &[],
        list_models: true,
        models: Box::leak(Box::new([model])),
        backend_count: 1,
        default_model: Some(ModelId(0)),
        policies: &[&Policy::EMPTY],
        entrypoints: &[],
        resolve: |_| Some(Target::Model(ModelId(0))),
    }))
}

/// What a backend does with one connection: an answer to each request, then it closes, or waits for the other side to.
#[derive(Clone, Copy)]
struct Script {
    answers: &'static [&'static str],
    then: Then,
}

#[derive(Clone, Copy, PartialEq)]
enum Then {
    Close,
    /// Reads one request more, and closes without an answer.
    ReadAndClose,
    Wait,
}

/// What a backend saw on one connection.
#[derive(Debug, Default, Clone, PartialEq)]
struct Seen {
    requests: usize,
    /// The router closed it while the backend waited.
    closed: bool,
}

type Log = Rc<RefCell<Vec<Seen>>>;

/// The next request, or `None` if the connection is closed.
async fn request(stream: &mut TcpStream) -> Option<String> {
    let mut got = Vec::new();
    while !got.ends_with(b"\"theirs\"}") {
        if stream.read_buf(&mut got).await.unwrap_or(0) == 0 {
            return None;
        }
    }
    Some(String::from_utf8(got).unwrap())
}

async fn play(mut stream: TcpStream, script: Script, log: Log, place: usize) {
    for answer in script.answers {
        let Some(request) = request(&mut stream).await else { return };
        assert!(request.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"), "{request}");
        assert!(request.contains("\r\nhost: mock\r\n") && request.contains("\r\ncontent-length: 18\r\n"), "{request}");
        log.borrow_mut()[place].requests += 1;
        stream.write_all(answer.as_bytes()).await.unwrap();
    }
    match script.then {
        Then::Close => {}
        Then::ReadAndClose => {
            if request(&mut stream).await.is_some() {
                log.borrow_mut()[place].requests += 1;
            }
        }
        Then::Wait => {
            let closed = stream.read(&mut [0]).await.unwrap_or(0) == 0;
            log.borrow_mut()[place].closed = closed;
        }
    }
}

/// Runs a test against a backend that plays one script per connection, in this order; further connections are refused.
async fn against<F: Future<Output = ()>>(scripts: &[Script], test: impl FnOnce(Rc<Upstream>, Log) -> F) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let tables = tables(listener.local_addr().unwrap().port(), None);
    let env = Env::read(tables, |_| None).unwrap();
    let fleet = Arc::new(Fleet::new(tables, &env, None).unwrap());
    let upstream = Upstream::new(tables, fleet, Arc::new(Recorder::new(tables)));
    let log = Log::default();
    let local = tokio::task::LocalSet::new();
    let (scripts, seen) = (scripts.to_vec(), Rc::clone(&log));
    local.spawn_local(async move {
        for (place, script) in scripts.into_iter().enumerate() {
            let (stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            seen.borrow_mut().push(Seen::default());
            tokio::task::spawn_local(play(stream, script, Rc::clone(&seen), place));
        }
    });
    timeout(Duration::from_secs(10), local.run_until(test(upstream, log))).await.expect("the test ends in time");
}

async fn send(upstream: &Rc<Upstream>) -> Outcome {
    let body = Bytes::from_static(b"{\"model\":\"m\"}");
    let outbound = Outbound {
        headers: HeaderMap::new(),
        body: Chunks::from(body),
        rewrite: Rewrite::of_model(9..12),
        deadline: Instant::now() + Duration::from_secs(5),
    };
    let outcome = upstream.send(ModelId(0), outbound).await;
    assert_eq!(outcome.attempts, 1);
    outcome
}

async fn answer(upstream: &Rc<Upstream>) -> Response<Body> {
    send(upstream).await.answer.unwrap()
}

/// The body of the answer to one request. What the backend does next has arrived when this returns.
async fn exchange(upstream: &Rc<Upstream>) -> Bytes {
    let body = answer(upstream).await.into_body().collect().await.unwrap().to_bytes();
    sleep(Duration::from_millis(20)).await;
    body
}

fn requests(log: &Log) -> Vec<usize> {
    log.borrow().iter().map(|seen| seen.requests).collect()
}

#[tokio::test]
async fn one_connection_serves_requests_in_turn() {
    let answers: &[&str] = &[
        OK,
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nok",
        OK,
    ];
    against(&[Script { answers, then: Then::Wait }], async |upstream, log| {
        for body in ["ok", "ok", "", "", "ok", "ok"] {
            assert_eq!(exchange(&upstream).await, body);
        }
        assert_eq!(requests(&log), [6]);
    })
    .await;
}

#[tokio::test]
async fn a_body_of_no_bytes_gives_its_connection_back_unread() {
    let answers: &[&str] = &["HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\n", OK];
    against(&[Script { answers, then: Then::Wait }], async |upstream, log| {
        for _ in 0..2 {
            let response = answer(&upstream).await;
            assert!(response.body().is_end_stream());
            assert_eq!(response.body().size_hint().exact(), Some(0));
        }
        assert_eq!(exchange(&upstream).await, "ok");
        assert_eq!(requests(&log), [3]);
    })
    .await;
}

#[tokio::test]
async fn the_last_frame_is_known_to_be_the_last() {
    let answers: &[&str] = &[OK, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n"];
    against(&[Script { answers, then: Then::Wait }], async |upstream, _| {
        for length in [Some(2), None] {
            let mut body = answer(&upstream).await.into_body();
            assert_eq!((body.size_hint().exact(), body.is_end_stream()), (length, false));
            let frame = body.frame().await.unwrap().unwrap();
            assert_eq!(frame.into_data().unwrap(), "ok");
            assert!(body.is_end_stream());
            assert!(body.frame().await.is_none());
        }
    })
    .await;
}

#[tokio::test]
async fn connections_at_the_same_time_are_both_kept() {
    let script = Script { answers: &[OK, OK], then: Then::Wait };
    against(&[script, script], async |upstream, log| {
        for _ in 0..2 {
            tokio::join!(exchange(&upstream), exchange(&upstream));
        }
        assert_eq!(requests(&log), [2, 2]);
    })
    .await;
}

#[tokio::test]
async fn a_connection_that_has_said_too_much_is_not_used_again() {
    let smuggled = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nno";
    for answer in [
        smuggled,
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\ncontent-length: 9\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    ] {
        let answers = Box::leak(Box::new([answer]));
        let scripts = [Script { answers, then: Then::Wait }, Script { answers: &[OK], then: Then::Wait }];
        against(&scripts, async |upstream, log| {
            assert_eq!(exchange(&upstream).await, "ok");
            assert_eq!(exchange(&upstream).await, "ok");
            assert_eq!(requests(&log), [1, 1]);
            assert!(log.borrow()[0].closed);
        })
        .await;
    }
}

#[tokio::test]
async fn an_idle_connection_that_the_backend_gives_up_costs_no_attempt() {
    for then in [Then::Close, Then::ReadAndClose] {
        let scripts = [Script { answers: &[OK], then }, Script { answers: &[OK], then: Then::Wait }];
        against(&scripts, async |upstream, log| {
            assert_eq!(exchange(&upstream).await, "ok");
            assert_eq!(exchange(&upstream).await, "ok");
            assert_eq!(requests(&log), [if then == Then::ReadAndClose { 2 } else { 1 }, 1]);
        })
        .await;
    }
}

#[tokio::test]
async fn a_request_whose_answer_has_begun_is_not_sent_again() {
    let scripts = [
        Script { answers: &[OK, "HTTP/1.1 200 OK\r\ncontent-"], then: Then::Close },
        Script { answers: &[OK], then: Then::Wait },
    ];
    against(&scripts, async |upstream, log| {
        assert_eq!(exchange(&upstream).await, "ok");
        assert!(matches!(send(&upstream).await.answer, Err(Error::Reset(Some(_)))));
        assert_eq!(requests(&log), [2]);
    })
    .await;
}

#[tokio::test]
async fn a_new_connection_that_is_closed_is_a_failure() {
    against(&[Script { answers: &[], then: Then::ReadAndClose }], async |upstream, log| {
        assert!(matches!(send(&upstream).await.answer, Err(Error::Reset(Some(_)))));
        assert_eq!(requests(&log), [1]);
    })
    .await;
}

#[tokio::test]
async fn an_answer_that_is_cut_off_is_an_error() {
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\nno size\r\n",
    ] {
        let answers = Box::leak(Box::new([answer]));
        against(&[Script { answers, then: Then::Close }], async |upstream, _| {
            let mut body = self::answer(&upstream).await.into_body();
            assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "ok");
            assert!(!body.is_end_stream());
            assert!(matches!(body.frame().await, Some(Err(BodyError::Broken(_)))), "{answer:?}");
            assert!(body.frame().await.is_none());
        })
        .await;
    }
}

#[tokio::test]
async fn whoever_stops_reading_closes_the_connection() {
    const HALF: &[&str] = &["HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok"];
    // Before the head, in the middle of the body, and because the backend is silent for too long.
    for (answers, frames) in [(&[""][..], 0), (HALF, 1), (HALF, 2)] {
        against(&[Script { answers, then: Then::Wait }], async |upstream, log| {
            if frames == 0 {
                assert!(timeout(Duration::from_millis(50), send(&upstream)).await.is_err());
            } else {
                let mut body = answer(&upstream).await.into_body();
                assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "ok");
                if frames == 2 {
                    assert!(matches!(body.frame().await, Some(Err(BodyError::Idle))));
                    sleep(Duration::from_millis(20)).await;
                    assert!(log.borrow()[0].closed, "also while the body is still held");
                }
            }
            sleep(Duration::from_millis(20)).await;
            assert!(log.borrow()[0].closed);
        })
        .await;
    }
}

/// Whichever bound comes first: a backend that is not there yet cannot be at work, so the next one may be asked.
#[tokio::test]
async fn a_backend_that_cannot_be_reached_is_not_one_that_does_not_answer() {
    let full = TcpSocket::new_v4().unwrap();
    full.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let full = full.listen(0).unwrap();
    let address = full.local_addr().unwrap();
    // Its queue is full: it does not even refuse.
    let mut queue = Vec::new();
    while let Ok(connected) = timeout(Duration::from_millis(100), TcpStream::connect(address)).await {
        queue.push(connected.unwrap());
        assert!(queue.len() < 8);
    }
    let began = Instant::now();
    let tables = tables(address.port(), Some(Duration::from_millis(100)));
    let fleet = Arc::new(Fleet::new(tables, &Env::read(tables, |_| None).unwrap(), None).unwrap());
    let upstream = Upstream::new(tables, fleet, Arc::new(Recorder::new(tables)));
    assert!(matches!(send(&upstream).await.answer, Err(Error::ConnectTimeout)));
    assert!(began.elapsed() < Duration::from_millis(900));

    let listening = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let tables = self::tables(listening.local_addr().unwrap().port(), Some(Duration::from_millis(100)));
    let fleet = Arc::new(Fleet::new(tables, &Env::read(tables, |_| None).unwrap(), None).unwrap());
    let upstream = Upstream::new(tables, fleet, Arc::new(Recorder::new(tables)));
    assert!(matches!(send(&upstream).await.answer, Err(Error::FirstByteTimeout)));
}
