//! What signals look at: the text of a request, be it Chat or Messages, and its estimated length in tokens.
//!
//! Only requests for a virtual model name are read this closely. Strings are borrowed from the body wherever they hold no
//! escape sequence. Reading is lenient: what has an unknown shape is counted by its bytes, never refused; the backend judges.

mod blocks;

use crate::table::{Conversation, Protocol};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// The parts of a request body that a [`Prompt`] is read from: raw JSON of the fields of the same name.
#[derive(Debug, Clone, Copy, Default)]
pub struct Raw<'a> {
    /// What the body is written in.
    pub protocol: Protocol,
    /// `system`, of Messages.
    pub system: Option<&'a [u8]>,
    /// `messages`, an array.
    pub messages: &'a [u8],
    /// `tools`
    pub tools: Option<&'a [u8]>,
    /// `tool_choice`
    pub tool_choice: Option<&'a [u8]>,
    /// `response_format`
    pub response_format: Option<&'a [u8]>,
    /// `max_completion_tokens`, else `max_tokens`.
    pub max_tokens: Option<&'a [u8]>,
    /// `metadata`
    pub metadata: Option<&'a [u8]>,
}

/// What signals look at.
#[derive(Debug, PartialEq, Eq)]
pub struct Prompt<'a> {
    /// The last user message that has text; its text parts joined with one space. Empty where there is none.
    pub user_text: Cow<'a, str>,
    /// Estimated tokens of the whole request, room for the answer included.
    pub tokens: u64,
    /// What the conversation is made of.
    pub conversation: Conversation,
}

/// `messages` is not an array of objects.
#[derive(Debug, thiserror::Error)]
#[error("messages cannot be read: {0}")]
pub struct PromptError(#[from] serde_json::Error);

impl<'a> Prompt<'a> {
    /// Reads a request.
    pub fn read(raw: &Raw<'a>) -> Result<Self, PromptError> {
        let messages: Vec<Message<'a>> = match raw.protocol {
            Protocol::Chat => serde_json::from_slice(raw.messages)?,
            Protocol::Messages => blocks::read(raw)?,
        };
        let tools =
            raw.tools.map_or(0, |tools| serde_json::from_slice::<Vec<IgnoredAny>>(tools).map_or(0, |t| t.len()));
        let tokens = estimate(raw, &messages, tools);
        let conversation = conversation(raw, &messages, tools);
        let user_text = messages
            .into_iter()
            .rev()
            .filter(|message| message.role == "user")
            .map(|message| message.content.text)
            .find(|text| !text.trim().is_empty())
            .unwrap_or_default();
        Ok(Prompt { user_text, tokens, conversation })
    }
}

/// A deterministic estimate, on the safe side: four bytes of text a token, structured data a token a byte, images and the
/// framing of messages and tools at flat rates, and the room that the client reserves for the answer.
fn estimate(raw: &Raw<'_>, messages: &[Message<'_>], tools: usize) -> u64 {
    const BYTES_PER_TOKEN: u64 = 4;
    const PER_IMAGE: u64 = 8192;
    const PER_MESSAGE: u64 = 4;
    const PER_TOOL_CALL: u64 = 8;
    const PER_TOOL: u64 = 8;

    let len = |bytes: usize| bytes as u64;
    let (mut text, mut structured, mut flat) = (0, 0, 0);
    for message in messages {
        let bytes = len(message.content.text.len());
        if message.role == "tool" {
            structured += bytes;
        } else {
            text += bytes;
        }
        text += len(message.content.unsaid_bytes);
        structured += len(message.content.other_bytes);
        flat += PER_MESSAGE + PER_IMAGE * len(message.content.images);
        for call in &message.tool_calls.0 {
            structured += len(call.get().len());
            flat += PER_TOOL_CALL;
        }
    }
    for part in [raw.tools, raw.tool_choice, raw.response_format].into_iter().flatten() {
        structured += len(part.len());
    }
    // Any spelling of a number counts, as `1e4`, and one beyond all bounds is the largest: `as` saturates.
    let reserve = raw.max_tokens.and_then(|n| serde_json::from_slice::<f64>(n).ok()).map_or(0, |n| n as u64);
    text.div_ceil(BYTES_PER_TOKEN)
        .saturating_add(structured)
        .saturating_add(flat + PER_TOOL * len(tools))
        .saturating_add(reserve)
}

