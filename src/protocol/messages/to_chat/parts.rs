//! Content blocks as content parts of Chat.

use crate::protocol::json::Kind;
use crate::protocol::out::JsonText;
use crate::protocol::translated::Warnings;
use crate::protocol::view::{Object, Path, RequestError, Text, View};
use crate::protocol::write::Writer;

/// Something that a user message can hold.
#[derive(Debug)]
pub(super) enum Part<'a> {
    Text(Text<'a>),
    /// Of the router itself.
    Note(String),
    ImageUrl(Text<'a>),
    Image {
        media_type: Text<'a>,
        data: Text<'a>,
    },
    File {
        name: Option<Text<'a>>,
        media_type: Text<'a>,
        data: Text<'a>,
    },
}

impl<'a> Part<'a> {
    pub(super) fn write(&self, w: &mut Writer) {
        let raw = JsonText::raw;
        w.open_object().key("type");
        match self {
            Part::Text(text) => {
                w.json("\"text\"").key("text").text(text.json());
            }
            Part::Note(text) => {
                w.json("\"text\"").key("text").string(text);
            }
            Part::ImageUrl(url) => {
                w.json("\"image_url\"").key("image_url").open_object().key("url").text(url.json()).close_object();
            }
            Part::Image { media_type, data } => {
                w.json("\"image_url\"").key("image_url").open_object().key("url");
                w.texts([raw(b"data:"), media_type.json(), raw(b";base64,"), data.json()]).close_object();
            }
            Part::File { name, media_type, data } => {
                w.json("\"file\"").key("file").open_object().key("filename");
                w.text(name.as_ref().map_or_else(|| raw(b"document.pdf"), Text::json)).key("file_data");
                w.texts([raw(b"data:"), media_type.json(), raw(b";base64,"), data.json()]).close_object();
            }
        }
        w.close_object();
    }

    pub(super) fn as_text(&self) -> Option<&Text<'a>> {
        match self {
            Part::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// Content: a string, or blocks. Blank texts are left out.
pub(super) fn content<'a>(
    content: &View<'a>,
    path: &Path<'_>,
    warnings: &mut Warnings,
    out: &mut Vec<Part<'a>>,
) -> Result<(), RequestError> {
    if let Some(text) = content.text() {
        out.extend((!text.is_blank()).then_some(Part::Text(text)));
        return Ok(());
    }
    for (n, view) in content.expect_array(path)?.iter().enumerate() {
        let at = path.index(n);
        let mut block = view.expect_object(&at)?;
        let r#type = block.take_word("type", &at)?;
        read(&r#type, &mut block, &at, warnings, out)?;
    }
    Ok(())
}

/// One block of this type.
pub(super) fn read<'a>(
    r#type: &str,
    block: &mut Object<'a>,
    at: &Path<'_>,
    warnings: &mut Warnings,
    out: &mut Vec<Part<'a>>,
) -> Result<(), RequestError> {
    if block.take("cache_control").is_some() {
        warnings.dropped("cache_control");
    }
    match r#type {
        "text" => {
            let text = required_text(block, "text", at)?;
            out.extend((!text.is_blank()).then_some(Part::Text(text)));
        }
        "image" => {
            let at = at.key("source");
            let mut source = block.take("source").ok_or_else(|| at.refuse("is required"))?.expect_object(&at)?;
            out.push(match &*source.take_word("type", &at)? {
                "base64" => Part::Image {
                    media_type: required_text(&mut source, "media_type", &at)?,
                    data: required_text(&mut source, "data", &at)?,
                },
                "url" => Part::ImageUrl(required_text(&mut source, "url", &at)?),
                _ => return Err(at.key("type").refuse("must be base64 or url: this model's provider knows no files")),
            });
        }
        "document" => document(block, at, warnings, out)?,
        "search_result" => {
            let at = at.key("content");
            let found = block.take("content").ok_or_else(|| at.refuse("is required"))?;
            content(&found, &at, warnings, out)?;
        }
        other => {
            return Err(at.key("type").refuse(format_args!("`{other}` cannot be sent to this model")));
        }
    }
    Ok(())
}

fn document<'a>(
    block: &mut Object<'a>,
    at: &Path<'_>,
    warnings: &mut Warnings,
    out: &mut Vec<Part<'a>>,
) -> Result<(), RequestError> {
    if block.take("citations").is_some_and(|view| view.members().take("enabled").is_some_and(|on| on.is("true"))) {
        warnings.dropped("citations");
    }
    let name = block.take("title").and_then(|title| title.text()).filter(|title| !title.is_blank());
    let at = at.key("source");
    let mut source = block.take("source").ok_or_else(|| at.refuse("is required"))?.expect_object(&at)?;
    match &*source.take_word("type", &at)? {
        "base64" => out.push(Part::File {
            name,
            media_type: required_text(&mut source, "media_type", &at)?,
            data: required_text(&mut source, "data", &at)?,
        }),
        "text" => out.push(Part::Text(required_text(&mut source, "data", &at)?)),
        "content" => {
            let at = at.key("content");
            let inner = source.take("content").ok_or_else(|| at.refuse("is required"))?;
            content(&inner, &at, warnings, out)?;
        }
        _ => {
            return Err(at
                .key("type")
                .refuse("must be base64, text or content: this model's provider fetches nothing"));
        }
    }
    Ok(())
}

pub(super) fn required_text<'a>(object: &mut Object<'a>, key: &str, at: &Path<'_>) -> Result<Text<'a>, RequestError> {
    let at = at.key(key);
    let view = object.take(key).ok_or_else(|| at.refuse("is required"))?;
    view.expect(Kind::String, &at)?;
    view.expect_text(&at)
}
