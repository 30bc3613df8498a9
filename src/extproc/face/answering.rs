//! An answer on its way back: its head changed, its body passed on as it comes or held until it is whole.

use super::delivery::{self, Delivery};
use super::exchange::{Conversation, End, Phase, Stop};
use super::heads;
use super::replies::{self, Side};
use crate::dispatch::{self, Answering, ApiError, Ending, Handling, MAX_WHOLE, Passing, Whole};
use crate::extproc::wire::{HeaderMutation, HttpBody, HttpHeaders, Mutation, ProcessingResponse};
use crate::protocol::out::Out;
use crate::protocol::splice::Chunks;
use crate::telemetry::metrics::{AttemptOutcome, ErrorReason};
use crate::upstream::{self, Pending};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, response};
use std::io;
use std::rc::Rc;

/// Marks an answer that Envoy itself gives, and says which.
const ENVOYS_OWN: &str = "x-hardwire-reply";

/// A request that Envoy sends.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) answering: Answering,
    pub(super) pending: Pending,
}

/// An answer whose body comes.
#[derive(Debug)]
pub(super) struct Answer {
    delivery: Delivery,
    body: Body,
    /// Until the answer is over.
    _pending: Option<Pending>,
}

/// What becomes of it.
#[derive(Debug)]
enum Body {
    Passes(Passing),
    IsHeld(Held),
}

/// An answer that is dealt with when all of it is there.
#[derive(Debug)]
struct Held {
    becomes: Becomes,
    /// The head as Envoy has it.
    status: StatusCode,
    headers: HeaderMap,
    body: Chunks,
    pieces: usize,
}

#[derive(Debug)]
enum Becomes {
    /// What the core makes of head and body.
    Made(Box<Whole>, Box<response::Parts>),
    /// This.
    Other(Response<Bytes>),
}

impl Answer {
    /// The client has left. Tells whether it has everything that matters.
    pub(super) fn abandon(&self, exchange: &mut dispatch::Exchange) -> bool {
        match &self.body {
            Body::Passes(passing) => passing.abandon(exchange),
            Body::IsHeld(_) => false,
        }
    }
}

