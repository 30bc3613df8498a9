//! An answer on its way back: its head changed, its body passed on as it comes or held until it is whole.

use super::asking::misconfigured;
use super::delivery::{self, Delivery};
use super::exchange::{Conversation, End, Phase, Stop};
use super::heads;
use super::held::{Becomes, Held};
use super::passage::{Passage, gathered};
use super::replies::{self, Side};
use crate::dispatch::{self, Answering, ApiError, Ending, Handling};
use crate::extproc::wire::{HeaderMutation, HttpBody, HttpHeaders, ProcessingResponse};
use crate::protocol::out::Out;
use crate::responding::Behind;
use crate::telemetry::metrics::{AttemptOutcome, ErrorReason};
use crate::upstream::{self, Pending};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use std::io;
use std::rc::Rc;
use std::time::Duration;
use tokio::time::Instant;

/// Marks an answer that Envoy itself gives, and says which.
pub(super) const ENVOYS_OWN: &str = "x-hardwire-reply";

/// A request that Envoy sends.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) answering: Answering,
    /// What is done behind it, where a response is asked for.
    pub(super) behind: Option<Behind>,
    pub(super) pending: Pending,
    /// When the exchange must be over.
    pub(super) deadline: Instant,
}

/// An answer whose body comes.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) delivery: Delivery,
    pub(super) body: Body,
    /// Until the answer is over.
    pub(super) _pending: Option<Pending>,
    pub(super) clock: Clock,
}

/// Envoy counts from before the router has heard of what came.
const EARLIER: Duration = Duration::from_millis(100);

/// Tells whether an answer that breaks off has taken too long.
#[derive(Debug)]
pub(super) struct Clock {
    /// When the exchange must be over.
    pub(super) deadline: Instant,
    /// The longest pause.
    pub(super) idle: Duration,
    /// When something came last.
    pub(super) last: Instant,
    /// Whether anything of the body has come.
    pub(super) has_begun: bool,
}

impl Clock {
    fn tick(&mut self) {
        (self.last, self.has_begun) = (Instant::now(), true);
    }

    /// Why nothing more comes, as far as that is known.
    fn why(&self) -> ErrorReason {
        let now = Instant::now() + EARLIER;
        let is_late = now >= self.deadline || now >= self.last + self.idle;
        if is_late { ErrorReason::Timeout } else { ErrorReason::Cut }
    }
}

/// What becomes of it.
#[derive(Debug)]
pub(super) enum Body {
    Passes(Passage),
    IsHeld(Held),
}

impl Answer {
    /// How long the next piece may take, where the end may have come.
    pub(super) fn patience(&self) -> Option<Duration> {
        match &self.body {
            Body::IsHeld(held) => held.patience(),
            Body::Passes(_) => None,
        }
    }

    /// Envoy has nothing more to say. A stream whose end has come by was delivered: its trailers may not have been sent.
    pub(super) fn close(self, exchange: &mut dispatch::Exchange) {
        let why = self.clock.why();
        match self.body {
            Body::Passes(passage) => {
                if passage.close(exchange) {
                    return exchange.complete();
                }
            }
            // What the client was told instead, Envoy knows.
            Body::IsHeld(_) => exchange.untold(),
        }
        exchange.failed(why);
    }
}

