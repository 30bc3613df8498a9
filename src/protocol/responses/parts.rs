//! Parts of messages: what Responses calls `input_text`, `input_image` and so on, in Chat's shape.

use super::assistant::Content;
use super::request::{need_text, take_text, text};
use crate::protocol::json::Kind;
use crate::protocol::out::Out;
use crate::protocol::view::{Object, Path, RequestError, View};
use bytes::Bytes;

/// A part of a message that is no assistant's. Texts are bodies of JSON strings.
#[derive(Debug)]
pub(super) enum Part {
    Text(Bytes),
    Image {
        url: Bytes,
        detail: Option<Bytes>,
    },
    /// Its members, in Chat's names.
    File(Vec<(&'static str, Bytes)>),
    /// Has the same shape in both.
    Audio(Bytes),
}

/// Reads a content that is a string or an array of parts.
pub(super) fn read_parts(content: &View<'_>, may_show: bool, path: &Path<'_>) -> Result<Vec<Part>, RequestError> {
    if content.kind() == Kind::String {
        return Ok(vec![Part::Text(text(content, path)?)]);
    }
    let parts = array(content, path)?.into_iter().enumerate();
    parts.map(|(n, part)| Part::read(&part, may_show, &path.index(n))).collect()
}

/// Reads what an assistant said.
pub(super) fn read_said(content: &View<'_>, path: &Path<'_>) -> Result<Vec<Content>, RequestError> {
    if content.kind() == Kind::String {
        return Ok(vec![Content::Text(text(content, path)?)]);
    }
    let read = |(n, part): (usize, View<'_>)| {
        let path = path.index(n);
        let mut part = part.expect_object(&path)?;
        match &*part.take_word("type", &path)? {
            "output_text" | "input_text" | "text" => Ok(Content::Text(need_text(&mut part, "text", &path)?)),
            "refusal" => Ok(Content::Refusal(need_text(&mut part, "refusal", &path)?)),
            _ => Err(path.key("type").refuse("must be output_text or refusal")),
        }
    };
    array(content, path)?.into_iter().enumerate().map(read).collect()
}

fn array<'a>(content: &View<'a>, path: &Path<'_>) -> Result<Vec<View<'a>>, RequestError> {
    match content.kind() {
        Kind::Array => Ok(content.elements()),
        kind => Err(path.refuse(format_args!("must be a string or an array of parts, got {kind}"))),
    }
}

/// Writes a content: a string where it is one text.
pub(super) fn write_parts(parts: &[Part], out: &mut Out) {
    if let [Part::Text(text)] = parts {
        out.write(b"\"");
        out.pass(text.clone());
        return out.write(b"\"");
    }
    out.write(b"[");
    for (n, part) in parts.iter().enumerate() {
        if n > 0 {
            out.write(b",");
        }
        part.write(out);
    }
    out.write(b"]");
}

impl Part {
    fn read(view: &View<'_>, may_show: bool, path: &Path<'_>) -> Result<Part, RequestError> {
        let mut part = view.expect_object(path)?;
        match &*part.take_word("type", path)? {
            "input_text" | "output_text" | "text" => Ok(Part::Text(need_text(&mut part, "text", path)?)),
            _ if !may_show => Err(path.key("type").refuse("must be input_text")),
            "input_image" => Part::image(&mut part, path),
            "input_file" => Part::file(&mut part, path),
            "input_audio" => Ok(Part::Audio(view.bytes())),
            _ => Err(path.key("type").refuse("must be input_text, input_image, input_file or input_audio")),
        }
    }

    fn image(part: &mut Object<'_>, path: &Path<'_>) -> Result<Part, RequestError> {
        if let Some(url) = take_text(part, "image_url", path)? {
            return Ok(Part::Image { url, detail: take_text(part, "detail", path)? });
        }
        if part.take("file_id").is_some() {
            let message = "is not known here: send the image in `image_url`, as a URL or a data URL";
            return Err(path.key("file_id").refuse(message));
        }
        Err(path.key("image_url").refuse("is required"))
    }

    fn file(part: &mut Object<'_>, path: &Path<'_>) -> Result<Part, RequestError> {
        let mut members = Vec::new();
        // Chat has no name for a URL, and translators to other protocols know one where they see it.
        for (key, name) in [("file_data", "file_data"), ("file_url", "file_data"), ("file_id", "file_id")] {
            if members.is_empty() {
                members.extend(take_text(part, key, path)?.map(|text| (name, text)));
            }
        }
        if members.is_empty() {
            return Err(path.key("file_data").refuse("is required"));
        }
        members.extend(take_text(part, "filename", path)?.map(|text| ("filename", text)));
        Ok(Part::File(members))
    }

    pub(super) fn write(&self, out: &mut Out) {
        match self {
            Part::Text(text) => {
                out.write(br#"{"type":"text","text":""#);
                out.pass(text.clone());
                out.write(b"\"}");
            }
            Part::Image { url, detail } => {
                out.write(br#"{"type":"image_url","image_url":{"url":""#);
                out.pass(url.clone());
                if let Some(detail) = detail {
                    out.write(br#"","detail":""#);
                    out.write(detail);
                }
                out.write(b"\"}}");
            }
            Part::File(members) => {
                out.write(br#"{"type":"file","file":{"#);
                for (n, (key, text)) in members.iter().enumerate() {
                    out.write(if n == 0 { b"\"" } else { b",\"" });
                    out.write(key.as_bytes());
                    out.write(b"\":\"");
                    out.pass(text.clone());
                    out.write(b"\"");
                }
                out.write(b"}}");
            }
            Part::Audio(whole) => out.pass(whole.clone()),
        }
    }
}
