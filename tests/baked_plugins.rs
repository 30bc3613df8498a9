//! A baked router between a client and a backend: what its decisions do to requests, byte for byte.

#![allow(clippy::unwrap_used, reason = "a test stops where it stands")]

use hardwire::env::Env;
use hardwire::ingress::{Ingress, Shared, serve};
use hardwire::routing::Routing;
use hardwire::routing::catalog::Catalog;
use hardwire::telemetry::metrics::{Recorder, Registry};
use hardwire::upstream::{Fleet, Upstream};
use hardwire_baked::plugins::TABLES;
use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;

/// A head and a body.
#[derive(Debug, Clone, Default)]
struct Message {
    head: String,
    body: String,
}

/// The router, with the backend that all of its models have.
struct Bench {
    router: SocketAddr,
    recorder: Arc<Recorder>,
    /// What the backend got last.
    got: Rc<RefCell<Option<Message>>>,
}

/// Reads one message that tells its length, or ends with the connection.
async fn message(stream: &mut TcpStream) -> Message {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head = head.to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
            if length.is_some_and(|length: usize| body.len() >= length) || body.ends_with("0\r\n\r\n") {
                return Message { head, body: body.to_owned() };
            }
        }
        assert!(stream.read_buf(&mut bytes).await.unwrap() > 0, "closed after {text:?}");
    }
}

fn test<F: Future<Output = ()>>(test: impl FnOnce(Bench) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let local = tokio::task::LocalSet::new();
    let run = local.run_until(async move {
        let backend = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = backend.local_addr().unwrap().to_string();
        let got = Rc::new(RefCell::new(None));
        let seen = Rc::clone(&got);
        tokio::task::spawn_local(async move {
            loop {
                let (mut stream, _) = backend.accept().await.unwrap();
                *seen.borrow_mut() = Some(message(&mut stream).await);
                let answer = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}";
                stream.write_all(answer).await.unwrap();
            }
        });
        let env =
            Env::read(&TABLES, |name| Some(if name == "BACKEND" { address.clone() } else { "k".into() })).unwrap();
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
        timeout(Duration::from_secs(10), test(Bench { router, recorder, got })).await.expect("in time");
    });
    runtime.block_on(run);
}

impl Bench {
    /// Sends a chat request and gives what came back.
    async fn ask(&self, headers: &str, body: &str) -> Message {
        self.got.replace(None);
        let mut stream = TcpStream::connect(self.router).await.unwrap();
        let length = body.len();
        let head = format!("POST /v1/chat/completions HTTP/1.1\r\nhost: r\r\nx-vsr-debug: true\r\n{headers}");
        stream.write_all(format!("{head}content-length: {length}\r\n\r\n{body}").as_bytes()).await.unwrap();
        message(&mut stream).await
    }

    /// Sends a chat request and gives what the backend got of it.
    async fn forwarded(&self, headers: &str, body: &str) -> Message {
        let answer = self.ask(headers, body).await;
        assert!(answer.head.starts_with("http/1.1 200"), "{answer:?}");
        self.got.take().expect("the backend was asked")
    }

    #[track_caller]
    fn counted(&self, line: &str) {
        let metrics = Registry::new(&TABLES, vec![Arc::clone(&self.recorder)]).render();
        assert!(metrics.lines().any(|counted| counted == line), "{line}\nis not in\n{metrics}");
    }
}

fn has(message: &Message, line: &str) -> bool {
    message.head.lines().any(|header| header == line)
}