impl Conversation {
    pub(super) async fn response_head(
        &mut self,
        head: HttpHeaders,
        out: &mut Vec<ProcessingResponse>,
    ) -> Result<(), Stop> {
        let is_all = head.end_of_stream;
        let (status, headers) = heads::response(head)?;
        match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Asked(asked) => self.answer(*asked, status, headers, is_all, out).await,
            // Envoy answers a request that it cannot take in, or that does not come.
            Phase::Asking(_) | Phase::New => {
                let is_late = headers.get(ENVOYS_OWN).is_some_and(|which| which == "upstream_timeout");
                let error = match status {
                    _ if is_late => dispatch::ReceiveError::Timeout.into(),
                    StatusCode::PAYLOAD_TOO_LARGE => {
                        let limit = self.face.tables.limits.max_body_bytes;
                        dispatch::ReceiveError::TooLarge { limit }.into()
                    }
                    StatusCode::REQUEST_TIMEOUT => dispatch::ReceiveError::Timeout.into(),
                    _ => return self.pass_by(status, &headers, out),
                };
                self.replace(error, status, headers, None, is_all, out)
            }
            _ => Err(Stop::out_of_order()),
        }
    }

    /// An answer that the router has no part in.
    fn pass_by(
        &mut self,
        status: StatusCode,
        headers: &HeaderMap,
        out: &mut Vec<ProcessingResponse>,
    ) -> Result<(), Stop> {
        if let Some(exchange) = &mut self.exchange {
            exchange.answered(status.as_u16());
            exchange.failed(ErrorReason::Internal);
        }
        self.complete();
        let mut changes = HeaderMutation::default();
        if headers.contains_key(ENVOYS_OWN) {
            changes.remove(Bytes::from_static(ENVOYS_OWN.as_bytes()));
        }
        out.push(replies::head(Side::Response, changes, false));
        Ok(())
    }

    pub(super) fn clock(&self, deadline: Instant) -> Clock {
        let limits = &self.face.tables.limits;
        // Envoy has one bound for both.
        let first_byte = limits.first_byte_timeout.unwrap_or_else(|| self.door().timeout);
        Clock { deadline, idle: limits.idle_timeout.max(first_byte), last: Instant::now(), has_begun: false }
    }

    async fn answer(
        &mut self,
        asked: Asked,
        status: StatusCode,
        headers: HeaderMap,
        is_all: bool,
        out: &mut Vec<ProcessingResponse>,
    ) -> Result<(), Stop> {
        let Asked { answering, behind, mut pending, deadline } = asked;
        let clock = self.clock(deadline);
        if let Some((error, outcome)) = headers.get(ENVOYS_OWN).and_then(envoys_own) {
            pending.failed(outcome);
            return self.replace(error.into(), status, headers, Some((pending, clock)), is_all, out);
        }
        pending.answered(status);
        let (mut parts, ()) = Response::new(()).into_parts();
        (parts.status, parts.headers) = (status, headers.clone());
        let face = Rc::clone(&self.face);
        let configured = self.modes.response;
        let exchange = self.noted()?;
        match answering.head(&face.dispatch, &mut parts, exchange) {
            Handling::Pass(passing) => {
                let mut passage = Passage::new(passing, behind);
                if is_all {
                    let mut rest = Out::default();
                    passage.finish(&face, exchange, &mut rest).await;
                    if !rest.is_empty() {
                        return Err(Stop::own(Response::from_parts(parts, gathered(None, &mut rest))));
                    }
                }
                let mut changes = heads::changes(&headers, &parts.headers);
                if passage.is_event_stream() && headers.contains_key(header::CONTENT_LENGTH) {
                    // What comes of it has another length. Envoy takes it off only where it was told at first of pieces.
                    changes.remove(Bytes::from_static(b"content-length"));
                }
                let reply = replies::head(Side::Response, changes, false);
                // A stream must not wait for its end, and usage must be seen.
                let in_pieces = match configured {
                    // Nor must Envoy hold more than it can.
                    Delivery::Whole => passage.is_event_stream() || !fits(&headers, face.tables.limits.max_body_bytes),
                    Delivery::Unusable(_) => true,
                    Delivery::Pieces | Delivery::Duplex => false,
                };
                let (delivery, reply) = if in_pieces {
                    (Delivery::Pieces, replies::overriding(reply, delivery::response_in_pieces()))
                } else {
                    (configured, reply)
                };
                out.push(reply);
                self.is_told = delivery != Delivery::Whole;
                if is_all {
                    self.complete();
                } else {
                    let (body, _pending) = (Body::Passes(passage), Some(pending));
                    self.phase = Phase::Answering(Box::new(Answer { delivery, body, _pending, clock }));
                }
                Ok(())
            }
            Handling::Whole(whole) => {
                if is_all {
                    let response = face.whole(*whole, parts, &Bytes::new(), behind, exchange).await?;
                    return self.at_once(response, status, &headers, out);
                }
                let becomes = Becomes::Made(whole, Box::new(parts), behind);
                self.hold(becomes, status, headers, Some((pending, clock)), out)
            }
        }
    }

    pub(super) async fn response_body(
        &mut self,
        piece: HttpBody,
        out: &mut Vec<ProcessingResponse>,
    ) -> Result<(), Stop> {
        let mut answer = match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Answering(answer) => answer,
            Phase::Replaced => {
                self.phase = Phase::Replaced;
                out.push(replies::piece(Side::Response, Bytes::new()));
                return Ok(());
            }
            _ => {
                out.push(replies::body(Side::Response, None, None, false));
                return Ok(());
            }
        };
        answer.clock.tick();
        let is_last = piece.end_of_stream || answer.delivery == Delivery::Whole;
        match &mut answer.body {
            Body::Passes(passage) => self.pass(passage, answer.delivery, piece.body, is_last, out).await?,
            Body::IsHeld(held) => {
                held.push(piece.body)?;
                if held.is_partial() && !piece.end_of_stream {
                    return Err(misconfigured(PARTIAL).into());
                }
                if is_last {
                    let Body::IsHeld(held) = answer.body else { unreachable!("it was just looked at") };
                    return self.release(held, answer.delivery, End::Piece, out).await;
                }
            }
        }
        if is_last {
            self.complete();
        } else {
            self.phase = Phase::Answering(answer);
        }
        Ok(())
    }

    async fn pass(
        &mut self,
        passage: &mut Passage,
        delivery: Delivery,
        piece: Bytes,
        is_last: bool,
        out: &mut Vec<ProcessingResponse>,
    ) -> Result<(), Stop> {
        let face = Rc::clone(&self.face);
        let exchange = self.noted()?;
        exchange.came(&piece, passage.is_event_stream());
        let mut rest = Out::default();
        let by = passage.push(&face, piece, exchange, &mut rest).await;
        if is_last && passage.finish(&face, exchange, &mut rest).await == Ending::Cut {
            // Envoy cuts off what has begun: only that tells that it is incomplete.
            return Err(ApiError::truncated_stream().into());
        }
        let is_unchanged = by.is_some() && rest.is_empty();
        let bytes = gathered(by, &mut rest);
        if !bytes.is_empty() {
            exchange.sent(bytes.len());
        }
        if delivery == Delivery::Duplex {
            if is_last || !bytes.is_empty() {
                out.push(replies::streamed(Side::Response, bytes, is_last));
            }
        } else if is_unchanged {
            out.push(replies::body(Side::Response, None, None, false));
        } else {
            out.push(replies::piece(Side::Response, bytes));
        }
        Ok(())
    }

    pub(super) async fn response_trailers(&mut self, out: &mut Vec<ProcessingResponse>) -> Result<(), Stop> {
        if let Phase::Answering(answer) = std::mem::replace(&mut self.phase, Phase::Over) {
            match answer.body {
                Body::IsHeld(held) => return self.release(held, answer.delivery, End::Trailers, out).await,
                Body::Passes(mut passage) => {
                    let face = Rc::clone(&self.face);
                    let exchange = self.noted()?;
                    let mut rest = Out::default();
                    let ending = passage.finish(&face, exchange, &mut rest).await;
                    let bytes = gathered(None, &mut rest);
                    // Trailers leave no room for what is still to be said.
                    if ending == Ending::Cut || (!bytes.is_empty() && answer.delivery != Delivery::Duplex) {
                        return Err(ApiError::truncated_stream().into());
                    }
                    if !bytes.is_empty() {
                        exchange.sent(bytes.len());
                        out.push(replies::streamed(Side::Response, bytes, false));
                    }
                }
            }
            self.complete();
        }
        out.push(replies::trailers(Side::Response));
        Ok(())
    }
}

