//! `POST /v1/messages/count_tokens`: how long a request is.
//!
//! An estimate: the same that signals and algorithms go by, without any model's tokenizer and on the safe side, the room for
//! the answer left out.

use crate::protocol::prompt::{Prompt, Raw};
use crate::protocol::view::{Object, Path, RequestError, View};
use crate::table::Protocol;
use bytes::Bytes;

/// Estimates the tokens of this request.
pub fn count(body: &Bytes) -> Result<u64, RequestError> {
    let root = Path::Root;
    let mut request = View::of(body)?.members();
    let messages = request.take("messages").ok_or_else(|| root.key("messages").refuse("is required"))?;
    messages.expect_array(&root.key("messages"))?;
    let mut part = |key| raw(&mut request, key);
    let raw = Raw {
        protocol: Protocol::Messages,
        system: part("system"),
        messages: messages.raw().as_bytes(),
        tools: part("tools"),
        tool_choice: part("tool_choice"),
        ..Raw::default()
    };
    let prompt = Prompt::read(&raw);
    prompt.map(|prompt| prompt.tokens).map_err(|error| root.key("messages").refuse(format_args!("is wrong: {error}")))
}

fn raw<'a>(request: &mut Object<'a>, key: &str) -> Option<&'a [u8]> {
    request.take(key).map(|view| view.raw().as_bytes())
}

/// The answer to a client that wants to know.
#[must_use]
pub fn body(tokens: u64) -> String {
    format!(r#"{{"input_tokens":{tokens}}}"#)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(body: &'static str) -> Result<u64, RequestError> {
        count(&Bytes::from_static(body.as_bytes()))
    }

    #[test]
    fn what_counts() {
        let plain = of(r#"{"messages":[{"role":"user","content":"hello, you"}]}"#).unwrap();
        assert_eq!(plain, 3 + 4);
        assert_eq!(body(plain), r#"{"input_tokens":7}"#);
        for more in [
            r#"{"system":"be kind","messages":[{"role":"user","content":"hello, you"}]}"#,
            r#"{"tools":[{"name":"f","input_schema":{}}],"messages":[{"role":"user","content":"hello, you"}]}"#,
            r#"{"messages":[{"role":"user","content":"hello, you"},{"role":"assistant","content":"hi"}]}"#,
            r#"{"messages":[{"role":"user","content":[{"type":"text","text":"hello, you"},{"type":"image","source":{}}]}]}"#,
        ] {
            assert!(of(more).unwrap() > plain, "{more}");
        }
        // The answer is no part of it.
        let roomy = of(r#"{"max_tokens":1000,"messages":[{"role":"user","content":"hello, you"}]}"#);
        assert_eq!(roomy, Ok(plain));
    }

    #[test]
    fn what_cannot_be_counted_is_refused() {
        for body in ["{}", "[]", "{", r#"{"messages":{}}"#, r#"{"messages":[7]}"#] {
            assert!(of(body).is_err(), "{body}");
        }
    }
}
