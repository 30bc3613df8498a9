//! Chat requests and the Messages requests that they become, row by row.

#![allow(clippy::needless_pass_by_value)] // rows are written in place
#![allow(clippy::disallowed_types)] // a tree is how a backend reads it

use super::*;
use serde_json::{Value, json};

fn translated(request: &Value, options: &Options) -> Result<(Value, Vec<String>), RequestError> {
    let body = Bytes::from(serde_json::to_vec(request).unwrap());
    let Translated { body, warnings } = translate(&body, options)?;
    let body = body.into_inner().concat();
    Ok((serde_json::from_slice(&body).expect("valid JSON"), warnings.names().to_vec()))
}

/// A request with these fields besides a model and a message.
fn with(fields: Value) -> Value {
    let mut request = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
    request.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    request
}

/// These fields of a request become those, and these are named as dropped.
#[track_caller]
fn check_with(options: Options, fields: Value, expected: Value, dropped: &[&str]) {
    let (mut body, warnings) = translated(&with(fields), &options).unwrap();
    let body = body.as_object_mut().unwrap();
    assert_eq!(body.remove("model"), Some(json!("m")));
    if expected.get("messages").is_none() {
        assert_eq!(
            body.remove("messages"),
            Some(json!([{"role": "user", "content": [{"type": "text", "text": "hi"}]}]))
        );
    }
    if expected.get("max_tokens").is_none() {
        assert_eq!(body.remove("max_tokens"), Some(json!(4096)));
    }
    assert_eq!(*body, *expected.as_object().unwrap());
    assert_eq!(warnings, dropped);
}

#[track_caller]
fn check(fields: Value, expected: Value, dropped: &[&str]) {
    check_with(Options::default(), fields, expected, dropped);
}

/// These messages become that, and nothing is dropped.
#[track_caller]
fn check_messages(messages: Value, system: Option<Value>, expected: Value) {
    let (body, warnings) = translated(&json!({"messages": messages}), &Options::default()).unwrap();
    assert_eq!((body.get("system"), &body["messages"]), (system.as_ref(), &expected));
    assert!(warnings.is_empty(), "{warnings:?}");
}

#[track_caller]
fn check_refused(fields: Value, param: &str) {
    let error = translated(&with(fields), &Options::default()).unwrap_err();
    assert_eq!(error.param.as_deref(), Some(param), "{error}");
    assert!(error.message.contains(param));
}

fn text(text: &str) -> Value {
    json!({"type": "text", "text": text})
}

#[test]
fn system_and_developer_messages_stand_on_top() {
    check_messages(
        json!([{"role": "system", "content": "a\n\"b\""}, {"role": "user", "content": "hi"},
            {"role": "developer", "content": [{"type": "text", "text": "c", "cache_control": {"type": "ephemeral"}}, text(" ")]}]),
        Some(json!([text("a\n\"b\""), {"type": "text", "text": "c", "cache_control": {"type": "ephemeral"}}])),
        json!([{"role": "user", "content": [text("hi")]}]),
    );
    check_refused(json!({"messages": [{"role": "system", "content": "a"}]}), "messages");
    check_refused(json!({"messages": []}), "messages");
    check_refused(
        json!({"messages": [{"role": "system", "content": [{"type": "image_url"}]}]}),
        "messages[0].content[0].type",
    );
    check_refused(json!({"messages": [{"role": "robot", "content": "a"}]}), "messages[0].role");
    check_refused(json!({"messages": [{"role": "user", "content": 7}]}), "messages[0].content");
    check_refused(json!({"messages": ["a"]}), "messages[0]");
}

