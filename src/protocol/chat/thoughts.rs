//! What a model thought, kept whole until its answer ends.
//!
//! A stream tells thinking in pieces. OpenAI's SDK for Node keeps of a field that it does not know the last piece alone, so what
//! its users hand back would be torn; a field that comes once is kept by every client.

use crate::protocol::out::JsonText;

/// Where a client is told more, it is not told it again as a whole.
const LIMIT: usize = 4 * 1024 * 1024;

/// The blocks of thinking so far, as Anthropic has them. What is not signed is of no use to the provider, and left out.
#[derive(Debug, Default)]
pub(super) struct Thoughts {
    /// The items of a JSON list.
    items: Vec<u8>,
    /// Where the block begins that is not signed yet.
    open: Option<usize>,
    is_too_large: bool,
}

impl Thoughts {
    pub(super) fn text(&mut self, text: JsonText<'_>) {
        self.open();
        self.write(text.as_raw());
    }

    pub(super) fn signature(&mut self, signature: JsonText<'_>) {
        self.open();
        self.write(b"\",\"signature\":\"");
        self.write(signature.as_raw());
        self.write(b"\"}");
        self.open = None;
    }

    pub(super) fn redacted(&mut self, data: JsonText<'_>) {
        self.separate();
        self.write(b"{\"type\":\"redacted_thinking\",\"data\":\"");
        self.write(data.as_raw());
        self.write(b"\"}");
    }

    /// The block is complete, signed or not.
    pub(super) fn close(&mut self) {
        if let Some(start) = self.open.take() {
            self.items.truncate(start);
        }
    }

    /// The items of the list. `None` where there is nothing to hand back.
    pub(super) fn items(&self) -> Option<&[u8]> {
        (!self.items.is_empty() && !self.is_too_large).then_some(&self.items)
    }

    fn open(&mut self) {
        if self.open.is_none() {
            self.open = Some(self.items.len());
            self.separate();
            self.write(b"{\"type\":\"thinking\",\"thinking\":\"");
        }
    }

    fn separate(&mut self) {
        if !self.items.is_empty() {
            self.write(b",");
        }
    }

    fn write(&mut self, json: &[u8]) {
        self.is_too_large |= self.items.len() + json.len() > LIMIT;
        if self.is_too_large {
            self.items = Vec::new();
            return;
        }
        self.items.extend_from_slice(json);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_types)] // a tree is how a client reads it

    use super::*;

    fn told(thoughts: &Thoughts) -> Option<serde_json::Value> {
        let items = thoughts.items()?;
        Some(serde_json::from_slice(&[b"[", items, b"]"].concat()).unwrap())
    }

    #[test]
    fn what_is_signed_is_kept() {
        let mut thoughts = Thoughts::default();
        thoughts.text(JsonText::raw(b"not signed"));
        thoughts.close();
        assert_eq!(told(&thoughts), None);
        thoughts.text(JsonText::raw(br#"a \"b"#));
        thoughts.text(JsonText::raw(b" c"));
        thoughts.signature(JsonText::raw(b"s"));
        thoughts.close();
        thoughts.redacted(JsonText::raw(b"r"));
        thoughts.text(JsonText::raw(b"not signed"));
        thoughts.close();
        thoughts.signature(JsonText::raw(b"alone"));
        let expected = serde_json::json!([
            {"type": "thinking", "thinking": "a \"b c", "signature": "s"},
            {"type": "redacted_thinking", "data": "r"},
            {"type": "thinking", "thinking": "", "signature": "alone"},
        ]);
        assert_eq!(told(&thoughts), Some(expected));
    }

    #[test]
    fn it_is_bounded() {
        let mut thoughts = Thoughts::default();
        for _ in 0..5 {
            thoughts.text(JsonText::raw(&vec![b'x'; LIMIT / 4]));
        }
        thoughts.signature(JsonText::raw(b"s"));
        assert_eq!(thoughts.items(), None);
        assert!(thoughts.items.is_empty());
    }
}
