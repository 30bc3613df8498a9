//! A Chat request as a Messages request: for clients of OpenAI's API before backends that speak Anthropic's.
//!
//! What Messages cannot say is dropped by name; where that would change what is asked for, the request is refused. It knows
//! nothing of models: what the one in question can do is told by the caller.

mod blocks;
mod media;
mod sampling;
mod thinking;
mod tools;
mod turns;

use crate::protocol::translated::{Translated, Warnings};
use crate::protocol::view::{Object, Path, RequestError, View};
use crate::protocol::write::Writer;
use bytes::Bytes;
use turns::Conversation;

/// What the translation has to know of the model.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// `max_tokens` of a request that says nothing of it; Messages has no request without.
    pub max_tokens: u64,
    /// How the model is told to think.
    pub reasoning: Reasoning,
}

/// How a model is told how much to think.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reasoning {
    /// It cannot be: `reasoning_effort` is dropped.
    Unsupported,
    /// `thinking` with a budget of tokens.
    Budget,
    /// `output_config.effort`
    Effort,
}

impl Default for Options {
    fn default() -> Self {
        Options { max_tokens: 4096, reasoning: Reasoning::Budget }
    }
}

/// Dropped without a word: it says how the answer is to be told, which the router sees to itself.
const HANDLED: &[&str] = &["stream_options"];

/// Translates the body of a request.
pub fn translate(body: &Bytes, options: &Options) -> Result<Translated, RequestError> {
    let root = Path::Root;
    let mut request = View::of(body)?.members();
    let mut warnings = Warnings::default();
    refuse_what_has_no_like(&mut request)?;

    let messages = request.take("messages").ok_or_else(|| root.key("messages").refuse("is required"))?;
    let mut conversation = Conversation::read(&messages, &root.key("messages"), &mut warnings)?;
    let tools = tools::Tools::read(&mut request)?;
    let format = sampling::Format::read(&mut request)?;
    let told = sampling::max_tokens(&mut request)?;
    let room = told.unwrap_or(options.max_tokens);
    let thinking = thinking::Thinking::read(&mut request, options, room, &tools, &conversation, &mut warnings)?;
    // What the client wants to be thought comes on top of what is usual for an answer, since it counts.
    let max_tokens = told.unwrap_or_else(|| room.saturating_add(thinking.told_budget()));
    if format.wants_any_object() {
        conversation.instruct(sampling::ANY_OBJECT);
    }

    let mut w = Writer::default();
    w.open_object();
    if let Some(model) = request.take("model") {
        w.key("model").view(&model);
    }
    w.key("max_tokens").number(max_tokens);
    if let Some(stream) = request.take("stream") {
        w.key("stream").view(&stream);
    }
    conversation.write(&mut w);
    tools.write(&mut w);
    thinking.write(&format, &mut w);
    sampling::write(&mut request, thinking.is_on(), &mut w, &mut warnings)?;
    w.close_object();
    request.left().filter(|name| !HANDLED.contains(name)).for_each(|name| warnings.dropped(name));
    Ok(Translated { body: w.finish(), warnings })
}

/// Fields that Messages has no like of, and without which another thing would be asked for.
fn refuse_what_has_no_like(request: &mut Object<'_>) -> Result<(), RequestError> {
    let root = Path::Root;
    if let Some(n) = request.take("n")
        && n.expect_number(&root.key("n"))? != 1.0
    {
        return Err(root.key("n").refuse("must be 1: this model gives one answer to a request"));
    }
    if let Some(modalities) = request.take("modalities") {
        let at = root.key("modalities");
        for (n, modality) in modalities.expect_array(&at)?.iter().enumerate() {
            if modality.string().as_deref() != Some("text") {
                return Err(at.index(n).refuse("cannot be asked of this model: it answers in text"));
            }
        }
    }
    if request.take("audio").is_some() {
        return Err(root.key("audio").refuse("cannot be asked of this model: it answers in text"));
    }
    Ok(())
}

#[cfg(test)]
#[path = "from_chat_tests.rs"]
mod tests;
