//! Accepts connections, and lets the running requests finish when the router stops.

use super::Ingress;
use super::linger::{Home, Lent, linger};
use super::patience::Patience;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::pin::pin;
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
    tokio::select! {
        () = converse(Lent::new(stream, &home, &patience), &patience, ingress, stopping.clone()) => (),
        () = patience.exhausted() => tracing::debug!("the client took too long for a request"),
    }
    if let Some(stream) = home.take() {
        tokio::select! {
            () = linger(stream) => (),
            _ = stopping.wait_for(|stopping| *stopping) => (),
        }
    }
}

/// Answers the requests of a connection until it ends.
async fn converse(stream: Lent, patience: &Rc<Patience>, ingress: Rc<Ingress>, mut stopping: watch::Receiver<bool>) {
    let service = service_fn(|request| {
        let (ingress, busy) = (Rc::clone(&ingress), patience.begin());
        async move { Ok::<_, Infallible>(ingress.handle(request).await.map(|body| body.hold(busy))) }
    });
    let connection = http1::Builder::new()
        .header_read_timeout(None)
        .max_buf_size(READ_BUFFER)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let served = tokio::select! {
        served = connection.as_mut() => served,
        _ = stopping.wait_for(|stopping| *stopping) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = served {
        // Clients that leave, heads that do not come, answers that had to be cut: the access log has the last.
        tracing::debug!(%error, "connection ended");
    }
}
