//! One HTTP request and its answer, part by part: which part leads to what, and how it all may end.

use super::answering::{Answer, Asked};
use super::asking::Asking;
use super::delivery::Modes;
use super::replies::{self, Side};
use super::{Door, Inner};
use crate::dispatch::{self, ApiError, Client, ReceiveError};
use crate::extproc::grpc::{Code, Status};
use crate::extproc::processor::{self, Flow, Refusal};
use crate::extproc::wire::{ProcessingRequest, ProcessingResponse, Request};
use crate::telemetry::metrics::{ErrorReason, OpenStream};
use bytes::Bytes;
use http::{Response, StatusCode};
use std::rc::Rc;
use std::time::Duration;

/// One HTTP request and its answer.
#[derive(Debug)]
pub struct Conversation {
    pub(super) face: Rc<Inner>,
    door: usize,
    pub(super) modes: Modes,
    /// Whose errors are given.
    pub(super) client: Client,
    /// From the head of the request to the end of the answer.
    pub(super) exchange: Option<Box<dispatch::Exchange>>,
    pub(super) phase: Phase,
    _open: OpenStream,
}

/// What comes next.
#[derive(Debug)]
pub(super) enum Phase {
    /// The head of the request.
    New,
    /// Its body.
    Asking(Box<Asking>),
    /// The head of the answer.
    Asked(Box<Asked>),
    /// Its body.
    Answering(Box<Answer>),
    /// Nothing that matters. What may still come of the answer's body does not go on: something else stands in its place.
    Replaced,
    /// Nothing that matters.
    Over,
}

/// Why nothing goes on.
#[derive(Debug)]
pub(super) enum Stop {
    /// The router answers.
    Own(Box<Response<Bytes>>),
    /// It answers with an error.
    Error(ApiError),
    /// Envoy does what it should not.
    Broken(Status),
}

impl Conversation {
    pub(super) fn new(face: Rc<Inner>, door: usize) -> Self {
        let (modes, open) = (Modes::of(None), face.recorder.stream());
        Conversation { face, door, modes, client: Client::Chat, exchange: None, phase: Phase::New, _open: open }
    }

    pub(super) fn door(&self) -> &Door {
        &self.face.doors[self.door]
    }

    /// What is noted about the request. There is one from its head on.
    pub(super) fn noted(&mut self) -> Result<&mut dispatch::Exchange, Stop> {
        self.exchange.as_deref_mut().ok_or_else(Stop::out_of_order)
    }

    /// The last byte of the answer was handed over.
    pub(super) fn complete(&mut self) {
        if let Some(mut exchange) = self.exchange.take() {
            exchange.complete();
        }
        self.phase = Phase::Over;
    }

    async fn take(&mut self, part: ProcessingRequest, out: &mut Vec<ProcessingResponse>) -> Result<(), Stop> {
        if part.observability_mode {
            let why = "with observability_mode nothing can be said about a request: it would go nowhere";
            return Err(Stop::Broken(Status::new(Code::InvalidArgument, why)));
        }
        if part.protocol_config.is_some() {
            self.modes = Modes::of(part.protocol_config);
        }
        match part.request {
            Some(Request::RequestHeaders(head)) => self.request_head(head, out).await,
            Some(Request::RequestBody(body)) => self.request_body(body, out).await,
            Some(Request::RequestTrailers(_)) => self.request_trailers(out).await,
            Some(Request::ResponseHeaders(head)) => self.response_head(head, out).await,
            Some(Request::ResponseBody(body)) => self.response_body(body, out).await,
            Some(Request::ResponseTrailers(_)) => self.response_trailers(out).await,
            None => Err(Stop::Broken(Status::new(Code::InvalidArgument, "the message tells of no part"))),
        }
    }

    /// The router's own answer ends the exchange.
    fn own(&mut self, mut response: Response<Bytes>) -> ProcessingResponse {
        if let Some(exchange) = &mut self.exchange {
            exchange.answered(response.status().as_u16());
            response.headers_mut().insert(dispatch::REQUEST_ID, exchange.request_id.clone());
            exchange.sent(response.body().len());
        }
        self.complete();
        replies::immediate(response)
    }

