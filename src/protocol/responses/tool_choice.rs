//! Which tools of a Responses request may or must be called.

use super::image_tool;
use super::native::Native;
use super::request::{need_text, take_text};
use super::tool::{Spaced, not_offered};
use crate::protocol::json::Kind as Json;
use crate::protocol::view::{Object, Path, RequestError, View};
use crate::table::UnsupportedTools;
use bytes::Bytes;

/// Which tools may or must be called.
#[derive(Debug)]
pub(super) enum ToolChoice {
    /// `auto`, `none` or `required`
    Mode(Bytes),
    /// This one must be.
    Named(Bytes),
    /// Only these, and how; whether an image may be made.
    Allowed(Bytes, Vec<Bytes>, bool),
    /// An image must be made.
    Image,
}

impl ToolChoice {
    /// Reads a choice. One that must be called has to be here; among those that may be, one that is not is left out if such
    /// tools are.
    pub(super) fn read(view: &View<'_>, unsupported: UnsupportedTools) -> Result<ToolChoice, RequestError> {
        let root = Path::Root;
        let at = root.key("tool_choice");
        match view.kind() {
            Json::String => return read_mode(view, &at).map(ToolChoice::Mode),
            Json::Object => {}
            kind => return Err(at.refuse(format_args!("must be a string or an object, got {kind}"))),
        }
        let mut choice = view.members();
        match &*choice.take_word("type", &at)? {
            "function" | "custom" => Ok(ToolChoice::Named(read_name(&mut choice, &at)?)),
            image_tool::TYPE => Ok(ToolChoice::Image),
            "allowed_tools" => match choice.take("allowed_tools") {
                // As Chat has it, or flat.
                Some(inner) => {
                    let at = at.key("allowed_tools");
                    read_allowed(&mut inner.expect_object(&at)?, &at, unsupported)
                }
                None => read_allowed(&mut choice, &at, unsupported),
            },
            other => match Native::of_tool(other) {
                Some(sort) => Ok(ToolChoice::Named(Bytes::from_static(sort.name().as_bytes()))),
                None => Err(not_offered(other, &at)),
            },
        }
    }
}

fn read_allowed(
    choice: &mut Object<'_>,
    path: &Path<'_>,
    unsupported: UnsupportedTools,
) -> Result<ToolChoice, RequestError> {
    let mode = choice.take("mode").map(|mode| read_mode(&mode, &path.key("mode"))).transpose()?;
    let at = path.key("tools");
    let tools = choice.take("tools").ok_or_else(|| at.refuse("is required"))?.expect_array(&at)?;
    let (mut names, mut image) = (Vec::new(), false);
    for (n, tool) in tools.iter().enumerate() {
        let at = at.index(n);
        let mut tool = tool.expect_object(&at)?;
        match &*tool.take_word("type", &at)? {
            "function" | "custom" => names.push(read_name(&mut tool, &at)?),
            image_tool::TYPE => image = true,
            other => match Native::of_tool(other) {
                Some(sort) => names.push(Bytes::from_static(sort.name().as_bytes())),
                None if unsupported == UnsupportedTools::Omit => {}
                None => return Err(not_offered(other, &at)),
            },
        }
    }
    Ok(ToolChoice::Allowed(mode.unwrap_or(Bytes::from_static(b"auto")), names, image))
}

fn read_mode(view: &View<'_>, path: &Path<'_>) -> Result<Bytes, RequestError> {
    match &*view.expect_string(path)? {
        "auto" => Ok(Bytes::from_static(b"auto")),
        "none" => Ok(Bytes::from_static(b"none")),
        "required" => Ok(Bytes::from_static(b"required")),
        _ => Err(path.refuse("must be auto, none or required")),
    }
}

/// The name, flat or as Chat has it.
fn read_name(choice: &mut Object<'_>, path: &Path<'_>) -> Result<Bytes, RequestError> {
    match choice.take("function") {
        Some(function) => {
            let at = path.key("function");
            need_text(&mut function.expect_object(&at)?, "name", &at)
        }
        None => {
            let name = need_text(choice, "name", path)?;
            Ok(match take_text(choice, "namespace", path)? {
                Some(space) => Spaced::new(space, name).flat,
                None => name,
            })
        }
    }
}