/// Counts what stands in a request.
fn conversation(raw: &Raw<'_>, messages: &[Message<'_>], tools: usize) -> Conversation {
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let of_role = |role: &str| count(messages.iter().filter(|message| message.role == role).count());
    let mut last = messages.iter().rev();
    let in_tool_loop = match last.next() {
        Some(message) if message.role == "tool" => true,
        Some(message) if message.role == "assistant" => !message.tool_calls.0.is_empty(),
        Some(message) if message.role == "user" => last.next().is_some_and(|before| before.role == "tool"),
        _ => false,
    };
    let chosen = |chat: &[u8], messages: &str| {
        u32::from(match raw.protocol {
            Protocol::Chat => raw.tool_choice == Some(chat),
            Protocol::Messages => raw.tool_choice.is_some_and(|choice| kind(choice) == messages),
        })
    };
    Conversation {
        user_messages: of_role("user"),
        assistant_messages: of_role("assistant"),
        system_messages: of_role("system"),
        developer_messages: of_role("developer"),
        tool_messages: of_role("tool"),
        messages: count(messages.len()),
        tool_definitions: count(tools),
        tool_calls: count(messages.iter().map(|message| message.tool_calls.0.len()).sum()),
        active_tool_loop: u32::from(in_tool_loop),
        images: count(messages.iter().map(|message| message.content.images).sum()),
        tool_choice_required: chosen(br#""required""#, "any"),
        tool_choice_none: chosen(br#""none""#, "none"),
    }
}

/// The `type` of an object; empty where it has none.
fn kind(raw: &[u8]) -> Cow<'_, str> {
    serde_json::from_slice::<Part<'_>>(raw).map(|part| part.r#type).unwrap_or_default()
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, default)]
    role: Cow<'a, str>,
    #[serde(borrow, default)]
    content: Content<'a>,
    #[serde(borrow, default)]
    tool_calls: ToolCalls<'a>,
}

/// A message's content: a string, an array of parts, or null.
#[derive(Default)]
struct Content<'a> {
    /// Text parts joined with one space.
    text: Cow<'a, str>,
    images: usize,
    /// Bytes of text that was thought and not said.
    unsaid_bytes: usize,
    /// Bytes of parts that are neither text nor image.
    other_bytes: usize,
}

/// An array of calls, or null.
#[derive(Default)]
struct ToolCalls<'a>(Vec<&'a RawValue>);

#[derive(Deserialize)]
struct Part<'a> {
    #[serde(borrow, default)]
    r#type: Cow<'a, str>,
    #[serde(borrow, default)]
    text: Option<Text<'a>>,
}

