//! What the face says to parts as no Envoy sends them: in any order, in any way, too many.

use bytes::Bytes;
use envoy_types::pb::google::protobuf::Struct;
use envoy_types::pb::google::protobuf::value::Kind;
use hardwire::env::Env;
use hardwire::extproc::wire::{
    BodySendMode, HeaderMap, HeaderValue, HttpBody, HttpHeaders, HttpTrailers, ProcessingRequest, ProcessingResponse,
    ProtocolConfiguration, Request, Response,
};
use hardwire::extproc::{Exchange, Face, Flow, Processor, Refusal};
use hardwire::responses::store::{Place, memory};
use hardwire::routing::Routing;
use hardwire::routing::catalog::Catalog;
use hardwire::table::{MemoryStore, StoreBounds};
use hardwire::telemetry::metrics::Recorder;
use hardwire::upstream::{Fleet, Upstream};
use hardwire_baked::messages::TABLES;
use proptest::prelude::*;
use prost::Message;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::runtime::{Builder, LocalOptions};

const WHOLE: &[u8] =
    br#"{"model":"sonnet","max_tokens":9,"stream":true,"input":"x","messages":[{"role":"user","content":"x"}]}"#;
const ANSWER: &[u8] = br#"{"id":"msg_1","type":"message","role":"assistant","model":"m",
"content":[{"type":"text","text":"x"}],"stop_reason":"end_turn","stop_sequence":null,
"usage":{"input_tokens":1,"output_tokens":1}}"#;
const EVENTS: &[u8] = br#"event: message_start
data: {"type":"message_start","message":{"id":"m","type":"message","role":"assistant","model":"m",
data: "content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":1,"output_tokens":1}}}

event: message_stop
data: {"type":"message_stop"}

"#;

fn face() -> Face {
    let env = Env::read(&TABLES, |_| Some("http://127.0.0.1:1".to_owned())).unwrap();
    let recorder = Arc::new(Recorder::new(&TABLES));
    let upstream = Upstream::new(&TABLES, Arc::new(Fleet::new(&TABLES, &env, None).unwrap()), Arc::clone(&recorder));
    let settings = MemoryStore { ttl: Duration::from_secs(60), bounds: StoreBounds { responses: 10, bytes: 1 << 20 } };
    let stores = memory::open(&settings, &Place { env: &env, ca_file: None }).unwrap();
    let routing = Arc::new(Routing::new(&TABLES).unwrap());
    let catalog = Arc::new(Catalog::new(&TABLES, SystemTime::now()));
    Face::new(&TABLES, routing, catalog, &env, upstream, recorder, Some(stores.worker()))
}

fn head(headers: &[(&str, &str)], end_of_stream: bool) -> HttpHeaders {
    let copied = |text: &str| Bytes::from(text.to_owned());
    let headers = headers.iter().map(|(name, value)| HeaderValue::new(copied(name), copied(value))).collect();
    HttpHeaders { headers: Some(HeaderMap { headers }), end_of_stream }
}

fn request(method: &str, path: &str, is_all: bool) -> Request {
    Request::RequestHeaders(head(&[(":method", method), (":path", path), (":authority", "h")], is_all))
}

fn response(status: &str, content_type: &str, is_all: bool) -> Request {
    Request::ResponseHeaders(head(&[(":status", status), ("content-type", content_type)], is_all))
}

fn piece(body: &'static [u8], end_of_stream: bool) -> HttpBody {
    HttpBody { body: Bytes::from_static(body), end_of_stream }
}

/// What could come next, likely or not.
fn part() -> impl Strategy<Value = Request> {
    let paths =
        ["/v1/messages", "/v1/chat/completions", "/v1/responses", "/v1/responses/compact", "/v1/responses/resp_x"];
    let path = prop::sample::select(paths.to_vec());
    let asked = prop::sample::select(vec![WHOLE, b"{", b" ", b"", b"}", b"[]"]);
    let told = prop::sample::select(vec![ANSWER, EVENTS, &EVENTS[..60], b"<p>", b""]);
    let kind = prop::sample::select(vec!["application/json", "text/event-stream", "text/html"]);
    let status = prop::sample::select(vec!["200", "204", "429", "500", "x"]);
    prop_oneof![
        3 => (path, any::<bool>()).prop_map(|(path, is_all)| request(if is_all { "GET" } else { "POST" }, path, is_all)),
        4 => (asked, any::<bool>()).prop_map(|(body, end)| Request::RequestBody(piece(body, end))),
        1 => Just(Request::RequestTrailers(HttpTrailers::default())),
        3 => (status, kind, any::<bool>()).prop_map(|(status, kind, is_all)| response(status, kind, is_all)),
        4 => (told, any::<bool>()).prop_map(|(body, end)| Request::ResponseBody(piece(body, end))),
        1 => Just(Request::ResponseTrailers(HttpTrailers::default())),
    ]
}

