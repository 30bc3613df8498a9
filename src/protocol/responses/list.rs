//! Stored input: how it is kept, and the pages in which it is read. And the small objects around stored responses.

use super::echo::gather;
use super::ids::{Place, item_id};
use super::input::Lookup;
use super::invalid::Invalid;
use super::object::{Object, Value};
use super::request::{Input, Request, referred};
use crate::protocol::out::Out;
use bytes::Bytes;

/// The most items of a page.
const MOST: u64 = 100;

/// Which part of a list is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Page<'q> {
    /// How many items, from 1 to 100.
    pub limit: u64,
    /// The last item first.
    pub descending: bool,
    /// Behind the item with this id.
    pub after: Option<&'q str>,
}

impl<'q> Page<'q> {
    /// Reads the query, its values decoded.
    pub fn read(query: impl IntoIterator<Item = (&'q str, &'q str)>) -> Result<Page<'q>, Invalid> {
        let mut page = Page { limit: 20, descending: true, after: None };
        for (key, value) in query {
            match key {
                "limit" => {
                    let limit = value.parse().ok().filter(|limit| (1..=MOST).contains(limit));
                    let wrong = || Invalid::new("limit", format!("expected a number from 1 to {MOST}"));
                    page.limit = limit.ok_or_else(wrong)?;
                }
                "order" => {
                    page.descending = match value {
                        "asc" => false,
                        "desc" => true,
                        _ => return Err(Invalid::new("order", "expected `asc` or `desc`")),
                    }
                }
                "after" => page.after = Some(value),
                // What there is to include is there.
                _ => {}
            }
        }
        Ok(page)
    }

    /// That part of a stored list, as the API answers it.
    pub fn of(&self, items: &Bytes) -> Result<Bytes, Invalid> {
        let mut items = Value::parse(items)?.array()?;
        if self.descending {
            items.reverse();
        }
        let id = |item: &Value<'_>| item.object().and_then(|item| item.need_text("id")).unwrap_or_default();
        let from = match self.after {
            None => 0,
            Some(after) => {
                let at = items.iter().position(|item| id(item) == after.as_bytes());
                at.ok_or_else(|| Invalid::new("after", "there is no item with this id"))? + 1
            }
        };
        let rest = &items[from..];
        let page = &rest[..rest.len().min(usize::try_from(self.limit).unwrap_or(usize::MAX))];
        let mut out = Out::default();
        out.write(br#"{"object":"list","data":["#);
        for (n, item) in page.iter().enumerate() {
            if n > 0 {
                out.write(b",");
            }
            out.pass(item.bytes());
        }
        out.write(br#"],"first_id":""#);
        out.write(&page.first().map(id).unwrap_or_default());
        out.write(br#"","last_id":""#);
        out.write(&page.last().map(id).unwrap_or_default());
        out.write(format!(r#"","has_more":{}}}"#, page.len() < rest.len()).as_bytes());
        Ok(gather(&mut out))
    }
}

/// What a client is told of a response that is gone. The id is one of this router's.
#[must_use]
pub fn deleted(id: &str) -> String {
    format!(r#"{{"id":"{id}","object":"response","deleted":true}}"#)
}

/// How many tokens an input has.
#[must_use]
pub fn input_tokens(count: u64) -> String {
    format!(r#"{{"object":"response.input_tokens","input_tokens":{count}}}"#)
}

/// The item at a place of a stored response, given the response object and its input.
#[must_use]
pub fn item_at(response: &Bytes, input: &Bytes, place: Place) -> Option<Bytes> {
    let (items, n) = match place {
        Place::Input(n) => (Value::parse(input).ok()?, n),
        Place::Output(n) => (Value::parse(response).ok()?.object().ok()?.get("output")?, n),
    };
    Some(items.array().ok()?.get(n)?.bytes())
}

impl Request<'_> {
    /// The input as it is stored: an array of items, each with an id.
    pub fn input_items(&self, response: &str, lookup: &Lookup<'_>) -> Result<Bytes, Invalid> {
        let mut out = Out::default();
        out.write(b"[");
        match &self.input {
            Input::Text(text) => {
                out.write(br#"{"id":""#);
                out.write(item_id("msg", response, Place::Input(0)).as_bytes());
                out.write(br#"","type":"message","status":"completed","role":"user","content":"#);
                write_text(&mut out, "input_text", text);
                out.write(b"}");
            }
            Input::Items(items) => {
                for (n, item) in items.iter().enumerate() {
                    if n > 0 {
                        out.write(b",");
                    }
                    let item = item.object()?;
                    match referred(&item)?.and_then(|id| lookup(&id)) {
                        Some(known) => out.pass(known),
                        None => write_item(&mut out, &item, response, n)?,
                    }
                }
            }
        }
        out.write(b"]");
        Ok(gather(&mut out))
    }
}

/// A content that is one text.
fn write_text(out: &mut Out, kind: &str, text: &Bytes) {
    let annotations = if kind == "output_text" { r#""annotations":[],"# } else { "" };
    out.write(format!(r#"[{{"type":"{kind}",{annotations}"text":""#).as_bytes());
    out.pass(text.clone());
    out.write(b"\"}]");
}

/// Writes an item with what clients may leave out and readers rely on.
fn write_item(out: &mut Out, item: &Object<'_>, response: &str, n: usize) -> Result<(), Invalid> {
    let kind = item.kind()?;
    let prefix = match kind.as_deref() {
        None | Some("message") => "msg",
        Some("function_call") => "fc",
        Some("function_call_output") => "fco",
        Some("custom_tool_call") => "ctc",
        Some("custom_tool_call_output") => "ctco",
        Some("reasoning") => "rs",
        Some(_) => "item",
    };
    out.write(b"{\"id\":");
    match item.get("id") {
        Some(id) => out.pass(id.bytes()),
        None => out.write(format!("\"{}\"", item_id(prefix, response, Place::Input(n))).as_bytes()),
    }
    if kind.is_none() {
        out.write(br#","type":"message""#);
    }
    if item.get("status").is_none() {
        out.write(br#","status":"completed""#);
    }
    let said = item.get("role").is_some_and(|role| role.string().is_ok_and(|role| role == "assistant"));
    for (key, value) in item.members().filter(|(key, value)| *key != "id" && !value.is_null()) {
        out.write(b",\"");
        out.escape(key);
        out.write(b"\":");
        match key {
            "content" if value.is_string() => {
                write_text(out, if said { "output_text" } else { "input_text" }, &value.text()?);
            }
            "content" | "output" if value.is_array() => write_parts(out, value)?,
            _ => out.pass(value.bytes()),
        }
    }
    out.write(b"}");
    Ok(())
}

fn write_parts(out: &mut Out, parts: Value<'_>) -> Result<(), Invalid> {
    out.write(b"[");
    for (n, value) in parts.array()?.into_iter().enumerate() {
        if n > 0 {
            out.write(b",");
        }
        let part = value.object()?;
        let missing = match part.kind()?.as_deref() {
            Some("input_image") if part.get("detail").is_none() => r#","detail":"auto""#,
            Some("output_text") if part.get("annotations").is_none() => r#","annotations":[]"#,
            _ => "",
        };
        if missing.is_empty() {
            out.pass(value.bytes());
            continue;
        }
        let whole = value.bytes();
        out.pass(whole.slice(..whole.len() - 1));
        out.write(missing.as_bytes());
        out.write(b"}");
    }
    out.write(b"]");
    Ok(())
}