#[test]
fn turns_of_one_side_become_one() {
    check_messages(
        json!([{"role": "user", "content": "a"}, {"role": "user", "content": [text("b"), text("\t\n")]},
            {"role": "assistant", "content": "  "}, {"role": "assistant", "content": null}, {"role": "user", "content": "c"},
            {"role": "assistant", "content": [text("d"), {"type": "refusal", "refusal": "e"}]},
            {"role": "assistant", "refusal": "f"}]),
        None,
        json!([{"role": "user", "content": [text("a"), text("b"), text("c")]},
            {"role": "assistant", "content": [text("d"), text("e"), text("f")]}]),
    );
}

#[test]
fn a_tool_loop_with_parallel_calls() {
    let call = |id: &str, arguments: &str| json!({"id": id, "type": "function", "function": {"name": "f", "arguments": arguments}});
    let used = |id: &str, input: Value| json!({"type": "tool_use", "id": id, "name": "f", "input": input});
    let result = |id: &str| json!({"type": "tool_result", "tool_use_id": id, "content": "ok"});
    check_messages(
        json!([{"role": "user", "content": "go"},
            {"role": "assistant", "content": null, "tool_calls": [call("a", r#" {"x":"é\n","y":1.50} "#), call("b", ""), call("c", "{}")]},
            {"role": "tool", "tool_call_id": "a", "content": "ok"},
            {"role": "tool", "tool_call_id": "b", "content": [text("one"), {"type": "image_url", "image_url": {"url": "https://x/y.png"}}]},
            {"role": "user", "content": "and now"},
            {"role": "tool", "tool_call_id": "c", "content": "ok", "cache_control": {"type": "ephemeral"}},
            {"role": "assistant", "content": "said", "tool_calls": [call("d", "{}")]},
            {"role": "tool", "tool_call_id": "d", "content": " "}]),
        None,
        json!([{"role": "user", "content": [text("go")]},
            {"role": "assistant", "content": [used("a", json!({"x": "é\n", "y": 1.50})), used("b", json!({})), used("c", json!({}))]},
            {"role": "user", "content": [result("a"),
                {"type": "tool_result", "tool_use_id": "b", "content": [text("one"), {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}}]},
                {"type": "tool_result", "tool_use_id": "c", "content": "ok", "cache_control": {"type": "ephemeral"}},
                text("and now")]},
            {"role": "assistant", "content": [text("said"), used("d", json!({}))]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "d"}]}]),
    );
    for arguments in ["{", "[1]", "7", "\"x\"", "{} {}"] {
        let messages = json!([{"role": "user", "content": "a"}, {"role": "assistant", "tool_calls": [call("a", "{}"), call("b", arguments)]}]);
        check_refused(json!({"messages": messages}), "messages[1].tool_calls[1].function.arguments");
    }
    check_refused(json!({"messages": [{"role": "tool", "content": "a"}]}), "messages[0].tool_call_id");
    let custom = json!([{"role": "assistant", "tool_calls": [{"type": "custom", "id": "a", "custom": {"name": "x", "input": "y"}}]}]);
    check_refused(json!({"messages": custom}), "messages[0].tool_calls[0].type");
}

#[test]
fn ids_of_calls_are_made_fit() {
    let (body, _) = translated(
        &json!({"messages": [{"role": "assistant", "tool_calls": [{"id": "functions.f:0", "function": {"name": "f"}}]},
            {"role": "tool", "tool_call_id": "functions.f:0", "content": "x"}]}),
        &Options::default(),
    )
    .unwrap();
    let id = body["messages"][0]["content"][0]["id"].as_str().unwrap();
    assert!(id.starts_with("functions_f_0_"));
    assert_eq!(body["messages"][1]["content"][0]["tool_use_id"], id);
}

#[test]
fn functions_of_old() {
    check(
        json!({"functions": [{"name": "f", "description": "d"}], "function_call": {"name": "f"},
            "messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": null, "function_call": {"name": "f", "arguments": "{}"}},
                {"role": "function", "name": "f", "content": "b"}]}),
        json!({"tools": [{"name": "f", "description": "d", "input_schema": {"type": "object", "properties": {}}}],
            "tool_choice": {"type": "tool", "name": "f"},
            "messages": [{"role": "user", "content": [text("a")]},
                {"role": "assistant", "content": [{"type": "tool_use", "id": "call_1", "name": "f", "input": {}}]},
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "call_1", "content": "b"}]}]}),
        &[],
    );
    check_refused(json!({"messages": [{"role": "function", "name": "f", "content": "b"}]}), "messages[0]");
}

