//! Tools that the API knows by their sort and that clients run: shells, patches, the search among the client's own tools. To
//! backends they are functions; what a backend calls becomes the item that the client waits for.

use super::custom::{escape, unescape};
use super::echo::one_line;
use crate::protocol::json::Kind as Json;
use crate::protocol::view::{Object, Path, RequestError, View};
use bytes::{BufMut, Bytes};

/// A sort of tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Native {
    /// `local_shell`: one command in the client's shell.
    LocalShell,
    /// `shell`: several.
    Shell,
    /// `apply_patch`: a change of one file.
    ApplyPatch,
    /// `tool_search`, where the client searches.
    ToolSearch,
}

const ALL: [Native; 4] = [Native::LocalShell, Native::Shell, Native::ApplyPatch, Native::ToolSearch];

impl Native {
    /// The `type` of the tool, and the name of the function that it is for backends.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Native::LocalShell => "local_shell",
            Native::Shell => "shell",
            Native::ApplyPatch => "apply_patch",
            Native::ToolSearch => "tool_search",
        }
    }

    /// The tool with this `type`.
    pub(super) fn of_tool(kind: &str) -> Option<Native> {
        ALL.into_iter().find(|native| native.name() == kind)
    }

    /// The tool of which items with this `type` are calls.
    pub(super) fn of_call(kind: &str) -> Option<Native> {
        kind.strip_suffix("_call").and_then(Self::of_tool)
    }

    /// The tool of which items with this `type` are results.
    pub(super) fn of_output(kind: &str) -> Option<Native> {
        match kind.strip_suffix("_output")? {
            "tool_search" => Some(Native::ToolSearch),
            call => Self::of_call(call).filter(|native| *native != Native::ToolSearch),
        }
    }

    /// What ids of its calls begin with.
    pub(super) fn prefix(self) -> &'static str {
        match self {
            Native::LocalShell => "lsh",
            Native::Shell => "sh",
            Native::ApplyPatch => "apc",
            Native::ToolSearch => "tsc",
        }
    }

    /// What a backend is told of it, the body of a JSON string.
    pub(super) fn description(self) -> &'static str {
        match self {
            Native::LocalShell => "Runs a command on the user's machine and gives back what it prints.",
            Native::Shell => "Runs commands in a shell on the user's machine and gives back what each prints.",
            Native::ApplyPatch => {
                "Creates, updates or deletes one file. `diff` is in the V4A format: for a new file every line begins with `+`; for \
                 an update, lines of context begin with a space, removed ones with `-`, added ones with `+`, and `@@` stands \
                 before each part."
            }
            Native::ToolSearch => "Searches for further tools that can be called then.",
        }
    }

    /// And of its parameters, a JSON schema.
    pub(super) fn parameters(self) -> &'static str {
        match self {
            Native::LocalShell => {
                r#"{"type":"object","properties":{"command":{"type":"array","items":{"type":"string"},"description":"The program and its arguments."},"working_directory":{"type":"string"},"timeout_ms":{"type":"integer"},"env":{"type":"object","additionalProperties":{"type":"string"}},"user":{"type":"string"}},"required":["command"]}"#
            }
            Native::Shell => {
                r#"{"type":"object","properties":{"commands":{"type":"array","items":{"type":"string"},"description":"Run one after the other."},"timeout_ms":{"type":"integer"},"max_output_length":{"type":"integer"}},"required":["commands"]}"#
            }
            Native::ApplyPatch => {
                r#"{"type":"object","properties":{"type":{"type":"string","enum":["create_file","update_file","delete_file"]},"path":{"type":"string"},"diff":{"type":"string","description":"Not for delete_file."}},"required":["type","path"]}"#
            }
            Native::ToolSearch => {
                r#"{"type":"object","properties":{"query":{"type":"string","description":"What the tools should do."}},"required":["query"]}"#
            }
        }
    }

    /// What its item has beside what all calls have, given the arguments of the function as they came: members with a comma
    /// behind each. `None` where a client could not read them.
    pub(super) fn members(self, arguments: &[u8]) -> Option<Bytes> {
        let mut text = Vec::new();
        unescape(arguments, &mut text);
        let text = Bytes::from(text);
        let view = View::of(&text).ok()?;
        let mut object = view.members();
        let mut out = Vec::new();
        match self {
            Native::LocalShell => {
                out.put_slice(br#""action":{"type":"exec","command":"#);
                out.put_slice(strings(&mut object, "command")?.raw().as_bytes());
                out.put_slice(br#","env":"#);
                let env = object.take("env").filter(is_env).map_or("{}", |env| env.raw());
                out.put_slice(env.as_bytes());
                optional(&mut object, &[("timeout_ms", Json::Number)], &mut out);
                optional(&mut object, &[("user", Json::String), ("working_directory", Json::String)], &mut out);
                out.put_slice(b"},");
            }
            Native::Shell => {
                out.put_slice(br#""action":{"commands":"#);
                out.put_slice(strings(&mut object, "commands")?.raw().as_bytes());
                optional(&mut object, &[("timeout_ms", Json::Number), ("max_output_length", Json::Number)], &mut out);
                out.put_slice(br#"},"environment":null,"#);
            }
            Native::ApplyPatch => {
                let kind = object.take("type")?.string()?.into_owned();
                let path = object.take("path").filter(|path| path.kind() == Json::String)?;
                let diff = object.take("diff").filter(|diff| diff.kind() == Json::String);
                out.put_slice(format!(r#""operation":{{"type":"{kind}","path":{}"#, path.raw()).as_bytes());
                match (&*kind, diff) {
                    ("delete_file", _) => {}
                    ("create_file" | "update_file", Some(diff)) => {
                        out.put_slice(br#","diff":"#);
                        out.put_slice(diff.raw().as_bytes());
                    }
                    _ => return None,
                }
                out.put_slice(b"},");
            }
            Native::ToolSearch => {
                out.put_slice(br#""execution":"client","arguments":"#);
                out.put_slice(view.raw().as_bytes());
                out.put_slice(b",");
            }
        }
        Some(one_line(out))
    }

    /// The same the other way: the arguments of the function that such an item stands for, the body of a JSON string.
    pub(super) fn arguments(self, item: &mut Object<'_>, path: &Path<'_>) -> Result<Bytes, RequestError> {
        let key = match self {
            Native::LocalShell | Native::Shell => "action",
            Native::ApplyPatch => "operation",
            Native::ToolSearch => "arguments",
        };
        let at = path.key(key);
        let view = item.take(key).ok_or_else(|| at.refuse("is required"))?;
        view.expect(Json::Object, &at)?;
        let mut out = Vec::new();
        escape(view.raw().as_bytes(), &mut out);
        Ok(out.into())
    }
}

fn strings<'a>(object: &mut Object<'a>, key: &str) -> Option<View<'a>> {
    let view = object.take(key).filter(|view| view.kind() == Json::Array)?;
    view.elements().iter().all(|element| element.kind() == Json::String).then_some(view)
}

fn is_env(view: &View<'_>) -> bool {
    view.kind() == Json::Object && view.members().rest().all(|(_, value)| value.kind() == Json::String)
}

/// Members that are `null` where they are not there, or are something else.
fn optional(object: &mut Object<'_>, keys: &[(&str, Json)], out: &mut Vec<u8>) {
    for (key, kind) in keys {
        let value = object.take(key).filter(|view| view.kind() == *kind).map_or("null", |view| view.raw());
        out.put_slice(format!(r#","{key}":{value}"#).as_bytes());
    }
}

#[cfg(test)]
#[path = "native_tests.rs"]
mod tests;
