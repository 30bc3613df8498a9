//! Thinking: what the client asks for, and blocks of earlier turns that it hands back.
//!
//! Only what is signed goes back: the provider checks that it is its own.

use super::blocks::{Block, What};
use super::sampling::Format;
use super::tools::Tools;
use super::turns::Conversation;
use super::{Options, Reasoning};
use crate::protocol::json::Kind;
use crate::protocol::translated::Warnings;
use crate::protocol::view::{Object, Path, RequestError, Text, View};
use crate::protocol::write::Writer;
use std::collections::HashMap;

/// The smallest budget that Anthropic takes.
const MIN_BUDGET: u64 = 1024;

/// How the model is told to think.
#[derive(Debug)]
pub(super) enum Thinking<'a> {
    /// Nothing is said.
    Untold,
    /// As the client says itself, in Anthropic's terms.
    Told(View<'a>),
    Off,
    Budget(u64),
    Effort(&'static str),
}

/// What OpenAI's words for effort stand for.
struct Effort {
    budget: u64,
    word: &'static str,
}

fn effort(word: &str) -> Option<Effort> {
    let (budget, word) = match word {
        "minimal" => (1024, "low"),
        "low" => (2048, "low"),
        "medium" => (8192, "medium"),
        "high" => (16384, "high"),
        "xhigh" => (32768, "xhigh"),
        "max" => (65536, "max"),
        _ => return None,
    };
    Some(Effort { budget, word })
}

impl<'a> Thinking<'a> {
    pub(super) fn read(
        request: &mut Object<'a>,
        options: &Options,
        max_tokens: u64,
        tools: &Tools<'a>,
        conversation: &Conversation<'a>,
        warnings: &mut Warnings,
    ) -> Result<Self, RequestError> {
        const FIELD: &str = "reasoning_effort";
        let root = Path::Root;
        let asked = request.take(FIELD);
        if let Some(told) = request.take("thinking") {
            told.expect(Kind::Object, &root.key("thinking"))?;
            if asked.is_some() {
                warnings.dropped(FIELD);
            }
            return Ok(Thinking::Told(told));
        }
        let Some(asked) = asked else { return Ok(Thinking::Untold) };
        let word = asked.expect_string(&root.key(FIELD))?;
        if word == "none" {
            return Ok(if options.reasoning == Reasoning::Unsupported { Thinking::Untold } else { Thinking::Off });
        }
        let Some(effort) = effort(&word) else {
            let message = "must be none, minimal, low, medium, high, xhigh or max";
            return Err(root.key(FIELD).refuse(message));
        };
        match options.reasoning {
            Reasoning::Effort => return Ok(Thinking::Effort(effort.word)),
            // Half of the tokens at least are left for the answer.
            Reasoning::Budget
                if max_tokens > MIN_BUDGET && !tools.are_forced() && !conversation.calls_without_thinking() =>
            {
                return Ok(Thinking::Budget(effort.budget.min(max_tokens / 2).max(MIN_BUDGET)));
            }
            Reasoning::Budget | Reasoning::Unsupported => warnings.dropped(FIELD),
        }
        Ok(Thinking::Untold)
    }

    /// The budget that the client itself tells in Anthropic's terms.
    pub(super) fn told_budget(&self) -> u64 {
        match self {
            Thinking::Told(told) if self.is_on() => {
                told.members().take("budget_tokens").and_then(|budget| budget.raw().parse().ok()).unwrap_or_default()
            }
            _ => 0,
        }
    }

    /// Whether the model thinks, and so takes no temperature.
    pub(super) fn is_on(&self) -> bool {
        match self {
            Thinking::Untold | Thinking::Off | Thinking::Effort(_) => false,
            Thinking::Budget(_) => true,
            Thinking::Told(told) => told.members().take("type").is_none_or(|kind| !kind.is("\"disabled\"")),
        }
    }

    /// Writes what is to be told, and in which form the answer is to come, which goes with the effort.
    pub(super) fn write(&self, format: &Format<'_>, w: &mut Writer) {
        let effort = match self {
            Thinking::Untold => None,
            Thinking::Told(told) => {
                w.key("thinking").view(told);
                None
            }
            Thinking::Off => {
                w.key("thinking").json(r#"{"type":"disabled"}"#);
                None
            }
            Thinking::Budget(budget) => {
                w.key("thinking").open_object().key("type").json("\"enabled\"");
                w.key("budget_tokens").number(*budget).close_object();
                None
            }
            Thinking::Effort(word) => Some(*word),
        };
        let schema = format.schema();
        if effort.is_none() && schema.is_none() {
            return;
        }
        w.key("output_config").open_object();
        if let Some(word) = effort {
            w.key("effort").string(word);
        }
        if let Some(schema) = schema {
            w.key("format").open_object().key("type").json("\"json_schema\"").key("schema").view(schema);
            w.close_object();
        }
        w.close_object();
    }
}

/// The blocks of thinking that come with an assistant message: `thinking_blocks`, which are whole, else `reasoning_details`.
pub(super) fn blocks<'a>(message: &mut Object<'a>, path: &Path<'_>) -> Result<Vec<Block<'a>>, RequestError> {
    let details = message.take("reasoning_details");
    let mut out = Vec::new();
    if let Some(blocks) = message.take("thinking_blocks") {
        let at = path.key("thinking_blocks");
        for (n, view) in blocks.expect_array(&at)?.iter().enumerate() {
            let at = at.index(n);
            let mut object = view.expect_object(&at)?;
            let r#type = object.take_word("type", &at)?;
            out.extend(block(&mut object, &r#type).map(Block::from));
        }
    }
    if let Some(details) = details.filter(|_| out.is_empty()) {
        let at = path.key("reasoning_details");
        out.extend(from_details(&details.expect_array(&at)?, &at)?.into_iter().map(Block::from));
    }
    Ok(out)
}

/// A block in Anthropic's own shape. `None` where it is not signed.
pub(super) fn block<'a>(block: &mut Object<'a>, r#type: &str) -> Option<What<'a>> {
    match r#type {
        "thinking" => {
            let signature = signed(block.take("signature"))?;
            let texts = block.take("thinking").and_then(|text| text.text()).into_iter().collect();
            Some(What::Thinking { texts, signature })
        }
        "redacted_thinking" => Some(What::RedactedThinking(signed(block.take("data"))?)),
        _ => None,
    }
}

fn signed(view: Option<View<'_>>) -> Option<Text<'_>> {
    view?.text().filter(|text| !text.raw().is_empty())
}

/// A block as it is told in pieces.
struct Pieces<'a> {
    is_redacted: bool,
    texts: Vec<Text<'a>>,
    signature: Option<Text<'a>>,
    redacted: Option<Text<'a>>,
}

/// A client may hand back one item for each block, or all the pieces in which they came: those of one type with the same
/// `index` belong together.
fn from_details<'a>(details: &[View<'a>], path: &Path<'_>) -> Result<Vec<What<'a>>, RequestError> {
    let mut all: Vec<Pieces<'a>> = Vec::new();
    let mut places: HashMap<(&'a str, bool), usize> = HashMap::new();
    for (n, view) in details.iter().enumerate() {
        let mut item = view.expect_object(&path.index(n))?;
        // Another provider's, of no use to this one.
        let format = item.take("format").and_then(|view| view.string());
        if format.is_some_and(|format| !format.starts_with("anthropic")) {
            continue;
        }
        let is_redacted = match item.take("type").and_then(|view| view.string()).as_deref() {
            Some("reasoning.text") => false,
            Some("reasoning.encrypted") => true,
            _ => continue,
        };
        let index = item.take("index").map(|view| view.raw());
        let new = all.len();
        let at = index.map_or(new, |index| *places.entry((index, is_redacted)).or_insert(new));
        if at == new {
            all.push(Pieces { is_redacted, texts: Vec::new(), signature: None, redacted: None });
        }
        let pieces = &mut all[at];
        pieces.texts.extend(signed(item.take("text")));
        pieces.signature = signed(item.take("signature")).or_else(|| pieces.signature.take());
        pieces.redacted = signed(item.take("data")).or_else(|| pieces.redacted.take());
    }
    let whole = |pieces| match pieces {
        Pieces { is_redacted: true, redacted, .. } => redacted.map(What::RedactedThinking),
        Pieces { texts, signature, .. } => Some(What::Thinking { texts, signature: signature? }),
    };
    Ok(all.into_iter().filter_map(whole).collect())
}
