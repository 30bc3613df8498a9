//! Changes to a Messages request: a system prompt at its beginning, and tool calls taken out of its turns.

use super::messages::{GAP, inside, pieces};
use crate::protocol::draft::Draft;
use crate::protocol::json::{Item, Kind};
use crate::protocol::splice::{Chunks, Edit};
use crate::table::SystemPrompt;

/// Tells whether a tool call or its result was taken out.
pub(super) fn edit(prompt: Option<&SystemPrompt>, strip_tools: bool, body: &Chunks, draft: &mut Draft) -> bool {
    if let Some(prompt) = prompt {
        say_first(prompt, body, draft);
    }
    strip_tools && strip(body, draft)
}

fn say_first(prompt: &SystemPrompt, body: &Chunks, draft: &mut Draft) {
    let (SystemPrompt::Insert(text) | SystemPrompt::Replace(text)) = *prompt;
    match (prompt, draft.settle(body, "system")) {
        (SystemPrompt::Insert(_), Some((system, item))) if item.value.kind == Kind::String => {
            let at = item.value.start + 1;
            draft.change(system, vec![Edit::insert(at, text), Edit::insert(at, GAP)]);
        }
        (SystemPrompt::Insert(_), Some((system, item))) if item.value.kind == Kind::Array => {
            let Some(mut blocks) = inside(body, &item, Kind::Array) else { return };
            blocks.insert_first(pieces(&[r#"{"type":"text","text":""#, text, r#""}"#]));
            draft.change(system, blocks.into_edits());
        }
        _ => draft.set(body, "system", format!("\"{text}\"").into()),
    }
}

/// What a turn says besides calls and their results stays. One that says nothing else goes.
fn strip(body: &Chunks, draft: &mut Draft) -> bool {
    let Some((position, item)) = draft.find(body, "messages") else { return false };
    let Some(mut turns) = inside(body, &item, Kind::Array) else { return false };
    let mut stripped = false;
    for (nth, item) in turns.items().collect::<Vec<_>>() {
        let Some(mut turn) = inside(body, &item, Kind::Object) else { continue };
        let contents = turn.items().filter(|(_, item)| Draft::has_key(body, item, "content"));
        let (mut changed, mut says_something) = (false, false);
        for (content, item) in contents.collect::<Vec<_>>() {
            let Some(mut blocks) = inside(body, &item, Kind::Array) else {
                says_something = true;
                continue;
            };
            let all: Vec<(usize, Item)> = blocks.items().collect();
            for (block, item) in &all {
                if is_of_kind(body, item, is_about_tools) {
                    blocks.remove(*block);
                }
            }
            let left = blocks.items().count();
            says_something |= blocks.items().any(|(_, item)| !is_of_kind(body, &item, is_thought));
            if left < all.len() {
                changed = true;
                turn.change(content, blocks.into_edits());
            }
        }
        if changed && says_something {
            turns.change(nth, turn.into_edits());
        } else if changed {
            turns.remove(nth);
        }
        stripped |= changed;
    }
    draft.change(position, turns.into_edits());
    stripped
}

/// Whether a block is of such a kind, for any reader.
fn is_of_kind(body: &Chunks, block: &Item, wanted: fn(&str) -> bool) -> bool {
    let Some(block) = inside(body, block, Kind::Object) else { return false };
    block.items().filter(|(_, item)| Draft::has_key(body, item, "type")).any(|(_, kind)| {
        let raw = body.range(kind.value.start..kind.value.end);
        serde_json::from_slice::<String>(&raw).is_ok_and(|kind| wanted(&kind))
    })
}

/// Calls of the client's tools, and those of the provider's own, under whichever name.
fn is_about_tools(kind: &str) -> bool {
    kind.ends_with("tool_use") || kind.ends_with("tool_result")
}

/// Means nothing alone.
fn is_thought(kind: &str) -> bool {
    matches!(kind, "thinking" | "redacted_thinking")
}