#[test]
fn images_documents_and_audio() {
    let image = |url: &str| json!({"type": "image_url", "image_url": {"url": url, "detail": "auto"}});
    let file = |data: &str| json!({"type": "file", "file": {"file_data": data, "filename": "a.pdf"}});
    let pdf = json!({"type": "base64", "media_type": "application/pdf", "data": "JVBE"});
    for (part, expected) in [
        (
            image("data:image/png;base64,iVBO/+=="),
            json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBO/+=="}}),
        ),
        (
            image("DATA:image/JPG;base64,/9j"),
            json!({"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": "/9j"}}),
        ),
        (image("https://x/a.webp?q"), json!({"type": "image", "source": {"type": "url", "url": "https://x/a.webp?q"}})),
        (
            image("https://x/a.PDF?q"),
            json!({"type": "document", "source": {"type": "url", "url": "https://x/a.PDF?q"}}),
        ),
        (image("data:application/pdf;base64,JVBE"), json!({"type": "document", "source": pdf})),
        (file("data:application/pdf;base64,JVBE"), json!({"type": "document", "source": pdf, "title": "a.pdf"})),
        (
            file("https://x/y"),
            json!({"type": "document", "source": {"type": "url", "url": "https://x/y"}, "title": "a.pdf"}),
        ),
        (
            file("data:text/plain;charset=utf-8;base64,w6kK"),
            json!({"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "é\n"}, "title": "a.pdf"}),
        ),
    ] {
        let mut cached = part.clone();
        cached["cache_control"] = json!({"type": "ephemeral"});
        let mut expected_cached = expected.clone();
        expected_cached["cache_control"] = json!({"type": "ephemeral"});
        let messages = json!([{"role": "user", "content": [part, cached]}]);
        check_messages(messages, None, json!([{"role": "user", "content": [expected, expected_cached]}]));
    }
    let close = json!({"type": "image_url", "image_url": {"url": "https://x/y", "detail": "high"}});
    let fields = json!({"messages": [{"role": "user", "content": [close, close]}]});
    assert_eq!(translated(&fields, &Options::default()).unwrap().1, ["messages.image_url.detail"]);
    for (part, param) in [
        (image("data:image/tiff;base64,AA"), "image_url.url"),
        (image("data:image/png,AA"), "image_url.url"),
        (image("data:image/png"), "image_url.url"),
        (image("ftp://x"), "image_url.url"),
        (image(""), "image_url.url"),
        (json!({"type": "image_url"}), "image_url"),
        (json!({"type": "image_url", "image_url": {"url": 7}}), "image_url.url"),
        (json!({"type": "file", "file": {"file_id": "file-1"}}), "file.file_id"),
        (json!({"type": "file", "file": {}}), "file.file_data"),
        (file("data:text/plain;base64,*"), "file.file_data"),
        (json!({"type": "video_url", "video_url": {}}), "type"),
        (json!({"type": "text"}), "text"),
        (json!({}), "type"),
    ] {
        let messages = json!([{"role": "user", "content": [text("a"), part]}]);
        check_refused(json!({"messages": messages}), &format!("messages[0].content[1].{param}"));
    }
    let audio =
        json!([{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}]}]);
    check_refused(json!({"messages": audio}), "messages[0].content[0]");
    check_refused(json!({"messages": [{"role": "assistant", "audio": {"id": "a"}}]}), "messages[0].audio");
    check_refused(json!({"audio": {"voice": "x"}}), "audio");
    check_refused(json!({"modalities": ["text", "audio"]}), "modalities[1]");
    check(json!({"modalities": ["text"]}), json!({}), &[]);
}

