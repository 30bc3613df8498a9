//! The service as a client sees it that somebody else wrote.

use super::harness::{BOUNDS, Running, body, head, part, start};
use envoy_types::pb::envoy::service::ext_proc::v3 as theirs;
use hardwire::extproc::Bounds;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;
use theirs::body_mutation::Mutation;
use theirs::processing_request::Request as Part;
use theirs::processing_response::Response as Told;
use tokio::io::AsyncReadExt;
use tokio::sync::mpsc;
use tonic::codegen::tokio_stream::{self, wrappers::ReceiverStream};
use tonic::{Code, Status, Streaming};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

type Sender = mpsc::Sender<theirs::ProcessingRequest>;
type Answers = Streaming<theirs::ProcessingResponse>;

async fn open(running: &Running) -> (Sender, Answers) {
    let (sender, receiver) = mpsc::channel(64);
    let answers = running.client().await.process(ReceiverStream::new(receiver)).await.unwrap();
    assert_eq!(answers.metadata().get("content-type").unwrap(), "application/grpc");
    (sender, answers.into_inner())
}

/// Sends parts and ends; gives all that is told, and how it ends.
async fn all(running: &Running, parts: Vec<theirs::ProcessingRequest>) -> (Vec<Told>, Option<Status>) {
    let answers = running.client().await.process(tokio_stream::iter(parts)).await;
    let mut answers = match answers {
        Ok(answers) => answers.into_inner(),
        Err(status) => return (Vec::new(), Some(status)),
    };
    let mut told = Vec::new();
    loop {
        match answers.message().await {
            Ok(Some(message)) => told.push(message.response.expect("an answer")),
            Ok(None) => return (told, None),
            Err(status) => return (told, Some(status)),
        }
    }
}

fn immediate(told: &[Told]) -> i32 {
    match told {
        [.., Told::ImmediateResponse(response)] => response.status.unwrap().code,
        other => panic!("no immediate response: {} answers", other.len()),
    }
}

