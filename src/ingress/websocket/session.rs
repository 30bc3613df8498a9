//! A connection that has become a WebSocket: messages come in and go out until one side ends it.
//!
//! It ends when the client leaves, which ends what is being answered, too; when the client is silent to pings; when it is as
//! old as it may get; and when the router stops. In the last two cases what was asked before is answered first.

use super::super::Ingress;
use super::super::linger::Lent;
use super::Opened;
use super::lanes::{Full, Lanes};
use super::line::{Event, Gone, Line};
use super::task::{self, Job, Link};
use crate::dispatch::ApiError;
use crate::responses::recent::Recent;
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use std::future::poll_fn;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

/// A connection may get this old, as with OpenAI.
const LIFETIME: Duration = Duration::from_secs(60 * 60);

/// Clients are pinged this often, which also keeps load balancers from closing a connection that is used from time to time.
const PING: Duration = Duration::from_secs(30);

/// A client of which no byte has come at so many pings, not even that it is there, is gone. So is one that has taken nothing of
/// what was said to it.
const SILENT_PINGS: u32 = 3;

/// A client may take so long to agree that the connection ends.
const FAREWELL: Duration = Duration::from_secs(2);

/// Messages up to this size are collected before they are sent.
const WRITE_BUFFER: usize = 16 * 1024;

/// What is asked while this is so is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Old,
    Stopping,
}

impl Ending {
    fn error(self) -> ApiError {
        match self {
            Ending::Old => task::too_old(),
            Ending::Stopping => task::stopping(),
        }
    }
}

struct Session {
    line: Line,
    link: Rc<Link>,
    lanes: Lanes<Job>,
    /// Ends with the connection.
    answering: JoinSet<Option<String>>,
    ending: Option<Ending>,
}

/// Answers what is asked on a connection until it ends.
pub(in super::super) async fn converse(
    stream: Lent,
    early: Bytes,
    ingress: Rc<Ingress>,
    opened: Opened,
    stopping: watch::Receiver<bool>,
) {
    let limit = usize::try_from(ingress.tables.limits.max_body_bytes).unwrap_or(usize::MAX);
    let config = WebSocketConfig::default()
        .max_message_size(Some(limit))
        .max_frame_size(Some(limit))
        .write_buffer_size(WRITE_BUFFER);
    let socket = WebSocketStream::from_partially_read(stream, early.into(), Role::Server, Some(config)).await;
    let (line, out) = Line::new(socket);
    let recent = Recent::new(&ingress.remembered);
    let link = Rc::new(Link { ingress, opened, recent, out });
    let lanes = Lanes::new(limit);
    let session = Session { line, link, lanes, answering: JoinSet::new(), ending: None };
    // That it is gone is all there is to know.
    let _ = session.run(stopping).await;
}

impl Session {
    async fn run(mut self, mut stopping: watch::Receiver<bool>) -> Result<(), Gone> {
        let end = Instant::now() + LIFETIME;
        let mut ping = interval_at(Instant::now() + PING, PING);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let is_last = self.ending.is_some() && self.lanes.is_idle();
            if let Some(ending) = self.ending
                && is_last
                && self.line.is_idle()
            {
                return self.part(ending).await;
            }
            tokio::select! {
                event = poll_fn(|cx| self.line.poll(cx, is_last)) => match event? {
                    Event::Left => return Err(Gone),
                    Event::Heard(message) => self.hear(message).await?,
                    Event::Written => {}
                },
                Some(answered) = self.answering.join_next() => {
                    let Ok(lane) = answered else { return self.close(CloseCode::Error, "").await };
                    self.lanes.done(lane.as_deref());
                    self.begin();
                }
                _ = ping.tick() => {
                    if self.line.idled() == SILENT_PINGS {
                        return Err(Gone);
                    }
                    self.line.ping()?;
                }
                () = sleep_until(end), if self.ending.is_none() => self.ending = Some(Ending::Old),
                _ = stopping.wait_for(|stopping| *stopping), if self.ending != Some(Ending::Stopping) => {
                    self.ending = Some(Ending::Stopping);
                }
            }
        }
    }

    async fn hear(&mut self, message: Result<Message, Error>) -> Result<(), Gone> {
        match message {
            Ok(Message::Text(text)) => self.ask(Job::new(text.into())),
            Ok(Message::Binary(_)) => self.line.say(&self.link.refuse(&task::no_text(), None)),
            // Pings are answered further down.
            Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => Ok(()),
            Ok(Message::Close(_)) => {
                // The answer to it was made further down, and goes out with this.
                let _ = timeout(FAREWELL, self.line.socket.flush()).await;
                Err(Gone)
            }
            Err(error) => {
                tracing::debug!(%error, "a client broke the WebSocket protocol, or left");
                let (code, reason) = match error {
                    Error::Capacity(_) => (CloseCode::Size, "the message is too large"),
                    Error::Utf8(_) => (CloseCode::Invalid, "the message is not UTF-8"),
                    Error::Protocol(_) => (CloseCode::Protocol, ""),
                    _ => return Err(Gone),
                };
                let close = self.line.socket.close(Some(CloseFrame { code, reason: reason.into() }));
                let _ = timeout(FAREWELL, close).await;
                Err(Gone)
            }
        }
    }

    fn ask(&mut self, job: Job) -> Result<(), Gone> {
        if let Some(ending) = self.ending {
            return self.line.say(&self.link.refuse(&ending.error(), Some(&job)));
        }
        match self.lanes.push(job) {
            Ok(()) => self.begin(),
            Err((full, job)) => {
                let error = match full {
                    Full::Lanes => task::too_many_lanes(),
                    Full::Waiting => task::queue_full(),
                };
                self.line.say(&self.link.refuse(&error, Some(&job)))?;
            }
        }
        Ok(())
    }

    /// Begins to answer what may be answered now.
    fn begin(&mut self) {
        while let Some(job) = self.lanes.next() {
            self.answering.spawn_local(Rc::clone(&self.link).answer(job));
        }
    }

    /// Ends the connection from this side.
    async fn part(&mut self, ending: Ending) -> Result<(), Gone> {
        if ending == Ending::Old {
            self.line.say(&self.link.refuse(&ending.error(), None))?;
        }
        self.close(
            CloseCode::Away,
            match ending {
                Ending::Old => "the connection is too old",
                Ending::Stopping => "the router is being stopped",
            },
        )
        .await
    }

    async fn close(&mut self, code: CloseCode, reason: &'static str) -> Result<(), Gone> {
        let socket = &mut self.line.socket;
        let agreed = async {
            socket.send(Message::Close(Some(CloseFrame { code, reason: reason.into() }))).await.map_err(|_| Gone)?;
            // Until the client agrees.
            while let Some(Ok(_)) = socket.next().await {}
            Ok(())
        };
        timeout(FAREWELL, agreed).await.map_err(|_| Gone)?
    }
}
