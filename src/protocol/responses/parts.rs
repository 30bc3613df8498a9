//! Parts of messages: what Responses calls `input_text`, `input_image` and so on, in Chat's shape.

use super::assistant::Content;
use super::invalid::Invalid;
use super::object::{Object, Value};
use crate::protocol::out::Out;
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
pub(super) fn read_parts(content: Value<'_>, may_show: bool) -> Result<Vec<Part>, Invalid> {
    if !content.is_array() {
        return Ok(vec![Part::Text(content.text().map_err(|_| string_or_parts())?)]);
    }
    let parts = content.array()?.into_iter().enumerate();
    parts.map(|(n, part)| Part::read(part, may_show).map_err(|error| error.at(n))).collect()
}

/// Reads what an assistant said.
pub(super) fn read_said(content: Value<'_>) -> Result<Vec<Content>, Invalid> {
    if !content.is_array() {
        return Ok(vec![Content::Text(content.text().map_err(|_| string_or_parts())?)]);
    }
    let read = |part: Value<'_>| {
        let part = part.object()?;
        match &*part.need("type", |kind| kind.string())? {
            "output_text" | "input_text" | "text" => Ok(Content::Text(part.need_text("text")?)),
            "refusal" => Ok(Content::Refusal(part.need_text("refusal")?)),
            other => Err(unknown(other, "`output_text` or `refusal`")),
        }
    };
    let parts = content.array()?.into_iter().enumerate();
    parts.map(|(n, part)| read(part).map_err(|error| error.at(n))).collect()
}

fn string_or_parts() -> Invalid {
    Invalid::new("", "expected a string or an array of parts").coded("invalid_type")
}

fn unknown(kind: &str, expected: &str) -> Invalid {
    Invalid::new("type", format!("parts of type `{kind}` cannot stand here: expected {expected}"))
        .coded("invalid_value")
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
    fn read(part: Value<'_>, may_show: bool) -> Result<Part, Invalid> {
        let whole = part;
        let part = whole.object()?;
        match &*part.need("type", |kind| kind.string())? {
            "input_text" | "output_text" | "text" => Ok(Part::Text(part.need_text("text")?)),
            other if !may_show => Err(unknown(other, "`input_text`")),
            "input_image" => Part::image(&part),
            "input_file" => Part::file(&part),
            "input_audio" => part.need("input_audio", |audio| audio.object().map(|_| Part::Audio(whole.bytes()))),
            other => Err(unknown(other, "`input_text`, `input_image`, `input_file` or `input_audio`")),
        }
    }

    fn image(part: &Object<'_>) -> Result<Part, Invalid> {
        if let Some(url) = part.text("image_url")? {
            return Ok(Part::Image { url, detail: part.text("detail")? });
        }
        if part.get("file_id").is_some() {
            let message = "uploaded files are not kept here: send the image in `image_url`, as a URL or a data URL";
            return Err(Invalid::unsupported("file_id", message));
        }
        Err(Invalid::missing("image_url"))
    }

    fn file(part: &Object<'_>) -> Result<Part, Invalid> {
        let mut members = Vec::new();
        for key in ["filename", "file_data", "file_id", "file_url"] {
            members.extend(part.text(key)?.map(|text| (key, text)));
        }
        if members.iter().any(|(key, _)| *key != "filename") {
            return Ok(Part::File(members));
        }
        Err(Invalid::missing("file_data"))
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
