//! An answer on its way back: its head changed, its body passed on as it comes or held until it is whole.

use super::delivery::{self, Delivery, MAX_PIECES, PAUSE};
use super::exchange::{Conversation, End, Phase, Stop};
use super::heads;
use super::passage::{Passage, gathered};
use super::replies::{self, Side};
use crate::dispatch::{self, Answering, ApiError, Ending, Handling, MAX_WHOLE, Whole};
use crate::extproc::wire::{HeaderMutation, HttpBody, HttpHeaders, Mutation, ProcessingResponse};
use crate::protocol::json::Scanner;
use crate::protocol::out::Out;
use crate::protocol::splice::Chunks;
use crate::responding::Behind;
use crate::telemetry::metrics::{AttemptOutcome, ErrorReason};
use crate::upstream::{self, Pending};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header, response};
use std::io;
use std::rc::Rc;
use std::time::Duration;

/// Marks an answer that Envoy itself gives, and says which.
const ENVOYS_OWN: &str = "x-hardwire-reply";

/// A request that Envoy sends.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) answering: Answering,
    /// What is done behind it, where a response is asked for.
    pub(super) behind: Option<Behind>,
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
    Passes(Passage),
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
    /// Looks for its end, where it comes in pieces.
    end: Option<FindsEnd>,
}

/// Where trailers come that Envoy does not send, an answer tells its end by itself alone.
#[derive(Debug)]
struct FindsEnd {
    /// Bytes that are announced and have not come.
    length: Option<usize>,
    /// Until it is no JSON.
    scanner: Option<Box<Scanner>>,
}

#[derive(Debug)]
enum Becomes {
    /// What the core makes of head and body.
    Made(Box<Whole>, Box<response::Parts>, Option<Behind>),
    /// This.
    Other(Response<Bytes>),
}

impl Answer {
    /// How long the next piece may take, where the end may have come.
    pub(super) fn patience(&self) -> Option<Duration> {
        match &self.body {
            Body::IsHeld(Held { end: Some(end), .. }) if end.is_there() => Some(PAUSE),
            _ => None,
        }
    }

    /// Envoy has nothing more to say. A stream whose end has come by was delivered: its trailers may not have been sent.
    pub(super) fn close(self, exchange: &mut dispatch::Exchange) {
        if let Body::Passes(passage) = self.body
            && passage.close(exchange)
        {
            exchange.complete();
        }
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

    async fn answer(
        &mut self,
        asked: Asked,
        status: StatusCode,
        headers: HeaderMap,
        is_all: bool,
        out: &mut Vec<ProcessingResponse>,
    ) -> Result<(), Stop> {
        let Asked { answering, behind, mut pending } = asked;
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
            Handling::Pass(passing) => {
                let mut passage = Passage::new(passing, behind);
                if is_all {
                    let mut rest = Out::default();
                    passage.finish(&face, exchange, &mut rest).await;
                    if !rest.is_empty() {
                        return Err(Stop::own(Response::from_parts(parts, gathered(None, &mut rest))));
                    }
                }
                let reply = replies::head(Side::Response, heads::changes(&headers, &parts.headers), false);
                // A stream must not wait for its end, and usage must be seen.
                let in_pieces = match configured {
                    Delivery::Whole => passage.is_event_stream(),
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
                    let body = Body::Passes(passage);
                    self.phase = Phase::Answering(Box::new(Answer { delivery, body, _pending: Some(pending) }));
                }
                Ok(())
            }
            Handling::Whole(whole) => {
                if is_all {
                    return Err(Stop::own(face.whole(*whole, parts, &Bytes::new(), behind, exchange).await?));
                }
                let becomes = Becomes::Made(whole, Box::new(parts), behind);
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
        let end = (delivery == Delivery::Pieces).then(|| FindsEnd::new(&headers));
        let body = Body::IsHeld(Held { becomes, status, headers, body: Chunks::default(), pieces: 0, end });
        self.phase = Phase::Answering(Box::new(Answer { delivery, body, _pending: pending }));
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
        let is_last = piece.end_of_stream || answer.delivery == Delivery::Whole;
        match &mut answer.body {
            Body::Passes(passage) => self.pass(passage, answer.delivery, piece.body, is_last, out).await?,
            Body::IsHeld(held) => {
                held.pieces += 1;
                if let Some(end) = &mut held.end {
                    end.push(&piece.body);
                }
                held.body.push(piece.body);
                if held.body.len() > MAX_WHOLE || (held.end.is_some() && held.pieces > MAX_PIECES) {
                    return Err(ApiError::answer_too_large().into());
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

    /// No piece came for as long as it may take.
    pub(super) async fn no_more_answer(
        &mut self,
        answer: Answer,
        out: &mut Vec<ProcessingResponse>,
    ) -> Result<(), Stop> {
        match answer.body {
            Body::IsHeld(held) => self.release(held, answer.delivery, End::Piece, out).await,
            Body::Passes(_) => Err(Stop::out_of_order()),
        }
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

    /// All of an answer is there that was held.
    async fn release(
        &mut self,
        held: Held,
        delivery: Delivery,
        end: End,
        out: &mut Vec<ProcessingResponse>,
    ) -> Result<(), Stop> {
        let face = Rc::clone(&self.face);
        let exchange = self.noted()?;
        let response = match held.becomes {
            Becomes::Made(whole, head, behind) => {
                face.whole(*whole, *head, &held.body.to_bytes(), behind, exchange).await?
            }
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
        self.phase = Phase::Replaced;
        Ok(())
    }
}

impl FindsEnd {
    fn new(headers: &HeaderMap) -> FindsEnd {
        let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        FindsEnd { length, scanner: Some(Box::default()) }
    }

    fn push(&mut self, piece: &[u8]) {
        self.length = self.length.map(|length| length.saturating_sub(piece.len()));
        if let Some(scanner) = &mut self.scanner
            && scanner.push(piece).is_err()
        {
            self.scanner = None;
        }
    }

    fn is_there(&self) -> bool {
        self.length == Some(0) || self.scanner.as_ref().is_some_and(|scanner| scanner.is_complete())
    }
}

fn set_frame(changes: &mut HeaderMutation, status: Option<StatusCode>, length: usize) {
    if let Some(status) = status {
        changes.set(Bytes::from_static(b":status"), heads::bytes(status.as_str()));
    }
    changes.set(Bytes::from_static(b"content-length"), length.to_string().into());
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
