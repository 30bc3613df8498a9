//! Images and documents. What is in the request as base64 is passed on as it stands.

use crate::protocol::translated::Warnings;
use crate::protocol::view::{Object, Path, RequestError, Text};
use crate::protocol::write::Writer;
use std::borrow::Cow;

/// An image or a document.
#[derive(Debug)]
pub(super) struct Media<'a> {
    is_image: bool,
    source: Source<'a>,
    title: Option<Text<'a>>,
}

#[derive(Debug)]
enum Source<'a> {
    Base64(&'static str, Text<'a>),
    Url(Text<'a>),
    Plain(String),
}

/// A part of type `image_url`. What its `detail` asks for, Messages cannot say.
pub(super) fn image<'a>(
    part: &mut Object<'a>,
    path: &Path<'_>,
    warnings: &mut Warnings,
) -> Result<Media<'a>, RequestError> {
    let at = path.key("image_url");
    let mut image = part.take("image_url").ok_or_else(|| at.refuse("is required"))?.expect_object(&at)?;
    if image.take("detail").is_some_and(|detail| !detail.is("\"auto\"") && !detail.is("null")) {
        warnings.dropped("messages.image_url.detail");
    }
    let at = at.key("url");
    let url = image.take("url").ok_or_else(|| at.refuse("is required"))?.expect_text(&at)?;
    from_url(url, true, &at)
}

/// A part of type `file`.
pub(super) fn file<'a>(part: &mut Object<'a>, path: &Path<'_>) -> Result<Media<'a>, RequestError> {
    let at = path.key("file");
    let mut file = part.take("file").ok_or_else(|| at.refuse("is required"))?.expect_object(&at)?;
    if file.take("file_id").is_some() {
        return Err(at.key("file_id").refuse("is unknown to this model's provider: send `file_data`"));
    }
    let title = file.take("filename").and_then(|name| name.text()).filter(|name| !name.is_blank());
    let at = at.key("file_data");
    let data = file.take("file_data").ok_or_else(|| at.refuse("is required"))?.expect_text(&at)?;
    let media = from_url(data, false, &at)?;
    Ok(if media.is_image { media } else { Media { title, ..media } })
}

fn from_url<'a>(url: Text<'a>, is_image: bool, path: &Path<'_>) -> Result<Media<'a>, RequestError> {
    let raw = url.raw();
    if let Some(scheme) = raw.get(..5)
        && scheme.eq_ignore_ascii_case("data:")
    {
        return from_data(&url, path);
    }
    let plain = raw.replace("\\/", "/").to_ascii_lowercase();
    if !plain.starts_with("https://") && !plain.starts_with("http://") {
        return Err(path.refuse("must be a data or http URL"));
    }
    let without_query = plain.split(['?', '#']).next().unwrap_or_default();
    let is_image = is_image && !without_query.ends_with(".pdf");
    Ok(Media { is_image, source: Source::Url(url), title: None })
}

/// `data:image/png;base64,…`
fn from_data<'a>(url: &Text<'a>, path: &Path<'_>) -> Result<Media<'a>, RequestError> {
    let raw = url.raw();
    let comma = raw.find(',').ok_or_else(|| path.refuse("is a data URL without data"))?;
    let head = raw[5..comma].replace("\\/", "/").to_ascii_lowercase();
    let mut words = head.split(';').map(str::trim);
    let media_type = words.next().unwrap_or_default();
    if !words.any(|word| word == "base64") {
        return Err(path.refuse("must be base64 where it is a data URL"));
    }
    let data = url.from(comma + 1);
    let (is_image, source) = match media_type {
        "image/jpeg" | "image/jpg" => (true, Source::Base64("image/jpeg", data)),
        "image/png" => (true, Source::Base64("image/png", data)),
        "image/gif" => (true, Source::Base64("image/gif", data)),
        "image/webp" => (true, Source::Base64("image/webp", data)),
        "application/pdf" => (false, Source::Base64("application/pdf", data)),
        "text/plain" => {
            let text = decode(data.raw()).and_then(|bytes| String::from_utf8(bytes).ok());
            (false, Source::Plain(text.ok_or_else(|| path.refuse("is no text in base64"))?))
        }
        _ => {
            let shown: Cow<'_, str> = media_type.chars().take(64).collect();
            let message = "is of type `";
            return Err(path.refuse(format_args!(
                "{message}{shown}`: this model takes image/jpeg, image/png, image/gif, image/webp, application/pdf and text/plain"
            )));
        }
    };
    Ok(Media { is_image, source, title: None })
}

impl Media<'_> {
    pub(super) fn write(&self, w: &mut Writer) {
        w.key("type").json(if self.is_image { "\"image\"" } else { "\"document\"" });
        w.key("source").open_object();
        match &self.source {
            Source::Base64(media_type, data) => {
                w.key("type").json("\"base64\"").key("media_type").string(media_type).key("data").text(data.json());
            }
            Source::Url(url) => {
                w.key("type").json("\"url\"").key("url").text(url.json());
            }
            Source::Plain(text) => {
                w.key("type").json("\"text\"").key("media_type").json("\"text/plain\"").key("data").string(text);
            }
        }
        w.close_object();
        if let Some(title) = &self.title {
            w.key("title").text(title.json());
        }
    }
}

/// Base64 as it stands in a JSON string.
fn decode(base64: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(base64.len() / 4 * 3);
    let (mut bits, mut held) = (0u32, 0);
    for byte in base64.replace("\\/", "/").trim_end_matches('=').bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn base64() {
        for (text, bytes) in [("", ""), ("Zg==", "f"), ("Zm8=", "fo"), ("Zm9v", "foo"), ("Zm9vYg", "foob")] {
            assert_eq!(decode(text).unwrap(), bytes.as_bytes());
        }
        assert_eq!(decode(r"\/-8").unwrap(), [0xff, 0xef]);
        assert_eq!(decode("Zm9*"), None);
    }
}
