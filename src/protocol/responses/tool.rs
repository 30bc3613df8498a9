//! One tool of a Responses request, in Chat's terms.
//!
//! Chat servers know functions. A custom tool becomes a function with one string, those that clients run become functions
//! that ask for the same.

use super::native::Native;
use super::request::{need_text, take_text};
use crate::protocol::json::Kind as Json;
use crate::protocol::out::Out;
use crate::protocol::view::{Object, Path, RequestError, View};
use bytes::Bytes;

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
pub(super) struct Tool {
    pub(super) name: Bytes,
    description: Option<Bytes>,
    pub(super) kind: Kind,
    pub(super) space: Option<Spaced>,
}

/// Why a tool is not there.
#[derive(Debug)]
pub(super) enum Unread {
    /// It is written wrongly.
    Wrong(RequestError),
    /// Such a tool is not here.
    Unsupported { kind: String, error: RequestError },
}

#[derive(Debug)]
pub(super) enum Kind {
    Function {
        /// An object, as it is written.
        parameters: Option<Bytes>,
        strict: Option<bool>,
    },
    Custom {
        /// Syntax and definition of the grammar that the input follows.
        grammar: Option<(Bytes, Bytes)>,
        whole: Bytes,
    },
    Native {
        sort: Native,
        /// An object, as it is written.
        parameters: Option<Bytes>,
        whole: Bytes,
    },
}

// === impl Tool ===

impl Tool {
    pub(super) fn read(view: &View<'_>, path: &Path<'_>) -> Result<Tool, Unread> {
        let mut tool = view.expect_object(path)?;
        let read = match &*tool.take_word("type", path)? {
            // As Chat has it, with the function in an object of its own: clients of older gateways send that.
            "function" => match tool.take("function") {
                Some(function) => {
                    let at = path.key("function");
                    Tool::function(&mut function.expect_object(&at)?, &at)
                }
                None => Tool::function(&mut tool, path),
            },
            "custom" => Tool::custom_tool(view, &mut tool, path),
            "" => Err(path.key("type").refuse("is required")),
            other => match Native::of_tool(other) {
                Some(sort) => {
                    Tool::runs_at_the_client(sort, &mut tool, path)?;
                    Tool::native(sort, view, &mut tool, path)
                }
                None => return Err(Unread::unsupported(other, not_offered(other, path))),
            },
        };
        Ok(read?)
    }

    /// What runs at OpenAI may bear the same name.
    fn runs_at_the_client(sort: Native, tool: &mut Object<'_>, path: &Path<'_>) -> Result<(), Unread> {
        if sort == Native::ToolSearch && tool.take_word("execution", path)? != "client" {
            let error = path.key("execution").refuse("must be client: tools are not searched for here");
            return Err(Unread::unsupported(sort.name(), error));
        }
        if let (Native::Shell, Some(environment)) = (sort, tool.take("environment")) {
            let at = path.key("environment");
            if environment.expect_object(&at)?.take_word("type", &at)? != "local" {
                let error = at.key("type").refuse("must be local: there are no containers here");
                return Err(Unread::unsupported(sort.name(), error));
            }
        }
        Ok(())
    }

    fn native(sort: Native, whole: &View<'_>, tool: &mut Object<'_>, path: &Path<'_>) -> Result<Tool, RequestError> {
        let parameters = match sort {
            Native::ToolSearch => tool.take("parameters"),
            _ => None,
        };
        parameters.map(|view| view.expect(Json::Object, &path.key("parameters"))).transpose()?;
        Ok(Tool {
            name: Bytes::from_static(sort.name().as_bytes()),
            description: take_text(tool, "description", path)?,
            kind: Kind::Native { sort, parameters: parameters.map(|view| view.bytes()), whole: whole.bytes() },
            space: None,
        })
    }

    fn function(function: &mut Object<'_>, path: &Path<'_>) -> Result<Tool, RequestError> {
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

    fn custom_tool(whole: &View<'_>, tool: &mut Object<'_>, path: &Path<'_>) -> Result<Tool, RequestError> {
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
            kind: Kind::Custom { grammar, whole: whole.bytes() },
            space: None,
        })
    }

    pub(super) fn write_chat(&self, out: &mut Out) {
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

    pub(super) fn write_echo(&self, out: &mut Out) {
        match &self.kind {
            Kind::Custom { whole, .. } | Kind::Native { whole, .. } => out.pass(whole.clone()),
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

// === impl Unread ===

impl Unread {
    fn unsupported(kind: &str, error: RequestError) -> Unread {
        Unread::Unsupported { kind: kind.to_owned(), error }
    }
}

impl From<RequestError> for Unread {
    fn from(error: RequestError) -> Unread {
        Unread::Wrong(error)
    }
}

/// The complaint that tools of this type are not here.
pub(super) fn not_offered(kind: &str, path: &Path<'_>) -> RequestError {
    let kind: String = kind.chars().take(64).collect();
    path.key("type").refuse(format_args!(
        "is `{kind}`, and such tools are not offered here: use those that the client runs, or image_generation"
    ))
}
