//! What backends that speak Anthropic's Messages are sent, over real sockets, and what the echo backend answers in their place.

#![allow(clippy::unwrap_used)] // to clippy, the helpers of tests are no tests

use bytes::Bytes;
use hardwire::env::Env;
use hardwire::protocol::rewrite::Rewrite;
use hardwire::protocol::splice::Chunks;
use hardwire::table::ModelId;
use hardwire::telemetry::metrics::Recorder;
use hardwire::upstream::{Fleet, Outbound, Upstream};
use hardwire_baked::messages::TABLES;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use http_body_util::BodyExt;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::Instant;

fn named(name: &str) -> ModelId {
    let position = TABLES.models.iter().position(|model| model.name == name).unwrap();
    ModelId(u16::try_from(position).unwrap())
}

/// Sends a body to a model, with these environment variables.
async fn send(
    model: &str,
    env: &[(&str, &str)],
    headers: &[(&'static str, &'static str)],
    body: &'static str,
) -> (StatusCode, String) {
    let env = Env::read(&TABLES, |name| {
        let given = env.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        given.or_else(|| name.ends_with("KEY").then(|| "key".to_owned()))
    });
    let env = env.unwrap();
    let fleet = Arc::new(Fleet::new(&TABLES, &env, None).unwrap());
    let upstream = Upstream::new(&TABLES, fleet, Arc::new(Recorder::new(&TABLES)));
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    let start = body.find("\"m\"").unwrap();
    let outbound = Outbound {
        headers: map,
        body: Chunks::from(Bytes::from_static(body.as_bytes())),
        rewrite: Rewrite::of_model(start..start + 3),
        deadline: Instant::now() + Duration::from_secs(5),
    };
    let response = upstream.send(named(model), outbound).await.answer.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

/// The head of the request that a backend at this address gets. `place` says which variable tells the address, and how.
async fn head(model: &str, place: (&str, &str), headers: &[(&'static str, &'static str)]) -> Vec<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let value = place.1.replace("ADDRESS", &address);
    let backend = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut got = Vec::new();
        while !got.ends_with(b"}") {
            assert!(stream.read_buf(&mut got).await.unwrap() > 0, "the router closed the connection");
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
        String::from_utf8(got).unwrap()
    };
    let env = [(place.0, value.as_str())];
    let ((status, _), got) = tokio::join!(send(model, &env, headers, r#"{"model":"m"}"#), backend);
    assert_eq!(status, StatusCode::OK);
    got.split_once("\r\n\r\n").unwrap().0.split("\r\n").map(str::to_owned).collect()
}

#[track_caller]
fn check(head: &[String], present: &[&str], absent: &[&str]) {
    for line in present {
        assert!(head.iter().any(|other| other == line), "{line} in {head:#?}");
    }
    for name in absent {
        assert!(!head.iter().any(|line| line.starts_with(name)), "{name} in {head:#?}");
    }
}

const HERS: &[(&str, &str)] = &[
    ("anthropic-version", "2023-01-01"),
    ("anthropic-beta", "hers-2025-01-01"),
    ("authorization", "Bearer hers"),
    ("x-api-key", "hers"),
];

#[tokio::test]
async fn the_version_is_told() {
    let plain = head("local", ("LOCAL", "ADDRESS"), &[]).await;
    check(
        &plain,
        &["POST /v1/messages HTTP/1.1", "anthropic-version: 2023-06-01", "authorization: Bearer key"],
        &["x-api-key"],
    );
}

#[tokio::test]
async fn a_client_that_speaks_it_tells_its_own() {
    let hers = head("local", ("LOCAL", "ADDRESS"), HERS).await;
    let told = ["anthropic-version: 2023-01-01", "anthropic-beta: hers-2025-01-01", "authorization: Bearer key"];
    check(&hers, &told, &["x-api-key"]);
}

#[tokio::test]
async fn the_document_has_the_last_word() {
    for url in ["http://ADDRESS", "http://ADDRESS/v1", "http://ADDRESS/v1/messages/"] {
        let head = head("opus", ("ANTHROPIC_URL", url), HERS).await;
        let told =
            ["POST /v1/messages HTTP/1.1", "anthropic-version: 2024-01-01", "anthropic-beta: context-1m-2025-08-07"];
        check(&head, &told, &[]);
        // It has no key of its own.
        check(&head, &["x-api-key: hers", "authorization: Bearer hers"], &[]);
    }
}

#[tokio::test]
async fn the_echo_answers_in_messages() {
    let said = "This is echo-messages. You said: hi";
    let plain = r#"{"model":"m","max_tokens":9,"system":"Be kind.","messages":[{"role":"user","content":"hi"}]}"#;
    let (status, body) = send("echo-messages", &[], &[], plain).await;
    assert_eq!(status, StatusCode::OK);
    assert!(body.starts_with(r#"{"id":"msg_echo_"#), "{body}");
    let usage = r#""usage":{"input_tokens":11,"output_tokens":6}}"#;
    assert!(body.contains(&format!(r#""content":[{{"type":"text","text":"{said}""#)), "{body}");
    assert!(body.contains(r#""model":"echo-messages""#) && body.ends_with(usage), "{body}");
    let stream = r#"{"model":"m","max_tokens":9,"stream":true,"messages":[{"role":"user","content":"hi"}]}"#;
    let (_, body) = send("echo-messages", &[], &[], stream).await;
    let text = body.split("\"text_delta\",\"text\":\"").skip(1).map(|rest| rest.split('"').next().unwrap());
    assert_eq!(text.collect::<String>(), said);
    assert!(body.starts_with("event: message_start\n") && body.ends_with("{\"type\":\"message_stop\"}\n\n"), "{body}");
}

#[tokio::test]
async fn the_echo_refuses_what_anthropic_would() {
    let (status, body) = send("echo-messages", &[], &[], r#"{"model":"m","messages":[]}"#).await;
    let expected =
        r#"{"type":"error","error":{"type":"invalid_request_error","message":"max_tokens: Field required"}}"#;
    assert_eq!((status, body.as_str()), (StatusCode::BAD_REQUEST, expected));
    let (status, _) = send("echo-messages", &[], &[], r#"{"model":"m","max_tokens":1,"messages":{}}"#).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let (status, body) = send("echo-chat", &[], &[], r#"{"model":"m","messages":[]}"#).await;
    assert!(status == StatusCode::OK && body.contains("chat.completion"), "{body}");
}