impl Conversation {
    pub(super) fn response_head(&mut self, head: HttpHeaders, out: &mut Vec<ProcessingResponse>) -> Result<(), Stop> {
        let is_all = head.end_of_stream;
        let (status, headers) = heads::response(head)?;
        match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Asked(asked) => self.answer(*asked, status, headers, is_all, out),
            // Envoy answers a request that it cannot take in.
            Phase::Asking(_) | Phase::New => {
                let error = match status {
                    StatusCode::PAYLOAD_TOO_LARGE => {
                        let limit = self.face.tables.limits.max_body_bytes;
                        dispatch::ReceiveError::TooLarge { limit }.into()
                    }
                    StatusCode::REQUEST_TIMEOUT => dispatch::ReceiveError::Timeout.into(),
                    _ => return self.pass_by(status, out),
                };
                self.replace(error, status, headers, None, is_all, out)
            }
            _ => Err(Stop::out_of_order()),
        }
    }

    /// An answer that the router has no part in.
    fn pass_by(&mut self, status: StatusCode, out: &mut Vec<ProcessingResponse>) -> Result<(), Stop> {
        if let Some(exchange) = &mut self.exchange {
            exchange.answered(status.as_u16());
            exchange.failed(ErrorReason::Internal);
        }
        self.complete();
        out.push(replies::head_as_it_is(Side::Response));
        Ok(())
    }

    fn answer(
        &mut self,
        asked: Asked,
        status: StatusCode,
        headers: HeaderMap,
        is_all: bool,
        out: &mut Vec<ProcessingResponse>,
    ) -> Result<(), Stop> {
        let Asked { answering, mut pending } = asked;
        if let Some((error, outcome)) = headers.get(ENVOYS_OWN).and_then(envoys_own) {
            pending.failed(outcome);
            return self.replace(error.into(), status, headers, Some(pending), is_all, out);
        }
        pending.answered(status);
        let (mut parts, ()) = Response::new(()).into_parts();
        (parts.status, parts.headers) = (status, headers.clone());
        let face = Rc::clone(&self.face);
        let configured = self.modes.response;
        let exchange = self.noted()?;
        match answering.head(&face.dispatch, &mut parts, exchange) {
            Handling::Pass(mut passing) => {
                if is_all {
                    let mut rest = Out::default();
                    passing.finish(None, exchange, &mut rest);
                    if !rest.is_empty() {
                        return Err(Stop::own(Response::from_parts(parts, gathered(None, &mut rest))));
                    }
                }
                let reply = replies::head(Side::Response, heads::changes(&headers, &parts.headers), false);
                // A stream must not wait for its end, and usage must be seen.
                let in_pieces = match configured {
                    Delivery::Whole => passing.is_event_stream(),
                    Delivery::Unusable(_) => true,
                    Delivery::Pieces | Delivery::Duplex => false,
                };
                let (delivery, reply) = if in_pieces {
                    (Delivery::Pieces, replies::overriding(reply, delivery::response_in_pieces()))
                } else {
                    (configured, reply)
                };
                out.push(reply);
                if is_all {
                    self.complete();
                } else {
                    let body = Body::Passes(passing);
                    self.phase = Phase::Answering(Box::new(Answer { delivery, body, _pending: Some(pending) }));
                }
                Ok(())
            }
            Handling::Whole(whole) => {
                if is_all {
                    return Err(Stop::own(whole.finish(parts, &Bytes::new(), exchange)));
                }
                let becomes = Becomes::Made(whole, Box::new(parts));
                self.hold(becomes, status, headers, Some(pending), out);
                Ok(())
            }
        }
    }

    /// An error of the router's stands in the place of an answer of Envoy's.
    fn replace(
        &mut self,
        error: ApiError,
        status: StatusCode,
        headers: HeaderMap,
        pending: Option<Pending>,
        is_all: bool,
        out: &mut Vec<ProcessingResponse>,
    ) -> Result<(), Stop> {
        if is_all {
            return Err(error.into());
        }
        let client = self.client;
        let exchange = self.noted()?;
        exchange.failed(error.reason);
        let mut response = error.into_response(client, &exchange.request_id);
        exchange.answered(response.status().as_u16());
        response.headers_mut().insert(dispatch::REQUEST_ID, exchange.request_id.clone());
        // What Envoy says of itself stays.
        for (name, value) in &headers {
            if name.as_str() != ENVOYS_OWN {
                response.headers_mut().entry(name).or_insert_with(|| value.clone());
            }
        }
        self.hold(Becomes::Other(response), status, headers, pending, out);
        Ok(())
    }

    fn hold(
        &mut self,
        becomes: Becomes,
        status: StatusCode,
        headers: HeaderMap,
        pending: Option<Pending>,
        out: &mut Vec<ProcessingResponse>,
    ) {
        let delivery = match self.modes.response {
            Delivery::Whole => {
                out.push(replies::head_as_it_is(Side::Response));
                Delivery::Whole
            }
            Delivery::Unusable(_) => {
                let reply = replies::head_as_it_is(Side::Response);
                out.push(replies::overriding(reply, delivery::whole_response()));
                Delivery::Whole
            }
            // What is said of the head depends on the body.
            later @ (Delivery::Pieces | Delivery::Duplex) => later,
        };
        let body = Body::IsHeld(Held { becomes, status, headers, body: Chunks::default(), pieces: 0 });
        self.phase = Phase::Answering(Box::new(Answer { delivery, body, _pending: pending }));
    }

    pub(super) fn response_body(&mut self, piece: HttpBody, out: &mut Vec<ProcessingResponse>) -> Result<(), Stop> {
        let Phase::Answering(mut answer) = std::mem::replace(&mut self.phase, Phase::Over) else {
            out.push(replies::body(Side::Response, None, None, false));
            return Ok(());
        };
        let is_last = piece.end_of_stream || answer.delivery == Delivery::Whole;
        match &mut answer.body {
            Body::Passes(passing) => self.pass(passing, answer.delivery, piece.body, is_last, out)?,
            Body::IsHeld(held) => {
                held.pieces += 1;
                held.body.push(piece.body);
                if held.body.len() > MAX_WHOLE {
                    return Err(ApiError::answer_too_large().into());
                }
                if is_last {
                    let Body::IsHeld(held) = answer.body else { unreachable!("it was just looked at") };
                    return self.release(held, answer.delivery, End::Piece, out);
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

    fn pass(
        &mut self,
        passing: &mut Passing,
        delivery: Delivery,
        piece: Bytes,
        is_last: bool,
        out: &mut Vec<ProcessingResponse>,
    ) -> Result<(), Stop> {
        let exchange = self.noted()?;
        exchange.came(&piece, passing.is_event_stream());
        let mut rest = Out::default();
        let by = passing.push(piece, &mut rest);
        if is_last && passing.finish(None, exchange, &mut rest) == Ending::Cut {
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

    pub(super) fn response_trailers(&mut self, out: &mut Vec<ProcessingResponse>) -> Result<(), Stop> {
        if let Phase::Answering(answer) = std::mem::replace(&mut self.phase, Phase::Over) {
            match answer.body {
                Body::IsHeld(held) => return self.release(held, answer.delivery, End::Trailers, out),
                Body::Passes(mut passing) => {
                    let exchange = self.noted()?;
                    let mut rest = Out::default();
                    let ending = passing.finish(None, exchange, &mut rest);
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

    /// All of an answer is there that was held.
    fn release(
        &mut self,
        held: Held,
        delivery: Delivery,
        end: End,
        out: &mut Vec<ProcessingResponse>,
    ) -> Result<(), Stop> {
        let exchange = self.noted()?;
        let response = match held.becomes {
            Becomes::Made(whole, head) => whole.finish(*head, &held.body.to_bytes(), exchange),
            Becomes::Other(response) => response,
        };
        if held.pieces == 0 {
            return Err(Stop::own(response));
        }
        let (head, body) = response.into_parts();
        exchange.sent(body.len());
        let mut changes = heads::changes(&held.headers, &head.headers);
        set_frame(&mut changes, (head.status != held.status).then_some(head.status), body.len());
        match delivery {
            Delivery::Whole | Delivery::Unusable(_) => {
                out.push(replies::body(Side::Response, Some(Mutation::Body(body)), Some(changes), false));
            }
            Delivery::Pieces => {
                out.push(replies::head(Side::Response, changes, false));
                out.extend((1..held.pieces).map(|_| replies::piece(Side::Response, Bytes::new())));
                out.push(replies::piece(Side::Response, body));
            }
            Delivery::Duplex => {
                out.push(replies::head(Side::Response, changes, false));
                out.push(replies::streamed(Side::Response, body, end == End::Piece));
            }
        }
        out.extend(end.trailers(Side::Response));
        self.complete();
        Ok(())
    }
}

fn set_frame(changes: &mut HeaderMutation, status: Option<StatusCode>, length: usize) {
    if let Some(status) = status {
        changes.set(Bytes::from_static(b":status"), heads::bytes(status.as_str()));
    }
    changes.set(Bytes::from_static(b"content-length"), length.to_string().into());
}

/// In one piece: without a copy where it is one.
fn gathered(by: Option<Bytes>, rest: &mut Out) -> Bytes {
    let mut all = Chunks::default();
    by.into_iter().chain(std::iter::from_fn(|| rest.take())).for_each(|piece| all.push(piece));
    all.to_bytes()
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
