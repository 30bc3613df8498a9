//! The conversation: turns of blocks become messages, results of tools messages of their own.

use super::Options;
use super::parts::{self, Part, required_text};
use crate::protocol::out::JsonText;
use crate::protocol::translated::Warnings;
use crate::protocol::view::{Object, Path, RequestError, Text, View};
use crate::protocol::write::Writer;

/// Between two blocks that become one text.
const PARAGRAPH: JsonText<'static> = JsonText::raw(br"\n\n");

/// Writes `messages`, `system` first.
pub(super) fn write(
    request: &mut Object<'_>,
    options: &Options,
    w: &mut Writer,
    warnings: &mut Warnings,
) -> Result<(), RequestError> {
    let root = Path::Root;
    w.key("messages").open_array();
    if let Some(system) = request.take("system") {
        write_system(&system, &root.key("system"), w, warnings)?;
    }
    let at = root.key("messages");
    let messages = request.take("messages").ok_or_else(|| at.refuse("is required"))?.expect_array(&at)?;
    for (n, view) in messages.iter().enumerate() {
        let at = at.index(n);
        let mut message = view.expect_object(&at)?;
        let role = message.take_word("role", &at)?;
        let at_content = at.key("content");
        let content = message.take("content").ok_or_else(|| at_content.refuse("is required"))?;
        match &*role {
            "user" => write_user(&content, &at_content, w, warnings)?,
            "assistant" => {
                write_assistant(&content, &at_content, options, w, warnings)?;
                if n + 1 == messages.len() {
                    // It will be answered, not gone on with.
                    warnings.dropped("prefill");
                }
            }
            "system" => write_system(&content, &at_content, w, warnings)?,
            _ => return Err(at.key("role").refuse("must be user or assistant")),
        }
    }
    w.close_array();
    Ok(())
}

fn write_system(
    content: &View<'_>,
    at: &Path<'_>,
    w: &mut Writer,
    warnings: &mut Warnings,
) -> Result<(), RequestError> {
    let mut all = Vec::new();
    parts::content(content, at, warnings, &mut all)?;
    let texts: Option<Vec<&Text<'_>>> = all.iter().map(Part::as_text).collect();
    let texts = texts.ok_or_else(|| at.refuse("must be texts alone"))?;
    if texts.is_empty() {
        return Ok(());
    }
    w.open_object().key("role").json("\"system\"").key("content").texts(joined(&texts)).close_object();
    Ok(())
}

/// Texts with an empty line between them.
fn joined<'t>(texts: &[&Text<'t>]) -> Vec<JsonText<'t>> {
    let mut out = Vec::with_capacity(2 * texts.len());
    for text in texts {
        if !out.is_empty() {
            out.push(PARAGRAPH);
        }
        out.push(text.json());
    }
    out
}

/// Results of tools first, each a message; then what else the user says, and pictures that tools have made, which Chat has
/// no place for in a result.
fn write_user(content: &View<'_>, at: &Path<'_>, w: &mut Writer, warnings: &mut Warnings) -> Result<(), RequestError> {
    let mut pictures = Vec::new();
    let mut said = Vec::new();
    let mut has_results = false;
    if content.text().is_some() {
        parts::content(content, at, warnings, &mut said)?;
    } else {
        for (n, view) in content.expect_array(at)?.iter().enumerate() {
            let at = at.index(n);
            let mut block = view.expect_object(&at)?;
            let r#type = block.take_word("type", &at)?;
            if r#type == "tool_result" {
                has_results = true;
                write_result(&mut block, &at, w, warnings, &mut pictures)?;
            } else {
                parts::read(&r#type, &mut block, &at, warnings, &mut said)?;
            }
        }
    }
    pictures.append(&mut said);
    if has_results && pictures.is_empty() {
        return Ok(());
    }
    w.open_object().key("role").json("\"user\"").key("content");
    match &*pictures {
        [] => {
            w.json("\"\"");
        }
        [Part::Text(text)] => {
            w.text(text.json());
        }
        parts => {
            w.open_array();
            parts.iter().for_each(|part| part.write(w));
            w.close_array();
        }
    }
    w.close_object();
    Ok(())
}

fn write_result<'a>(
    block: &mut Object<'a>,
    at: &Path<'_>,
    w: &mut Writer,
    warnings: &mut Warnings,
    pictures: &mut Vec<Part<'a>>,
) -> Result<(), RequestError> {
    if block.take("cache_control").is_some() {
        warnings.dropped("cache_control");
    }
    let id = required_text(block, "tool_use_id", at)?;
    let mut all = Vec::new();
    if let Some(content) = block.take("content") {
        parts::content(&content, &at.key("content"), warnings, &mut all)?;
    }
    let (texts, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|part| part.as_text().is_some());
    let texts: Vec<&Text<'_>> = texts.iter().filter_map(Part::as_text).collect();
    let failed = match block.take("is_error") {
        Some(is_error) => is_error.expect_bool(&at.key("is_error"))?,
        None => false,
    };
    let mut said = joined(&texts);
    if failed {
        // Chat has no field for it.
        said.insert(0, JsonText::raw(if said.is_empty() { b"Error" } else { b"Error: " }));
    }
    if !others.is_empty() {
        if said.is_empty() {
            said.push(JsonText::raw(b"See the next message."));
        }
        pictures.push(Part::Note(format!("Result of tool call {}:", id.unescaped())));
        pictures.extend(others);
    }
    w.open_object().key("role").json("\"tool\"").key("tool_call_id").text(id.json());
    w.key("content").texts(said).close_object();
    Ok(())
}

