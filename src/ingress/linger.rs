//! Closes a connection so that the client can hear the last answer.
//!
//! A socket that is closed while its client still sends resets the connection, and the client may lose what was said to it:
//! why its upload is too large, that its key is wrong. So this side says that it is done, and for a while throws away what
//! comes, until the client is done, too. It knows nothing of HTTP.

use super::patience::Patience;
use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long a client may take to finish what will not be used.
const PATIENCE: Duration = Duration::from_secs(30);

/// And how long it may pause.
const PAUSE: Duration = Duration::from_secs(2);

/// A connection that is lent to hyper, and comes back when hyper drops it.
pub(super) struct Lent {
    stream: Option<TcpStream>,
    home: Home,
    patience: Rc<Patience>,
    read: u64,
    written: u64,
}

/// Where the connection comes back to.
pub(super) type Home = Rc<Cell<Option<TcpStream>>>;

/// Waits until the client has closed, for a while.
pub(super) async fn linger(mut stream: TcpStream) {
    // A client that has left is not waited for: this or the first read fails.
    if poll_fn(|cx| Pin::new(&mut stream).poll_shutdown(cx)).await.is_ok() {
        let _ = timeout(PATIENCE, discard(&stream)).await;
    }
}

async fn discard(stream: &TcpStream) -> io::Result<()> {
    let mut rest = vec![0; 16 * 1024];
    loop {
        timeout(PAUSE, stream.readable()).await??;
        match stream.try_read(&mut rest) {
            Ok(0) => return Ok(()),
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
            _ => (),
        }
    }
}

// === impl Lent ===

impl Lent {
    pub(super) fn new(stream: TcpStream, home: &Home, patience: &Rc<Patience>) -> Self {
        Lent { stream: Some(stream), home: Rc::clone(home), patience: Rc::clone(patience), read: 0, written: 0 }
    }

    /// Bytes that have come and gone by now, for comparison: the numbers wrap around.
    pub(super) fn moved(&self) -> (u64, u64) {
        (self.read, self.written)
    }

    fn stream(self: Pin<&mut Self>) -> Pin<&mut TcpStream> {
        Pin::new(self.get_mut().stream.as_mut().expect("only dropping it takes the connection away"))
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.home.set(self.stream.take());
    }
}

impl AsyncRead for Lent {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = self.as_mut().stream().poll_read(cx, buf);
        let came = buf.filled().len() - before;
        if came > 0 {
            self.read = self.read.wrapping_add(came as u64);
            self.patience.received();
        }
        read
    }
}

impl AsyncWrite for Lent {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = self.as_mut().stream().poll_write(cx, buf);
        if let Poll::Ready(Ok(bytes)) = &written {
            self.written = self.written.wrapping_add(*bytes as u64);
        }
        written
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.stream().poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let patience = Rc::clone(&self.patience);
        let flushed = self.stream().poll_flush(cx);
        if flushed.is_ready() {
            patience.flushed();
        }
        flushed
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_shutdown(cx)
    }
}
