//! A running service, with a processor that does as it is told, and a client of tonic's.

use envoy_types::pb::envoy::config::core::v3::{HeaderMap as TheirHeaders, HeaderValue};
use envoy_types::pb::envoy::service::ext_proc::v3 as theirs;
use hardwire::extproc::grpc::{Code, Status};
use hardwire::extproc::wire::{
    BodyMutation, BodyResponse, CommonResponse, HeadersResponse, HttpStatus, ImmediateResponse, Mutation,
    ProcessingRequest, ProcessingResponse, Request, Response, TrailersResponse,
};
use hardwire::extproc::{Bounds, Exchange, Flow, Processor, Refusal, Service, Tls, serve};
use http::HeaderMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;
use theirs::external_processor_client::ExternalProcessorClient;
use theirs::processing_request::Request as Part;
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::watch;
use tonic::transport::Channel;

/// Answers every part with its own kind and the bodies in upper case. What it meets on its way is told by the path.
pub(crate) struct Upper(pub(crate) Arc<AtomicUsize>);

pub(crate) struct Exchanged {
    path: String,
    /// Exchanges that were begun and not dropped.
    alive: Arc<AtomicUsize>,
    /// Makes the exchange one that cannot leave its thread.
    _local: std::rc::Rc<()>,
}

impl Processor for Upper {
    type Exchange = Exchanged;

    fn begin(&self, _: &HeaderMap) -> Exchanged {
        self.0.fetch_add(1, SeqCst);
        Exchanged { path: String::new(), alive: Arc::clone(&self.0), _local: std::rc::Rc::default() }
    }
}

impl Drop for Exchanged {
    fn drop(&mut self) {
        self.alive.fetch_sub(1, SeqCst);
    }
}

impl Exchange for Exchanged {
    async fn part(&mut self, part: ProcessingRequest, replies: &mut Vec<ProcessingResponse>) -> Result<Flow, Status> {
        let replace = |body: &[u8]| {
            let body_mutation = BodyMutation { mutation: Some(Mutation::Body(body.to_ascii_uppercase().into())) };
            let response = CommonResponse { body_mutation: Some(body_mutation), ..CommonResponse::default() };
            BodyResponse { response: Some(response) }
        };
        let response = match part.request.expect("a part") {
            Request::RequestHeaders(head) => {
                let headers = head.headers.unwrap_or_default().headers;
                let path = headers.iter().find(|header| header.key == ":path").expect("a path");
                self.path = String::from_utf8(path.value().to_vec()).unwrap();
                Response::RequestHeaders(HeadersResponse::default())
            }
            Request::ResponseHeaders(_) => Response::ResponseHeaders(HeadersResponse::default()),
            Request::RequestBody(body) => Response::RequestBody(replace(&body.body)),
            Request::ResponseBody(body) => Response::ResponseBody(replace(&body.body)),
            Request::RequestTrailers(_) => Response::RequestTrailers(TrailersResponse::default()),
            Request::ResponseTrailers(_) => Response::ResponseTrailers(TrailersResponse::default()),
        };
        let reply = ProcessingResponse { response: Some(response), ..ProcessingResponse::default() };
        match self.path.as_str() {
            "/slow" => tokio::time::sleep(Duration::from_secs(60)).await,
            "/panic" => panic!("as the test wants it"),
            "/error" => return Err(Status::new(Code::Internal, "as the test wants it: 100% ü")),
            "/many" => replies.extend(std::iter::repeat_n(reply.clone(), 1000)),
            "/end" => {
                replies.push(reply);
                return Ok(Flow::End);
            }
            _ => (),
        }
        replies.push(reply);
        Ok(Flow::Continue)
    }

    fn turned_away(&mut self, _: ProcessingRequest) {}

    fn refuse(&mut self, why: Refusal) -> ProcessingResponse {
        let code = match why {
            Refusal::TooLarge { .. } => 413,
            Refusal::TooSlow => 504,
            Refusal::Silent => 408,
            Refusal::TooMany => 503,
        };
        let immediate = ImmediateResponse { status: Some(HttpStatus { code }), ..ImmediateResponse::default() };
        ProcessingResponse { response: Some(Response::Immediate(immediate)), ..ProcessingResponse::default() }
    }
}

pub(crate) const BOUNDS: Bounds = Bounds {
    max_message_bytes: 8 << 20,
    max_streams: 64,
    message_timeout: Duration::from_secs(5),
    connect_timeout: Duration::from_secs(5),
};

/// A running service.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    /// Exchanges under way.
    pub(crate) alive: Arc<AtomicUsize>,
    pub(crate) stop: watch::Sender<bool>,
    pub(crate) thread: Option<std::thread::JoinHandle<()>>,
}

pub(crate) fn start(bounds: Bounds, tls: Option<Tls>) -> Running {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    socket.set_nonblocking(true).unwrap();
    let address = socket.local_addr().unwrap();
    let alive = Arc::new(AtomicUsize::new(0));
    let (stop, stopping) = watch::channel(false);
    let counted = Arc::clone(&alive);
    let thread = std::thread::spawn(move || {
        let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default()).unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(socket).unwrap();
            serve(listener, Service::new(Upper(counted), bounds, tls), stopping).await;
        });
    });
    Running { address, alive, stop, thread: Some(thread) }
}

impl Running {
    pub(crate) async fn channel(&self) -> Channel {
        Channel::from_shared(format!("http://{}", self.address)).unwrap().connect().await.unwrap()
    }

    pub(crate) async fn client(&self) -> ExternalProcessorClient<Channel> {
        ExternalProcessorClient::new(self.channel().await)
            .max_decoding_message_size(usize::MAX)
            .max_encoding_message_size(usize::MAX)
    }

    /// Until no exchange is under way.
    pub(crate) async fn idle(&self) {
        let idle = async {
            while self.alive.load(SeqCst) > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(5), idle).await.expect("an exchange is left over");
    }

    /// Stops it, and waits for its end.
    pub(crate) async fn stop(mut self) {
        self.stop.send_replace(true);
        let thread = self.thread.take().unwrap();
        let joined = tokio::task::spawn_blocking(move || thread.join().is_ok());
        assert!(tokio::time::timeout(Duration::from_secs(5), joined).await.expect("it stops").unwrap());
    }
}

/// The head of a request.
pub(crate) fn head(path: &str) -> theirs::ProcessingRequest {
    let header = HeaderValue { key: ":path".into(), raw_value: path.into(), ..HeaderValue::default() };
    let headers = Some(TheirHeaders { headers: vec![header] });
    part(Part::RequestHeaders(theirs::HttpHeaders { headers, ..theirs::HttpHeaders::default() }))
}

/// The body of a request.
pub(crate) fn body(body: impl Into<Vec<u8>>) -> theirs::ProcessingRequest {
    part(Part::RequestBody(theirs::HttpBody { body: body.into(), end_of_stream: true, ..theirs::HttpBody::default() }))
}

pub(crate) fn part(part: Part) -> theirs::ProcessingRequest {
    theirs::ProcessingRequest { request: Some(part), ..theirs::ProcessingRequest::default() }
}
