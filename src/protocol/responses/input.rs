//! Items of the input as messages of the Chat protocol.
//!
//! What the assistant did in one go, thinking, text and calls, is several items there and one message here. Results of calls
//! follow their calls; what they show beside text comes behind the last of them, since Chat's tool messages hold only text.

use super::assistant::{Assistant, Call, Content, Thinking};
use super::compaction::{SUMMARY, read_compaction};
use super::custom::{escape, wrap};
use super::native::Native;
use super::parts::{Part, read_parts, read_said, write_parts};
use super::request::{InputItem, need_text, take_text};
use super::tools::{Spaced, Tools};
use crate::protocol::event::IMAGE_SHOWN;
use crate::protocol::json::Kind as Json;
use crate::protocol::out::Out;
use crate::protocol::view::{Object, Path, RequestError, View};
use crate::table::UnsupportedTools;
use bytes::Bytes;
use memchr::memmem;

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
    /// What goes before.
    history: &'l [Bytes],
    /// Ids of the calls that stand in the input.
    calls: Vec<Bytes>,
    /// Whether thinking had to be left out that another provider sealed.
    pub(super) lost_thinking: bool,
    /// Whether an image had to be left out that the assistant has made.
    pub(super) lost_image: bool,
}

impl<'l> Messages<'l> {
    pub(super) fn new(lookup: &'l Lookup<'l>, history: &'l [Bytes]) -> Self {
        Messages {
            out: Out::default(),
            any: false,
            assistant: Assistant::default(),
            shown: Vec::new(),
            lookup,
            history,
            calls: Vec::new(),
            lost_thinking: false,
            lost_image: false,
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

    pub(super) fn item(&mut self, item: &InputItem<'_>, path: &Path<'_>) -> Result<(), RequestError> {
        let Some(id) = &item.refers_to else { return self.known(&mut item.view.members(), path) };
        match (self.lookup)(id) {
            Some(found) => self.known(&mut View::of(&found)?.members(), path),
            None => Err(path.key("id").refuse("refers to an item that is not stored here")),
        }
    }

    fn known(&mut self, item: &mut Object<'_>, path: &Path<'_>) -> Result<(), RequestError> {
        match &*item.take_word("type", path)? {
            "message" | "" => self.message(item, path),
            "function_call" => {
                let arguments = need_text(item, "arguments", path)?;
                self.call(item, arguments, path)
            }
            "custom_tool_call" => {
                let arguments = wrap(&need_text(item, "input", path)?);
                self.call(item, arguments, path)
            }
            "function_call_output" | "custom_tool_call_output" => {
                let call_id = need_text(item, "call_id", path)?;
                let at = path.key("output");
                let output = item.take("output").ok_or_else(|| at.refuse("is required"))?;
                self.result(&call_id, read_parts(&output, true, &at)?, path)
            }
            // Its tools are read with the others.
            "additional_tools" => Ok(()),
            "reasoning" => self.reasoning(item, path),
            "image_generation_call" => {
                self.end_results();
                if item.take("result").is_some() {
                    self.lost_image = true;
                    self.assistant.content.push(Content::Text(Bytes::from_static(IMAGE_SHOWN.as_bytes())));
                }
                Ok(())
            }
            "compaction" => {
                let summary = read_compaction(item, path)?;
                self.begin();
                self.out.write(br#"{"role":"user","content":""#);
                self.out.write(SUMMARY);
                self.out.pass(summary);
                self.out.write(b"\"}");
                Ok(())
            }
            other => {
                if let Some(native) = Native::of_call(other) {
                    return self.native_call(native, item, path);
                }
                if let Some(native) = Native::of_output(other) {
                    let call_id = match take_text(item, "call_id", path)? {
                        Some(call_id) => call_id,
                        // The one sort of result that has no other.
                        None if native == Native::LocalShell => need_text(item, "id", path)?,
                        None => return Err(path.key("call_id").refuse("is required")),
                    };
                    let text = native_output(native, item, path)?;
                    return self.result(&call_id, vec![Part::Text(text)], path);
                }
                let other: String = other.chars().take(64).collect();
                Err(path.key("type").refuse(format_args!("is `{other}`, and such items are not known here")))
            }
        }
    }

    fn message(&mut self, item: &mut Object<'_>, path: &Path<'_>) -> Result<(), RequestError> {
        let at = path.key("content");
        let content = item.take("content").ok_or_else(|| at.refuse("is required"))?;
        let role: &[u8] = match &*item.take_word("role", path)? {
            "user" => b"user",
            // The same thing by its name of today, which many chat servers do not know.
            "system" | "developer" => b"system",
            "assistant" => {
                let said = read_said(&content, &at)?;
                self.end_results();
                self.assistant.content.extend(said);
                return Ok(());
            }
            _ => return Err(path.key("role").refuse("must be user, assistant, system or developer")),
        };
        let parts = read_parts(&content, role == b"user", &at)?;
        self.begin();
        self.out.write(br#"{"role":""#);
        self.out.write(role);
        self.out.write(br#"","content":"#);
        write_parts(&parts, &mut self.out);
        self.out.write(b"}");
        Ok(())
    }

    fn call(&mut self, item: &mut Object<'_>, arguments: Bytes, path: &Path<'_>) -> Result<(), RequestError> {
        let (id, name) = (need_text(item, "call_id", path)?, need_text(item, "name", path)?);
        let space = take_text(item, "namespace", path)?.map(|space| Spaced::new(space, name.clone()));
        let name = space.as_ref().map_or(name, |space| space.flat.clone());
        self.called(Call { id, name, arguments, space });
        Ok(())
    }

    fn native_call(&mut self, native: Native, item: &mut Object<'_>, path: &Path<'_>) -> Result<(), RequestError> {
        let arguments = native.arguments(item, path)?;
        let name = Bytes::from_static(native.name().as_bytes());
        self.called(Call { id: need_text(item, "call_id", path)?, name, arguments, space: None });
        Ok(())
    }

    fn called(&mut self, call: Call) {
        self.end_results();
        self.calls.push(call.id.clone());
        self.assistant.calls.push(call);
    }

    /// What a tool gave back.
    fn result(&mut self, call_id: &Bytes, parts: Vec<Part>, path: &Path<'_>) -> Result<(), RequestError> {
        if !self.was_called(call_id) {
            let id = String::from_utf8_lossy(call_id).chars().take(100).collect::<String>();
            let why = format_args!("is `{id}`: no call with this id goes before");
            return Err(path.key("call_id").refuse(why));
        }
        self.end_turn();
        self.comma();
        self.out.write(br#"{"role":"tool","tool_call_id":""#);
        self.out.pass(call_id.clone());
        self.out.write(br#"","content":"#);
        let (texts, shown): (Vec<_>, Vec<_>) = parts.into_iter().partition(|part| matches!(part, Part::Text(_)));
        match texts.as_slice() {
            [] if shown.is_empty() => self.out.write(br#""""#),
            [] => self.out.write(br#""(shown in the next message)""#),
            texts => write_parts(texts, &mut self.out),
        }
        self.out.write(b"}");
        self.shown.extend(shown);
        Ok(())
    }

    /// Whether a result may belong to a call. What begins anew is the client's own matter: it may have shortened it.
    fn was_called(&self, id: &Bytes) -> bool {
        let is_plain = id.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'));
        if self.history.is_empty() || !is_plain || self.calls.contains(id) {
            return true;
        }
        // Plain ids are written in one way alone.
        let call = memmem::Finder::new(&[br#""id":""#, &id[..], b"\""].concat()).into_owned();
        self.history.iter().rev().any(|turn| call.find(turn).is_some())
    }

    fn reasoning(&mut self, item: &mut Object<'_>, path: &Path<'_>) -> Result<(), RequestError> {
        self.end_results();
        let sealed = item.take_word("encrypted_content", path)?;
        if !sealed.is_empty() {
            match Thinking::unseal(&sealed) {
                Some(thinking) => self.assistant.thinking.extend(thinking),
                None => self.lost_thinking = true,
            }
            return Ok(());
        }
        for key in ["content", "summary"] {
            let at = path.key(key);
            let parts = item.take(key).map_or(Ok(Vec::new()), |view| view.expect_array(&at))?;
            for (n, part) in parts.iter().enumerate() {
                let at = at.index(n);
                let text = need_text(&mut part.expect_object(&at)?, "text", &at)?;
                self.assistant.thinking.push(Thinking::Unsigned(text));
            }
            if !parts.is_empty() {
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

/// What a tool with items of its own gave back, as a text: the body of a JSON string.
fn native_output(native: Native, item: &mut Object<'_>, path: &Path<'_>) -> Result<Bytes, RequestError> {
    match native {
        Native::LocalShell => need_text(item, "output", path),
        Native::Shell => {
            let at = path.key("output");
            let output = item.take("output").ok_or_else(|| at.refuse("is required"))?;
            output.expect(Json::Array, &at)?;
            let mut text = Vec::new();
            escape(output.raw().as_bytes(), &mut text);
            Ok(text.into())
        }
        Native::ApplyPatch => {
            let status = need_text(item, "status", path)?;
            Ok(match take_text(item, "output", path)? {
                Some(output) => [&status[..], br"\n", &output].concat().into(),
                None => status,
            })
        }
        Native::ToolSearch => {
            let at = path.key("tools");
            // One that is not here was refused or told of with the others.
            let mut found = Tools::none(UnsupportedTools::Omit);
            found.read_more(&item.take("tools").ok_or_else(|| at.refuse("is required"))?, &at)?;
            let names: Vec<&[u8]> = found.names().map(|name| &name[..]).collect();
            Ok(match names.is_empty() {
                true => Bytes::from_static(b"No tools were found."),
                false => {
                    [b"These tools were found, and can be called now: ", &names.join(&b", "[..])[..]].concat().into()
                }
            })
        }
    }
}
