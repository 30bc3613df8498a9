//! The built-in echo backend: answers in this process, in the protocol of its model, so that a router can be tried and tested with no key
//! and no network.

use crate::protocol::json::{Field, Fields, Scanner};
use crate::protocol::messages::said::Said;
use crate::protocol::openai::{ErrorBody, ErrorDetail};
use crate::protocol::prompt::{Prompt, Raw};
use crate::protocol::splice::Chunks;
use crate::table::Protocol;
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body::SizeHint;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};
use tokio::time::{Instant, Sleep, sleep};

use super::body::Source;

/// Frames, each with a pause before it.
#[derive(Debug)]
pub(super) struct EchoBody {
    frames: VecDeque<Bytes>,
    pause: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    /// Set for a plain answer.
    len: Option<u64>,
}

/// The fields of a request that the echo looks at, beyond its messages.
#[derive(Deserialize)]
struct Options {
    model: String,
    /// Like every field, it may be `null`.
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
    max_tokens: Option<f64>,
}

#[derive(Deserialize)]
struct StreamOptions {
    include_usage: Option<bool>,
}

#[derive(Serialize)]
struct Completion<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    choices: &'a [Choice<'a>],
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Usage>,
}

#[derive(Serialize, Default)]
struct Choice<'a> {
    index: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Message<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delta: Option<Message<'a>>,
    logprobs: Option<()>,
    finish_reason: Option<&'static str>,
}

#[derive(Serialize, Default)]
struct Message<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'a str>,
    /// Required in a message, absent in a delta.
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<Option<()>>,
}

#[derive(Serialize, Clone, Copy)]
struct Usage {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
}

/// Answers a request as it would be sent to a backend.
pub(super) fn answer(protocol: Protocol, token_delay: Duration, body: &Chunks) -> Response<Source> {
    let bytes = body.range(0..body.len());
    match (protocol, read(protocol, &bytes)) {
        (Protocol::Chat, Ok((prompt, options))) => reply(token_delay, &prompt, &options),
        (Protocol::Messages, Ok((_, Options { max_tokens: None, .. }))) => refuse_message("max_tokens: Field required"),
        (Protocol::Messages, Ok((prompt, options))) => reply_message(token_delay, &prompt, &options),
        (Protocol::Chat, Err(message)) => refuse(&message),
        (Protocol::Messages, Err(message)) => refuse_message(&message),
    }
}

fn read(protocol: Protocol, bytes: &[u8]) -> Result<(Prompt<'_>, Options), String> {
    let mut scanner = Scanner::new();
    let fields: Fields = scanner.push(bytes).and_then(|()| scanner.finish()).map_err(|e| e.to_string())?;
    let messages = fields.get(Field::Messages).ok_or("messages is required")?;
    let system = fields.get(Field::System).map(|system| &bytes[system.start..system.end]);
    let raw = Raw { protocol, system, messages: &bytes[messages.start..messages.end], ..Raw::default() };
    let prompt = Prompt::read(&raw).map_err(|e| e.to_string())?;
    let options = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
    Ok((prompt, options))
}

