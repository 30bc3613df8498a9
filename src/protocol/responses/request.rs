//! A Responses request: every field read and checked once, with its place where it is wrong.
//!
//! What the router does not have is refused by name. What has no meaning for it, or only loses comfort, is told as a warning.

use super::invalid::Invalid;
use super::object::{Object, Value};
use super::tools::{ToolChoice, Tools};
use bytes::Bytes;
use std::borrow::Cow;

/// A request for a response.
#[derive(Debug)]
pub struct Request<'a> {
    /// The model that is asked for.
    pub model: Option<Cow<'a, str>>,
    /// Whether the answer is streamed.
    pub stream: bool,
    /// Whether the response is stored.
    pub store: bool,
    /// The response that this one goes on from.
    pub previous_response_id: Option<Cow<'a, str>>,
    /// Fields that the client set and that have no effect.
    pub warnings: Vec<String>,
    /// Whether unsigned thinking is handed out for the backend to read again.
    pub seal_unsigned: bool,
    pub(super) input: Input<'a>,
    pub(super) instructions: Option<Bytes>,
    pub(super) tools: Tools<'a>,
    pub(super) tool_choice: Option<ToolChoice>,
    pub(super) format: Format,
    pub(super) verbosity: Option<Bytes>,
    pub(super) effort: Option<Bytes>,
    /// For what is passed on, or told again, as it stands.
    pub(super) fields: Object<'a>,
}

/// What the model is to answer.
#[derive(Debug)]
pub(super) enum Input<'a> {
    /// One message of the user, the body of a JSON string.
    Text(Bytes),
    Items(Vec<Value<'a>>),
}

/// In which shape it is to answer.
#[derive(Debug, Default)]
pub(super) enum Format {
    #[default]
    Text,
    Object,
    Schema {
        name: Bytes,
        description: Option<Bytes>,
        /// An object, as it is written.
        schema: Bytes,
        strict: Option<bool>,
    },
}

/// Numbers that a Chat request has under the same name.
pub(super) const NUMBERS: [&str; 4] = ["frequency_penalty", "presence_penalty", "temperature", "top_p"];
/// Strings that a Chat request has under the same name.
pub(super) const STRINGS: [&str; 4] = ["prompt_cache_key", "safety_identifier", "service_tier", "user"];

/// What may be asked for in `include`. Most belong to tools that the router does not have, so there is never anything to
/// include.
const INCLUDES: [&str; 9] = [
    "code_interpreter_call.outputs",
    "computer_call_output.output.image_url",
    "file_search_call.results",
    "message.input_image.image_url",
    LOGPROBS,
    SEALED,
    "web_search_call.action.sources",
    "web_search_call.results",
    "web_search_call.action.search_results",
];
const LOGPROBS: &str = "message.output_text.logprobs";
const SEALED: &str = "reasoning.encrypted_content";

/// Fields that are read, beside numbers and strings.
const KNOWN: [&str; 19] = [
    "background",
    "include",
    "input",
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "metadata",
    "model",
    "parallel_tool_calls",
    "previous_response_id",
    "reasoning",
    "store",
    "stream",
    "stream_options",
    "text",
    "tool_choice",
    "tools",
    "top_logprobs",
    "truncation",
];

