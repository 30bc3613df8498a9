//! Translates the event stream of a backend into the one of a client, event by event.
//!
//! What is complete leaves at once; nothing else is waited for. A stream that breaks off is never made to look complete: what
//! comes last then is an error, and no finish reason, `[DONE]` or `message_stop`.

use super::answer::Answer;
use super::event::{Delta, Event, Usage};
use super::failure::Failure;
use super::out::Out;
use super::sse::{Framer, Shape};
use super::{chat, messages, responses};
use crate::table::Protocol;
use bytes::Bytes;

/// Events of a backend's stream may have this many bytes: an image of some megabytes fits.
pub const EVENT_LIMIT: usize = 64 * 1024 * 1024;

/// The stream of an answer may have this many bytes where what it says is kept to its end, to be told as a whole.
const KEPT_LIMIT: usize = 256 * 1024 * 1024;

/// What an answer is told with that the backend does not know.
#[derive(Debug, Clone)]
pub struct Context {
    /// The model's name as clients know it.
    pub model: String,
    /// For the answer of a backend that gives it no id.
    pub id: String,
    /// Seconds since 1970, for the answer of a backend that does not tell when it was made.
    pub created: u64,
    /// The client of a chat completion asked for the usage at the end of the stream.
    pub include_usage: bool,
}

/// Tells what the events of a backend's stream mean.
#[derive(Debug)]
enum Decoder {
    Chat(chat::decode::Decoder),
    Messages(messages::decode::Decoder),
}

/// Writes the stream of a client.
#[derive(Debug)]
pub enum Encoder {
    /// As a chat completion.
    Chat(Box<chat::encode::Encoder>),
    /// As an Anthropic message.
    Messages(Box<messages::encode::Encoder>),
    /// Not at all: the answer is collected, for a client that did not ask for a stream.
    Collect(Box<Answer>),
    /// As a response. It holds the last event back.
    Responses(Box<responses::encode::Encoder>),
    /// As the words of a response that has an image made.
    Drawing(Box<responses::encode::Drawing>),
}

impl Encoder {
    /// Writes what an event means.
    pub fn event(&mut self, event: Event<'_>, out: &mut Out) {
        match self {
            Encoder::Chat(encoder) => encoder.event(event, out),
            Encoder::Messages(encoder) => encoder.event(event, out),
            Encoder::Collect(answer) => answer.event(event),
            Encoder::Responses(encoder) => encoder.event(event, out),
            Encoder::Drawing(drawing) => drawing.event(event, out),
        }
    }
}

/// From one stream to the other.
#[derive(Debug)]
pub struct Translator {
    framer: Framer,
    decoder: Decoder,
    /// The last event with a text in it.
    shape: Shape,
    /// What that text is.
    delta: Delta,
    teller: Teller,
    /// So many bytes may still come; `None`: nothing is kept of them.
    left: Option<usize>,
}

/// Hands events on to the encoder, and keeps what is asked for.
#[derive(Debug)]
struct Teller {
    encoder: Encoder,
    usage: Usage,
    is_done: bool,
    failure: Option<Failure>,
}

impl Translator {
    /// From the stream of a backend that speaks `from`.
    #[must_use]
    pub fn new(from: Protocol, to: Encoder) -> Self {
        Translator {
            left: matches!(to, Encoder::Responses(_) | Encoder::Collect(_)).then_some(KEPT_LIMIT),
            framer: Framer::new(EVENT_LIMIT),
            decoder: Decoder::new(from),
            shape: Shape::default(),
            delta: Delta::Text,
            teller: Teller { encoder: to, usage: Usage::default(), is_done: false, failure: None },
        }
    }

    /// Takes the next bytes of the backend.
    pub fn push(&mut self, chunk: Bytes, out: &mut Out) {
        let Translator { framer, decoder, shape, delta, teller, left } = self;
        if teller.is_done {
            return;
        }
        if let Some(left) = left {
            let Some(rest) = left.checked_sub(chunk.len()) else {
                return teller.event(Event::Failure(&Failure::too_large()), out);
            };
            *left = rest;
        }
        // Responses tell more with each event than the others.
        out.expect(chunk.len() + chunk.len() / 2);
        framer.push(chunk);
        while !teller.is_done {
            while let Some(text) = framer.next_like(shape) {
                if !text.is_empty() {
                    decoder.again(*delta, text);
                    teller.encoder.event(delta.event(text), out);
                }
            }
            let frame = match framer.next_frame() {
                Ok(Some(frame)) => frame,
                Ok(None) => return,
                Err(error) => return teller.event(Event::Failure(&Failure::of_backend(&error.to_string())), out),
            };
            match decoder.frame(&frame, &mut |event| teller.event(event, out)) {
                Some((kind, text)) => {
                    *delta = kind;
                    shape.learn(&frame, text);
                }
                None => shape.forget(),
            }
        }
    }

