//! In which ways bodies come, as Envoy is configured, and how to ask for another way.

use crate::extproc::wire::{BodySendMode, HeaderSendMode, ProcessingMode, ProtocolConfiguration};
use std::time::Duration;

/// A body that comes in pieces and is complete by itself has ended when nothing has come for so long: where it has trailers
/// that Envoy does not send, nothing else tells.
pub(super) const PAUSE: Duration = Duration::from_millis(50);

/// Bodies that are held may come in so many pieces: each one is answered, when all are there.
pub(super) const MAX_PIECES: usize = 1 << 16;

/// How a body comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Delivery {
    /// In one message; the head waits for it.
    Whole,
    /// In pieces, each of which is answered before the next one is sent. The head may be answered after them.
    Pieces,
    /// In pieces that come and go independently of each other.
    Duplex,
    /// Not at all, or in a way in which the head has to be answered before what stands in the body is known.
    Unusable(BodySendMode),
}

/// How the bodies of an exchange come.
#[derive(Debug, Clone, Copy)]
pub(super) struct Modes {
    pub(super) request: Delivery,
    pub(super) response: Delivery,
}

impl Modes {
    /// As the first message of a stream tells. Versions of Envoy that do not tell send bodies whole, or say why not.
    pub(super) fn of(config: Option<ProtocolConfiguration>) -> Modes {
        let Some(config) = config else { return Modes { request: Delivery::Whole, response: Delivery::Whole } };
        let delivery = |mode: i32| match BodySendMode::try_from(mode).unwrap_or(BodySendMode::None) {
            BodySendMode::Buffered => Delivery::Whole,
            BodySendMode::FullDuplexStreamed => Delivery::Duplex,
            BodySendMode::Streamed if config.send_body_without_waiting_for_header_response => Delivery::Pieces,
            other => Delivery::Unusable(other),
        };
        Modes { request: delivery(config.request_body_mode), response: delivery(config.response_body_mode) }
    }
}

/// Asks for request bodies in one message.
pub(super) fn whole_request() -> ProcessingMode {
    ProcessingMode { request_body_mode: BodySendMode::Buffered as i32, ..sent() }
}

/// Asks for the body of this response in one message.
pub(super) fn whole_response() -> ProcessingMode {
    ProcessingMode { response_body_mode: BodySendMode::Buffered as i32, ..sent() }
}

/// Asks for the body of this response in pieces, as they come, and for its trailers: where there are any, nothing else tells
/// its end.
pub(super) fn response_in_pieces() -> ProcessingMode {
    ProcessingMode {
        response_body_mode: BodySendMode::Streamed as i32,
        response_trailer_mode: HeaderSendMode::Send as i32,
        ..sent()
    }
}

/// What is overridden is overridden as a whole, so what there is needs to be said again.
fn sent() -> ProcessingMode {
    ProcessingMode {
        request_header_mode: HeaderSendMode::Send as i32,
        response_header_mode: HeaderSendMode::Send as i32,
        request_body_mode: BodySendMode::None as i32,
        response_body_mode: BodySendMode::Buffered as i32,
        request_trailer_mode: HeaderSendMode::Skip as i32,
        response_trailer_mode: HeaderSendMode::Skip as i32,
    }
}
