//! Requests as agents send them: long loops of tools, parallel calls, large system prompts. What comes out keeps to the rules
//! that the other API checks.

#![allow(clippy::disallowed_types)] // a tree is how a backend reads it

use super::{from_chat, to_chat};
use crate::protocol::translated::Translated;
use bytes::Bytes;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Rules of Anthropic's API, which answers 400 where one is broken.
#[track_caller]
fn check_messages_rules(request: &Value) {
    assert!(request["max_tokens"].as_u64().unwrap() > 0);
    let mut open = BTreeSet::new();
    for (n, message) in request["messages"].as_array().unwrap().iter().enumerate() {
        assert_eq!(message["role"], if n % 2 == 0 { "user" } else { "assistant" }, "roles take turns");
        let blocks = message["content"].as_array().unwrap();
        assert!(!blocks.is_empty());
        let is_result = |block: &&Value| block["type"] == "tool_result";
        let results = blocks.iter().take_while(is_result).count();
        assert_eq!(results, blocks.iter().filter(is_result).count(), "results come first");
        let answered: BTreeSet<_> =
            blocks[..results].iter().map(|block| block["tool_use_id"].as_str().unwrap()).collect();
        if n % 2 == 0 {
            assert_eq!(answered, open, "each call has its result in the next turn");
        }
        open = blocks.iter().filter_map(|block| block["id"].as_str()).collect();
        for block in blocks {
            assert_ne!(block["text"].as_str().map(str::trim), Some(""), "no text is blank");
            assert!(block["type"] != "tool_use" || block["input"].is_object());
        }
    }
}

/// Rules of OpenAI's API, which answers 400 where one is broken.
#[track_caller]
fn check_chat_rules(request: &Value) {
    let mut open = BTreeSet::new();
    for message in request["messages"].as_array().unwrap() {
        match message["role"].as_str().unwrap() {
            "tool" => {
                let id = message["tool_call_id"].as_str().unwrap();
                assert!(open.remove(id), "a result answers a call");
                assert!(message["content"].is_string());
            }
            role => {
                assert!(open.is_empty(), "all calls are answered before anything else is said");
                assert!(role == "assistant" || !message["content"].is_null());
            }
        }
        for call in message["tool_calls"].as_array().into_iter().flatten() {
            open.insert(call["id"].as_str().unwrap());
            let arguments: Value = serde_json::from_str(call["function"]["arguments"].as_str().unwrap()).unwrap();
            assert!(arguments.is_object());
        }
        assert!(message.get("tool_calls").is_none_or(|calls| !calls.as_array().unwrap().is_empty()));
    }
}

fn translated_to_chat(request: &Value) -> (Value, Vec<String>) {
    let options =
        to_chat::Options { bound: to_chat::Bound::MaxCompletionTokens, takes_effort: true, takes_thinking: true };
    read(to_chat::translate(&Bytes::from(serde_json::to_vec(request).unwrap()), &options).unwrap())
}

fn translated_to_messages(request: &Value) -> (Value, Vec<String>) {
    let options = from_chat::Options { max_tokens: 32_000, reasoning: from_chat::Reasoning::Budget };
    read(from_chat::translate(&Bytes::from(serde_json::to_vec(request).unwrap()), &options).unwrap())
}