    /// The backend has ended its stream as it should.
    pub fn finish(&mut self, out: &mut Out) {
        let Translator { framer, decoder, teller, .. } = self;
        if teller.is_done {
            return;
        }
        if let Some(frame) = framer.finish() {
            decoder.frame(&frame, &mut |event| teller.event(event, out));
        }
        decoder.finish(&mut |event| teller.event(event, out));
    }

    /// Tells what happens in an answer that is no stream.
    pub fn tell(&mut self, event: Event<'_>, out: &mut Out) {
        self.teller.event(event, out);
    }

    /// The stream ends in an error. One that is complete already has none.
    pub fn fail(&mut self, failure: &Failure, out: &mut Out) {
        if !self.teller.is_done {
            self.teller.event(Event::Failure(failure), out);
        }
    }

    /// Whether the client was told the end, or an error. Whatever comes then is of no use.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.teller.is_done
    }

    /// The error that the client was told.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        self.teller.failure.as_ref()
    }

    /// The tokens that are known of by now.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.teller.usage
    }

    /// The answer, where it was collected.
    #[must_use]
    pub fn into_answer(self) -> Option<Answer> {
        match self.teller.encoder {
            Encoder::Collect(answer) => Some(*answer),
            _ => None,
        }
    }

    /// What writes to the client.
    #[must_use]
    pub fn encoder(&mut self) -> &mut Encoder {
        &mut self.teller.encoder
    }
}

/// Tells what happens in a stream that is there as a whole.
pub fn listen(from: Protocol, body: Bytes, emit: &mut impl FnMut(Event<'_>)) {
    let mut decoder = Decoder::new(from);
    let mut framer = Framer::new(EVENT_LIMIT);
    framer.push(body);
    let mut over = false;
    let mut emit = |event: Event<'_>| {
        if !over {
            emit(event);
        }
        over |= matches!(event, Event::End | Event::Failure(_));
    };
    loop {
        match framer.next_frame() {
            Ok(Some(frame)) => {
                decoder.frame(&frame, &mut emit);
            }
            Ok(None) => break,
            Err(error) => return emit(Event::Failure(&Failure::of_backend(&error.to_string()))),
        }
    }
    if let Some(frame) = framer.finish() {
        decoder.frame(&frame, &mut emit);
    }
    decoder.finish(&mut emit);
}

impl Teller {
    fn event(&mut self, event: Event<'_>, out: &mut Out) {
        match event {
            Event::Usage(usage) => self.usage.update(usage),
            Event::End => self.is_done = true,
            Event::Failure(failure) => {
                self.is_done = true;
                self.failure = Some(failure.clone());
            }
            _ => {}
        }
        self.encoder.event(event, out);
    }
}

impl Decoder {
    fn new(from: Protocol) -> Self {
        match from {
            Protocol::Chat => Decoder::Chat(chat::decode::Decoder::default()),
            Protocol::Messages => Decoder::Messages(messages::decode::Decoder::default()),
        }
    }

    fn frame<'a>(
        &mut self,
        frame: &super::sse::Frame<'a>,
        emit: &mut impl FnMut(Event<'_>),
    ) -> Option<(Delta, super::out::JsonText<'a>)> {
        match self {
            Decoder::Chat(decoder) => decoder.frame(frame, emit),
            Decoder::Messages(decoder) => decoder.frame(frame, emit),
        }
    }

    #[inline]
    fn again(&mut self, delta: Delta, text: super::out::JsonText<'_>) {
        if let Decoder::Chat(decoder) = self {
            decoder.again(delta, text);
        }
    }

    fn finish(&mut self, emit: &mut impl FnMut(Event<'_>)) {
        match self {
            Decoder::Chat(decoder) => decoder.finish(emit),
            Decoder::Messages(decoder) => decoder.finish(emit),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::out::Out;

    #[test]
    fn what_is_kept_has_a_bound() {
        let mut translator = Translator::new(Protocol::Chat, Encoder::Collect(Box::default()));
        assert_eq!(translator.left, Some(KEPT_LIMIT));
        translator.left = Some(100);
        let mut out = Out::default();
        let chunk = Bytes::from_static(b"data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\n");
        translator.push(chunk.clone(), &mut out);
        translator.push(chunk.clone(), &mut out);
        assert!(!translator.is_done());
        translator.push(chunk, &mut out);
        assert_eq!(translator.failure(), Some(&Failure::too_large()));
        translator.push(Bytes::from_static(b"more"), &mut out);
        assert!(translator.is_done());
    }
}
