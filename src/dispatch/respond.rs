//! Requests for responses: each is a request for a chat completion by the time it comes here, and its answer is told as a
//! response. The end of that is held back, so that the face can store the response before.

use super::answer::set_stream_headers;
use super::client::Client;
use super::draw::Wish;
use super::error::ApiError;
use super::exchange::Exchange;
use super::request::{self, Received};
use super::{Ask, Dispatch, Draw, Planned, labels, plugins};
use crate::protocol::answer::Answer;
use crate::protocol::event::{Event, Stop, Usage};
use crate::protocol::failure::Failure;
use crate::protocol::json::Field;
use crate::protocol::out::{JsonText, Out};
use crate::protocol::prompt::{Prompt, Raw};
use crate::protocol::responses::encode::Encoder;
use crate::protocol::responses::image_tool::ImageTool;
use crate::protocol::responses::resource::Context;
use crate::protocol::splice::Chunks;
use crate::protocol::stream;
use crate::protocol::translated::Warnings;
use crate::protocol::{chat, messages};
use crate::routing::{Plan, Produce};
use crate::table::{Makes, Protocol};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, header, response};

/// What is asked for beside the chat completion.
#[derive(Debug)]
pub struct Asked {
    /// What is told of the response. Its model is filled in.
    pub context: Context,
    /// The metadata of the request, an object: signals read it.
    pub metadata: Option<Bytes>,
    /// What the way to a chat completion has dropped.
    pub warnings: Warnings,
    /// The image that the tools ask for.
    pub image: Option<ImageTool>,
    /// Words are wanted and nothing else, whatever the text says.
    pub words_only: bool,
}

/// What becomes of a request for a response.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "the large one is what there nearly always is, and is moved once")]
pub enum SettledResponse {
    /// It is answered by the router itself.
    Own(Told),
    /// A backend is asked.
    Ask(Ask),
    /// An image is made, and perhaps words beside it.
    Draw(Box<Draw>),
}

/// A response that is there, and of which the client knows nothing yet.
#[derive(Debug)]
pub struct Told {
    head: response::Parts,
    encoder: Box<Encoder>,
    stream: bool,
    out: Out,
}

impl Dispatch {
    /// Settles what becomes of a request for a response, which was made into this body.
    pub fn settle_response(
        &self,
        headers: HeaderMap,
        body: Chunks,
        mut asked: Asked,
        exchange: &mut Exchange,
    ) -> Result<SettledResponse, ApiError> {
        let received = Received::written(body).map_err(|error| ApiError::unreadable(&error))?;
        let name = request::read(&received, exchange)?;
        let plan =
            self.plan(Client::Responses, &headers, &received, asked.metadata.as_deref(), asked.wish(), exchange)?;
        let debug = labels::wants_debug(&headers);
        if let Some(message) = plugins::said(self, &plan) {
            let mut told = Told::say(message, asked, exchange.stream);
            self.labels.set_own(&mut told.head.headers, &plan, debug);
            return Ok(SettledResponse::Own(told));
        }
        let planned = Planned { plan, name, debug };
        if let Some(generator) = self.generator(&planned.plan) {
            let wish = Wish { client: Client::Responses, headers, received, asked: Some(asked) };
            let draw = self.draw(wish, planned, generator, exchange)?;
            return Ok(SettledResponse::Draw(Box::new(draw)));
        }
        let image = self.image_of_all(&planned.plan, &mut asked)?;
        let mut ask = self.ask(Client::Responses, planned, headers, received, image.as_ref(), exchange)?;
        let warnings = std::mem::take(&mut ask.answering.warnings);
        ask.answering = ask.answering.responding(asked);
        ask.answering.draws = image.is_some();
        warnings.names().iter().for_each(|name| ask.answering.warnings.dropped(name));
        Ok(SettledResponse::Ask(ask))
    }
}

impl Dispatch {
    /// A request that was made into this body is not answered, but as good as one that is: its response says nothing.
    pub fn acknowledge(&self, body: Chunks, asked: Asked, exchange: &mut Exchange) -> Result<Told, ApiError> {
        let received = Received::written(body).map_err(|error| ApiError::unreadable(&error))?;
        request::read(&received, exchange)?;
        self.routing.knows(&exchange.requested_model)?;
        let model = exchange.requested_model.clone();
        Ok(Told::own(&model, None, asked, exchange.stream))
    }

    /// The image that a model makes which is asked for everything.
    fn image_of_all(&self, plan: &Plan, asked: &mut Asked) -> Result<Option<ImageTool>, ApiError> {
        let makes = plan.model.map(|model| self.tables.model(model).makes);
        let produces = plan.choice.as_ref().and_then(|choice| choice.produces);
        let is_made = match makes {
            Some(Makes::Pictures) => true,
            // One that the client names decides for itself.
            Some(Makes::Both) => match produces {
                Some((produce, _)) => produce != Produce::Text,
                None => asked.image.is_some() && !asked.words_only,
            },
            _ => false,
        };
        match asked.image.take() {
            Some(_) if asked.words_only => Ok(None),
            Some(_) if !is_made => Err(ApiError::nobody_makes_images()),
            tool => {
                for (name, _) in tool.iter().flat_map(|tool| &tool.fields) {
                    asked.warnings.dropped(&format!("tools.image_generation.{name}"));
                }
                Ok(is_made.then(|| tool.unwrap_or_default()))
            }
        }
    }
}

