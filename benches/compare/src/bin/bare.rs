//! The least that a proxy on plain hyper can be: what the router's own work is measured against.
//!
//! One single-threaded runtime. A request is read to its end and sent on unchanged, the answer streamed back. Two things
//! are not as in a first draft, because each costs more than all else together where an answer comes in many small chunks:
//! the client connection is polled inline by the request that uses it, not in a task of its own (which costs two task
//! switches and one system call for each chunk), and frames that are ready at once leave as one.

use bytes::{Buf, Bytes};
use hardwire_compare::flags::{self, Failure};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn::http1::{Connection, SendRequest, handshake};
use hyper::header::{CONNECTION, CONTENT_LENGTH, HOST, HeaderValue, TRANSFER_ENCODING};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io::IoSlice;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, LocalOptions};

/// Larger reads make the allocator map and unmap memory for each megabyte that passes.
const READ: usize = 64 * 1024;

/// Frames are put together up to this many bytes.
const TOGETHER: usize = 64 * 1024;

/// Byte strings, one after the other: a collected request, or frames of an answer that leave as one.
#[derive(Default)]
struct Rope {
    parts: VecDeque<Bytes>,
    length: usize,
}

/// A connection to the upstream. Nothing polls it while it is idle.
struct Upstream {
    sender: SendRequest<Rope>,
    /// Boxed, as it is large and moves about with this.
    connection: Box<Connection<TokioIo<TcpStream>, Rope>>,
}

struct Proxy {
    target: String,
    host: HeaderValue,
    idle: RefCell<Vec<Upstream>>,
}

/// The answer's body, which also drives the connection that it comes from.
struct Answer {
    body: Incoming,
    /// Gone, and back with the idle ones, once the body has ended.
    upstream: Option<Upstream>,
    proxy: Rc<Proxy>,
}

// === impl Rope ===

impl Rope {
    fn push(&mut self, part: Bytes) {
        self.length += part.len();
        if !part.is_empty() {
            self.parts.push_back(part);
        }
    }
}

impl Buf for Rope {
    fn remaining(&self) -> usize {
        self.length
    }

    fn chunk(&self) -> &[u8] {
        self.parts.front().map_or(&[], |part| part)
    }

    fn advance(&mut self, mut count: usize) {
        self.length -= count;
        while count > 0 {
            let part = self.parts.front_mut().expect("`length` is the sum of the parts");
            let step = count.min(part.len());
            part.advance(step);
            count -= step;
            if part.is_empty() {
                self.parts.pop_front();
            }
        }
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let filled = slices.iter_mut().zip(&self.parts).map(|(slice, part)| *slice = IoSlice::new(part));
        filled.count()
    }
}

impl Body for Rope {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let part = self.parts.pop_front();
        self.length -= part.as_ref().map_or(0, Bytes::len);
        Poll::Ready(part.map(|part| Ok(Frame::data(part))))
    }

    fn is_end_stream(&self) -> bool {
        self.parts.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.length as u64)
    }
}

// === impl Proxy ===

impl Proxy {
    async fn forward(self: Rc<Self>, request: Request<Incoming>) -> Result<Response<Answer>, Failure> {
        let (mut head, mut body) = request.into_parts();
        let mut rope = Rope::default();
        while let Some(frame) = body.frame().await {
            if let Ok(part) = frame?.into_data() {
                rope.push(part);
            }
        }
        for name in [CONNECTION, TRANSFER_ENCODING, CONTENT_LENGTH] {
            head.headers.remove(name);
        }
        head.headers.insert(HOST, self.host.clone());

        let mut upstream = self.upstream().await?;
        let Upstream { sender, connection } = &mut upstream;
        let mut answer = std::pin::pin!(sender.send_request(Request::from_parts(head, rope)));
        let answer = poll_fn(|cx| {
            if let Poll::Ready(Err(error)) = Pin::new(&mut **connection).poll(cx) {
                return Poll::Ready(Err(error));
            }
            // The answer moves only when the connection does, which was polled right before: no wake-up is needed.
            answer.as_mut().poll(&mut Context::from_waker(Waker::noop()))
        });
        let (mut head, body) = answer.await?.into_parts();
        for name in [CONNECTION, TRANSFER_ENCODING] {
            head.headers.remove(name);
        }
        Ok(Response::from_parts(head, Answer { body, upstream: Some(upstream), proxy: self }))
    }

