#![allow(clippy::disallowed_types)] // a tree is how a backend reads it
#![allow(clippy::needless_pass_by_value)] // rows are written in place

use super::History;
use crate::protocol::responses::request::Request;
use crate::table::UnsupportedTools;
use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};

/// The one item that is stored.
fn lookup(id: &str) -> Option<Bytes> {
    let item =
        r#"{"id":"fc_1o0","type":"function_call","status":"completed","call_id":"c1","name":"f","arguments":"{}"}"#;
    (id == "fc_1o0").then(|| Bytes::from_static(item.as_bytes()))
}

fn translate(request: &Value, turns: &[Bytes]) -> Result<(Value, Value, Vec<String>), (String, String)> {
    let body = Bytes::from(serde_json::to_vec(request).unwrap());
    let translated = Request::read(&body, UnsupportedTools::Refuse)
        .and_then(|request| request.to_chat(History { turns, items: &lookup }));
    let translated = translated.map_err(|error| (error.param.unwrap_or_default(), error.message))?;
    let chat = serde_json::from_slice(&translated.body.into_inner().concat()).unwrap();
    let turn = [b"[", &translated.turn.concat()[..], b"]"].concat();
    Ok((chat, serde_json::from_slice(&turn).unwrap(), translated.warnings.names().to_vec()))
}

#[track_caller]
fn messages(input: Value, expected: Value) {
    let (chat, turn, _) = translate(&json!({"model": "m", "input": input}), &[]).unwrap();
    assert_eq!(chat["messages"], expected);
    assert_eq!(turn, expected);
}

/// The rest of a Chat request for these fields.
#[track_caller]
fn fields(given: Value, expected: Value) {
    let mut request = json!({"input": "x"});
    request.as_object_mut().unwrap().extend(given.as_object().unwrap().clone());
    let (mut chat, _, _) = translate(&request, &[]).unwrap();
    chat.as_object_mut().unwrap().remove("messages");
    assert_eq!(chat, expected);
}

#[track_caller]
fn refused(request: Value, param: &str) {
    let (found, message) = translate(&request, &[]).unwrap_err();
    assert_eq!(found, param, "{message}");
}

#[test]
fn a_string_is_a_message() {
    messages(json!("hi\n\"there\""), json!([{"role": "user", "content": "hi\n\"there\""}]));
    messages(json!(""), json!([{"role": "user", "content": ""}]));
}

#[test]
fn every_role_and_part() {
    messages(
        json!([
            {"role": "developer", "content": "be brief"},
            {"type": "message", "role": "system", "content": [{"type": "input_text", "text": "and kind"}]},
            {"role": "user", "content": [{"type": "input_text", "text": "a"}, {"type": "input_text", "text": "b"}]},
            {"type": "message", "id": "msg_1", "status": "completed", "role": "assistant",
             "content": [{"type": "output_text", "text": "c", "annotations": []}]},
            {"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]},
        ]),
        json!([
            {"role": "system", "content": "be brief"},
            {"role": "system", "content": "and kind"},
            {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
            {"role": "assistant", "content": [{"type": "text", "text": "c"}, {"type": "refusal", "refusal": "no"}]},
        ]),
    );
    messages(
        json!([{"role": "user", "content": [
            {"type": "input_image", "image_url": "http://x/y.png", "detail": "low"},
            {"type": "input_image", "image_url": "data:image/png;base64,AA=="},
            {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AA=="},
            {"type": "input_file", "file_url": "http://x/y.pdf"},
            {"type": "input_file", "file_id": "file-1"},
            {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}},
        ]}]),
        json!([{"role": "user", "content": [
            {"type": "image_url", "image_url": {"url": "http://x/y.png", "detail": "low"}},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
            {"type": "file", "file": {"file_data": "data:application/pdf;base64,AA==", "filename": "a.pdf"}},
            {"type": "file", "file": {"file_data": "http://x/y.pdf"}},
            {"type": "file", "file": {"file_id": "file-1"}},
            {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}},
        ]}]),
    );
}

#[test]
fn what_the_assistant_does_in_one_go_is_one_message() {
    let sealed = r#"{"reasoning_details":[{"type":"reasoning.text","text":"hm","signature":"s","index":0}]}"#;
    let call = |id: &str, name: &str, arguments: &str| json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}});
    messages(
        json!([
            {"role": "user", "content": "go"},
            {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": sealed},
            {"type": "message", "role": "assistant", "content": "let me see"},
            {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{\"a\":1}"},
            {"type": "custom_tool_call", "call_id": "c2", "name": "patch", "input": "*** \"x\"\n"},
            {"type": "function_call_output", "call_id": "c1", "output": "one"},
            {"type": "custom_tool_call_output", "call_id": "c2", "output": [
                {"type": "input_text", "text": "two"}, {"type": "input_image", "image_url": "http://x/i.png"}]},
            {"type": "item_reference", "id": "fc_1o0"},
            {"type": "function_call_output", "call_id": "c1", "output": [{"type": "input_image", "image_url": "u"}]},
        ]),
        json!([
            {"role": "user", "content": "go"},
            {"role": "assistant", "content": "let me see",
             "reasoning_details": [{"type": "reasoning.text", "text": "hm", "signature": "s", "index": 0}],
             "tool_calls": [call("c1", "f", "{\"a\":1}"), call("c2", "patch", "{\"input\":\"*** \\\"x\\\"\\n\"}")]},
            {"role": "tool", "tool_call_id": "c1", "content": "one"},
            {"role": "tool", "tool_call_id": "c2", "content": "two"},
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://x/i.png"}}]},
            {"role": "assistant", "content": null, "tool_calls": [call("c1", "f", "{}")]},
            {"role": "tool", "tool_call_id": "c1", "content": "(shown in the next message)"},
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "u"}}]},
        ]),
    );
}

