#![allow(clippy::disallowed_types, reason = "what was written is compared as a tree")]

use super::*;
use serde_json::{Value, json};

/// The members that the client gets for these arguments, and whether they lead back.
fn shown(native: Native, arguments: &str) -> Option<Value> {
    let mut raw = Vec::new();
    escape(arguments.as_bytes(), &mut raw);
    let members = native.members(&raw)?;
    let text = Bytes::from([b"{", &members[..], br#""call_id":"c"}"#].concat());
    let mut item = View::of(&text).unwrap().members();
    let again = native.arguments(&mut item, &Path::Root).unwrap();
    assert_eq!(native.members(&again), Some(members));
    let mut shown: Value = serde_json::from_slice(&text).unwrap();
    shown.as_object_mut().unwrap().remove("call_id");
    Some(shown)
}

#[test]
fn what_clients_get() {
    let nulls = |command: Value, env: Value| json!({"action": {"type": "exec", "command": command, "env": env, "timeout_ms": null, "user": null, "working_directory": null}});
    for (native, arguments, expected) in [
        (Native::LocalShell, "{\n\n\"command\":\n[\"ls\", \"-l\"]}", nulls(json!(["ls", "-l"]), json!({}))),
        (Native::LocalShell, r#"{"command":[],"env":{"A":"b"},"timeout_ms":"x"}"#, nulls(json!([]), json!({"A": "b"}))),
        (
            Native::Shell,
            r#"{"commands":["a \"b\"\n"],"timeout_ms":7}"#,
            json!({"action": {"commands": ["a \"b\"\n"], "timeout_ms": 7, "max_output_length": null}, "environment": null}),
        ),
        (
            Native::ApplyPatch,
            r#"{"type":"create_file","path":"a","diff":"+x"}"#,
            json!({"operation": {"type": "create_file", "path": "a", "diff": "+x"}}),
        ),
        (
            Native::ApplyPatch,
            r#"{"type":"delete_file","path":"a","diff":"x"}"#,
            json!({"operation": {"type": "delete_file", "path": "a"}}),
        ),
        (
            Native::ToolSearch,
            r#"{"query":"mail","limit":3}"#,
            json!({"execution": "client", "arguments": {"query": "mail", "limit": 3}}),
        ),
    ] {
        assert_eq!(shown(native, arguments), Some(expected), "{arguments}");
    }
}

#[test]
fn what_clients_could_not_read() {
    for (native, arguments) in [
        (Native::LocalShell, "ls"),
        (Native::LocalShell, r#"{"command":"ls"}"#),
        (Native::LocalShell, r#"{"command":[1]}"#),
        (Native::Shell, "{}"),
        (Native::ApplyPatch, r#"{"type":"move_file","path":"a","diff":""}"#),
        (Native::ApplyPatch, r#"{"type":"update_file","path":"a"}"#),
        (Native::ToolSearch, "[]"),
        (Native::ToolSearch, "{"),
    ] {
        assert_eq!(shown(native, arguments), None, "{arguments}");
    }
}

#[test]
fn kinds() {
    for native in ALL {
        serde_json::from_str::<Value>(native.parameters()).unwrap();
        serde_json::from_str::<String>(&format!("\"{}\"", native.description())).unwrap();
        assert_eq!(Native::of_call(&format!("{}_call", native.name())), Some(native));
    }
    assert_eq!(Native::of_output("shell_call_output"), Some(Native::Shell));
    assert_eq!(Native::of_output("tool_search_output"), Some(Native::ToolSearch));
    assert_eq!(Native::of_output("tool_search_call_output"), None);
    assert_eq!(Native::of_output("web_search_call_output"), None);
}
