//! Requests of which a decision has an image made by somebody who makes nothing else: what that one is asked, beside the model
//! that is asked for words, and what the client is told of both when both are there.

use super::answer::{set_stream_headers, status_reason};
use super::client::Client;
use super::error::ApiError;
use super::exchange::Exchange;
use super::request::Received;
use super::respond::{Asked, Told};
use super::{Ask, Dispatch, Planned, REQUEST_ID, labels, plugins};
use crate::protocol::answer::{Answer, Part};
use crate::protocol::event::Event;
use crate::protocol::failure::{Failure, FailureKind};
use crate::protocol::json::Field;
use crate::protocol::out::Out;
use crate::protocol::prompt::{Prompt, Raw};
use crate::protocol::rewrite::Rewrite;
use crate::protocol::splice::Chunks;
use crate::protocol::stream::{self, Context};
use crate::protocol::{chat, error_body, images, messages};
use crate::routing::{Plan, Produce};
use crate::table::{Generator, ImageApi, ModelId, Protocol};
use crate::telemetry::metrics::ErrorReason;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header, response};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// An image is to be made.
#[derive(Debug)]
pub struct Draw {
    /// Who is asked for it.
    pub image: Picture,
    /// Who is asked for words, where those are wanted, too.
    pub words: Option<Ask>,
    /// What the client is told.
    pub telling: Telling,
}

/// A request for an image.
#[derive(Debug)]
pub struct Picture {
    /// Whose backends are asked.
    pub model: ModelId,
    /// Without what no backend may see.
    pub headers: HeaderMap,
    /// In the terms of the backend.
    pub body: Chunks,
    /// Puts the model's name in.
    pub rewrite: Rewrite,
    /// How long it may take.
    pub timeout: Duration,
}

/// What became of the request for an image.
#[derive(Debug)]
pub struct Made {
    /// The answer, or why there is none.
    pub came: Result<Came, ApiError>,
    /// How long that took.
    pub took: Duration,
}

/// An answer of a backend, whole.
#[derive(Debug)]
pub struct Came {
    /// Of its head.
    pub status: StatusCode,
    /// Of its head.
    pub content_type: Option<HeaderValue>,
    /// All of it.
    pub body: Bytes,
}

/// How the client is told of what came.
#[derive(Debug)]
pub struct Telling {
    pub(super) plan: Plan,
    pub(super) generator: &'static Generator,
    /// What the model of the words speaks.
    pub(super) words: Option<Protocol>,
    /// The model's name for the client.
    pub(super) model: &'static str,
    pub(super) stream: bool,
    include_usage: bool,
    pub(super) debug: bool,
    /// Of a request for a response.
    pub(super) asked: Option<Box<Asked>>,
}

/// What the client is told.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "moved once")]
pub enum Drawn {
    /// A chat completion, or an error.
    Own(Response<Bytes>),
    /// A response.
    Told(Told),
}

/// Why something did not come.
pub(super) enum Lost {
    /// The router's own error.
    Router(ApiError),
    /// The backend's.
    Backend(StatusCode, Failure),
}

/// A request that wants an image.
pub(super) struct Wish {
    pub(super) client: Client,
    pub(super) headers: HeaderMap,
    pub(super) received: Received,
    /// What is asked of a response.
    pub(super) asked: Option<Asked>,
}

impl Dispatch {
    /// Who makes images for a plan and nothing else, where that one is to make one.
    pub(super) fn generator(&self, plan: &Plan) -> Option<&'static Generator> {
        let choice = plan.choice.as_ref()?;
        let (produce, _) = choice.produces?;
        let images = self.tables.decision(choice.decision?.0).plugins.images.as_ref()?;
        images.by.generator().filter(|_| produce != Produce::Text)
    }

    /// What is asked of whom.
    pub(super) fn draw(
        &self,
        wish: Wish,
        planned: Planned,
        generator: &'static Generator,
        exchange: &mut Exchange,
    ) -> Result<Draw, ApiError> {
        let Wish { client, headers, received, mut asked } = wish;
        if client == Client::Messages {
            return Err(ApiError::no_images_in_messages());
        }
        let prompt = prompt(&received)?;
        let plan = planned.plan.clone();
        let beside = plan.model.filter(|model| *model != generator.model);
        let maker = self.tables.model(generator.model);
        let tool = asked.as_ref().and_then(|asked| asked.image.clone()).unwrap_or_default();
        let mut image_headers = headers.clone();
        self.prepare(&mut image_headers, exchange);
        plugins::change_headers(self, &plan, &mut image_headers);
        image_headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        image_headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        let warnings = asked.as_mut().map(|asked| &mut asked.warnings);
        let (body, name) = images::request(generator, &prompt, &tool, warnings);
        let image = Picture {
            model: generator.model,
            headers: image_headers,
            body,
            rewrite: Rewrite::of_model(name),
            timeout: generator.timeout,
        };
        let (debug, include_usage) = (planned.debug, exchange.stream && received.wants_usage());
        let words = match beside {
            Some(_) => Some(self.ask(client, planned, headers, received, None, exchange)?),
            None => None,
        };
        if let (Some(asked), Some(words)) = (&mut asked, &words) {
            words.answering.warnings.names().iter().for_each(|name| asked.warnings.dropped(name));
        }
        exchange.draws(beside.map(|_| generator.model));
        let telling = Telling {
            plan,
            generator,
            words: beside.map(|model| self.tables.model(model).protocol),
            model: beside.map_or_else(|| maker.shown(), |model| self.tables.model(model).name),
            stream: exchange.stream,
            include_usage,
            debug,
            asked: asked.map(Box::new),
        };
        Ok(Draw { image, words, telling })
    }
}