/// What an assistant message is made of.
#[derive(Default)]
struct Assistant<'a> {
    texts: Vec<Text<'a>>,
    thinking: Vec<Thinking<'a>>,
    calls: Vec<Call<'a>>,
}

struct Thinking<'a> {
    is_redacted: bool,
    text: Option<Text<'a>>,
    signature: Option<Text<'a>>,
}

struct Call<'a> {
    id: Text<'a>,
    name: Text<'a>,
    input: &'a str,
}

fn write_assistant(
    content: &View<'_>,
    at: &Path<'_>,
    options: &Options,
    w: &mut Writer,
    warnings: &mut Warnings,
) -> Result<(), RequestError> {
    let mut assistant = Assistant::default();
    if let Some(text) = content.text() {
        assistant.texts.push(text);
    } else {
        for (n, view) in content.expect_array(at)?.iter().enumerate() {
            assistant.read(view, &at.index(n), warnings)?;
        }
    }
    if !options.takes_thinking && !assistant.thinking.is_empty() {
        assistant.thinking.clear();
        warnings.dropped("messages.thinking");
    }
    assistant.write(w);
    Ok(())
}

impl<'a> Assistant<'a> {
    fn read(&mut self, view: &View<'a>, at: &Path<'_>, warnings: &mut Warnings) -> Result<(), RequestError> {
        let mut block = view.expect_object(at)?;
        if block.take("cache_control").is_some() {
            warnings.dropped("cache_control");
        }
        let mut text = |key| block.take(key).and_then(|view| view.text()).filter(|text| !text.raw().is_empty());
        match &*view.members().take_word("type", at)? {
            "text" => self.texts.push(required_text(&mut block, "text", at)?),
            "thinking" => {
                let (signature, text) = (text("signature"), text("thinking"));
                self.thinking.push(Thinking { is_redacted: false, text, signature });
            }
            "redacted_thinking" => {
                self.thinking.push(Thinking { is_redacted: true, text: text("data"), signature: None });
            }
            "tool_use" => {
                let at_input = at.key("input");
                let input = block.take("input").ok_or_else(|| at_input.refuse("is required"))?;
                input.expect_object(&at_input)?;
                let id = required_text(&mut block, "id", at)?;
                self.calls.push(Call { id, name: required_text(&mut block, "name", at)?, input: input.raw() });
            }
            // Of tools that ran at the provider: what came of them is in the text behind.
            other => warnings.dropped(&format!("messages.{other}")),
        }
        Ok(())
    }

    fn write(&self, w: &mut Writer) {
        w.open_object().key("role").json("\"assistant\"").key("content");
        if self.texts.is_empty() && !self.calls.is_empty() {
            w.json("null");
        } else {
            w.texts(self.texts.iter().map(Text::json));
        }
        self.write_thinking(w);
        if !self.calls.is_empty() {
            w.key("tool_calls").open_array();
            for call in &self.calls {
                w.open_object().key("id").text(call.id.json()).key("type").json("\"function\"");
                w.key("function").open_object().key("name").text(call.name.json());
                w.key("arguments").string(call.input).close_object().close_object();
            }
            w.close_array();
        }
        w.close_object();
    }

    /// The text for those who read that alone, and all of it for those who check signatures.
    fn write_thinking(&self, w: &mut Writer) {
        let readable = || self.thinking.iter().filter(|thinking| !thinking.is_redacted);
        if readable().any(|thinking| thinking.text.is_some()) {
            let texts = readable().filter_map(|thinking| thinking.text.as_ref());
            w.key("reasoning_content").texts(texts.map(Text::json));
        }
        let mut told = self.thinking.iter().filter(|thinking| thinking.text.is_some() || thinking.signature.is_some());
        if told.clone().next().is_none() {
            return;
        }
        w.key("reasoning_details").open_array();
        for (index, thinking) in told.by_ref().enumerate() {
            w.open_object().key("type");
            w.json(if thinking.is_redacted { "\"reasoning.encrypted\"" } else { "\"reasoning.text\"" });
            w.key("index").number(index as u64);
            if let Some(text) = &thinking.text {
                w.key(if thinking.is_redacted { "data" } else { "text" }).text(text.json());
            }
            if let Some(signature) = &thinking.signature {
                w.key("signature").text(signature.json());
            }
            w.close_object();
        }
        w.close_array();
    }
}