fn read(done: Translated) -> (Value, Vec<String>) {
    let body = done.body.into_inner().concat();
    // Whoever puts the backend's name there looks nowhere else.
    assert!(body.starts_with(br#"{"model":"agent""#));
    (serde_json::from_slice(&body).unwrap(), done.warnings.names().to_vec())
}

/// As Claude Code sends it: three system blocks, a score of tools, a loop of a hundred turns with up to four calls each.
fn coding_agent() -> Value {
    let cached = json!({"type": "ephemeral"});
    let tools: Vec<Value> = (0..20)
        .map(|n| {
            json!({"name": format!("Tool{n}"), "description": "Does a thing.\n".repeat(200), "input_schema": {
                "$schema": "http://json-schema.org/draft-07/schema#", "type": "object", "required": ["path"], "additionalProperties": false,
                "properties": {"path": {"type": "string"}, "edits": {"type": "array", "items": {"type": "object", "properties": {"old": {"type": "string"}}}}}}})
        })
        .collect();
    let mut messages = vec![json!({"role": "user", "content": [
        {"type": "text", "text": "<system-reminder>\nKeep to the style.\n</system-reminder>"},
        {"type": "text", "text": "Fix the \"bug\" in src\\main.rs", "cache_control": cached}]})];
    for turn in 0..100 {
        let ids: Vec<String> = (0..=turn % 4).map(|n| format!("toolu_{turn:03}{n}")).collect();
        let mut said =
            vec![json!({"type": "thinking", "thinking": format!("step {turn}"), "signature": format!("sig{turn}")})];
        if turn % 3 == 0 {
            said.push(json!({"type": "text", "text": "Let me look."}));
        }
        said.extend(ids.iter().map(|id| json!({"type": "tool_use", "id": id, "name": "Tool1", "input": {"path": "a\tb", "edits": [{"old": "\u{1f980}"}]}})));
        let result = |(n, id)| match n {
            0 => json!({"tool_use_id": id, "type": "tool_result", "content": "  1→fn main() {}\n".repeat(50)}),
            1 => {
                json!({"tool_use_id": id, "type": "tool_result", "content": [{"type": "text", "text": "ok"}], "is_error": false})
            }
            2 => {
                json!({"tool_use_id": id, "type": "tool_result", "content": "<tool_use_error>no</tool_use_error>", "is_error": true})
            }
            _ => {
                json!({"tool_use_id": id, "type": "tool_result", "content": [{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBO"}}]})
            }
        };
        messages.push(json!({"role": "assistant", "content": said}));
        messages.push(json!({"role": "user", "content": ids.iter().enumerate().map(result).collect::<Vec<_>>()}));
    }
    json!({"model": "agent", "max_tokens": 32000, "stream": true, "temperature": 1, "messages": messages, "tools": tools,
        "system": [{"type": "text", "text": "You are an agent."}, {"type": "text", "text": "Rules.\n".repeat(5000), "cache_control": cached},
            {"type": "text", "text": "Where: /home", "cache_control": cached}],
        "metadata": {"user_id": "user_1_account__session_2"}, "thinking": {"type": "enabled", "budget_tokens": 31999},
        "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]}})
}

#[test]
fn a_coding_agent_before_a_chat_backend() {
    let request = coding_agent();
    let (chat, warnings) = translated_to_chat(&request);
    check_chat_rules(&chat);
    assert_eq!(warnings, ["cache_control", "context_management"]);
    assert_eq!((&chat["reasoning_effort"], &chat["max_completion_tokens"]), (&json!("high"), &json!(32000)));
    assert_eq!((chat["tools"].as_array().unwrap().len(), &chat["user"]), (20, &json!("user_1_account__session_2")));
    let messages = chat["messages"].as_array().unwrap();
    let system = messages[0]["content"].as_str().unwrap();
    assert!(system.starts_with("You are an agent.\n\nRules.") && system.ends_with("Where: /home"));
    let of = |role: &str| messages.iter().filter(|message| message["role"] == role).count();
    // Pictures of tools stand in messages of the user.
    assert_eq!((of("system"), of("assistant"), of("tool"), of("user")), (1, 100, 250, 1 + 25));
    assert_eq!(messages[2]["reasoning_content"], "step 0");
}

#[test]
fn a_coding_agent_there_and_back() {
    let (chat, _) = translated_to_chat(&coding_agent());
    let (messages, warnings) = translated_to_messages(&chat);
    check_messages_rules(&messages);
    assert_eq!((&messages["thinking"]["type"], warnings.len()), (&json!("enabled"), 0));
    let block = &messages["messages"][1]["content"][0];
    assert_eq!(*block, json!({"type": "thinking", "thinking": "step 0", "signature": "sig0"}));
}

/// As the OpenAI Agents SDK sends it through Chat: instructions, strict tools, handoffs, parallel calls, null contents.
fn agents() -> Value {
    let tool = |name: &str| {
        json!({"type": "function", "function": {"name": name, "description": "", "strict": true,
        "parameters": {"type": "object", "properties": {"city": {"type": "string", "title": "City"}}, "required": ["city"], "title": "args", "additionalProperties": false}}})
    };
    let mut messages = vec![
        json!({"role": "system", "content": "You hand off.\n".repeat(2000)}),
        json!({"role": "user", "content": "Weather?"}),
    ];
    for turn in 0..60 {
        let ids: Vec<String> = (0..=turn % 5).map(|n| format!("call_{turn}.{n}")).collect();
        let call = |id: &String| json!({"id": id, "type": "function", "function": {"name": "get_weather", "arguments": "{\"city\":\"Z\\u00fcrich\"}"}});
        messages.push(
            json!({"role": "assistant", "content": null, "tool_calls": ids.iter().map(call).collect::<Vec<_>>()}),
        );
        messages.extend(ids.iter().map(|id| json!({"role": "tool", "tool_call_id": id, "content": if turn == 3 { "" } else { "{\"assistant\": \"B\"}" }})));
        if turn % 10 == 9 {
            messages.push(json!({"role": "assistant", "content": [{"type": "text", "text": "Sunny."}], "refusal": null, "audio": null}));
            messages.push(json!({"role": "user", "content": "And tomorrow?"}));
        }
    }
    json!({"model": "agent", "messages": messages, "tools": [tool("get_weather"), tool("transfer_to_billing")], "tool_choice": "auto",
        "parallel_tool_calls": true, "stream": true, "stream_options": {"include_usage": true}, "store": false, "temperature": null,
        "metadata": {"trace": "1"}, "verbosity": "low", "reasoning_effort": "low", "max_tokens": 2000})
}

#[test]
fn agents_before_a_messages_backend() {
    let (messages, mut warnings) = translated_to_messages(&agents());
    warnings.sort_unstable();
    check_messages_rules(&messages);
    // The last calls of the assistant are answered, so the user's new question may be thought about.
    assert_eq!(messages["thinking"], json!({"type": "enabled", "budget_tokens": 1024}));
    assert_eq!(warnings, ["metadata", "store", "verbosity"]);
    assert_eq!(messages["tools"][0]["input_schema"]["additionalProperties"], false);
    let results: usize = messages["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|message| {
            message["content"].as_array().unwrap().iter().filter(|block| block["type"] == "tool_result").count()
        })
        .sum();
    assert_eq!(results, 60 / 5 * (1 + 2 + 3 + 4 + 5));
}
