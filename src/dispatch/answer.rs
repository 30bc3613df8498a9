//! What is done with the answer of a backend, as its head tells; and answers that are needed whole.

use super::client::Client;
use super::exchange::Exchange;
use super::passing::{Passing, Stream};
use super::request::Received;
use super::respond::{Asked, Told};
use super::{Dispatch, REQUEST_ID, labels};
use crate::protocol::answer::Answer;
use crate::protocol::event::Event;
use crate::protocol::failure::Failure;
use crate::protocol::out::Out;
use crate::protocol::responses::resource;
use crate::protocol::stream::{Context, Encoder, Translator};
use crate::protocol::tap::Tap;
use crate::protocol::translated::Warnings;
use crate::protocol::{chat, error_body, messages, responses};
use crate::routing::Plan;
use crate::table::{Model, Protocol};
use crate::telemetry::metrics::ErrorReason;
use crate::upstream::{strip_description, strip_response};
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header, response};
use std::time::{SystemTime, UNIX_EPOCH};

/// How an answer will be dealt with, as far as that is known with the request.
#[derive(Debug)]
pub struct Answering {
    client: Client,
    /// What the backend speaks.
    pub(super) backend: Protocol,
    /// The model's name as clients know it.
    model: &'static str,
    pub(super) plan: Plan,
    /// The client asked for a stream.
    pub(super) stream: bool,
    /// The client asked for the usage of its stream.
    include_usage: bool,
    /// The router asks for the usage of the stream, the client did not.
    pub(super) hides_usage: bool,
    /// The client wants to know how it was routed.
    pub(super) debug: bool,
    /// What is told of the response, where one is asked for.
    pub(super) response: Option<Box<resource::Context>>,
    /// What the translation of the request has dropped.
    pub(super) warnings: Warnings,
    /// The model is asked for an image, and answers everything at once.
    pub(super) draws: bool,
}

/// What is done with the body of an answer.
#[derive(Debug)]
pub enum Handling {
    /// It is passed on while it arrives.
    Pass(Passing),
    /// It is needed whole.
    Whole(Box<Whole>),
}

impl Answering {
    pub(super) fn new(
        client: Client,
        model: &'static Model,
        plan: Plan,
        received: &Received,
        debug: bool,
        exchange: &Exchange,
    ) -> Self {
        let is_chat = client.protocol() == Protocol::Chat;
        let include_usage = is_chat && exchange.stream && received.wants_usage();
        // What a request costs is known from its usage alone.
        let hides_usage =
            is_chat && exchange.stream && !include_usage && model.protocol == Protocol::Chat && model.pricing.is_some();
        Answering {
            client,
            backend: model.protocol,
            model: model.name,
            plan,
            stream: exchange.stream,
            include_usage,
            hides_usage,
            debug,
            response: None,
            warnings: Warnings::default(),
            draws: false,
        }
    }

    /// The answer is told as a response.
    pub(super) fn responding(self, asked: Asked) -> Self {
        let Asked { mut context, warnings, .. } = asked;
        context.set_model(self.model);
        Answering { response: Some(Box::new(context)), warnings, ..self }
    }

    /// Whether client and backend speak differently.
    pub(super) fn translates(&self) -> bool {
        self.client.protocol() != self.backend
    }

    /// Whether the answer is told otherwise than the backend tells it.
    fn retells(&self) -> bool {
        self.translates() || self.response.is_some()
    }