impl<'a> Request<'a> {
    /// Reads a request.
    pub fn read(body: &'a Bytes) -> Result<Request<'a>, Invalid> {
        let fields = Value::parse(body)?.object()?;
        refuse(&fields)?;
        for key in NUMBERS {
            fields.read(key, |value| value.number())?;
        }
        for key in STRINGS {
            fields.text(key)?;
        }
        for key in ["max_output_tokens", "max_tool_calls", "top_logprobs"] {
            fields.read(key, |value| value.integer())?;
        }
        fields.read("parallel_tool_calls", |value| value.boolean())?;
        fields.read("stream_options", |value| value.object().map(drop))?;
        fields.read("metadata", check_metadata)?;
        let includes = fields.read("include", read_includes)?.unwrap_or_default();
        let mut warnings = unknown(&fields);
        let asks_logprobs = fields.read("top_logprobs", |value| value.integer())?.is_some_and(|n| n > 0);
        if asks_logprobs || includes.contains(&LOGPROBS) {
            warnings.push("top_logprobs".to_owned());
        }
        if fields.read("truncation", read_truncation)? == Some(true) {
            warnings.push("truncation".to_owned());
        }
        let previous_response_id = fields.read("previous_response_id", |value| value.string())?;
        let input = match fields.read("input", read_input)? {
            Some(input) => input,
            None if previous_response_id.is_some() => Input::Items(Vec::new()),
            None => return Err(Invalid::missing("input")),
        };
        let text = fields.read("text", |value| value.object())?;
        let of_text = |read: fn(&Object<'a>) -> Result<_, Invalid>| {
            text.as_ref().map(read).transpose().map_err(|error| error.within("text"))
        };
        let verbosity = of_text(|text| text.text("verbosity"))?.flatten();
        let text = fields.read("text", |value| value.object()?.read("format", read_format))?.flatten();
        Ok(Request {
            model: fields.read("model", |value| value.string())?,
            stream: fields.read("stream", |value| value.boolean())?.unwrap_or(false),
            store: fields.read("store", |value| value.boolean())?.unwrap_or(true),
            previous_response_id,
            warnings,
            seal_unsigned: includes.contains(&SEALED),
            input,
            instructions: fields.text("instructions")?,
            tools: fields.read("tools", Tools::read)?.unwrap_or_default(),
            tool_choice: fields.read("tool_choice", ToolChoice::read)?,
            format: text.unwrap_or_default(),
            verbosity,
            effort: fields.read("reasoning", read_effort)?.flatten(),
            fields,
        })
    }

    /// `metadata`, an object as it is written: for signals. Backends are not told, since they store nothing.
    #[must_use]
    pub fn metadata(&self) -> Option<Bytes> {
        self.fields.get("metadata").map(|value| value.bytes())
    }

    /// Names of the custom tools: bodies of JSON strings.
    #[must_use]
    pub fn custom_tools(&self) -> Vec<Bytes> {
        self.tools.custom()
    }

    /// Ids of the items that the input refers to: they must be looked up before the request can be translated.
    pub fn references(&self) -> Result<Vec<String>, Invalid> {
        let Input::Items(items) = &self.input else { return Ok(Vec::new()) };
        let mut ids = Vec::new();
        for (n, item) in items.iter().enumerate() {
            let id = item.object().and_then(|item| referred(&item));
            ids.extend(id.map_err(|error| error.at(n).within("input"))?);
        }
        Ok(ids)
    }
}

/// Of an item reference: the id of the item.
pub(super) fn referred(item: &Object<'_>) -> Result<Option<String>, Invalid> {
    let is_reference = match item.kind()? {
        Some(kind) => kind == "item_reference",
        // The type may be missing; an item that is a message has a role.
        None => item.get("role").is_none() && item.get("id").is_some(),
    };
    Ok(if is_reference { Some(item.need("id", |id| id.string())?.into_owned()) } else { None })
}

fn refuse(fields: &Object<'_>) -> Result<(), Invalid> {
    if fields.read("background", |value| value.boolean())? == Some(true) {
        let message = "responses are not made in the background: send the request without `background`, or stream it";
        return Err(Invalid::unsupported("background", message));
    }
    for (key, instead) in [
        ("conversation", "conversations are not kept: go on from a response with `previous_response_id`"),
        ("prompt", "prompt templates are not kept: send `instructions` and `input`"),
    ] {
        if fields.get(key).is_some() {
            return Err(Invalid::unsupported(key, instead));
        }
    }
    Ok(())
}

/// Names of fields that nothing is known of.
fn unknown(fields: &Object<'_>) -> Vec<String> {
    let known = |key: &str| KNOWN.contains(&key) || NUMBERS.contains(&key) || STRINGS.contains(&key);
    let unknown = fields.members().filter(|(key, value)| !known(key) && !value.is_null());
    unknown.map(|(key, _)| key.to_owned()).collect()
}

fn check_metadata(value: Value<'_>) -> Result<(), Invalid> {
    for (key, value) in value.object()?.members() {
        value.text().map_err(|error| error.within(key))?;
    }
    Ok(())
}

fn read_includes(value: Value<'_>) -> Result<Vec<&'static str>, Invalid> {
    let read = |(n, value): (usize, Value<'_>)| {
        let word = value.string().map_err(|error| error.at(n))?;
        let known = INCLUDES.into_iter().find(|known| *known == word);
        known.ok_or_else(|| {
            Invalid::new("", format!("nothing of this name can be included; known are {INCLUDES:?}")).at(n)
        })
    };
    value.array()?.into_iter().enumerate().map(read).collect()
}

/// Whether what is too long is to be cut.
fn read_truncation(value: Value<'_>) -> Result<bool, Invalid> {
    match &*value.string()? {
        "auto" => Ok(true),
        "disabled" => Ok(false),
        _ => Err(Invalid::new("", "expected `auto` or `disabled`").coded("invalid_value")),
    }
}

fn read_input<'a>(value: Value<'a>) -> Result<Input<'a>, Invalid> {
    if value.is_string() {
        return value.text().map(Input::Text);
    }
    if !value.is_array() {
        return Err(Invalid::new("", "expected a string or an array of items").coded("invalid_type"));
    }
    value.array().map(Input::Items)
}

fn read_effort(value: Value<'_>) -> Result<Option<Bytes>, Invalid> {
    let reasoning = value.object()?;
    for key in ["summary", "generate_summary"] {
        reasoning.text(key)?;
    }
    reasoning.text("effort")
}

fn read_format(value: Value<'_>) -> Result<Format, Invalid> {
    let format = value.object()?;
    match &*format.need("type", |value| value.string())? {
        "text" => Ok(Format::Text),
        "json_object" => Ok(Format::Object),
        "json_schema" => Ok(Format::Schema {
            name: format.need_text("name")?,
            description: format.text("description")?,
            schema: format.need("schema", |value| value.object().map(|_| value.bytes()))?,
            strict: format.read("strict", |value| value.boolean())?,
        }),
        other => {
            let message = format!("unknown format `{other}`: expected `text`, `json_object` or `json_schema`");
            Err(Invalid::new("type", message).coded("invalid_value"))
        }
    }
}
