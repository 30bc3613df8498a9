//! A streamed response that has an image made: what the client is told of it while words and image are still on their way. Its
//! head is 200 before any backend has answered, so whatever goes wrong is told by the response itself.

use super::answer::{Answering, set_stream_headers};
use super::client::Client;
use super::draw::{self, Came, Lost, Made, Telling};
use super::error::ApiError;
use super::exchange::Exchange;
use super::respond::Asked;
use super::{Dispatch, labels};
use crate::protocol::answer::Answer;
use crate::protocol::event::{Event, Usage};
use crate::protocol::out::Out;
use crate::protocol::responses::encode::{Drawing, Encoder};
use crate::protocol::responses::resource::Context;
use crate::protocol::responses::resource::Outcome;
use crate::protocol::stream::{self, Translator};
use crate::protocol::translated::Warnings;
use crate::table::Protocol;
use crate::telemetry::metrics::ErrorReason;
use bytes::Bytes;
use http::{HeaderValue, header, response};

/// What is told of it.
#[derive(Debug)]
pub struct Unfolding {
    /// Of an image that is made by somebody who makes nothing else.
    telling: Option<Telling>,
    /// What whoever says the words speaks, if anybody does.
    words: Option<Protocol>,
    /// From the words to the client. Where one backend is asked for everything, all of its answer comes through it.
    translator: Translator,
    /// Why something did not come: of the image, and of the words.
    lost: [Option<ErrorReason>; 2],
}

impl Telling {
    /// Whether it is told while it is made.
    #[must_use]
    pub fn unfolds(&self) -> bool {
        self.stream && self.asked.is_some()
    }

    /// Begins to tell what [`unfolds`](Self::unfolds): the head of the answer, its first events, and what tells the rest.
    #[must_use]
    pub fn unfold(
        mut self,
        dispatch: &Dispatch,
        exchange: &mut Exchange,
        out: &mut Out,
    ) -> (response::Parts, Unfolding) {
        let asked = self.asked.take().expect("only a response unfolds");
        let Asked { mut context, warnings, .. } = *asked;
        context.set_model(self.model);
        let head = draw::head(dispatch, &self.plan, self.debug, exchange);
        let (head, translator) =
            begin(head, context, &warnings, (self.words.unwrap_or_default(), self.words.is_some()), exchange, out);
        (head, Unfolding { words: self.words, telling: Some(self), translator, lost: [None, None] })
    }
}

impl Answering {
    /// The same of an answer in which one model has everything.
    #[must_use]
    pub fn unfolds(&self) -> bool {
        self.draws && self.stream && self.response.is_some()
    }

    /// The same of an answer in which one model has everything.
    #[must_use]
    pub fn unfold(
        mut self,
        dispatch: &Dispatch,
        exchange: &mut Exchange,
        out: &mut Out,
    ) -> (response::Parts, Unfolding) {
        let context = self.response.take().expect("only a response unfolds");
        let head = draw::head(dispatch, &self.plan, self.debug, exchange);
        exchange.draws(None);
        let (head, translator) = begin(head, *context, &self.warnings, (self.backend, false), exchange, out);
        (head, Unfolding { words: Some(self.backend), telling: None, translator, lost: [None, None] })
    }
}

/// Begins a response with what speaks so, which has the image made or is asked beside who makes it.
fn begin(
    mut head: response::Parts,
    context: Context,
    warnings: &Warnings,
    (backend, beside): (Protocol, bool),
    exchange: &mut Exchange,
    out: &mut Out,
) -> (response::Parts, Translator) {
    labels::set_protocols(&mut head.headers, Client::Responses, backend, warnings);
    head.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    set_stream_headers(&mut head.headers);
    exchange.answered(head.status.as_u16());
    exchange.begins_unheard();
    let drawing = Drawing::begin(context, beside, out);
    (head, Translator::new(backend, stream::Encoder::Drawing(Box::new(drawing))))
}

impl Unfolding {
    /// Takes bytes of the stream in which the words come.
    pub fn push_words(&mut self, chunk: Bytes, out: &mut Out) {
        self.translator.push(chunk, out);
    }

    /// That stream has ended, or broken off.
    pub fn end_words(&mut self, broken: Option<&ApiError>, out: &mut Out) {
        match broken {
            None => self.translator.finish(out),
            Some(error) => self.translator.fail(&error.to_failure(), out),
        }
        if self.translator.failure().is_some() {
            self.lost[1] = Some(broken.map_or(ErrorReason::UpstreamBroken, |error| error.reason));
        }
    }

    /// The words are there as a whole, or will never be.
    pub fn words(&mut self, came: Result<Came, ApiError>, out: &mut Out) {
        let read = draw::read_words(self.words.unwrap_or_default(), came);
        self.tell(1, "words", read, out);
    }

    /// The image is there, or will never be.
    pub fn image(&mut self, made: Made, exchange: &mut Exchange, out: &mut Out) {
        let Some(telling) = &self.telling else { return };
        let read = telling.read_image(made, exchange);
        if self.words.is_none() {
            return self.tell(0, "image", read, out);
        }
        let stream::Encoder::Drawing(drawing) = self.translator.encoder() else { return };
        match read {
            Ok(answer) => drawing.drawn(Ok(&answer), out),
            Err(lost) => {
                lost.log("image");
                drawing.drawn(Err(&lost.to_failure()), out);
                self.lost[0] = Some(lost.reason());
            }
        }
    }

    /// Whether nothing more is to come. What tells the end then, once it is stored.
    pub fn held(&mut self) -> Option<&mut Encoder> {
        match self.translator.encoder() {
            stream::Encoder::Drawing(drawing) => drawing.held(),
            _ => None,
        }
    }

    /// Whether somebody is asked for words.
    #[must_use]
    pub fn has_words(&self) -> bool {
        self.words.is_some()
    }

    /// The tokens that are known of by now.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.translator.usage()
    }

    /// What is noted when nothing more is to come.
    pub fn note(&mut self, exchange: &mut Exchange) {
        exchange.used(self.usage());
        let [image, words] = self.lost;
        let has_failed = self.held().is_some_and(|encoder| matches!(encoder.outcome(), Outcome::Failed { .. }));
        if has_failed {
            exchange.failed(words.or(image).unwrap_or(ErrorReason::UpstreamBroken));
        }
    }

    fn tell(&mut self, of: usize, what: &str, read: Result<Answer, Lost>, out: &mut Out) {
        match read {
            Ok(answer) => answer.tell(&mut |event: Event<'_>| self.translator.tell(event, out)),
            Err(lost) => {
                lost.log(what);
                self.translator.tell(Event::Failure(&lost.to_failure()), out);
                self.lost[of] = Some(lost.reason());
            }
        }
    }
}
