//! The turns of a Messages request, as the messages that they would be in a Chat request: so the same rules hold for both.
//!
//! A result of a tool is a message of its own, before the rest of its turn; a turn of results alone is no turn of the user.

use super::{Content, Message, Raw, Text, ToolCalls};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

#[derive(Deserialize)]
struct Turn<'a> {
    #[serde(borrow, default)]
    role: Cow<'a, str>,
    /// A string, an array of blocks, or null.
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
}

/// The fields of a block that are looked at.
#[derive(Deserialize)]
struct Block<'a> {
    #[serde(borrow, default)]
    r#type: Cow<'a, str>,
    #[serde(borrow, default)]
    text: Option<Text<'a>>,
    #[serde(borrow, default)]
    thinking: Option<Text<'a>>,
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
}

/// Reads `system` and `messages`.
pub(super) fn read<'a>(raw: &Raw<'a>) -> Result<Vec<Message<'a>>, serde_json::Error> {
    let turns: Vec<Turn<'a>> = serde_json::from_slice(raw.messages)?;
    let mut messages = Vec::with_capacity(turns.len() + 1);
    if let Some(system) = raw.system {
        let system = serde_json::from_slice(system)?;
        messages.push(Message {
            role: Cow::Borrowed("system"),
            content: said(system),
            tool_calls: ToolCalls::default(),
        });
    }
    for turn in turns {
        add(turn, &mut messages)?;
    }
    Ok(messages)
}

fn add<'a>(turn: Turn<'a>, messages: &mut Vec<Message<'a>>) -> Result<(), serde_json::Error> {
    let Turn { role, content } = turn;
    let mut own = Message { role, content: Content::default(), tool_calls: ToolCalls::default() };
    let Some(content) = content.filter(|content| content.get().starts_with('[')) else {
        if let Some(content) = content {
            own.content.text =
                serde_json::from_str::<Option<Text<'a>>>(content.get())?.map(|text| text.0).unwrap_or_default();
        }
        messages.push(own);
        return Ok(());
    };
    let blocks: Vec<&RawValue> = serde_json::from_str(content.get())?;
    let mut only_results = !blocks.is_empty();
    for raw in blocks {
        let Ok(block) = serde_json::from_str::<Block<'a>>(raw.get()) else {
            only_results = false;
            own.content.other_bytes += raw.get().len();
            continue;
        };
        if block.r#type == "tool_result" {
            let content = block.content.map(said).unwrap_or_default();
            let tool_calls = ToolCalls::default();
            messages.push(Message { role: Cow::Borrowed("tool"), content, tool_calls });
            continue;
        }
        only_results = false;
        if block.r#type == "tool_use" {
            own.tool_calls.0.push(raw);
        } else {
            own.content.add_block(raw, block);
        }
    }
    if !only_results {
        messages.push(own);
    }
    Ok(())
}

/// A text, or blocks. What is neither is counted by its bytes.
fn said(raw: &RawValue) -> Content<'_> {
    let mut content = Content::default();
    if let Ok(blocks) = serde_json::from_str::<Vec<&RawValue>>(raw.get()) {
        for raw in blocks {
            match serde_json::from_str::<Block<'_>>(raw.get()) {
                Ok(block) => content.add_block(raw, block),
                Err(_) => content.other_bytes += raw.get().len(),
            }
        }
    } else if let Ok(Text(text)) = serde_json::from_str(raw.get()) {
        content.text = text;
    } else if raw.get() != "null" {
        content.other_bytes = raw.get().len();
    }
    content
}

