//! Tools of a Responses request, and which of them may be called, in Chat's terms.
//!
//! Chat servers know functions. A custom tool becomes a function with one string; whatever else runs at OpenAI or has a
//! protocol of its own is refused.

use super::invalid::Invalid;
use super::object::{Object, Value};
use crate::protocol::out::Out;
use bytes::Bytes;

#[derive(Debug, Default)]
pub(super) struct Tools<'a>(Vec<Tool<'a>>);

/// A tool. Names and descriptions are bodies of JSON strings.
#[derive(Debug)]
struct Tool<'a> {
    name: Bytes,
    description: Option<Bytes>,
    kind: Kind<'a>,
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
        whole: Value<'a>,
    },
}

/// Which tools may or must be called.
#[derive(Debug)]
pub(super) enum ToolChoice {
    /// `auto`, `none` or `required`
    Mode(Bytes),
    /// This one must be.
    Named(Bytes),
    /// Only these, and how.
    Allowed(Bytes, Vec<Bytes>),
}

// === impl Tools ===

impl<'a> Tools<'a> {
    pub(super) fn read(value: Value<'a>) -> Result<Tools<'a>, Invalid> {
        let tools = value.array()?.into_iter().enumerate();
        let tools: Result<_, _> = tools.map(|(n, tool)| Tool::read(tool).map_err(|error| error.at(n))).collect();
        tools.map(Tools)
    }

    pub(super) fn custom(&self) -> Vec<Bytes> {
        let custom = self.0.iter().filter(|tool| matches!(tool.kind, Kind::Custom { .. }));
        custom.map(|tool| tool.name.clone()).collect()
    }

    /// Writes the members of a Chat request that have to do with tools, a comma after each.
    pub(super) fn write_chat(&self, choice: Option<&ToolChoice>, parallel: Option<bool>, out: &mut Out) {
        let allowed = |tool: &&Tool<'_>| match choice {
            Some(ToolChoice::Allowed(_, names)) => names.contains(&tool.name),
            _ => true,
        };
        let mut any = false;
        for tool in self.0.iter().filter(allowed) {
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
            None => {}
            Some(ToolChoice::Mode(mode) | ToolChoice::Allowed(mode, _)) => {
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
        for (n, tool) in self.0.iter().enumerate() {
            if n > 0 {
                out.write(b",");
            }
            tool.write_echo(out);
        }
        out.write(b"]");
    }
}

// === impl Tool ===

impl<'a> Tool<'a> {
    fn read(value: Value<'a>) -> Result<Tool<'a>, Invalid> {
        let tool = value.object()?;
        match &*tool.need("type", |kind| kind.string())? {
            // As Chat has it, with the function in an object of its own: clients of older gateways send that.
            "function" => match tool.read("function", |function| function.object())? {
                Some(function) => Tool::function(&function).map_err(|error| error.within("function")),
                None => Tool::function(&tool),
            },
            "custom" => Tool::custom_tool(value, &tool),
            other => {
                let message = format!("tools of type `{other}` are not offered here: expected `function` or `custom`");
                Err(Invalid::unsupported("type", message))
            }
        }
    }

    fn function(function: &Object<'a>) -> Result<Tool<'a>, Invalid> {
        let parameters = function.read("parameters", |value| value.object().map(|_| value.bytes()))?;
        let strict = function.read("strict", |value| value.boolean())?;
        let kind = Kind::Function { parameters, strict };
        Ok(Tool { name: function.need_text("name")?, description: function.text("description")?, kind })
    }

    fn custom_tool(whole: Value<'a>, tool: &Object<'a>) -> Result<Tool<'a>, Invalid> {
        let grammar = tool.read("format", |format| {
            let format = format.object()?;
            match &*format.need("type", |kind| kind.string())? {
                "text" => Ok(None),
                "grammar" => Ok(Some((format.need_text("syntax")?, format.need_text("definition")?))),
                other => Err(Invalid::new("type", format!("unknown format `{other}`")).coded("invalid_value")),
            }
        })?;
        let kind = Kind::Custom { grammar: grammar.flatten(), whole };
        Ok(Tool { name: tool.need_text("name")?, description: tool.text("description")?, kind })
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
            Kind::Custom { whole, .. } => out.pass(whole.bytes()),
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
    pub(super) fn read(value: Value<'_>) -> Result<ToolChoice, Invalid> {
        if value.is_string() {
            return read_mode(value).map(ToolChoice::Mode);
        }
        if !value.is_object() {
            return Err(Invalid::new("", "expected a string or an object").coded("invalid_type"));
        }
        let choice = value.object()?;
        match &*choice.need("type", |kind| kind.string())? {
            "function" | "custom" => Ok(ToolChoice::Named(name(&choice)?)),
            "allowed_tools" => {
                // As Chat has it, or flat.
                let inner = choice.read("allowed_tools", |inner| inner.object())?;
                let choice = inner.as_ref().unwrap_or(&choice);
                let mode = choice.read("mode", read_mode)?;
                let names = choice.need("tools", |tools| {
                    let names = tools.array()?.into_iter().enumerate();
                    names.map(|(n, tool)| read_named(tool).map_err(|error| error.at(n))).collect()
                })?;
                Ok(ToolChoice::Allowed(mode.unwrap_or(Bytes::from_static(b"auto")), names))
            }
            other => {
                let message = format!("tools of type `{other}` are not offered here, so none can be chosen");
                Err(Invalid::unsupported("type", message))
            }
        }
    }
}

fn read_mode(value: Value<'_>) -> Result<Bytes, Invalid> {
    match &*value.string()? {
        "auto" | "none" | "required" => value.text(),
        _ => Err(Invalid::new("", "expected `auto`, `none` or `required`").coded("invalid_value")),
    }
}

fn read_named(tool: Value<'_>) -> Result<Bytes, Invalid> {
    let tool = tool.object()?;
    match &*tool.need("type", |kind| kind.string())? {
        "function" | "custom" => name(&tool),
        other => Err(Invalid::unsupported("type", format!("tools of type `{other}` are not offered here"))),
    }
}

/// The name, flat or as Chat has it.
fn name(choice: &Object<'_>) -> Result<Bytes, Invalid> {
    match choice.read("function", |function| function.object())? {
        Some(function) => function.need_text("name").map_err(|error| error.within("function")),
        None => choice.need_text("name"),
    }
}