/// Answers that are needed whole come in pieces.
const PARTIAL: &str = "Envoy sends the answer in pieces after its head has gone: bodies must come BUFFERED, FULL_DUPLEX_STREAMED, \
                       or STREAMED with send_body_without_waiting_for_header_response; or allow_mode_override must be set";

/// Whether a body is known to have at most so many bytes.
fn fits(headers: &HeaderMap, most: u64) -> bool {
    heads::length(headers).is_some_and(|length| length <= most)
}

/// Why Envoy answers itself, in the router's terms.
fn envoys_own(value: &HeaderValue) -> Option<(upstream::Error, AttemptOutcome)> {
    match value.as_bytes() {
        b"upstream_unreachable" => {
            let source = io::Error::other("Envoy found no backend that it could reach");
            Some((upstream::Error::Connect(source), AttemptOutcome::ConnectFailure))
        }
        b"upstream_reset" => Some((upstream::Error::Reset(None), AttemptOutcome::Reset)),
        b"upstream_timeout" => Some((upstream::Error::FirstByteTimeout, AttemptOutcome::Timeout)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn why_an_answer_has_broken_off() {
        let seconds = Duration::from_secs;
        let mut clock =
            Clock { deadline: Instant::now() + seconds(10), idle: seconds(4), last: Instant::now(), has_begun: false };
        tokio::time::advance(seconds(3)).await;
        assert_eq!(clock.why(), ErrorReason::Cut);
        clock.tick();
        tokio::time::advance(seconds(3)).await;
        assert_eq!(clock.why(), ErrorReason::Cut, "the pause begins anew");
        tokio::time::advance(seconds(1)).await;
        assert_eq!(clock.why(), ErrorReason::Timeout, "a pause");
        clock.tick();
        tokio::time::advance(seconds(3)).await;
        assert_eq!(clock.why(), ErrorReason::Timeout, "the whole");
    }
}