#[test]
fn thinking_that_another_provider_sealed_is_left_out_and_told() {
    let input = json!([{"role": "user", "content": "x"}, {"type": "reasoning", "id": "r", "summary": [{"type": "summary_text", "text": "t"}], "encrypted_content": "gAAAA"}]);
    let (chat, _, warnings) = translate(&json!({"input": input}), &[]).unwrap();
    assert_eq!(chat["messages"], json!([{"role": "user", "content": "x"}]));
    assert_eq!(warnings, ["reasoning.encrypted_content"]);
    // What is not sealed goes to those who want to read it: models that think between calls.
    messages(
        json!([{"type": "reasoning", "id": "r", "summary": [{"type": "summary_text", "text": "t"}]},
               {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}]),
        json!([{"role": "assistant", "content": null, "reasoning_content": "t",
                "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]}]),
    );
}

#[test]
fn history_stands_between_instructions_and_input() {
    let turns =
        [r#"{"role":"user","content":"1"},{"role":"assistant","content":"2"}"#, "", r#"{"role":"user","content":"3"}"#];
    let turns = turns.map(|turn| Bytes::from_static(turn.as_bytes()));
    let request = json!({"instructions": "be\tbrief", "input": "4", "previous_response_id": "resp_1"});
    let (chat, turn, _) = translate(&request, &turns).unwrap();
    assert_eq!(
        chat["messages"],
        json!([
            {"role": "system", "content": "be\tbrief"},
            {"role": "user", "content": "1"},
            {"role": "assistant", "content": "2"},
            {"role": "user", "content": "3"},
            {"role": "user", "content": "4"},
        ])
    );
    assert_eq!(turn, json!([{"role": "user", "content": "4"}]));
    let (chat, turn, _) = translate(&json!({"input": [], "previous_response_id": "r"}), &turns[2..]).unwrap();
    assert_eq!((&chat["messages"], turn), (&json!([{"role": "user", "content": "3"}]), json!([])));
    refused(json!({"input": [], "instructions": "x"}), "input");
}

#[test]
fn fields_have_other_names() {
    fields(json!({}), json!({}));
    fields(
        json!({"model": "m", "temperature": 0.50, "top_p": 1, "max_output_tokens": 7, "reasoning": {"effort": "low", "summary": "auto"},
               "text": {"verbosity": "high", "format": {"type": "text"}}, "user": "u", "safety_identifier": "s", "prompt_cache_key": "k",
               "service_tier": "auto", "metadata": {"a": "b"}, "store": false, "truncation": "disabled", "include": [],
               "parallel_tool_calls": true, "tool_choice": "auto", "instructions": null, "max_tool_calls": 3}),
        json!({"model": "m", "temperature": 0.50, "top_p": 1, "max_tokens": 7, "reasoning_effort": "low", "verbosity": "high",
               "user": "u", "safety_identifier": "s", "prompt_cache_key": "k", "service_tier": "auto"}),
    );
    fields(json!({"stream": true}), json!({"stream": true, "stream_options": {"include_usage": true}}));
    fields(
        json!({"text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": true, "description": "d"}}}),
        json!({"response_format": {"type": "json_schema", "json_schema":
            {"name": "n", "schema": {"type": "object"}, "strict": true, "description": "d"}}}),
    );
    fields(json!({"text": {"format": {"type": "json_object"}}}), json!({"response_format": {"type": "json_object"}}));
}

#[test]
fn tools_and_which_may_be_called() {
    let flat = json!({"type": "function", "name": "f", "description": "d", "parameters": {"type": "object", "x": [1]}, "strict": true});
    let nested = json!({"type": "function", "function": {"name": "g", "parameters": {}}});
    let custom = json!({"type": "custom", "name": "p", "description": "patch", "format": {"type": "grammar", "syntax": "lark", "definition": "start: \"a\"\n"}});
    let f = json!({"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object", "x": [1]}, "strict": true}});
    let g = json!({"type": "function", "function": {"name": "g", "parameters": {}}});
    let p = json!({"type": "function", "function": {"name": "p", "description": "patch\n\nThe input follows this grammar (lark):\nstart: \"a\"\n",
        "parameters": {"type": "object", "properties": {"input": {"type": "string", "description": "The whole input of the tool, as plain text."}},
        "required": ["input"], "additionalProperties": false}}});
    let tools = json!([flat, nested, custom]);
    fields(json!({"tools": tools}), json!({"tools": [f, g, p]}));
    let named = |name: &str| json!({"type": "function", "function": {"name": name}});
    for (given, expected) in [
        (json!("required"), json!("required")),
        (json!({"type": "function", "name": "f"}), named("f")),
        (json!({"type": "function", "function": {"name": "f"}}), named("f")),
        (json!({"type": "custom", "name": "p"}), named("p")),
    ] {
        fields(
            json!({"tools": tools, "tool_choice": given, "parallel_tool_calls": false}),
            json!({"tools": [f, g, p], "tool_choice": expected, "parallel_tool_calls": false}),
        );
    }
    let allowed = json!([{"type": "function", "name": "g"}, {"type": "custom", "name": "p"}]);
    for choice in [
        json!({"type": "allowed_tools", "mode": "required", "tools": allowed}),
        json!({"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": allowed}}),
    ] {
        fields(json!({"tools": tools, "tool_choice": choice}), json!({"tools": [g, p], "tool_choice": "required"}));
    }
}