fn reply(token_delay: Duration, prompt: &Prompt<'_>, options: &Options) -> Response<Source> {
    let model = options.model.as_str();
    let text = said(prompt, options);
    let tokens: Vec<&str> = text.split_inclusive(' ').collect();
    let completion_tokens = tokens.len() as u64;
    let usage =
        Usage { prompt_tokens: prompt.tokens, completion_tokens, total_tokens: prompt.tokens + completion_tokens };
    let id = format!("chatcmpl-echo-{:016x}", fastrand::u64(..));
    let created = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let write = |object, choices: &[Choice<'_>], usage| {
        let completion = Completion { id: &id, object, created, model, choices, usage };
        serde_json::to_vec(&completion).expect("strings and numbers always serialise")
    };
    if options.stream != Some(true) {
        let message = Message { role: Some("assistant"), content: Some(&text), refusal: Some(None) };
        let choice = Choice { message: Some(message), finish_reason: Some("stop"), ..Choice::default() };
        let body = write("chat.completion", &[choice], Some(usage));
        let pause = token_delay.saturating_mul(u32::try_from(completion_tokens).unwrap_or(u32::MAX));
        return response(StatusCode::OK, "application/json", EchoBody::plain(body, pause));
    }
    let chunk = |choices: &[Choice<'_>], usage| {
        let mut frame = b"data: ".to_vec();
        frame.extend(write("chat.completion.chunk", choices, usage));
        frame.extend_from_slice(b"\n\n");
        Bytes::from(frame)
    };
    let delta = |delta, finish_reason| Choice { delta: Some(delta), finish_reason, ..Choice::default() };
    let mut frames = VecDeque::with_capacity(tokens.len() + 4);
    frames
        .push_back(chunk(&[delta(Message { role: Some("assistant"), content: Some(""), refusal: None }, None)], None));
    for token in tokens {
        frames.push_back(chunk(&[delta(Message { content: Some(token), ..Message::default() }, None)], None));
    }
    frames.push_back(chunk(&[delta(Message::default(), Some("stop"))], None));
    if options.stream_options.as_ref().is_some_and(|options| options.include_usage == Some(true)) {
        frames.push_back(chunk(&[], Some(usage)));
    }
    frames.push_back(Bytes::from_static(b"data: [DONE]\n\n"));
    response(StatusCode::OK, "text/event-stream", EchoBody { frames, pause: token_delay, timer: None, len: None })
}

fn said(prompt: &Prompt<'_>, options: &Options) -> String {
    format!("This is {}. You said: {}", options.model, prompt.user_text)
}

/// The same in Messages.
fn reply_message(token_delay: Duration, prompt: &Prompt<'_>, options: &Options) -> Response<Source> {
    let json = |text: &str| serde_json::to_string(text).expect("a string always serialises");
    let text = said(prompt, options);
    let tokens: Vec<String> = text.split_inclusive(' ').map(json).collect();
    let id = format!("msg_echo_{:016x}", fastrand::u64(..));
    let (input_tokens, output_tokens) = (prompt.tokens, tokens.len() as u64);
    let said = Said { id: &id, model: &json(&options.model), input_tokens, output_tokens };
    if options.stream != Some(true) {
        let pause = token_delay.saturating_mul(u32::try_from(tokens.len()).unwrap_or(u32::MAX));
        let body = said.message(&json(&text)).into_bytes();
        return response(StatusCode::OK, "application/json", EchoBody::plain(body, pause));
    }
    let frames = said.stream(tokens.iter().map(String::as_str)).into_iter().map(Bytes::from).collect();
    response(StatusCode::OK, "text/event-stream", EchoBody { frames, pause: token_delay, timer: None, len: None })
}

fn refuse_message(message: &str) -> Response<Source> {
    let message = serde_json::to_string(message).expect("a string always serialises");
    let body = format!(r#"{{"type":"error","error":{{"type":"invalid_request_error","message":{message}}}}}"#);
    response(StatusCode::BAD_REQUEST, "application/json", EchoBody::plain(body.into_bytes(), Duration::ZERO))
}

fn refuse(message: &str) -> Response<Source> {
    let error = ErrorDetail { message, r#type: "invalid_request_error", param: Some("messages"), code: None };
    let body = ErrorBody { error }.to_json();
    response(StatusCode::BAD_REQUEST, "application/json", EchoBody::plain(body, Duration::ZERO))
}

fn response(status: StatusCode, content_type: &'static str, body: EchoBody) -> Response<Source> {
    let mut response = Response::new(Source::Echo(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

impl EchoBody {
    fn plain(body: Vec<u8>, pause: Duration) -> Self {
        EchoBody { len: Some(body.len() as u64), frames: VecDeque::from([body.into()]), pause, timer: None }
    }

    pub(super) fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if !self.pause.is_zero() && !self.frames.is_empty() {
            let pause = self.pause;
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(pause)));
            std::task::ready!(timer.as_mut().poll(cx));
            timer.as_mut().reset(Instant::now() + pause);
        }
        Poll::Ready(self.frames.pop_front())
    }

    pub(super) fn is_end_stream(&self) -> bool {
        self.frames.is_empty()
    }

    pub(super) fn size_hint(&self) -> SizeHint {
        self.len.map_or_else(SizeHint::new, SizeHint::with_exact)
    }
}
