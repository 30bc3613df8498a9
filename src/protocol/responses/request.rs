//! A Responses request: every field read and checked once, with its place where it is wrong.
//!
//! What the router does not have is refused by name. What has no meaning for it, or only loses comfort, is told as a warning.

use super::image_tool::ImageTool;
use super::later_tools;
use super::native::Native;
use super::tool_choice::ToolChoice;
use super::tools::{Spaced, Tools};
use crate::protocol::json::Kind;
use crate::protocol::metadata::Metadata;
use crate::protocol::translated::Warnings;
use crate::protocol::view::{Object, Path, RequestError, View};
use crate::table::UnsupportedTools;
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
    pub warnings: Warnings,
    /// Whether unsigned thinking is handed out for the backend to read again.
    pub seal_unsigned: bool,
    /// The image that is wanted, if one is.
    pub image: Option<ImageTool>,
    pub(super) input: Input<'a>,
    pub(super) instructions: Option<Bytes>,
    pub(super) tools: Tools,
    pub(super) tool_choice: Option<ToolChoice>,
    pub(super) format: Format,
    pub(super) verbosity: Option<Bytes>,
    pub(super) effort: Option<Bytes>,
    /// What is passed on, or told again, as it stands.
    pub(super) fields: Fields<'a>,
}

/// The fields that are known and there.
#[derive(Debug)]
pub(super) struct Fields<'a>(Vec<(&'static str, View<'a>)>);

/// What the model is to answer.
#[derive(Debug)]
pub(super) enum Input<'a> {
    /// One message of the user, the body of a JSON string.
    Text(Bytes),
    Items(Vec<InputItem<'a>>),
}

/// An item of the input.
#[derive(Debug)]
pub(super) struct InputItem<'a> {
    pub(super) view: View<'a>,
    /// The item that it refers to, if it is a reference.
    pub(super) refers_to: Option<String>,
    /// Whether further tools come along with it.
    pub(super) brings_tools: bool,
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
/// Counts.
const COUNTS: [&str; 2] = ["max_output_tokens", "max_tool_calls"];
const BOOLS: [&str; 4] = ["background", "parallel_tool_calls", "store", "stream"];
/// What else is read.
const OTHERS: [&str; 12] = [
    "include",
    "input",
    "instructions",
    "metadata",
    "model",
    "previous_response_id",
    "reasoning",
    "stream_options",
    "text",
    "tool_choice",
    "tools",
    "top_logprobs",
];
/// What is refused, and what to do instead.
const REFUSED: [(&str, &str); 2] = [
    ("conversation", "is not kept here: go on from a response with `previous_response_id`"),
    ("prompt", "is not kept here: send `instructions` and `input`"),
];

/// What may be asked for in `include`. Most belong to tools that the router does not have, so there is never anything to
/// include.
const INCLUDES: [&str; 9] = [
    "code_interpreter_call.outputs",
    "computer_call_output.output.image_url",
    "file_search_call.results",
    "message.input_image.image_url",
    LOGPROBS,
    SEALED,
    "web_search_call.action.search_results",
    "web_search_call.action.sources",
    "web_search_call.results",
];
const LOGPROBS: &str = "message.output_text.logprobs";
const SEALED: &str = "reasoning.encrypted_content";

// === impl Request ===

