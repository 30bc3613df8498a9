//! What the assistant did in one turn, as one message of the Chat protocol: what a response leaves behind in its chain, and
//! what a client's own account of a turn becomes.

use super::request::text;
use super::tools::Spaced;
use crate::protocol::out::Out;
use crate::protocol::view::{Path, View};
use bytes::Bytes;

/// One turn of the assistant. All texts are bodies of JSON strings.
#[derive(Debug, Default)]
pub(super) struct Assistant {
    pub(super) thinking: Vec<Thinking>,
    pub(super) content: Vec<Content>,
    pub(super) calls: Vec<Call>,
}

/// A block of thinking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Thinking {
    /// No provider vouches for it.
    Unsigned(Bytes),
    /// The provider wants it back as it is.
    Signed { text: Bytes, signature: Bytes },
    /// Only the provider can read it.
    Redacted(Bytes),
}

/// A piece of what it said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Content {
    Text(Bytes),
    Refusal(Bytes),
}

/// A call of a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) id: Bytes,
    pub(super) name: Bytes,
    /// A JSON document.
    pub(super) arguments: Bytes,
    /// Where the tool belongs, if it is part of a namespace.
    pub(super) space: Option<Spaced>,
}

// === impl Assistant ===

impl Assistant {
    pub(super) fn is_empty(&self) -> bool {
        self.thinking.is_empty() && self.content.is_empty() && self.calls.is_empty()
    }

