//! Stored input: how it is kept, and the pages in which it is read. And the small objects around stored responses.

use super::echo::gather;
use super::ids::{Place, item_id};
use super::input::Lookup;
use super::request::{Input, Request, text};
use crate::protocol::json::Kind;
use crate::protocol::out::Out;
use crate::protocol::view::{Path, RequestError, View};
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
    pub fn read(query: impl IntoIterator<Item = (&'q str, &'q str)>) -> Result<Page<'q>, RequestError> {
        let root = Path::Root;
        let mut page = Page { limit: 20, descending: true, after: None };
        for (key, value) in query {
            match key {
                "limit" => {
                    let limit = value.parse().ok().filter(|limit| (1..=MOST).contains(limit));
                    let wrong = || root.key("limit").refuse(format_args!("must be a number from 1 to {MOST}"));
                    page.limit = limit.ok_or_else(wrong)?;
                }
                "order" => {
                    page.descending = match value {
                        "asc" => false,
                        "desc" => true,
                        _ => return Err(root.key("order").refuse("must be asc or desc")),
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
    pub fn of(&self, items: &Bytes) -> Result<Bytes, RequestError> {
        let list = as_object(items);
        let mut items = elements(&list, "data")?;
        if self.descending {
            items.reverse();
        }
        let id = |item: &View<'_>| item.members().take("id").and_then(|id| text(&id, &Path::Root).ok());
        let from = match self.after {
            None => 0,
            Some(after) => {
                // The last one with this id: a client may have sent an item twice, and must not get it over and over.
                let at = items.iter().rposition(|item| id(item).is_some_and(|id| id == after.as_bytes()));
                at.ok_or_else(|| Path::Root.key("after").refuse("is the id of no item of this response"))? + 1
            }
        };
        let id = |item: Option<&View<'_>>| item.and_then(id).unwrap_or_default();
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
        out.write(&id(page.first()));
        out.write(br#"","last_id":""#);
        out.write(&id(page.last()));
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

/// The items of a stored response.
#[derive(Debug)]
pub struct Items {
    input: Vec<Bytes>,
    output: Vec<Bytes>,
}

impl Items {
    /// Those of a response object, and of its input.
    #[must_use]
    pub fn of(response: &Bytes, input: &Bytes) -> Items {
        Items { input: elements_of(&as_object(input), "data"), output: elements_of(response, "output") }
    }

    /// The item at this place, if there is one.
    #[must_use]
    pub fn at(&self, place: Place) -> Option<Bytes> {
        match place {
            Place::Input(n) => self.input.get(n),
            Place::Output(n) => self.output.get(n),
        }
        .cloned()
    }
}

impl Request<'_> {
    /// The input as it is stored: an array of items, each with an id.
    pub fn input_items(&self, response: &str, lookup: &Lookup<'_>) -> Result<Bytes, RequestError> {
        let root = Path::Root;
        let at = root.key("input");
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
                    let at = at.index(n);
                    match item.refers_to.as_deref().and_then(lookup) {
                        Some(known) => out.pass(known),
                        None => write_item(&mut out, &item.view, response, n, &at)?,
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
    out.write(br#"[{"type":""#);
    out.write(kind.as_bytes());
    out.write(br#"","#);
    out.write(annotations.as_bytes());
    out.write(br#""text":""#);
    out.pass(text.clone());
    out.write(b"\"}]");
}

/// Writes an item with what clients may leave out and readers rely on.
fn write_item(out: &mut Out, item: &View<'_>, response: &str, n: usize, path: &Path<'_>) -> Result<(), RequestError> {
    let mut item = item.expect_object(path)?;
    let kind = item.take_word("type", path)?;
    let kind = if kind.is_empty() { "message" } else { &kind };
    let prefix = match kind {
        "message" => "msg",
        "function_call" => "fc",
        "function_call_output" => "fco",
        "custom_tool_call" => "ctc",
        "custom_tool_call_output" => "ctco",
        "reasoning" => "rs",
        "image_generation_call" => "ig",
        _ => "item",
    };
    out.write(b"{\"id\":");
    match item.take("id").filter(|id| id.string().is_some_and(|id| !id.is_empty())) {
        Some(id) => out.pass(id.bytes()),
        None => {
            out.write(b"\"");
            out.write(item_id(prefix, response, Place::Input(n)).as_bytes());
            out.write(b"\"");
        }
    }
    out.write(b",\"type\":\"");
    out.escape(kind);
    out.write(b"\",\"status\":");
    match item.take("status") {
        Some(status) => out.pass(status.bytes()),
        None => out.write(b"\"completed\""),
    }
    let role = item.take("role");
    if let Some(role) = &role {
        out.write(b",\"role\":");
        out.pass(role.bytes());
    }
    let said = role.is_some_and(|role| role.string().as_deref() == Some("assistant"));
    for (key, view) in item.into_rest() {
        out.write(b",\"");
        out.escape(&key);
        out.write(b"\":");
        match (&*key, view.kind()) {
            ("content", Kind::String) => {
                write_text(out, if said { "output_text" } else { "input_text" }, &text(&view, path)?);
            }
            ("content" | "output", Kind::Array) => write_parts(out, &view),
            _ => out.pass(view.bytes()),
        }
    }
    out.write(b"}");
    Ok(())
}

fn write_parts(out: &mut Out, parts: &View<'_>) {
    out.write(b"[");
    for (n, view) in parts.elements().into_iter().enumerate() {
        if n > 0 {
            out.write(b",");
        }
        let mut part = view.members();
        let missing = match part.take("type").and_then(|kind| kind.string()).as_deref() {
            Some("input_image") if part.take("detail").is_none() => r#","detail":"auto"}"#,
            Some("output_text") if part.take("annotations").is_none() => r#","annotations":[]}"#,
            _ => {
                out.pass(view.bytes());
                continue;
            }
        };
        let whole = view.bytes();
        out.pass(whole.slice(..whole.len() - 1));
        out.write(missing.as_bytes());
    }
    out.write(b"]");
}

/// An array as the one member of an object, since only objects are read.
fn as_object(array: &Bytes) -> Bytes {
    [b"{\"data\":", &array[..], b"}"].concat().into()
}

fn elements<'a>(object: &'a Bytes, key: &str) -> Result<Vec<View<'a>>, RequestError> {
    let root = Path::Root;
    let array = View::of(object)?.members().take(key).ok_or_else(|| root.key(key).refuse("is required"))?;
    array.expect_array(&root.key(key))
}

fn elements_of(object: &Bytes, key: &str) -> Vec<Bytes> {
    elements(object, key).map_or_else(|_| Vec::new(), |items| items.iter().map(View::bytes).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_types)] // a tree is how a client reads it
    #![allow(clippy::needless_pass_by_value)] // rows are written in place

    use super::*;
    use crate::table::UnsupportedTools;
    use serde_json::{Value, json};

    fn stored(request: Value) -> Bytes {
        let body = Bytes::from(serde_json::to_vec(&request).unwrap());
        Request::read(&body, UnsupportedTools::Refuse).unwrap().input_items("resp_7", &|_| None).unwrap()
    }

    fn page(items: &Bytes, query: &[(&str, &str)]) -> Value {
        let page = Page::read(query.iter().copied()).unwrap().of(items).unwrap();
        serde_json::from_slice(&page).unwrap()
    }

    #[test]
    fn input_is_stored_with_what_clients_left_out() {
        let text = json!([{"type": "input_text", "text": "x\n"}]);
        let message =
            json!({"id": "msg_7i0", "type": "message", "status": "completed", "role": "user", "content": text});
        let read = |items: &Bytes| serde_json::from_slice::<Value>(items).unwrap();
        assert_eq!(read(&stored(json!({"input": "x\n"}))), json!([message]));
        assert_eq!(read(&stored(json!({"input": [{"role": "user", "content": "x\n"}]}))), json!([message]));
        let items = json!([
            {"id": "", "role": "assistant", "content": [{"type": "output_text", "text": "a"}]},
            {"role": "user", "content": [{"type": "input_image", "image_url": "u"}]},
            {"type": "function_call", "id": "fc_9", "call_id": "c", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c", "output": "x"},
        ]);
        let expected = json!([
            {"id": "msg_7i0", "type": "message", "status": "completed", "role": "assistant",
             "content": [{"type": "output_text", "text": "a", "annotations": []}]},
            {"id": "msg_7i1", "type": "message", "status": "completed", "role": "user",
             "content": [{"type": "input_image", "image_url": "u", "detail": "auto"}]},
            {"id": "fc_9", "type": "function_call", "status": "completed", "call_id": "c", "name": "f", "arguments": "{}"},
            {"id": "fco_7i3", "type": "function_call_output", "status": "completed", "call_id": "c", "output": "x"},
        ]);
        assert_eq!(read(&stored(json!({"input": items}))), expected);
    }

    #[test]
    fn pages() {
        let input: Vec<Value> = (0..25).map(|n| json!({"role": "user", "content": n.to_string()})).collect();
        let items = stored(json!({"input": input}));
        let first = page(&items, &[]);
        assert_eq!((first["data"].as_array().unwrap().len(), &first["has_more"]), (20, &json!(true)));
        assert_eq!((&first["first_id"], &first["last_id"]), (&json!("msg_7i24"), &json!("msg_7i5")));
        let last = page(&items, &[("after", "msg_7i5")]);
        assert_eq!((last["data"].as_array().unwrap().len(), &last["has_more"]), (5, &json!(false)));
        let ascending = page(&items, &[("order", "asc"), ("limit", "1"), ("include[]", "x")]);
        assert_eq!((&ascending["first_id"], &ascending["last_id"]), (&json!("msg_7i0"), &json!("msg_7i0")));
        assert_eq!(page(&items, &[("after", "msg_7i0")])["data"], json!([]));
        // An item that is there twice does not lead a reader in circles.
        let item = json!({"id": "m", "role": "user", "content": "x"});
        let twice = stored(json!({"input": [item, item]}));
        assert_eq!(page(&twice, &[("limit", "1"), ("after", "m")])["data"], json!([]));
        for wrong in [("limit", "0"), ("limit", "101"), ("order", "up")] {
            assert_eq!(Page::read([wrong]).unwrap_err().param.unwrap(), wrong.0);
        }
        assert_eq!(Page::read([("after", "msg_x")]).unwrap().of(&items).unwrap_err().param.unwrap(), "after");
    }
}
