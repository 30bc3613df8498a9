//! The body of a response that has an image made, as hyper asks for it: words and image are waited for side by side, and what is
//! known of either goes out at once. Whoever drops it takes both along.

use super::answer::Cut;
use super::draw::{Begun, Fetched, Head};
use crate::dispatch::{ApiError, Exchange, Made, Unfolding};
use crate::protocol::out::Out;
use crate::responding;
use crate::responses::store::StoreError;
use crate::responses::turn::Keep;
use crate::telemetry::metrics::ErrorReason;
use crate::upstream;
use bytes::Bytes;
use http::response;
use http_body::{Body, Frame};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::time::Instant;

/// From so many bytes on, what was written goes out before more is read.
const TOGETHER: usize = 8 * 1024;

/// What is waited for, and belongs to the request.
type Waiting<T> = Pin<Box<dyn Future<Output = T>>>;

/// A response on its way to the client.
pub(super) struct Unfold {
    unfolding: Unfolding,
    image: Option<Waiting<Fetched<Made>>>,
    words: Words,
    /// What was written and has not gone out yet.
    out: Out,
    exchange: Box<Exchange>,
    keep: Option<Box<Keep>>,
    state: State,
    deadline: Instant,
}

/// How far the words are.
#[allow(clippy::large_enum_variant, reason = "there is one, in a box")]
enum Words {
    /// All of them are there, or none are wanted.
    Over,
    Asked(Waiting<Fetched<Head>>),
    Coming(upstream::Body),
}

enum State {
    /// Something is still to come.
    Running,
    /// It is being stored; the client hears its end then.
    Storing(Waiting<Result<(), StoreError>>),
    /// What was written goes out, and then nothing more.
    Ended,
}

/// What is asked of backends.
pub(super) struct Fetching {
    pub(super) image: Option<Waiting<Fetched<Made>>>,
    pub(super) words: Option<Waiting<Fetched<Head>>>,
    pub(super) deadline: Instant,
}

impl std::fmt::Debug for Unfold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Unfold").field("unfolding", &self.unfolding).finish_non_exhaustive()
    }
}

impl Unfold {
    /// The head of the answer, and its body.
    pub(super) fn new(begun: Begun, keep: Option<Box<Keep>>, exchange: Box<Exchange>) -> (response::Parts, Unfold) {
        let Begun { head, unfolding, fetching: Fetching { image, words, deadline }, out } = begun;
        let words = words.map_or(Words::Over, Words::Asked);
        (head, Unfold { unfolding, image, words, out, exchange, keep, state: State::Running, deadline })
    }

    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Whether everything was handed over.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.state, State::Ended) && self.out.is_empty()
    }

    pub(super) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let polled = self.poll_further(cx);
        if let Some(bytes) = self.out.take() {
            self.exchange.sent(bytes.len());
            if self.is_over() {
                // hyper may not ask again.
                self.exchange.complete();
            }
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        ready!(polled);
        self.exchange.complete();
        Poll::Ready(None)
    }

    /// Takes what there is. Ready when enough was written, or nothing more will be.
    fn poll_further(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while !self.out.holds(TOGETHER) {
            match &mut self.state {
                State::Ended => break,
                State::Storing(storing) => {
                    let stored = ready!(storing.as_mut().poll(cx));
                    self.end(stored);
                }
                State::Running => {
                    if self.poll_image(cx).is_ready() || self.poll_words(cx).is_ready() {
                        continue;
                    }
                    // Behind the last words comes the end of their body, with which its connection is free again: where that
                    // is there, it was taken.
                    let Some(encoder) = self.unfolding.held() else { return Poll::Pending };
                    match self.keep.take() {
                        Some(keep) => self.state = State::Storing(Box::pin(keep.store(encoder))),
                        None => self.end(Ok(())),
                    }
                }
            }
        }
        Poll::Ready(())
    }

    /// Pending, too, where the image is there.
    fn poll_image(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(image) = &mut self.image else { return Poll::Pending };
        let Fetched { backend, attempts, came } = ready!(image.as_mut().poll(cx));
        self.image = None;
        if !self.unfolding.has_words() {
            self.exchange.tried(backend, attempts);
        }
        self.exchange.heard();
        self.unfolding.image(came, &mut self.exchange, &mut self.out);
        Poll::Ready(())
    }

    /// Pending, too, where all words are there.
    fn poll_words(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.words {
            Words::Over => return Poll::Pending,
            Words::Asked(asked) => {
                let Fetched { backend, attempts, came } = ready!(asked.as_mut().poll(cx));
                self.exchange.tried(backend, attempts);
                self.exchange.heard();
                self.words = match came {
                    Head::Stream(body) => Words::Coming(body),
                    Head::Whole(came) => {
                        self.unfolding.words(came, &mut self.out);
                        Words::Over
                    }
                };
            }
            Words::Coming(body) => {
                let broken = match ready!(Pin::new(body).poll_frame(cx)) {
                    Some(Ok(frame)) => {
                        if let Ok(data) = frame.into_data() {
                            self.exchange.came(&data, true);
                            self.unfolding.push_words(data, &mut self.out);
                        }
                        return Poll::Ready(());
                    }
                    None => None,
                    Some(Err(error)) => {
                        tracing::warn!(%error, cause = std::error::Error::source(&error), "answer cut off");
                        Some(ApiError::from(&error))
                    }
                };
                self.unfolding.end_words(broken.as_ref(), &mut self.out);
                self.words = Words::Over;
            }
        }
        Poll::Ready(())
    }

    /// Tells the end.
    fn end(&mut self, stored: Result<(), StoreError>) {
        self.state = State::Ended;
        self.unfolding.note(&mut self.exchange);
        if let Some(encoder) = self.unfolding.held() {
            responding::end(encoder, stored, &mut self.exchange, &mut self.out);
        }
    }
}

impl Drop for Unfold {
    /// The client has left, or is cut off for it does not read.
    fn drop(&mut self) {
        if matches!(self.state, State::Ended) {
            return;
        }
        if Instant::now() >= self.deadline {
            self.exchange.failed(ErrorReason::Timeout);
        }
        self.exchange.used(self.unfolding.usage());
    }
}
