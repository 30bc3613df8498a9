//! What a response tells again of its request: every field that OpenAI's and the Open Responses schema require, with the
//! value that counts where the client gave none.

use super::request::{Format, Request};
use crate::protocol::out::Out;
use crate::protocol::view::View;
use bytes::{Bytes, BytesMut};

/// Fields that are told again as they stand, and what stands for those that are not there.
const PLAIN: [(&str, &str); 17] = [
    ("frequency_penalty", "0"),
    ("instructions", "null"),
    ("max_output_tokens", "null"),
    ("max_tool_calls", "null"),
    ("metadata", "{}"),
    ("parallel_tool_calls", "true"),
    ("presence_penalty", "0"),
    ("previous_response_id", "null"),
    ("prompt_cache_key", "null"),
    ("safety_identifier", "null"),
    ("service_tier", "\"default\""),
    ("store", "true"),
    ("temperature", "1"),
    ("tool_choice", "\"auto\""),
    ("top_p", "1"),
    ("truncation", "\"disabled\""),
    ("user", "null"),
];

impl Request<'_> {
    /// Members of the response object, commas between them.
    #[must_use]
    pub fn echo(&self) -> Bytes {
        let mut out = Out::default();
        // Probabilities are not handed on, whatever was asked for.
        out.write(br#""background":false,"top_logprobs":0,"#);
        for (key, otherwise) in PLAIN {
            write_member(self.fields.get(key), key, otherwise, &mut out);
            out.write(b",");
        }
        let mut reasoning = self.fields.get("reasoning").map(|view| view.members());
        out.write(br#""reasoning":{"#);
        for (key, end) in [("effort", b","), ("summary", b"}")] {
            let view = reasoning.as_mut().and_then(|reasoning| reasoning.take(key));
            write_member(view, key, "null", &mut out);
            out.write(end);
        }
        out.write(br#","text":{"format":"#);
        self.write_format(&mut out);
        if let Some(verbosity) = &self.verbosity {
            out.write(br#","verbosity":""#);
            out.write(verbosity);
            out.write(b"\"");
        }
        out.write(br#"},"tools":"#);
        self.tools.write_echo(&mut out);
        one_line(out.into_vec())
    }

    fn write_format(&self, out: &mut Out) {
        match &self.format {
            Format::Text => out.write(br#"{"type":"text"}"#),
            Format::Object => out.write(br#"{"type":"json_object"}"#),
            Format::Schema { name, description, schema, strict } => {
                out.write(br#"{"type":"json_schema","name":""#);
                out.write(name);
                out.write(br#"","description":"#);
                match description {
                    None => out.write(b"null"),
                    Some(description) => {
                        out.write(b"\"");
                        out.write(description);
                        out.write(b"\"");
                    }
                }
                out.write(format!(r#","strict":{},"schema":"#, strict.unwrap_or(false)).as_bytes());
                out.pass(schema.clone());
                out.write(b"}");
            }
        }
    }
}

fn write_member(view: Option<View<'_>>, key: &str, otherwise: &str, out: &mut Out) {
    out.key(key);
    match view {
        Some(view) => out.pass(view.bytes()),
        None => out.write(otherwise.as_bytes()),
    }
}

/// JSON without the line ends between its values, which would end a line of an event stream. Within its strings there are
/// none: there they are escaped.
pub(super) fn one_line(mut json: Vec<u8>) -> Bytes {
    json.retain(|byte| !matches!(byte, b'\n' | b'\r'));
    json.into()
}

/// All that was written, in one piece.
pub(super) fn gather(out: &mut Out) -> Bytes {
    let Some(first) = out.take() else { return Bytes::new() };
    if out.is_empty() {
        return first;
    }
    let mut all = BytesMut::from(&*first);
    while let Some(piece) = out.take() {
        all.extend_from_slice(&piece);
    }
    all.freeze()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_types)] // a tree is how a client reads it

    use super::*;
    use crate::table::UnsupportedTools;
    use serde_json::{Value, json};

    #[test]
    fn what_is_told_again_is_one_line() {
        let parameters = json!({"type": "object", "properties": {"a b": {"type": "string", "enum": ["x\n", "\r"]}}});
        let request = json!({
            "input": "x",
            "metadata": {"k": "v\r\n"},
            "tool_choice": {"type": "function", "name": "f"},
            "text": {"format": {"type": "json_schema", "name": "s", "schema": parameters}},
            "tools": [
                {"type": "function", "name": "f", "description": "d\n", "parameters": parameters},
                {"type": "custom", "name": "c", "format": {"type": "text"}},
                {"type": "namespace", "name": "n", "tools": [{"type": "function", "name": "g"}]},
            ],
        });
        let echo = |body: String| Request::read(&body.into(), UnsupportedTools::Refuse).unwrap().echo();
        let pretty = serde_json::to_string_pretty(&request).unwrap();
        let whole: Value = serde_json::from_slice(&[b"{", &echo(request.to_string())[..], b"}"].concat()).unwrap();
        assert_eq!(whole["tools"][1], request["tools"][1]);
        for body in [pretty.replace('\n', "\r\n"), pretty.replace('\n', "\r"), pretty] {
            let echo = echo(body);
            assert!(!echo.iter().any(|byte| matches!(byte, b'\n' | b'\r')));
            assert_eq!(serde_json::from_slice::<Value>(&[b"{", &echo[..], b"}"].concat()).unwrap(), whole);
        }
    }
}
