//! The apiserver on its socket: HTTP/1.1 with a bound on everything that a client could stretch.

use super::Api;
use super::answer::{Answer, Problem, problem};
use super::routes::{dispatch, takes_body};
use http::Request;
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// Largest request body in bytes.
const MAX_BODY: u64 = 10 * 1024 * 1024;
/// Pause after a failed accept, which mostly means that file descriptors ran out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves `api` until `shutdown` is done, then lets running requests finish for a few seconds. Dropping the future ends
/// everything at once.
pub async fn serve(listener: TcpListener, api: Arc<Api>, shutdown: impl Future<Output = ()>) {
    let mut shutdown = pin!(shutdown);
    let (stop, stopped) = watch::channel(false);
    let permits = Arc::new(Semaphore::new(api.bounds.connections));
    let mut connections = JoinSet::new();
    loop {
        let accepted = async {
            let permit = Arc::clone(&permits).acquire_owned().await.expect("the semaphore is never closed");
            (permit, listener.accept().await)
        };
        tokio::select! {
            () = &mut shutdown => break,
            Some(ended) = connections.join_next() => {
                if let Err(error) = ended {
                    tracing::error!(%error, "an apiserver connection ended abnormally");
                }
            }
            (permit, accepted) = accepted => match accepted {
                Ok((stream, _)) => {
                    let (api, stopped) = (Arc::clone(&api), stopped.clone());
                    connections.spawn(async move {
                        connection(stream, &api, stopped).await;
                        drop(permit);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "the apiserver cannot accept a connection");
                    sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    stop.send_replace(true);
    let all = async { while connections.join_next().await.is_some() {} };
    if timeout(api.bounds.stop, all).await.is_err() {
        tracing::debug!("apiserver connections were cut");
    }
}

/// One connection to its end: the client's, a timeout's, or the server's.
async fn connection(stream: TcpStream, api: &Arc<Api>, mut stopped: watch::Receiver<bool>) {
    let requests = AtomicU64::new(0);
    let service = service_fn(|request| {
        requests.fetch_add(1, Relaxed);
        async { Ok::<_, Infallible>(respond(api, request).await) }
    });
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(api.bounds.read);
    let mut connection = pin!(server.serve_connection(TokioIo::new(stream), service));
    // The body of a request may take its time too before the answer is written.
    let stuck = api.bounds.read + api.bounds.write;
    let mut stopping = false;
    let mut seen = 0;
    loop {
        tokio::select! {
            _ = connection.as_mut() => return,
            _ = stopped.wait_for(|stop| *stop), if !stopping => {
                stopping = true;
                connection.as_mut().graceful_shutdown();
            }
            () = sleep(stuck) => {
                let now = requests.load(Relaxed);
                if now == seen {
                    return;
                }
                seen = now;
            }
        }
    }
}

async fn respond(api: &Api, request: Request<Incoming>) -> Answer {
    let (head, body) = request.into_parts();
    match timeout(api.bounds.read, read(body, takes_body(&head))).await {
        Ok(Ok(body)) => dispatch(api, &head, &body),
        Ok(Err(refused)) => problem(refused),
        Err(_) => problem(Problem::BodyTimeout),
    }
}

/// Reads a body to its end, so that the connection can be used again, and forgets it unless it is wanted.
async fn read(mut body: Incoming, wanted: bool) -> Result<Vec<u8>, Problem> {
    if body.size_hint().lower() > MAX_BODY {
        return Err(Problem::BodyTooLarge);
    }
    let mut read = 0;
    let mut kept = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Problem::BodyBroken)?;
        let Some(data) = frame.data_ref() else { continue };
        read += data.len() as u64;
        if read > MAX_BODY {
            return Err(Problem::BodyTooLarge);
        }
        if wanted {
            kept.extend_from_slice(data);
        }
    }
    Ok(kept)
}
