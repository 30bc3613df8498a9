//! Every field of our messages means to others what it means to us, both ways.

use bytes::Bytes;
use envoy_types::pb::envoy::config::core::v3 as core;
use envoy_types::pb::envoy::extensions::filters::http::ext_proc::v3 as filter;
use envoy_types::pb::envoy::service::ext_proc::v3 as theirs;
use envoy_types::pb::envoy::r#type::v3 as kinds;
use envoy_types::pb::google::protobuf::value::Kind;
use envoy_types::pb::google::protobuf::{Struct, Value};
use hardwire::extproc::wire as ours;
use prost::Message;
use std::fmt::Debug;
use tonic_health::pb;

/// That both are the same message: each reads what the other has written.
#[track_caller]
fn same<O: Message + Default + PartialEq + Debug, T: Message + Default + PartialEq + Debug>(ours: &O, theirs: &T) {
    assert_eq!(&T::decode(&*ours.encode_to_vec()).unwrap(), theirs);
    assert_eq!(&O::decode(Bytes::from(theirs.encode_to_vec())).unwrap(), ours);
    assert_ne!(ours, &O::default(), "a message without content proves nothing");
}

/// A message within another, without the effort of naming the type of the other one's enumerations.
fn numbers<const N: usize>(ours: [i32; N], theirs: [i32; N]) {
    assert_eq!(ours, theirs);
}

