//! Which call is meant, and what a stream of the processor is: message in, answers out, within bounds.

use super::grpc::{Broken, CONTENT_TYPE, Code, FrameError, Replies, Reply, Requests, Status};
use super::health;
use super::processor::{Exchange, Flow, Processor, Refusal};
use super::wire::ProcessingRequest;
use super::{SERVICE, Service};
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use std::rc::Rc;
use tokio::sync::watch;
use tokio::time::timeout;

/// Answers one call.
pub(super) fn answer<P: Processor>(
    service: &Rc<Service<P>>,
    request: Request<Incoming>,
    stopping: watch::Receiver<bool>,
) -> Response<Reply> {
    let is_grpc = request.headers().get(header::CONTENT_TYPE).is_some_and(|kind| {
        kind.as_bytes()
            .strip_prefix(CONTENT_TYPE.as_bytes())
            .is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
    });
    if request.method() != Method::POST || !is_grpc {
        let mut response = Reply::only(&Status::new(Code::Internal, "this port speaks gRPC"));
        *response.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        return response;
    }
    let (head, body) = request.into_parts();
    let (service_name, method) =
        head.uri.path().strip_prefix('/').and_then(|path| path.split_once('/')).unwrap_or_default();
    let bounds = service.bounds;
    let requests = |most| Requests::new(body, most, bounds.message_timeout);
    match (service_name, method) {
        (SERVICE, "Process") => {
            let requests = requests(bounds.max_message_bytes);
            let service = Rc::clone(service);
            Reply::of(|replies| async move { process(&service, &head.headers, requests, &replies).await })
        }
        (health::SERVICE, "Check") => {
            let requests = requests(health::LONGEST);
            Reply::of(|replies| health::check(requests, replies, stopping))
        }
        (health::SERVICE, "Watch") => {
            let requests = requests(health::LONGEST);
            Reply::of(|replies| health::watch(requests, replies, stopping))
        }
        _ => Reply::only(&Status::new(Code::Unimplemented, format!("there is no method {}", head.uri.path()))),
    }
}

/// One stream: an HTTP request from its head to the last byte of its response.
async fn process<P: Processor>(
    service: &Service<P>,
    metadata: &HeaderMap,
    mut requests: Requests,
    replies: &Replies,
) -> Status {
    let _open = Open::new(service);
    let mut exchange = service.processor.begin(metadata);
    let ended = converse(service, &mut requests, replies, &mut exchange).await;
    match ended {
        Ok(()) => Status::OK,
        Err(Failure::Refused(why)) => {
            replies.send(&exchange.refuse(why)).await;
            // The client was told; for Envoy all is well, lest it take the router for broken.
            tracing::debug!(reason = %why.status(), "a stream was refused");
            Status::OK
        }
        Err(Failure::Broken(status)) => {
            tracing::debug!(%status, "a stream broke");
            status
        }
    }
}

/// Why a stream ends before its end.
enum Failure {
    /// The client can be told.
    Refused(Refusal),
    /// Envoy alone can.
    Broken(Status),
}

async fn converse<P: Processor>(
    service: &Service<P>,
    requests: &mut Requests,
    replies: &Replies,
    exchange: &mut P::Exchange,
) -> Result<(), Failure> {
    if service.open.get() > service.bounds.max_streams {
        // Who asks must be known for the client to read it, and for the log to tell of it.
        let patience = exchange.patience().unwrap_or(service.bounds.message_timeout);
        if let Ok(Ok(Some(first))) = timeout(patience, requests.next::<ProcessingRequest>()).await {
            exchange.turned_away(first);
        }
        return Err(Failure::Refused(Refusal::TooMany));
    }
    let mut out = Vec::with_capacity(1);
    loop {
        let next = requests.next::<ProcessingRequest>();
        let next = match exchange.patience() {
            Some(patience) => timeout(patience, next).await.ok(),
            None => Some(next.await),
        };
        let most = service.bounds.message_timeout;
        let flow = match next.transpose()? {
            Some(Some(part)) => timeout(most, exchange.part(part, &mut out)).await,
            Some(None) => return Ok(()),
            None => timeout(most, exchange.silence(&mut out)).await,
        };
        let flow = flow.map_err(|_| Failure::Refused(Refusal::TooSlow))?.map_err(Failure::Broken)?;
        for reply in out.drain(..) {
            replies.send(&reply).await;
        }
        if flow == Flow::End {
            return Ok(());
        }
    }
}

impl From<Broken> for Failure {
    fn from(broken: Broken) -> Failure {
        match broken {
            Broken::Frame(FrameError::TooLarge { most }) => Failure::Refused(Refusal::TooLarge { most }),
            Broken::Slow => Failure::Refused(Refusal::TooSlow),
            other => Failure::Broken(other.into()),
        }
    }
}

/// Counts an open stream.
struct Open<'a, P>(&'a Service<P>);

impl<'a, P> Open<'a, P> {
    fn new(service: &'a Service<P>) -> Self {
        service.open.set(service.open.get() + 1);
        Open(service)
    }
}

impl<P> Drop for Open<'_, P> {
    fn drop(&mut self) {
        self.0.open.set(self.0.open.get() - 1);
    }
}
