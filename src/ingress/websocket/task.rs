//! One request of a WebSocket: what was asked in a message is answered as if it had been posted, and told in messages.

use super::Opened;
use super::lanes::Waits;
use super::line::Out;
use crate::dispatch::{self, ApiError, Client, Exchange};
use crate::ingress::Ingress;
use crate::ingress::answer::ResponseBody;
use crate::ingress::respond::create;
use crate::protocol::responses::request::Request as Wanted;
use crate::protocol::responses::socket::{Create, Messages, NotCreate, error_message};
use crate::responding::{Deed, Responding};
use crate::responses::recent::Recent;
use crate::telemetry::metrics::ErrorReason;
use bytes::Bytes;
use http::{Method, Response, StatusCode};
use http_body_util::BodyExt;
use std::rc::Rc;
use std::sync::Arc;

/// What all requests of a connection have in common.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) ingress: Rc<Ingress>,
    pub(super) opened: Opened,
    pub(super) recent: Recent,
    /// Messages to the client.
    pub(super) out: Out,
}

/// A message of the client.
#[derive(Debug)]
pub(super) struct Job {
    message: Bytes,
    asked: Result<Create, NotCreate>,
}

impl Job {
    pub(super) fn new(message: Bytes) -> Job {
        Job { asked: Create::read(&message), message }
    }
}

impl Waits for Job {
    fn lane(&self) -> Option<&str> {
        match &self.asked {
            Ok(create) => create.lane.as_deref(),
            Err(refused) => refused.lane.as_deref(),
        }
    }

    fn size(&self) -> usize {
        self.message.len()
    }
}

impl Link {
    /// Answers what is asked, and tells whose turn is over.
    pub(super) async fn answer(self: Rc<Self>, job: Job) -> Option<String> {
        let lane = job.lane().map(str::to_owned);
        let previous = job.asked.as_ref().ok().and_then(|create| create.previous.clone());
        let response = self.respond(job).await;
        let failed = self.tell(response, lane.clone()).await;
        // A client whose turn went wrong begins anew.
        if let (true, Some(Ok(id))) = (failed, previous.map(|id| id.parse())) {
            self.recent.forget(id);
        }
        lane
    }

    async fn respond(&self, job: Job) -> Response<ResponseBody> {
        let mut exchange = self.exchange();
        exchange.bytes_in = job.message.len() as u64;
        let refuse = |error, exchange| self.ingress.refuse(error, Client::Responses, exchange);
        let asked = match job.asked {
            Ok(asked) => asked,
            Err(NotCreate { error, code, .. }) => {
                let error = ApiError::from(error);
                return refuse(ApiError { code: code.or(error.code), ..error }, exchange);
            }
        };
        let Some(store) = &self.ingress.store else { return refuse(ApiError::no_responses(), exchange) };
        let dispatch = &self.ingress.dispatch;
        let to = Responding { dispatch, store, recent: Some(&self.recent), caller: self.opened.caller };
        let deed = if asked.generate { Deed::Answer } else { Deed::Prepare };
        match Wanted::in_message(&job.message, dispatch.tables.unsupported_tools) {
            Ok(mut wanted) => create(&self.ingress, to, deed, self.opened.headers.clone(), &mut wanted, exchange).await,
            Err(error) => refuse(error.into(), exchange),
        }
    }

    fn exchange(&self) -> Box<Exchange> {
        let Ingress { recorder, tables, .. } = &*self.ingress;
        let request_id = dispatch::request_id(&self.opened.headers);
        Box::new(Exchange::new(Arc::clone(recorder), tables, request_id, Method::GET, "/v1/responses"))
    }

    /// Tells the client. Whether it is something that went wrong.
    async fn tell(&self, response: Response<ResponseBody>, lane: Option<String>) -> bool {
        let status = response.status();
        let mut body = response.into_body();
        if !status.is_success() {
            let whole = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
            let _ = self.out.send(error_message(status.as_u16(), &whole, lane.as_deref())).await;
            return true;
        }
        let mut messages = Messages::new(lane.clone());
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else {
                let error = ApiError::truncated_stream();
                let message = error_message(error.status.as_u16(), &error.body().to_json(), lane.as_deref());
                let _ = self.out.send(message).await;
                return true;
            };
            messages.push(frame.data_ref().map(Bytes::as_ref).unwrap_or_default());
            for message in &mut messages {
                if self.out.send(message).await.is_err() {
                    // Nobody listens any more.
                    return true;
                }
            }
        }
        messages.has_failed()
    }

    /// The message that a request is refused of which nothing else becomes.
    pub(super) fn refuse(&self, error: &ApiError, job: Option<&Job>) -> Bytes {
        let mut exchange = self.exchange();
        exchange.bytes_in = job.map_or(0, |job| job.message.len() as u64);
        exchange.failed(error.reason);
        exchange.answered(error.status.as_u16());
        exchange.complete();
        error_message(error.status.as_u16(), &error.body().to_json(), job.and_then(Waits::lane))
    }
}

/// Too much is asked at once.
pub(super) fn queue_full() -> ApiError {
    let message = "too many requests wait on this WebSocket: wait for a response to end";
    ApiError::new(StatusCode::TOO_MANY_REQUESTS, ErrorReason::ParseError, message).code("websocket_queue_full")
}

/// There are too many `stream_id`s.
pub(super) fn too_many_lanes() -> ApiError {
    let message = "this WebSocket has as many distinct stream_id values as it may have (32): use one of them again, or \
                   open another";
    ApiError::invalid("stream_id", message).code("websocket_stream_limit_reached")
}

/// The connection is as old as it may get.
pub(super) fn too_old() -> ApiError {
    let message = "this WebSocket is as old as it may get (60 minutes): open another";
    ApiError::new(StatusCode::BAD_REQUEST, ErrorReason::ParseError, message).code("websocket_connection_limit_reached")
}

/// The router stops.
pub(super) fn stopping() -> ApiError {
    let message = "the router is being stopped: open another WebSocket";
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, ErrorReason::ParseError, message).code("server_shutting_down")
}

/// What is no text asks for nothing.
pub(super) fn no_text() -> ApiError {
    let message = "messages must be text, not binary";
    ApiError::new(StatusCode::BAD_REQUEST, ErrorReason::ParseError, message)
}