/// A whole conversation, in which parts are missing, come twice, or come in between.
fn conversation() -> impl Strategy<Value = Vec<Request>> {
    let path = prop::sample::select(vec!["/v1/messages", "/v1/chat/completions", "/v1/responses"]);
    let answer = prop::sample::select(vec![("application/json", ANSWER), ("text/event-stream", EVENTS)]);
    let noise = prop::collection::vec((any::<prop::sample::Index>(), part()), 0..3);
    let trailers = (any::<bool>(), any::<bool>());
    (path, answer, trailers, noise).prop_map(|(path, (kind, body), (asks, tells), noise)| {
        let (first, rest) = WHOLE.split_at(20);
        let (begun, over) = body.split_at(40);
        let mut parts = vec![
            request("POST", path, false),
            Request::RequestBody(piece(first, false)),
            Request::RequestBody(piece(rest, !asks)),
        ];
        parts.extend(asks.then(|| Request::RequestTrailers(HttpTrailers::default())));
        parts.extend([
            response("200", kind, false),
            Request::ResponseBody(piece(begun, false)),
            Request::ResponseBody(piece(over, !tells)),
        ]);
        parts.extend(tells.then(|| Request::ResponseTrailers(HttpTrailers::default())));
        for (at, part) in noise {
            let at = at.index(parts.len());
            parts.insert(at, part);
        }
        parts
    })
}

fn modes() -> impl Strategy<Value = ProtocolConfiguration> {
    use BodySendMode::{Buffered, FullDuplexStreamed, None, Streamed};
    let mode = || prop::sample::select(vec![Buffered, FullDuplexStreamed, None, Streamed]);
    (mode(), mode(), any::<bool>()).prop_map(|(request, response, may_come_early)| ProtocolConfiguration {
        request_body_mode: request as i32,
        response_body_mode: response as i32,
        send_body_without_waiting_for_header_response: may_come_early,
    })
}

/// The kinds of parts and of what is said to them.
fn kind_of(request: &Request) -> usize {
    match request {
        Request::RequestHeaders(_) => 0,
        Request::RequestBody(_) => 1,
        Request::RequestTrailers(_) => 2,
        Request::ResponseHeaders(_) => 3,
        Request::ResponseBody(_) => 4,
        Request::ResponseTrailers(_) => 5,
    }
}

fn kind_said(response: &ProcessingResponse) -> Option<usize> {
    Some(match response.response.as_ref().expect("something is said") {
        Response::RequestHeaders(_) => 0,
        Response::RequestBody(_) => 1,
        Response::RequestTrailers(_) => 2,
        Response::ResponseHeaders(_) => 3,
        Response::ResponseBody(_) => 4,
        Response::ResponseTrailers(_) => 5,
        Response::Immediate(_) => return None,
    })
}

/// All that is said to these parts, and whether it has ended.
async fn say(config: ProtocolConfiguration, parts: Vec<Request>) -> (Vec<ProcessingResponse>, bool) {
    let mut exchange = face().begin(&http::HeaderMap::new());
    let mut said = Vec::new();
    for (n, request) in parts.into_iter().enumerate() {
        let protocol_config = (n == 0).then_some(config);
        let part = ProcessingRequest { observability_mode: false, protocol_config, request: Some(request) };
        match exchange.part(part, &mut said).await {
            Ok(Flow::Continue) => (),
            Ok(Flow::End) | Err(_) => return (said, true),
        }
    }
    (said, false)
}

fn run<T>(future: impl Future<Output = T>) -> T {
    Builder::new_current_thread().enable_all().build_local(LocalOptions::default()).unwrap().block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn parts_in_any_order(
        config in modes(),
        parts in prop_oneof![conversation(), prop::collection::vec(part(), 0..9)],
    ) {
        let came: Vec<usize> = parts.iter().map(kind_of).collect();
        let (said, _) = run(say(config, parts));
        let immediates = said.iter().filter(|one| kind_said(one).is_none()).count();
        prop_assert!(immediates <= 1);
        prop_assert!(immediates == 0 || kind_said(said.last().unwrap()).is_none(), "it is the last word");
        for kind in 0..6 {
            let said = said.iter().filter(|one| kind_said(one) == Some(kind)).count();
            let came = came.iter().filter(|one| **one == kind).count();
            // In full duplex there may be more to say where trailers come.
            let bodies = [config.request_body_mode, config.response_body_mode];
            let more = usize::from(kind % 3 == 1 && bodies[kind / 3] == BodySendMode::FullDuplexStreamed as i32);
            prop_assert!(said <= came + more, "{said} answers to {came} parts of kind {kind}");
        }
    }
}

const IN_PIECES: ProtocolConfiguration = ProtocolConfiguration {
    request_body_mode: BodySendMode::Streamed as i32,
    response_body_mode: BodySendMode::Streamed as i32,
    send_body_without_waiting_for_header_response: true,
};

/// Each piece is answered in the end, so there is an end to them.
#[test]
fn more_pieces_than_are_taken() {
    let pieces = std::iter::repeat_n(Request::RequestBody(piece(b" ", false)), 70_000);
    let parts = std::iter::once(request("POST", "/v1/messages", false)).chain(pieces).collect();
    let (said, has_ended) = run(say(IN_PIECES, parts));
    assert!(has_ended);
    let [ProcessingResponse { response: Some(Response::Immediate(told)), .. }] = &said[..] else {
        panic!("{} answers", said.len());
    };
    assert_eq!(told.status.unwrap().code, 413);
}