#[test]
fn a_decision_answers_itself() {
    test(|bench| async move {
        let answer = bench.ask("", r#"{"model":"auto","messages":[{"role":"user","content":"hello"}]}"#).await;
        assert!(bench.got.take().is_none(), "no backend is asked");
        assert!(answer.body.contains(r#""content":"Hello \"you\".\nAll is well.","refusal":null"#), "{answer:?}");
        for line in [
            "x-vsr-fast-response: true",
            "x-vsr-response-path: fast_response",
            "x-vsr-selected-decision: greet",
            "content-type: application/json",
        ] {
            assert!(has(&answer, line), "{line}: {answer:?}");
        }
        assert!(!answer.head.contains("x-vsr-selected-model"), "{answer:?}");
        let streamed = r#"{"model":"auto","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"hello"}]}"#;
        let answer = bench.ask("", streamed).await;
        assert!(has(&answer, "content-type: text/event-stream"), "{answer:?}");
        assert!(
            answer.body.contains(r#""choices":[],"usage":{"#) && answer.body.ends_with("data: [DONE]\n\n"),
            "{answer:?}"
        );
        bench.counted(
            r#"llm_plugin_execution_total{plugin_type="fast_response",decision_name="greet",status="success",recipe="default"} 2"#,
        );
        bench.counted(r#"llm_decision_match_total{decision_name="greet",recipe="default"} 2"#);
        bench.counted(r#"llm_model_requests_total{model="plain"} 0"#);
    });
}

#[test]
fn a_system_prompt_an_adapter_and_headers() {
    test(|bench| async move {
        let body = r#"{ "temperature":1.0, "model":"auto","messages":[{"role":"user","content":"code"}], "chat_template_kwargs": {"x":1E2}}"#;
        let got = bench.forwarded("x-tier: 9\r\nx-team: blue\r\nx-debug: 1\r\n", body).await;
        assert_eq!(
            got.body,
            r#"{ "temperature":1.0, "model":"cs-expert","messages":[{"role":"system","content":"Say \"why\"."},{"role":"user","content":"code"}], "chat_template_kwargs": {"x":1E2,"enable_thinking":true}}"#
        );
        assert!(has(&got, "x-tier: 1") && has(&got, "x-team: blue") && has(&got, "x-team: red"), "{got:?}");
        assert!(!got.head.contains("x-debug"), "{got:?}");
        let answer = bench.ask("", body).await;
        for line in
            ["x-vsr-selected-model: cs-expert", "x-vsr-injected-system-prompt: true", "x-vsr-selected-reasoning: on"]
        {
            assert!(has(&answer, line), "{line}: {answer:?}");
        }
    });
}

#[test]
fn fields_and_tools_are_held_back() {
    test(|bench| async move {
        let body = r#"{"model":"auto","logit_bias":{"1":2},"max_tokens":5000,"n":2,"tools":[{"type":"function"}],"tool_choice":"auto","top_k":3,"messages":[{"role":"user","content":"strict"},{"role":"tool","content":"x"}]}"#;
        let got = bench.forwarded("", body).await;
        assert_eq!(
            got.body,
            r#"{"model":"Qwen/Qwen3-8B","max_tokens":100,"n":1,"messages":[{"role":"user","content":"strict"}],"chat_template_kwargs":{"enable_thinking":false}}"#
        );
        for line in [
            r#"sr_request_params_blocked_total{decision="strict",param="logit_bias",recipe="default"} 1"#,
            r#"sr_request_params_max_tokens_capped_total{decision="strict",recipe="default"} 1"#,
            r#"sr_request_params_max_n_capped_total{decision="strict",recipe="default"} 1"#,
            r#"sr_request_params_unknown_field_stripped_total{decision="strict",recipe="default"} 1"#,
            r#"llm_plugin_execution_total{plugin_type="tools",decision_name="strict",status="success",recipe="default"} 1"#,
        ] {
            bench.counted(line);
        }
        let filtered = r#"{"model":"auto","tools":[{"function":{"name":"list"}},{"function":{"name":"read"}}],"messages":[{"role":"user","content":"tools"}]}"#;
        let expected = r#"{"model":"plain","tools":[{"function":{"name":"read"}}],"messages":[{"role":"user","content":"tools"}]}"#;
        assert_eq!(bench.forwarded("", filtered).await.body, expected);
        let none =
            r#"{"model":"auto","tools":{"function":{"name":"list"}},"messages":[{"role":"user","content":"tools"}]}"#;
        let answer = bench.ask("", none).await;
        assert!(answer.head.starts_with("http/1.1 400 ") && answer.body.contains(r#""param":"tools""#), "{answer:?}");
    });
}

#[test]
fn every_backend_is_told_to_reason_in_its_own_words() {
    test(|bench| async move {
        let ask = |word: &str| {
            format!(
                r#"{{"model":"auto","reasoning_effort":"minimal","messages":[{{"role":"user","content":"{word}"}}]}}"#
            )
        };
        let on = bench.forwarded("", &ask("think")).await.body;
        assert_eq!(
            on,
            r#"{"model":"gpt-oss","messages":[{"role":"user","content":"think"}],"chat_template_kwargs":{"reasoning_effort":"high"}}"#
        );
        let off = bench.forwarded("", &ask("hard")).await.body;
        assert_eq!(
            off,
            r#"{"model":"gpt-oss","messages":[{"role":"user","content":"hard"}],"chat_template_kwargs":{"reasoning_effort":"minimal"}}"#
        );
        let openai = bench.forwarded("", &ask("deep")).await.body;
        assert_eq!(openai, r#"{"model":"gpt","reasoning_effort":"low","messages":[{"role":"user","content":"deep"}]}"#);
        let decided = |decision: &str, model: &str, enabled: &str, effort: &str| {
            bench.counted(&format!(
                r#"llm_reasoning_decisions_total{{category="{decision}",model="{model}",enabled="{enabled}",effort="{effort}",recipe="default"}} 1"#
            ));
        };
        decided("think", "gpt-oss", "true", "high");
        decided("hard", "gpt-oss", "false", "unspecified");
        decided("deep", "gpt", "true", "low");
        for line in [
            r#"llm_reasoning_template_usage_total{family="gpt-oss",param="reasoning_effort"} 2"#,
            r#"llm_reasoning_effort_usage_total{family="gpt-oss",effort="high"} 1"#,
            r#"llm_reasoning_effort_usage_total{family="gpt-oss",effort="low"} 1"#,
        ] {
            bench.counted(line);
        }
    });
}

/// Whoever names a model gets it, and nothing else.
#[test]
fn a_named_model_is_asked_as_the_client_asks() {
    test(|bench| async move {
        let body = r#"{"model":"NAME","reasoning_effort":"low","top_k":1,"messages":[{"role":"user","content":"hello strict"}]}"#;
        for (name, id) in [("qwen", "Qwen/Qwen3-8B"), ("cs-expert", "cs-expert"), ("plain", "plain")] {
            let got = bench.forwarded("x-debug: 1\r\n", &body.replace("NAME", name)).await;
            assert_eq!(got.body, body.replace("NAME", id));
            assert!(has(&got, "x-debug: 1"), "{got:?}");
        }
    });
}
