//! What Envoy is told, message by message.

use super::heads;
use crate::extproc::wire::{
    BodyMutation, BodyResponse, CommonResponse, HeaderMutation, HeadersResponse, HttpStatus, ImmediateResponse,
    Mutation, ProcessingMode, ProcessingResponse, Response, ResponseStatus, StreamedBodyResponse, TrailersResponse,
};
use bytes::Bytes;
use http::{StatusCode, header};

/// Which of the two a part belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Request,
    Response,
}

pub(super) fn reply(response: Response) -> ProcessingResponse {
    ProcessingResponse { response: Some(response), ..ProcessingResponse::default() }
}

/// A head goes on, changed.
pub(super) fn head(side: Side, changes: HeaderMutation, clear_route_cache: bool) -> ProcessingResponse {
    let response = CommonResponse { header_mutation: Some(changes), clear_route_cache, ..CommonResponse::default() };
    let response = HeadersResponse { response: Some(response) };
    reply(match side {
        Side::Request => Response::RequestHeaders(response),
        Side::Response => Response::ResponseHeaders(response),
    })
}

/// A head goes on as it is.
pub(super) fn head_as_it_is(side: Side) -> ProcessingResponse {
    reply(match side {
        Side::Request => Response::RequestHeaders(HeadersResponse::default()),
        Side::Response => Response::ResponseHeaders(HeadersResponse::default()),
    })
}

/// The head of an answer goes on, changed, and with it a body where there was none.
pub(super) fn head_and_body(changes: HeaderMutation, body: Bytes) -> ProcessingResponse {
    let response = CommonResponse {
        status: ResponseStatus::ContinueAndReplace as i32,
        header_mutation: Some(changes),
        body_mutation: Some(BodyMutation { mutation: Some(Mutation::Body(body)) }),
        ..CommonResponse::default()
    };
    reply(Response::ResponseHeaders(HeadersResponse { response: Some(response) }))
}

/// Parts come in another way from now on.
pub(super) fn overriding(reply: ProcessingResponse, mode: ProcessingMode) -> ProcessingResponse {
    ProcessingResponse { mode_override: Some(mode), ..reply }
}

/// The client reads errors as Anthropic's do: `{"hardwire": {"client": "messages"}}`. What Envoy answers itself when the router has no say
/// any more, it tells apart by this.
pub(super) fn of_messages() -> Bytes {
    // A struct of one field, whose value is another, whose value is a text, as Protocol Buffers write it.
    Bytes::from_static(b"\x0a\x24\x0a\x08hardwire\x12\x18\x2a\x16\x0a\x14\x0a\x06client\x12\x0a\x1a\x08messages")
}

/// A body or a piece of it goes on, changed, and with it the head where that waits for it.
pub(super) fn body(
    side: Side,
    mutation: Option<Mutation>,
    header_mutation: Option<HeaderMutation>,
    clear_route_cache: bool,
) -> ProcessingResponse {
    let body_mutation = mutation.map(|mutation| BodyMutation { mutation: Some(mutation) });
    let response = CommonResponse { header_mutation, body_mutation, clear_route_cache, ..CommonResponse::default() };
    let response = BodyResponse { response: Some(response) };
    reply(match side {
        Side::Request => Response::RequestBody(response),
        Side::Response => Response::ResponseBody(response),
    })
}

/// `bytes` stand in the place of a piece.
pub(super) fn piece(side: Side, bytes: Bytes) -> ProcessingResponse {
    let mutation = if bytes.is_empty() { Mutation::ClearBody(true) } else { Mutation::Body(bytes) };
    body(side, Some(mutation), None, false)
}

/// In full duplex, the next piece.
pub(super) fn streamed(side: Side, bytes: Bytes, end_of_stream: bool) -> ProcessingResponse {
    body(side, Some(Mutation::Streamed(StreamedBodyResponse { body: bytes, end_of_stream })), None, false)
}

/// Trailers go on as they are.
pub(super) fn trailers(side: Side) -> ProcessingResponse {
    reply(match side {
        Side::Request => Response::RequestTrailers(TrailersResponse::default()),
        Side::Response => Response::ResponseTrailers(TrailersResponse::default()),
    })
}

/// The client gets this, and nothing goes on. What has gone out already is cut off.
pub(super) fn immediate(response: http::Response<Bytes>) -> ProcessingResponse {
    let (head, body) = response.into_parts();
    let mut headers = HeaderMutation::default();
    // The connection is Envoy's, and so is the length.
    for name in head.headers.keys().filter(|name| **name != header::CONNECTION && **name != header::CONTENT_LENGTH) {
        heads::put(&mut headers, name, &head.headers);
    }
    reply(Response::Immediate(ImmediateResponse {
        status: Some(HttpStatus { code: i32::from(known(head.status).as_u16()) }),
        headers: Some(headers),
        body,
        grpc_status: None,
        details: "hardwire".to_owned(),
    }))
}

/// Whether Envoy knows it, so that it can be that of an immediate answer.
pub(super) fn is_known(status: StatusCode) -> bool {
    status.canonical_reason().is_some() && !matches!(status.as_u16(), ..200 | 418 | 425 | 451)
}

/// Envoy knows the statuses that are registered, and takes another one for 200.
fn known(status: StatusCode) -> StatusCode {
    if is_known(status) {
        return status;
    }
    match status.as_u16() {
        400..500 => StatusCode::BAD_REQUEST,
        500.. => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::BAD_GATEWAY,
    }
}