    /// Writes the message.
    pub(super) fn write(&self, out: &mut Out) {
        out.write(br#"{"role":"assistant","content":"#);
        match self.content.as_slice() {
            // A message must have content or calls.
            [] if self.calls.is_empty() => out.write(br#""""#),
            [] => out.write(b"null"),
            [Content::Text(text)] => {
                out.write(b"\"");
                out.pass(text.clone());
                out.write(b"\"");
            }
            several => {
                for (n, content) in several.iter().enumerate() {
                    out.write(if n == 0 { b"[" } else { b"," });
                    content.write(out);
                }
                out.write(b"]");
            }
        }
        self.write_thinking(out);
        for (n, call) in self.calls.iter().enumerate() {
            out.write(if n == 0 { br#","tool_calls":["# } else { b"," });
            call.write(out);
        }
        out.write(if self.calls.is_empty() { b"}" } else { b"]}" });
    }

    fn write_thinking(&self, out: &mut Out) {
        let unsigned = |thinking: &Thinking| matches!(thinking, Thinking::Unsigned(_));
        if self.thinking.iter().any(|thinking| !unsigned(thinking)) {
            out.write(br#","reasoning_details":"#);
            Thinking::write_all(&self.thinking, out);
        } else if !self.calls.is_empty() && !self.thinking.is_empty() {
            // Models that think between calls want to read what they thought; after an answer nobody does.
            out.write(br#","reasoning_content":""#);
            for thinking in &self.thinking {
                if let Thinking::Unsigned(text) = thinking {
                    out.pass(text.clone());
                }
            }
            out.write(b"\"");
        }
    }
}

// === impl Content ===

impl Content {
    /// As a part of a Chat message.
    fn write(&self, out: &mut Out) {
        let (before, text) = match self {
            Content::Text(text) => (&br#"{"type":"text","text":""#[..], text),
            Content::Refusal(text) => (&br#"{"type":"refusal","refusal":""#[..], text),
        };
        out.write(before);
        out.pass(text.clone());
        out.write(b"\"}");
    }
}

// === impl Call ===

impl Call {
    /// The tool's name for the client.
    pub(super) fn shown(&self) -> &Bytes {
        self.space.as_ref().map_or(&self.name, |space| &space.name)
    }

    fn write(&self, out: &mut Out) {
        out.write(br#"{"id":""#);
        out.pass(self.id.clone());
        out.write(br#"","type":"function","function":{"name":""#);
        out.pass(self.name.clone());
        out.write(br#"","arguments":""#);
        out.pass(self.arguments.clone());
        out.write(b"\"}}");
    }
}

// === impl Thinking ===

impl Thinking {
    /// Writes `reasoning_details`.
    pub(super) fn write_all(all: &[Thinking], out: &mut Out) {
        for (index, thinking) in all.iter().enumerate() {
            out.write(if index == 0 { b"[" } else { b"," });
            let (before, text) = match thinking {
                Thinking::Redacted(data) => (&br#"{"type":"reasoning.encrypted","data":""#[..], data),
                Thinking::Unsigned(text) | Thinking::Signed { text, .. } => {
                    (&br#"{"type":"reasoning.text","text":""#[..], text)
                }
            };
            out.write(before);
            out.pass(text.clone());
            if let Thinking::Signed { signature, .. } = thinking {
                out.write(br#"","signature":""#);
                out.pass(signature.clone());
            }
            out.write(br#"","index":"#);
            out.number(index as u64);
            out.write(b"}");
        }
        out.write(if all.is_empty() { b"[]" } else { b"]" });
    }

    /// What a reasoning item carries for the backend (`encrypted_content`): the body of a JSON string.
    pub(super) fn seal(&self) -> Bytes {
        let mut out = Out::default();
        Thinking::write_all(std::slice::from_ref(self), &mut out);
        let mut sealed = br#"{\"reasoning_details\":"#.to_vec();
        while let Some(piece) = out.take() {
            super::custom::escape(&piece, &mut sealed);
        }
        sealed.push(b'}');
        sealed.into()
    }

    /// Reads what [`seal`](Thinking::seal) wrote, its escapes undone. `None` where somebody else wrote it.
    pub(super) fn unseal(sealed: &str) -> Option<Vec<Thinking>> {
        let source = Bytes::from(sealed.to_owned());
        let details = View::of(&source).ok()?.members().take("reasoning_details")?;
        details.elements().iter().map(Thinking::read).collect()
    }

    fn read(detail: &View<'_>) -> Option<Thinking> {
        let mut detail = detail.members();
        let mut take = |key| detail.take(key).and_then(|view| text(&view, &Path::Root).ok());
        match &*take("type")? {
            b"reasoning.encrypted" => Some(Thinking::Redacted(take("data")?)),
            b"reasoning.text" => {
                let text = take("text")?;
                Some(match take("signature") {
                    Some(signature) => Thinking::Signed { text, signature },
                    None => Thinking::Unsigned(text),
                })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn b(text: &'static str) -> Bytes {
        Bytes::from_static(text.as_bytes())
    }

    fn written(assistant: &Assistant) -> String {
        let mut out = Out::default();
        assistant.write(&mut out);
        let pieces: Vec<Bytes> = std::iter::from_fn(|| out.take()).collect();
        String::from_utf8(pieces.concat()).unwrap()
    }

    #[test]
    fn what_was_said_and_called() {
        let mut turn = Assistant { content: vec![Content::Text(b(r"a\n"))], ..Assistant::default() };
        assert_eq!(written(&turn), r#"{"role":"assistant","content":"a\n"}"#);
        turn.content.push(Content::Refusal(b("no")));
        let parts = r#"[{"type":"text","text":"a\n"},{"type":"refusal","refusal":"no"}]"#;
        assert_eq!(written(&turn), format!(r#"{{"role":"assistant","content":{parts}}}"#));
        turn.content.clear();
        turn.calls.push(Call { id: b("c1"), name: b("f"), arguments: b(r#"{\"x\":1}"#), space: None });
        let call = r#"{"id":"c1","type":"function","function":{"name":"f","arguments":"{\"x\":1}"}}"#;
        assert_eq!(written(&turn), format!(r#"{{"role":"assistant","content":null,"tool_calls":[{call}]}}"#));
    }

    #[test]
    fn thinking_goes_back_to_those_who_want_it() {
        let mut turn = Assistant { thinking: vec![Thinking::Unsigned(b("hm"))], ..Assistant::default() };
        turn.content.push(Content::Text(b("x")));
        assert_eq!(written(&turn), r#"{"role":"assistant","content":"x"}"#);
        turn.calls.push(Call { id: b("c"), name: b("f"), arguments: b("{}"), space: None });
        assert!(written(&turn).contains(r#""reasoning_content":"hm""#));
        turn.thinking = vec![Thinking::Signed { text: b("hm"), signature: b("s") }, Thinking::Redacted(b("d"))];
        let details = r#""reasoning_details":[{"type":"reasoning.text","text":"hm","signature":"s","index":0},{"type":"reasoning.encrypted","data":"d","index":1}]"#;
        assert!(written(&turn).contains(details), "{}", written(&turn));
    }

    #[test]
    fn what_is_sealed_is_read_again() {
        for thinking in [
            Thinking::Unsigned(b(r#"a \"b\" \n"#)),
            Thinking::Signed { text: b(""), signature: b("sig+/=") },
            Thinking::Redacted(b("data")),
        ] {
            let sealed = thinking.seal();
            let quoted = [b"\"", &sealed[..], b"\""].concat();
            let unsealed: String = serde_json::from_slice(&quoted).unwrap();
            assert_eq!(Thinking::unseal(&unsealed), Some(vec![thinking]));
        }
        for foreign in ["", "gAAAAABo", "{}", r#"{"reasoning_details":[{"type":"other"}]}"#] {
            assert_eq!(Thinking::unseal(foreign), None, "{foreign}");
        }
    }
}