impl<'a> Request<'a> {
    /// Reads a request, with what becomes of tools that are not here.
    pub fn read(body: &'a Bytes, unsupported: UnsupportedTools) -> Result<Request<'a>, RequestError> {
        Self::of(View::of(body)?.members(), unsupported)
    }

    pub(super) fn of(mut object: Object<'a>, unsupported: UnsupportedTools) -> Result<Request<'a>, RequestError> {
        let root = Path::Root;
        for (key, instead) in REFUSED {
            if object.take(key).is_some() {
                return Err(root.key(key).refuse(instead));
            }
        }
        let truncation = object.take("truncation");
        let names = NUMBERS.into_iter().chain(STRINGS).chain(COUNTS).chain(BOOLS).chain(OTHERS);
        let mut fields = Fields(names.filter_map(|key| Some((key, object.take(key)?))).collect());
        let mut warnings = Warnings::default();
        object.left().for_each(|name| warnings.dropped(name));
        fields.check()?;
        if let Some(view) = truncation {
            match &*view.expect_string(&root.key("truncation"))? {
                "disabled" => {}
                "auto" => warnings.dropped("truncation"),
                _ => return Err(root.key("truncation").refuse("must be auto or disabled")),
            }
            fields.0.push(("truncation", view));
        }
        if fields.is_true("background") {
            let message = "cannot be true: responses are made while the client waits, or streamed to it";
            return Err(root.key("background").refuse(message));
        }
        let includes = fields.get("include").map_or(Ok(Vec::new()), |view| read_includes(&view))?;
        if includes.contains(&LOGPROBS) || fields.get("top_logprobs").is_some_and(|view| !view.is("0")) {
            warnings.dropped("top_logprobs");
        }
        let previous_response_id = fields.string("previous_response_id")?;
        let mut tools = Tools::none(unsupported);
        fields.get("tools").map_or(Ok(()), |view| tools.read(&view))?;
        let input = match fields.get("input") {
            Some(view) => read_input(&view, &mut tools)?,
            None if previous_response_id.is_some() => Input::Items(Vec::new()),
            None => return Err(root.key("input").refuse("is required")),
        };
        let (format, verbosity) = fields.get("text").map_or(Ok(Default::default()), |view| read_text(&view))?;
        let tool_choice = fields.get("tool_choice").map(|view| ToolChoice::read(&view, unsupported)).transpose()?;
        tools.left_out().iter().for_each(|kind| warnings.dropped(&format!("tools.{kind}")));
        let image = tools.image(tool_choice.as_ref())?;
        image.iter().flat_map(|image| &image.dropped).for_each(|name| warnings.dropped(name));
        Ok(Request {
            model: fields.string("model")?,
            stream: fields.is_true("stream"),
            store: !fields.get("store").is_some_and(|view| view.is("false")),
            previous_response_id,
            warnings,
            seal_unsigned: includes.contains(&SEALED),
            input,
            instructions: fields.text("instructions")?,
            image,
            tools,
            tool_choice,
            format,
            verbosity,
            effort: fields.get("reasoning").map_or(Ok(None), |view| read_effort(&view))?,
            fields,
        })
    }

    /// `metadata`, an object as it is written: for signals. Backends are not told, since they store nothing.
    #[must_use]
    pub fn metadata(&self) -> Option<Bytes> {
        self.fields.get("metadata").map(|view| view.bytes())
    }

    /// Names of the custom tools: bodies of JSON strings.
    #[must_use]
    pub fn custom_tools(&self) -> Vec<Bytes> {
        self.tools.custom()
    }

    /// The tools that are part of namespaces.
    #[must_use]
    pub fn spaced_tools(&self) -> Vec<Spaced> {
        self.tools.spaced()
    }

    /// The tools that have items of their own.
    #[must_use]
    pub fn native_tools(&self) -> Vec<Native> {
        self.tools.native()
    }

    /// Ids of the items that the input refers to: they must be looked up before the request can be translated.
    pub fn references(&self) -> impl Iterator<Item = &str> {
        let items: &[InputItem<'_>] = match &self.input {
            Input::Text(_) => &[],
            Input::Items(items) => items,
        };
        items.iter().filter_map(|item| item.refers_to.as_deref())
    }
}

// === impl Fields ===

impl<'a> Fields<'a> {
    /// The field, where it is there and not `null`.
    pub(super) fn get(&self, key: &str) -> Option<View<'a>> {
        self.0.iter().find(|(found, _)| *found == key).map(|(_, view)| *view)
    }

    fn is_true(&self, key: &str) -> bool {
        self.get(key).is_some_and(|view| view.is("true"))
    }

    fn string(&self, key: &str) -> Result<Option<Cow<'a, str>>, RequestError> {
        self.get(key).map(|view| view.expect_string(&Path::Root.key(key))).transpose()
    }

    fn text(&self, key: &str) -> Result<Option<Bytes>, RequestError> {
        self.get(key).map(|view| text(&view, &Path::Root.key(key))).transpose()
    }

    /// What is passed on or told again unread has the right type.
    fn check(&self) -> Result<(), RequestError> {
        let root = Path::Root;
        let check = |keys: &[&str], kind| {
            let mut views = keys.iter().filter_map(|key| Some((*key, self.get(key)?)));
            views.try_for_each(|(key, view)| view.expect(kind, &root.key(key)))
        };
        check(&NUMBERS, Kind::Number)?;
        check(&STRINGS, Kind::String)?;
        check(&BOOLS, Kind::Bool)?;
        check(&["stream_options"], Kind::Object)?;
        check(&["top_logprobs"], Kind::Number)?;
        for key in COUNTS {
            self.get(key).map(|view| view.expect_count(&root.key(key))).transpose()?;
        }
        if let Some(view) = self.get("metadata") {
            let at = root.key("metadata");
            for (key, value) in view.expect_object(&at)?.rest() {
                value.expect(Kind::String, &at.key(key))?;
            }
            let refuse = |error| RequestError {
                message: format!("invalid request body: {error}"),
                param: Some("metadata".to_owned()),
            };
            Metadata::read(view.raw().as_bytes()).map_err(refuse)?;
        }
        Ok(())
    }
}

