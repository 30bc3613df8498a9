//! Accepts Envoy's connections, and lets running streams end when the router stops.

use super::gathered::Gathered;
use super::processor::Processor;
use super::{Service, calls};
use hyper::rt::Executor;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::TokioTimer;
use std::cell::Cell;
use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

/// A pause when the process has run out of something, such as file descriptors: connections that end give it back.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How much may come unasked for a stream, and for a connection: enough for most bodies to come in one go, and for a
/// stream that is slow not to hold up the others.
const STREAM_WINDOW: u32 = 1024 * 1024;
const CONNECTION_WINDOW: u32 = 16 * 1024 * 1024;
/// The largest frame that is taken.
const FRAME: u32 = 64 * 1024;
/// How often a caller is asked whether it is still there, and how long it may take to say so.
const PING: Duration = Duration::from_secs(30);
const PONG: Duration = Duration::from_secs(10);

/// Serves a listener until `stopping` turns true, and then until the last running stream has ended. Bounding that is up to
/// the caller. Runs on a `LocalRuntime`.
pub async fn serve<P: Processor>(listener: TcpListener, service: Rc<Service<P>>, stopping: watch::Receiver<bool>) {
    let mut stop = stopping.clone();
    // Every connection holds a sender; that all are gone says that all have ended.
    let (open, mut ended) = mpsc::channel::<Infallible>(1);
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let connection = connection(stream, Rc::clone(&service), stopping.clone(), open.clone());
                    tokio::task::spawn_local(connection);
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection of Envoy's");
                    sleep(ACCEPT_PAUSE).await;
                }
            },
            _ = stop.wait_for(|stop| *stop) => break,
        }
    }
    drop((listener, open));
    ended.recv().await;
}

async fn connection<P: Processor>(
    stream: TcpStream,
    service: Rc<Service<P>>,
    stopping: watch::Receiver<bool>,
    _open: mpsc::Sender<Infallible>,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a caller left before it was served");
        return;
    }
    match &service.tls {
        None => converse(stream, service, stopping).await,
        Some(tls) => match timeout(service.bounds.connect_timeout, tls.accept(stream)).await {
            Ok(Ok(stream)) => converse(stream, Rc::clone(&service), stopping).await,
            Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
            Err(_) => tracing::debug!("a TLS handshake took too long"),
        },
    }
}

/// Answers the calls of a connection until it ends.
async fn converse<P: Processor>(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    service: Rc<Service<P>>,
    stopping: watch::Receiver<bool>,
) {
    let stream = Gathered::new(stream);
    let has_called = Cell::new(false);
    let bounds = service.bounds;
    let answer = service_fn(|request| {
        has_called.set(true);
        let response = calls::answer(&service, request, stopping.clone());
        std::future::ready(Ok::<_, Infallible>(response))
    });
    let connection = http2::Builder::new(Local)
        .timer(TokioTimer::new())
        .max_concurrent_streams(bounds.max_streams)
        // Clients leave in crowds, and Envoy resets their streams: that is no attack, which would cost all the others theirs.
        .max_pending_accept_reset_streams(usize::try_from(bounds.max_streams).ok())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(FRAME)
        .keep_alive_interval(PING)
        .keep_alive_timeout(PONG)
        .auto_date_header(false)
        .serve_connection(stream.clone(), answer);
    let mut connection = pin!(connection);
    let (mut stop, mut is_stopping, mut is_young) = (stopping.clone(), false, true);
    loop {
        tokio::select! {
            ended = poll_fn(|cx| stream.poll_turn(connection.as_mut(), cx)) => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection of Envoy's ended");
                }
                return;
            }
            _ = stop.wait_for(|stop| *stop), if !is_stopping => {
                is_stopping = true;
                connection.as_mut().graceful_shutdown();
            }
            () = sleep(bounds.connect_timeout), if is_young => {
                if !has_called.get() {
                    tracing::debug!("a caller took too long for its first call");
                    return;
                }
                is_young = false;
            }
        }
    }
}

/// Runs what hyper needs to run beside a connection on the runtime of this core.
#[derive(Debug, Clone, Copy)]
struct Local;

impl<F: Future<Output = ()> + 'static> Executor<F> for Local {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}