fn bytes(told: &Told) -> &[u8] {
    let (Told::RequestBody(body) | Told::ResponseBody(body)) = told else { panic!("no body: {told:?}") };
    match &body.response.as_ref().unwrap().body_mutation.as_ref().unwrap().mutation {
        Some(Mutation::Body(body)) => body,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn every_part_has_an_answer_of_its_kind() {
    let running = start(BOUNDS, None);
    let (sender, mut answers) = open(&running).await;
    let parts = [
        head("/"),
        body("abc"),
        part(Part::RequestTrailers(theirs::HttpTrailers::default())),
        part(Part::ResponseHeaders(theirs::HttpHeaders::default())),
        part(Part::ResponseBody(theirs::HttpBody { body: b"xyz".to_vec(), ..theirs::HttpBody::default() })),
        part(Part::ResponseTrailers(theirs::HttpTrailers::default())),
    ];
    for (i, part) in parts.into_iter().enumerate() {
        // One after the other, as Envoy does: each answer comes before the next part.
        sender.send(part).await.unwrap();
        let told = answers.message().await.unwrap().unwrap().response.unwrap();
        let is_right = match i {
            0 => matches!(told, Told::RequestHeaders(_)),
            1 => bytes(&told) == b"ABC",
            2 => matches!(told, Told::RequestTrailers(_)),
            3 => matches!(told, Told::ResponseHeaders(_)),
            4 => bytes(&told) == b"XYZ",
            _ => matches!(told, Told::ResponseTrailers(_)),
        };
        assert!(is_right, "{i}: {told:?}");
    }
    assert_eq!(running.alive.load(SeqCst), 1);
    drop(sender);
    assert!(answers.message().await.unwrap().is_none(), "it ends with its caller");
    running.idle().await;
    running.stop().await;
}

#[tokio::test]
async fn large_bodies() {
    let running = start(BOUNDS, None);
    let large: Vec<u8> = (0..5_000_000u32).map(|i| b"abcdefghijklm"[i as usize % 13]).collect();
    let (told, status) = all(&running, vec![head("/"), body(large.clone())]).await;
    assert!(status.is_none(), "{status:?}");
    assert!(bytes(&told[1]) == large.to_ascii_uppercase());

    let (told, status) = all(&running, vec![head("/"), body(vec![b'x'; BOUNDS.max_message_bytes + 1])]).await;
    assert!(status.is_none(), "{status:?}");
    assert_eq!(immediate(&told), 413);
    running.idle().await;
    running.stop().await;
}

#[tokio::test]
async fn many_answers_to_one_part_wait_for_who_reads_them() {
    let running = start(BOUNDS, None);
    let (told, status) = all(&running, vec![head("/many"), body(vec![b'x'; 10_000])]).await;
    assert!(status.is_none(), "{status:?}");
    assert_eq!(told.len(), 2 * 1001);
    running.stop().await;
}

#[tokio::test]
async fn ends() {
    let running = start(BOUNDS, None);
    let (told, status) = all(&running, vec![head("/end"), body("never read")]).await;
    assert_eq!((told.len(), status.map(|status| status.code())), (1, None));

    let (told, status) = all(&running, vec![head("/error")]).await;
    let status = status.unwrap();
    assert_eq!((told.len(), status.code()), (0, Code::Internal));
    assert_eq!(status.message(), "as the test wants it: 100% ü");

    let (told, status) = all(&running, vec![head("/panic")]).await;
    assert_eq!((told.len(), status.unwrap().code()), (0, Code::Internal));
    let (told, status) = all(&running, vec![head("/")]).await;
    assert_eq!((told.len(), status.map(|status| status.code())), (1, None), "a panic is that request's alone");
    running.idle().await;
    running.stop().await;
}

#[tokio::test]
async fn time() {
    let running = start(Bounds { message_timeout: Duration::from_millis(50), ..BOUNDS }, None);
    let (told, status) = all(&running, vec![head("/slow")]).await;
    assert!(status.is_none(), "{status:?}");
    assert_eq!(immediate(&told), 504);

    // Between two parts a backend may take its time.
    let (sender, mut answers) = open(&running).await;
    sender.send(head("/")).await.unwrap();
    answers.message().await.unwrap().unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    sender.send(body("late")).await.unwrap();
    assert_eq!(bytes(&answers.message().await.unwrap().unwrap().response.unwrap()), b"LATE");
    running.stop.send_replace(true);
    drop(sender);
    running.stop().await;
}

#[tokio::test]
async fn who_leaves_is_noticed() {
    let running = start(BOUNDS, None);
    let (sender, mut answers) = open(&running).await;
    sender.send(head("/slow")).await.unwrap();
    while running.alive.load(SeqCst) == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(tokio::time::timeout(Duration::from_millis(50), answers.message()).await.is_err());
    drop((sender, answers));
    running.idle().await;
    running.stop().await;
}

#[tokio::test]
async fn more_streams_than_are_taken() {
    let running = start(Bounds { max_streams: 2, ..BOUNDS }, None);
    // Each on a connection of its own: on one, the caller itself waits.
    let (first, second) = (open(&running).await, open(&running).await);
    for (sender, _) in [&first, &second] {
        sender.send(head("/")).await.unwrap();
    }
    while running.alive.load(SeqCst) < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let (told, status) = all(&running, vec![head("/")]).await;
    assert!(status.is_none(), "{status:?}");
    assert_eq!(immediate(&told), 503);
    drop((first, second));
    running.idle().await;
    let (told, _) = all(&running, vec![head("/")]).await;
    assert!(matches!(told[..], [Told::RequestHeaders(_)]));
    running.stop().await;
}

#[tokio::test]
async fn health() {
    let running = start(BOUNDS, None);
    let mut client = HealthClient::new(running.channel().await);
    let request = |service: &str| HealthCheckRequest { service: service.into() };
    for service in ["", "envoy.service.ext_proc.v3.ExternalProcessor", "grpc.health.v1.Health"] {
        let response = client.check(request(service)).await.unwrap().into_inner();
        assert_eq!(response.status(), ServingStatus::Serving);
    }
    assert_eq!(client.check(request("a.B")).await.unwrap_err().code(), Code::NotFound);
    let long = "a".repeat(10_000);
    assert_eq!(client.check(request(&long)).await.unwrap_err().code(), Code::ResourceExhausted);

    let mut known = client.watch(request("")).await.unwrap().into_inner();
    let mut unknown = client.watch(request("a.B")).await.unwrap().into_inner();
    let status = |response: Option<HealthCheckResponse>| response.map(|response| response.status());
    assert_eq!(status(known.message().await.unwrap()), Some(ServingStatus::Serving));
    assert_eq!(status(unknown.message().await.unwrap()), Some(ServingStatus::ServiceUnknown));
    running.stop.send_replace(true);
    assert_eq!(status(known.message().await.unwrap()), Some(ServingStatus::NotServing));
    assert_eq!(status(known.message().await.unwrap()), None);
    assert_eq!(status(unknown.message().await.unwrap()), None);
    running.stop().await;
}

#[tokio::test]
async fn what_is_no_call_of_ours() {
    let running = start(BOUNDS, None);
    let mut grpc = tonic::client::Grpc::new(running.channel().await);
    grpc.ready().await.unwrap();
    let path = "/envoy.service.ext_proc.v3.ExternalProcessor/Forget".parse().unwrap();
    let codec = tonic_prost::ProstCodec::<HealthCheckRequest, HealthCheckResponse>::default();
    let status = grpc.unary(tonic::Request::new(HealthCheckRequest::default()), path, codec).await.unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);

    // Bytes that are no message of this service: its second field is none.
    let path = "/envoy.service.ext_proc.v3.ExternalProcessor/Process".parse().unwrap();
    let other = theirs::StreamedBodyResponse { end_of_stream: true, ..theirs::StreamedBodyResponse::default() };
    let codec = tonic_prost::ProstCodec::<theirs::StreamedBodyResponse, theirs::ProcessingResponse>::default();
    grpc.ready().await.unwrap();
    let status = grpc.unary(tonic::Request::new(other), path, codec).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    running.idle().await;
    running.stop().await;
}

#[tokio::test]
async fn who_says_nothing_is_cut() {
    let running = start(Bounds { connect_timeout: Duration::from_millis(50), ..BOUNDS }, None);
    let mut stream = tokio::net::TcpStream::connect(running.address).await.unwrap();
    let mut read = Vec::new();
    let end = tokio::time::timeout(Duration::from_secs(3), stream.read_to_end(&mut read)).await;
    assert!(end.is_ok(), "the connection stays open");
    running.stop().await;
}

#[tokio::test]
async fn running_streams_may_end() {
    let running = start(BOUNDS, None);
    let (sender, mut answers) = open(&running).await;
    sender.send(head("/")).await.unwrap();
    answers.message().await.unwrap().unwrap();
    running.stop.send_replace(true);
    tokio::time::sleep(Duration::from_millis(50)).await;
    sender.send(body("still here")).await.unwrap();
    assert_eq!(bytes(&answers.message().await.unwrap().unwrap().response.unwrap()), b"STILL HERE");
    drop(sender);
    assert!(answers.message().await.unwrap().is_none());
    running.stop().await;
}