#[test]
fn slashes_may_be_escaped() {
    let body = Bytes::from_static(
        br#"{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image\/png;base64,a\/b"}}]}]}"#,
    );
    let sent = translate(&body, &Options::default()).unwrap().body.into_inner().concat();
    let sent: Value = serde_json::from_slice(&sent).unwrap();
    assert_eq!(sent["messages"][0]["content"][0]["source"]["data"], "a/b");
}

#[test]
fn tools_keep_their_whole_schema() {
    let schema = json!({"type": "object", "properties": {"a": {"anyOf": [{"type": "string"}, {"$ref": "#/$defs/x"}]}},
        "additionalProperties": false, "$defs": {"x": {"const": 1}}});
    let tool = |parameters: Value| json!({"type": "function", "function": {"name": "f", "description": "d", "parameters": parameters, "strict": true}});
    let carried =
        |schema: Value| json!({"tools": [{"name": "f", "description": "d", "input_schema": schema, "strict": true}]});
    check(json!({"tools": [tool(schema.clone())]}), carried(schema), &[]);
    for (parameters, expected) in [
        (json!({}), json!({"type": "object", "properties": {}})),
        (json!(null), json!({"type": "object", "properties": {}})),
        (json!({"properties": {"a": {}}}), json!({"type": "object", "properties": {"a": {}}})),
    ] {
        check(json!({"tools": [tool(parameters)]}), carried(expected), &[]);
    }
    let cached = json!({"type": "function", "function": {"name": "f"}, "cache_control": {"type": "ephemeral"}});
    let expected = json!({"name": "f", "input_schema": {"type": "object", "properties": {}}, "cache_control": {"type": "ephemeral"}});
    check(json!({"tools": [cached]}), json!({"tools": [expected]}), &[]);
    check_refused(json!({"tools": [tool(json!({})), {"type": "custom", "custom": {"name": "x"}}]}), "tools[1].type");
    check_refused(json!({"tools": [{"type": "function"}]}), "tools[0].function");
    check_refused(json!({"tools": [{"type": "function", "function": {}}]}), "tools[0].function.name");
    check_refused(json!({"tools": [tool(json!([]))]}), "tools[0].function.parameters");
}

#[test]
fn choices_of_tools() {
    let tools = json!([{"type": "function", "function": {"name": "f"}}]);
    let carried = json!([{"name": "f", "input_schema": {"type": "object", "properties": {}}}]);
    for (choice, parallel, expected) in [
        (json!(null), json!(null), None),
        (json!(null), json!(true), None),
        (json!(null), json!(false), Some(json!({"type": "auto", "disable_parallel_tool_use": true}))),
        (json!("auto"), json!(null), Some(json!({"type": "auto"}))),
        (json!("auto"), json!(false), Some(json!({"type": "auto", "disable_parallel_tool_use": true}))),
        (json!("none"), json!(false), Some(json!({"type": "none"}))),
        (json!("required"), json!(true), Some(json!({"type": "any"}))),
        (json!("required"), json!(false), Some(json!({"type": "any", "disable_parallel_tool_use": true}))),
        (
            json!({"type": "function", "function": {"name": "f"}}),
            json!(null),
            Some(json!({"type": "tool", "name": "f"})),
        ),
    ] {
        let mut expected_body = json!({"tools": carried});
        if let Some(expected) = expected {
            expected_body["tool_choice"] = expected;
        }
        check(json!({"tools": tools, "tool_choice": choice, "parallel_tool_calls": parallel}), expected_body, &[]);
    }
    check(json!({"tools": [], "tool_choice": "auto", "parallel_tool_calls": false}), json!({}), &[]);
    check_refused(json!({"tool_choice": "required"}), "tool_choice");
    check_refused(json!({"tools": tools, "tool_choice": "some"}), "tool_choice");
    check_refused(json!({"tools": tools, "tool_choice": {"type": "allowed_tools"}}), "tool_choice.type");
    check_refused(json!({"tools": tools, "tool_choice": {"type": "function"}}), "tool_choice.name");
    check_refused(json!({"parallel_tool_calls": "no"}), "parallel_tool_calls");
}