impl Telling {
    /// Tells what came: of two, one may have failed.
    pub fn finish(
        self,
        dispatch: &Dispatch,
        image: Made,
        words: Option<Result<Came, ApiError>>,
        exchange: &mut Exchange,
    ) -> Result<Drawn, ApiError> {
        let words = words.map(|came| read_words(self.words.unwrap_or_default(), came));
        let image = self.read_image(image, exchange);
        let mut lost = None;
        let answer = match (words, image) {
            (None, Ok(answer)) => answer,
            (None, Err(error)) | (Some(Err(error)), Err(_)) => return self.fail(error, exchange),
            (Some(Err(error)), Ok(answer)) => {
                error.log("words");
                lost = Some("text_generation_failed");
                answer
            }
            (Some(Ok(mut answer)), Err(error)) => {
                error.log("image");
                lost = Some("image_generation_failed");
                self.add(vec![Part::NoImage], &mut answer);
                answer
            }
            (Some(Ok(mut answer)), Ok(mut image)) => {
                image.parts.retain(|part| matches!(part, Part::Image(..)));
                self.add(image.parts, &mut answer);
                answer
            }
        };
        if lost != Some("text_generation_failed") {
            exchange.used(answer.usage);
        }
        let mut head = head(dispatch, &self.plan, self.debug, exchange);
        if let Some(lost) = lost {
            head.headers.insert(labels::RESPONSE_WARNINGS, HeaderValue::from_static(lost));
        }
        let Telling { model, words, stream, include_usage, asked, .. } = self;
        if let Some(asked) = asked {
            let Asked { mut context, warnings, .. } = *asked;
            context.set_model(model);
            labels::set_protocols(&mut head.headers, Client::Responses, words.unwrap_or_default(), &warnings);
            return Ok(Drawn::Told(Told::of_answer(head, &answer, context)));
        }
        let context = Context {
            model: model.to_owned(),
            id: format!("chatcmpl-{:024x}", fastrand::u128(..) >> 32),
            created: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
            include_usage,
        };
        let (content_type, body) = if stream {
            set_stream_headers(&mut head.headers);
            let (mut encoder, mut out) = (chat::encode::Encoder::new(context), Out::default());
            answer.tell(&mut |event: Event<'_>| encoder.event(event, &mut out));
            ("text/event-stream", out.into_vec())
        } else {
            ("application/json", chat::answer::write(&answer, &context).to_bytes().to_vec())
        };
        head.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        Ok(Drawn::Own(Response::from_parts(head, body.into())))
    }

    /// Beside words, a response has the image first, as where it is told while it is made.
    fn add(&self, images: Vec<Part>, answer: &mut Answer) {
        let at = if self.asked.is_some() { 0 } else { answer.parts.len() };
        answer.parts.splice(at..at, images);
    }

    /// Reads what the maker of images has answered, and counts it.
    pub(super) fn read_image(&self, made: Made, exchange: &mut Exchange) -> Result<Answer, Lost> {
        let Made { came, took } = made;
        let read = came.map_err(Lost::Router).and_then(|came| read_image(self.generator.api, &came));
        let decision = self.plan.choice.as_ref().and_then(|choice| choice.decision).map(|(decision, _)| decision);
        exchange.drew(self.generator.api, decision, took, read.as_ref().err().map(Lost::reason));
        if let (Some(_), Ok(answer)) = (self.words, &read) {
            exchange.used_beside(answer.usage);
        }
        read
    }

    /// Nothing came that could be told.
    fn fail(self, error: Lost, exchange: &mut Exchange) -> Result<Drawn, ApiError> {
        exchange.failed(error.reason());
        let (status, failure) = match error {
            Lost::Router(error) => return Err(error),
            Lost::Backend(status, failure) => (chat::error::status(status, &failure), failure),
        };
        let mut response = Response::new(Bytes::from(chat::error::body(&failure)));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(labels::SCHEMA_VERSION, labels::SCHEMA_VERSION_VALUE);
        headers.insert(labels::RESPONSE_PATH, HeaderValue::from_static("error"));
        Ok(Drawn::Own(response))
    }
}

impl Came {
    fn is_event_stream(&self) -> bool {
        self.content_type.as_ref().is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"))
    }

