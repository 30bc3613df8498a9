//! An answer that is one text, as a message and as a stream: what the router says itself.
//!
//! Texts are JSON strings, quotes included.

use std::fmt::Write;

/// What stands around the text.
#[derive(Debug, Clone, Copy)]
pub struct Said<'a> {
    /// Begins with `msg_`. Nothing in it needs an escape.
    pub id: &'a str,
    /// A JSON string.
    pub model: &'a str,
    /// Tokens of the prompt.
    pub input_tokens: u64,
    /// Tokens of the text.
    pub output_tokens: u64,
}

impl Said<'_> {
    /// As a plain answer.
    #[must_use]
    pub fn message(&self, text: &str) -> String {
        let content = format!(r#"[{{"type":"text","text":{text},"citations":null}}]"#);
        self.object(&content, r#""end_turn""#, self.output_tokens)
    }

    /// As a stream: what comes before the texts, an event for each, and what comes behind them.
    #[must_use]
    pub fn stream<'t>(&self, texts: impl Iterator<Item = &'t str>) -> Vec<String> {
        let mut events = Vec::new();
        let start = event("message_start", &format!(r#""message":{}"#, self.object("[]", "null", 0)));
        let block =
            event("content_block_start", r#""index":0,"content_block":{"type":"text","text":"","citations":null}"#);
        events.push(start + &block);
        events.extend(texts.map(|text| {
            event("content_block_delta", &format!(r#""index":0,"delta":{{"type":"text_delta","text":{text}}}"#))
        }));
        let mut end = event("content_block_stop", r#""index":0"#);
        let usage = self.output_tokens;
        end += &event(
            "message_delta",
            &format!(
                r#""delta":{{"stop_reason":"end_turn","stop_sequence":null}},"usage":{{"output_tokens":{usage}}}"#
            ),
        );
        let _ = write!(end, "event: message_stop\ndata: {{\"type\":\"message_stop\"}}\n\n");
        events.push(end);
        events
    }

    fn object(&self, content: &str, stop_reason: &str, output_tokens: u64) -> String {
        let Said { id, model, input_tokens, .. } = self;
        let usage = format!(r#"{{"input_tokens":{input_tokens},"output_tokens":{output_tokens}}}"#);
        format!(
            r#"{{"id":"{id}","type":"message","role":"assistant","model":{model},"content":{content},"stop_reason":{stop_reason},"stop_sequence":null,"usage":{usage}}}"#
        )
    }
}

fn event(kind: &str, fields: &str) -> String {
    format!("event: {kind}\ndata: {{\"type\":\"{kind}\",{fields}}}\n\n")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_types)] // a tree is how a client reads it

    use super::Said;
    use serde_json::{Value, json};

    const SAID: Said<'_> = Said { id: "msg_1", model: r#""cl\"aude""#, input_tokens: 3, output_tokens: 2 };

    #[test]
    fn a_message() {
        let message: Value = serde_json::from_str(&SAID.message(r#""No \"way\".""#)).unwrap();
        let text = json!({"type": "text", "text": "No \"way\".", "citations": null});
        let expected = json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "cl\"aude", "content": [text],
            "stop_reason": "end_turn", "stop_sequence": null, "usage": {"input_tokens": 3, "output_tokens": 2}});
        assert_eq!(message, expected);
    }

    #[test]
    fn a_stream() {
        let text = SAID.stream([r#""a ""#, r#""b""#].into_iter()).concat();
        let frames = text.split_terminator("\n\n").map(|frame| {
            let (event, data) = frame.split_once("\ndata: ").unwrap();
            let data: Value = serde_json::from_str(data).unwrap();
            assert_eq!(Some(data["type"].as_str().unwrap()), event.strip_prefix("event: "));
            data
        });
        let frames: Vec<Value> = frames.collect();
        let kinds: Vec<&str> = frames.iter().map(|frame| frame["type"].as_str().unwrap()).collect();
        let delta = "content_block_delta";
        let expected = [
            "message_start",
            "content_block_start",
            delta,
            delta,
            "content_block_stop",
            "message_delta",
            "message_stop",
        ];
        assert_eq!(kinds, expected);
        assert_eq!(frames[0]["message"]["usage"], json!({"input_tokens": 3, "output_tokens": 0}));
        assert_eq!(frames[2]["delta"], json!({"type": "text_delta", "text": "a "}));
        assert_eq!(frames[5]["usage"], json!({"output_tokens": 2}));
        assert_eq!(frames[5]["delta"], json!({"stop_reason": "end_turn", "stop_sequence": null}));
    }
}
