//! The conversation: a list of messages of many roles becomes turns of two, and system blocks before them.

use super::blocks::{self, Block, ResultContent, Speaker, What, content};
use super::thinking;
use crate::protocol::json::Kind;
use crate::protocol::messages::tool_id::sanitise;
use crate::protocol::translated::Warnings;
use crate::protocol::view::{Object, Path, RequestError, View, fits};
use crate::protocol::write::Writer;
use std::borrow::Cow;

/// What was said so far.
#[derive(Debug, Default)]
pub(super) struct Conversation<'a> {
    system: Vec<Block<'a>>,
    turns: Vec<Turn<'a>>,
}

/// All that one side says before the other one does.
#[derive(Debug)]
struct Turn<'a> {
    is_assistant: bool,
    /// Results of tools: they go before anything else that the user says.
    results: Vec<Block<'a>>,
    blocks: Vec<Block<'a>>,
}

impl<'a> Conversation<'a> {
    /// Reads `messages`.
    pub(super) fn read(messages: &View<'a>, path: &Path<'_>, warnings: &mut Warnings) -> Result<Self, RequestError> {
        let mut conversation = Conversation::default();
        // The call that a message of the old role `function` answers, which has no id.
        let mut called = Cow::Borrowed("");
        for (n, view) in messages.expect_array(path)?.iter().enumerate() {
            let at = path.index(n);
            let mut message = view.expect_object(&at)?;
            let role = message.take_word("role", &at)?;
            let cache_control = message.take("cache_control");
            if message.take("name").is_some() && role != "function" {
                warnings.dropped("messages.name");
            }
            let into = match &*role {
                "system" | "developer" => {
                    let blocks = said(&mut message, Speaker::System, &at, warnings)?;
                    conversation.system.extend(cached(blocks, cache_control));
                    continue;
                }
                "user" => {
                    let blocks = said(&mut message, Speaker::User, &at, warnings)?;
                    let into = conversation.turn(false);
                    into.blocks.extend(cached(blocks, cache_control));
                    continue;
                }
                "assistant" => {
                    let blocks = assistant(&mut message, &format!("call_{n}"), &mut called, &at, warnings)?;
                    conversation.turn(true).blocks.extend(cached(blocks, cache_control));
                    continue;
                }
                "tool" => {
                    let at = at.key("tool_call_id");
                    let id = message.take("tool_call_id").ok_or_else(|| at.refuse("is required"))?;
                    tool_id(id.expect_string(&at)?)
                }
                "function" if called.is_empty() => return Err(at.refuse("answers no call of a function")),
                "function" => called.clone(),
                _ => {
                    let message = "must be system, developer, user, assistant or tool";
                    return Err(at.key("role").refuse(message));
                }
            };
            let content = result(&mut message, &at, warnings)?;
            let block = What::ToolResult { id: into, content }.into();
            conversation.turn(false).results.extend(cached(vec![block], cache_control));
        }
        conversation.tidy();
        if conversation.turns.is_empty() {
            return Err(path.refuse("must hold something that the user or the assistant says"));
        }
        Ok(conversation)
    }

    fn turn(&mut self, is_assistant: bool) -> &mut Turn<'a> {
        if self.turns.last().is_none_or(|turn| turn.is_assistant != is_assistant || turn.is_empty()) {
            self.turns.push(Turn { is_assistant, results: Vec::new(), blocks: Vec::new() });
        }
        self.turns.last_mut().expect("one was just pushed where there was none")
    }

    /// Turns of which nothing is left go, and their neighbours become one.
    fn tidy(&mut self) {
        let mut tidied: Vec<Turn<'a>> = Vec::with_capacity(self.turns.len());
        for turn in self.turns.drain(..).filter(|turn| !turn.is_empty()) {
            match tidied.last_mut() {
                Some(last) if last.is_assistant == turn.is_assistant => {
                    last.results.extend(turn.results);
                    last.blocks.extend(turn.blocks);
                }
                _ => tidied.push(turn),
            }
        }
        self.turns = tidied;
    }

    /// One more thing that the model is told from above.
    pub(super) fn instruct(&mut self, text: &'static str) {
        self.system.push(What::Instruction(text).into());
    }

    /// Whether tools have been called since the user last said something, without thinking that could be handed back.
    /// Anthropic refuses to go on thinking then.
    pub(super) fn calls_without_thinking(&self) -> bool {
        let in_loop = self.turns.iter().rev().take_while(|turn| turn.is_assistant || turn.blocks.is_empty());
        let mut turns = in_loop.filter(|turn| turn.is_assistant);
        let is_call = |block: &Block<'_>| matches!(block.what, What::ToolUse { .. });
        turns.any(|turn| {
            let starts_with_thinking = turn.blocks.first().is_some_and(Block::is_thinking);
            !starts_with_thinking && turn.blocks.iter().any(is_call)
        })
    }

    pub(super) fn write(&self, w: &mut Writer) {
        if !self.system.is_empty() {
            w.key("system").open_array();
            blocks::write(&self.system, w);
            w.close_array();
        }
        w.key("messages").open_array();
        for turn in &self.turns {
            let role = if turn.is_assistant { "\"assistant\"" } else { "\"user\"" };
            w.open_object().key("role").json(role).key("content").open_array();
            blocks::write(&turn.results, w);
            blocks::write(&turn.blocks, w);
            w.close_array().close_object();
        }
        w.close_array();
    }
}