    fn check(&self) -> Result<(), Lost> {
        match status_reason(self.status) {
            Some(_) => Err(Lost::Backend(self.status, error_body::read(self.status, &self.body))),
            None => Ok(()),
        }
    }
}

impl Lost {
    /// What the client is told of it, where nothing else came.
    pub(super) fn to_failure(&self) -> Failure {
        match self {
            Lost::Router(error) => error.to_failure(),
            Lost::Backend(_, failure) => failure.clone(),
        }
    }

    pub(super) fn reason(&self) -> ErrorReason {
        match self {
            Lost::Router(error) => error.reason,
            Lost::Backend(status, failure) => {
                status_reason(chat::error::status(*status, failure)).unwrap_or(ErrorReason::UpstreamBroken)
            }
        }
    }

    /// Why it is lost is told nobody else.
    pub(super) fn log(&self, what: &str) {
        match self {
            Lost::Router(error) => tracing::warn!(what, error = %error.message, "one of two answers is lost"),
            Lost::Backend(_, failure) => tracing::warn!(what, error = failure.message, "one of two answers is lost"),
        }
    }
}

/// Of an answer that went well.
pub(super) fn head(dispatch: &Dispatch, plan: &Plan, debug: bool, exchange: &Exchange) -> response::Parts {
    let (mut head, ()) = Response::new(()).into_parts();
    dispatch.labels.set(&mut head.headers, plan, debug);
    head.headers.insert(REQUEST_ID, exchange.request_id.clone());
    head
}

/// Reads what a model of words has answered.
pub(super) fn read_words(protocol: Protocol, came: Result<Came, ApiError>) -> Result<Answer, Lost> {
    let came = came.map_err(Lost::Router)?;
    came.check()?;
    let mut answer = Answer::default();
    let mut collect = |event: Event<'_>| answer.event(event);
    match protocol {
        _ if came.is_event_stream() => stream::listen(protocol, came.body.clone(), &mut collect),
        Protocol::Chat => chat::answer::read(&came.body, &mut collect),
        Protocol::Messages => messages::answer::read(&came.body, &mut collect),
    }
    whole(answer)
}

fn whole(answer: Answer) -> Result<Answer, Lost> {
    match answer.failure {
        Some(failure) => Err(Lost::Backend(StatusCode::BAD_GATEWAY, failure)),
        None => Ok(answer),
    }
}

fn read_image(api: ImageApi, came: &Came) -> Result<Answer, Lost> {
    came.check()?;
    let answer = whole(match api {
        ImageApi::VllmOmni => Answer::read(Protocol::Chat, &came.body),
        ImageApi::OpenAi => images::answer(&came.body),
    })?;
    if answer.parts.iter().any(|part| matches!(part, Part::Image(..))) {
        return Ok(answer);
    }
    let message = "the backend answered without an image".to_owned();
    let failure = Failure { kind: FailureKind::Api, message, code: Some("no_image".to_owned()), param: None };
    Err(Lost::Backend(StatusCode::BAD_GATEWAY, failure))
}

/// What the image is to show: the last text of the user.
fn prompt(received: &Received) -> Result<String, ApiError> {
    let messages = received.part(Field::Messages);
    let raw = Raw { protocol: Protocol::Chat, messages: messages.as_deref().unwrap_or(b"[]"), ..Raw::default() };
    let prompt = Prompt::read(&raw).map_err(|error| ApiError::invalid("messages", error.to_string()))?;
    match prompt.user_text.trim() {
        "" => Err(ApiError::invalid("messages", "no message of the user says what the image is to show")),
        text => Ok(text.to_owned()),
    }
}