#[test]
fn the_most_tokens() {
    check(json!({"max_tokens": 7}), json!({"max_tokens": 7}), &[]);
    check(json!({"max_tokens": 7, "max_completion_tokens": 9}), json!({"max_tokens": 9}), &[]);
    check_with(
        Options { max_tokens: 32000, ..Options::default() },
        json!({"max_tokens": null}),
        json!({"max_tokens": 32000}),
        &[],
    );
    check_refused(json!({"max_tokens": 0}), "max_tokens");
    check_refused(json!({"max_tokens": 1.5}), "max_tokens");
    check_refused(json!({"max_completion_tokens": "9"}), "max_completion_tokens");
}

#[test]
fn sampling() {
    check(
        json!({"temperature": 0.25, "top_p": 0.5, "top_k": 3}),
        json!({"temperature": 0.25, "top_p": 0.5, "top_k": 3}),
        &[],
    );
    check(json!({"temperature": 1.7}), json!({"temperature": 1}), &["temperature"]);
    check(json!({"stop": "END"}), json!({"stop_sequences": ["END"]}), &[]);
    check(json!({"stop": ["a", " \n", "b"]}), json!({"stop_sequences": ["a", "b"]}), &["stop"]);
    check(json!({"stop": "\n"}), json!({}), &["stop"]);
    check(json!({"stop": null, "temperature": null}), json!({}), &[]);
    check(json!({"user": "u\"1"}), json!({"metadata": {"user_id": "u\"1"}}), &[]);
    check(json!({"safety_identifier": "s"}), json!({"metadata": {"user_id": "s"}}), &[]);
    check(json!({"service_tier": "auto"}), json!({"service_tier": "auto"}), &[]);
    check(json!({"service_tier": "default"}), json!({"service_tier": "standard_only"}), &[]);
    check(json!({"service_tier": "flex"}), json!({}), &["service_tier"]);
    check(json!({"stream": true, "stream_options": {"include_usage": true}}), json!({"stream": true}), &[]);
    check_refused(json!({"temperature": "hot"}), "temperature");
    check_refused(json!({"stop": [7]}), "stop[0]");
}

#[test]
fn what_cannot_be_said_is_named() {
    check(json!({"n": 1}), json!({}), &[]);
    check_refused(json!({"n": 2}), "n");
    let names = [
        "frequency_penalty",
        "logit_bias",
        "logprobs",
        "metadata",
        "presence_penalty",
        "seed",
        "store",
        "top_logprobs",
        "x_new",
    ];
    let fields: Value =
        names.iter().map(|name| ((*name).to_owned(), json!(1))).collect::<serde_json::Map<_, _>>().into();
    check(fields, json!({}), &names);
    let (_, warnings) =
        translated(&json!({"messages": [{"role": "user", "name": "n", "content": "a"}]}), &Options::default()).unwrap();
    assert_eq!(warnings, ["messages.name"]);
}

#[test]
fn forms_of_answers() {
    let schema = json!({"type": "object", "properties": {"a": {"type": "number"}}, "additionalProperties": false});
    check(
        json!({"response_format": {"type": "json_schema", "json_schema": {"name": "x", "strict": true, "schema": schema}}}),
        json!({"output_config": {"format": {"type": "json_schema", "schema": schema}}}),
        &[],
    );
    check(json!({"response_format": {"type": "json_object"}}), json!({"system": [text(sampling::ANY_OBJECT)]}), &[]);
    check(json!({"response_format": {"type": "text"}}), json!({}), &[]);
    check_refused(json!({"response_format": {"type": "xml"}}), "response_format.type");
    check_refused(
        json!({"response_format": {"type": "json_schema", "json_schema": {}}}),
        "response_format.json_schema.schema",
    );
}

