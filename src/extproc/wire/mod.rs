//! The messages of Envoy's external processing service, and of gRPC's health service: those parts that are used.
//!
//! Their numbers and types are facts of public APIs. Fields that nobody here reads are not declared and are skipped when
//! they come. Bodies and headers are `Bytes`: they share the buffer that the network filled. Text is declared as bytes
//! where it may be anything, which looks the same on the wire and needs neither a copy nor a check.
//!
//! Nothing in here knows what the messages are for.

mod body;
mod headers;
pub mod health;
mod mode;
mod request;
mod response;

pub use body::{BodyMutation, HttpBody, Mutation, StreamedBodyResponse};
pub use headers::{AppendAction, HeaderMap, HeaderMutation, HeaderValue, HeaderValueOption, HttpHeaders, HttpTrailers};
pub use mode::{BodySendMode, HeaderSendMode, ProcessingMode};
pub use request::{ProcessingRequest, ProtocolConfiguration, Request};
pub use response::{
    BodyResponse, CommonResponse, GrpcStatus, HeadersResponse, HttpStatus, ImmediateResponse, ProcessingResponse,
    Response, ResponseStatus, TrailersResponse,
};
