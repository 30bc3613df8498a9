//! The least that an external processor on plain hyper can be: what Envoy's wait for the router is measured against.
//!
//! One single-threaded runtime. Each message is answered at once with "go on", without being looked at: all that is read of it
//! is which part of a request or an answer it tells of. No channel and no task lies between a message and its answer.

use bytes::Bytes;
use hardwire_compare::flags::{self, Failure};
use http_body::{Body, Frame};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use hyper::rt::Executor;
use hyper::server::conn::http2;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, LocalOptions};

/// Whether a message is compressed, and its length.
const PREFIX: usize = 5;

/// The parts of a request and its answer are the fields 2 to 7 of a `ProcessingRequest`. What is said of them, the fields 1 to 6
/// of a `ProcessingResponse`, says that nothing is to be changed where it is empty.
static ANSWERS: [[u8; PREFIX + 2]; 6] =
    [answer_in(1), answer_in(2), answer_in(3), answer_in(4), answer_in(5), answer_in(6)];

const fn answer_in(field: u8) -> [u8; PREFIX + 2] {
    [0, 0, 0, 0, 2, field << 3 | 2, 0]
}

/// The messages of a stream on their way in, and answers on their way out.
struct Conversation {
    body: Incoming,
    /// What has come and was not answered yet.
    came: Vec<u8>,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Running,
    /// All is answered; the status is not told yet.
    Ending,
    Over,
}

impl Conversation {
    /// The answer to the next message, where all of that is there.
    fn answer(&mut self) -> Option<Bytes> {
        let length: [u8; 4] = self.came.get(1..PREFIX)?.try_into().ok()?;
        let end = PREFIX + usize::try_from(u32::from_be_bytes(length)).ok()?;
        let part = part(self.came.get(PREFIX..end)?)?;
        self.came.drain(..end);
        ANSWERS.get(usize::from(part - 2)).map(|answer| Bytes::from_static(answer))
    }
}

/// Which of its fields 2 to 7 a message has. Others, of which some may stand before it, are jumped over.
fn part(message: &[u8]) -> Option<u8> {
    let mut at = 0;
    while at < message.len() {
        let tag = varint(message, &mut at)?;
        match (tag >> 3, tag & 7) {
            (field @ 2..=7, 2) => return u8::try_from(field).ok(),
            (_, 0) => _ = varint(message, &mut at)?,
            (_, 2) => at += usize::try_from(varint(message, &mut at)?).ok()?,
            _ => return None,
        }
    }
    None
}

fn varint(message: &[u8], at: &mut usize) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = *message.get(*at)?;
        *at += 1;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

impl Body for Conversation {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        loop {
            match self.state {
                State::Over => return Poll::Ready(None),
                State::Ending => {
                    self.state = State::Over;
                    let status = (HeaderName::from_static("grpc-status"), HeaderValue::from_static("0"));
                    return Poll::Ready(Some(Ok(Frame::trailers(HeaderMap::from_iter([status])))));
                }
                State::Running => {}
            }
            if let Some(answer) = self.answer() {
                return Poll::Ready(Some(Ok(Frame::data(answer))));
            }
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => self.came.extend(frame.into_data().unwrap_or_default()),
                // Envoy has left, or has said everything.
                Some(Err(_)) => self.state = State::Over,
                None => self.state = State::Ending,
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.state == State::Over
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Conversation>, Infallible> {
    let body = Conversation { body: request.into_body(), came: Vec::new(), state: State::Running };
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    Ok(response)
}

/// Runs what hyper needs to run beside a connection.
#[derive(Clone, Copy)]
struct Local;

impl<F: Future<Output = ()> + 'static> Executor<F> for Local {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}

fn main() -> Result<(), Failure> {
    let mut listen = String::from("127.0.0.1:50051");
    let mut parser = lexopt::Parser::from_env();
    while let Some(arg) = parser.next()? {
        match arg {
            lexopt::Arg::Long("listen") => listen = flags::value(&mut parser)?,
            _ => return Err(arg.unexpected().into()),
        }
    }
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    runtime.block_on(async {
        let listener = TcpListener::bind(&listen).await?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let service = hyper::service::service_fn(answer);
            let connection = http2::Builder::new(Local).serve_connection(TokioIo::new(stream), service);
            tokio::task::spawn_local(async move {
                // The access log of Envoy tells what goes wrong.
                let _ = connection.await;
            });
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_part_is_found_wherever_it_stands() {
        assert_eq!(part(&[0x12, 0]), Some(2));
        assert_eq!(part(&[0x2a, 3, 1, 2, 3, 0x50, 1]), Some(5));
        // Behind a field 11 of two bytes and a field 10.
        assert_eq!(part(&[0x5a, 2, 0x12, 0, 0x50, 0x80, 1, 0x22, 0x80, 1]), Some(4));
        for nothing in [&[][..], &[0x50, 1], &[0x12 | 0x80], &[0x5a, 200], &[0x11, 0, 0, 0, 0, 0, 0, 0, 0]] {
            assert_eq!(part(nothing), None, "{nothing:?}");
        }
    }
}