    /// Makes of the head of a backend's answer what the client gets, and tells what is done with its body.
    pub fn head(mut self, dispatch: &Dispatch, head: &mut response::Parts, exchange: &mut Exchange) -> Handling {
        let status = head.status;
        exchange.answered(status.as_u16());
        if let Some(reason) = status_reason(status) {
            exchange.failed(reason);
        }
        let headers = &mut head.headers;
        strip_response(headers);
        dispatch.labels.set(headers, &self.plan, self.debug);
        headers.entry(REQUEST_ID).or_insert_with(|| exchange.request_id.clone());
        if self.client == Client::Messages {
            headers.entry(labels::ANTHROPIC_REQUEST_ID).or_insert_with(|| exchange.request_id.clone());
        }
        if self.retells() {
            labels::set_protocols(headers, self.client, self.backend, &self.warnings);
        }
        let content_type = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
        let is_event_stream = status.is_success() && is_media_type(content_type, b"text/event-stream");
        // What is no JSON is no error that a client can read.
        let is_foreign = status_reason(status).is_some() && !is_media_type(content_type, b"application/json");
        // The request asked for none.
        let coding = headers.get(header::CONTENT_ENCODING).filter(|coding| *coding != "identity").cloned();
        if is_foreign || (self.retells() && (!(is_event_stream && self.stream) || coding.is_some())) {
            return Handling::Whole(Box::new(Whole { answering: self, is_event_stream, coding }));
        }
        let tap = Tap::new(self.backend);
        if !is_event_stream {
            return Handling::Pass(Passing::Plain(tap));
        }
        // It becomes another, or an error event may have to be added.
        if self.retells() || self.hides_usage {
            strip_description(headers);
        }
        headers.remove(header::CONTENT_LENGTH);
        set_stream_headers(headers);
        if self.retells() {
            let encoder = self.encoder();
            return Handling::Pass(Passing::Translate(Box::new(Translator::new(self.backend, encoder))));
        }
        Handling::Pass(Passing::Stream(Stream::new(tap, self.hides_usage, self.client)))
    }

    fn context(&self) -> Context {
        Context {
            model: self.model.to_owned(),
            id: match self.client.protocol() {
                Protocol::Chat => format!("chatcmpl-{:024x}", fastrand::u128(..) >> 32),
                Protocol::Messages => format!("msg_{:024x}", fastrand::u128(..) >> 32),
            },
            created: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
            include_usage: self.include_usage,
        }
    }

    fn encoder(&mut self) -> Encoder {
        if let Some(context) = self.response.take() {
            return Encoder::Responses(Box::new(responses::encode::Encoder::new(*context, self.stream)));
        }
        let context = self.context();
        match self.client.protocol() {
            Protocol::Chat => Encoder::Chat(Box::new(chat::encode::Encoder::new(context))),
            Protocol::Messages => Encoder::Messages(Box::new(messages::encode::Encoder::new(context))),
        }
    }
}

/// An event stream of the router's own.
pub(crate) fn event_stream_response(body: Bytes) -> Response<Bytes> {
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    set_stream_headers(response.headers_mut());
    response
}

pub(super) fn set_stream_headers(headers: &mut http::HeaderMap) {
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-cache"));
    headers.entry("x-accel-buffering").or_insert(HeaderValue::from_static("no"));
}

fn is_media_type(content_type: &[u8], expected: &[u8]) -> bool {
    content_type.get(..expected.len()).is_some_and(|start| start.eq_ignore_ascii_case(expected))
}

/// Most bytes of an answer that is needed whole.
pub(crate) const MAX_WHOLE: usize = 256 << 20;

/// An answer that can only be dealt with when all of it is there.
#[derive(Debug)]
pub struct Whole {
    answering: Answering,
    is_event_stream: bool,
    /// How the body is compressed, though that was not asked for: it cannot be read.
    coding: Option<HeaderValue>,
}

