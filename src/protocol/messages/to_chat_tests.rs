//! Messages requests and the Chat requests that they become, row by row.

#![allow(clippy::needless_pass_by_value)] // rows are written in place
#![allow(clippy::disallowed_types)] // a tree is how a backend reads it

use super::*;
use serde_json::{Value, json};

const OPTIONS: Options = Options { bound: Bound::MaxTokens, takes_effort: true, takes_thinking: true };

fn translated(request: &Value, options: &Options) -> Result<(Value, Vec<String>), RequestError> {
    let body = Bytes::from(serde_json::to_vec(request).unwrap());
    let Translated { body, warnings } = translate(&body, options)?;
    let body = body.into_inner().concat();
    Ok((serde_json::from_slice(&body).expect("valid JSON"), warnings.names().to_vec()))
}

/// A request with these fields besides a model, a bound and a message.
fn with(fields: Value) -> Value {
    let mut request = json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]});
    request.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    request
}

/// These fields of a request become those, and these are named as dropped.
#[track_caller]
fn check_with(options: Options, fields: Value, expected: Value, dropped: &[&str]) {
    let (mut body, warnings) = translated(&with(fields), &options).unwrap();
    let body = body.as_object_mut().unwrap();
    assert_eq!((body.remove("model"), body.remove("max_tokens")), (Some(json!("m")), Some(json!(9))));
    if expected.get("messages").is_none() {
        assert_eq!(body.remove("messages"), Some(json!([{"role": "user", "content": "hi"}])));
    }
    assert_eq!(*body, *expected.as_object().unwrap());
    assert_eq!(warnings, dropped);
}

#[track_caller]
fn check(fields: Value, expected: Value, dropped: &[&str]) {
    check_with(OPTIONS, fields, expected, dropped);
}

#[track_caller]
fn check_messages(messages: Value, expected: Value, dropped: &[&str]) {
    check(json!({"messages": messages}), json!({"messages": expected}), dropped);
}

#[track_caller]
fn check_refused(fields: Value, param: &str) {
    let error = translated(&with(fields), &OPTIONS).unwrap_err();
    assert_eq!(error.param.as_deref(), Some(param), "{error}");
}

fn text(text: &str) -> Value {
    json!({"type": "text", "text": text})
}

#[test]
fn system_goes_before_all() {
    let user = json!({"role": "user", "content": "hi"});
    let system = |text: &str| json!({"messages": [{"role": "system", "content": text}, user]});
    check(json!({"system": "be\n\"kind\""}), system("be\n\"kind\""), &[]);
    let cached = json!({"type": "text", "text": "b", "cache_control": {"type": "ephemeral"}});
    check(json!({"system": [text("a"), text(" "), cached]}), system("a\n\nb"), &["cache_control"]);
    check(json!({"system": ""}), json!({}), &[]);
    check(json!({"system": []}), json!({}), &[]);
    let late = json!([{"role": "user", "content": "a"}, {"role": "system", "content": "b"}]);
    check_messages(late.clone(), late, &[]);
    check_refused(json!({"system": 7}), "system");
    check_refused(json!({"system": [{"type": "image", "source": {"type": "url", "url": "x"}}]}), "system");
    check_refused(json!({"messages": [{"role": "tool", "content": "a"}]}), "messages[0].role");
    check_refused(json!({"messages": [{"role": "user"}]}), "messages[0].content");
    check_refused(json!({"messages": {}}), "messages");
}