/// A conversation as it should be: each part is answered once, by its own kind.
#[test]
fn each_part_has_an_answer_of_its_own_kind() {
    for path in ["/v1/messages", "/v1/chat/completions", "/v1/responses"] {
        for (kind, body) in [("text/event-stream", EVENTS), ("application/json", ANSWER)] {
            let parts = vec![
                request("POST", path, false),
                Request::RequestBody(piece(&WHOLE[..9], false)),
                Request::RequestBody(piece(&WHOLE[9..], false)),
                Request::RequestTrailers(HttpTrailers::default()),
                response("200", kind, false),
                Request::ResponseBody(piece(&body[..9], false)),
                Request::ResponseBody(piece(&body[9..], false)),
                Request::ResponseTrailers(HttpTrailers::default()),
            ];
            let came: Vec<usize> = parts.iter().map(kind_of).collect();
            let (said, has_ended) = run(say(IN_PIECES, parts));
            assert!(!has_ended);
            assert_eq!(said.iter().filter_map(kind_said).collect::<Vec<_>>(), came, "{path} {kind}");
        }
    }
}

/// Where a body has trailers that are not sent, silence tells its end.
#[test]
fn silence_ends_what_is_complete() {
    run(async {
        let mut exchange = face().begin(&http::HeaderMap::new());
        let mut said = Vec::new();
        let mut parts = [request("POST", "/v1/messages", false), Request::RequestBody(piece(&WHOLE[..9], false))];
        for (n, request) in parts.iter_mut().enumerate() {
            let request = Some(std::mem::replace(request, Request::RequestTrailers(HttpTrailers::default())));
            let part = ProcessingRequest {
                observability_mode: false,
                protocol_config: (n == 0).then_some(IN_PIECES),
                request,
            };
            exchange.part(part, &mut said).await.unwrap();
        }
        let body_timeout = TABLES.limits.body_timeout;
        assert_eq!(exchange.patience(), Some(body_timeout), "the rest may come");
        let rest = Some(Request::RequestBody(piece(&WHOLE[9..], false)));
        let rest = ProcessingRequest { observability_mode: false, protocol_config: None, request: rest };
        exchange.part(rest, &mut said).await.unwrap();
        assert!(said.is_empty());
        assert!(exchange.patience().unwrap() < body_timeout, "nothing need come");
        assert_eq!(exchange.silence(&mut said).await.unwrap(), Flow::Continue);
        assert_eq!(said.iter().map(kind_said).collect::<Vec<_>>(), [Some(0), Some(1), Some(1)]);
        assert_eq!(exchange.patience(), None, "a backend may take its time");
        // White space does not go on, anything else is an error.
        let late = |body| ProcessingRequest {
            observability_mode: false,
            protocol_config: None,
            request: Some(Request::RequestBody(piece(body, false))),
        };
        assert_eq!(exchange.part(late(b"\n"), &mut said).await.unwrap(), Flow::Continue);
        assert_eq!(kind_said(said.last().unwrap()), Some(1));
        assert_eq!(exchange.part(late(b"{}"), &mut said).await.unwrap(), Flow::End);
        assert_eq!(kind_said(said.last().unwrap()), None);
    });
}

/// Who is turned away unheard is told so in its own protocol.
#[test]
fn too_many_is_told_in_the_protocol_of_the_client() {
    for (path, expected) in [("/v1/messages", true), ("/v1/chat/completions", false)] {
        let mut exchange = face().begin(&http::HeaderMap::new());
        let first = Some(request("POST", path, false));
        exchange.turned_away(ProcessingRequest { observability_mode: false, protocol_config: None, request: first });
        let Some(Response::Immediate(told)) = exchange.refuse(Refusal::TooMany).response else { panic!("no answer") };
        assert_eq!(told.status.unwrap().code, 503);
        assert_eq!(told.body.starts_with(br#"{"type":"error""#), expected, "{:?}", told.body);
    }
}

/// Envoy is asked to note whose errors a client of Messages reads.
#[test]
fn whose_errors_are_read_is_noted() {
    for (path, expected) in [("/v1/messages", true), ("/v1/responses", false)] {
        let parts = vec![request("POST", path, false), Request::RequestBody(piece(WHOLE, true))];
        let (said, _) = run(say(IN_PIECES, parts));
        let notes = said.iter().find_map(|reply| reply.dynamic_metadata.clone());
        let Some(notes) = notes else {
            assert!(!expected, "{path}");
            continue;
        };
        let notes = Struct::decode(notes).unwrap();
        let Some(Kind::StructValue(ours)) = &notes.fields["hardwire"].kind else { panic!("{notes:?}") };
        assert!(expected && ours.fields["client"].kind == Some(Kind::StringValue("messages".to_owned())));
    }
}
