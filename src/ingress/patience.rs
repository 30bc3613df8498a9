//! How long a client may take with the head of a request, how long with an answer that it does not read, and how long it may
//! keep a connection without either.
//!
//! They must differ: a client that begins a head and does not end it is broken or hostile, while one that keeps an idle
//! connection does what HTTP/1.1 is for, and load balancers do so for a minute. There is one timer for a connection, and it is
//! not moved for every request: what is going on is noted in a cell, and looked at when the timer goes off. A timer for each
//! head, as hyper has it, would cost a small request several per cent.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// Idle connections are kept this long: longer than load balancers keep theirs (usually 60 s), so that it is never this side
/// that closes under a request.
const IDLE: Duration = Duration::from_secs(75);

/// A client that still listens when its request has taken too long is told so. Behind that, so much later at least, its connection
/// goes.
const GRACE: Duration = Duration::from_secs(1);

/// What a connection is doing.
#[derive(Debug, Clone, Copy)]
enum State {
    /// Between two requests since then.
    Idle(Instant),
    /// The first byte of a head came in then. So it is with a new connection, too: who connects has something to say.
    Head(Instant),
    /// A request is being read, or a backend asked; other bounds hold.
    Busy,
    /// The answer goes out, and must be over by then. The client may have stopped to read: nothing else is asked for then, and no
    /// other bound is looked at.
    Answering(Instant),
    /// The same, and all of it has been handed over. What the client does not take keeps it from being written.
    Writing(Instant),
}

/// What has taken too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exhausted {
    /// A request that does not come.
    Request,
    /// An answer that the client does not take.
    Answer,
}

/// What is going on at one connection.
#[derive(Debug)]
pub(super) struct Patience {
    state: Cell<State>,
    head: Duration,
}

/// Held while a request is being answered.
#[derive(Debug)]
pub(super) struct Busy(Rc<Patience>);

impl Patience {
    /// A connection that was just accepted. `head` bounds the time from a head's first byte to its last; behind another
    /// request it is checked now and then, so up to twice that may pass.
    pub(super) fn new(head: Duration) -> Rc<Self> {
        Rc::new(Patience { state: Cell::new(State::Head(Instant::now())), head })
    }

    /// Bytes came in.
    pub(super) fn received(&self) {
        if let State::Idle(_) = self.state.get() {
            self.state.set(State::Head(Instant::now()));
        }
    }

    /// All that was handed over is written.
    pub(super) fn flushed(&self) {
        if let State::Writing(_) = self.state.get() {
            self.state.set(State::Idle(Instant::now()));
        }
    }

    /// A head is complete.
    pub(super) fn begin(self: &Rc<Self>) -> Busy {
        self.state.set(State::Busy);
        Busy(Rc::clone(self))
    }

    /// Ends when the client has taken too long.
    pub(super) async fn exhausted(&self) -> Exhausted {
        loop {
            let now = Instant::now();
            let check = now + self.head;
            sleep_until(match self.state.get() {
                State::Idle(since) if since + IDLE <= now => return Exhausted::Request,
                State::Head(since) if since + self.head <= now => return Exhausted::Request,
                State::Answering(until) | State::Writing(until) if until + GRACE <= now => return Exhausted::Answer,
                State::Idle(since) => check.min(since + IDLE),
                State::Head(since) => since + self.head,
                State::Answering(until) | State::Writing(until) => check.min(until + GRACE),
                State::Busy => check,
            })
            .await;
        }
    }
}

impl Busy {
    /// The answer begins, and must be over by then.
    pub(super) fn until(&self, deadline: Instant) {
        self.0.state.set(State::Answering(deadline));
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.state.set(match self.0.state.get() {
            State::Answering(until) => State::Writing(until),
            _ => State::Idle(Instant::now()),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: Duration = Duration::from_secs(10);

    /// Seconds until patience is exhausted.
    async fn exhausted(patience: &Patience) -> u64 {
        let began = Instant::now();
        patience.exhausted().await;
        began.elapsed().as_secs()
    }

    fn idle() -> Rc<Patience> {
        let patience = Patience::new(HEAD);
        drop(patience.begin());
        patience
    }

    #[tokio::test(start_paused = true)]
    async fn who_connects_has_something_to_say() {
        assert_eq!(exhausted(&Patience::new(HEAD)).await, HEAD.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_connection_may_stay() {
        assert_eq!(exhausted(&idle()).await, IDLE.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_must_be_complete_soon() {
        let patience = idle();
        patience.received();
        assert_eq!(exhausted(&patience).await, HEAD.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn more_bytes_of_a_head_give_no_more_time() {
        let patience = idle();
        patience.received();
        tokio::time::advance(Duration::from_secs(9)).await;
        patience.received();
        assert_eq!(exhausted(&patience).await, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_is_bounded_elsewhere() {
        let patience = idle();
        patience.received();
        let busy = patience.begin();
        let long = tokio::time::timeout(Duration::from_secs(3600), patience.exhausted());
        assert!(long.await.is_err());
        drop(busy);
        assert_eq!(exhausted(&patience).await, IDLE.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_must_be_over_in_time() {
        let patience = idle();
        let busy = patience.begin();
        busy.until(Instant::now() + Duration::from_secs(300));
        // That one was written says nothing about the next.
        patience.flushed();
        let until = Instant::now() + Duration::from_secs(301);
        assert_eq!(patience.exhausted().await, Exhausted::Answer);
        assert_eq!(Instant::now(), until);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_not_over_before_it_is_written() {
        let patience = idle();
        let busy = patience.begin();
        busy.until(Instant::now() + Duration::from_secs(300));
        drop(busy);
        let early = tokio::time::timeout(2 * IDLE, patience.exhausted());
        assert!(early.await.is_err(), "an idle connection would be closed by now");
        patience.flushed();
        assert_eq!(exhausted(&patience).await, IDLE.as_secs());

        patience.begin().until(Instant::now() + Duration::from_secs(300));
        assert_eq!(patience.exhausted().await, Exhausted::Answer);
    }

    #[tokio::test(start_paused = true)]
    async fn a_timer_that_was_set_before_the_answer_began() {
        let patience = idle();
        let busy = patience.begin();
        let began = Instant::now();
        let (end, ()) = tokio::join!(patience.exhausted(), async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            busy.until(began + Duration::from_secs(2));
        });
        assert_eq!((end, began.elapsed()), (Exhausted::Answer, HEAD));
    }
}
