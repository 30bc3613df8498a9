//! A request on its way in: taken, settled, and handed to Envoy, which sends it.

use super::Inner;
use super::answering::Asked;
use super::delivery::{self, Delivery, MAX_PIECES, PAUSE};
use super::exchange::{Conversation, End, Phase, Stop};
use super::heads::{self, RequestHead};
use super::passage::{Passage, gathered};
use super::replies::{self, Side};
use crate::dispatch::{
    self, Admission, Answering, ApiError, Endpoint, Exchange, Found, Handling, Intake, MAX_WHOLE, ReceiveError, Settled,
};
use crate::extproc::wire::{HeaderMutation, HttpBody, HttpHeaders, Mutation, ProcessingResponse};
use crate::protocol::out::Out;
use crate::responding::{Begun, Behind};
use crate::responses::store::Scope;
use crate::routing::catalog::decode_id;
use crate::table::Limits;
use crate::telemetry::metrics::ErrorReason;
use crate::upstream::{self, Handed, Outbound, Sender};
use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use std::sync::Arc;
use std::time::Duration;

/// Which model was chosen: what routes of Envoy are matched by.
const SELECTED_MODEL: &str = "x-selected-model";
/// Which of its clusters, where there are several.
const SELECTED_BACKEND: &str = "x-selected-backend";
/// The address of the backend, for clusters of the type `ORIGINAL_DST`.
const DESTINATION: &str = "x-vsr-destination-endpoint";

/// A request whose body arrives.
#[derive(Debug)]
pub(super) struct Asking {
    endpoint: Endpoint,
    /// Whose key opened the door.
    caller: Option<Scope>,
    /// As it came.
    came: HeaderMap,
    /// Without the keys that opened the door.
    headers: HeaderMap,
    intake: Intake,
    delivery: Delivery,
    /// Envoy was asked to send the body in one message.
    is_overridden: bool,
    /// In how many pieces it came.
    pieces: usize,
}

impl Asking {
    /// How long the next piece may take, where it is the router that waits for it.
    pub(super) fn patience(&self, limits: &Limits) -> Option<Duration> {
        match self.delivery {
            Delivery::Whole | Delivery::Unusable(_) => None,
            Delivery::Pieces if self.intake.is_complete() => Some(PAUSE),
            Delivery::Pieces | Delivery::Duplex => Some(limits.body_timeout),
        }
    }
}

impl Conversation {
    pub(super) async fn request_head(
        &mut self,
        head: HttpHeaders,
        out: &mut Vec<ProcessingResponse>,
    ) -> Result<(), Stop> {
        if !matches!(self.phase, Phase::New) {
            return Err(Stop::out_of_order());
        }
        let head = RequestHead::read(head)?;
        let request_id = dispatch::request_id(&head.headers);
        let recorder = Arc::clone(&self.face.recorder);
        let exchange = Exchange::new(recorder, self.face.tables, request_id, head.method.clone(), &head.path);
        self.exchange = Some(Box::new(exchange));
        self.client = dispatch::client_at(&head.path);
        let mut headers = head.headers.clone();
        let caller = match self.door().keys.admit(&mut headers) {
            Admission::Refused => return Err(ApiError::unauthorized().into()),
            Admission::Open => None,
            Admission::Key(scope) => Some(scope),
        };
        let endpoint = self.endpoint(&head, caller).await?;
        let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        let intake = Intake::new(&headers, length.unwrap_or(0), self.face.tables.limits.max_body_bytes)?;
        let mut asking = Asking {
            endpoint,
            caller,
            came: head.headers,
            headers,
            intake,
            delivery: self.modes.request,
            is_overridden: false,
            pieces: 0,
        };
        if head.is_all {
            return self.ask(Box::new(asking), End::Piece, out).await;
        }
        match self.modes.request {
            Delivery::Whole => out.push(replies::head_as_it_is(Side::Request)),
            // What is said of the head depends on the body.
            Delivery::Pieces | Delivery::Duplex => (),
            Delivery::Unusable(_) => {
                (asking.delivery, asking.is_overridden) = (Delivery::Whole, true);
                self.modes.response = Delivery::Whole;
                out.push(replies::overriding(replies::head_as_it_is(Side::Request), delivery::whole_request()));
            }
        }
        self.phase = Phase::Asking(Box::new(asking));
        Ok(())
    }

