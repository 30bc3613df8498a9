//! The tool `image_generation` of a Responses request: what is wanted of the image.
//!
//! Whether anybody makes one is not known here. What cannot be said to any maker of images is refused where the image would be
//! another one without it, and else told as a warning.

use super::request::take_text;
use crate::protocol::json::Kind;
use crate::protocol::view::{Object, Path, RequestError};
use bytes::Bytes;

/// Its `type`.
pub(super) const TYPE: &str = "image_generation";

/// An image that is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageTool {
    /// No text is wanted beside it.
    pub alone: bool,
    /// Pixels: width and height.
    pub size: Option<(u32, u32)>,
    /// What OpenAI's image API knows under the same name, as JSON.
    pub fields: Vec<(&'static str, Bytes)>,
    /// What no maker of images is told, by the names under which it is told that.
    pub dropped: Vec<&'static str>,
}

/// What OpenAI's image API knows under the same name.
const PASSED: [(&str, Kind); 5] = [
    ("background", Kind::String),
    ("moderation", Kind::String),
    ("output_compression", Kind::Number),
    ("output_format", Kind::String),
    ("quality", Kind::String),
];

/// What only concerns how the image comes to be: the configuration says which model makes it, and it comes as a whole.
const DROPPED: [(&str, &str); 3] = [
    ("input_fidelity", "tools.image_generation.input_fidelity"),
    ("model", "tools.image_generation.model"),
    ("partial_images", "tools.image_generation.partial_images"),
];

impl ImageTool {
    pub(super) fn read(tool: &mut Object<'_>, path: &Path<'_>) -> Result<ImageTool, RequestError> {
        if tool.take("input_image_mask").is_some() {
            return Err(path.key("input_image_mask").refuse("is not offered here: images are made, not edited"));
        }
        let action = tool.take_word("action", path)?;
        if !matches!(&*action, "" | "auto" | "generate") {
            return Err(path.key("action").refuse("must be auto or generate: images are made, not edited"));
        }
        let mut out = ImageTool { size: size(tool, path)?, ..ImageTool::default() };
        for (key, kind) in PASSED {
            if let Some(view) = tool.take(key) {
                view.expect(kind, &path.key(key))?;
                let is_default = view.is("\"auto\"");
                out.fields.extend((!is_default).then(|| (key, view.bytes())));
            }
        }
        for (key, name) in DROPPED {
            let asked = tool.take(key).is_some_and(|view| !view.is("0"));
            out.dropped.extend(asked.then_some(name));
        }
        match tool.left().next() {
            Some(unknown) => {
                Err(path.key(unknown).refuse("is no field of the tool image_generation that is known here"))
            }
            None => Ok(out),
        }
    }
}

/// The size of an image in pixels, `1024x1536`; nothing where it is left to the maker.
fn size(tool: &mut Object<'_>, path: &Path<'_>) -> Result<Option<(u32, u32)>, RequestError> {
    /// Larger ones are a mistake, or an attack.
    const MOST: u32 = 8192;
    let Some(raw) = take_text(tool, "size", path)?.filter(|raw| raw != "auto") else { return Ok(None) };
    let side = |text: &str| text.parse().ok().filter(|side| (1..=MOST).contains(side));
    let sides = std::str::from_utf8(&raw).ok().and_then(|text| text.split_once('x'));
    match sides.and_then(|(width, height)| Some((side(width)?, side(height)?))) {
        Some(size) => Ok(Some(size)),
        None => Err(path
            .key("size")
            .refuse(format_args!("must be auto, or width and height up to {MOST}, as in 1024x1536"))),
    }
}
