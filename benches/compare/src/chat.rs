//! What is asked and what is answered: the bytes that every proxy carries.
//!
//! The mock upstream and the load generator agree on them here, so that each answer can be checked to the byte.

use std::fmt::Write;

/// Bytes at the start of a request body within which the mock looks for what is wanted of it.
pub const PEEK: usize = 256;

/// Events of a streamed answer, `[DONE]` among them.
pub const EVENTS: usize = 64;

/// The event that ends a streamed answer.
pub const DONE: &[u8] = b"data: [DONE]\n\n";

/// How an answer comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One JSON object.
    Plain,
    /// All events at once, in a single write: a backend that is faster than the proxy.
    Burst,
    /// All events one after the other, each in a write of its own, with no pause.
    Writes,
    /// An event every so many milliseconds.
    Paced(u64),
}

impl Kind {
    /// What the mock must do for the request whose body begins like this.
    #[must_use]
    pub fn of(body_start: &[u8]) -> Self {
        let has = |needle: &str| memchr::memmem::find(body_start, needle.as_bytes());
        if has("\"stream\":true").is_none() {
            return Self::Plain;
        }
        if has("\"user\":\"writes\"").is_some() {
            return Self::Writes;
        }
        let Some(at) = has("\"user\":\"paced-") else { return Self::Burst };
        let digits = body_start[at + 14..].iter().take_while(|b| b.is_ascii_digit());
        Self::Paced(digits.fold(0, |n, b| n * 10 + u64::from(b - b'0')))
    }

    /// The fields of the request that [`Kind::of`] finds again.
    fn fields(self) -> String {
        match self {
            Self::Plain => String::new(),
            Self::Burst => r#""stream":true,"#.into(),
            Self::Writes => r#""stream":true,"user":"writes","#.into(),
            Self::Paced(ms) => format!(r#""stream":true,"user":"paced-{ms}","#),
        }
    }
}

/// A whole HTTP request of `bytes` bytes of body (or a little more where that is too few for the frame).
#[must_use]
pub fn request(host: &str, kind: Kind, bytes: usize) -> Vec<u8> {
    let head = format!(r#"{{"model":"chat",{}"messages":[{{"role":"user","content":""#, kind.fields());
    let tail = r#""}],"temperature":0.7,"max_tokens":256}"#;
    let words = "The quick brown fox jumps over the lazy dog, says \\\"hello\\\" and goes on.\\n";
    let mut text = String::new();
    let room = bytes.saturating_sub(head.len() + tail.len());
    while text.len() + words.len() <= room {
        text.push_str(words);
    }
    text.extend(std::iter::repeat_n('x', room - text.len()));
    let body = [head.as_str(), &text, tail].concat();
    let mut out = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer sk-client\r\naccept: application/json\r\n\
         content-type: application/json\r\nuser-agent: OpenAI/Python 2.8.0\r\nx-stainless-lang: python\r\n\
         x-stainless-retry-count: 0\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    out.push_str(&body);
    out.into_bytes()
}

/// The body of a plain answer, about 600 bytes.
#[must_use]
pub fn plain_answer() -> Vec<u8> {
    let text = "Foxes are quick, dogs are lazy, and proxies should be neither seen nor felt. ".repeat(4);
    format!(
        r#"{{"id":"chatcmpl-8f1c2d3e4b5a","object":"chat.completion","created":1763800000,"model":"mock-model","choices":[{{"index":0,"message":{{"role":"assistant","content":"{text}"}},"finish_reason":"stop"}}],"usage":{{"prompt_tokens":250,"completion_tokens":80,"total_tokens":330}}}}"#
    )
    .into_bytes()
}

/// The events of a streamed answer, each about 200 bytes.
#[must_use]
pub fn events() -> Vec<Vec<u8>> {
    let mut events: Vec<Vec<u8>> = (1..EVENTS)
        .map(|n| {
            let mut event = String::new();
            // Writing to a String cannot fail.
            let _ = write!(
                event,
                r#"data: {{"id":"chatcmpl-8f1c2d3e4b5a","object":"chat.completion.chunk","created":1763800000,"model":"mock-model","choices":[{{"index":0,"delta":{{"content":" token number {n:02}"}},"finish_reason":null}}]}}"#
            );
            event.push_str("\n\n");
            event.into_bytes()
        })
        .collect();
    events.push(DONE.to_vec());
    events
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mock_finds_what_the_load_asks_for() {
        for kind in [Kind::Plain, Kind::Burst, Kind::Writes, Kind::Paced(10)] {
            let request = request("h", kind, 1024);
            let body = memchr::memmem::find(&request, b"\r\n\r\n").unwrap() + 4;
            assert_eq!(request.len() - body, 1024);
            assert_eq!(Kind::of(&request[body..body + PEEK]), kind);
        }
    }
}