    /// The endpoint that takes the body of a request. Others are answered.
    async fn endpoint(&self, head: &RequestHead, caller: Option<Scope>) -> Result<Endpoint, Stop> {
        let json = |body| Stop::own(dispatch::json_response(body));
        let path = head.path.as_str();
        match dispatch::find(&head.method, path) {
            Found::Endpoint(endpoint @ (Endpoint::Chat | Endpoint::Messages | Endpoint::CountTokens), _) => {
                Ok(endpoint)
            }
            Found::Endpoint(endpoint @ (Endpoint::Respond | Endpoint::Compact | Endpoint::InputTokens), _) => {
                self.face.responding(caller)?;
                Ok(endpoint)
            }
            Found::Endpoint(Endpoint::Models, _) => Err(json(self.face.catalog.list.clone())),
            Found::Endpoint(Endpoint::Model, id) => {
                let name = decode_id(id);
                let found = name.as_ref().and_then(|name| self.face.catalog.get(name));
                Err(found.map_or_else(|| ApiError::no_model(&name.unwrap_or_default()).into(), json))
            }
            // A WebSocket is no exchange of one request and one answer.
            Found::Endpoint(Endpoint::Converse, _) => Err(ApiError::wrong_method("POST").into()),
            Found::Endpoint(stored, _) => {
                let responding = self.face.responding(caller)?;
                let response = self.face.wait(responding.stored(stored, path, head.query.as_deref())).await?;
                Err(Stop::own(response))
            }
            Found::Methods(methods) => Err(ApiError::wrong_method(methods).into()),
            Found::Nothing => Err(ApiError::no_endpoint(&head.method, path.strip_suffix('/').unwrap_or(path)).into()),
        }
    }

    pub(super) async fn request_body(&mut self, body: HttpBody, out: &mut Vec<ProcessingResponse>) -> Result<(), Stop> {
        let mut asking = match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Asking(asking) => asking,
            phase => {
                self.phase = phase;
                return self.behind_the_request(&body, out);
            }
        };
        if asking.is_overridden && !body.end_of_stream {
            return Err(unroutable().into());
        }
        asking.intake.push(body.body)?;
        asking.pieces += 1;
        if asking.delivery == Delivery::Pieces && asking.pieces > MAX_PIECES {
            return Err(ReceiveError::TooManyPieces.into());
        }
        if body.end_of_stream || asking.delivery == Delivery::Whole {
            return self.ask(asking, End::Piece, out).await;
        }
        self.phase = Phase::Asking(asking);
        Ok(())
    }

    /// No piece came for as long as it may take.
    pub(super) async fn no_more_request(
        &mut self,
        asking: Box<Asking>,
        out: &mut Vec<ProcessingResponse>,
    ) -> Result<(), Stop> {
        if asking.delivery == Delivery::Pieces && asking.intake.is_complete() {
            return self.ask(asking, End::Piece, out).await;
        }
        Err(ReceiveError::Timeout.into())
    }

    /// A piece behind the end of the request: white space, which does not go on, or nothing at all.
    fn behind_the_request(&self, piece: &HttpBody, out: &mut Vec<ProcessingResponse>) -> Result<(), Stop> {
        if self.modes.request != Delivery::Pieces || matches!(self.phase, Phase::New) {
            return Err(Stop::out_of_order());
        }
        if !piece.body.trim_ascii().is_empty() {
            return Err(ReceiveError::Trailing.into());
        }
        out.push(replies::piece(Side::Request, Bytes::new()));
        Ok(())
    }

    pub(super) async fn request_trailers(&mut self, out: &mut Vec<ProcessingResponse>) -> Result<(), Stop> {
        match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Asking(asking) => self.ask(asking, End::Trailers, out).await,
            phase => {
                self.phase = phase;
                out.push(replies::trailers(Side::Request));
                Ok(())
            }
        }
    }

    /// All of the request is there.
    async fn ask(&mut self, asking: Box<Asking>, end: End, out: &mut Vec<ProcessingResponse>) -> Result<(), Stop> {
        let (client, timeout) = (self.client, self.door().timeout);
        let received = asking.intake.finish()?;
        let face = std::rc::Rc::clone(&self.face);
        let exchange = self.noted()?;
        let (ask, behind) = match asking.endpoint {
            Endpoint::CountTokens => return Err(Stop::own(face.dispatch.count_tokens(&received, exchange)?)),
            Endpoint::Chat | Endpoint::Messages => {
                match face.dispatch.settle(client, asking.headers, received, exchange)? {
                    Settled::Own(response) => return Err(Stop::own(response)),
                    Settled::Ask(ask) => (ask, None),
                    Settled::Draw(_) => return Err(ApiError::no_images_here().into()),
                }
            }
            endpoint => {
                let begun = face.responding(asking.caller)?.begin(endpoint, asking.headers, received, exchange);
                // What is boxed makes no room for itself in every stream, and is not moved with every part.
                match face.wait(Box::pin(begun)).await? {
                    Begun::Own(response) => return Err(Stop::own(response)),
                    Begun::Ask(ask, behind) => (ask, Some(behind)),
                    Begun::Draw(..) => return Err(ApiError::no_images_here().into()),
                }
            }
        };
        let deadline = tokio::time::Instant::now() + timeout;
        let outbound = Outbound { headers: ask.headers, body: ask.body, rewrite: ask.rewrite, deadline };
        let handed = match face.upstream.hand_over(ask.model, outbound) {
            Sender::Proxy(handed) => handed,
            Sender::Nobody(backend, answer) => {
                exchange.tried(backend, 1);
                return Err(Stop::own(Box::pin(at_once(&face, ask.answering, behind, *answer, exchange)).await?));
            }
        };
        exchange.tried(handed.backend, 1);
        let model = face.tables.model(ask.model).name;
        let body = handed.body.to_bytes();
        let changes = changes(&asking.came, &handed, model, body.len());
        let clear = face.clear_route_cache;
        match asking.delivery {
            Delivery::Whole | Delivery::Unusable(_) => {
                out.push(replies::body(Side::Request, Some(Mutation::Body(body)), Some(changes), clear));
            }
            Delivery::Pieces => {
                out.push(replies::head(Side::Request, changes, clear));
                out.extend((1..asking.pieces).map(|_| replies::piece(Side::Request, Bytes::new())));
                out.push(replies::piece(Side::Request, body));
            }
            Delivery::Duplex => {
                out.push(replies::head(Side::Request, changes, clear));
                out.push(replies::streamed(Side::Request, body, end == End::Piece));
            }
        }
        out.extend(end.trailers(Side::Request));
        self.phase = Phase::Asked(Box::new(Asked { answering: ask.answering, behind, pending: handed.pending }));
        Ok(())
    }
}