#[test]
fn what_is_refused_is_named() {
    refused(json!({}), "input");
    refused(json!({"input": 7}), "input");
    refused(json!({"input": [{"type": "computer_call"}]}), "input[0].type");
    refused(json!({"input": [{"role": "user", "content": "x"}, {"role": "critic", "content": ""}]}), "input[1].role");
    refused(json!({"input": [{"role": "user"}]}), "input[0].content");
    refused(json!({"input": [{"role": "user", "content": [{"type": "input_video"}]}]}), "input[0].content[0].type");
    refused(
        json!({"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}]}),
        "input[0].content[0].file_id",
    );
    refused(
        json!({"input": [{"role": "system", "content": [{"type": "input_image", "image_url": "u"}]}]}),
        "input[0].content[0].type",
    );
    refused(json!({"input": [{"type": "function_call", "call_id": "c", "name": "f"}]}), "input[0].arguments");
    refused(json!({"input": [{"type": "function_call_output", "output": "x"}]}), "input[0].call_id");
    refused(json!({"input": [{"type": "function_call_output", "call_id": "c", "output": {}}]}), "input[0].output");
    refused(json!({"input": [{"type": "item_reference", "id": "msg_9"}]}), "input[0].id");
    refused(json!({"input": [{"id": "msg_9"}]}), "input[0].id");
    for (field, value, param) in [
        ("tools", json!([{"type": "function", "name": "f"}, {"type": "web_search"}]), "tools[1].type"),
        ("tools", json!([{"type": "function"}]), "tools[0].name"),
        ("tools", json!([{"type": "custom", "name": "c", "format": {"type": "x"}}]), "tools[0].format.type"),
        ("tool_choice", json!("any"), "tool_choice"),
        ("tool_choice", json!({"type": "web_search_preview"}), "tool_choice.type"),
        ("tool_choice", json!({"type": "allowed_tools", "tools": [{"type": "mcp"}]}), "tool_choice.tools[0].type"),
        ("tool_choice", json!("required"), "tool_choice"),
        ("tool_choice", json!({"type": "function", "name": "f"}), "tool_choice"),
        ("tool_choice", json!({"type": "allowed_tools", "tools": [{"type": "function", "name": "f"}]}), "tool_choice"),
        ("background", json!(true), "background"),
        ("conversation", json!("conv_1"), "conversation"),
        ("prompt", json!({"id": "p"}), "prompt"),
        ("temperature", json!("hot"), "temperature"),
        ("max_output_tokens", json!(-1), "max_output_tokens"),
        ("metadata", json!({"a": 1}), "metadata.a"),
        ("metadata", json!({"a": null}), "metadata.a"),
        ("metadata", json!({"a": "v".repeat(1025)}), "metadata"),
        ("metadata", (0..33).map(|n| (n.to_string(), json!(""))).collect(), "metadata"),
        ("include", json!(["everything"]), "include[0]"),
        ("truncation", json!("middle"), "truncation"),
        ("text", json!({"format": {"type": "xml"}}), "text.format.type"),
        ("text", json!({"format": {"type": "json_schema", "name": "n"}}), "text.format.schema"),
        ("reasoning", json!({"effort": 1}), "reasoning.effort"),
        ("stream", json!("yes"), "stream"),
    ] {
        refused(json!({"input": "x", field: value}), param);
    }
}

#[test]
fn what_has_no_effect_is_told() {
    let request = json!({"input": "x", "top_logprobs": 2, "truncation": "auto", "client_metadata": {}, "prompt_cache_options": null});
    let (_, _, warnings) = translate(&request, &[]).unwrap();
    assert_eq!(warnings, ["client_metadata", "truncation", "top_logprobs"]);
}

#[test]
fn a_large_image_is_not_copied() {
    let image = "A".repeat(1 << 20);
    let body = format!(r#"{{"input":[{{"role":"user","content":[{{"type":"input_image","image_url":"{image}"}}]}}]}}"#);
    let body = Bytes::from(body);
    let request = Request::read(&body, UnsupportedTools::Refuse).unwrap();
    let translated = request.to_chat(History { turns: &[], items: &lookup }).unwrap();
    let within = body.as_ptr_range();
    assert!(
        translated.body.into_inner().iter().any(|piece| piece.len() == 1 << 20 && within.contains(&piece.as_ptr()))
    );
}

/// JSON in which the words of the API turn up everywhere.
fn json_like() -> impl Strategy<Value = Value> {
    let words = prop::sample::select(vec![
        "message",
        "function_call",
        "function_call_output",
        "custom_tool_call",
        "custom_tool_call_output",
        "reasoning",
        "item_reference",
        "input_text",
        "output_text",
        "refusal",
        "input_image",
        "input_file",
        "function",
        "custom",
        "user",
        "assistant",
        "developer",
        "fc_1o0",
        "{\"reasoning_details\":[]}",
        "",
        "\n\"\u{1f600}",
    ]);
    let keys = prop::sample::select(vec![
        "type",
        "role",
        "content",
        "text",
        "refusal",
        "id",
        "call_id",
        "name",
        "arguments",
        "input",
        "output",
        "summary",
        "encrypted_content",
        "image_url",
        "file_data",
        "tools",
        "instructions",
        "tool_choice",
        "function",
        "other\n",
    ]);
    let leaf = prop_oneof![
        words.prop_map(Value::from),
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from)
    ];
    leaf.prop_recursive(5, 48, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((keys.clone(), inner), 0..6)
                .prop_map(|members| members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<Value>()),
        ]
    })
}