fn text(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

fn header() -> (ours::HeaderValue, core::HeaderValue) {
    (
        ours::HeaderValue { key: text("name"), value: text("old"), raw_value: text("new\u{fc}") },
        core::HeaderValue { key: "name".into(), value: "old".into(), raw_value: "new\u{fc}".into() },
    )
}

fn map() -> (ours::HeaderMap, core::HeaderMap) {
    let (our, their) = header();
    let (our_path, their_path) = (
        ours::HeaderValue::new(text(":path"), text("/v1/models")),
        core::HeaderValue { key: ":path".into(), value: String::new(), raw_value: b"/v1/models".to_vec() },
    );
    (ours::HeaderMap { headers: vec![our, our_path] }, core::HeaderMap { headers: vec![their, their_path] })
}

fn mutation() -> (ours::HeaderMutation, theirs::HeaderMutation) {
    use core::header_value_option::HeaderAppendAction as Action;
    let mut our = ours::HeaderMutation::default();
    our.set(text("a"), text("1"));
    our.add(text("b"), Bytes::new());
    our.remove(text("c"));
    our.remove(text("d"));
    let option = |key: &str, value: &str, action: Action| core::HeaderValueOption {
        header: Some(core::HeaderValue { key: key.into(), value: String::new(), raw_value: value.into() }),
        append_action: action as i32,
        keep_empty_value: value.is_empty(),
        ..core::HeaderValueOption::default()
    };
    let set_headers =
        vec![option("a", "1", Action::OverwriteIfExistsOrAdd), option("b", "", Action::AppendIfExistsOrAdd)];
    (our, theirs::HeaderMutation { set_headers, remove_headers: vec!["c".into(), "d".into()] })
}

fn common(
    mutation_of_body: (ours::Mutation, theirs::body_mutation::Mutation),
) -> (ours::CommonResponse, theirs::CommonResponse) {
    let ((our_headers, their_headers), (our_map, their_map)) = (mutation(), map());
    let (our, their) = mutation_of_body;
    (
        ours::CommonResponse {
            status: ours::ResponseStatus::ContinueAndReplace as i32,
            header_mutation: Some(our_headers),
            body_mutation: Some(ours::BodyMutation { mutation: Some(our) }),
            trailers: Some(our_map),
            clear_route_cache: true,
        },
        theirs::CommonResponse {
            status: theirs::common_response::ResponseStatus::ContinueAndReplace as i32,
            header_mutation: Some(their_headers),
            body_mutation: Some(theirs::BodyMutation { mutation: Some(their) }),
            trailers: Some(their_map),
            clear_route_cache: true,
        },
    )
}

#[test]
fn requests() {
    use ours::Request as Ours;
    use theirs::processing_request::Request as Theirs;
    let (our_map, their_map) = map();
    let our_head = ours::HttpHeaders { headers: Some(our_map.clone()), end_of_stream: true };
    let their_head =
        theirs::HttpHeaders { headers: Some(their_map.clone()), end_of_stream: true, ..theirs::HttpHeaders::default() };
    let our_body = ours::HttpBody { body: text("piece"), end_of_stream: true };
    let their_body = theirs::HttpBody { body: b"piece".to_vec(), end_of_stream: true, ..theirs::HttpBody::default() };
    let our_trailers = ours::HttpTrailers { trailers: Some(our_map) };
    let their_trailers = theirs::HttpTrailers { trailers: Some(their_map) };
    let parts = [
        (Ours::RequestHeaders(our_head.clone()), Theirs::RequestHeaders(their_head.clone())),
        (Ours::ResponseHeaders(our_head), Theirs::ResponseHeaders(their_head)),
        (Ours::RequestBody(our_body.clone()), Theirs::RequestBody(their_body.clone())),
        (Ours::ResponseBody(our_body), Theirs::ResponseBody(their_body)),
        (Ours::RequestTrailers(our_trailers.clone()), Theirs::RequestTrailers(their_trailers.clone())),
        (Ours::ResponseTrailers(our_trailers), Theirs::ResponseTrailers(their_trailers)),
    ];
    for (our, their) in parts {
        let our = ours::ProcessingRequest {
            observability_mode: true,
            protocol_config: Some(ours::ProtocolConfiguration {
                request_body_mode: ours::BodySendMode::FullDuplexStreamed as i32,
                response_body_mode: ours::BodySendMode::Streamed as i32,
                send_body_without_waiting_for_header_response: true,
            }),
            request: Some(our),
        };
        let their = theirs::ProcessingRequest {
            observability_mode: true,
            protocol_config: Some(theirs::ProtocolConfiguration {
                request_body_mode: filter::processing_mode::BodySendMode::FullDuplexStreamed as i32,
                response_body_mode: filter::processing_mode::BodySendMode::Streamed as i32,
                send_body_without_waiting_for_header_response: true,
            }),
            request: Some(their),
            ..theirs::ProcessingRequest::default()
        };
        same(&our, &their);

        // What is not read is skipped, not refused.
        let more = theirs::ProcessingRequest {
            metadata_context: Some(core::Metadata::default()),
            attributes: [("source.address".to_owned(), Struct::default())].into(),
            flow_control_init: Some(theirs::processing_request::FlowControlInit {
                initial_window_upstream_to_sidestream: 7,
                ..theirs::processing_request::FlowControlInit::default()
            }),
            ..their
        };
        assert_eq!(ours::ProcessingRequest::decode(&*more.encode_to_vec()).unwrap(), our);
    }
}

#[test]
fn responses() {
    use ours::Response as Ours;
    use theirs::body_mutation::Mutation;
    use theirs::processing_response::Response as Theirs;
    let streamed = (
        ours::Mutation::Streamed(ours::StreamedBodyResponse { body: text("piece"), end_of_stream: true }),
        Mutation::StreamedResponse(theirs::StreamedBodyResponse {
            body: b"piece".to_vec(),
            end_of_stream: true,
            ..theirs::StreamedBodyResponse::default()
        }),
    );
    let whole = (ours::Mutation::Body(text("{}")), Mutation::Body(b"{}".to_vec()));
    let none = (ours::Mutation::ClearBody(true), Mutation::ClearBody(true));
    let head = |(our, their)| {
        (ours::HeadersResponse { response: Some(our) }, theirs::HeadersResponse { response: Some(their) })
    };
    let body =
        |(our, their)| (ours::BodyResponse { response: Some(our) }, theirs::BodyResponse { response: Some(their) });
    let (our_head, their_head) = head(common(none));
    let (our_whole, their_whole) = body(common(whole));
    let (our_piece, their_piece) = body(common(streamed));
    let (our_mutation, their_mutation) = mutation();
    let our_trailers = ours::TrailersResponse { header_mutation: Some(our_mutation.clone()) };
    let their_trailers = theirs::TrailersResponse { header_mutation: Some(their_mutation.clone()) };
    let our_own = ours::ImmediateResponse {
        status: Some(ours::HttpStatus { code: 413 }),
        headers: Some(our_mutation),
        body: text("{\"error\":{}}"),
        grpc_status: Some(ours::GrpcStatus { status: 8 }),
        details: "too large".into(),
    };
    let their_own = theirs::ImmediateResponse {
        status: Some(kinds::HttpStatus { code: kinds::StatusCode::PayloadTooLarge as i32 }),
        headers: Some(their_mutation),
        body: b"{\"error\":{}}".to_vec(),
        grpc_status: Some(theirs::GrpcStatus { status: 8 }),
        details: "too large".into(),
    };
    let parts = [
        (Ours::RequestHeaders(our_head.clone()), Theirs::RequestHeaders(their_head.clone())),
        (Ours::ResponseHeaders(our_head), Theirs::ResponseHeaders(their_head)),
        (Ours::RequestBody(our_whole), Theirs::RequestBody(their_whole)),
        (Ours::ResponseBody(our_piece), Theirs::ResponseBody(their_piece)),
        (Ours::RequestTrailers(our_trailers.clone()), Theirs::RequestTrailers(their_trailers.clone())),
        (Ours::ResponseTrailers(our_trailers), Theirs::ResponseTrailers(their_trailers)),
        (Ours::Immediate(our_own), Theirs::ImmediateResponse(their_own)),
    ];
    let notes = Struct { fields: [("client".to_owned(), Value { kind: Some(Kind::NullValue(0)) })].into() };
    for (our, their) in parts {
        let our = ours::ProcessingResponse {
            dynamic_metadata: Some(notes.encode_to_vec().into()),
            mode_override: Some(ours::ProcessingMode {
                request_header_mode: ours::HeaderSendMode::Send as i32,
                response_header_mode: ours::HeaderSendMode::Skip as i32,
                request_body_mode: ours::BodySendMode::Buffered as i32,
                response_body_mode: ours::BodySendMode::Streamed as i32,
                request_trailer_mode: ours::HeaderSendMode::Skip as i32,
                response_trailer_mode: ours::HeaderSendMode::Send as i32,
            }),
            response: Some(our),
        };
        use filter::processing_mode::{BodySendMode, HeaderSendMode};
        let their = theirs::ProcessingResponse {
            dynamic_metadata: Some(notes.clone()),
            mode_override: Some(filter::ProcessingMode {
                request_header_mode: HeaderSendMode::Send as i32,
                response_header_mode: HeaderSendMode::Skip as i32,
                request_body_mode: BodySendMode::Buffered as i32,
                response_body_mode: BodySendMode::Streamed as i32,
                request_trailer_mode: HeaderSendMode::Skip as i32,
                response_trailer_mode: HeaderSendMode::Send as i32,
            }),
            response: Some(their),
            ..theirs::ProcessingResponse::default()
        };
        same(&our, &their);
    }
}

#[test]
fn enumerations() {
    use core::header_value_option::HeaderAppendAction;
    use filter::processing_mode::{BodySendMode, HeaderSendMode};
    use ours::{AppendAction, BodySendMode as Body, HeaderSendMode as Head};
    numbers(
        [Body::None, Body::Streamed, Body::Buffered, Body::BufferedPartial, Body::FullDuplexStreamed, Body::Grpc]
            .map(|mode| mode as i32),
        [
            BodySendMode::None,
            BodySendMode::Streamed,
            BodySendMode::Buffered,
            BodySendMode::BufferedPartial,
            BodySendMode::FullDuplexStreamed,
            BodySendMode::Grpc,
        ]
        .map(|mode| mode as i32),
    );
    numbers(
        [Head::Default, Head::Send, Head::Skip].map(|mode| mode as i32),
        [HeaderSendMode::Default, HeaderSendMode::Send, HeaderSendMode::Skip].map(|mode| mode as i32),
    );
    numbers(
        [AppendAction::Append, AppendAction::AddIfAbsent, AppendAction::Overwrite, AppendAction::OverwriteIfExists]
            .map(|action| action as i32),
        [
            HeaderAppendAction::AppendIfExistsOrAdd,
            HeaderAppendAction::AddIfAbsent,
            HeaderAppendAction::OverwriteIfExistsOrAdd,
            HeaderAppendAction::OverwriteIfExists,
        ]
        .map(|action| action as i32),
    );
    numbers(
        [ours::ResponseStatus::Continue as i32, ours::ResponseStatus::ContinueAndReplace as i32],
        [
            theirs::common_response::ResponseStatus::Continue as i32,
            theirs::common_response::ResponseStatus::ContinueAndReplace as i32,
        ],
    );
}

#[test]
fn health() {
    use ours::health::{HealthCheckRequest, HealthCheckResponse, ServingStatus as Ours};
    use pb::health_check_response::ServingStatus as Theirs;
    same(&HealthCheckRequest { service: "a.B".into() }, &pb::HealthCheckRequest { service: "a.B".into() });
    for (our, their) in [
        (Ours::Serving, Theirs::Serving),
        (Ours::NotServing, Theirs::NotServing),
        (Ours::ServiceUnknown, Theirs::ServiceUnknown),
    ] {
        same(&HealthCheckResponse { status: our as i32 }, &pb::HealthCheckResponse { status: their as i32 });
    }
    assert_eq!(Ours::Unknown as i32, Theirs::Unknown as i32);
}

#[test]
fn bodies_and_headers_are_not_copied() {
    let body = ours::HttpBody { body: Bytes::from(vec![b'x'; 4096]), end_of_stream: false };
    let written = Bytes::from(body.encode_to_vec());
    let within = |part: &Bytes| written.as_ptr_range().contains(&part.as_ptr());
    assert!(within(&ours::HttpBody::decode(written.clone()).unwrap().body));
}

#[test]
fn the_value_is_in_either_field() {
    let header = |value, raw_value| ours::HeaderValue { key: text("k"), value, raw_value };
    assert_eq!(header(text("v"), Bytes::new()).value(), "v");
    assert_eq!(header(Bytes::new(), text("r")).value(), "r");
    assert_eq!(header(text("v"), text("r")).value(), "r");
}
