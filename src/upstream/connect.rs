//! From the address of a backend to a byte stream: name look-up, TCP, TLS.

use super::tls::Tls;
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout};
use tokio_rustls::client::TlsStream;

/// Where a backend listens.
#[derive(Debug, Clone)]
pub(super) struct Address {
    /// Name or IP address, IPv6 without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    /// Set for https.
    pub(super) tls: Option<Tls>,
}

/// A connected byte stream.
#[derive(Debug)]
pub(super) enum Stream {
    Tcp(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Address {
    /// Connects, trying each address of the name in turn. Until then there is time, of which an address that does not answer takes
    /// its share and no more. That the last one takes no longer is up to the caller.
    pub(super) async fn connect(&self, until: Instant) -> io::Result<Stream> {
        let tcp = connect_to_one(lookup_host((self.host.as_str(), self.port)).await?, until).await?;
        tcp.set_nodelay(true)?;
        match &self.tls {
            None => Ok(Stream::Tcp(tcp)),
            Some(tls) => Ok(Stream::Tls(Box::new(tls.connect(&self.host, tcp).await?))),
        }
    }
}

async fn connect_to_one(addresses: impl Iterator<Item = SocketAddr>, until: Instant) -> io::Result<TcpStream> {
    let mut addresses: VecDeque<SocketAddr> = addresses.collect();
    loop {
        let Some(address) = addresses.pop_front() else {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address"));
        };
        let connecting = TcpStream::connect(address);
        if addresses.is_empty() {
            return connecting.await;
        }
        let share = until.saturating_duration_since(Instant::now()) / (addresses.len() as u32 + 1);
        match timeout(share, connecting).await {
            Ok(Ok(tcp)) => return Ok(tcp),
            Ok(Err(error)) => tracing::debug!(%address, %error, "trying another address"),
            Err(_) => tracing::debug!(%address, "took too long, trying another address"),
        }
    }
}

// === impl Stream ===

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Tcp(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Stream::Tls(tls) => Pin::new(tls).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Tcp(tcp) => Pin::new(tcp).poll_write(cx, buf),
            Stream::Tls(tls) => Pin::new(tls).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Tcp(tcp) => Pin::new(tcp).poll_write_vectored(cx, bufs),
            Stream::Tls(tls) => Pin::new(tls).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Stream::Tcp(tcp) => tcp.is_write_vectored(),
            Stream::Tls(tls) => tls.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Tcp(tcp) => Pin::new(tcp).poll_flush(cx),
            Stream::Tls(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Tcp(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Stream::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::net::TcpSocket;

    /// An address that does not answer takes no more than its share of the time.
    #[tokio::test]
    async fn the_next_address_has_time_left() {
        let (silent, good) = (TcpSocket::new_v4().unwrap(), TcpSocket::new_v4().unwrap());
        for socket in [&silent, &good] {
            socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        }
        let (silent, good) = (silent.listen(0).unwrap(), good.listen(8).unwrap());
        let (silent, good) = (silent.local_addr().unwrap(), good.local_addr().map(|at| (good, at)).unwrap());
        // Its queue is full: it does not even refuse.
        let mut queue = Vec::new();
        while let Ok(connected) = timeout(Duration::from_millis(100), TcpStream::connect(silent)).await {
            queue.push(connected.unwrap());
            assert!(queue.len() < 8);
        }
        let until = Instant::now() + Duration::from_secs(1);
        let connected = timeout(Duration::from_secs(2), connect_to_one([silent, good.1].into_iter(), until)).await;
        assert_eq!(connected.unwrap().unwrap().peer_addr().unwrap(), good.1);
        assert!(Instant::now() < until);
    }
}
