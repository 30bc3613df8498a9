//! `/openapi.json` is a sound document, and describes what is served: no more, no less.

#![allow(clippy::disallowed_types, reason = "a test may look at any JSON")]

use crate::client::start;
use crate::tables::tables;
use hardwire::dispatch::operations;
use hardwire::openapi::{Face, MANAGEMENT_ERROR, PUBLIC_ERROR, document};
use serde_json::Value;
use std::collections::BTreeSet;

/// Both faces, as the server puts them together.
async fn whole() -> Value {
    let own: Value = serde_json::from_str(&start().await.get("/openapi.json").await.body).unwrap();
    let public = Face { tag: "public", ports: vec![8801, 8802], error: PUBLIC_ERROR, operations: operations() };
    let mut all: Value = serde_json::from_slice(&document(tables(false, "{}"), &[public])).unwrap();
    for (path, item) in own["paths"].as_object().unwrap() {
        all["paths"].as_object_mut().unwrap().entry(path).or_insert_with(|| item.clone());
    }
    all
}

/// Every operation: method, path, and what is said about it.
fn described(document: &Value) -> Vec<(String, String, &Value)> {
    let paths = document["paths"].as_object().unwrap().iter();
    let methods = paths.flat_map(|(path, item)| item.as_object().unwrap().iter().map(move |one| (path, one)));
    let operations = methods.filter(|(_, (method, _))| *method != "servers");
    operations.map(|(path, (method, operation))| (method.to_ascii_uppercase(), path.clone(), operation)).collect()
}

#[tokio::test]
async fn every_route_is_described() {
    let server = start().await;
    let overview: Value = serde_json::from_str(&server.get("/api/v1").await.body).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let own = overview["endpoints"].as_array().unwrap().iter().map(|line| (text(&line["method"]), text(&line["path"])));
    let public = operations().into_iter().map(|one| (one.method.to_owned(), one.path.to_owned()));
    let served: BTreeSet<_> = own.chain(public).collect();
    let document = whole().await;
    let found: BTreeSet<_> = described(&document).into_iter().map(|(method, path, _)| (method, path)).collect();
    assert_eq!(found, served);
    assert!(served.len() > 20);
}

/// What the specification asks for and a mistake here could break.
#[tokio::test]
async fn the_document_is_sound() {
    let document = whole().await;
    assert_eq!(document["openapi"], "3.0.3");
    assert!(document["info"]["title"].is_string() && document["info"]["version"].is_string());
    let mut ids = BTreeSet::new();
    for (method, path, operation) in described(&document) {
        assert!(path.starts_with('/'), "{path}");
        assert!(ids.insert(operation["operationId"].as_str().unwrap()), "{method} {path}: two of one id");
        let responses = operation["responses"].as_object().unwrap();
        assert!(responses.values().all(|response| response["description"].is_string()), "{method} {path}");
        let parameters = operation["parameters"].as_array().map_or(0, Vec::len);
        assert_eq!(parameters, path.matches('{').count(), "{method} {path}");
        assert!(operation.get("requestBody").is_none() || matches!(method.as_str(), "POST" | "PUT" | "PATCH"));
    }
    let text = document.to_string();
    for reference in text.split("\"$ref\":\"#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(document["components"]["schemas"][name].is_object() || name == MANAGEMENT_ERROR, "{name}");
    }
    for server in document["paths"]["/v1/models"]["servers"].as_array().unwrap() {
        assert!(server["url"].as_str().unwrap().starts_with("http://{host}:"));
        assert_eq!(server["variables"]["host"]["default"], "localhost");
    }
}

#[tokio::test]
async fn people_get_a_page_that_loads_nothing_from_elsewhere() {
    let reply = start().await.get("/docs").await;
    assert_eq!(reply.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(reply.header("content-security-policy").unwrap().starts_with("default-src 'none'"));
    assert!(reply.body.contains("fetch(\"openapi.json\")"));
    for remote in ["http://", "https://", "src=", "@import", "//cdn"] {
        assert!(!reply.body.contains(remote), "{remote}");
    }
}
