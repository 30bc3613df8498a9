//! An answer that is needed whole: held until it is there, and told anew.

use super::answering::{Answer, Body, Clock, ENVOYS_OWN};
use super::delivery::{self, Delivery, MAX_PIECES, PAUSE};
use super::exchange::{Conversation, End, Phase, Stop};
use super::heads;
use super::replies::{self, Side};
use crate::dispatch::{self, ApiError, MAX_WHOLE, Whole};
use crate::extproc::wire::{HeaderMutation, Mutation, ProcessingResponse};
use crate::protocol::json::Scanner;
use crate::protocol::splice::Chunks;
use crate::responding::Behind;
use crate::upstream::Pending;
use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode, response};
use std::rc::Rc;
use std::time::Duration;
use tokio::time::Instant;

/// An answer that is dealt with when all of it is there.
#[derive(Debug)]
pub(super) struct Held {
    becomes: Becomes,
    /// The head as Envoy has it.
    status: StatusCode,
    headers: HeaderMap,
    body: Chunks,
    pieces: usize,
    /// More is not held.
    most: usize,
    /// Looks for its end, where it comes in pieces, or may do so though Envoy was asked for all of it.
    end: Option<FindsEnd>,
    /// Envoy was asked for all of it in one message.
    is_overridden: bool,
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
pub(super) enum Becomes {
    /// What the core makes of head and body.
    Made(Box<Whole>, Box<response::Parts>, Option<Behind>),
    /// This.
    Other(Response<Bytes>),
}

impl Held {
    /// Takes a piece.
    pub(super) fn push(&mut self, piece: Bytes) -> Result<(), ApiError> {
        self.pieces += 1;
        if let Some(end) = &mut self.end {
            end.push(&piece);
        }
        self.body.push(piece);
        if self.body.len() > self.most || (self.end.is_some() && self.pieces > MAX_PIECES) {
            return Err(ApiError::answer_too_large());
        }
        Ok(())
    }

    /// How long the next piece may take, where the end may have come.
    pub(super) fn patience(&self) -> Option<Duration> {
        self.end.as_ref().filter(|end| !self.is_overridden && end.is_there()).map(|_| PAUSE)
    }

    /// Whether Envoy has been asked for all of it, and has sent less.
    pub(super) fn is_partial(&self) -> bool {
        self.is_overridden && self.end.as_ref().is_some_and(|end| !end.is_there())
    }
}

impl Conversation {
    /// An error of the router's stands in the place of an answer of Envoy's.
    pub(super) fn replace(
        &mut self,
        error: ApiError,
        status: StatusCode,
        headers: HeaderMap,
        pending: Option<(Pending, Clock)>,
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
        self.hold(Becomes::Other(response), status, headers, pending, out)
    }

    pub(super) fn hold(
        &mut self,
        becomes: Becomes,
        status: StatusCode,
        headers: HeaderMap,
        pending: Option<(Pending, Clock)>,
        out: &mut Vec<ProcessingResponse>,
    ) -> Result<(), Stop> {
        // In full duplex Envoy keeps nothing back. Else it stops reading beyond what it can hold: what is larger never comes.
        let most = match self.modes.response {
            Delivery::Duplex => MAX_WHOLE,
            _ => usize::try_from(self.face.tables.limits.max_body_bytes).unwrap_or(MAX_WHOLE).min(MAX_WHOLE),
        };
        if heads::length(&headers).is_some_and(|length| length > most as u64) {
            return Err(ApiError::answer_too_large().into());
        }
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
        let is_overridden = matches!(self.modes.response, Delivery::Unusable(_));
        let end = (is_overridden || delivery == Delivery::Pieces).then(|| FindsEnd::new(&headers));
        let (body, pieces) = (Chunks::default(), 0);
        let body = Body::IsHeld(Held { becomes, status, headers, body, pieces, most, end, is_overridden });
        let (_pending, clock) = match pending {
            Some((pending, clock)) => (Some(pending), clock),
            None => (None, self.clock(Instant::now() + self.door().timeout)),
        };
        self.phase = Phase::Answering(Box::new(Answer { delivery, body, _pending, clock }));
        Ok(())
    }

    /// Answers in place of an answer without a body.
    pub(super) fn at_once(
        &mut self,
        response: Response<Bytes>,
        status: StatusCode,
        headers: &HeaderMap,
        out: &mut Vec<ProcessingResponse>,
    ) -> Result<(), Stop> {
        if replies::is_known(response.status()) {
            return Err(Stop::own(response));
        }
        let (head, body) = response.into_parts();
        self.noted()?.sent(body.len());
        let mut changes = heads::changes(headers, &head.headers);
        set_frame(&mut changes, (head.status != status).then_some(head.status), body.len());
        out.push(replies::head_and_body(changes, body));
        self.complete();
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

    /// All of an answer is there that was held.
    pub(super) async fn release(
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
        let length = heads::length(headers).and_then(|length| usize::try_from(length).ok());
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
