//! What Envoy sends.

use super::{BodySendMode, HttpBody, HttpHeaders, HttpTrailers};

/// A part of an HTTP request or response that passes Envoy.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ProcessingRequest {
    /// Envoy only tells, and waits for no answer.
    #[prost(bool, tag = "10")]
    pub observability_mode: bool,
    /// In the first message of a stream: how bodies will be sent.
    #[prost(message, optional, tag = "11")]
    pub protocol_config: Option<ProtocolConfiguration>,
    /// The part.
    #[prost(oneof = "Request", tags = "2, 3, 4, 5, 6, 7")]
    pub request: Option<Request>,
}

/// A part of an HTTP request or response.
#[derive(Clone, PartialEq, Eq, prost::Oneof)]
pub enum Request {
    /// The head of the request: always the first.
    #[prost(message, tag = "2")]
    RequestHeaders(HttpHeaders),
    /// The head of the response.
    #[prost(message, tag = "3")]
    ResponseHeaders(HttpHeaders),
    /// The body of the request or a piece of it.
    #[prost(message, tag = "4")]
    RequestBody(HttpBody),
    /// The body of the response or a piece of it.
    #[prost(message, tag = "5")]
    ResponseBody(HttpBody),
    /// The trailers of the request.
    #[prost(message, tag = "6")]
    RequestTrailers(HttpTrailers),
    /// The trailers of the response.
    #[prost(message, tag = "7")]
    ResponseTrailers(HttpTrailers),
}

/// How bodies will be sent.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct ProtocolConfiguration {
    /// That of the request.
    #[prost(enumeration = "BodySendMode", tag = "1")]
    pub request_body_mode: i32,
    /// That of the response.
    #[prost(enumeration = "BodySendMode", tag = "2")]
    pub response_body_mode: i32,
    /// Whether a body may come before its headers were answered.
    #[prost(bool, tag = "3")]
    pub send_body_without_waiting_for_header_response: bool,
}
