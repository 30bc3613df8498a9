//! Content blocks: what a Chat message says becomes some of these, and they are written as Messages has them.

use super::media;
use crate::protocol::json::Kind;
use crate::protocol::translated::Warnings;
use crate::protocol::view::{Path, RequestError, Text, View};
use crate::protocol::write::Writer;
use std::borrow::Cow;

/// One block, and how the client wants it cached.
#[derive(Debug)]
pub(super) struct Block<'a> {
    pub(super) what: What<'a>,
    pub(super) cache_control: Option<View<'a>>,
}

#[derive(Debug)]
pub(super) enum What<'a> {
    Text(Text<'a>),
    /// Of the router itself.
    Instruction(&'static str),
    Media(media::Media<'a>),
    ToolUse {
        id: Cow<'a, str>,
        name: Text<'a>,
        /// An object, as JSON.
        input: Cow<'a, str>,
    },
    ToolResult {
        id: Cow<'a, str>,
        content: ResultContent<'a>,
    },
    Thinking {
        texts: Vec<Text<'a>>,
        signature: Text<'a>,
    },
    RedactedThinking(Text<'a>),
}

#[derive(Debug)]
pub(super) enum ResultContent<'a> {
    /// A string; nothing where it is blank.
    Text(Option<Text<'a>>),
    Blocks(Vec<Block<'a>>),
}

impl<'a> From<What<'a>> for Block<'a> {
    fn from(what: What<'a>) -> Self {
        Block { what, cache_control: None }
    }
}

/// Who says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Speaker {
    System,
    User,
    Assistant,
    Tool,
}

/// Reads the content of a message: a string, an array of parts, or null. Blank texts are left out: Anthropic refuses them.
pub(super) fn content<'a>(
    content: &View<'a>,
    speaker: Speaker,
    path: &Path<'_>,
    warnings: &mut Warnings,
) -> Result<Vec<Block<'a>>, RequestError> {
    match content.kind() {
        Kind::String => Ok(text(content.text()).into_iter().collect()),
        Kind::Array => {
            let mut blocks = Vec::new();
            for (n, view) in content.elements().iter().enumerate() {
                part(view, speaker, &path.index(n), &mut blocks, warnings)?;
            }
            Ok(blocks)
        }
        kind => Err(path.refuse(format_args!("must be a string or an array, got {kind}"))),
    }
}

fn text(text: Option<Text<'_>>) -> Option<Block<'_>> {
    text.filter(|text| !text.is_blank()).map(|text| What::Text(text).into())
}

fn part<'a>(
    view: &View<'a>,
    speaker: Speaker,
    path: &Path<'_>,
    blocks: &mut Vec<Block<'a>>,
    warnings: &mut Warnings,
) -> Result<(), RequestError> {
    let mut part = view.expect_object(path)?;
    let cache_control = part.take("cache_control");
    let r#type = part.take_word("type", path)?;
    let with_media = matches!(speaker, Speaker::User | Speaker::Tool);
    let block = match &*r#type {
        "text" => {
            let at = path.key("text");
            let said = part.take("text").ok_or_else(|| at.refuse("is required"))?;
            text(Some(said.expect_text(&at)?))
        }
        "refusal" if speaker == Speaker::Assistant => {
            let at = path.key("refusal");
            let said = part.take("refusal").ok_or_else(|| at.refuse("is required"))?;
            text(Some(said.expect_text(&at)?))
        }
        "image_url" if with_media => Some(What::Media(media::image(&mut part, path, warnings)?).into()),
        "file" if with_media => Some(What::Media(media::file(&mut part, path)?).into()),
        "thinking" | "redacted_thinking" if speaker == Speaker::Assistant => {
            super::thinking::block(&mut part, &r#type).map(Block::from)
        }
        "input_audio" => return Err(path.refuse("is audio, which this model does not take")),
        other => {
            let who = match speaker {
                Speaker::System => "a system message",
                Speaker::User => "a user message",
                Speaker::Assistant => "an assistant message",
                Speaker::Tool => "a tool message",
            };
            return Err(path.key("type").refuse(format_args!("`{other}` cannot stand in {who} to this model")));
        }
    };
    blocks.extend(block.map(|block| Block { cache_control, ..block }));
    Ok(())
}

/// Writes blocks as elements of an array.
pub(super) fn write(blocks: &[Block<'_>], w: &mut Writer) {
    for block in blocks {
        w.open_object();
        block.what.write(w);
        if let Some(cache_control) = &block.cache_control {
            w.key("cache_control").view(cache_control);
        }
        w.close_object();
    }
}

impl What<'_> {
    fn write(&self, w: &mut Writer) {
        match self {
            What::Text(text) => {
                w.key("type").json("\"text\"").key("text").text(text.json());
            }
            What::Instruction(text) => {
                w.key("type").json("\"text\"").key("text").string(text);
            }
            What::Media(media) => media.write(w),
            What::ToolUse { id, name, input } => {
                w.key("type").json("\"tool_use\"").key("id").string(id).key("name").text(name.json());
                w.key("input").made(input.as_bytes().to_vec().into());
            }
            What::ToolResult { id, content } => {
                w.key("type").json("\"tool_result\"").key("tool_use_id").string(id);
                match content {
                    ResultContent::Text(None) => {}
                    ResultContent::Text(Some(text)) => {
                        w.key("content").text(text.json());
                    }
                    ResultContent::Blocks(blocks) if blocks.is_empty() => {}
                    ResultContent::Blocks(blocks) => {
                        w.key("content").open_array();
                        write(blocks, w);
                        w.close_array();
                    }
                }
            }
            What::Thinking { texts, signature } => {
                w.key("type").json("\"thinking\"").key("thinking").texts(texts.iter().map(Text::json));
                w.key("signature").text(signature.json());
            }
            What::RedactedThinking(data) => {
                w.key("type").json("\"redacted_thinking\"").key("data").text(data.json());
            }
        }
    }
}
