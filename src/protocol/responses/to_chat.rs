//! A Responses request as a Chat request: instructions, the turns that are stored, and this turn's input.
//!
//! Stored turns are taken over as the bytes that they were stored as, so a chain costs what it is long and nothing to read.

use super::compaction::ASK;
use super::input::{Lookup, Messages};
use super::request::{Format, Input, NUMBERS, Request, STRINGS};
use crate::protocol::out::Out;
use crate::protocol::splice::Chunks;
use crate::protocol::translated::Warnings;
use crate::protocol::view::{Path, RequestError};
use bytes::Bytes;

/// What a request goes on from.
#[derive(Clone, Copy)]
pub struct History<'h> {
    /// The messages of each turn before, oldest first, commas between them and none around them.
    pub turns: &'h [Bytes],
    /// Looks up the items that the request refers to, by their ids.
    pub items: &'h Lookup<'h>,
}

impl std::fmt::Debug for History<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "History({} turns)", self.turns.len())
    }
}

/// A Chat request that a Responses request was made into.
#[derive(Debug)]
pub struct Translated {
    /// The whole body.
    pub body: Chunks,
    /// This turn's own messages in pieces, commas between them: what is stored of it, before what the assistant adds.
    pub turn: Vec<Bytes>,
    /// What was left out.
    pub warnings: Warnings,
}

impl Request<'_> {
    /// Makes a Chat request of it.
    pub fn to_chat(&self, history: History<'_>) -> Result<Translated, RequestError> {
        self.chat(history, None)
    }

    /// Makes a Chat request of it that asks for a summary of it all, of any length and in plain text.
    pub fn to_summary(&self, history: History<'_>) -> Result<Translated, RequestError> {
        self.chat(history, Some(ASK))
    }

    fn chat(&self, history: History<'_>, ask: Option<&'static [u8]>) -> Result<Translated, RequestError> {
        if ask.is_none() {
            self.tools.check(self.tool_choice.as_ref())?;
        }
        let mut warnings = self.warnings.clone();
        let mut messages = Messages::new(history.items, history.turns);
        let root = Path::Root;
        let at = root.key("input");
        match &self.input {
            Input::Text(text) => messages.text(text.clone()),
            Input::Items(items) => {
                for (n, item) in items.iter().enumerate() {
                    messages.item(item, &at.index(n))?;
                }
            }
        }
        let (turn, any) = messages.finish();
        if !any && history.turns.is_empty() {
            return Err(at.refuse("holds no message"));
        }
        if messages.lost_thinking {
            warnings.dropped("reasoning.encrypted_content");
        }
        if messages.lost_image {
            warnings.dropped("image_generation_call");
        }

        let mut out = Out::default();
        match ask {
            None => self.write_fields(&mut out),
            Some(_) => self.write_model(&mut out),
        }
        out.write(br#""messages":["#);
        let mut between = false;
        if let Some(instructions) = &self.instructions {
            out.write(br#"{"role":"system","content":""#);
            out.pass(instructions.clone());
            out.write(b"\"}");
            between = true;
        }
        for turn in history.turns.iter().filter(|turn| !turn.is_empty()) {
            if std::mem::replace(&mut between, true) {
                out.write(b",");
            }
            out.pass(turn.clone());
        }
        if any && between {
            out.write(b",");
        }
        turn.iter().for_each(|piece| out.pass(piece.clone()));
        if let Some(ask) = ask {
            out.write(br#",{"role":"user","content":""#);
            out.write(ask);
            out.write(b"\"}");
        }
        out.write(b"]}");

        let mut body = Chunks::default();
        while let Some(piece) = out.take() {
            body.push(piece);
        }
        Ok(Translated { body, turn, warnings })
    }

    fn write_model(&self, out: &mut Out) {
        out.write(b"{");
        if let Some(model) = self.fields.get("model") {
            out.write(br#""model":"#);
            out.pass(model.bytes());
            out.write(b",");
        }
    }

    /// Everything before the messages.
    fn write_fields(&self, out: &mut Out) {
        self.write_model(out);
        let mut copy = |key: &str, name: &str| {
            if let Some(view) = self.fields.get(key) {
                out.key(name);
                out.pass(view.bytes());
                out.write(b",");
            }
        };
        NUMBERS.iter().chain(&STRINGS).for_each(|key| copy(key, key));
        copy("max_output_tokens", "max_tokens");
        for (key, text) in [("reasoning_effort", &self.effort), ("verbosity", &self.verbosity)] {
            if let Some(text) = text {
                out.key(key);
                out.write(b"\"");
                out.write(text);
                out.write(b"\",");
            }
        }
        if self.stream {
            out.write(br#""stream":true,"stream_options":{"include_usage":true},"#);
        }
        self.write_response_format(out);
        let parallel = self.fields.get("parallel_tool_calls").map(|view| view.is("true"));
        self.tools.write_chat(self.tool_choice.as_ref(), parallel, out);
    }

    fn write_response_format(&self, out: &mut Out) {
        match &self.format {
            Format::Text => {}
            Format::Object => out.write(br#""response_format":{"type":"json_object"},"#),
            Format::Schema { name, description, schema, strict } => {
                out.write(br#""response_format":{"type":"json_schema","json_schema":{"name":""#);
                out.write(name);
                out.write(b"\"");
                if let Some(description) = description {
                    out.write(br#","description":""#);
                    out.write(description);
                    out.write(b"\"");
                }
                if let Some(strict) = strict {
                    out.write(format!(",\"strict\":{strict}").as_bytes());
                }
                out.write(br#","schema":"#);
                out.pass(schema.clone());
                out.write(b"}},");
            }
        }
    }
}

#[cfg(test)]
#[path = "to_chat_tests.rs"]
mod tests;
