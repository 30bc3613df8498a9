//! Tools of a Responses request, and which of them may be called, in Chat's terms.
//!
//! Chat servers know functions. A custom tool becomes a function with one string, those that clients run become functions
//! that ask for the same; what runs at OpenAI is refused.

use super::image_tool::{self, ImageTool};
use super::native::Native;
use super::request::{need_text, take_text};
use crate::protocol::json::Kind as Json;
use crate::protocol::out::Out;
use crate::protocol::view::{Object, Path, RequestError, View};
use bytes::Bytes;
use std::collections::HashSet;

#[derive(Debug, Default)]
pub(super) struct Tools<'a> {
    tools: Vec<Tool<'a>>,
    /// As the request lists them.
    listed: Vec<Listed<'a>>,
    /// The tool that makes images.
    image: Option<ImageTool>,
}

/// An entry of the request's list.
#[derive(Debug)]
enum Listed<'a> {
    /// The tool at this place.
    One(usize),
    /// A namespace with some tools, or the tool that makes images.
    Whole(View<'a>),
}

/// A tool of a namespace, which is part of its name for backends: they know no namespaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spaced {
    /// What backends call it.
    pub flat: Bytes,
    /// The namespace.
    pub space: Bytes,
    /// Its name there.
    pub name: Bytes,
}

impl Spaced {
    pub(super) fn new(space: Bytes, name: Bytes) -> Spaced {
        let flat = [&space[..], b"__", &name].concat().into();
        Spaced { flat, space, name }
    }
}

/// A tool. Names and descriptions are bodies of JSON strings.
#[derive(Debug)]
struct Tool<'a> {
    name: Bytes,
    description: Option<Bytes>,
    kind: Kind<'a>,
    space: Option<Spaced>,
}

#[derive(Debug)]
enum Kind<'a> {
    Function {
        /// An object, as it is written.
        parameters: Option<Bytes>,
        strict: Option<bool>,
    },
    Custom {
        /// Syntax and definition of the grammar that the input follows.
        grammar: Option<(Bytes, Bytes)>,
        whole: View<'a>,
    },
    Native {
        sort: Native,
        /// An object, as it is written.
        parameters: Option<Bytes>,
        whole: View<'a>,
    },
}

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

// === impl Tools ===

impl<'a> Tools<'a> {
    pub(super) fn read(view: &View<'a>) -> Result<Tools<'a>, RequestError> {
        let root = Path::Root;
        let at = root.key("tools");
        let mut all = Tools::default();
        for (n, view) in view.expect_array(&at)?.into_iter().enumerate() {
            all.read_one(view, &at.index(n))?;
        }
        Ok(all)
    }

    /// Reads tools that the request does not list as such. Those that are there already are not there twice.
    pub(super) fn read_more(&mut self, view: &View<'a>, path: &Path<'_>) -> Result<(), RequestError> {
        let mut more = Tools::default();
        for (n, view) in view.expect_array(path)?.into_iter().enumerate() {
            more.read_one(view, &path.index(n))?;
        }
        for tool in more.tools {
            if self.tools.iter().all(|known| known.name != tool.name) {
                self.tools.push(tool);
            }
        }
        Ok(())
    }

    /// Their names, as backends know them.
    pub(super) fn names(&self) -> impl Iterator<Item = &Bytes> {
        self.tools.iter().map(|tool| &tool.name)
    }

    fn read_one(&mut self, view: View<'a>, path: &Path<'_>) -> Result<(), RequestError> {
        let mut tool = view.expect_object(path)?;
        match tool.take("type").and_then(|kind| kind.string()).as_deref() {
            Some("namespace") => {
                self.read_space(&mut tool, path)?;
                self.listed.push(Listed::Whole(view));
            }
            Some(image_tool::TYPE) if self.image.is_some() => {
                return Err(path.refuse("is the second tool that makes images"));
            }
            Some(image_tool::TYPE) => {
                self.image = Some(ImageTool::read(&mut tool, path)?);
                self.listed.push(Listed::Whole(view));
            }
            _ => {
                self.listed.push(Listed::One(self.tools.len()));
                self.tools.push(Tool::read(&view, path)?);
            }
        }
        Ok(())
    }

    fn read_space(&mut self, space: &mut Object<'a>, path: &Path<'_>) -> Result<(), RequestError> {
        let name = need_text(space, "name", path)?;
        let at = path.key("tools");
        let tools = space.take("tools").ok_or_else(|| at.refuse("is required"))?.expect_array(&at)?;
        for (n, view) in tools.iter().enumerate() {
            let mut tool = Tool::read(view, &at.index(n))?;
            let spaced = Spaced::new(name.clone(), tool.name);
            tool.name = spaced.flat.clone();
            tool.space = Some(spaced);
            self.tools.push(tool);
        }
        Ok(())
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
            Some(ToolChoice::Allowed(_, names, image)) => {
                (*image && self.image.is_some()) || self.names().any(|name| names.contains(name))
            }
            Some(ToolChoice::Mode(_) | ToolChoice::Image) | None => true,
        };
        if is_met { Ok(()) } else { Err(Path::Root.key("tool_choice").refuse("asks for tools that are not in tools")) }
    }