impl<'a> Content<'a> {
    fn add_block(&mut self, raw: &RawValue, block: Block<'a>) {
        match block {
            Block { text: Some(Text(text)), .. } => self.add_text(text),
            Block { r#type, .. } if r#type == "image" => self.images += 1,
            // The signature is for the provider: the model does not read it.
            Block { thinking: Some(Text(thinking)), .. } => self.unsaid_bytes += thinking.len(),
            Block { r#type, .. } if r#type == "redacted_thinking" => self.unsaid_bytes += raw.get().len(),
            _ => self.other_bytes += raw.get().len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::protocol::prompt::{Prompt, Raw};
    use crate::table::{Conversation, Protocol};

    fn raw<'a>(system: Option<&'a str>, messages: &'a str) -> Raw<'a> {
        let system = system.map(str::as_bytes);
        Raw { protocol: Protocol::Messages, system, messages: messages.as_bytes(), ..Raw::default() }
    }

    #[track_caller]
    fn check(system: Option<&str>, messages: &str, user_text: &str, tokens: u64) {
        let prompt = Prompt::read(&raw(system, messages)).unwrap();
        assert_eq!((&*prompt.user_text, prompt.tokens), (user_text, tokens));
    }

    #[test]
    fn the_last_turn_of_the_user_that_has_text_counts() {
        check(None, "[]", "", 0);
        check(None, r#"[{"role":"user","content":"hello"}]"#, "hello", 2 + 4);
        check(
            None,
            r#"[{"role":"user","content":[{"type":"text","text":"a\n"},{"type":"text","text":"b"}]}]"#,
            "a\n b",
            5,
        );
        check(None, r#"[{"role":"user","content":"a"},{"role":"assistant","content":"bcd"}]"#, "a", 1 + 8);
        check(None, r#"[{"role":"user","content":"first"},{"role":"user","content":null}]"#, "first", 2 + 8);
        let result = r#"{"type":"tool_result","tool_use_id":"t","content":"four"}"#;
        check(
            None,
            &format!(r#"[{{"role":"user","content":"go"}},{{"role":"user","content":[{result}]}}]"#),
            "go",
            1 + 8 + 4,
        );
        let spoken = r#"{"type":"text","text":"now"}"#;
        check(None, &format!(r#"[{{"role":"user","content":[{result},{spoken}]}}]"#), "now", 1 + 8 + 4);
    }

    #[test]
    fn everything_has_its_price() {
        check(Some(r#""be kind.""#), "[]", "", 2 + 4);
        check(Some(r#"[{"type":"text","text":"be kind.","cache_control":{"type":"ephemeral"}}]"#), "[]", "", 2 + 4);
        check(Some("null"), "[]", "", 4);
        check(Some("{}"), "[]", "", 2 + 4);
        let image = r#"{"type":"image","source":{"type":"base64","data":"AAAA"}}"#;
        check(None, &format!(r#"[{{"role":"user","content":[{image}]}}]"#), "", 4 + 8192);
        let result = format!(r#"{{"type":"tool_result","content":[{image},{{"type":"text","text":"ab"}}]}}"#);
        check(None, &format!(r#"[{{"role":"user","content":[{result}]}}]"#), "", 4 + 8192 + 2);
        let document = r#"{"type":"document","source":{}}"#;
        check(None, &format!(r#"[{{"role":"user","content":[{document}]}}]"#), "", 4 + document.len() as u64);
        let call = r#"{"type":"tool_use","id":"t","name":"n","input":{}}"#;
        let thought = r#"{"type":"thinking","thinking":"12345678","signature":"EqoBCkgIARABGAIiQL"}"#;
        check(
            None,
            &format!(r#"[{{"role":"assistant","content":[{thought},{call}]}}]"#),
            "",
            2 + 4 + 8 + call.len() as u64,
        );
        check(None, r#"[{"role":"user","content":[7]}]"#, "", 4 + 1);
    }

    /// As it would be in a Chat request.
    #[test]
    fn conversations_are_counted_alike() {
        let calls = r#"{"type":"tool_use","id":"1"},{"type":"tool_use","id":"2"}"#;
        let results = r#"{"type":"tool_result","tool_use_id":"1"},{"type":"tool_result","tool_use_id":"2"}"#;
        let turns = format!(
            r#"[{{"role":"user","content":"a"}},{{"role":"assistant","content":[{calls}]}},{{"role":"user","content":[{results}]}}]"#
        );
        let messages =
            Raw { tools: Some(b"[{},{}]"), tool_choice: Some(br#"{"type": "any"}"#), ..raw(Some(r#""s""#), &turns) };
        let chat = Raw {
            messages: br#"[{"role":"system","content":"s"},{"role":"user","content":"a"},{"role":"assistant","tool_calls":[{},{}]},{"role":"tool"},{"role":"tool"}]"#,
            tools: Some(b"[{},{}]"),
            tool_choice: Some(br#""required""#),
            ..Raw::default()
        };
        let conversation = Prompt::read(&messages).unwrap().conversation;
        assert_eq!(conversation, Prompt::read(&chat).unwrap().conversation);
        let expected = Conversation {
            tool_messages: 2,
            tool_calls: 2,
            tool_choice_required: 1,
            active_tool_loop: 1,
            ..conversation
        };
        assert_eq!(conversation, expected);
        let none = Raw { tool_choice: Some(br#"{"type":"none"}"#), ..raw(None, r#"[{"role":"user","content":"a"}]"#) };
        let conversation = Prompt::read(&none).unwrap().conversation;
        assert_eq!((conversation.tool_choice_none, conversation.active_tool_loop, conversation.messages), (1, 0, 1));
    }

    #[test]
    fn what_is_no_list_of_turns_is_an_error() {
        for messages in ["{}", "[1]", r#"[{"role":1}]"#, r#"[{"content":7}]"#, r#"[{"content":{}}]"#] {
            assert!(Prompt::read(&raw(None, messages)).is_err(), "{messages}");
        }
    }
}
