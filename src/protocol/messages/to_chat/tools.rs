//! Tools, and which of them the model is to call.
//!
//! Tools that Anthropic's servers run are an offer to the model: they are left out, by name, as long as another tool is
//! left. Tools whose schema only Anthropic's models know are refused.

use crate::protocol::json::Kind;
use crate::protocol::translated::Warnings;
use crate::protocol::view::{Object, Path, RequestError, View, fits};
use crate::protocol::write::Writer;

/// How the types of tools begin that Anthropic's servers run.
const RUN_BY_SERVERS: &[&str] = &["web_search_", "web_fetch_", "code_execution_", "tool_search_tool_", "advisor_"];

pub(super) fn write(request: &mut Object<'_>, w: &mut Writer, warnings: &mut Warnings) -> Result<(), RequestError> {
    let root = Path::Root;
    let at = root.key("tools");
    let tools = request.take("tools").map_or(Ok(Vec::new()), |tools| tools.expect_array(&at))?;
    let mut carried = Writer::default();
    let mut left_out = Vec::new();
    for (n, view) in tools.iter().enumerate() {
        let at = at.index(n);
        let mut tool = view.expect_object(&at)?;
        let r#type = tool.take_word("type", &at)?;
        let at_name = at.key("name");
        let name = tool.take("name").ok_or_else(|| at_name.refuse("is required"))?;
        match &*r#type {
            "" | "custom" => write_tool(&name, &mut tool, &mut carried, &at, warnings)?,
            server if RUN_BY_SERVERS.iter().any(|start| server.starts_with(start)) => {
                warnings.dropped(&format!("tools.{server}"));
                left_out.push(name.raw());
            }
            other => {
                return Err(at
                    .key("type")
                    .refuse(format_args!("`{other}` is unknown to this model: it takes custom tools")));
            }
        }
    }
    let choice = request.take("tool_choice");
    if carried.is_empty() {
        if !left_out.is_empty() {
            return Err(at.refuse("are all run by Anthropic's servers, which this model cannot ask"));
        }
        let kind = choice.and_then(|choice| choice.members().take("type")).and_then(|kind| kind.string());
        return match kind.as_deref() {
            Some("any" | "tool") => Err(root.key("tool_choice").refuse("asks for a tool, and there are none")),
            _ => Ok(()),
        };
    }
    w.key("tools").open_array().append(carried).close_array();
    if let Some(choice) = choice {
        write_choice(&choice, &left_out, w)?;
    }
    Ok(())
}

fn write_tool(
    name: &View<'_>,
    tool: &mut Object<'_>,
    w: &mut Writer,
    at: &Path<'_>,
    warnings: &mut Warnings,
) -> Result<(), RequestError> {
    name.expect(Kind::String, &at.key("name"))?;
    w.open_object().key("type").json("\"function\"").key("function").open_object().key("name").view(name);
    if let Some(description) = tool.take("description") {
        description.expect(Kind::String, &at.key("description"))?;
        w.key("description").view(&description);
    }
    let at = at.key("input_schema");
    let schema = tool.take("input_schema").ok_or_else(|| at.refuse("is required"))?;
    schema.expect(Kind::Object, &at)?;
    if !fits(r#"{"tools":[{"function":{"parameters":"#, schema.raw(), "}}]}") {
        return Err(at.refuse("nests too deep"));
    }
    w.key("parameters").view(&schema);
    if let Some(strict) = tool.take("strict") {
        w.key("strict").view(&strict);
    }
    // When it is loaded, and by whom it is called, changes nothing where that is as ever.
    let is_usual = |key: &str, value: &View<'_>| match key {
        "defer_loading" | "eager_input_streaming" => value.is("false"),
        "allowed_callers" => value.elements().iter().any(|caller| caller.is("\"direct\"")),
        _ => false,
    };
    for (key, _) in tool.rest().filter(|(key, value)| value.kind() != Kind::Null && !is_usual(key, value)) {
        match key {
            "cache_control" => warnings.dropped(key),
            _ => warnings.dropped(&format!("tools.{key}")),
        }
    }
    w.close_object().close_object();
    Ok(())
}

fn write_choice(choice: &View<'_>, left_out: &[&str], w: &mut Writer) -> Result<(), RequestError> {
    let root = Path::Root;
    let at = root.key("tool_choice");
    let mut choice = choice.expect_object(&at)?;
    match &*choice.take_word("type", &at)? {
        "auto" => {
            w.key("tool_choice").json("\"auto\"");
        }
        "any" => {
            w.key("tool_choice").json("\"required\"");
        }
        "none" => {
            w.key("tool_choice").json("\"none\"");
        }
        "tool" => {
            let at = at.key("name");
            let name = choice.take("name").ok_or_else(|| at.refuse("is required"))?;
            name.expect(Kind::String, &at)?;
            if left_out.contains(&name.raw()) {
                return Err(at.refuse("is run by Anthropic's servers, which this model cannot ask"));
            }
            w.key("tool_choice").open_object().key("type").json("\"function\"");
            w.key("function").open_object().key("name").view(&name).close_object().close_object();
        }
        _ => return Err(at.key("type").refuse("must be auto, any, tool or none")),
    }
    if let Some(disable) = choice.take("disable_parallel_tool_use")
        && disable.expect_bool(&at.key("disable_parallel_tool_use"))?
    {
        w.key("parallel_tool_calls").json("false");
    }
    Ok(())
}
