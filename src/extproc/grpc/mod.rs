//! gRPC over hyper's HTTP/2, as little of it as a server needs: messages with their five bytes before them, and a status in
//! the trailers.
//!
//! By hand, because what answers here lives on the runtime of one core and is not `Send`: tonic boxes what it is given as
//! `Send`, so that every message would have to pass a channel to a task of its own. It knows no service.

mod decoder;
mod reply;
mod requests;
mod status;

pub use decoder::{Decoder, FrameError};
pub(super) use reply::{Replies, Reply};
pub use requests::{Broken, Requests};
pub use status::{Code, Status};

/// The content type of every gRPC message.
pub const CONTENT_TYPE: &str = "application/grpc";