    pub(super) fn spaced(&self) -> Vec<Spaced> {
        self.tools.iter().filter_map(|tool| tool.space.clone()).collect()
    }

    pub(super) fn custom(&self) -> Vec<Bytes> {
        let custom = self.tools.iter().filter(|tool| matches!(tool.kind, Kind::Custom { .. }));
        custom.map(|tool| tool.name.clone()).collect()
    }

    pub(super) fn native(&self) -> Vec<Native> {
        let sort = |tool: &Tool<'_>| match tool.kind {
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
        let allowed = |tool: &&Tool<'_>| names.as_ref().is_none_or(|names| names.contains(&tool.name));
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
                Listed::Whole(whole) => out.pass(whole.bytes()),
            }
        }
        out.write(b"]");
    }
}

// === impl Tool ===

impl<'a> Tool<'a> {
    fn read(view: &View<'a>, path: &Path<'_>) -> Result<Tool<'a>, RequestError> {
        let mut tool = view.expect_object(path)?;
        match &*tool.take_word("type", path)? {
            // As Chat has it, with the function in an object of its own: clients of older gateways send that.
            "function" => match tool.take("function") {
                Some(function) => {
                    let at = path.key("function");
                    Tool::function(&mut function.expect_object(&at)?, &at)
                }
                None => Tool::function(&mut tool, path),
            },
            "custom" => Tool::custom_tool(*view, &mut tool, path),
            other => match Native::of_tool(other) {
                Some(sort) => Tool::native(sort, *view, &mut tool, path),
                None => Err(not_offered(other, path)),
            },
        }
    }

    fn native(sort: Native, whole: View<'a>, tool: &mut Object<'a>, path: &Path<'_>) -> Result<Tool<'a>, RequestError> {
        // What runs at OpenAI may bear the same name.
        if sort == Native::ToolSearch && tool.take_word("execution", path)? != "client" {
            return Err(path.key("execution").refuse("must be client: tools are not searched for here"));
        }
        if let (Native::Shell, Some(environment)) = (sort, tool.take("environment")) {
            let at = path.key("environment");
            if environment.expect_object(&at)?.take_word("type", &at)? != "local" {
                return Err(at.key("type").refuse("must be local: there are no containers here"));
            }
        }
        let parameters = match sort {
            Native::ToolSearch => tool.take("parameters"),
            _ => None,
        };
        parameters.map(|view| view.expect(Json::Object, &path.key("parameters"))).transpose()?;
        Ok(Tool {
            name: Bytes::from_static(sort.name().as_bytes()),
            description: take_text(tool, "description", path)?,
            kind: Kind::Native { sort, parameters: parameters.map(|view| view.bytes()), whole },
            space: None,
        })
    }

    fn function(function: &mut Object<'a>, path: &Path<'_>) -> Result<Tool<'a>, RequestError> {
        let parameters = function.take("parameters");
        parameters.map(|view| view.expect(Json::Object, &path.key("parameters"))).transpose()?;
        let strict = function.take("strict").map(|view| view.expect_bool(&path.key("strict"))).transpose()?;
        Ok(Tool {
            name: need_text(function, "name", path)?,
            description: take_text(function, "description", path)?,
            kind: Kind::Function { parameters: parameters.map(|view| view.bytes()), strict },
            space: None,
        })
    }

    fn custom_tool(whole: View<'a>, tool: &mut Object<'a>, path: &Path<'_>) -> Result<Tool<'a>, RequestError> {
        let mut grammar = None;
        if let Some(view) = tool.take("format") {
            let at = path.key("format");
            let mut format = view.expect_object(&at)?;
            match &*format.take_word("type", &at)? {
                "text" => {}
                "grammar" => {
                    let syntax = need_text(&mut format, "syntax", &at)?;
                    grammar = Some((syntax, need_text(&mut format, "definition", &at)?));
                }
                _ => return Err(at.key("type").refuse("must be text or grammar")),
            }
        }
        Ok(Tool {
            name: need_text(tool, "name", path)?,
            description: take_text(tool, "description", path)?,
            kind: Kind::Custom { grammar, whole },
            space: None,
        })
    }

    fn write_chat(&self, out: &mut Out) {
        out.write(br#"{"type":"function","function":{"name":""#);
        out.write(&self.name);
        out.write(b"\"");
        match &self.kind {
            Kind::Function { parameters, strict } => {
                if let Some(description) = &self.description {
                    out.write(br#","description":""#);
                    out.pass(description.clone());
                    out.write(b"\"");
                }
                if let Some(parameters) = parameters {
                    out.write(br#","parameters":"#);
                    out.pass(parameters.clone());
                }
                if let Some(strict) = strict {
                    out.write(format!(",\"strict\":{strict}").as_bytes());
                }
            }
            Kind::Native { sort, parameters, .. } => {
                out.write(br#","description":""#);
                out.pass(self.description.clone().unwrap_or_else(|| Bytes::from_static(sort.description().as_bytes())));
                out.write(br#"","parameters":"#);
                out.pass(parameters.clone().unwrap_or_else(|| Bytes::from_static(sort.parameters().as_bytes())));
            }
            Kind::Custom { grammar, .. } => {
                out.write(br#","description":""#);
                out.pass(self.description.clone().unwrap_or_default());
                if let Some((syntax, definition)) = grammar {
                    out.write(br"\n\nThe input follows this grammar (");
                    out.write(syntax);
                    out.write(br"):\n");
                    out.pass(definition.clone());
                }
                out.write(
                    br#"","parameters":{"type":"object","properties":{"input":{"type":"string","description":"The whole input of the tool, as plain text."}},"required":["input"],"additionalProperties":false}"#,
                );
            }
        }
        out.write(b"}}");
    }

    fn write_echo(&self, out: &mut Out) {
        match &self.kind {
            Kind::Custom { whole, .. } | Kind::Native { whole, .. } => out.pass(whole.bytes()),
            Kind::Function { parameters, strict } => {
                out.write(br#"{"type":"function","name":""#);
                out.write(&self.name);
                out.write(br#"","description":"#);
                match &self.description {
                    None => out.write(b"null"),
                    Some(description) => {
                        out.write(b"\"");
                        out.pass(description.clone());
                        out.write(b"\"");
                    }
                }
                out.write(br#","parameters":"#);
                out.pass(parameters.clone().unwrap_or(Bytes::from_static(b"null")));
                let strict = strict.map_or("null", |strict| if strict { "true" } else { "false" });
                out.write(format!(",\"strict\":{strict}}}").as_bytes());
            }
        }
    }
}

// === impl ToolChoice ===

impl ToolChoice {
    pub(super) fn read(view: &View<'_>) -> Result<ToolChoice, RequestError> {
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
                    read_allowed(&mut inner.expect_object(&at)?, &at)
                }
                None => read_allowed(&mut choice, &at),
            },
            other => match Native::of_tool(other) {
                Some(sort) => Ok(ToolChoice::Named(Bytes::from_static(sort.name().as_bytes()))),
                None => Err(not_offered(other, &at)),
            },
        }
    }
}

fn read_allowed(choice: &mut Object<'_>, path: &Path<'_>) -> Result<ToolChoice, RequestError> {
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

fn not_offered(kind: &str, path: &Path<'_>) -> RequestError {
    let kind: String = kind.chars().take(64).collect();
    path.key("type").refuse(format_args!(
        "is `{kind}`, and such tools are not offered here: use those that the client runs, or image_generation"
    ))
}
