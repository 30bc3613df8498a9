//! What Envoy is told.

use super::{BodyMutation, HeaderMap, HeaderMutation, ProcessingMode};
use bytes::Bytes;

/// What becomes of a part.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ProcessingResponse {
    /// From now on parts are sent so. Counts only where Envoy's `allow_mode_override` is set, with headers.
    #[prost(message, optional, tag = "9")]
    pub mode_override: Option<ProcessingMode>,
    /// What Envoy notes about the exchange: a `google.protobuf.Struct`.
    #[prost(bytes = "bytes", optional, tag = "8")]
    pub dynamic_metadata: Option<Bytes>,
    /// What becomes of the part.
    #[prost(oneof = "Response", tags = "1, 2, 3, 4, 5, 6, 7")]
    pub response: Option<Response>,
}

/// What becomes of a part: each has an answer of its own kind.
#[derive(Clone, PartialEq, Eq, prost::Oneof)]
pub enum Response {
    /// The head of the request.
    #[prost(message, tag = "1")]
    RequestHeaders(HeadersResponse),
    /// The head of the response.
    #[prost(message, tag = "2")]
    ResponseHeaders(HeadersResponse),
    /// The body of the request or a piece of it.
    #[prost(message, tag = "3")]
    RequestBody(BodyResponse),
    /// The body of the response or a piece of it.
    #[prost(message, tag = "4")]
    ResponseBody(BodyResponse),
    /// The trailers of the request.
    #[prost(message, tag = "5")]
    RequestTrailers(TrailersResponse),
    /// The trailers of the response.
    #[prost(message, tag = "6")]
    ResponseTrailers(TrailersResponse),
    /// In place of any of them: the client gets this, and nothing goes on.
    #[prost(message, tag = "7")]
    Immediate(ImmediateResponse),
}

/// What becomes of a head.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct HeadersResponse {
    /// The changes.
    #[prost(message, optional, tag = "1")]
    pub response: Option<CommonResponse>,
}

/// What becomes of a body or a piece of it.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct BodyResponse {
    /// The changes.
    #[prost(message, optional, tag = "1")]
    pub response: Option<CommonResponse>,
}

/// What becomes of trailers.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct TrailersResponse {
    /// The changes.
    #[prost(message, optional, tag = "1")]
    pub header_mutation: Option<HeaderMutation>,
}

/// Changes.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct CommonResponse {
    /// Whether the body that follows counts.
    #[prost(enumeration = "ResponseStatus", tag = "1")]
    pub status: i32,
    /// To the head. Counts with a body only where Envoy holds the head back for it.
    #[prost(message, optional, tag = "2")]
    pub header_mutation: Option<HeaderMutation>,
    /// To the body.
    #[prost(message, optional, tag = "3")]
    pub body_mutation: Option<BodyMutation>,
    /// Trailers to add.
    #[prost(message, optional, tag = "4")]
    pub trailers: Option<HeaderMap>,
    /// Whether Envoy looks for a route again.
    #[prost(bool, tag = "5")]
    pub clear_route_cache: bool,
}

/// Whether the body that follows a head counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub enum ResponseStatus {
    /// It does.
    Continue = 0,
    /// The one in the answer stands in its place.
    ContinueAndReplace = 1,
}

/// What the client gets in place of everything else.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ImmediateResponse {
    /// Its status.
    #[prost(message, optional, tag = "1")]
    pub status: Option<HttpStatus>,
    /// Its headers.
    #[prost(message, optional, tag = "2")]
    pub headers: Option<HeaderMutation>,
    /// Its body.
    #[prost(bytes = "bytes", tag = "3")]
    pub body: Bytes,
    /// Where the client speaks gRPC.
    #[prost(message, optional, tag = "4")]
    pub grpc_status: Option<GrpcStatus>,
    /// For Envoy's access log.
    #[prost(string, tag = "5")]
    pub details: String,
}

/// A status of HTTP.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct HttpStatus {
    /// Its number. Envoy knows those that are registered, and takes another one for 200.
    #[prost(int32, tag = "1")]
    pub code: i32,
}

/// A status of gRPC.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct GrpcStatus {
    /// Its number.
    #[prost(uint32, tag = "1")]
    pub status: u32,
}
