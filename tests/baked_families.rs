//! A baked router and its client: what signals of every family make of requests, as headers, errors and metrics tell it.

#![allow(clippy::unwrap_used, reason = "a test stops where it stands")]

use hardwire::env::Env;
use hardwire::ingress::{Ingress, Shared, serve};
use hardwire::routing::Routing;
use hardwire::routing::catalog::Catalog;
use hardwire::telemetry::metrics::{Recorder, Registry};
use hardwire::upstream::{Fleet, Upstream};
use hardwire_baked::families::TABLES;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;

/// Who asks, where it does not matter.
const SOMEBODY: &str = "x-user: somebody\r\n";

struct Bench {
    router: SocketAddr,
    recorder: Arc<Recorder>,
}

fn test<F: Future<Output = ()>>(test: impl FnOnce(Bench) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let local = tokio::task::LocalSet::new();
    let run = local.run_until(async move {
        let env = Env::read(&TABLES, |_| None).unwrap();
        let fleet = Arc::new(Fleet::new(&TABLES, &env, None).unwrap());
        let recorder = Arc::new(Recorder::new(&TABLES));
        let shared = Shared {
            tables: &TABLES,
            routing: Arc::new(Routing::new(&TABLES).unwrap()),
            catalog: Arc::new(Catalog::new(&TABLES, SystemTime::UNIX_EPOCH)),
            stores: None,
        };
        let upstream = Upstream::new(&TABLES, fleet, Arc::clone(&recorder));
        let ingress = Ingress::new(&shared, &TABLES.listeners[0], &env, upstream, Arc::clone(&recorder), None);
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let router = socket.local_addr().unwrap();
        let (_stop, stopping) = watch::channel(false);
        tokio::task::spawn_local(serve(socket, Rc::new(ingress), stopping));
        timeout(Duration::from_secs(10), test(Bench { router, recorder })).await.expect("in time");
    });
    runtime.block_on(run);
}

