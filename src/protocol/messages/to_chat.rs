//! A Messages request as a Chat request: for clients of Anthropic's API before backends that speak OpenAI's.
//!
//! What Chat cannot say is dropped by name; where that would change what is asked for, the request is refused. It knows
//! nothing of models: what the one in question can do is told by the caller.

mod conversation;
mod parts;
mod tools;

use crate::protocol::json::Kind;
use crate::protocol::translated::{Translated, Warnings};
use crate::protocol::view::{Object, Path, RequestError, View};
use crate::protocol::write::Writer;
use bytes::Bytes;

/// What the translation has to know of the model.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Which field bounds the answer. OpenAI's reasoning models refuse the old one, older servers do not know the new one.
    pub bound: Bound,
    /// Whether the model takes `reasoning_effort`. Others refuse it.
    pub takes_effort: bool,
    /// Whether backends read what their model thought in earlier turns. Others refuse it.
    pub takes_thinking: bool,
}

/// What the field is called that bounds the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// `max_tokens`
    MaxTokens,
    /// `max_completion_tokens`
    MaxCompletionTokens,
}

/// Budgets of tokens below which a model is told to think little, or only so much.
const LITTLE: f64 = 4096.0;
const SOME: f64 = 16384.0;

/// Translates the body of a request.
pub fn translate(body: &Bytes, options: &Options) -> Result<Translated, RequestError> {
    let root = Path::Root;
    let mut request = View::of(body)?.members();
    let mut warnings = Warnings::default();
    let mut w = Writer::default();
    w.open_object();
    if let Some(model) = request.take("model") {
        w.key("model").view(&model);
    }
    if let Some(stream) = request.take("stream") {
        w.key("stream").view(&stream);
        if stream.expect_bool(&root.key("stream"))? {
            // Messages streams always tell the usage.
            w.key("stream_options").json(r#"{"include_usage":true}"#);
        }
    }
    if let Some(max_tokens) = request.take("max_tokens") {
        max_tokens.expect_count(&root.key("max_tokens"))?;
        w.key(options.bound.key()).view(&max_tokens);
    }
    conversation::write(&mut request, options, &mut w, &mut warnings)?;
    tools::write(&mut request, &mut w, &mut warnings)?;
    answer(&mut request, options, &mut w, &mut warnings)?;
    rest(&mut request, &mut w, &mut warnings)?;
    w.close_object();
    request.left().for_each(|name| warnings.dropped(name));
    Ok(Translated { body: w.finish(), warnings })
}

impl Bound {
    fn key(self) -> &'static str {
        match self {
            Bound::MaxTokens => "max_tokens",
            Bound::MaxCompletionTokens => "max_completion_tokens",
        }
    }
}

/// How much the model is to think, and in which form it is to answer.
fn answer(
    request: &mut Object<'_>,
    options: &Options,
    w: &mut Writer,
    warnings: &mut Warnings,
) -> Result<(), RequestError> {
    let root = Path::Root;
    let mut format = request.take("output_format").map(|view| (view, root.key("output_format")));
    let mut effort = None;
    let at = root.key("output_config");
    if let Some(config) = request.take("output_config") {
        let mut config = config.expect_object(&at)?;
        format = config.take("format").map(|view| (view, at.key("format"))).or(format);
        if let Some(word) = config.take("effort") {
            effort = match &*word.expect_string(&at.key("effort"))? {
                "low" => Some("low"),
                "medium" => Some("medium"),
                "high" => Some("high"),
                "xhigh" | "max" => Some("xhigh"),
                _ => return Err(at.key("effort").refuse("must be low, medium, high, xhigh or max")),
            };
            if !options.takes_effort {
                warnings.dropped("output_config.effort");
            }
        }
        config.left().for_each(|name| warnings.dropped(&format!("output_config.{name}")));
    }
    if let Some(thinking) = request.take("thinking") {
        let at = root.key("thinking");
        let mut thinking = thinking.expect_object(&at)?;
        let budget = thinking.take("budget_tokens").map(|n| n.expect_number(&at.key("budget_tokens"))).transpose()?;
        match (&*thinking.take_word("type", &at)?, budget) {
            ("disabled", _) => {}
            // How much is up to the model there.
            ("adaptive" | "between_tools", _) | ("enabled", None) => {}
            ("enabled", Some(_)) if !options.takes_effort => warnings.dropped("thinking"),
            ("enabled", Some(budget)) => {
                let word = if budget < LITTLE {
                    "low"
                } else if budget < SOME {
                    "medium"
                } else {
                    "high"
                };
                effort = effort.or(Some(word));
            }
            _ => return Err(at.key("type").refuse("must be enabled, adaptive, between_tools or disabled")),
        }
    }
    if let Some(word) = effort.filter(|_| options.takes_effort) {
        w.key("reasoning_effort").string(word);
    }
    if let Some((view, at)) = format {
        let mut format = view.expect_object(&at)?;
        if format.take_word("type", &at)? != "json_schema" {
            return Err(at.key("type").refuse("must be json_schema"));
        }
        let at = at.key("schema");
        let schema = format.take("schema").ok_or_else(|| at.refuse("is required"))?;
        schema.expect(Kind::Object, &at)?;
        w.key("response_format").open_object().key("type").json("\"json_schema\"");
        // A name is required there, and what Anthropic promises is what OpenAI calls strict.
        w.key("json_schema").open_object().key("name").json("\"answer\"").key("strict").json("true");
        w.key("schema").view(&schema).close_object().close_object();
    }
    Ok(())
}

/// What is neither said nor a tool.
fn rest(request: &mut Object<'_>, w: &mut Writer, warnings: &mut Warnings) -> Result<(), RequestError> {
    let root = Path::Root;
    for key in ["temperature", "top_p"] {
        if let Some(view) = request.take(key) {
            view.expect(Kind::Number, &root.key(key))?;
            w.key(key).view(&view);
        }
    }
    if let Some(stop) = request.take("stop_sequences") {
        let at = root.key("stop_sequences");
        if !stop.expect_array(&at)?.is_empty() {
            w.key("stop").view(&stop);
        }
    }
    if let Some(metadata) = request.take("metadata") {
        let at = root.key("metadata");
        let mut metadata = metadata.expect_object(&at)?;
        if let Some(user) = metadata.take("user_id") {
            user.expect(Kind::String, &at.key("user_id"))?;
            w.key("user").view(&user);
        }
        metadata.left().for_each(|name| warnings.dropped(&format!("metadata.{name}")));
    }
    if let Some(tier) = request.take("service_tier") {
        match &*tier.expect_string(&root.key("service_tier"))? {
            "auto" => {
                w.key("service_tier").json("\"auto\"");
            }
            "standard_only" => {
                w.key("service_tier").json("\"default\"");
            }
            _ => warnings.dropped("service_tier"),
        }
    }
    if let Some(servers) = request.take("mcp_servers") {
        let at = root.key("mcp_servers");
        if !servers.expect_array(&at)?.is_empty() {
            return Err(at.refuse("cannot be reached by this model's provider"));
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "to_chat_tests.rs"]
mod tests;
