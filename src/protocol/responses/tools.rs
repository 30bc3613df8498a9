//! The tools of a Responses request, in Chat's terms: what runs at OpenAI is refused, or left out by its name.

use super::image_tool::{self, ImageTool};
use super::native::Native;
use super::request::need_text;
pub use super::tool::Spaced;
use super::tool::{Kind, Tool, Unread};
use super::tool_choice::ToolChoice;
use crate::protocol::out::Out;
use crate::protocol::view::{Object, Path, RequestError, View};
use crate::table::UnsupportedTools;
use bytes::Bytes;
use std::collections::HashSet;

#[derive(Debug)]
pub(super) struct Tools {
    unsupported: UnsupportedTools,
    tools: Vec<Tool>,
    /// As the request lists them.
    listed: Vec<Listed>,
    /// The tool that makes images.
    image: Option<ImageTool>,
    /// Types of the tools that were left out.
    left_out: Vec<String>,
}

/// An entry of the request's list.
#[derive(Debug)]
enum Listed {
    /// The tool at this place.
    One(usize),
    /// A namespace with some tools, the tool that makes images, or one that was left out.
    Whole(Bytes),
}

// === impl Tools ===

impl Tools {
    /// None yet; what is not here will become of this.
    pub(super) fn none(unsupported: UnsupportedTools) -> Tools {
        Tools { unsupported, tools: Vec::new(), listed: Vec::new(), image: None, left_out: Vec::new() }
    }

    /// Reads those that the request lists.
    pub(super) fn read(&mut self, view: &View<'_>) -> Result<(), RequestError> {
        let root = Path::Root;
        let at = root.key("tools");
        let mut tools = view.expect_array(&at)?.into_iter().enumerate();
        tools.try_for_each(|(n, view)| self.read_one(view, &at.index(n)))
    }

    /// Reads tools that the request does not list as such. Those that are there already are not there twice.
    pub(super) fn read_more(&mut self, view: &View<'_>, path: &Path<'_>) -> Result<(), RequestError> {
        let mut more = Tools::none(self.unsupported);
        for (n, view) in view.expect_array(path)?.into_iter().enumerate() {
            more.read_one(view, &path.index(n))?;
        }
        for tool in more.tools {
            if self.tools.iter().all(|known| known.name != tool.name) {
                self.tools.push(tool);
            }
        }
        if self.image.is_none() {
            self.image = more.image;
        }
        self.left_out.extend(more.left_out);
        Ok(())
    }

    /// Reads tools that are known from before: what was wrong with them was told then.
    pub(super) fn read_again(&mut self, view: &View<'_>) {
        let unsupported = std::mem::replace(&mut self.unsupported, UnsupportedTools::Omit);
        let told = self.left_out.len();
        let _ = self.read_more(view, &Path::Root);
        self.left_out.truncate(told);
        self.unsupported = unsupported;
    }

    /// Their names, as backends know them.
    pub(super) fn names(&self) -> impl Iterator<Item = &Bytes> {
        self.tools.iter().map(|tool| &tool.name)
    }

    /// Types of those that were left out.
    pub(super) fn left_out(&self) -> &[String] {
        &self.left_out
    }

    fn read_one(&mut self, view: View<'_>, path: &Path<'_>) -> Result<(), RequestError> {
        let mut tool = view.expect_object(path)?;
        match tool.take("type").and_then(|kind| kind.string()).as_deref() {
            Some("namespace") => {
                self.read_space(&mut tool, path)?;
                self.listed.push(Listed::Whole(view.bytes()));
            }
            Some(image_tool::TYPE) if self.image.is_some() => {
                return Err(path.refuse("is the second tool that makes images"));
            }
            Some(image_tool::TYPE) => {
                self.image = Some(ImageTool::read(&mut tool, path)?);
                self.listed.push(Listed::Whole(view.bytes()));
            }
            _ => match self.offered(Tool::read(&view, path))? {
                Some(tool) => {
                    self.listed.push(Listed::One(self.tools.len()));
                    self.tools.push(tool);
                }
                None => self.listed.push(Listed::Whole(view.bytes())),
            },
        }
        Ok(())
    }

    fn read_space(&mut self, space: &mut Object<'_>, path: &Path<'_>) -> Result<(), RequestError> {
        let name = need_text(space, "name", path)?;
        let at = path.key("tools");
        let tools = space.take("tools").ok_or_else(|| at.refuse("is required"))?.expect_array(&at)?;
        for (n, view) in tools.iter().enumerate() {
            let Some(mut tool) = self.offered(Tool::read(view, &at.index(n)))? else { continue };
            let spaced = Spaced::new(name.clone(), tool.name);
            tool.name = spaced.flat.clone();
            tool.space = Some(spaced);
            self.tools.push(tool);
        }
        Ok(())
    }

    /// The tool, if it is one of those that are here. One that is not is refused or left out.
    fn offered(&mut self, read: Result<Tool, Unread>) -> Result<Option<Tool>, RequestError> {
        match (read, self.unsupported) {
            (Ok(tool), _) => Ok(Some(tool)),
            (Err(Unread::Unsupported { kind, .. }), UnsupportedTools::Omit) => {
                self.left_out.push(kind);
                Ok(None)
            }
            (Err(Unread::Unsupported { error, .. }), UnsupportedTools::Refuse) => Err(RequestError {
                message: format!(
                    "{}; the router's configuration can leave it out: response_api.unsupported_tools: omit",
                    error.message
                ),
                ..error
            }),
            (Err(Unread::Wrong(error)), _) => Err(error),
        }
    }

