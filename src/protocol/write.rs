//! Writes JSON: commas where they belong, texts and values of what came in passed on as they stand.
//!
//! It knows JSON and no protocol.

use super::out::{JsonText, Out};
use super::splice::Chunks;
use super::view::View;
use bytes::Bytes;

/// A document in the making. Whoever writes closes what was opened.
#[derive(Debug, Default)]
pub struct Writer {
    out: Out,
    /// Something stands before what comes next, at the same level.
    follows: bool,
}

impl Writer {
    /// `{`
    pub fn open_object(&mut self) -> &mut Self {
        self.open(b"{")
    }

    /// `}`
    pub fn close_object(&mut self) -> &mut Self {
        self.close(b"}")
    }

    /// `[`
    pub fn open_array(&mut self) -> &mut Self {
        self.open(b"[")
    }

    /// `]`
    pub fn close_array(&mut self) -> &mut Self {
        self.close(b"]")
    }

    /// The key of the value that comes next. It holds nothing that would have to be escaped.
    pub fn key(&mut self, key: &'static str) -> &mut Self {
        self.begin();
        self.out.write(b"\"");
        self.out.write(key.as_bytes());
        self.out.write(b"\":");
        self.follows = false;
        self
    }

    /// A string that is to be escaped.
    pub fn string(&mut self, text: &str) -> &mut Self {
        self.value(|out| {
            out.write(b"\"");
            out.escape(text);
            out.write(b"\"");
        })
    }

    /// A string of texts that were escaped already, one behind the other.
    pub fn texts<'t>(&mut self, texts: impl IntoIterator<Item = JsonText<'t>>) -> &mut Self {
        self.value(|out| {
            out.write(b"\"");
            texts.into_iter().for_each(|text| out.text(text));
            out.write(b"\"");
        })
    }

    /// A string that was escaped already.
    pub fn text(&mut self, text: JsonText<'_>) -> &mut Self {
        self.texts([text])
    }

    /// A number.
    pub fn number(&mut self, number: u64) -> &mut Self {
        self.value(|out| out.number(number))
    }

    /// JSON that is known at build time.
    pub fn json(&mut self, json: &'static str) -> &mut Self {
        self.value(|out| out.write(json.as_bytes()))
    }

    /// JSON that was made or checked at run time.
    pub fn made(&mut self, json: Bytes) -> &mut Self {
        self.value(|out| out.pass(json))
    }

    /// A value of what came in, as it stands.
    pub fn view(&mut self, view: &View<'_>) -> &mut Self {
        self.made(view.bytes())
    }

    /// What another writer has written, as the next values or members.
    pub fn append(&mut self, other: Writer) -> &mut Self {
        let mut other = other.out;
        if !other.is_empty() {
            self.begin();
            self.follows = true;
        }
        while let Some(piece) = other.take() {
            self.out.pass(piece);
        }
        self
    }

    /// Whether nothing was written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.out.is_empty()
    }

    /// What was written.
    #[must_use]
    pub fn finish(mut self) -> Chunks {
        let mut chunks = Chunks::default();
        while let Some(piece) = self.out.take() {
            chunks.push(piece);
        }
        chunks
    }

    /// A string of pieces that were escaped already, one behind the other.
    pub fn pieces(&mut self, pieces: impl IntoIterator<Item = Bytes>) -> &mut Self {
        self.value(|out| {
            out.write(b"\"");
            pieces.into_iter().for_each(|piece| out.pass(piece));
            out.write(b"\"");
        })
    }

    /// A value that is written by something else.
    pub fn value(&mut self, write: impl FnOnce(&mut Out)) -> &mut Self {
        self.begin();
        write(&mut self.out);
        self.follows = true;
        self
    }

    fn begin(&mut self) {
        if self.follows {
            self.out.write(b",");
        }
    }

    fn open(&mut self, bracket: &'static [u8]) -> &mut Self {
        self.begin();
        self.out.write(bracket);
        self.follows = false;
        self
    }

    fn close(&mut self, bracket: &'static [u8]) -> &mut Self {
        self.out.write(bracket);
        self.follows = true;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_are_where_they_belong() {
        let mut inner = Writer::default();
        inner.json("1").json("2");
        let mut w = Writer::default();
        w.open_object().key("a").open_array().string("x\"y").append(Writer::default()).append(inner).close_array();
        w.key("b").open_object().close_object().key("c").text(JsonText::raw(br"\n"));
        w.key("d").number(7).close_object();
        let written = w.finish().into_inner().concat();
        assert_eq!(String::from_utf8(written).unwrap(), r#"{"a":["x\"y",1,2],"b":{},"c":"\n","d":7}"#);
    }
}
