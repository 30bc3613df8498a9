//! What goes over the socket of a connection, both ways at once: while something is written that the client does not take yet,
//! what it says is heard all the same, so that neither side waits for the other.
//!
//! It knows messages, and nothing of what they ask for.

use super::super::linger::Lent;
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::sync::{Semaphore, mpsc};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};

/// So many messages wait to be sent. With more, backends wait.
const OUTGOING: usize = 32;

/// And so many bytes of them. A message that has more waits alone.
const ROOM: u32 = 256 * 1024;

/// What is said without a backend that could wait, such as answers to pings, may have so many bytes before all of it is
/// written. With more, the client is not heard any more.
const OWED: usize = 64 * 1024;

/// A frame has about so many bytes beside what it says.
const FRAME: usize = 8;

/// Nothing more can be said.
#[derive(Debug)]
pub(super) struct Gone;

/// What [`Line::poll`] has come to.
pub(super) enum Event {
    Heard(Result<Message, Error>),
    /// The client has left.
    Left,
    /// All that was said is written.
    Written,
}

/// Where messages to the client are put.
#[derive(Debug)]
pub(super) struct Out {
    messages: mpsc::Sender<Bytes>,
    room: Arc<Semaphore>,
}

/// The socket, and what waits to be sent over it.
pub(super) struct Line {
    pub(super) socket: WebSocketStream<Lent>,
    outgoing: mpsc::Receiver<Bytes>,
    room: Arc<Semaphore>,
    /// Something was handed over and is not written yet.
    writing: bool,
    /// Of that, what nobody had to wait for.
    owed: usize,
    seen: Seen,
}

/// How many bytes had gone over the socket when it was last looked at, and how often it was in vain.
#[derive(Debug, Default)]
struct Seen {
    read: u64,
    written: u64,
    silent: u32,
    stuck: u32,
}

impl Out {
    /// Waits until there is room for the message.
    pub(super) async fn send(&self, message: Bytes) -> Result<(), Gone> {
        let room = self.room.acquire_many(weight(&message)).await.map_err(|_| Gone)?;
        self.messages.send(message).await.map_err(|_| Gone)?;
        // It comes back when the message is handed over to the socket.
        room.forget();
        Ok(())
    }
}

impl Line {
    pub(super) fn new(socket: WebSocketStream<Lent>) -> (Line, Out) {
        let (messages, outgoing) = mpsc::channel(OUTGOING);
        let room = Arc::new(Semaphore::new(ROOM as usize));
        let out = Out { messages, room: Arc::clone(&room) };
        (Line { socket, outgoing, room, writing: false, owed: 0, seen: Seen::default() }, out)
    }

    /// Writes what there is to be written, until the client says something; or, when that is waited for, until all is written.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, to_the_end: bool) -> Poll<Result<Event, Gone>> {
        self.poll_write(cx)?;
        if to_the_end && self.is_idle() {
            return Poll::Ready(Ok(Event::Written));
        }
        if self.owed >= OWED {
            return Poll::Pending;
        }
        let heard = self.socket.poll_next_unpin(cx);
        if let Poll::Ready(Some(Ok(Message::Ping(payload)))) = &heard {
            self.owe(payload.len());
        }
        heard.map(|heard| Ok(heard.map_or(Event::Left, Event::Heard)))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Result<(), Gone> {
        while let Poll::Ready(ready) = self.socket.poll_ready_unpin(cx) {
            ready.map_err(|_| Gone)?;
            let Poll::Ready(Some(message)) = self.outgoing.poll_recv(cx) else { break };
            self.room.add_permits(weight(&message) as usize);
            self.hand_over(Message::Text(text(&message)))?;
        }
        if self.writing
            && let Poll::Ready(flushed) = self.socket.poll_flush_unpin(cx)
        {
            flushed.map_err(|_| Gone)?;
            (self.writing, self.owed) = (false, 0);
        }
        Ok(())
    }

    /// Says something at once.
    pub(super) fn say(&mut self, message: &Bytes) -> Result<(), Gone> {
        self.owe(message.len());
        self.hand_over(Message::Text(text(message)))
    }

    /// Asks whether the client is there. Where it has still to take what was said before, that tells as much.
    pub(super) fn ping(&mut self) -> Result<(), Gone> {
        if self.writing { Ok(()) } else { self.hand_over(Message::Ping(Bytes::new())) }
    }

    /// Looks how often in a row nothing was heard, or nothing taken of what waits to be.
    pub(super) fn idled(&mut self) -> u32 {
        let (read, written) = self.socket.get_ref().moved();
        let seen = &mut self.seen;
        seen.silent = if read == seen.read { seen.silent + 1 } else { 0 };
        seen.stuck = if self.writing && written == seen.written { seen.stuck + 1 } else { 0 };
        (seen.read, seen.written) = (read, written);
        // Who is not heard is not silent.
        if self.owed >= OWED { seen.stuck } else { seen.stuck.max(seen.silent) }
    }

    /// Whether all that was said is written.
    pub(super) fn is_idle(&self) -> bool {
        self.outgoing.is_empty() && !self.writing
    }

    fn owe(&mut self, bytes: usize) {
        self.owed += bytes + FRAME;
        self.writing = true;
    }

    fn hand_over(&mut self, message: Message) -> Result<(), Gone> {
        self.writing = true;
        self.socket.start_send_unpin(message).map_err(|_| Gone)
    }
}

/// What a message takes of the room.
fn weight(message: &Bytes) -> u32 {
    u32::try_from(message.len()).unwrap_or(ROOM).min(ROOM)
}

/// A message of text. What a backend said that is no UTF-8 is made so.
fn text(message: &Bytes) -> Utf8Bytes {
    Utf8Bytes::try_from(message.clone()).unwrap_or_else(|_| String::from_utf8_lossy(message).into_owned().into())
}
