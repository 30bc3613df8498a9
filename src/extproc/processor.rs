//! What the service asks: the seam between how Envoy asks and what it is told.

use super::grpc::{Code, Status};
use super::wire::{ProcessingRequest, ProcessingResponse};
use http::HeaderMap;
use std::time::Duration;

/// What knows HTTP requests.
pub trait Processor: 'static {
    /// One of them.
    type Exchange: Exchange;

    /// A request has come. What it is, its first message tells; `metadata` is what Envoy's configuration adds to each stream.
    fn begin(&self, metadata: &HeaderMap) -> Self::Exchange;
}

/// One HTTP request and its response, part by part. Dropped before its end, the client has left.
pub trait Exchange: 'static {
    /// A part has come. What becomes of it is added to `replies`: mostly one answer of the part's own kind, in full duplex
    /// any number.
    ///
    /// Dropped before its end, it took longer than it may, and [`refuse`](Self::refuse) comes next.
    fn part(
        &mut self,
        part: ProcessingRequest,
        replies: &mut Vec<ProcessingResponse>,
    ) -> impl Future<Output = Result<Flow, Status>>;

    /// How long the next part may take to come; `None`: as long as it takes.
    fn patience(&self) -> Option<Duration> {
        None
    }

    /// The next part did not come in that time. What becomes of the request then, as with a part; a client that is still
    /// sending is told.
    fn silence(&mut self, replies: &mut Vec<ProcessingResponse>) -> impl Future<Output = Result<Flow, Status>> {
        replies.push(self.refuse(Refusal::Silent));
        std::future::ready(Ok(Flow::End))
    }

    /// The request will be refused unheard. Its first part tells who asks, and for what.
    fn turned_away(&mut self, first: ProcessingRequest);

    /// The request cannot go on. What the client is told about it, in its own protocol.
    fn refuse(&mut self, why: Refusal) -> ProcessingResponse;
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// Further parts.
    Continue,
    /// Nothing: all is said.
    End,
}

/// Why a request cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// A part is longer than what is taken: 413.
    TooLarge {
        /// What is taken, in bytes.
        most: usize,
    },
    /// A part took too long to come, or to be answered: 504.
    TooSlow,
    /// The next part did not come in time: 408.
    Silent,
    /// More requests are under way than what is taken: 503.
    TooMany,
}

impl Refusal {
    /// For the one who asked, after what the client is told.
    pub(super) fn status(self) -> Status {
        match self {
            Refusal::TooLarge { most } => {
                Status::new(Code::ResourceExhausted, format!("the message is longer than {most} bytes"))
            }
            Refusal::Silent => Status::new(Code::DeadlineExceeded, "the rest of the request did not come"),
            Refusal::TooSlow => Status::new(Code::DeadlineExceeded, "it took too long"),
            Refusal::TooMany => Status::new(Code::ResourceExhausted, "too many requests are under way"),
        }
    }
}
