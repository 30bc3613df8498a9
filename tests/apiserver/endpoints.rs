//! What each endpoint answers.

use crate::client::{Server, start, start_with};
use crate::tables::{SHA256, tables};
use hardwire::apiserver::Bounds;
use std::sync::atomic::Ordering::Relaxed;

async fn check(server: &Server, method: &str, path: &str, status: u16, body: &str) {
    let reply = server.request(method, path, "", "").await;
    assert_eq!((reply.status, reply.body.as_str()), (status, body), "{method} {path}");
    assert_eq!(reply.header("content-type"), Some("application/json"), "{method} {path}");
    assert_eq!(reply.header("content-length"), Some(body.len().to_string().as_str()), "{method} {path}");
}

/// An error in the apiserver's envelope; its time is not compared.
async fn check_error(server: &Server, method: &str, path: &str, body: &str, status: u16, code: &str) {
    let reply = server.request(method, path, "", body).await;
    assert_eq!(reply.status, status, "{method} {path}: {}", reply.body);
    assert!(reply.body.starts_with(&format!(r#"{{"error":{{"code":"{code}","message":""#)), "{}", reply.body);
    let (_, timestamp) = reply.body.split_once(r#"","timestamp":"20"#).unwrap();
    assert!(timestamp.ends_with(r#"Z"}}"#), "{}", reply.body);
}

#[tokio::test]
async fn endpoints_answer() {
    let server = start().await;
    let ready = r#"{"phase":"ready","ready":true}"#;
    let hash = format!(r#"{{"hash":"{SHA256}","runtime_hash":"{SHA256}","active_hash":"{SHA256}","status":"active"}}"#);
    let versions = format!(
        r#"[{{"version":"{SHA256}","timestamp":"2026-01-02T03:04:05Z","source":"build","filename":"router.yaml"}}]"#
    );
    for (path, body) in [
        ("/health", r#"{"status": "healthy", "service": "classification-api"}"#),
        ("/health?verbose=1", r#"{"status": "healthy", "service": "classification-api"}"#),
        ("/ready", ready),
        ("/startup-status", ready),
        ("/config/router", r#"{"version":"v0.3"}"#),
        ("/config/hash", &hash),
        ("/config/router/versions", &versions),
    ] {
        check(&server, "GET", path, 200, body).await;
    }
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let server = start().await;
    for path in ["/health", "/v1/models", "/config/router", "/metrics"] {
        let get = server.get(path).await;
        let head = server.request("HEAD", path, "", "").await;
        assert_eq!((head.status, head.body.as_str()), (200, ""), "{path}");
        for name in ["content-type", "etag"] {
            assert_eq!(head.header(name), get.header(name), "{path} {name}");
        }
    }
}

#[tokio::test]
async fn readiness_ends_with_the_drain() {
    let server = start().await;
    server.draining.store(true, Relaxed);
    for path in ["/ready", "/startup-status"] {
        let reply = server.get(path).await;
        assert_eq!(reply.status, 503, "{path}");
        assert!(reply.body.starts_with(r#"{"phase":"draining","ready":false,"message":""#), "{}", reply.body);
    }
    assert_eq!(server.get("/health").await.status, 200);
}

const AUTO: &str = r#""object":"model","created":1767323045,"owned_by":"vllm-semantic-router","description":"Intelligent Router for Mixture-of-Models","routing":{"resolution":"virtual","selectable":true,"recipe":"default"}}"#;
const SMALL: &str = r#"{"id":"small","object":"model","created":1767323045,"owned_by":"upstream-endpoint","description":"for everyday","routing":{"resolution":"passthrough","selectable":true}}"#;
const BIG: &str = r#"{"id":"lab/big \"1\"","object":"model","created":1767323045,"owned_by":"upstream-endpoint","routing":{"resolution":"passthrough","selectable":true}}"#;

#[tokio::test]
async fn models_are_listed_as_configured() {
    let virtuals = format!(r#"{{"id":"vllm-sr/auto",{AUTO},{{"id":"auto",{AUTO}"#);
    let few = format!(r#"{{"object":"list","data":[{virtuals}]}}"#);
    check(&start().await, "GET", "/v1/models", 200, &few).await;

    let all = format!(r#"{{"object":"list","data":[{virtuals},{SMALL},{BIG}]}}"#);
    let server = start_with(tables(true, "{}"), Bounds::default()).await;
    check(&server, "GET", "/v1/models", 200, &all).await;
}

#[tokio::test]
async fn a_model_is_found_whether_listed_or_not() {
    let server = start().await;
    let auto = format!(r#"{{"id":"vllm-sr/auto",{AUTO}"#);
    for (path, body) in [
        ("/v1/models/vllm-sr/auto", auto.as_str()),
        ("/v1/models/vllm-sr%2Fauto", &auto),
        ("/v1/models/small", SMALL),
        ("/v1/models/lab/big%20%221%22", BIG),
    ] {
        check(&server, "GET", path, 200, body).await;
    }
    for path in ["/v1/models/smal", "/v1/models/Small", "/v1/models/small/", "/v1/models/%zz", "/v1/models/%FF"] {
        check_error(&server, "GET", path, "", 404, "MODEL_NOT_FOUND").await;
    }
}

#[tokio::test]
async fn a_known_configuration_is_not_sent_again() {
    let server = start().await;
    let etag = format!("\"{SHA256}\"");
    for (headers, status) in [
        (String::new(), 200),
        (format!("if-none-match: {etag}\r\n"), 304),
        (format!("if-none-match: W/{etag}\r\n"), 304),
        (format!("if-none-match: \"other\" , {etag}\r\n"), 304),
        (format!("if-none-match: \"other\"\r\nif-none-match: {etag}\r\n"), 304),
        ("if-none-match: *\r\n".to_owned(), 304),
        ("if-none-match: \"other\"\r\n".to_owned(), 200),
        (format!("if-none-match: {SHA256}\r\n"), 200),
        ("if-none-match:\r\n".to_owned(), 200),
    ] {
        let reply = server.request("GET", "/config/router", &headers, "").await;
        let body = if status == 200 { r#"{"version":"v0.3"}"# } else { "" };
        assert_eq!((reply.status, reply.body.as_str()), (status, body), "{headers}");
        assert_eq!(reply.header("etag"), Some(etag.as_str()), "{headers}");
    }
}

#[tokio::test]
async fn what_is_baked_is_not_written() {
    let server = start().await;
    for (method, path) in [("PATCH", "/config/router"), ("PUT", "/config/router"), ("POST", "/config/router/rollback")]
    {
        check_error(&server, method, path, r#"{"yaml":"version: v0.3"}"#, 409, "RESTART_REQUIRED").await;
        check_error(&server, method, path, "", 409, "RESTART_REQUIRED").await;
    }
}

#[tokio::test]
async fn what_is_not_there_is_told_apart() {
    let server = start().await;
    for path in ["/", "/nothing", "/health/", "/HEALTH", "/v1/models/", "/config", "/v1/chat/completions"] {
        check_error(&server, "GET", path, "", 404, "NOT_FOUND").await;
        check_error(&server, "POST", path, "{}", 404, "NOT_FOUND").await;
    }
    for (method, path, allow) in [
        ("POST", "/health", "GET, HEAD"),
        ("DELETE", "/config/router", "GET, HEAD, PATCH, PUT"),
        ("GET", "/config/router/rollback", "POST"),
        ("HEAD", "/config/router/rollback", "POST"),
        ("OPTIONS", "/v1/models", "GET, HEAD"),
        ("BREW", "/v1/models/small", "GET, HEAD"),
    ] {
        let reply = server.request(method, path, "", "").await;
        assert_eq!((reply.status, reply.header("allow")), (405, Some(allow)), "{method} {path}");
    }
    check_error(&server, "POST", "/metrics", "x", 405, "METHOD_NOT_ALLOWED").await;
}

/// The catalogue of `GET /api/v1`, read back and tried out: each endpoint is there.
#[tokio::test]
async fn the_catalogue_lists_what_is_served() {
    #[derive(serde::Deserialize)]
    struct Overview {
        service: String,
        version: String,
        endpoints: Vec<Line>,
    }
    #[derive(serde::Deserialize)]
    struct Line {
        path: String,
        method: String,
        description: String,
    }
    let server = start().await;
    let overview: Overview = serde_json::from_str(&server.get("/api/v1").await.body).unwrap();
    assert_eq!((overview.service.as_str(), overview.version.as_str()), ("Semantic Router Apiserver", "v1"));
    assert!(overview.endpoints.iter().any(|line| line.path == "/metrics"));
    for Line { path, method, description } in overview.endpoints {
        let body = if method == "POST" { r#"{"text":"x","texts":["x"]}"# } else { "" };
        let status = server.request(&method, &path.replace("{id}", "auto"), "", body).await.status;
        let expected = match () {
            () if description.contains("RESTART_REQUIRED") => 409,
            () if description.contains("UNAVAILABLE") => 503,
            () => 200,
        };
        assert_eq!(status, expected, "{method} {path}");
    }
}
