//! Tools, and which of them the model is to call.

use crate::protocol::json::Kind;
use crate::protocol::view::{Object, Path, RequestError, Text, View};
use crate::protocol::write::Writer;

/// The tools of a request.
#[derive(Debug, Default)]
pub(super) struct Tools<'a> {
    tools: Vec<Tool<'a>>,
    choice: Option<Choice<'a>>,
    /// One call at a time.
    one_by_one: bool,
}

#[derive(Debug)]
struct Tool<'a> {
    name: Text<'a>,
    description: Option<Text<'a>>,
    parameters: Option<View<'a>>,
    strict: Option<View<'a>>,
    cache_control: Option<View<'a>>,
}

#[derive(Debug, Clone)]
enum Choice<'a> {
    Auto,
    None,
    Any,
    Tool(Text<'a>),
}

impl<'a> Tools<'a> {
    /// Reads `tools`, `tool_choice` and `parallel_tool_calls`, and what they were called before: `functions` and
    /// `function_call`.
    pub(super) fn read(request: &mut Object<'a>) -> Result<Self, RequestError> {
        let root = Path::Root;
        let mut out = Tools::default();
        if let Some(tools) = request.take("tools") {
            let at = root.key("tools");
            for (n, view) in tools.expect_array(&at)?.iter().enumerate() {
                out.tools.push(tool(view, &at.index(n))?);
            }
        }
        if let Some(functions) = request.take("functions") {
            let at = root.key("functions");
            for (n, view) in functions.expect_array(&at)?.iter().enumerate() {
                out.tools.push(function(&mut view.expect_object(&at.index(n))?, None, &at.index(n))?);
            }
        }
        let legacy = request.take("function_call").map(|view| (view, root.key("function_call")));
        let choice = request.take("tool_choice").map(|view| (view, root.key("tool_choice")));
        if let Some((view, at)) = choice.or(legacy) {
            out.choice = Some(read_choice(&view, &at)?);
        }
        if let Some(parallel) = request.take("parallel_tool_calls") {
            out.one_by_one = !parallel.expect_bool(&root.key("parallel_tool_calls"))?;
        }
        if out.tools.is_empty() {
            // Anthropic refuses a choice of nothing.
            match out.choice.take() {
                None | Some(Choice::Auto | Choice::None) => {}
                Some(_) => return Err(root.key("tool_choice").refuse("asks for a tool, and there are none")),
            }
        }
        Ok(out)
    }

    /// Whether the model must call one.
    pub(super) fn are_forced(&self) -> bool {
        matches!(self.choice, Some(Choice::Any | Choice::Tool(_)))
    }

    pub(super) fn write(&self, w: &mut Writer) {
        if self.tools.is_empty() {
            return;
        }
        w.key("tools").open_array();
        self.tools.iter().for_each(|tool| tool.write(w));
        w.close_array();
        let choice = match &self.choice {
            Some(choice) => choice,
            None if self.one_by_one => &Choice::Auto,
            None => return,
        };
        w.key("tool_choice").open_object().key("type");
        match choice {
            Choice::Auto => w.json("\"auto\""),
            Choice::None => w.json("\"none\""),
            Choice::Any => w.json("\"any\""),
            Choice::Tool(name) => w.json("\"tool\"").key("name").text(name.json()),
        };
        if self.one_by_one && !matches!(choice, Choice::None) {
            w.key("disable_parallel_tool_use").json("true");
        }
        w.close_object();
    }
}

fn tool<'a>(view: &View<'a>, at: &Path<'_>) -> Result<Tool<'a>, RequestError> {
    let mut tool = view.expect_object(at)?;
    let r#type = tool.take_word("type", at)?;
    if !matches!(&*r#type, "" | "function") {
        return Err(at.key("type").refuse(format_args!("`{type}` is unknown to this model: it takes functions")));
    }
    let cache_control = tool.take("cache_control");
    let at = at.key("function");
    let mut named = tool.take("function").ok_or_else(|| at.refuse("is required"))?.expect_object(&at)?;
    function(&mut named, cache_control, &at)
}

fn function<'a>(
    function: &mut Object<'a>,
    cache_control: Option<View<'a>>,
    at: &Path<'_>,
) -> Result<Tool<'a>, RequestError> {
    let name_at = at.key("name");
    let name = function.take("name").ok_or_else(|| name_at.refuse("is required"))?.expect_text(&name_at)?;
    let description = function.take("description").map(|view| view.expect_text(&at.key("description"))).transpose()?;
    let parameters = function.take("parameters");
    if let Some(parameters) = &parameters {
        parameters.expect(Kind::Object, &at.key("parameters"))?;
    }
    let strict = function.take("strict");
    let cache_control = cache_control.or_else(|| function.take("cache_control"));
    Ok(Tool { name, description, parameters, strict, cache_control })
}

fn read_choice<'a>(view: &View<'a>, at: &Path<'_>) -> Result<Choice<'a>, RequestError> {
    if view.kind() == Kind::String {
        return match &*view.expect_string(at)? {
            "auto" => Ok(Choice::Auto),
            "none" => Ok(Choice::None),
            "required" | "any" => Ok(Choice::Any),
            _ => Err(at.refuse("must be auto, none, required or a function")),
        };
    }
    let mut choice = view.expect_object(at)?;
    let r#type = choice.take_word("type", at)?;
    if !matches!(&*r#type, "" | "function") {
        return Err(at.key("type").refuse(format_args!("`{type}` is unknown to this model: name a function")));
    }
    // The old `function_call` names it without more ado.
    let name = match choice.take("function") {
        Some(function) => function.expect_object(&at.key("function"))?.take("name"),
        None => choice.take("name"),
    };
    let at = at.key("name");
    Ok(Choice::Tool(name.ok_or_else(|| at.refuse("is required"))?.expect_text(&at)?))
}

impl Tool<'_> {
    fn write(&self, w: &mut Writer) {
        w.open_object().key("name").text(self.name.json());
        if let Some(description) = &self.description {
            w.key("description").text(description.json());
        }
        w.key("input_schema");
        match &self.parameters {
            None => w.json(r#"{"type":"object","properties":{}}"#),
            Some(schema) => match (schema.members().take("type"), schema.members().left().next().is_none()) {
                (Some(_), _) => w.view(schema),
                (None, true) => w.json(r#"{"type":"object","properties":{}}"#),
                // Anthropic wants it told, even where nothing else can be meant.
                (None, false) => {
                    let members = schema.bytes().slice(1..);
                    w.made([&b"{\"type\":\"object\","[..], &members].concat().into())
                }
            },
        };
        if let Some(strict) = &self.strict {
            w.key("strict").view(strict);
        }
        if let Some(cache_control) = &self.cache_control {
            w.key("cache_control").view(cache_control);
        }
        w.close_object();
    }
}