/// The body of a string, as it is written, without a copy.
pub(super) fn text(view: &View<'_>, path: &Path<'_>) -> Result<Bytes, RequestError> {
    view.expect(Kind::String, path)?;
    let quoted = view.bytes();
    Ok(quoted.slice(1..quoted.len() - 1))
}

/// The same of a member.
pub(super) fn take_text(object: &mut Object<'_>, key: &str, path: &Path<'_>) -> Result<Option<Bytes>, RequestError> {
    object.take(key).map(|view| text(&view, &path.key(key))).transpose()
}

/// The same of a member that must be there.
pub(super) fn need_text(object: &mut Object<'_>, key: &str, path: &Path<'_>) -> Result<Bytes, RequestError> {
    take_text(object, key, path)?.ok_or_else(|| path.key(key).refuse("is required"))
}

fn read_includes(view: &View<'_>) -> Result<Vec<&'static str>, RequestError> {
    let root = Path::Root;
    let at = root.key("include");
    let read = |(n, view): (usize, View<'_>)| {
        let at = at.index(n);
        let word = view.expect_string(&at)?;
        let known = INCLUDES.into_iter().find(|known| *known == word);
        known.ok_or_else(|| at.refuse(format_args!("must be one of {}", INCLUDES.join(", "))))
    };
    view.expect_array(&at)?.into_iter().enumerate().map(read).collect()
}

/// Tools may come along with the input, too.
fn read_input<'a>(view: &View<'a>, tools: &mut Tools) -> Result<Input<'a>, RequestError> {
    let root = Path::Root;
    let at = root.key("input");
    let item = |(n, view): (usize, View<'a>)| read_item(view, tools, &at.index(n));
    match view.kind() {
        Kind::String => text(view, &at).map(Input::Text),
        Kind::Array => view.elements().into_iter().enumerate().map(item).collect::<Result<_, _>>().map(Input::Items),
        kind => Err(at.refuse(format_args!("must be a string or an array of items, got {kind}"))),
    }
}

/// Notes what an item refers to, and reads the tools that it brings along.
fn read_item<'a>(view: View<'a>, tools: &mut Tools, path: &Path<'_>) -> Result<InputItem<'a>, RequestError> {
    let mut item = view.expect_object(path)?;
    let mut read = InputItem { view, refers_to: None, brings_tools: false };
    match &*item.take_word("type", path)? {
        "item_reference" => {}
        // The type may be missing; an item that is a message has a role.
        "" if item.take("role").is_none() => {}
        kind => {
            if later_tools::brings_tools(kind) {
                let at = path.key("tools");
                let view = item.take("tools").ok_or_else(|| at.refuse("is required"))?;
                tools.read_more(&view, &at)?;
                read.brings_tools = true;
            }
            return Ok(read);
        }
    }
    let at = path.key("id");
    let id = item.take("id").ok_or_else(|| at.refuse("is required"))?;
    read.refers_to = Some(id.expect_string(&at)?.into_owned());
    Ok(read)
}

fn read_effort(view: &View<'_>) -> Result<Option<Bytes>, RequestError> {
    let root = Path::Root;
    let at = root.key("reasoning");
    let mut reasoning = view.expect_object(&at)?;
    take_text(&mut reasoning, "summary", &at)?;
    take_text(&mut reasoning, "effort", &at)
}

fn read_text(view: &View<'_>) -> Result<(Format, Option<Bytes>), RequestError> {
    let root = Path::Root;
    let at = root.key("text");
    let mut config = view.expect_object(&at)?;
    let verbosity = take_text(&mut config, "verbosity", &at)?;
    let at = at.key("format");
    let Some(view) = config.take("format") else { return Ok((Format::Text, verbosity)) };
    let mut format = view.expect_object(&at)?;
    let format = match &*format.take_word("type", &at)? {
        "text" => Format::Text,
        "json_object" => Format::Object,
        "json_schema" => {
            let schema = format.take("schema").ok_or_else(|| at.key("schema").refuse("is required"))?;
            schema.expect(Kind::Object, &at.key("schema"))?;
            Format::Schema {
                name: need_text(&mut format, "name", &at)?,
                description: take_text(&mut format, "description", &at)?,
                schema: schema.bytes(),
                strict: format.take("strict").map(|view| view.expect_bool(&at.key("strict"))).transpose()?,
            }
        }
        _ => return Err(at.key("type").refuse("must be text, json_object or json_schema")),
    };
    Ok((format, verbosity))
}
