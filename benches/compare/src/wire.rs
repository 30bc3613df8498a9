//! HTTP/1.1 as the mock and the load generator need it: cheap, on trusted peers, and strict about framing.
//!
//! One connection, one message at a time. Bodies are handed out as they are read and never kept, so that a megabyte costs
//! the measuring side no more than the system calls.

use crate::flags::Failure;
use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Room for one read. Large, so that a large body takes few system calls on this side.
const READ: usize = 256 * 1024;

/// A connection and what was read of it but not yet used.
#[derive(Debug)]
pub struct Wire {
    stream: TcpStream,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

/// How a message's body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// After so many bytes.
    Length(u64),
    /// With the empty chunk.
    Chunked,
}

/// What was read of a message's head.
#[derive(Debug, Clone, Copy)]
pub struct Head {
    /// Status of a response; 0 for a request.
    pub status: u16,
    /// How its body ends.
    pub framing: Framing,
    /// Whether the sender closes after this message.
    pub close: bool,
    /// Whether it is a request for Anthropic's Messages.
    pub is_messages: bool,
}

/// Which kind of message to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// A request.
    Request,
    /// A response.
    Response,
}

impl Wire {
    /// Takes the connection over.
    ///
    /// # Errors
    /// The socket refuses `TCP_NODELAY`.
    pub fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: vec![0; READ], start: 0, end: 0 })
    }

    /// Writes all of it.
    ///
    /// # Errors
    /// The connection's own.
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// Reads a head; `None` where the peer closed between messages.
    ///
    /// # Errors
    /// The connection's own, and a head that is not HTTP or does not say how its body ends.
    pub async fn head(&mut self, side: Side) -> Result<Option<Head>, Failure> {
        loop {
            if let Some((head, used)) = parse(side, &self.buffer[self.start..self.end])? {
                self.start += used;
                return Ok(Some(head));
            }
            if self.fill().await? == 0 {
                return if self.start == self.end { Ok(None) } else { Err("closed within a head".into()) };
            }
        }
    }

    /// Reads a body to its end and hands its payload to `sink`, chunk framing removed.
    ///
    /// # Errors
    /// The connection's own, an early end, and bad chunk framing.
    pub async fn body(&mut self, framing: Framing, mut sink: impl FnMut(&[u8])) -> Result<(), Failure> {
        match framing {
            Framing::Length(length) => self.exactly(length, &mut sink).await,
            Framing::Chunked => loop {
                let size = self.chunk_size().await?;
                self.exactly(size, &mut sink).await?;
                // Trailers are never sent here, so a chunk and the last chunk both end in one empty line.
                if self.line().await? != 0 {
                    return Err("a chunk does not end where it says".into());
                }
                if size == 0 {
                    return Ok(());
                }
            },
        }
    }

    async fn exactly(&mut self, length: u64, sink: &mut impl FnMut(&[u8])) -> Result<(), Failure> {
        let mut left = length;
        while left > 0 {
            if self.start == self.end && self.fill().await? == 0 {
                return Err("closed within a body".into());
            }
            let have = self.end - self.start;
            let take = usize::try_from(left).map_or(have, |left| left.min(have));
            sink(&self.buffer[self.start..self.start + take]);
            self.start += take;
            left -= take as u64;
        }
        Ok(())
    }

    async fn chunk_size(&mut self) -> Result<u64, Failure> {
        let length = self.line().await?;
        let line = &self.buffer[self.start - length - 2..self.start - 2];
        let digits = line.split(|&b| b == b';').next().unwrap_or_default();
        u64::from_str_radix(std::str::from_utf8(digits)?.trim(), 16).map_err(|_| "bad chunk size".into())
    }

    /// Moves behind the next CR LF and returns the length of the line before it. The line stays in the buffer.
    async fn line(&mut self) -> Result<usize, Failure> {
        loop {
            let unread = &self.buffer[self.start..self.end];
            if let Some(at) = memchr::memchr(b'\n', unread) {
                if at == 0 || unread[at - 1] != b'\r' {
                    return Err("a line does not end in CR LF".into());
                }
                self.start += at + 1;
                return Ok(at - 1);
            }
            if self.fill().await? == 0 {
                return Err("closed within a chunk".into());
            }
        }
    }

    async fn fill(&mut self) -> io::Result<usize> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.end == self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        let n = self.stream.read(&mut self.buffer[self.end..]).await?;
        self.end += n;
        Ok(n)
    }
}

fn parse(side: Side, bytes: &[u8]) -> Result<Option<(Head, usize)>, Failure> {
    let mut storage = [httparse::EMPTY_HEADER; 64];
    let (status, is_messages, used, headers) = if side == Side::Request {
        let mut request = httparse::Request::new(&mut storage);
        let httparse::Status::Complete(used) = request.parse(bytes)? else { return Ok(None) };
        (0, request.path.is_some_and(|path| path.ends_with("/v1/messages")), used, request.headers)
    } else {
        let mut response = httparse::Response::new(&mut storage);
        let httparse::Status::Complete(used) = response.parse(bytes)? else { return Ok(None) };
        (response.code.unwrap_or(0), false, used, response.headers)
    };
    let mut framing = None;
    let mut close = false;
    for header in headers.iter() {
        if header.name.eq_ignore_ascii_case("content-length") {
            framing = Some(Framing::Length(std::str::from_utf8(header.value)?.parse()?));
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            framing = Some(Framing::Chunked);
        } else if header.name.eq_ignore_ascii_case("connection") {
            close = header.value.eq_ignore_ascii_case(b"close");
        }
    }
    let framing = framing.ok_or("a message that does not say how its body ends")?;
    Ok(Some((Head { status, framing, close, is_messages }, used)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    /// Sends `bytes` one by one, so that every boundary falls everywhere, and returns what was read of them.
    async fn read(bytes: &'static [u8]) -> Result<(u16, Vec<u8>), Failure> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let sender = tokio::spawn(async move {
            let mut stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            for byte in bytes.chunks(1) {
                stream.write_all(byte).await?;
                tokio::task::yield_now().await;
            }
            Ok::<_, io::Error>(())
        });
        let mut wire = Wire::new(listener.accept().await?.0)?;
        let head = wire.head(Side::Response).await?.ok_or("closed")?;
        let mut body = Vec::new();
        wire.body(head.framing, |part| body.extend_from_slice(part)).await?;
        sender.await??;
        Ok((head.status, body))
    }

    #[tokio::test]
    async fn bodies_end_where_they_say() {
        let (status, body) = read(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc").await.unwrap();
        assert_eq!((status, body.as_slice()), (200, &b"abc"[..]));
        let chunked = b"HTTP/1.1 404 No\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n";
        let (status, body) = read(chunked).await.unwrap();
        assert_eq!((status, body.as_slice()), (404, &b"abc0123456789"[..]));
    }

    #[tokio::test]
    async fn what_is_cut_short_or_misframed_is_an_error() {
        for bytes in [
            &b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nabc"[..],
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\n\r\nno framing",
        ] {
            assert!(read(bytes).await.is_err(), "{}", String::from_utf8_lossy(bytes));
        }
    }
}