    /// A connection that takes a request: an idle one, or a new one.
    async fn upstream(&self) -> Result<Upstream, Failure> {
        loop {
            let idle = self.idle.borrow_mut().pop();
            let found = idle.is_some();
            let mut upstream = if let Some(upstream) = idle { upstream } else { self.connect().await? };
            let Upstream { sender, connection } = &mut upstream;
            let ready = poll_fn(|cx| match Pin::new(&mut **connection).poll(cx) {
                Poll::Ready(_) => Poll::Ready(false),
                Poll::Pending => sender.poll_ready(cx).map(|ready| ready.is_ok()),
            });
            if ready.await {
                return Ok(upstream);
            }
            if !found {
                return Err("the upstream closes at once".into());
            }
        }
    }

    async fn connect(&self) -> Result<Upstream, Failure> {
        let stream = TcpStream::connect(&self.target).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        Ok(Upstream { sender, connection: Box::new(connection) })
    }
}

// === impl Answer ===

impl Answer {
    fn next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let mut no_wake = Context::from_waker(Waker::noop());
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(&mut no_wake) {
            return Poll::Ready(frame);
        }
        if let Some(upstream) = &mut self.upstream {
            // What goes wrong with the connection comes out of the body.
            let _ = Pin::new(&mut *upstream.connection).poll(cx);
        }
        Pin::new(&mut self.body).poll_frame(&mut no_wake)
    }

    fn release(&mut self) {
        self.proxy.idle.borrow_mut().extend(self.upstream.take());
    }
}

impl Body for Answer {
    type Data = Rope;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Rope>, hyper::Error>>> {
        if self.upstream.is_none() {
            return Poll::Ready(None);
        }
        let mut rope = Rope::default();
        while rope.length < TOGETHER && !self.body.is_end_stream() {
            match self.next(cx) {
                Poll::Ready(Some(Ok(frame))) => rope.push(frame.into_data().unwrap_or_default()),
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
                Poll::Ready(None) => break,
                Poll::Pending if rope.length == 0 => return Poll::Pending,
                Poll::Pending => return Poll::Ready(Some(Ok(Frame::data(rope)))),
            }
        }
        if rope.length < TOGETHER || self.body.is_end_stream() {
            self.release();
        }
        Poll::Ready((rope.length > 0).then(|| Ok(Frame::data(rope))))
    }

    fn is_end_stream(&self) -> bool {
        self.upstream.is_none() || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn main() -> Result<(), Failure> {
    let (mut listen, mut target) = (String::from("127.0.0.1:9901"), String::from("127.0.0.1:9900"));
    let mut parser = lexopt::Parser::from_env();
    while let Some(arg) = parser.next()? {
        match arg {
            lexopt::Arg::Long("listen") => listen = flags::value(&mut parser)?,
            lexopt::Arg::Long("target") => target = flags::value(&mut parser)?,
            _ => return Err(arg.unexpected().into()),
        }
    }
    let host = HeaderValue::from_str(&target)?;
    let proxy = Rc::new(Proxy { target, host, idle: RefCell::default() });
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    runtime.block_on(async {
        let listener = TcpListener::bind(&listen).await?;
        let mut server = hyper::server::conn::http1::Builder::new();
        server.max_buf_size(READ).header_read_timeout(None);
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let proxy = Rc::clone(&proxy);
            let service = hyper::service::service_fn(move |request| Rc::clone(&proxy).forward(request));
            let connection = server.serve_connection(TokioIo::new(stream), service);
            tokio::task::spawn_local(async move {
                // The load generator counts what goes wrong.
                let _ = connection.await;
            });
        }
    })
}
