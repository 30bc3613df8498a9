//! The messages of a caller, one after the other.

use super::decoder::{Decoder, FrameError};
use super::{Code, Status};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use std::time::Duration;
use tokio::time::{Instant, timeout, timeout_at};

/// The messages of a caller.
#[derive(Debug)]
pub struct Requests {
    body: Incoming,
    decoder: Decoder,
    /// A message that has begun must be complete within this time.
    patience: Duration,
}

/// Why there are no more messages, if not because the caller has none.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// What comes is no message that is taken.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// A message has begun and does not go on.
    #[error("a message took too long to come")]
    Slow,
    /// The caller ended within a message.
    #[error("the caller ended within a message")]
    Cut,
    /// The caller has left.
    #[error("the caller has left: {0}")]
    Gone(#[from] hyper::Error),
    /// A message is not what the service takes.
    #[error("a message cannot be read: {0}")]
    Undecodable(#[from] prost::DecodeError),
}

impl Requests {
    pub(in crate::extproc) fn new(body: Incoming, most: usize, patience: Duration) -> Self {
        Requests { body, decoder: Decoder::new(most), patience }
    }

    /// The next message; `None` when the caller has no more. Waits for its beginning as long as the caller is there.
    ///
    /// # Errors
    /// Nothing more can be read.
    pub async fn next<M: prost::Message + Default>(&mut self) -> Result<Option<M>, Broken> {
        let message = self.next_bytes().await?;
        Ok(message.map(M::decode).transpose()?)
    }

    /// The one message of a caller who has but one, and should have it ready.
    ///
    /// # Errors
    /// It does not come, or cannot be read.
    pub async fn only<M: prost::Message + Default>(&mut self) -> Result<Option<M>, Broken> {
        timeout(self.patience, self.next()).await.map_err(|_| Broken::Slow)?
    }

    async fn next_bytes(&mut self) -> Result<Option<Bytes>, Broken> {
        let mut deadline = None;
        loop {
            if let Some(message) = self.decoder.decode()? {
                return Ok(Some(message));
            }
            let is_within = self.decoder.is_within();
            let frame = if is_within {
                let deadline = *deadline.get_or_insert_with(|| Instant::now() + self.patience);
                timeout_at(deadline, self.body.frame()).await.map_err(|_| Broken::Slow)?
            } else {
                self.body.frame().await
            };
            match frame.transpose()?.map(http_body::Frame::into_data) {
                Some(Ok(piece)) => self.decoder.push(piece),
                // Trailers are nothing that a caller of gRPC sends.
                Some(Err(_)) => (),
                None if is_within => return Err(Broken::Cut),
                None => return Ok(None),
            }
        }
    }
}

impl From<Broken> for Status {
    fn from(broken: Broken) -> Status {
        let code = match &broken {
            Broken::Frame(FrameError::TooLarge { .. }) => Code::ResourceExhausted,
            Broken::Frame(FrameError::Compressed) => Code::Unimplemented,
            Broken::Slow => Code::DeadlineExceeded,
            Broken::Cut | Broken::Undecodable(_) => Code::InvalidArgument,
            Broken::Gone(_) => Code::Cancelled,
        };
        Status::new(code, broken.to_string())
    }
}