impl Asked {
    /// What the tools say of what is to come.
    fn wish(&self) -> Option<Produce> {
        match &self.image {
            _ if self.words_only => Some(Produce::Text),
            Some(tool) => Some(if tool.alone { Produce::Image } else { Produce::Both }),
            None => None,
        }
    }
}

impl Dispatch {
    /// How many tokens a request has that was made into this body, by estimate.
    pub fn count_chat(&self, body: Chunks, exchange: &mut Exchange) -> Result<u64, ApiError> {
        let received = Received::written(body).map_err(|error| ApiError::unreadable(&error))?;
        request::read(&received, exchange)?;
        self.routing.knows(&exchange.requested_model)?;
        let part = |field| received.part(field);
        let [messages, tools, tool_choice] = [Field::Messages, Field::Tools, Field::ToolChoice].map(part);
        let raw = Raw {
            protocol: Protocol::Chat,
            messages: messages.as_deref().unwrap_or(b"[]"),
            tools: tools.as_deref(),
            tool_choice: tool_choice.as_deref(),
            ..Raw::default()
        };
        let prompt = Prompt::read(&raw).map_err(|error| ApiError::invalid("input", error.to_string()))?;
        Ok(prompt.tokens)
    }
}

impl Told {
    /// Hears a backend's answer to its end: a stream, or plain. Or tells what went wrong instead.
    pub(super) fn hear(
        head: response::Parts,
        backend: Protocol,
        body: &Bytes,
        is_event_stream: bool,
        (context, stream): (Context, bool),
        exchange: &mut Exchange,
    ) -> Result<Told, Box<(response::Parts, Failure)>> {
        let mut told = Told::new(head, Box::new(Encoder::new(context, stream)), stream);
        let mut failed = None;
        let mut emit = |event: Event<'_>| {
            if let Event::Failure(failure) = event {
                failed = Some(failure.clone());
            }
            told.encoder.event(event, &mut told.out);
        };
        match backend {
            _ if is_event_stream => stream::listen(backend, body.clone(), &mut emit),
            Protocol::Chat => chat::answer::read(body, &mut emit),
            Protocol::Messages => messages::answer::read(body, &mut emit),
        }
        exchange.used(told.encoder.usage());
        match failed {
            Some(failure) => Err(Box::new((told.head, failure))),
            None => Ok(told),
        }
    }

    /// Tells an answer that is there, to a client that wants no stream.
    pub(super) fn of_answer(head: response::Parts, answer: &Answer, context: Context) -> Told {
        let mut told = Told::new(head, Box::new(Encoder::new(context, false)), false);
        answer.tell(&mut |event: Event<'_>| told.encoder.event(event, &mut told.out));
        told
    }

    /// Of an answer with this head.
    fn new(mut head: response::Parts, encoder: Box<Encoder>, stream: bool) -> Told {
        let content_type = if stream { "text/event-stream" } else { "application/json" };
        head.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        if stream {
            set_stream_headers(&mut head.headers);
        }
        Told { head, encoder, stream, out: Out::default() }
    }

    /// The router says this itself, a JSON string.
    fn say(message: &'static str, asked: Asked, stream: bool) -> Told {
        let text = JsonText::raw(&message.as_bytes()[1..message.len() - 1]);
        Told::own("router", Some(text), asked, stream)
    }

    /// No backend was asked.
    fn own(model: &str, text: Option<JsonText<'_>>, asked: Asked, stream: bool) -> Told {
        let mut context = asked.context;
        context.set_model(model);
        let (head, ()) = Response::new(()).into_parts();
        let mut told = Told::new(head, Box::new(Encoder::new(context, stream)), stream);
        let none = Usage { input: Some(0), output: Some(0), ..Usage::default() };
        let end = [Event::Usage(none), Event::Stop(Stop::EndTurn), Event::End];
        for event in text.map(Event::Text).into_iter().chain(end) {
            told.encoder.event(event, &mut told.out);
        }
        told
    }

    /// What has become of the answer, to be stored.
    pub fn encoder(&mut self) -> &mut Encoder {
        &mut self.encoder
    }

    /// Something else is told than the response.
    #[must_use]
    pub fn replaced(self, body: Bytes) -> Response<Bytes> {
        Response::from_parts(self.head, body)
    }

    /// Tells the client. The time is in seconds since 1970.
    #[must_use]
    pub fn finish(mut self, now: u64) -> Response<Bytes> {
        self.encoder.finish(now, &mut self.out);
        if !self.stream {
            self.encoder.write_response(&mut self.out);
        }
        Response::from_parts(self.head, self.out.into_bytes())
    }
}
