//! Bodies, whole or in pieces, and what stands in their place.

use bytes::Bytes;

/// A body or a piece of one.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct HttpBody {
    /// The bytes.
    #[prost(bytes = "bytes", tag = "1")]
    pub body: Bytes,
    /// Nothing comes after it, not even trailers.
    #[prost(bool, tag = "2")]
    pub end_of_stream: bool,
}

/// What becomes of a body or a piece of one.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct BodyMutation {
    /// The change.
    #[prost(oneof = "Mutation", tags = "1, 2, 3")]
    pub mutation: Option<Mutation>,
}

/// A change of a body or a piece of one.
#[derive(Clone, PartialEq, Eq, prost::Oneof)]
pub enum Mutation {
    /// These bytes stand in its place.
    #[prost(bytes = "bytes", tag = "1")]
    Body(Bytes),
    /// It goes.
    #[prost(bool, tag = "2")]
    ClearBody(bool),
    /// In full duplex, where pieces that go out are not those that came in.
    #[prost(message, tag = "3")]
    Streamed(StreamedBodyResponse),
}

/// A piece of a body that goes out in full duplex.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct StreamedBodyResponse {
    /// The bytes.
    #[prost(bytes = "bytes", tag = "1")]
    pub body: Bytes,
    /// It is the last piece.
    #[prost(bool, tag = "2")]
    pub end_of_stream: bool,
}
