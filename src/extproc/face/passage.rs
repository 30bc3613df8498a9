//! The body of an answer on its way through, and what is stored of it before its end is told.

use super::Inner;
use crate::dispatch::{ApiError, Ending, Exchange, Passing, Whole};
use crate::protocol::out::Out;
use crate::protocol::splice::Chunks;
use crate::responding::{self, Behind};
use crate::responses::turn::Keep;
use bytes::Bytes;
use http::{Response, response};

/// A body on its way through.
#[derive(Debug)]
pub(super) struct Passage {
    passing: Passing,
    /// Of a response whose end was not told yet: what is stored of it, if it is.
    response: Option<Option<Box<Keep>>>,
}

impl Passage {
    pub(super) fn new(passing: Passing, behind: Option<Behind>) -> Self {
        Passage { passing, response: behind.map(Behind::into_keep) }
    }

    /// Takes bytes of the backend's answer. Returns them where they go by as they are, and else writes to `out`.
    pub(super) async fn push(
        &mut self,
        face: &Inner,
        piece: Bytes,
        exchange: &mut Exchange,
        out: &mut Out,
    ) -> Option<Bytes> {
        let by = self.passing.push(piece, out);
        self.end(face, exchange, out).await;
        by
    }

    /// The backend's body has ended.
    pub(super) async fn finish(&mut self, face: &Inner, exchange: &mut Exchange, out: &mut Out) -> Ending {
        let ending = self.passing.finish(None, exchange, out);
        self.end(face, exchange, out).await;
        ending
    }

    /// Once the answer has ended: stores the response, and then tells its end.
    async fn end(&mut self, face: &Inner, exchange: &mut Exchange, out: &mut Out) {
        let Some(encoder) = self.passing.held() else { return };
        let Some(keep) = self.response.take() else { return };
        let stored = match keep {
            Some(keep) => face.wait(Box::pin(keep.store(encoder))).await,
            None => Ok(()),
        };
        responding::end(encoder, stored, exchange, out);
    }

    /// Nothing more comes, be it that the client has left. Whether all had come that matters, as far as that can be told: a
    /// plain answer does not tell its end.
    pub(super) fn close(mut self, exchange: &mut Exchange) -> bool {
        let is_complete = self.passing.is_complete() && self.response.is_none();
        if is_complete || !self.passing.is_event_stream() {
            self.passing.finish(None, exchange, &mut Out::default());
        } else {
            self.passing.abandon(exchange);
        }
        is_complete
    }

    /// Whether this is a stream of events.
    pub(super) fn is_event_stream(&self) -> bool {
        self.passing.is_event_stream()
    }
}

impl Inner {
    /// Makes the client's answer of a backend's that is there as a whole.
    pub(super) async fn whole(
        &self,
        whole: Whole,
        head: response::Parts,
        body: &Bytes,
        behind: Option<Behind>,
        exchange: &mut Exchange,
    ) -> Result<Response<Bytes>, ApiError> {
        match behind {
            None => Ok(whole.finish(head, body, exchange)),
            Some(behind) => self.wait(Box::pin(behind.whole(whole, head, body, exchange))).await,
        }
    }
}

/// In one piece: without a copy where it is one.
pub(super) fn gathered(by: Option<Bytes>, rest: &mut Out) -> Bytes {
    let mut all = Chunks::default();
    by.into_iter().chain(std::iter::from_fn(|| rest.take())).for_each(|piece| all.push(piece));
    all.to_bytes()
}
