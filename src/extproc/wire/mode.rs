//! What of a request and a response Envoy sends, and how.

/// For each part, whether and how it is sent.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct ProcessingMode {
    /// Of request headers.
    #[prost(enumeration = "HeaderSendMode", tag = "1")]
    pub request_header_mode: i32,
    /// Of response headers.
    #[prost(enumeration = "HeaderSendMode", tag = "2")]
    pub response_header_mode: i32,
    /// Of request bodies.
    #[prost(enumeration = "BodySendMode", tag = "3")]
    pub request_body_mode: i32,
    /// Of response bodies.
    #[prost(enumeration = "BodySendMode", tag = "4")]
    pub response_body_mode: i32,
    /// Of request trailers.
    #[prost(enumeration = "HeaderSendMode", tag = "5")]
    pub request_trailer_mode: i32,
    /// Of response trailers.
    #[prost(enumeration = "HeaderSendMode", tag = "6")]
    pub response_trailer_mode: i32,
}

/// Whether headers or trailers are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub enum HeaderSendMode {
    /// Headers are, trailers are not.
    Default = 0,
    /// They are.
    Send = 1,
    /// They are not.
    Skip = 2,
}

/// How a body is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub enum BodySendMode {
    /// Not at all.
    None = 0,
    /// In pieces, each of which is answered before the next one is sent.
    Streamed = 1,
    /// Whole.
    Buffered = 2,
    /// Whole, up to what Envoy buffers.
    BufferedPartial = 3,
    /// In pieces that come and go independently of each other.
    FullDuplexStreamed = 4,
    /// Message by message of a gRPC stream.
    Grpc = 5,
}
