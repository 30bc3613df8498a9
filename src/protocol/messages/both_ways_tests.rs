//! Whatever is sent, translators neither panic nor write what is no JSON; and what both protocols can say means the same after
//! a way there and back.

#![allow(clippy::disallowed_types)] // a tree is how a backend reads it

use super::{from_chat, to_chat};
use crate::protocol::view::RequestError;
use bytes::Bytes;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

const TO_CHAT: to_chat::Options =
    to_chat::Options { bound: to_chat::Bound::MaxTokens, takes_effort: true, takes_thinking: true };

fn as_messages(request: &Value) -> Result<Value, RequestError> {
    let reasoning = from_chat::Reasoning::Effort;
    let options = from_chat::Options { reasoning, ..from_chat::Options::default() };
    let body = Bytes::from(serde_json::to_vec(request).unwrap());
    let sent = from_chat::translate(&body, &options)?.body.into_inner().concat();
    Ok(serde_json::from_slice(&sent).expect("valid JSON"))
}

fn as_chat(request: &Value) -> Result<Value, RequestError> {
    let body = Bytes::from(serde_json::to_vec(request).unwrap());
    let sent = to_chat::translate(&body, &TO_CHAT)?.body.into_inner().concat();
    Ok(serde_json::from_slice(&sent).expect("valid JSON"))
}

/// Words that mean something somewhere.
const WORDS: &[&str] = &[
    "role",
    "content",
    "type",
    "text",
    "user",
    "assistant",
    "system",
    "tool",
    "tool_calls",
    "function",
    "name",
    "arguments",
    "id",
    "tool_call_id",
    "image_url",
    "url",
    "data:image/png;base64,AA",
    "data:",
    "{}",
    "tool_use",
    "tool_result",
    "input",
    "tool_use_id",
    "source",
    "base64",
    "media_type",
    "data",
    "thinking",
    "signature",
    "reasoning_details",
    "index",
    "json_schema",
    "schema",
    "cache_control",
    "file",
    "file_data",
    "document",
    "budget_tokens",
    "enabled",
    "stop",
    " ",
    "",
];

/// Fields of either request.
const FIELDS: &[&str] = &[
    "messages",
    "tools",
    "tool_choice",
    "response_format",
    "reasoning_effort",
    "stop",
    "temperature",
    "max_tokens",
    "system",
    "thinking",
    "output_config",
    "metadata",
    "stop_sequences",
    "user",
    "functions",
    "function_call",
    "n",
    "stream",
];

fn anything() -> impl Strategy<Value = Value> {
    let word = || prop::sample::select(WORDS).prop_map(str::to_owned);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Value::from),
            vec((word(), inner), 0..6).prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn any_request() -> impl Strategy<Value = Value> {
    let block = vec((prop::sample::select(WORDS), anything()), 0..5);
    let message = (
        "(system|user|assistant|tool)",
        prop_oneof![anything(), vec(block, 0..4).prop_map(|blocks| json!(blocks_of(blocks)))],
        anything(),
    );
    let messages = vec(message, 0..5).prop_map(|messages| {
        let message = |(role, content, more)| json!({"role": role, "content": content, "tool_calls": [more], "tool_call_id": "a"});
        Value::from(messages.into_iter().map(message).collect::<Vec<_>>())
    });
    let fields = vec((prop::sample::select(FIELDS), anything()), 0..4);
    (option::weighted(0.9, messages), fields).prop_map(|(messages, fields)| {
        let mut request: Map<String, Value> = fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        request.extend(messages.map(|messages| ("messages".to_owned(), messages)));
        Value::Object(request)
    })
}

fn blocks_of(blocks: Vec<Vec<(&'static str, Value)>>) -> Vec<Value> {
    let block = |members: Vec<(&str, Value)>| members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    blocks.into_iter().map(|members| Value::Object(block(members))).collect()
}

fn said() -> impl Strategy<Value = String> {
    any::<String>().prop_filter("not blank", |text| !text.trim().is_empty())
}

fn text(text: &str) -> Value {
    json!({"type": "text", "text": text})
}

/// What a user says.
fn user_block() -> impl Strategy<Value = Value> {
    prop_oneof![
        said().prop_map(|said| text(&said)),
        "[a-zA-Z0-9+/]{4}".prop_map(|data| json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}})),
        Just(json!({"type": "image", "source": {"type": "url", "url": "https://example.com/a\"b.png"}})),
        "[a-zA-Z0-9+/]{4}".prop_map(|data| json!({"type": "document", "title": "a.pdf", "source": {"type": "base64", "media_type": "application/pdf", "data": data}})),
    ]
}

