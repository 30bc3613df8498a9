//! Changes to `messages`: a system prompt at their beginning, and tool calls taken out of them.

use crate::protocol::draft::Draft;
use crate::protocol::json::{Item, Kind};
use crate::protocol::splice::{Chunks, Edit};
use crate::table::SystemPrompt;
use bytes::Bytes;

/// Stands between the router's prompt and the client's own.
pub(super) const GAP: &str = "\\n\\n";

/// Tells whether a tool call or its result was taken out.
pub(super) fn edit(prompt: Option<&SystemPrompt>, strip_tools: bool, body: &Chunks, draft: &mut Draft) -> bool {
    let Some((position, item)) = draft.find(body, "messages") else { return false };
    let Some(mut messages) = inside(body, &item, Kind::Array) else { return false };
    let stripped = strip_tools && strip(body, &mut messages);
    if let Some(prompt) = prompt {
        say_first(prompt, body, &mut messages);
    }
    draft.change(position, messages.into_edits());
    stripped
}

fn say_first(prompt: &SystemPrompt, body: &Chunks, messages: &mut Draft) {
    let (SystemPrompt::Insert(text) | SystemPrompt::Replace(text)) = *prompt;
    let first = messages.items().next();
    let own = first.and_then(|(position, item)| {
        let message = inside(body, &item, Kind::Object)?;
        // Newer models of OpenAI call it so.
        matches!(role(body, &message).as_str(), "system" | "developer").then_some((position, message))
    });
    let Some((position, mut message)) = own else {
        return messages.insert_first(pieces(&[r#"{"role":"system","content":""#, text, r#""}"#]));
    };
    // A second content could be read in place of the one that holds the prompt.
    match (prompt, message.settle(body, "content")) {
        (SystemPrompt::Insert(_), Some((content, item))) if item.value.kind == Kind::String => {
            let at = item.value.start + 1;
            message.change(content, vec![Edit::insert(at, text), Edit::insert(at, GAP)]);
        }
        (SystemPrompt::Insert(_), Some((content, item))) if item.value.kind == Kind::Array => {
            let Some(mut parts) = inside(body, &item, Kind::Array) else { return };
            parts.insert_first(pieces(&[r#"{"type":"text","text":""#, text, r#""}"#]));
            message.change(content, parts.into_edits());
        }
        _ => message.set(body, "content", format!("\"{text}\"").into()),
    }
    messages.change(position, message.into_edits());
}

pub(super) fn pieces(texts: &[&'static str]) -> Vec<Bytes> {
    texts.iter().map(|text| Bytes::from_static(text.as_bytes())).collect()
}

/// Results of tools go whole. Of an answer that called them, what was said besides stays.
fn strip(body: &Chunks, messages: &mut Draft) -> bool {
    let mut stripped = false;
    for (position, item) in messages.items().collect::<Vec<_>>() {
        let Some(mut message) = inside(body, &item, Kind::Object) else { continue };
        if matches!(role(body, &message).as_str(), "tool" | "function") {
            messages.remove(position);
            stripped = true;
            continue;
        }
        let calls = ["tool_calls", "function_call"].map(|key| message.remove_key(body, key));
        if calls == [false; 2] {
            continue;
        }
        stripped = true;
        let says_something = message.find(body, "content").is_some_and(|(_, content)| {
            content.value.kind != Kind::Null && content.value.end - content.value.start > "\"\"".len()
        });
        if says_something {
            messages.change(position, message.into_edits());
        } else {
            messages.remove(position);
        }
    }
    stripped
}

fn role(body: &Chunks, message: &Draft) -> String {
    let role = message.find(body, "role").map(|(_, item)| body.range(item.value.start..item.value.end));
    role.and_then(|raw| serde_json::from_slice(&raw).ok()).unwrap_or_default()
}

pub(super) fn inside(body: &Chunks, item: &Item, kind: Kind) -> Option<Draft> {
    (item.value.kind == kind).then(|| Draft::of(body, item.value.start..item.value.end))?
}
