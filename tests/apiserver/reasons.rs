//! What the endpoints tell that decide for a request without sending it on.

#![allow(clippy::disallowed_types, reason = "a test may look at any JSON")]

use crate::client::{Server, start_with};
use hardwire::apiserver::Bounds;
use hardwire_baked::signals;
use serde_json::{Value, json};

async fn server() -> Server {
    start_with(&signals::TABLES, Bounds::default()).await
}

async fn post(server: &Server, path: &str, body: &Value) -> (u16, Value) {
    let reply = server.request("POST", path, "content-type: application/json\r\n", &body.to_string()).await;
    (reply.status, serde_json::from_str(&reply.body).unwrap())
}

#[tokio::test]
async fn eval_tells_what_was_decided_and_on_what() {
    let server = server().await;
    let (status, told) =
        post(&server, "/api/v1/eval", &json!({ "text": "URGENT: refund of invoice 7, right now" })).await;
    assert_eq!(status, 200);
    assert_eq!(told["original_text"], "URGENT: refund of invoice 7, right now");
    assert_eq!(told["routing_decision"], "urgent_refund");
    assert_eq!(told["selected_model"], "large");
    assert_eq!(
        (told["selection_status"].as_str(), told["selection_method"].as_str()),
        (Some("selected"), Some("static"))
    );
    let result = &told["decision_result"];
    assert_eq!(
        (result["decision_name"].as_str(), result["algorithm"].as_str()),
        (Some("urgent_refund"), Some("static"))
    );
    assert_eq!(result["used_signals"], json!({ "keywords": ["urgent", "refund", "code"], "context": ["long"] }));
    assert_eq!(
        result["matched_signals"],
        json!({ "keywords": ["urgent", "refund", "harmless"], "context": ["short"] })
    );
    assert_eq!(result["unmatched_signals"]["context"], json!(["long"]));
    assert_eq!(told["signal_confidences"]["keyword:urgent"], 1.0);
    assert_eq!(told["recommended_models"], json!(["large"]));
    let first = json!({ "signal": "keyword:urgent", "term": "urgent", "text": "URGENT", "start": 0, "end": 6 });
    assert_eq!(told["signal_evidence"][0], first);
    assert!(told.get("eval_trace").is_none() && told.get("requested_model").is_none());
}

#[tokio::test]
async fn a_trace_has_the_parts_of_every_rule() {
    let server = server().await;
    let (_, told) = post(&server, "/api/v1/eval?trace=true", &json!({ "text": "urgent refund of an invoice" })).await;
    let trace = told["eval_trace"].as_array().unwrap();
    assert_eq!(trace.len(), signals::TABLES.policies[0].decisions.len());
    assert_eq!((&trace[0]["decision_name"], &trace[0]["matched"]), (&json!("urgent_refund"), &json!(true)));
    let root = &trace[0]["root_trace"];
    assert_eq!((&root["node_type"], &root["confidence"]), (&json!("AND"), &json!(1.0)));
    let leaf = json!({ "node_type": "leaf", "signal_type": "keyword", "signal_name": "urgent", "matched": true, "confidence": 1.0 });
    assert_eq!(root["children"][0], leaf);
    assert_eq!(root["children"][2]["node_type"], "NOT");
    let (_, same) = post(&server, "/api/v1/eval", &json!({ "text": "urgent", "options": { "trace": true } })).await;
    assert!(same["eval_trace"].is_array());
}

#[tokio::test]
async fn eval_takes_a_chat_request() {
    let server = server().await;
    let messages = json!([
        { "role": "user", "content": "urgent refund invoice" },
        { "role": "assistant", "content": "yes?" },
        { "role": "user", "content": [{ "type": "text", "text": "use rust" }] },
    ]);
    let (_, told) = post(&server, "/api/v1/eval", &json!({ "messages": messages, "model": "auto" })).await;
    assert_eq!((&told["original_text"], &told["requested_model"]), (&json!("use rust"), &json!("auto")));
    assert_eq!(told["routing_decision"], "match");
    let (_, told) = post(&server, "/api/v1/eval", &json!({ "text": "use rust", "model": "small" })).await;
    assert_eq!((&told["selected_model"], &told["selection_method"]), (&json!("small"), &json!("explicit")));
    assert!(told.get("decision_result").is_none());
}

#[tokio::test]
async fn intent_is_the_decision() {
    let server = server().await;
    let body = json!({ "text": "urgent refund invoice", "options": { "return_probabilities": true } });
    let (status, told) = post(&server, "/api/v1/classify/intent", &body).await;
    assert_eq!(status, 200);
    assert_eq!(
        (&told["classification"]["category"], &told["classification"]["confidence"]),
        (&json!("urgent_refund"), &json!(1.0))
    );
    assert!(told["classification"]["processing_time_ms"].is_u64());
    assert_eq!((&told["recommended_model"], &told["routing_decision"]), (&json!("large"), &json!("urgent_refund")));
    assert_eq!(told["decision_result"]["matched_rules"], json!(["keyword:urgent", "keyword:refund"]));
    assert_eq!(told["probabilities"]["urgent_refund"], 1.0);
}

#[tokio::test]
async fn a_batch_is_many_texts() {
    let server = server().await;
    let texts = json!(["urgent refund invoice", "use rust", "use rust"]);
    let (status, told) =
        post(&server, "/api/v1/classify/batch", &json!({ "texts": texts, "task_type": "intent" })).await;
    assert_eq!((status, &told["total_count"]), (200, &json!(3)));
    assert_eq!(told["results"][1]["category"], "match");
    assert_eq!(told["statistics"]["category_distribution"], json!({ "urgent_refund": 1, "match": 2 }));
    for (body, status, code) in [
        (json!({ "texts": texts, "task_type": "pii" }), 503, "UNIFIED_CLASSIFIER_UNAVAILABLE"),
        (json!({ "texts": texts, "task_type": "poems" }), 400, "INVALID_INPUT"),
        (json!({ "texts": [] }), 400, "INVALID_INPUT"),
        (json!({ "texts": vec!["x"; 1001] }), 400, "INVALID_INPUT"),
        (json!({}), 400, "INVALID_INPUT"),
    ] {
        let (found, told) = post(&server, "/api/v1/classify/batch", &body).await;
        assert_eq!((found, told["error"]["code"].as_str()), (status, Some(code)), "{told}");
    }
}

#[tokio::test]
async fn bad_questions_are_told_what_is_wrong() {
    let server = server().await;
    for path in ["/api/v1/eval", "/api/v1/classify/intent"] {
        for (body, code, part) in [
            (json!({}), "INVALID_INPUT", "text or messages"),
            (json!({ "text": 7 }), "INVALID_INPUT", "invalid type"),
            (json!({ "messages": "hello" }), "INVALID_INPUT", "messages"),
            (json!({ "text": "x", "model": "smal" }), "INVALID_ROUTING_MODEL", "did you mean `small`?"),
        ] {
            let (status, told) = post(&server, path, &body).await;
            assert_eq!((status, told["error"]["code"].as_str()), (400, Some(code)), "{path} {body}: {told}");
            assert!(told["error"]["message"].as_str().unwrap().contains(part), "{told}");
        }
    }
    for path in ["pii", "security", "fact-check", "user-feedback", "combined"] {
        let (status, told) = post(&server, &format!("/api/v1/classify/{path}"), &json!({ "text": "x" })).await;
        assert_eq!((status, told["error"]["code"].as_str()), (503, Some("UNIFIED_CLASSIFIER_UNAVAILABLE")), "{path}");
    }
}
