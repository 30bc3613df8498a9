//! A chat completions backend that costs next to nothing: it reads a request to its end and sends bytes that were made
//! at start. What the answer looks like is asked for in the request's body; see `chat::Kind`.

use hardwire_compare::chat::{self, Kind};
use hardwire_compare::flags::{self, Failure};
use hardwire_compare::wire::{Side, Wire};
use std::rc::Rc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, LocalOptions};

/// Every answer, framed and ready to be written.
struct Answers {
    plain: Vec<u8>,
    chat: Stream,
    messages: Stream,
}

/// A streamed answer.
struct Stream {
    head: &'static [u8],
    /// One HTTP chunk per event.
    chunks: Vec<Vec<u8>>,
    /// The whole response.
    burst: Vec<u8>,
}

const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

impl Answers {
    fn new() -> Self {
        let body = chat::plain_answer();
        let head =
            format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
        let plain = [head.as_bytes(), &body].concat();
        Self { plain, chat: Stream::of(&chat::events()), messages: Stream::of(&chat::message_events()) }
    }

    async fn send(&self, wire: &mut Wire, kind: Kind, is_messages: bool) -> Result<(), Failure> {
        let stream = if is_messages { &self.messages } else { &self.chat };
        match kind {
            Kind::Plain => wire.write(&self.plain).await?,
            Kind::Burst => wire.write(&stream.burst).await?,
            Kind::Writes | Kind::Paced(_) => {
                let mut tick = match kind {
                    Kind::Paced(ms) => Some(tokio::time::interval(Duration::from_millis(ms.max(1)))),
                    _ => None,
                };
                wire.write(stream.head).await?;
                for chunk in &stream.chunks {
                    if let Some(tick) = &mut tick {
                        tick.tick().await;
                    }
                    wire.write(chunk).await?;
                }
                wire.write(LAST_CHUNK).await?;
            }
        }
        Ok(())
    }
}

impl Stream {
    fn of(events: &[Vec<u8>]) -> Self {
        let head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-cache\r\n\
            transfer-encoding: chunked\r\n\r\n";
        let framed = |event: &Vec<u8>| [format!("{:x}\r\n", event.len()).as_bytes(), event, b"\r\n"].concat();
        let chunks: Vec<Vec<u8>> = events.iter().map(framed).collect();
        let burst = [head.as_slice(), &chunks.concat(), LAST_CHUNK].concat();
        Self { head, chunks, burst }
    }
}

async fn serve(stream: TcpStream, answers: Rc<Answers>) -> Result<(), Failure> {
    let mut wire = Wire::new(stream)?;
    while let Some(head) = wire.head(Side::Request).await? {
        let mut start = Vec::with_capacity(chat::PEEK);
        let keep = |bytes: &[u8]| {
            let room = chat::PEEK - start.len();
            start.extend_from_slice(&bytes[..bytes.len().min(room)]);
        };
        wire.body(head.framing, keep).await?;
        answers.send(&mut wire, Kind::of(&start), head.is_messages).await?;
        if head.close {
            break;
        }
    }
    Ok(())
}

fn main() -> Result<(), Failure> {
    let mut listen = String::from("127.0.0.1:9900");
    let mut parser = lexopt::Parser::from_env();
    while let Some(arg) = parser.next()? {
        match arg {
            lexopt::Arg::Long("listen") => listen = flags::value(&mut parser)?,
            _ => return Err(arg.unexpected().into()),
        }
    }
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    runtime.block_on(async {
        let answers = Rc::new(Answers::new());
        let listener = TcpListener::bind(&listen).await?;
        loop {
            let (stream, _) = listener.accept().await?;
            let answers = Rc::clone(&answers);
            tokio::task::spawn_local(async move {
                // A proxy that closes a connection is its own business; the load generator counts what went wrong.
                let _ = serve(stream, answers).await;
            });
        }
    })
}
