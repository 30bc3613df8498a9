//! The bytes of a connection, read and written in large pieces.
//!
//! HTTP/2 writes each larger frame by itself, and reads frame by frame. On a connection that many streams share, that is a
//! system call or two for each message. Here everything that one turn of the connection says goes out at its end, together.
//!
//! It knows nothing of HTTP/2.

use bytes::{Buf, BytesMut};
use hyper::rt::{self, ReadBufCursor};
use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};

/// So much is read at once.
const READ: usize = 64 * 1024;
/// When so much waits to be written, nothing more is taken.
const WRITE: usize = 64 * 1024;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A connection; clones are the same one.
#[derive(Debug)]
pub(super) struct Gathered<I>(Rc<RefCell<Both<I>>>);

#[derive(Debug)]
struct Both<I> {
    io: I,
    came: BytesMut,
    goes: BytesMut,
}

impl<I> Clone for Gathered<I> {
    fn clone(&self) -> Self {
        Gathered(Rc::clone(&self.0))
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> Gathered<I> {
    pub(super) fn new(io: I) -> Self {
        Gathered(Rc::new(RefCell::new(Both { io, came: BytesMut::new(), goes: BytesMut::new() })))
    }

    /// A turn of `connection`, which reads and writes here, and then everything that it has said.
    pub(super) fn poll_turn<E: Into<BoxError>>(
        &self,
        connection: Pin<&mut impl Future<Output = Result<(), E>>>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), BoxError>> {
        let turn = connection.poll(cx).map_err(Into::into);
        match self.0.borrow_mut().poll_send(cx) {
            Poll::Ready(Err(error)) if turn.is_pending() => Poll::Ready(Err(error.into())),
            _ => turn,
        }
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> Both<I> {
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.goes.is_empty() {
            return Poll::Ready(Ok(()));
        }
        while !self.goes.is_empty() {
            let written = ready!(Pin::new(&mut self.io).poll_write(cx, &self.goes))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.goes.advance(written);
        }
        Pin::new(&mut self.io).poll_flush(cx)
    }

    /// There is room for a frame.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.goes.len() < WRITE { Poll::Ready(Ok(())) } else { self.poll_send(cx) }
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> rt::Read for Gathered<I> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, mut buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let Both { io, came, .. } = &mut *self.0.borrow_mut();
        if came.is_empty() {
            came.reserve(READ);
            ready!(pin!(io.read_buf(came)).poll(cx))?;
        }
        let piece = came.split_to(came.len().min(buf.remaining()));
        buf.put_slice(&piece);
        Poll::Ready(Ok(()))
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> rt::Write for Gathered<I> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut both = self.0.borrow_mut();
        ready!(both.poll_room(cx))?;
        bufs.iter().for_each(|buf| both.goes.extend_from_slice(buf));
        Poll::Ready(Ok(bufs.iter().map(|buf| buf.len()).sum()))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// That comes at the end of the turn.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut both = self.0.borrow_mut();
        ready!(both.poll_send(cx))?;
        Pin::new(&mut both.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::rt::Write as _;
    use std::future::poll_fn;
    use tokio::io::{AsyncWriteExt, duplex};

    type Writes = Rc<RefCell<Vec<usize>>>;

    /// Notes how long each write is.
    struct Noting(tokio::io::DuplexStream, Writes);

    impl AsyncRead for Noting {
        fn poll_read(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buf: &mut tokio::io::ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_read(cx, buf)
        }
    }

    impl AsyncWrite for Noting {
        fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
            let written = ready!(Pin::new(&mut self.0).poll_write(cx, buf))?;
            self.1.borrow_mut().push(written);
            Poll::Ready(Ok(written))
        }

        fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_flush(cx)
        }

        fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_shutdown(cx)
        }
    }

    fn pair(room: usize) -> (Gathered<Noting>, tokio::io::DuplexStream, Writes) {
        let ((here, there), writes) = (duplex(room), Writes::default());
        (Gathered::new(Noting(here, Rc::clone(&writes))), there, writes)
    }

    /// What `connection` does in its turns, until it ends.
    async fn run(stream: &Gathered<Noting>, connection: impl Future<Output = io::Result<()>>) -> Result<(), BoxError> {
        let mut connection = pin!(connection);
        poll_fn(|cx| stream.poll_turn(connection.as_mut(), cx)).await
    }

    async fn write(stream: &Gathered<Noting>, bytes: &[u8]) -> io::Result<()> {
        let mut stream = stream.clone();
        let written = poll_fn(|cx| Pin::new(&mut stream).poll_write(cx, bytes)).await?;
        assert_eq!(written, bytes.len());
        poll_fn(|cx| Pin::new(&mut stream).poll_flush(cx)).await
    }

    #[tokio::test]
    async fn what_a_turn_says_goes_out_together() {
        let (stream, mut there, writes) = pair(1024);
        let says = async {
            write(&stream, b"one").await?;
            write(&stream, b"two").await?;
            tokio::task::yield_now().await;
            write(&stream, b"three").await
        };
        run(&stream, says).await.unwrap();
        assert_eq!(*writes.borrow(), [6, 5]);
        let mut came = [0; 11];
        there.read_exact(&mut came).await.unwrap();
        assert_eq!(&came, b"onetwothree");
    }

    #[tokio::test]
    async fn no_more_is_kept_than_there_is_room_for() {
        let (stream, mut there, _) = pair(1);
        let says = async {
            for _ in 0..8 {
                write(&stream, &[b'x'; WRITE / 2]).await?;
                assert!(stream.0.borrow().goes.len() <= WRITE + WRITE / 2);
            }
            let mut stream = stream.clone();
            poll_fn(|cx| Pin::new(&mut stream).poll_shutdown(cx)).await
        };
        let mut all = Vec::new();
        let (said, read) = tokio::join!(run(&stream, says), there.read_to_end(&mut all));
        said.unwrap();
        read.unwrap();
        assert_eq!(all.len(), 8 * WRITE / 2);
    }

    #[tokio::test]
    async fn what_comes_is_handed_on_in_any_pieces() {
        let (mut stream, mut there, _) = pair(1024);
        there.write_all(b"a frame, and another").await.unwrap();
        let mut all = Vec::new();
        for _ in 0..5 {
            let mut piece = [std::mem::MaybeUninit::uninit(); 4];
            let mut piece = rt::ReadBuf::uninit(&mut piece);
            poll_fn(|cx| rt::Read::poll_read(Pin::new(&mut stream), cx, piece.unfilled())).await.unwrap();
            all.extend_from_slice(piece.filled());
        }
        assert_eq!(all, b"a frame, and another");
    }

    #[tokio::test]
    async fn one_who_is_gone_ends_the_connection() {
        let (stream, there, _) = pair(1024);
        drop(there);
        let says = async {
            write(&stream, b"one").await?;
            std::future::pending().await
        };
        let error = run(&stream, says).await.unwrap_err();
        assert_eq!(error.downcast_ref::<io::Error>().map(io::Error::kind), Some(io::ErrorKind::BrokenPipe));
    }
}
