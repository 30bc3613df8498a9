//! The Responses API over a WebSocket: what a client's message asks for, and a response's events as messages.
//!
//! It knows neither connections nor frames.

use super::request::Request;
use crate::protocol::view::{Object, Path, RequestError, View};
use crate::table::UnsupportedTools;
use bytes::{Buf, Bytes, BytesMut};
use memchr::memmem;

/// What a message asks for beside the response: `response.create`, the only sort that there is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Create {
    /// `stream_id`: requests with the same one are answered one after the other.
    pub lane: Option<String>,
    /// `generate`: a request that is not answered only becomes something to go on from.
    pub generate: bool,
    /// `previous_response_id`
    pub previous: Option<String>,
}

/// Why a message is no such request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotCreate {
    /// What is wrong.
    pub error: RequestError,
    /// For programs.
    pub code: Option<&'static str>,
    /// Whose it would have been, where that can be read.
    pub lane: Option<String>,
}

/// Members that a body which is posted does not have.
const OWN: [&str; 3] = ["type", "stream_id", "generate"];

/// Most characters of a `stream_id`.
const MAX_LANE: usize = 256;

impl Create {
    /// Reads a message, but not the request in it.
    pub fn read(message: &Bytes) -> Result<Create, NotCreate> {
        let mut object = View::of(message).map_err(NotCreate::from)?.members();
        let root = Path::Root;
        let lane = match object.take("stream_id") {
            None => None,
            Some(view) => Some(read_lane(&view).ok_or_else(|| NotCreate {
                error: root.key("stream_id").refuse(format_args!(
                    "must be a string of 1 to {MAX_LANE} letters, digits, underscores, hyphens and periods"
                )),
                code: Some("invalid_stream_id"),
                lane: None,
            })?),
        };
        Self::of(&mut object, lane.clone()).map_err(|error| NotCreate { lane, ..error.into() })
    }

    fn of(object: &mut Object<'_>, lane: Option<String>) -> Result<Create, RequestError> {
        let root = Path::Root;
        let kind = object.take_word("type", &root)?;
        if kind != "response.create" {
            let kind: String = kind.chars().take(64).collect();
            return Err(root.key("type").refuse(format_args!("must be `response.create`, got `{kind}`")));
        }
        let at = root.key("generate");
        let generate = object.take("generate").map(|view| view.expect_bool(&at)).transpose()?;
        let previous = object.take_word("previous_response_id", &root)?.into_owned();
        Ok(Create { lane, generate: generate != Some(false), previous: (!previous.is_empty()).then_some(previous) })
    }
}

fn read_lane(view: &View<'_>) -> Option<String> {
    let lane = view.string()?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    ((1..=MAX_LANE).contains(&lane.len()) && lane.chars().all(is_plain)).then(|| lane.into_owned())
}

impl From<RequestError> for NotCreate {
    fn from(error: RequestError) -> Self {
        NotCreate { error, code: None, lane: None }
    }
}

impl<'a> Request<'a> {
    /// Reads the request in a message. It is always streamed, so what it says of that does not count.
    pub fn in_message(message: &'a Bytes, unsupported: UnsupportedTools) -> Result<Request<'a>, RequestError> {
        let mut object = View::of(message)?.members();
        for key in OWN.into_iter().chain(["stream"]) {
            object.take(key);
        }
        Ok(Request { stream: true, ..Request::of(object, unsupported)? })
    }
}

/// Takes a stream apart that the router has written, an event a message.
#[derive(Debug, Default)]
pub struct Messages {
    lane: Option<String>,
    rest: BytesMut,
    /// So much of it has no end of an event.
    searched: usize,
    failed: bool,
}

impl Messages {
    /// Of a response in this lane.
    #[must_use]
    pub fn new(lane: Option<String>) -> Messages {
        Messages { lane, ..Messages::default() }
    }

    /// Takes a piece of the stream.
    pub fn push(&mut self, piece: &[u8]) {
        self.rest.extend_from_slice(piece);
    }

    /// Whether the response has failed.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.failed
    }
}

impl Iterator for Messages {
    type Item = Bytes;

    /// The next message, if all of it is there already.
    fn next(&mut self) -> Option<Bytes> {
        loop {
            let Some(found) = memmem::find(&self.rest[self.searched..], b"\n\n") else {
                self.searched = self.rest.len().saturating_sub(1);
                return None;
            };
            let mut event = self.rest.split_to(self.searched + found);
            self.rest.advance(2);
            self.searched = 0;
            let Some(data) = memmem::find(&event, b"data: ") else { continue };
            self.failed |= event.starts_with(b"event: response.failed\n");
            event.advance(data + b"data: ".len());
            if event.starts_with(b"{") {
                return Some(in_lane(event.freeze(), self.lane.as_deref()));
            }
        }
    }
}

/// Names the lane in an event.
fn in_lane(event: Bytes, lane: Option<&str>) -> Bytes {
    let Some(lane) = lane else { return event };
    [br#"{"stream_id":""#, lane.as_bytes(), b"\",", &event[1..]].concat().into()
}

/// The message that a request has failed: an error as the API answers it, with its status.
#[must_use]
pub fn error_message(status: u16, body: &[u8], lane: Option<&str>) -> Bytes {
    let head = format!(r#"{{"type":"error","status":{status},"#);
    in_lane([head.as_bytes(), body.get(1..).unwrap_or_default()].concat().into(), lane)
}

#[cfg(test)]
#[path = "socket_tests.rs"]
mod tests;
