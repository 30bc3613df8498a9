//! What is asked and what is answered: the bytes that every proxy carries.
//!
//! The mock upstream and the load generator agree on them here, so that each answer can be checked to the byte.

use std::fmt::Write;

/// Bytes at the start of a request body within which the mock looks for what is wanted of it.
pub const PEEK: usize = 2048;

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
        // `user` of a chat request, and what becomes of it in a translated one.
        if has("\"user\":\"writes\"").or_else(|| has("\"user_id\":\"writes\"")).is_some() {
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

/// What every event but the last says, and a number behind it.
pub const TOKEN: &str = " token number ";

/// What stands before a text, of one token or more.
const TEXT: &str = ":\" token number ";

/// What a response as a stream begins with.
const CREATED: &[u8] = b"event: response.created\n";

/// The text of a response is told in so many more places when it is complete: its own event, those of its part and its
/// item, and the whole response.
const WHOLE_TEXTS: usize = 4;

/// What a client asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Api {
    /// A chat completion.
    Chat,
    /// A response.
    Responses,
}

/// A whole HTTP request for a model, of `bytes` bytes of body (or a little more where that is too few for the frame).
#[must_use]
pub fn request(api: Api, host: &str, model: &str, kind: Kind, bytes: usize) -> Vec<u8> {
    let (path, items, bound) = match api {
        Api::Chat => ("chat/completions", "messages", "max_tokens"),
        Api::Responses => ("responses", "input", "max_output_tokens"),
    };
    let head = format!(r#"{{"model":"{model}",{}"{items}":[{{"role":"user","content":""#, kind.fields());
    let tail = format!(r#""}}],"temperature":0.7,"{bound}":256}}"#);
    let words = "The quick brown fox jumps over the lazy dog, says \\\"hello\\\" and goes on.\\n";
    let mut text = String::new();
    let room = bytes.saturating_sub(head.len() + tail.len());
    while text.len() + words.len() <= room {
        text.push_str(words);
    }
    text.extend(std::iter::repeat_n('x', room - text.len()));
    let body = [head, text, tail].concat();
    let mut out = format!(
        "POST /v1/{path} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer sk-client\r\naccept: application/json\r\n\
         content-type: application/json\r\nuser-agent: OpenAI/Python 2.8.0\r\nx-stainless-lang: python\r\n\
         x-stainless-retry-count: 0\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    out.push_str(&body);
    out.into_bytes()
}

/// Checks a stream that is not the same through every proxy: each token once and in its order, and of a response, the whole
/// text wherever it must be and a truthful end. Who only forwards answers a request for a response with the mock's own bytes.
///
/// # Errors
/// What is wrong with it.
pub fn check(api: Api, body: &[u8]) -> Result<(), String> {
    let is_response = body.starts_with(CREATED);
    if api == Api::Responses && !is_response {
        return if body == events().concat() {
            Ok(())
        } else {
            Err("neither a response nor what the mock says".into())
        };
    }
    let tokens = (1..EVENTS).map(|n| format!("{TOKEN}{n:02}\""));
    let wholes = std::iter::repeat_n(format!("{}\"", text()), if is_response { WHOLE_TEXTS } else { 0 });
    let mut places = memchr::memmem::find_iter(body, TEXT);
    for (n, expected) in tokens.chain(wholes).enumerate() {
        let at = places.next().ok_or_else(|| format!("{n} texts in the stream"))? + TEXT.len() - TOKEN.len();
        if !body[at..].starts_with(expected.as_bytes()) {
            return Err(format!("text {n} of the stream is not {expected}"));
        }
    }
    if places.next().is_some() {
        return Err("a text too many in the stream".into());
    }
    let ends = memchr::memmem::find_iter(body, b"\nevent: response.completed\n").count();
    if ends != usize::from(is_response) {
        return Err(format!("{ends} ends of a response"));
    }
    Ok(())
}

/// Whether the whole text is in there.
#[must_use]
pub fn has_whole_text(body: &[u8]) -> bool {
    memchr::memmem::find(body, text().as_bytes()).is_some()
}

/// All tokens in a row.
fn text() -> String {
    (1..EVENTS).map(|n| format!("{TOKEN}{n:02}")).collect()
}

/// The id that a response as a stream tells; `None` where it is none.
#[must_use]
pub fn response_id(body: &[u8]) -> Option<&str> {
    let id = &body[memchr::memmem::find(body, b"\"id\":\"resp_")? + 6..];
    std::str::from_utf8(&id[..memchr::memchr(b'"', id)?]).ok()
}

/// A whole HTTP request for a stored response.
#[must_use]
pub fn stored(host: &str, id: &str) -> Vec<u8> {
    format!("GET /v1/responses/{id} HTTP/1.1\r\nhost: {host}\r\n\r\n").into_bytes()
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
                r#"data: {{"id":"chatcmpl-8f1c2d3e4b5a","object":"chat.completion.chunk","created":1763800000,"model":"mock-model","choices":[{{"index":0,"delta":{{"content":"{TOKEN}{n:02}"}},"finish_reason":null}}]}}"#
            );
            event.push_str("\n\n");
            event.into_bytes()
        })
        .collect();
    events.push(DONE.to_vec());
    events
}