#[test]
fn effort() {
    let of = |reasoning| Options { max_tokens: 64_000, reasoning };
    let thinking = |budget: u64| json!({"max_tokens": 64000, "thinking": {"type": "enabled", "budget_tokens": budget}});
    for (word, budget, effort) in [
        ("minimal", 1024, "low"),
        ("low", 2048, "low"),
        ("medium", 8192, "medium"),
        ("high", 16384, "high"),
        ("xhigh", 32000, "xhigh"),
        ("max", 32000, "max"),
    ] {
        check_with(of(Reasoning::Budget), json!({"reasoning_effort": word}), thinking(budget), &[]);
        let expected = json!({"max_tokens": 64000, "output_config": {"effort": effort}});
        check_with(of(Reasoning::Effort), json!({"reasoning_effort": word}), expected, &[]);
    }
    let asked = json!({"reasoning_effort": "high"});
    check_with(of(Reasoning::Unsupported), asked, json!({"max_tokens": 64000}), &["reasoning_effort"]);
    check_with(
        of(Reasoning::Budget),
        json!({"reasoning_effort": "none"}),
        json!({"max_tokens": 64000, "thinking": {"type": "disabled"}}),
        &[],
    );
    check(json!({"reasoning_effort": "high", "max_tokens": 1024}), json!({"max_tokens": 1024}), &["reasoning_effort"]);
    check(
        json!({"reasoning_effort": "high", "max_tokens": 1500, "temperature": 0.2, "top_p": 0.5, "top_k": 2}),
        json!({"max_tokens": 1500, "thinking": {"type": "enabled", "budget_tokens": 1024}}),
        &["temperature", "top_p", "top_k"],
    );
    check(
        json!({"reasoning_effort": "high", "temperature": 1, "top_p": 0.99}),
        json!({"thinking": {"type": "enabled", "budget_tokens": 2048}, "top_p": 0.99}),
        &[],
    );
    check_refused(json!({"reasoning_effort": "much"}), "reasoning_effort");
    // A model that must call a tool cannot think first.
    check(
        json!({"reasoning_effort": "low", "tools": [{"type": "function", "function": {"name": "f"}}], "tool_choice": "required"}),
        json!({"tools": [{"name": "f", "input_schema": {"type": "object", "properties": {}}}], "tool_choice": {"type": "any"}}),
        &["reasoning_effort"],
    );
    check(
        json!({"thinking": {"type": "enabled", "budget_tokens": 9000}, "reasoning_effort": "low", "temperature": 0}),
        json!({"max_tokens": 13096, "thinking": {"type": "enabled", "budget_tokens": 9000}}),
        &["reasoning_effort", "temperature"],
    );
    check(
        json!({"thinking": {"type": "disabled"}, "temperature": 0}),
        json!({"thinking": {"type": "disabled"}, "temperature": 0}),
        &[],
    );
}