/// What an assistant thinks, says and calls.
fn assistant_turn() -> impl Strategy<Value = (Vec<Value>, Vec<(String, String)>)> {
    let thought = prop_oneof![
        (any::<String>(), "[a-z]{1,4}")
            .prop_map(|(said, signature)| json!({"type": "thinking", "thinking": said, "signature": signature})),
        "[a-z]{1,4}".prop_map(|data| json!({"type": "redacted_thinking", "data": data})),
    ];
    let call = ("[a-zA-Z0-9_-]{1,6}", said(), said());
    (vec(thought, 0..3), option::of(said()), vec(call, 0..3)).prop_map(|(thoughts, said, calls)| {
        let mut blocks = thoughts;
        // A turn of thoughts alone is none.
        let said = said.or_else(|| calls.is_empty().then(|| "a".to_owned()));
        blocks.extend(said.map(|said| text(&said)));
        for (n, (id, key, value)) in calls.iter().enumerate() {
            blocks.push(json!({"type": "tool_use", "id": format!("{n}{id}"), "name": "f", "input": {key: value}}));
        }
        let results = calls.into_iter().enumerate().map(|(n, (id, _, result))| (format!("{n}{id}"), result));
        (blocks, results.collect())
    })
}

/// A Messages request that says nothing which Chat cannot say, in the spelling that the translation from Chat has.
fn common_request() -> impl Strategy<Value = Value> {
    let turns = vec((assistant_turn(), vec(user_block(), 1..3)), 0..4);
    let tools = vec(said(), 1..3).prop_map(|descriptions| {
        let tool = |(n, description)| json!({"name": format!("f{n}"), "description": description, "input_schema": {"type": "object", "x": [1.5, null]}});
        descriptions.into_iter().enumerate().map(tool).collect::<Vec<_>>()
    });
    let choice = prop_oneof![
        Just(json!({"type": "any"})),
        Just(json!({"type": "none"})),
        Just(json!({"type": "auto", "disable_parallel_tool_use": true})),
        Just(json!({"type": "tool", "name": "f0"})),
    ];
    let rest = (
        option::of((0..=4).prop_map(|quarters| f64::from(quarters) / 4.0)),
        option::of(vec(said(), 1..3)),
        option::of(said()),
        option::of("low|medium|high"),
        any::<bool>(),
    );
    (option::of(said()), vec(user_block(), 1..3), turns, option::of((tools, choice)), rest).prop_map(
        |(system, first, turns, tools, (temperature, stop, user, effort, schema))| {
            let mut messages = vec![json!({"role": "user", "content": first})];
            for ((blocks, results), user) in turns {
                let result =
                    |(id, said): (String, String)| json!({"type": "tool_result", "tool_use_id": id, "content": said});
                let content: Vec<Value> = results.into_iter().map(result).chain(user).collect();
                messages.push(json!({"role": "assistant", "content": blocks}));
                messages.push(json!({"role": "user", "content": content}));
            }
            let mut request = json!({"model": "m", "max_tokens": 100, "messages": messages});
            let mut set = |key: &str, value: Option<Value>| {
                request.as_object_mut().unwrap().extend(value.map(|value| (key.to_owned(), value)));
            };
            set("system", system.map(|said| json!([text(&said)])));
            let (tools, choice) = tools.unzip();
            set("tools", tools.map(Value::from));
            set("tool_choice", choice);
            set("temperature", temperature.map(Value::from));
            set("stop_sequences", stop.map(Value::from));
            set("metadata", user.map(|user| json!({"user_id": user})));
            let mut config = Map::new();
            config.extend(effort.map(|effort| ("effort".to_owned(), json!(effort))));
            config.extend(
                schema.then(|| ("format".to_owned(), json!({"type": "json_schema", "schema": {"type": "object"}}))),
            );
            set("output_config", (!config.is_empty()).then_some(Value::Object(config)));
            request
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn anything_is_translated_to_json_or_refused(request in any_request()) {
        if let Err(error) = as_messages(&request) {
            prop_assert!(error.param.is_some(), "{error}");
        }
        if let Err(error) = as_chat(&request) {
            prop_assert!(error.param.is_some(), "{error}");
        }
    }

    #[test]
    fn what_both_can_say_comes_back(request in common_request()) {
        let chat = as_chat(&request).unwrap();
        let back = as_messages(&chat).unwrap();
        prop_assert_eq!(&back, &request);
        prop_assert_eq!(as_chat(&back).unwrap(), chat);
    }
}
