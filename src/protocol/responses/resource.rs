//! The response object: what `response.created` shows, what a plain answer is, and what is stored.

use super::item::{Item, Status};
use super::native::Native;
use super::tools::Spaced;
use crate::protocol::event::Usage;
use crate::protocol::failure::{Failure, FailureKind};
use crate::protocol::out::Out;
use bytes::Bytes;

/// What is known of a response before its answer begins.
#[derive(Debug)]
pub struct Context {
    /// `resp_…`
    pub id: String,
    /// Seconds since 1970.
    pub created_at: u64,
    /// The name that the client sees: the body of a JSON string.
    pub model: Bytes,
    /// What of the request is told again, from [`Request::echo`](super::request::Request::echo).
    pub echo: Bytes,
    /// Names of the custom tools, from [`Request::custom_tools`](super::request::Request::custom_tools).
    pub custom_tools: Vec<Bytes>,
    /// Tools that are part of namespaces, from [`Request::spaced_tools`](super::request::Request::spaced_tools).
    pub spaced_tools: Vec<Spaced>,
    /// Tools that have items of their own, from [`Request::native_tools`](super::request::Request::native_tools).
    pub native_tools: Vec<Native>,
    /// Whether unsigned thinking is handed out for the backend to read again, too.
    pub seal_unsigned: bool,
}

impl Context {
    /// Where the tool that backends call so belongs, if it is part of a namespace.
    pub(super) fn space_of(&self, flat: &[u8]) -> Option<Spaced> {
        self.spaced_tools.iter().find(|tool| tool.flat == flat).cloned()
    }

    /// The tool with items of its own that backends call so.
    pub(super) fn native_of(&self, name: &[u8]) -> Option<Native> {
        self.native_tools.iter().copied().find(|native| native.name().as_bytes() == name)
    }

    /// The model is known.
    pub fn set_model(&mut self, name: &str) {
        let mut out = Out::default();
        out.escape(name);
        self.model = out.into_bytes();
    }
}

/// How a response stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is being made.
    InProgress,
    /// All of it is there.
    Completed,
    /// It ends too early, for this reason.
    Incomplete(&'static str),
    /// It failed. The code is one of those that OpenAI's schema has.
    Failed {
        /// For programs.
        code: &'static str,
        /// For people.
        message: String,
    },
}

impl Outcome {
    /// What a failure of the backend, or on the way to it, makes of the response.
    #[must_use]
    pub fn failed(failure: &Failure) -> Outcome {
        let code = match failure.kind {
            FailureKind::RateLimit => "rate_limit_exceeded",
            FailureKind::InvalidRequest | FailureKind::TooLarge => "invalid_prompt",
            _ => "server_error",
        };
        Outcome::Failed { code, message: failure.message.clone() }
    }

    /// Its `status`.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Outcome::InProgress => "in_progress",
            Outcome::Completed => "completed",
            Outcome::Incomplete(_) => "incomplete",
            Outcome::Failed { .. } => "failed",
        }
    }

    /// The status of an item at which the answer ended.
    pub(super) fn of_last_item(&self) -> Status {
        if *self == Outcome::Completed { Status::Completed } else { Status::Incomplete }
    }
}

/// Writes a response.
pub(super) fn write(
    out: &mut Out,
    context: &Context,
    outcome: &Outcome,
    completed_at: Option<u64>,
    items: &[Item],
    usage: &Usage,
) {
    out.write(br#"{"id":""#);
    out.write(context.id.as_bytes());
    out.write(br#"","object":"response","created_at":"#);
    out.number(context.created_at);
    out.write(br#","status":""#);
    out.write(outcome.word().as_bytes());
    out.write(br#"","completed_at":"#);
    match completed_at {
        Some(at) if *outcome == Outcome::Completed => out.number(at),
        _ => out.write(b"null"),
    }
    out.write(br#","error":"#);
    match outcome {
        Outcome::Failed { code, message } => {
            out.write(br#"{"code":""#);
            out.write(code.as_bytes());
            out.write(br#"","message":""#);
            out.escape(message);
            out.write(b"\"}");
        }
        _ => out.write(b"null"),
    }
    out.write(br#","incomplete_details":"#);
    match outcome {
        Outcome::Incomplete(reason) => {
            out.write(br#"{"reason":""#);
            out.write(reason.as_bytes());
            out.write(b"\"}");
        }
        _ => out.write(b"null"),
    }
    out.write(br#","model":""#);
    out.write(&context.model);
    out.write(br#"","output":["#);
    for (n, item) in items.iter().enumerate() {
        if n > 0 {
            out.write(b",");
        }
        item.write(out);
    }
    out.write(br#"],"usage":"#);
    write_usage(out, usage);
    out.write(b",");
    out.pass(context.echo.clone());
    out.write(b"}");
}

/// Writes `usage`: `null` where nothing is known.
pub(super) fn write_usage(out: &mut Out, usage: &Usage) {
    if usage.is_unknown() {
        return out.write(b"null");
    }
    let (prompt, completion) = (usage.prompt(), usage.completion());
    let counts = [
        (r#"{"input_tokens":"#, prompt),
        (r#","input_tokens_details":{"cached_tokens":"#, usage.cached.unwrap_or_default()),
        (r#","cache_write_tokens":"#, usage.cache_write.unwrap_or_default()),
        (r#"},"output_tokens":"#, completion),
        (r#","output_tokens_details":{"reasoning_tokens":"#, usage.reasoning.unwrap_or_default()),
        (r#"},"total_tokens":"#, prompt.saturating_add(completion)),
    ];
    for (before, count) in counts {
        out.write(before.as_bytes());
        out.number(count);
    }
    out.write(b"}");
}
