//! The body of a backend's answer on its way to the client, as it arrives.
//!
//! A stream that breaks is never made to look complete: between two events an error event is appended, in the middle of one
//! the connection is cut; the event that tells the end is never added.

use super::client::Client;
use super::error::ApiError;
use super::exchange::Exchange;
use crate::protocol::hide::HideUsage;
use crate::protocol::out::Out;
use crate::protocol::responses;
use crate::protocol::stream::{Encoder, Translator};
use crate::protocol::tap::Tap;
use crate::telemetry::metrics::ErrorReason;
use bytes::Bytes;

/// A body on its way through.
#[derive(Debug)]
pub enum Passing {
    /// Bytes go by as they are.
    Plain(Tap),
    /// The events of a stream go by as they are.
    Stream(Stream),
    /// The events of a stream are told in another protocol.
    Translate(Box<Translator>),
}

/// A stream that is forwarded.
#[derive(Debug)]
pub struct Stream {
    tap: Tap,
    /// Takes out what the router alone has asked for.
    hide: Option<Box<HideUsage>>,
    /// Of an event that is too large, nothing went out.
    lost: bool,
    /// Who reads it.
    client: Client,
}

/// How a body ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// As it should.
    Complete,
    /// The client was told of an error in the stream: what was written goes out, and then the body ends.
    Told,
    /// Only cutting the connection tells the client that the answer is incomplete.
    Cut,
}

impl Passing {
    /// Takes bytes of the backend's answer. Returns them where they go by as they are, and else writes to `out`.
    #[inline]
    pub fn push(&mut self, chunk: Bytes, out: &mut Out) -> Option<Bytes> {
        match self {
            Passing::Plain(tap) | Passing::Stream(Stream { tap, hide: None, .. }) => {
                tap.push(&chunk);
                Some(chunk)
            }
            Passing::Stream(Stream { tap, hide: Some(hide), lost, .. }) => {
                tap.push(&chunk);
                *lost |= hide.push(chunk, out).is_err();
                None
            }
            Passing::Translate(translator) => {
                translator.push(chunk, out);
                None
            }
        }
    }

    /// Of a response whose answer has ended: what tells its end, once it is stored.
    pub fn held(&mut self) -> Option<&mut responses::encode::Encoder> {
        match self {
            Passing::Translate(translator) if translator.is_done() => match translator.encoder() {
                Encoder::Responses(encoder) => Some(encoder),
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether everything was told that is told to the client, however much the backend has still to say.
    pub fn is_told(&self) -> bool {
        matches!(self, Passing::Translate(translator) if translator.is_done())
    }

    /// The backend's body has ended, or broken off.
    pub fn finish(&mut self, broken: Option<&ApiError>, exchange: &mut Exchange, out: &mut Out) -> Ending {
        match self {
            Passing::Plain(tap) => {
                exchange.used(tap.usage());
                let Some(error) = broken else { return Ending::Complete };
                exchange.failed(error.reason);
                Ending::Cut
            }
            Passing::Stream(stream) => stream.finish(broken, exchange, out),
            Passing::Translate(translator) => {
                let reason = broken.map_or(ErrorReason::UpstreamBroken, |error| error.reason);
                match broken {
                    None => translator.finish(out),
                    Some(error) => translator.fail(&error.to_failure(), out),
                }
                exchange.used(translator.usage());
                if translator.failure().is_none() {
                    return Ending::Complete;
                }
                exchange.failed(reason);
                Ending::Told
            }
        }
    }

    /// The client has left before the end: the tokens that are known of by now are paid for. Tells whether it has everything that
    /// matters all the same.
    pub fn abandon(&self, exchange: &mut Exchange) -> bool {
        match self {
            Passing::Plain(tap) | Passing::Stream(Stream { tap, .. }) => exchange.used(tap.usage()),
            Passing::Translate(translator) => exchange.used(translator.usage()),
        }
        self.is_complete()
    }

    /// Whether this is a stream whose end has come by, and which told of no error.
    pub(crate) fn is_complete(&self) -> bool {
        match self {
            Passing::Plain(_) => false,
            Passing::Stream(stream) => stream.tap.is_done() && !stream.lost,
            Passing::Translate(translator) => translator.is_done() && translator.failure().is_none(),
        }
    }

    /// Whether this is a stream of events.
    #[must_use]
    pub fn is_event_stream(&self) -> bool {
        !matches!(self, Passing::Plain(_))
    }
}

impl Stream {
    pub(super) fn new(tap: Tap, hides_usage: bool, client: Client) -> Self {
        Stream { tap, hide: hides_usage.then(Box::default), lost: false, client }
    }

    fn finish(&mut self, broken: Option<&ApiError>, exchange: &mut Exchange, out: &mut Out) -> Ending {
        exchange.used(self.tap.usage());
        let is_done = self.tap.is_done() && !self.lost;
        let at_boundary = match &mut self.hide {
            // Only whole events have gone out, and a piece of one goes only where it is the last.
            Some(hide) if is_done => {
                hide.finish(out);
                true
            }
            Some(_) => true,
            None => self.tap.at_boundary(),
        };
        if is_done {
            // Everything that matters has arrived.
            return Ending::Complete;
        }
        let truncated;
        let error = match broken {
            Some(error) => error,
            None => {
                truncated = ApiError::truncated_stream();
                &truncated
            }
        };
        exchange.failed(error.reason);
        if at_boundary && self.tap.has_failed() {
            // The backend has told the client itself.
            return Ending::Told;
        }
        if !at_boundary {
            return Ending::Cut;
        }
        out.write(&error.to_event(self.client, &exchange.request_id));
        Ending::Told
    }
}