proptest! {
    #[test]
    fn whatever_comes_is_refused_by_name_or_becomes_a_chat_request(input in json_like(), tools in json_like(), more in json_like()) {
        let mut request = if more.is_object() { more } else { json!({}) };
        request["input"] = if input.is_object() { json!([input]) } else { input };
        if tools.is_array() {
            request["tools"] = tools;
        }
        match translate(&request, &[]) {
            Ok((chat, turn, _)) => {
                prop_assert!(chat["messages"].as_array().is_some_and(|messages| !messages.is_empty()));
                prop_assert!(turn.as_array().unwrap().iter().all(|message| message["role"].is_string()));
                let body = Bytes::from(serde_json::to_vec(&request).unwrap());
                let request = Request::read(&body, UnsupportedTools::Refuse).unwrap();
                let items: Value = serde_json::from_slice(&request.input_items("resp_1", &lookup).unwrap()).unwrap();
                prop_assert!(items.as_array().unwrap().iter().all(|item| !item["id"].is_null() && item["type"].is_string()));
                let echo = [b"{", &request.echo()[..], b"}"].concat();
                prop_assert!(serde_json::from_slice::<Value>(&echo).is_ok());
            }
            Err((param, message)) => prop_assert!(!param.is_empty(), "{message}"),
        }
    }
}