    /// What comes next, and what is said where nothing does.
    fn flow(&mut self, taken: Result<(), Stop>, replies: &mut Vec<ProcessingResponse>) -> Result<Flow, Status> {
        let reply = match taken {
            Ok(()) => return Ok(Flow::Continue),
            Err(Stop::Own(response)) => self.own(*response),
            Err(Stop::Error(error)) => self.fail(error),
            Err(Stop::Broken(status)) => return Err(status),
        };
        replies.push(reply);
        Ok(Flow::End)
    }

    fn fail(&mut self, error: ApiError) -> ProcessingResponse {
        let request_id = match &mut self.exchange {
            Some(exchange) => {
                exchange.failed(error.reason);
                exchange.request_id.clone()
            }
            None => dispatch::request_id(&http::HeaderMap::new()),
        };
        self.own(error.into_response(self.client, &request_id))
    }
}

impl processor::Exchange for Conversation {
    async fn part(&mut self, part: ProcessingRequest, replies: &mut Vec<ProcessingResponse>) -> Result<Flow, Status> {
        let taken = self.take(part, replies).await;
        self.flow(taken, replies)
    }

    fn patience(&self) -> Option<Duration> {
        let limits = &self.face.tables.limits;
        match &self.phase {
            // A stream begins with a head.
            Phase::New => Some(limits.header_timeout),
            Phase::Asking(asking) => asking.patience(limits),
            Phase::Answering(answer) => answer.patience(),
            Phase::Asked(_) | Phase::Replaced | Phase::Over => None,
        }
    }

    async fn silence(&mut self, replies: &mut Vec<ProcessingResponse>) -> Result<Flow, Status> {
        let taken = match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Asking(asking) => self.no_more_request(asking, replies).await,
            Phase::Answering(answer) => self.no_more_answer(*answer, replies).await,
            _ => Err(ReceiveError::Timeout.into()),
        };
        self.flow(taken, replies)
    }

    fn refuse(&mut self, why: Refusal) -> ProcessingResponse {
        let (status, reason, code) = match why {
            Refusal::Silent => return self.fail(ReceiveError::Timeout.into()),
            Refusal::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, ErrorReason::BodyTooLarge, "request_too_large"),
            Refusal::TooSlow => (StatusCode::GATEWAY_TIMEOUT, ErrorReason::Timeout, "router_timeout"),
            Refusal::TooMany => (StatusCode::SERVICE_UNAVAILABLE, ErrorReason::Internal, "router_overloaded"),
        };
        self.fail(ApiError::new(status, reason, why.status().message).code(code))
    }
}

impl Drop for Conversation {
    /// Envoy has said everything, or has left, and so the client has.
    fn drop(&mut self) {
        if let (Phase::Answering(answer), Some(exchange)) =
            (std::mem::replace(&mut self.phase, Phase::Over), self.exchange.as_deref_mut())
        {
            answer.close(exchange);
        }
    }
}

impl Stop {
    pub(super) fn own(response: Response<Bytes>) -> Stop {
        Stop::Own(Box::new(response))
    }

    pub(super) fn out_of_order() -> Stop {
        Stop::Broken(Status::new(Code::InvalidArgument, "the part comes out of order"))
    }
}

impl From<ApiError> for Stop {
    fn from(error: ApiError) -> Stop {
        Stop::Error(error)
    }
}

impl From<ReceiveError> for Stop {
    fn from(error: ReceiveError) -> Stop {
        Stop::Error(error.into())
    }
}

impl From<Status> for Stop {
    fn from(status: Status) -> Stop {
        Stop::Broken(status)
    }
}

/// How a body has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// With its last piece.
    Piece,
    /// With trailers, which are still to be answered.
    Trailers,
}

impl End {
    /// What is answered beside the body.
    pub(super) fn trailers(self, side: Side) -> Option<ProcessingResponse> {
        (self == End::Trailers).then(|| replies::trailers(side))
    }
}
