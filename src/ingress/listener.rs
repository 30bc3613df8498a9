//! Accepts connections, and lets the running requests finish when the router stops.

use super::linger::{Home, Lent, linger};
use super::patience::{Exhausted, Patience};
use super::{Cut, Ingress, websocket};
use http::{Request, Version};
use hyper::body::Incoming;
use hyper::server::conn::http1::{self, Parts};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::cell::Cell;
use std::convert::Infallible;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};

/// A pause when the process has run out of something, such as file descriptors: connections that end give it back.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Read buffers grow up to this size. Larger ones go back to the operating system after every large request, and each page
/// of them is a fault again. It also bounds a request's head.
const READ_BUFFER: usize = 64 * 1024;

/// Serves a listener until `stopping` turns true, and then until the last running request is answered. Bounding that is up
/// to the caller. Runs on a `LocalRuntime`.
pub async fn serve(listener: TcpListener, ingress: Rc<Ingress>, stopping: watch::Receiver<bool>) {
    let mut stop = stopping.clone();
    // Every connection holds a sender; that all are gone says that all have ended.
    let (open, mut ended) = mpsc::channel::<Infallible>(1);
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let connection = connection(stream, Rc::clone(&ingress), stopping.clone(), open.clone());
                    tokio::task::spawn_local(connection);
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            _ = stop.wait_for(|stop| *stop) => break,
        }
    }
    drop((listener, open));
    ended.recv().await;
}

async fn connection(
    stream: TcpStream,
    ingress: Rc<Ingress>,
    mut stopping: watch::Receiver<bool>,
    _open: mpsc::Sender<Infallible>,
) {
    let _counted = ingress.recorder.connection();
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "the client left before it was served");
        return;
    }
    let home = Home::default();
    let patience = Patience::new(ingress.tables.limits.header_timeout);
    let end = tokio::select! {
        end = converse(Lent::new(stream, &home, &patience), &patience, ingress, stopping.clone()) => end,
        exhausted = patience.exhausted() => match exhausted {
            Exhausted::Request => {
                tracing::debug!("the client took too long for a request");
                End::Orderly
            }
            Exhausted::Answer => {
                tracing::debug!("the client took too long for an answer");
                End::Reset
            }
        }
    };
    let Some(stream) = home.take() else { return };
    if end == End::Reset {
        // Nothing is left to be done where this fails: the connection is closed in any case.
        let _ = stream.set_zero_linger();
    } else {
        tokio::select! {
            () = linger(stream) => (),
            _ = stopping.wait_for(|stopping| *stopping) => (),
        }
    }
}

/// How a connection is to be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// As usual.
    Orderly,
    /// An answer was cut whose end is that of the connection, as HTTP/1.0 has it: closed as usual, it would look complete. Or one
    /// that the client does not read: closed as usual, what was written would be kept for it.
    Reset,
}

/// Answers the requests of a connection until it ends.
async fn converse(
    stream: Lent,
    patience: &Rc<Patience>,
    ingress: Rc<Ingress>,
    mut stopping: watch::Receiver<bool>,
) -> End {
    let is_old = Cell::new(false);
    let opened = Cell::new(None);
    let service = service_fn(|request: Request<Incoming>| {
        is_old.set(request.version() == Version::HTTP_10);
        let (ingress, busy, opened) = (Rc::clone(&ingress), patience.begin(), &opened);
        async move {
            let mut response = ingress.handle(request).await;
            opened.set(response.extensions_mut().remove::<websocket::Opened>());
            Ok::<_, Infallible>(response.map(|body| body.hold(busy, ingress.timeout)))
        }
    });
    let mut connection = http1::Builder::new()
        .header_read_timeout(None)
        .max_buf_size(READ_BUFFER)
        .serve_connection(TokioIo::new(stream), service);
    let served = tokio::select! {
        served = &mut connection => Some(served),
        _ = stopping.wait_for(|stopping| *stopping) => None,
    };
    let served = match served {
        Some(served) => served,
        None => {
            Pin::new(&mut connection).graceful_shutdown();
            (&mut connection).await
        }
    };
    let Err(error) = served else {
        if let Some(opened) = opened.take() {
            let Parts { io, read_buf, .. } = connection.into_parts();
            // What hyper held is gone and says no more that the connection is idle.
            let _busy = patience.begin();
            websocket::converse(io.into_inner(), read_buf, ingress, opened, stopping).await;
        }
        return End::Orderly;
    };
    // Clients that leave, heads that do not come, answers that had to be cut: the access log has the last.
    tracing::debug!(%error, "connection ended");
    let is_cut = std::error::Error::source(&error).is_some_and(|source| source.is::<Cut>());
    if is_cut && is_old.get() { End::Reset } else { End::Orderly }
}
