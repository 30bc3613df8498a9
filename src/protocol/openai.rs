//! OpenAI's shapes that the router itself writes.

use bytes::Bytes;
use serde::Serialize;

/// Every top-level field of a chat request that OpenAI's API has, older ones included.
pub const CHAT_FIELDS: &[&str] = &[
    "audio",
    "frequency_penalty",
    "function_call",
    "functions",
    "logit_bias",
    "logprobs",
    "max_completion_tokens",
    "max_tokens",
    "messages",
    "metadata",
    "modalities",
    "model",
    "n",
    "parallel_tool_calls",
    "prediction",
    "presence_penalty",
    "prompt_cache_key",
    "prompt_cache_retention",
    "reasoning_effort",
    "response_format",
    "safety_identifier",
    "seed",
    "service_tier",
    "stop",
    "store",
    "stream",
    "stream_options",
    "temperature",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "user",
    "verbosity",
    "web_search_options",
];

/// The body of an error response, and the payload of an error event in a stream.
///
/// OpenAI: API reference, "Error codes"; `code` is a string or null there, and its SDKs expose it as such.
#[derive(Debug, Serialize)]
pub struct ErrorBody<'a> {
    /// The one field.
    pub error: ErrorDetail<'a>,
}

/// What went wrong.
#[derive(Debug, Serialize)]
pub struct ErrorDetail<'a> {
    /// For people.
    pub message: &'a str,
    /// The family: `invalid_request_error`, `server_error`, …
    pub r#type: &'a str,
    /// The request field to blame.
    pub param: Option<&'a str>,
    /// For programs: `model_not_found`, …
    pub code: Option<&'a str>,
}

impl ErrorBody<'_> {
    /// As the body of a response.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("strings always serialise")
    }

    /// As a frame of an event stream. SDKs raise it as an error; it is never followed by `[DONE]`.
    #[must_use]
    pub fn to_event(&self) -> Vec<u8> {
        let mut frame = b"data: ".to_vec();
        frame.extend_from_slice(&self.to_json());
        frame.extend_from_slice(b"\n\n");
        frame
    }
}

/// How the router answers a chat request itself.
#[derive(Debug, Clone, Copy)]
pub struct Reply {
    /// What it says: a JSON string, quotes included.
    pub message: &'static str,
    /// When, in seconds since 1970.
    pub created: u64,
}

impl Reply {
    /// As a plain answer. It cost no tokens.
    #[must_use]
    pub fn to_completion(&self) -> Bytes {
        let Reply { message, .. } = self;
        let choice = format!(
            r#"{{"index":0,"message":{{"role":"assistant","content":{message},"refusal":null}},"logprobs":null,"finish_reason":"stop"}}"#
        );
        format!(r#"{}"choices":[{choice}],{USAGE}}}"#, self.head("chat.completion")).into()
    }

    /// As an event stream: one chunk with all of it, one that ends it, and one for the usage where it was asked for.
    #[must_use]
    pub fn to_stream(&self, include_usage: bool) -> Bytes {
        let (head, message) = (self.head("chat.completion.chunk"), self.message);
        let chunk = |delta: &str, finish_reason: &str| {
            let choice = format!(r#"{{"index":0,"delta":{delta},"logprobs":null,"finish_reason":{finish_reason}}}"#);
            format!("data: {head}\"choices\":[{choice}]}}\n\n")
        };
        let said = chunk(&format!(r#"{{"role":"assistant","content":{message}}}"#), "null");
        let ended = chunk("{}", "\"stop\"");
        let usage = if include_usage { format!("data: {head}\"choices\":[],{USAGE}}}\n\n") } else { String::new() };
        format!("{said}{ended}{usage}data: [DONE]\n\n").into()
    }

    fn head(&self, object: &str) -> String {
        let created = self.created;
        format!(r#"{{"id":"chatcmpl-fast-{created}","object":"{object}","created":{created},"model":"router","#)
    }
}

const USAGE: &str = r#""usage":{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}"#;

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_types)] // a tree is how a client reads it

    use super::Reply;
    use serde_json::{Value, json};

    const REPLY: Reply = Reply { message: r#""No \"way\".""#, created: 7 };

    #[test]
    fn a_plain_reply() {
        let body: Value = serde_json::from_slice(&REPLY.to_completion()).unwrap();
        let message = json!({"role": "assistant", "content": "No \"way\".", "refusal": null});
        let choice = json!({"index": 0, "message": message, "logprobs": null, "finish_reason": "stop"});
        let usage = json!({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0});
        let expected = json!({"id": "chatcmpl-fast-7", "object": "chat.completion", "created": 7, "model": "router",
            "choices": [choice], "usage": usage});
        assert_eq!(body, expected);
    }

    #[test]
    fn a_streamed_reply() {
        for (include_usage, chunks) in [(false, 2), (true, 3)] {
            let text = String::from_utf8(REPLY.to_stream(include_usage).to_vec()).unwrap();
            let frames = text.strip_suffix("data: [DONE]\n\n").unwrap().split_terminator("\n\n");
            let frames: Vec<Value> =
                frames.map(|frame| serde_json::from_str(frame.strip_prefix("data: ").unwrap()).unwrap()).collect();
            assert_eq!(frames.len(), chunks);
            assert_eq!(frames[0]["choices"][0]["delta"], json!({"role": "assistant", "content": "No \"way\"."}));
            assert_eq!(frames[1]["choices"][0]["finish_reason"], "stop");
            assert!(
                frames
                    .iter()
                    .all(|frame| frame["id"] == "chatcmpl-fast-7" && frame["object"] == "chat.completion.chunk")
            );
            assert_eq!(frames.last().unwrap()["usage"]["total_tokens"] == 0, include_usage);
        }
    }
}