impl Bench {
    /// Sends a chat request with these headers and fields, and gives the whole answer.
    async fn ask(&self, headers: &str, fields: &str) -> String {
        let mut stream = TcpStream::connect(self.router).await.unwrap();
        let body = format!("{{{fields}}}");
        let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: r\r\nconnection: close\r\nx-vsr-debug: true\r\n";
        let length = body.len();
        stream.write_all(format!("{head}{headers}content-length: {length}\r\n\r\n{body}").as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    /// Asks for `auto`, and expects these headers.
    async fn check(&self, headers: &str, fields: &str, expected: &[&str]) {
        let answer = self.ask(headers, &format!(r#""model":"auto",{fields}"#)).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        for line in expected {
            assert!(answer.lines().any(|told| told == *line), "{line}\nis not in\n{answer}");
        }
    }
}

fn said(text: &str) -> String {
    format!(r#""messages":[{{"role":"user","content":"{text}"}}]"#)
}

#[test]
fn texts_are_noticed() {
    test(|bench| async move {
        let cases: &[(&str, &[&str])] = &[
            (
                "why? really?",
                &[
                    "x-vsr-selected-decision: questions",
                    "x-vsr-selected-confidence: 0.5000",
                    "x-vsr-matched-structure: many_questions,brief",
                    "x-vsr-matched-metadata: untagged",
                ],
            ),
            ("why? really? how? so?", &["x-vsr-selected-decision: questions", "x-vsr-selected-confidence: 0.9997"]),
            (
                "what is this about payment_failed, then",
                &[
                    "x-vsr-selected-decision: payment",
                    "x-vsr-selected-confidence: 0.6250",
                    "x-vsr-matched-event: payment",
                ],
            ),
            (
                "a critical payment_failed it is",
                &["x-vsr-selected-decision: sure_payment", "x-vsr-selected-confidence: 1.0000"],
            ),
            ("please draw a large cat", &["x-vsr-selected-decision: image", "x-vsr-matched-modality: DIFFUSION"]),
            ("draw a cat and explain it", &["x-vsr-selected-decision: image", "x-vsr-matched-modality: BOTH"]),
            // Two of eight words, and the bound is a quarter.
            ("todo one two todo three four five six", &["x-vsr-selected-decision: dense_or_fenced"]),
            (
                "Quelle est la capitale de la France ?",
                &[
                    "x-vsr-selected-decision: french",
                    "x-vsr-selected-confidence: 0.8000",
                    "x-vsr-matched-language: fr",
                    "x-vsr-retention-drop: false",
                    "x-vsr-retention-ttl-turns: 0",
                    "x-vsr-retention-prefer-prefix: true",
                ],
            ),
            (
                "海についての詩を書いてください、お願いします",
                &["x-vsr-selected-decision: surely_japanese", "x-vsr-matched-language: ja"],
            ),
            // What is in doubt counts as English, but not as surely as this router wants it.
            ("1234567890 1234567890", &["x-vsr-selected-model: small"]),
            ("a contract, and ``` fences", &["x-vsr-matched-projections: high", "x-vsr-matched-keywords: legal"]),
        ];
        for (text, expected) in cases {
            bench.check(SOMEBODY, &said(text), expected).await;
        }
        let metrics = Registry::new(&TABLES, vec![Arc::clone(&bench.recorder)]).render();
        for line in [
            r#"llm_signal_match_total{signal_type="structure",signal_name="many_questions",recipe="default"} 2"#,
            r#"llm_signal_match_total{signal_type="event",signal_name="payment",recipe="default"} 2"#,
            r#"llm_signal_extraction_total{signal_type="event",signal_name="payment",recipe="default"} 11"#,
        ] {
            assert!(metrics.lines().any(|counted| counted == line), "{line}\nis not in\n{metrics}");
        }
    });
}

#[test]
fn what_comes_with_texts_is_noticed() {
    test(|bench| async move {
        let long = said("a request of some length");
        let denied = format!(r#"{long},"metadata":{{"consent":"denied","tag":"x"}}"#);
        bench.check(SOMEBODY, &denied, &["x-vsr-selected-decision: denied", "x-vsr-matched-metadata: denied"]).await;
        let tools = r#""tools":[{"type":"function"}],"messages":[{"role":"system","content":"a"},{"role":"assistant","content":"b"},{"role":"tool","content":"c"},{"role":"user","content":"and now for more"}]"#;
        bench.check(SOMEBODY, tools, &["x-vsr-matched-conversation: tools,long_talk"]).await;
        let tenant = format!(r#"{long},"metadata":{{"tenant":"a"}}"#);
        for who in ["x-user: root\r\n", "x-user: ops\r\n", "x-user: u\r\nx-authz-user-groups: other, platform\r\n"] {
            bench.check(who, &tenant, &["x-vsr-selected-decision: admin", "x-vsr-matched-authz: admin"]).await;
        }
        for who in ["x-user: u\r\nx-authz-user-groups: platforms\r\n", "x-user: Root\r\n"] {
            let answer = bench.ask(who, &format!(r#""model":"auto",{tenant}"#)).await;
            assert!(answer.starts_with("HTTP/1.1 200") && !answer.contains("x-vsr-matched-authz"), "{answer}");
        }
    });
}

#[test]
fn who_does_not_tell_who_asks_is_refused() {
    test(|bench| async move {
        let asked = said("a contract");
        // What is told twice is not told: one of the two may be the client's own.
        for headers in ["", "x-user: \r\n", "x-authz-user-id: root\r\n", "x-user: root\r\nx-user: u\r\n"] {
            let answer = bench.ask(headers, &format!(r#""model":"auto",{asked}"#)).await;
            assert!(answer.starts_with("HTTP/1.1 403") && answer.contains("does not tell who"), "{answer}");
        }
        // Roles are for decisions: who names a model needs none.
        let answer = bench.ask("", &format!(r#""model":"small",{asked}"#)).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    });
}

#[test]
fn metadata_that_cannot_be_read_are_refused() {
    test(|bench| async move {
        for metadata in ["[]", "7", &format!(r#"{{"k":"{}"}}"#, "v".repeat(2000))] {
            let answer = bench.ask(SOMEBODY, &format!(r#""model":"auto",{},"metadata":{metadata}"#, said("a"))).await;
            assert!(answer.starts_with("HTTP/1.1 400") && answer.contains(r#""param":"metadata""#), "{answer}");
        }
    });
}