    /// The image that is wanted, if one is: the tool is there, and the choice of tools does not leave it out.
    pub(super) fn image(&self, choice: Option<&ToolChoice>) -> Result<Option<ImageTool>, RequestError> {
        let Some(tool) = &self.image else {
            return match choice {
                Some(ToolChoice::Image) => {
                    Err(Path::Root.key("tool_choice").refuse("names a tool that is not in tools"))
                }
                _ => Ok(None),
            };
        };
        let alone = match choice {
            Some(ToolChoice::Image) => true,
            Some(ToolChoice::Mode(mode)) if mode == "none" => return Ok(None),
            Some(ToolChoice::Mode(mode)) if mode == "required" => self.tools.is_empty(),
            Some(ToolChoice::Named(_) | ToolChoice::Allowed(_, _, false)) => return Ok(None),
            Some(ToolChoice::Allowed(mode, names, true)) => mode == "required" && names.is_empty(),
            Some(ToolChoice::Mode(_)) | None => false,
        };
        Ok(Some(ImageTool { alone, ..tool.clone() }))
    }

    /// Refuses a choice that there are no tools for: to leave it out would let the model answer as if nothing were asked of it.
    pub(super) fn check(&self, choice: Option<&ToolChoice>) -> Result<(), RequestError> {
        let is_met = match choice {
            Some(ToolChoice::Mode(mode)) if mode == "required" => !self.tools.is_empty() || self.image.is_some(),
            Some(ToolChoice::Named(_)) => !self.tools.is_empty(),
            // What was left out may be all that is allowed, where nothing must be called.
            Some(ToolChoice::Allowed(mode, ..)) if mode != "required" && !self.left_out.is_empty() => true,
            Some(ToolChoice::Allowed(_, names, image)) => {
                (*image && self.image.is_some()) || self.names().any(|name| names.contains(name))
            }
            Some(ToolChoice::Mode(_) | ToolChoice::Image) | None => true,
        };
        let at = Path::Root;
        let at = at.key("tool_choice");
        match self.left_out.as_slice() {
            _ if is_met => Ok(()),
            [] => Err(at.refuse("asks for tools that are not in tools")),
            left_out => {
                Err(at.refuse(format_args!("asks for a tool, and there are none here but {}", left_out.join(", "))))
            }
        }
    }

    pub(super) fn spaced(&self) -> Vec<Spaced> {
        self.tools.iter().filter_map(|tool| tool.space.clone()).collect()
    }

    pub(super) fn custom(&self) -> Vec<Bytes> {
        let custom = self.tools.iter().filter(|tool| matches!(tool.kind, Kind::Custom { .. }));
        custom.map(|tool| tool.name.clone()).collect()
    }

    pub(super) fn native(&self) -> Vec<Native> {
        let sort = |tool: &Tool| match tool.kind {
            Kind::Native { sort, .. } => Some(sort),
            _ => None,
        };
        self.tools.iter().filter_map(sort).collect()
    }

    /// Writes the members of a Chat request that have to do with tools, a comma after each.
    pub(super) fn write_chat(&self, choice: Option<&ToolChoice>, parallel: Option<bool>, out: &mut Out) {
        let names: Option<HashSet<&Bytes>> = match choice {
            Some(ToolChoice::Allowed(_, names, _)) => Some(names.iter().collect()),
            _ => None,
        };
        let allowed = |tool: &&Tool| names.as_ref().is_none_or(|names| names.contains(&tool.name));
        let mut any = false;
        for tool in self.tools.iter().filter(allowed) {
            out.write(if any { b"," } else { br#""tools":["# });
            any = true;
            tool.write_chat(out);
        }
        // Without tools, backends refuse what is said about them.
        if !any {
            return;
        }
        out.write(b"],");
        match choice {
            // An image is made in place of what is asked for here, or by a model that does both.
            None | Some(ToolChoice::Image) => {}
            Some(ToolChoice::Mode(mode) | ToolChoice::Allowed(mode, ..)) => {
                out.write(br#""tool_choice":""#);
                out.write(mode);
                out.write(b"\",");
            }
            Some(ToolChoice::Named(name)) => {
                out.write(br#""tool_choice":{"type":"function","function":{"name":""#);
                out.write(name);
                out.write(b"\"}},");
            }
        }
        if let Some(parallel) = parallel {
            out.write(format!("\"parallel_tool_calls\":{parallel},").as_bytes());
        }
    }

    /// Writes the tools as a response tells them again, an array.
    pub(super) fn write_echo(&self, out: &mut Out) {
        out.write(b"[");
        for (n, listed) in self.listed.iter().enumerate() {
            if n > 0 {
                out.write(b",");
            }
            match listed {
                Listed::One(tool) => self.tools[*tool].write_echo(out),
                Listed::Whole(whole) => out.pass(whole.clone()),
            }
        }
        out.write(b"]");
    }
}

#[cfg(test)]
#[path = "tools_tests.rs"]
mod tests;
