#![allow(clippy::disallowed_types)] // a tree is how a backend reads it
#![allow(clippy::needless_pass_by_value)] // rows are written in place

use crate::protocol::responses::later_tools::in_stored;
use crate::protocol::responses::request::Request;
use crate::protocol::responses::to_chat::History;
use crate::table::UnsupportedTools;
use bytes::Bytes;
use serde_json::{Value, json};

const HISTORY: History<'static> = History { turns: &[], items: &|_| None };

fn body(request: &Value) -> Bytes {
    serde_json::to_vec(request).unwrap().into()
}

fn function(name: &str) -> Value {
    json!({"type": "function", "name": name, "description": null, "parameters": null, "strict": null})
}

fn found(tools: Value) -> Value {
    json!({"type": "tool_search_output", "call_id": "c", "execution": "client", "status": "completed", "tools": tools})
}

/// The members of the Chat request that have to do with tools, their names alone.
fn chat(request: &Request<'_>) -> Value {
    let translated = request.to_chat(HISTORY).unwrap();
    let mut chat: Value = serde_json::from_slice(&translated.body.into_inner().concat()).unwrap();
    let chat = chat.as_object_mut().unwrap();
    chat.retain(|key, _| key.starts_with("tool") || key.starts_with("parallel"));
    if let Some(Value::Array(tools)) = chat.get_mut("tools") {
        tools.iter_mut().for_each(|tool| *tool = tool["function"]["name"].take());
    }
    Value::Object(std::mem::take(chat))
}

/// What becomes of these fields where tools that are not here are left out.
#[track_caller]
fn omitted(fields: Value, expected: Value, warnings: &[&str]) {
    let mut request = json!({"input": "x"});
    request.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let body = body(&request);
    let read = Request::read(&body, UnsupportedTools::Omit).unwrap();
    assert_eq!(chat(&read), expected);
    assert_eq!(read.warnings.names(), warnings);
    let echo: Value = serde_json::from_slice(&[b"{", &read.echo()[..], b"}"].concat()).unwrap();
    assert_eq!(echo["tools"], request.get("tools").cloned().unwrap_or(json!([])));
}

#[test]
fn tools_that_are_not_here_are_left_out() {
    let web = json!({"type": "web_search", "external_web_access": false});
    omitted(json!({"tools": [web, function("f")]}), json!({"tools": ["f"]}), &["tools.web_search"]);
    omitted(
        json!({"tools": [web, {"type": "mcp", "server_label": "m"}, web]}),
        json!({}),
        &["tools.web_search", "tools.mcp"],
    );
    // What bears the name of one that is here, and runs elsewhere.
    omitted(
        json!({"tools": [{"type": "tool_search"}, {"type": "shell", "environment": {"type": "container_auto"}}]}),
        json!({}),
        &["tools.tool_search", "tools.shell"],
    );
    omitted(
        json!({"tools": [{"type": "namespace", "name": "n", "tools": [web, function("f")]}], "parallel_tool_calls": true}),
        json!({"tools": ["n__f"], "parallel_tool_calls": true}),
        &["tools.web_search"],
    );
    omitted(
        json!({"input": [{"role": "user", "content": "x"}, found(json!([web, function("f")]))]}),
        json!({"tools": ["f"]}),
        &["tools.web_search"],
    );
    let allowed = |mode: &str, tools: Value| json!({"type": "allowed_tools", "mode": mode, "tools": tools});
    let tools = json!([web, function("f"), function("g")]);
    let both = json!([{"type": "web_search"}, {"type": "function", "name": "g"}]);
    for (choice, expected) in [
        (json!("required"), json!({"tools": ["f", "g"], "tool_choice": "required"})),
        (allowed("required", both), json!({"tools": ["g"], "tool_choice": "required"})),
        (allowed("auto", json!([{"type": "web_search"}])), json!({})),
        (json!("none"), json!({"tools": ["f", "g"], "tool_choice": "none"})),
    ] {
        omitted(json!({"tools": tools, "tool_choice": choice}), expected, &["tools.web_search"]);
    }
}

#[test]
fn what_must_be_called_is_not_left_out() {
    let web = json!({"type": "web_search"});
    for (request, param) in [
        (json!({"tools": [web], "tool_choice": "required"}), "tool_choice"),
        (json!({"tools": [web, function("f")], "tool_choice": web}), "tool_choice.type"),
        (
            json!({"tools": [web, function("f")], "tool_choice": {"type": "allowed_tools", "mode": "required", "tools": [web]}}),
            "tool_choice",
        ),
        // What is written wrongly is wrong in any case.
        (json!({"tools": [{"name": "f"}]}), "tools[0].type"),
        (json!({"tools": [{"type": "function"}, web]}), "tools[0].name"),
    ] {
        let mut request = request;
        request["input"] = json!("x");
        let request = body(&request);
        let history = History { turns: &[], items: &|_| None };
        let read = Request::read(&request, UnsupportedTools::Omit);
        let error = read.and_then(|request| request.to_chat(history)).unwrap_err();
        assert_eq!(error.param.as_deref(), Some(param), "{error}");
        assert!(!error.message.contains("configuration"), "{error}");
    }
}

#[test]
fn who_is_refused_is_told_what_would_help() {
    for tool in [json!({"type": "web_search"}), json!({"type": "tool_search"})] {
        let request = body(&json!({"input": "x", "tools": [tool]}));
        let error = Request::read(&request, UnsupportedTools::Refuse).unwrap_err();
        assert!(
            error
                .message
                .ends_with("; the router's configuration can leave it out: response_api.unsupported_tools: omit")
        );
    }
}

#[test]
fn tools_are_known_from_earlier_turns() {
    let request = json!({"input": "x", "tools": [function("f")], "tool_choice": "required"});
    let (request, search) =
        (body(&request), found(json!([function("f"), {"type": "custom", "name": "patch"}, {"type": "web_search"}])));
    let mut request = Request::read(&request, UnsupportedTools::Refuse).unwrap();
    let stored = [json!({"role": "user", "content": "\"type\":\"additional_tools\""}), search.clone()];
    let items = in_stored(&serde_json::to_vec(&stored).unwrap().into());
    assert_eq!(items.iter().map(|item| serde_json::from_slice::<Value>(item).unwrap()).collect::<Vec<_>>(), [search]);
    assert_eq!(in_stored(&Bytes::from_static(br#"[{"role":"user","content":"x"}]"#)), [] as [Bytes; 0]);

    items.iter().for_each(|item| request.recall_tools(item));
    // What is not an item, or brings no tools, does no harm.
    for item in [&b"[]"[..], b"{}", br#"{"type":"additional_tools"}"#, br#"{"type":"additional_tools","tools":[7]}"#] {
        request.recall_tools(&Bytes::from_static(item));
    }
    assert_eq!(chat(&request), json!({"tools": ["f", "patch"], "tool_choice": "required"}));
    assert_eq!(request.custom_tools(), ["patch"]);
    let echo: Value = serde_json::from_slice(&[b"{", &request.echo()[..], b"}"].concat()).unwrap();
    assert_eq!((&echo["tools"], request.warnings.is_empty()), (&json!([function("f")]), true));
}

#[test]
fn an_image_is_not_alone_beside_tools_from_before() {
    let request = body(&json!({"input": "x", "tools": [{"type": "image_generation"}], "tool_choice": "required"}));
    let mut request = Request::read(&request, UnsupportedTools::Refuse).unwrap();
    assert!(request.image.as_ref().is_some_and(|image| image.alone));
    request.recall_tools(&body(&found(json!([function("f")]))));
    assert!(request.image.as_ref().is_some_and(|image| !image.alone));
}