/// Serde borrows into a `Cow` only where the attribute stands on the `Cow` itself.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'a> Content<'a> {
    fn add_text(&mut self, text: Cow<'a, str>) {
        if self.text.is_empty() {
            self.text = text;
        } else {
            let all = self.text.to_mut();
            all.push(' ');
            all.push_str(&text);
        }
    }

    fn add(&mut self, raw: &'a RawValue) {
        match serde_json::from_str::<Part<'a>>(raw.get()) {
            Ok(Part { text: Some(Text(text)), .. }) => self.add_text(text),
            Ok(Part { r#type, .. }) if r#type == "image_url" => self.images += 1,
            _ => self.other_bytes += raw.get().len(),
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Content<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ContentVisitor;

        impl<'de> Visitor<'de> for ContentVisitor {
            type Value = Content<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string, an array of parts or null")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Content { text: Cow::Borrowed(text), ..Content::default() })
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Content { text: Cow::Owned(text.to_owned()), ..Content::default() })
            }

            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Content::default())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Self::Value, A::Error> {
                let mut content = Content::default();
                while let Some(part) = parts.next_element::<&'de RawValue>()? {
                    content.add(part);
                }
                Ok(content)
            }
        }

        deserializer.deserialize_any(ContentVisitor)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for ToolCalls<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct CallsVisitor;

        impl<'de> Visitor<'de> for CallsVisitor {
            type Value = ToolCalls<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of tool calls or null")
            }

            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(ToolCalls::default())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut calls: A) -> Result<Self::Value, A::Error> {
                let mut all = Vec::new();
                while let Some(call) = calls.next_element()? {
                    all.push(call);
                }
                Ok(ToolCalls(all))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(ToolCalls::default())
            }
        }

        deserializer.deserialize_any(CallsVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(messages: &str, user_text: &str, tokens: u64) {
        let prompt = Prompt::read(&Raw { messages: messages.as_bytes(), ..Raw::default() }).unwrap();
        assert_eq!((&*prompt.user_text, prompt.tokens), (user_text, tokens));
    }

    #[test]
    fn the_last_user_message_with_text_counts() {
        check("[]", "", 0);
        check(r#"[{"role":"user","content":"hello"}]"#, "hello", 2 + 4);
        check(r#"[{"role":"user","content":"a"},{"role":"assistant","content":"bcd"}]"#, "a", 1 + 8);
        check(r#"[{"role":"user","content":"first"},{"role":"user","content":"  "}]"#, "first", 2 + 8);
        check(r#"[{"role":"user","content":"a\n\u00e9"}]"#, "a\né", 1 + 4);
        check(r#"[{"role":"system","content":"s"},{"role":"user","content":null}]"#, "", 1 + 8);
        check(r#"[{"role":"user"}]"#, "", 4);
    }

    #[test]
    fn parts_are_joined_and_images_counted() {
        let parts = r#"[{"type":"text","text":"draw"},{"type":"image_url","image_url":{"url":"x"}},{"type":"text","text":"it"}]"#;
        check(&format!(r#"[{{"role":"user","content":{parts}}}]"#), "draw it", 2 + 4 + 8192);
        check(r#"[{"role":"user","content":[{"type":"file"}]}]"#, "", 15 + 4);
    }

    #[test]
    fn tools_are_structured_bytes() {
        check(r#"[{"role":"assistant","content":null,"tool_calls":[{"id":"1"}]}]"#, "", 4 + 8 + 10);
        check(r#"[{"role":"tool","content":"12345"}]"#, "", 4 + 5);
        let raw = Raw { messages: b"[]", tools: Some(b"[{},{}]"), max_tokens: Some(b"100"), ..Raw::default() };
        assert_eq!(Prompt::read(&raw).unwrap().tokens, 7 + 16 + 100);
        for (spelled, tokens) in [("1e2", 100), ("100.0", 100), ("-5", 0), ("null", 0), ("\"5\"", 0)] {
            let raw = Raw { messages: b"[]", max_tokens: Some(spelled.as_bytes()), ..Raw::default() };
            assert_eq!(Prompt::read(&raw).unwrap().tokens, tokens, "{spelled}");
        }
        let endless = Raw { messages: b"[]", max_tokens: Some(b"1000000000000000000000"), ..Raw::default() };
        assert_eq!(Prompt::read(&endless).unwrap().tokens, u64::MAX);
    }

    #[test]
    fn conversations_are_counted() {
        let read = |messages: &[u8]| Prompt::read(&Raw { messages, ..Raw::default() }).unwrap().conversation;
        let called = r#"{"role":"user","content":"a"},{"role":"assistant","tool_calls":[{},{}]}"#;
        let conversation = read(format!("[{called}]").as_bytes());
        let expected =
            Conversation { user_messages: 1, assistant_messages: 1, messages: 2, tool_calls: 2, ..conversation };
        assert_eq!((conversation, conversation.active_tool_loop), (expected, 1));
        let answered = format!(r#"[{called},{{"role":"tool","content":"1"}},{{"role":"user","content":"b"}}]"#);
        assert_eq!(read(answered.as_bytes()).active_tool_loop, 1);
        assert_eq!(read(br#"[{"role":"system"},{"role":"user"}]"#).active_tool_loop, 0);
        let raw = Raw {
            messages: br#"[{"role":"developer","content":[{"type":"image_url"}]}]"#,
            tools: Some(b"[{},{},{}]"),
            tool_choice: Some(br#""required""#),
            ..Raw::default()
        };
        let c = Prompt::read(&raw).unwrap().conversation;
        let seen = (c.developer_messages, c.tool_definitions, c.images, c.tool_choice_required, c.tool_choice_none);
        assert_eq!(seen, (1, 3, 1, 1, 0));
    }

    #[test]
    fn what_is_no_list_of_messages_is_an_error() {
        for messages in ["{}", "[1]", r#"[{"role":1}]"#, r#"[{"content":7}]"#, "[\"\\ud800\"]"] {
            assert!(Prompt::read(&Raw { messages: messages.as_bytes(), ..Raw::default() }).is_err(), "{messages}");
        }
    }
}