/// What Envoy does to the head of a request.
fn changes(came: &HeaderMap, handed: &Handed, model: &'static str, length: usize) -> HeaderMutation {
    let mut out = heads::changes(came, &handed.headers);
    let mut set = |name: &'static str, value: Bytes| out.set(Bytes::from_static(name.as_bytes()), value);
    set(":path", heads::bytes(handed.path.as_str()));
    if let Some(host) = handed.headers.get(header::HOST) {
        set(":authority", heads::copied(host.as_bytes()));
    }
    set("content-length", length.to_string().into());
    set(SELECTED_MODEL, Bytes::from_static(model.as_bytes()));
    if let Some(cluster) = handed.cluster {
        set(SELECTED_BACKEND, Bytes::from_static(cluster.as_bytes()));
    }
    if let Some(destination) = &handed.destination {
        set(DESTINATION, destination.clone());
    }
    out
}

/// The answer of a backend in this process.
async fn at_once(
    face: &Inner,
    answering: Answering,
    behind: Option<Behind>,
    answer: Response<upstream::Body>,
    exchange: &mut Exchange,
) -> Result<Response<Bytes>, ApiError> {
    let (mut head, body) = answer.into_parts();
    let handling = answering.head(&face.dispatch, &mut head, exchange);
    let body = Limited::new(body, MAX_WHOLE).collect().await.map_err(|_| ApiError::answer_too_large())?.to_bytes();
    match handling {
        Handling::Whole(whole) => face.whole(*whole, head, &body, behind, exchange).await,
        Handling::Pass(passing) => {
            let mut passage = Passage::new(passing, behind);
            let mut out = Out::default();
            exchange.came(&body, passage.is_event_stream());
            let by = passage.push(face, body, exchange, &mut out).await;
            passage.finish(face, exchange, &mut out).await;
            Ok(Response::from_parts(head, gathered(by, &mut out)))
        }
    }
}

/// Envoy sends bodies in a way in which they come too late.
fn unroutable() -> ApiError {
    let message = "Envoy sends the body after its head has gone: bodies must come BUFFERED, FULL_DUPLEX_STREAMED, or STREAMED \
                   with send_body_without_waiting_for_header_response; or allow_mode_override must be set";
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, ErrorReason::Internal, message).code("envoy_misconfigured")
}