impl Whole {
    /// Makes the client's answer of the backend's.
    pub fn finish(mut self, mut head: response::Parts, body: &Bytes, exchange: &mut Exchange) -> Response<Bytes> {
        strip_description(&mut head.headers);
        if let Some(failure) = self.failure(head.status, body) {
            return self.fail(head, &failure, exchange);
        }
        let answer = self.read(body);
        let answering = &mut self.answering;
        exchange.used(answer.usage);
        let (content_type, body) = match &answer.failure {
            Some(failure) => return self.fail(head, failure, exchange),
            None if answering.stream => {
                set_stream_headers(&mut head.headers);
                ("text/event-stream", tell(answering.backend, body, answering.encoder()))
            }
            None => match answer.write(answering.client.protocol(), &answering.context()) {
                Ok(body) => ("application/json", body.to_bytes()),
                Err(failure) => return self.fail(head, &failure, exchange),
            },
        };
        head.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        Response::from_parts(head, body)
    }

    /// Makes a response of the backend's answer, where one is asked for; an answer that went wrong is told as it is.
    pub fn respond(
        mut self,
        mut head: response::Parts,
        body: &Bytes,
        exchange: &mut Exchange,
    ) -> Result<Told, Box<Response<Bytes>>> {
        strip_description(&mut head.headers);
        if let Some(failure) = self.failure(head.status, body) {
            return Err(Box::new(self.fail(head, &failure, exchange)));
        }
        let Answering { response, stream, backend, .. } = &mut self.answering;
        let Some(context) = response.take() else { return Err(Box::new(self.finish(head, body, exchange))) };
        Told::hear(head, *backend, body, self.is_event_stream, (*context, *stream), exchange)
            .map_err(|failed| Box::new(self.fail(failed.0, &failed.1, exchange)))
    }

    /// Why there is no answer in this body.
    fn failure(&self, status: StatusCode, body: &Bytes) -> Option<Failure> {
        match (status_reason(status), &self.coding) {
            (None, None) => None,
            (Some(_), None) => Some(error_body::read(status, body)),
            (Some(_), Some(_)) => Some(error_body::read(status, &[])),
            (None, Some(coding)) => {
                let coding = String::from_utf8_lossy(coding.as_bytes());
                let message = format!("the backend's answer is compressed (`{coding}`), though that was not asked for");
                Some(Failure::of_backend(&message))
            }
        }
    }

    fn read(&self, body: &Bytes) -> Answer {
        if !self.is_event_stream {
            return Answer::read(self.answering.backend, body);
        }
        let mut translator = Translator::new(self.answering.backend, Encoder::Collect(Box::default()));
        let mut out = Out::default();
        translator.push(body.clone(), &mut out);
        translator.finish(&mut out);
        translator.into_answer().unwrap_or_default()
    }

    /// The backend's error, as the client reads errors.
    fn fail(&self, mut head: response::Parts, failure: &Failure, exchange: &mut Exchange) -> Response<Bytes> {
        let body = match self.answering.client.protocol() {
            Protocol::Chat => {
                head.status = chat::error::status(head.status, failure);
                chat::error::body(failure)
            }
            Protocol::Messages => {
                head.status = messages::error::status(head.status, failure);
                messages::error::body(failure, exchange.request_id.to_str().ok())
            }
        };
        exchange.answered(head.status.as_u16());
        exchange.failed(status_reason(head.status).unwrap_or(ErrorReason::UpstreamBroken));
        head.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Response::from_parts(head, body.into())
    }
}

/// A plain answer to a client that wants a stream.
fn tell(backend: Protocol, body: &Bytes, mut encoder: Encoder) -> Bytes {
    let mut out = Out::default();
    let mut emit = |event: Event<'_>| encoder.event(event, &mut out);
    match backend {
        Protocol::Chat => chat::answer::read(body, &mut emit),
        Protocol::Messages => messages::answer::read(body, &mut emit),
    }
    std::iter::from_fn(|| out.take()).collect::<Vec<Bytes>>().concat().into()
}

/// Why an answer of a backend counts as an error, if it does.
pub(super) fn status_reason(status: StatusCode) -> Option<ErrorReason> {
    match status.as_u16() {
        400..500 => Some(ErrorReason::Upstream4xx),
        500.. => Some(ErrorReason::Upstream5xx),
        _ => None,
    }
}
