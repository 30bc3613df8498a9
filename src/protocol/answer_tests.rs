//! Plain answers of both protocols, and what each becomes in the other one.

#![allow(clippy::needless_pass_by_value)] // rows are written in place
#![allow(clippy::disallowed_types)] // a tree is how a client reads it

use super::*;
use serde_json::{Value, json};

fn context() -> Context {
    Context { model: "logical".to_owned(), id: "made-1".to_owned(), created: 7, include_usage: false }
}

fn rendered(from: Protocol, to: Protocol, body: &Value) -> Result<Value, Failure> {
    let body = Bytes::from(serde_json::to_vec(body).unwrap());
    let written = Answer::read(from, &body).write(to, &context())?.into_inner().concat();
    Ok(serde_json::from_slice(&written).expect("valid JSON"))
}

fn message(content: Value, stop_reason: &str) -> Value {
    json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "logical", "content": content,
        "stop_reason": stop_reason, "stop_sequence": null, "usage": {"input_tokens": 5, "cache_creation_input_tokens": 2,
            "cache_read_input_tokens": 3, "output_tokens": 4}})
}

fn completion(message: Value, finish_reason: &str) -> Value {
    let mut whole = json!({"role": "assistant", "content": null, "refusal": null});
    whole.as_object_mut().unwrap().extend(message.as_object().unwrap().clone());
    json!({"id": "msg_1", "object": "chat.completion", "created": 7, "model": "logical",
        "choices": [{"index": 0, "message": whole, "logprobs": null, "finish_reason": finish_reason}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 14,
            "prompt_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 2}, "completion_tokens_details": {"reasoning_tokens": 0}}})
}

fn text(text: &str) -> Value {
    json!({"type": "text", "text": text})
}

/// The two say the same, each in its protocol.
#[track_caller]
fn check_same(message: Value, completion: Value) {
    assert_eq!(rendered(Protocol::Messages, Protocol::Chat, &message).as_ref(), Ok(&completion));
    let mut back = rendered(Protocol::Chat, Protocol::Messages, &completion).unwrap();
    // Chat always counts reasoning.
    back["usage"].as_object_mut().unwrap().remove("output_tokens_details");
    assert_eq!(back, message);
    assert_eq!(rendered(Protocol::Messages, Protocol::Messages, &message).as_ref(), Ok(&message));
    assert_eq!(rendered(Protocol::Chat, Protocol::Chat, &completion).as_ref(), Ok(&completion));
}

#[test]
fn both_say_the_same() {
    check_same(message(json!([text("a \"b\"\n")]), "end_turn"), completion(json!({"content": "a \"b\"\n"}), "stop"));
    check_same(message(json!([text("a")]), "max_tokens"), completion(json!({"content": "a"}), "length"));
    check_same(message(json!([text("a")]), "refusal"), completion(json!({"content": "a"}), "content_filter"));
    check_same(message(json!([]), "end_turn"), completion(json!({"content": ""}), "stop"));
    let used = |id: &str, input: Value| json!({"type": "tool_use", "id": id, "name": "f", "input": input});
    let call = |id: &str, arguments: &str| json!({"id": id, "type": "function", "function": {"name": "f", "arguments": arguments}});
    check_same(
        message(json!([used("a", json!({"x": "é\n"})), used("b", json!({}))]), "tool_use"),
        completion(json!({"tool_calls": [call("a", r#"{"x":"é\n"}"#), call("b", "{}")]}), "tool_calls"),
    );
    check_same(
        message(
            json!([{"type": "thinking", "thinking": "hm", "signature": "s"}, {"type": "redacted_thinking", "data": "d"},
                {"type": "thinking", "thinking": "", "signature": "t"}, text("a"), used("b", json!({}))]),
            "tool_use",
        ),
        completion(
            json!({"content": "a", "reasoning_content": "hm", "reasoning_details": [
                    {"type": "reasoning.text", "index": 0, "text": "hm", "signature": "s"},
                    {"type": "reasoning.encrypted", "index": 1, "data": "d"},
                    {"type": "reasoning.text", "index": 2, "text": "", "signature": "t"}],
                "thinking_blocks": [{"type": "thinking", "thinking": "hm", "signature": "s"},
                    {"type": "redacted_thinking", "data": "d"}, {"type": "thinking", "thinking": "", "signature": "t"}],
                "tool_calls": [call("b", "{}")]}),
            "tool_calls",
        ),
    );
}

#[test]
fn messages_that_chat_tells_otherwise() {
    let chat =
        |content: Value, stop: &str| rendered(Protocol::Messages, Protocol::Chat, &message(content, stop)).unwrap();
    let tools = json!([{"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"q": 1}},
        {"type": "web_search_tool_result", "tool_use_id": "s", "content": []}, text("a"), {"type": "new"}, {"type": "text", "text": "b", "citations": [{}]}]);
    assert_eq!(chat(tools, "pause_turn"), completion(json!({"content": "ab"}), "stop"));
    assert_eq!(chat(json!([text("a")]), "model_context_window_exceeded")["choices"][0]["finish_reason"], "length");
    assert_eq!(chat(json!([text("a")]), "stop_sequence")["choices"][0]["finish_reason"], "stop");
    assert_eq!(chat(json!([text("a")]), "brand_new")["choices"][0]["finish_reason"], "stop");
    let bare = rendered(Protocol::Messages, Protocol::Chat, &json!({"content": []})).unwrap();
    assert_eq!((&bare["id"], &bare["usage"]["total_tokens"]), (&json!("made-1"), &json!(0)));
}

#[test]
fn completions_as_backends_tell_them() {
    let of = |choice: Value| rendered(Protocol::Chat, Protocol::Messages, &json!({"choices": [choice]}));
    let said = |message: Value| of(json!({"message": message, "finish_reason": "stop"})).unwrap();
    let refused = said(json!({"content": null, "refusal": "no"}));
    assert_eq!((&refused["content"], &refused["stop_reason"]), (&json!([text("no")]), &json!("refusal")));
    let thought = json!([{"type": "thinking", "thinking": "hm", "signature": ""}, text("a")]);
    assert_eq!(said(json!({"content": "a", "reasoning_content": "hm"}))["content"], thought);
    assert_eq!(said(json!({"content": "a", "reasoning": "hm"}))["content"], thought);
    assert_eq!(said(json!({"content": [text("a"), text("b")]}))["content"], json!([text("ab")]));
    let mistral =
        json!([{"type": "thinking", "thinking": [text("hm")]}, text("a"), {"type": "reference", "reference_ids": [1]}]);
    assert_eq!(said(json!({"content": mistral}))["content"], thought);
    let ended = |reason: &str| of(json!({"message": {"content": "a"}, "finish_reason": reason}));
    for (reason, stop_reason) in [("tool_calls", "end_turn"), ("", "end_turn"), ("model_length", "max_tokens")] {
        assert_eq!(ended(reason).unwrap()["stop_reason"], stop_reason, "{reason}");
    }
    assert!(ended("error").is_err() && ended("abort").is_err());
    let stopped = of(json!({"message": {"content": "a"}, "finish_reason": "stop", "stop_reason": "END"})).unwrap();
    assert_eq!((&stopped["stop_reason"], &stopped["stop_sequence"]), (&json!("stop_sequence"), &json!("END")));
    // With `stop` for a reason, without an id, with an object for arguments, in the old field.
    for message in [
        json!({"tool_calls": [{"function": {"name": "f", "arguments": {"a": 1}}}]}),
        json!({"function_call": {"name": "f", "arguments": "{\"a\":1}"}}),
    ] {
        let called = said(message);
        assert_eq!(called["content"], json!([{"type": "tool_use", "id": "call_0_", "name": "f", "input": {"a": 1}}]));
        assert_eq!(called["stop_reason"], "tool_use");
    }
    let two =
        json!({"choices": [{"index": 1, "message": {"content": "b"}}, {"index": 0, "message": {"content": "a"}}]});
    assert_eq!(rendered(Protocol::Chat, Protocol::Messages, &two).unwrap()["content"], json!([text("a")]));
}

#[test]
fn inputs_that_are_no_objects() {
    let of = |arguments: &str, finish_reason: &str| {
        let call = json!({"id": "a", "function": {"name": "f", "arguments": arguments}});
        let choice = json!({"message": {"content": "x", "tool_calls": [call]}, "finish_reason": finish_reason});
        rendered(Protocol::Chat, Protocol::Messages, &json!({"choices": [choice]}))
    };
    for arguments in ["{\"a\":", "[1]", "{}}"] {
        assert!(of(arguments, "tool_calls").is_err(), "{arguments}");
    }
    assert_eq!(of("", "tool_calls").unwrap()["content"][1]["input"], json!({}));
    assert_eq!(of("{\"a\":", "length").unwrap()["content"], json!([text("x")]));
}

#[test]
fn what_is_no_answer_is_a_failure() {
    use crate::protocol::failure::FailureKind;
    for protocol in [Protocol::Chat, Protocol::Messages] {
        for body in ["", "[]", "{}", "<html>", "{\"choices\":[]}", "{\"content\":7}"] {
            assert!(Answer::read(protocol, &Bytes::from(body)).failure.is_some(), "{body}");
        }
        let told = Bytes::from_static(br#"{"error":{"code":429,"message":"slow down"}}"#);
        let failure = Answer::read(protocol, &told).write(Protocol::Chat, &context()).unwrap_err();
        assert_eq!((failure.kind, &*failure.message), (FailureKind::RateLimit, "slow down"));
    }
}

#[test]
fn a_large_text_is_passed_on_as_it_stands() {
    let data = "A".repeat(1 << 20);
    let body = Bytes::from(format!(r#"{{"content":[{{"type":"text","text":"{data}"}}],"stop_reason":"end_turn"}}"#));
    let pieces = Answer::read(Protocol::Messages, &body).write(Protocol::Chat, &context()).unwrap().into_inner();
    let within = body.as_ptr() as usize..body.as_ptr() as usize + body.len();
    let sliced =
        pieces.iter().filter(|piece| within.contains(&(piece.as_ptr() as usize))).map(Bytes::len).sum::<usize>();
    assert_eq!(sliced, data.len());
}