/// The events of the same answer as Anthropic's Messages has them.
#[must_use]
pub fn message_events() -> Vec<Vec<u8>> {
    let event = |name: &str, rest: &str| format!("event: {name}\ndata: {{\"type\":\"{name}\"{rest}}}\n\n").into_bytes();
    let mut events = vec![
        event(
            "message_start",
            r#","message":{"id":"msg_8f1c2d3e4b5a","type":"message","role":"assistant","model":"mock-model","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":250,"output_tokens":1}}"#,
        ),
        event("content_block_start", r#","index":0,"content_block":{"type":"text","text":""}"#),
    ];
    events.extend((1..EVENTS).map(|n| {
        let delta = format!(r#","index":0,"delta":{{"type":"text_delta","text":"{TOKEN}{n:02}"}}"#);
        event("content_block_delta", &delta)
    }));
    events.push(event("content_block_stop", r#","index":0"#));
    let stop = r#","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":80}"#;
    events.push(event("message_delta", stop));
    events.push(event("message_stop", ""));
    events
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_that_lacks_something_is_found_out() {
        let chat = events().concat();
        assert_eq!(check(Api::Chat, &chat), Ok(()));
        assert_eq!(check(Api::Responses, &chat), Ok(()));
        assert_eq!(response_id(&chat), None);
        assert_eq!(response_id(b"data: {\"response\":{\"id\":\"resp_0a\",\"x\":1}}"), Some("resp_0a"));
        let whole = text();
        assert!(has_whole_text(whole.as_bytes()) && !has_whole_text(&chat));
        let deltas = (1..EVENTS).map(|n| format!("event: delta\ndata: {{\"delta\":\"{TOKEN}{n:02}\"}}\n\n"));
        let done = format!("event: done\ndata: {{\"text\":\"{whole}\"}}\n\n").repeat(3);
        let last = format!("event: response.completed\ndata: {{\"text\":\"{whole}\"}}\n\n");
        let response = format!("event: response.created\n\n{}{done}{last}", deltas.collect::<String>());
        assert_eq!(check(Api::Responses, response.as_bytes()), Ok(()));
        for (part, other) in [
            (" 07\"", " 08\""),
            ("event: response.completed", "event: response.failed"),
            ("response.created", "response.queued"),
            (&last, ""),
            (&done[..done.len() / 3], ""),
            (" 63\"}\n\nevent: response", " 64\"}\n\nevent: response"),
        ] {
            assert!(response.contains(part), "{part}");
            assert!(check(Api::Responses, response.replacen(part, other, 1).as_bytes()).is_err(), "{part}");
        }
        let chat = String::from_utf8(chat).unwrap();
        for other in [chat.replacen(" 07", " 08", 1), chat.replacen(TOKEN, "", 1), chat.repeat(2)] {
            assert!(check(Api::Chat, other.as_bytes()).is_err());
        }
    }

    #[test]
    fn the_mock_finds_what_the_load_asks_for() {
        for kind in [Kind::Plain, Kind::Burst, Kind::Writes, Kind::Paced(10)] {
            let request = request(Api::Chat, "h", "chat", kind, 1024);
            let body = memchr::memmem::find(&request, b"\r\n\r\n").unwrap() + 4;
            assert_eq!(request.len() - body, 1024);
            assert_eq!(Kind::of(&request[body..]), kind);
        }
    }
}