/// A loop with one call, whose assistant message has these fields.
fn thoughtful(fields: Value) -> Value {
    let mut assistant = json!({"role": "assistant", "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}]});
    assistant.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    json!({"reasoning_effort": "low",
        "messages": [{"role": "user", "content": "q"}, assistant, {"role": "tool", "tool_call_id": "a", "content": "x"}]})
}

#[test]
fn thinking_comes_back_as_it_was_signed() {
    let thinking = json!({"type": "thinking", "thinking": "hm, \"so\"", "signature": "sig=="});
    let redacted = json!({"type": "redacted_thinking", "data": "enc"});
    let used = json!({"type": "tool_use", "id": "a", "name": "f", "input": {}});
    let detail = |index: u64, key: &str, value: &str| json!({"type": if key == "data" { "reasoning.encrypted" } else { "reasoning.text" }, "index": index, key: value});
    let whole = json!({"reasoning_details": [
        {"type": "reasoning.text", "index": 0, "text": "hm, \"so\"", "signature": "sig=="}, detail(1, "data", "enc")]});
    let in_pieces = json!({"reasoning_content": "hm", "reasoning_details": [
        detail(0, "text", "hm, "), detail(0, "text", "\"so\""), detail(0, "signature", "sig=="), detail(1, "data", "enc"),
        {"type": "reasoning.summary", "index": 0, "summary": "x"},
        {"type": "reasoning.encrypted", "format": "openai-responses-v1", "index": 2, "data": "foreign"}]});
    let litellm = json!({"thinking_blocks": [thinking, redacted]});
    // What a client makes of pieces that it does not know how to put together.
    let torn = json!({"thinking_blocks": [thinking, redacted], "reasoning_details": [detail(0, "signature", "sig==")]});
    for fields in [whole, in_pieces, litellm, torn] {
        let (body, warnings) = translated(&with(thoughtful(fields)), &Options::default()).unwrap();
        assert_eq!(body["messages"][1]["content"], json!([thinking, redacted, used]));
        assert_eq!((body["thinking"]["type"].as_str(), warnings.len()), (Some("enabled"), 0));
    }
    // A signature may come without a text.
    let alone = json!({"reasoning_details": [detail(0, "signature", "s")]});
    let (body, _) = translated(&with(thoughtful(alone)), &Options::default()).unwrap();
    assert_eq!(body["messages"][1]["content"][0], json!({"type": "thinking", "thinking": "", "signature": "s"}));
}

#[test]
fn what_is_not_signed_stays_away_and_ends_the_thinking_of_its_loop() {
    for fields in [
        json!({}),
        json!({"reasoning_content": "hm"}),
        json!({"reasoning_details": [{"type": "reasoning.text", "index": 0, "text": "hm"}]}),
    ] {
        let (body, warnings) = translated(&with(thoughtful(fields)), &Options::default()).unwrap();
        assert_eq!(body["messages"][1]["content"][0]["type"], "tool_use");
        assert_eq!((body.get("thinking"), warnings), (None, vec!["reasoning_effort".to_owned()]));
    }
    // In a new turn of the user it may think again.
    let mut request = with(thoughtful(json!({})));
    let messages = request["messages"].as_array_mut().unwrap();
    messages.extend([json!({"role": "assistant", "content": "done"}), json!({"role": "user", "content": "more"})]);
    let (body, _) = translated(&request, &Options::default()).unwrap();
    assert_eq!(body["thinking"]["type"], "enabled");
}

#[test]
fn a_large_image_is_passed_on_as_it_stands() {
    let data = "A".repeat(1 << 20);
    let body = Bytes::from(format!(
        r#"{{"messages":[{{"role":"user","content":[{{"type":"image_url","image_url":{{"url":"data:image/png;base64,{data}"}}}}]}}]}}"#
    ));
    let pieces = translate(&body, &Options::default()).unwrap().body.into_inner();
    let within = body.as_ptr() as usize..body.as_ptr() as usize + body.len();
    let sliced =
        pieces.iter().filter(|piece| within.contains(&(piece.as_ptr() as usize))).map(Bytes::len).sum::<usize>();
    assert_eq!(sliced, data.len());
}

#[test]
fn of_fields_that_stand_twice_the_last_counts_and_goes_out_once() {
    let body = Bytes::from_static(
        br#"{"messages":[{"role":"user","content":"a","content":"b"}],"temperature":0,"temperature":0.5}"#,
    );
    let sent = translate(&body, &Options::default()).unwrap().body.into_inner().concat();
    let sent = String::from_utf8(sent).unwrap();
    assert!(
        sent.contains(r#""text":"b""#)
            && sent.contains(r#""temperature":0.5"#)
            && !sent.contains(r#""temperature":0,"#),
        "{sent}"
    );
}