#[test]
fn blocks_become_parts() {
    let image = json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iV/+="}});
    let pdf = json!({"type": "base64", "media_type": "application/pdf", "data": "JV"});
    let named =
        |name: &str| json!({"type": "file", "file": {"filename": name, "file_data": "data:application/pdf;base64,JV"}});
    for (block, part) in [
        (text("b"), text("b")),
        (image, json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,iV/+="}})),
        (
            json!({"type": "image", "source": {"type": "url", "url": "https://x"}}),
            json!({"type": "image_url", "image_url": {"url": "https://x"}}),
        ),
        (json!({"type": "document", "source": pdf, "title": "t.pdf"}), named("t.pdf")),
        (json!({"type": "document", "source": pdf, "title": null}), named("document.pdf")),
        (json!({"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "d"}}), text("d")),
        (json!({"type": "document", "source": {"type": "content", "content": "d"}}), text("d")),
        (json!({"type": "search_result", "source": "s", "title": "t", "content": [text("d")]}), text("d")),
    ] {
        check_messages(
            json!([{"role": "user", "content": [text("a"), block]}]),
            json!([{"role": "user", "content": [text("a"), part]}]),
            &[],
        );
    }
    check_messages(
        json!([{"role": "user", "content": [text("a"), text("\n")]}]),
        json!([{"role": "user", "content": "a"}]),
        &[],
    );
    check_messages(json!([{"role": "user", "content": []}]), json!([{"role": "user", "content": ""}]), &[]);
    for (block, param) in [
        (json!({"type": "image", "source": {"type": "file", "file_id": "f"}}), "source.type"),
        (json!({"type": "image"}), "source"),
        (json!({"type": "image", "source": {"type": "base64", "data": "x"}}), "source.media_type"),
        (json!({"type": "document", "source": {"type": "url", "url": "https://x"}}), "source.type"),
        (json!({"type": "container_upload", "file_id": "f"}), "type"),
        (json!({"type": "text", "text": 1}), "text"),
    ] {
        check_refused(
            json!({"messages": [{"role": "user", "content": [block]}]}),
            &format!("messages[0].content[0].{param}"),
        );
    }
}

#[test]
fn a_tool_loop() {
    let used = |id: &str, input: Value| json!({"type": "tool_use", "id": id, "name": "f", "input": input});
    let result = |id: &str, content: Value| json!({"type": "tool_result", "tool_use_id": id, "content": content});
    let call = |id: &str, arguments: &str| json!({"id": id, "type": "function", "function": {"name": "f", "arguments": arguments}});
    let answered = |id: &str, content: &str| json!({"role": "tool", "tool_call_id": id, "content": content});
    let image = json!({"type": "image", "source": {"type": "url", "url": "https://x"}});
    check_messages(
        json!([{"role": "user", "content": "go"},
            {"role": "assistant", "content": [text("on "), text("it"), used("a", json!({"x": "é\"\n"})), used("b", json!({}))]},
            {"role": "user", "content": [result("a", json!("one")), result("b", json!([text("two"), text("three")])), text("and?")]},
            {"role": "assistant", "content": [used("c", json!({})), used("d", json!({})), used("e", json!({}))]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "c", "content": "no file", "is_error": true},
                {"type": "tool_result", "tool_use_id": "d", "is_error": true},
                {"type": "tool_result", "tool_use_id": "e", "is_error": false, "content": [image]}]}]),
        json!([{"role": "user", "content": "go"},
            {"role": "assistant", "content": "on it", "tool_calls": [call("a", r#"{"x":"é\"\n"}"#), call("b", "{}")]},
            answered("a", "one"), answered("b", "two\n\nthree"), {"role": "user", "content": "and?"},
            {"role": "assistant", "content": null, "tool_calls": [call("c", "{}"), call("d", "{}"), call("e", "{}")]},
            answered("c", "Error: no file"), answered("d", "Error"), answered("e", "See the next message."),
            {"role": "user", "content": [text("Result of tool call e:"), {"type": "image_url", "image_url": {"url": "https://x"}}]}]),
        &[],
    );
    let bad = json!([{"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "f", "input": "x"}]}]);
    check_refused(json!({"messages": bad}), "messages[0].content[0].input");
    check_refused(
        json!({"messages": [{"role": "user", "content": [{"type": "tool_result"}]}]}),
        "messages[0].content[0].tool_use_id",
    );
}

#[test]
fn thinking_is_carried_along() {
    let thinking = |text: &str, signature: &str| json!({"type": "thinking", "thinking": text, "signature": signature});
    check_messages(
        json!([{"role": "assistant", "content": [thinking("hm ", "s1"), {"type": "redacted_thinking", "data": "d"}, thinking("so", ""), thinking("", ""), text("a")]},
            {"role": "user", "content": "b"}]),
        json!([{"role": "assistant", "content": "a", "reasoning_content": "hm so", "reasoning_details": [
                {"type": "reasoning.text", "index": 0, "text": "hm ", "signature": "s1"},
                {"type": "reasoning.encrypted", "index": 1, "data": "d"},
                {"type": "reasoning.text", "index": 2, "text": "so"}]},
            {"role": "user", "content": "b"}]),
        &[],
    );
}

#[test]
fn thinking_is_left_out_by_name_where_it_is_refused() {
    let options = Options { takes_thinking: false, ..OPTIONS };
    let thinking = json!({"type": "thinking", "thinking": "hm", "signature": "s"});
    let messages = json!([{"role": "assistant", "content": [thinking, {"type": "redacted_thinking", "data": "d"}, text("a")]},
        {"role": "user", "content": "b"}]);
    let (body, warnings) = translated(&with(json!({"messages": messages})), &options).unwrap();
    let expected = json!([{"role": "assistant", "content": "a"}, {"role": "user", "content": "b"}]);
    assert_eq!((&body["messages"], warnings), (&expected, vec!["messages.thinking".to_owned()]));
}

#[test]
fn what_ran_at_the_provider_is_left_out_by_name() {
    check_messages(
        json!([{"role": "assistant", "content": [{"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
                {"type": "web_search_tool_result", "tool_use_id": "s", "content": []}, text("found")]},
            {"role": "user", "content": "b"}]),
        json!([{"role": "assistant", "content": "found"}, {"role": "user", "content": "b"}]),
        &["messages.server_tool_use", "messages.web_search_tool_result"],
    );
    check_messages(
        json!([{"role": "user", "content": "a"}, {"role": "assistant", "content": "{"}]),
        json!([{"role": "user", "content": "a"}, {"role": "assistant", "content": "{"}]),
        &["prefill"],
    );
}

#[test]
fn tools_and_choices() {
    let schema = json!({"type": "object", "properties": {"a": {"anyOf": []}}, "additionalProperties": false});
    let tool = json!({"name": "f", "description": "d", "input_schema": schema, "strict": true, "cache_control": {"type": "ephemeral"}});
    let carried = json!([{"type": "function", "function": {"name": "f", "description": "d", "parameters": schema, "strict": true}}]);
    for (choice, expected) in [
        (json!({"type": "auto"}), json!({"tool_choice": "auto"})),
        (json!({"type": "any"}), json!({"tool_choice": "required"})),
        (json!({"type": "none"}), json!({"tool_choice": "none"})),
        (json!({"type": "tool", "name": "f"}), json!({"tool_choice": {"type": "function", "function": {"name": "f"}}})),
        (
            json!({"type": "auto", "disable_parallel_tool_use": true}),
            json!({"tool_choice": "auto", "parallel_tool_calls": false}),
        ),
        (json!({"type": "any", "disable_parallel_tool_use": false}), json!({"tool_choice": "required"})),
        (json!(null), json!({})),
    ] {
        let mut expected = expected;
        expected["tools"] = carried.clone();
        check(json!({"tools": [tool], "tool_choice": choice}), expected, &["cache_control"]);
    }
    for tools in [json!({}), json!({"tools": []})] {
        let with = |choice: Value| json!({"tools": tools["tools"], "tool_choice": choice});
        check(with(json!({"type": "auto"})), json!({}), &[]);
        check(with(json!({"type": "none"})), json!({}), &[]);
        check_refused(with(json!({"type": "any"})), "tool_choice");
        check_refused(with(json!({"type": "tool", "name": "f"})), "tool_choice");
    }
    let more = |more: Value| {
        let mut tool = json!({"name": "f", "description": "d", "input_schema": schema, "strict": true});
        tool.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"tools": [tool]})
    };
    let usual =
        json!({"defer_loading": false, "allowed_callers": ["direct"], "input_examples": null, "type": "custom"});
    check(more(usual), json!({"tools": carried}), &[]);
    let unusual =
        json!({"allowed_callers": ["code_execution_20250825"], "defer_loading": true, "input_examples": [{}]});
    let named = ["tools.allowed_callers", "tools.defer_loading", "tools.input_examples"];
    check(more(unusual), json!({"tools": carried}), &named);
    let search = json!({"type": "web_search_20250305", "name": "web_search", "max_uses": 5});
    check(json!({"tools": [search, tool]}), json!({"tools": carried}), &["tools.web_search_20250305", "cache_control"]);
    check_refused(json!({"tools": [search]}), "tools");
    check_refused(
        json!({"tools": [search, tool], "tool_choice": {"type": "tool", "name": "web_search"}}),
        "tool_choice.name",
    );
    check_refused(json!({"tools": [tool, {"type": "bash_20250124", "name": "bash"}]}), "tools[1].type");
    check_refused(json!({"tools": [{"name": "f"}]}), "tools[0].input_schema");
    check_refused(json!({"tools": [{"input_schema": {}}]}), "tools[0].name");
    check_refused(json!({"tools": [tool], "tool_choice": {"type": "some"}}), "tool_choice.type");
    check_refused(json!({"tools": [tool], "tool_choice": {"type": "tool"}}), "tool_choice.name");
}

#[test]
fn thinking_and_effort() {
    let thinking = |budget: u64| json!({"thinking": {"type": "enabled", "budget_tokens": budget}});
    for (budget, word) in [(1024, "low"), (4096, "medium"), (16384, "high")] {
        check(thinking(budget), json!({"reasoning_effort": word}), &[]);
    }
    for (word, effort) in [("low", "low"), ("medium", "medium"), ("high", "high"), ("xhigh", "xhigh"), ("max", "xhigh")]
    {
        check(
            json!({"output_config": {"effort": word}, "thinking": {"type": "adaptive"}}),
            json!({"reasoning_effort": effort}),
            &[],
        );
    }
    check(json!({"thinking": {"type": "disabled"}}), json!({}), &[]);
    let plain = Options { takes_effort: false, ..OPTIONS };
    check_with(plain, thinking(2000), json!({}), &["thinking"]);
    check_with(plain, json!({"output_config": {"effort": "low"}}), json!({}), &["output_config.effort"]);
    check_refused(json!({"thinking": {"type": "much"}}), "thinking.type");
    check_refused(json!({"output_config": {"effort": "much"}}), "output_config.effort");
}

#[test]
fn the_rest() {
    let schema = json!({"type": "object"});
    let format = json!({"type": "json_schema", "schema": schema});
    let expected = json!({"response_format": {"type": "json_schema", "json_schema": {"name": "answer", "strict": true, "schema": schema}}});
    check(json!({"output_config": {"format": format}}), expected.clone(), &[]);
    check(json!({"output_format": format}), expected, &[]);
    check_refused(json!({"output_config": {"format": {"type": "xml"}}}), "output_config.format.type");
    check(json!({"stream": true}), json!({"stream": true, "stream_options": {"include_usage": true}}), &[]);
    check(json!({"stream": false}), json!({"stream": false}), &[]);
    check(json!({"temperature": 0.5, "top_p": 0.9, "top_k": 5}), json!({"temperature": 0.5, "top_p": 0.9}), &["top_k"]);
    check(json!({"stop_sequences": ["a", "b"]}), json!({"stop": ["a", "b"]}), &[]);
    check(json!({"stop_sequences": []}), json!({}), &[]);
    check(json!({"metadata": {"user_id": "u", "x": 1}}), json!({"user": "u"}), &["metadata.x"]);
    check(json!({"service_tier": "standard_only"}), json!({"service_tier": "default"}), &[]);
    check(json!({"context_management": {}, "container": null, "mcp_servers": []}), json!({}), &["context_management"]);
    check_refused(json!({"mcp_servers": [{"url": "x"}]}), "mcp_servers");
    check_refused(json!({"max_tokens": 0}), "max_tokens");
    let (body, _) = translated(&with(json!({})), &Options { bound: Bound::MaxCompletionTokens, ..OPTIONS }).unwrap();
    assert_eq!((body.get("max_tokens"), &body["max_completion_tokens"]), (None, &json!(9)));
}

#[test]
fn a_large_image_is_passed_on_as_it_stands() {
    let data = "A".repeat(1 << 20);
    let body = Bytes::from(format!(
        r#"{{"messages":[{{"role":"user","content":[{{"type":"image","source":{{"type":"base64","media_type":"image/png","data":"{data}"}}}}]}}]}}"#
    ));
    let pieces = translate(&body, &OPTIONS).unwrap().body.into_inner();
    let within = body.as_ptr() as usize..body.as_ptr() as usize + body.len();
    let sliced =
        pieces.iter().filter(|piece| within.contains(&(piece.as_ptr() as usize))).map(Bytes::len).sum::<usize>();
    assert_eq!(sliced, data.len());
}