impl Turn<'_> {
    fn is_empty(&self) -> bool {
        self.results.is_empty() && self.blocks.is_empty()
    }
}

impl Block<'_> {
    fn is_thinking(&self) -> bool {
        matches!(self.what, What::Thinking { .. } | What::RedactedThinking(_))
    }
}

/// The content of a message.
fn said<'a>(
    message: &mut Object<'a>,
    speaker: Speaker,
    at: &Path<'_>,
    warnings: &mut Warnings,
) -> Result<Vec<Block<'a>>, RequestError> {
    message.take("content").map_or(Ok(Vec::new()), |view| content(&view, speaker, &at.key("content"), warnings))
}

/// What a whole message asks for goes for the last block of it that can be cached.
fn cached<'a>(mut blocks: Vec<Block<'a>>, cache_control: Option<View<'a>>) -> Vec<Block<'a>> {
    if let Some(last) = blocks.last_mut().filter(|block| !block.is_thinking()) {
        last.cache_control = last.cache_control.or(cache_control);
    }
    blocks
}

fn result<'a>(
    message: &mut Object<'a>,
    at: &Path<'_>,
    warnings: &mut Warnings,
) -> Result<ResultContent<'a>, RequestError> {
    Ok(match message.take("content") {
        Some(view) if view.kind() == Kind::String => ResultContent::Text(view.text().filter(|text| !text.is_blank())),
        Some(view) => ResultContent::Blocks(content(&view, Speaker::Tool, &at.key("content"), warnings)?),
        None => ResultContent::Text(None),
    })
}

/// Thinking first, then what was said, then what was called.
fn assistant<'a>(
    message: &mut Object<'a>,
    new_id: &str,
    called: &mut Cow<'a, str>,
    at: &Path<'_>,
    warnings: &mut Warnings,
) -> Result<Vec<Block<'a>>, RequestError> {
    if message.take("audio").is_some() {
        return Err(at.key("audio").refuse("is audio, which this model does not take"));
    }
    let mut blocks = thinking::blocks(message, at)?;
    blocks.extend(said(message, Speaker::Assistant, at, warnings)?);
    if let Some(refusal) = message.take("refusal") {
        let text = refusal.expect_text(&at.key("refusal"))?;
        blocks.extend((!text.is_blank()).then(|| What::Text(text).into()));
    }
    if let Some(calls) = message.take("tool_calls") {
        let at = at.key("tool_calls");
        for (n, call) in calls.expect_array(&at)?.iter().enumerate() {
            blocks.push(tool_call(call, &at.index(n))?);
        }
    }
    if let Some(call) = message.take("function_call") {
        let at = at.key("function_call");
        *called = Cow::Owned(new_id.to_owned());
        blocks.push(function_call(&mut call.expect_object(&at)?, called.clone(), &at)?.into());
    }
    Ok(blocks)
}

fn tool_call<'a>(call: &View<'a>, at: &Path<'_>) -> Result<Block<'a>, RequestError> {
    let mut call = call.expect_object(at)?;
    let r#type = call.take_word("type", at)?;
    if !matches!(&*r#type, "" | "function") {
        return Err(at.key("type").refuse("must be function: this model knows no other tools"));
    }
    let id = tool_id(call.take_word("id", at)?);
    let cache_control = call.take("cache_control");
    let at = at.key("function");
    let mut function = call.take("function").ok_or_else(|| at.refuse("is required"))?.expect_object(&at)?;
    Ok(Block { what: function_call(&mut function, id, &at)?, cache_control })
}

fn function_call<'a>(function: &mut Object<'a>, id: Cow<'a, str>, at: &Path<'_>) -> Result<What<'a>, RequestError> {
    let name_at = at.key("name");
    let name = function.take("name").ok_or_else(|| name_at.refuse("is required"))?.expect_text(&name_at)?;
    let at = at.key("arguments");
    let input = match function.take("arguments") {
        None => Cow::Borrowed("{}"),
        // Some clients send the object itself.
        Some(view) if view.kind() == Kind::Object => Cow::Borrowed(view.raw()),
        Some(view) => match view.expect_string(&at)? {
            text if text.trim().is_empty() => Cow::Borrowed("{}"),
            text => text,
        },
    };
    if !fits(r#"{"messages":[{"content":[{"input":"#, &input, "}]}]}") {
        return Err(at.refuse("must be a JSON object in a string"));
    }
    Ok(What::ToolUse { id, name, input })
}

fn tool_id(id: Cow<'_, str>) -> Cow<'_, str> {
    match sanitise(&id) {
        Cow::Borrowed(_) => id,
        Cow::Owned(other) => Cow::Owned(other),
    }
}
