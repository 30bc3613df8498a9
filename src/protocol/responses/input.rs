//! Items of the input as messages of the Chat protocol.
//!
//! What the assistant did in one go, thinking, text and calls, is several items there and one message here. Results of calls
//! follow their calls; what they show beside text comes behind the last of them, since Chat's tool messages hold only text.

use super::assistant::{Assistant, Call, Thinking};
use super::custom::wrap;
use super::invalid::Invalid;
use super::object::{Object, Value};
use super::parts::{Part, read_parts, read_said, write_parts};
use super::request::referred;
use crate::protocol::out::Out;
use bytes::Bytes;

/// How an item that is referred to is looked up: its JSON.
pub type Lookup<'l> = dyn Fn(&str) -> Option<Bytes> + 'l;

/// The messages so far.
pub(super) struct Messages<'l> {
    out: Out,
    any: bool,
    /// What of a turn of the assistant has come.
    assistant: Assistant,
    /// Parts of a user message that belongs behind the results of calls.
    shown: Vec<Part>,
    lookup: &'l Lookup<'l>,
    /// Whether thinking had to be left out that another provider sealed.
    pub(super) lost_thinking: bool,
}

impl<'l> Messages<'l> {
    pub(super) fn new(lookup: &'l Lookup<'l>) -> Self {
        Messages {
            out: Out::default(),
            any: false,
            assistant: Assistant::default(),
            shown: Vec::new(),
            lookup,
            lost_thinking: false,
        }
    }

    /// The messages in pieces, commas between them, and whether there are any.
    pub(super) fn finish(&mut self) -> (Vec<Bytes>, bool) {
        self.end_turn();
        self.end_results();
        (std::iter::from_fn(|| self.out.take()).collect(), self.any)
    }

    /// A message of the user that is one text.
    pub(super) fn text(&mut self, text: Bytes) {
        self.begin();
        self.out.write(br#"{"role":"user","content":""#);
        self.out.pass(text);
        self.out.write(b"\"}");
    }

    pub(super) fn item(&mut self, item: Value<'_>) -> Result<(), Invalid> {
        let item = item.object()?;
        if let Some(id) = referred(&item)? {
            let Some(found) = (self.lookup)(&id) else {
                let message = format!("there is no stored item with the id `{id}`");
                return Err(Invalid::new("id", message).coded("item_not_found"));
            };
            let found = Value::parse(&found).and_then(|value| value.object());
            return self.known(&found?);
        }
        self.known(&item)
    }

    fn known(&mut self, item: &Object<'_>) -> Result<(), Invalid> {
        match item.kind()?.as_deref() {
            Some("message") | None => self.message(item),
            Some("function_call") => {
                let arguments = item.need_text("arguments")?;
                let call = Call { id: item.need_text("call_id")?, name: item.need_text("name")?, arguments };
                self.end_results();
                self.assistant.calls.push(call);
                Ok(())
            }
            Some("custom_tool_call") => {
                let arguments = wrap(&item.need_text("input")?);
                let call = Call { id: item.need_text("call_id")?, name: item.need_text("name")?, arguments };
                self.end_results();
                self.assistant.calls.push(call);
                Ok(())
            }
            Some("function_call_output" | "custom_tool_call_output") => self.result(item),
            Some("reasoning") => self.reasoning(item),
            Some(other) => {
                let message = format!("items of type `{other}` are not known here");
                Err(Invalid::unsupported("type", message))
            }
        }
    }

    fn message(&mut self, item: &Object<'_>) -> Result<(), Invalid> {
        let role = item.need("role", |role| role.string())?;
        let role: &[u8] = match &*role {
            "user" => b"user",
            // The same thing by its name of today, which many chat servers do not know.
            "system" | "developer" => b"system",
            "assistant" => {
                let contents = item.need("content", read_said)?;
                self.end_results();
                self.assistant.content.extend(contents);
                return Ok(());
            }
            _ => {
                let message = "expected `user`, `assistant`, `system` or `developer`";
                return Err(Invalid::new("role", message).coded("invalid_value"));
            }
        };
        let parts = item.need("content", |content| read_parts(content, role == b"user"))?;
        self.begin();
        self.out.write(br#"{"role":""#);
        self.out.write(role);
        self.out.write(br#"","content":"#);
        write_parts(&parts, &mut self.out);
        self.out.write(b"}");
        Ok(())
    }

    /// What a tool gave back.
    fn result(&mut self, item: &Object<'_>) -> Result<(), Invalid> {
        let call_id = item.need_text("call_id")?;
        let parts = item.need("output", |output| read_parts(output, true))?;
        self.end_turn();
        self.comma();
        self.out.write(br#"{"role":"tool","tool_call_id":""#);
        self.out.pass(call_id);
        self.out.write(br#"","content":"#);
        let (texts, shown): (Vec<_>, Vec<_>) = parts.into_iter().partition(|part| matches!(part, Part::Text(_)));
        if texts.is_empty() && !shown.is_empty() {
            self.out.write(br#""(shown in the next message)""#);
        } else {
            write_parts(&texts, &mut self.out);
        }
        self.out.write(b"}");
        self.shown.extend(shown);
        Ok(())
    }

    fn reasoning(&mut self, item: &Object<'_>) -> Result<(), Invalid> {
        let sealed = item.read("encrypted_content", |sealed| sealed.string())?;
        self.end_results();
        if let Some(sealed) = sealed.filter(|sealed| !sealed.is_empty()) {
            match Thinking::unseal(&sealed) {
                Some(thinking) => self.assistant.thinking.extend(thinking),
                None => self.lost_thinking = true,
            }
            return Ok(());
        }
        for key in ["content", "summary"] {
            let texts = item.read(key, |parts| {
                let parts = parts.array()?.into_iter().enumerate();
                let read = |part: Value<'_>| part.object()?.need_text("text");
                parts.map(|(n, part)| read(part).map_err(|error| error.at(n))).collect::<Result<Vec<_>, _>>()
            })?;
            let texts = texts.unwrap_or_default();
            if !texts.is_empty() {
                self.assistant.thinking.extend(texts.into_iter().map(Thinking::Unsigned));
                break;
            }
        }
        Ok(())
    }

    /// Another message begins, of neither the assistant nor a tool.
    fn begin(&mut self) {
        self.end_turn();
        self.end_results();
        self.comma();
    }

    fn comma(&mut self) {
        if std::mem::replace(&mut self.any, true) {
            self.out.write(b",");
        }
    }

    fn end_turn(&mut self) {
        let assistant = std::mem::take(&mut self.assistant);
        if !assistant.is_empty() {
            self.comma();
            assistant.write(&mut self.out);
        }
    }

    fn end_results(&mut self) {
        let shown = std::mem::take(&mut self.shown);
        if shown.is_empty() {
            return;
        }
        self.comma();
        for (n, part) in shown.iter().enumerate() {
            self.out.write(if n == 0 { br#"{"role":"user","content":["# } else { b"," });
            part.write(&mut self.out);
        }
        self.out.write(b"]}");
    }
}
