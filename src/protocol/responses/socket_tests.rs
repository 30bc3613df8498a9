use super::*;
use proptest::prelude::*;

fn bytes(text: &str) -> Bytes {
    text.to_owned().into()
}

#[test]
fn what_is_asked() {
    let read = |text: &str| Create::read(&bytes(text));
    assert_eq!(
        read(r#"{"type":"response.create","model":"m","input":"x"}"#),
        Ok(Create { generate: true, ..Create::default() })
    );
    assert_eq!(
        read(r#"{"generate":false,"stream_id":"a-1_.","previous_response_id":"resp_1","type":"response.create"}"#),
        Ok(Create { lane: Some("a-1_.".into()), generate: false, previous: Some("resp_1".into()) })
    );
}

#[test]
fn what_is_not_asked_so() {
    let read = |text: &str| {
        let refused = Create::read(&bytes(text)).unwrap_err();
        (refused.error.param.unwrap_or_default(), refused.code, refused.lane)
    };
    let long = format!(r#"{{"type":"response.create","stream_id":"{}"}}"#, "x".repeat(257));
    for (text, param, code, lane) in [
        ("{", "", None, None),
        ("[]", "", None, None),
        ("{}", "type", None, None),
        (r#"{"type":"response.cancel","stream_id":"a"}"#, "type", None, Some("a")),
        (r#"{"type":7}"#, "type", None, None),
        (r#"{"type":"response.create","stream_id":""}"#, "stream_id", Some("invalid_stream_id"), None),
        (r#"{"type":"response.create","stream_id":"a b"}"#, "stream_id", Some("invalid_stream_id"), None),
        (r#"{"type":"response.create","stream_id":1}"#, "stream_id", Some("invalid_stream_id"), None),
        (&long, "stream_id", Some("invalid_stream_id"), None),
        (r#"{"type":"response.create","generate":1}"#, "generate", None, None),
        (r#"{"type":"response.create","previous_response_id":1}"#, "previous_response_id", None, None),
    ] {
        assert_eq!(read(text), (param.to_owned(), code, lane.map(str::to_owned)), "{text}");
    }
}

#[test]
fn the_request_is_that_of_a_body() {
    let message = bytes(
        r#"{"type":"response.create","stream_id":"a","generate":true,"stream":false,"model":"m","input":"x","store":false}"#,
    );
    let request = Request::in_message(&message, UnsupportedTools::Refuse).unwrap();
    assert!(request.stream && !request.store);
    assert_eq!(request.model.as_deref(), Some("m"));
    assert!(request.warnings.names().is_empty(), "{:?}", request.warnings);
    let background = bytes(r#"{"type":"response.create","model":"m","input":"x","background":true}"#);
    assert_eq!(
        Request::in_message(&background, UnsupportedTools::Refuse).unwrap_err().param.as_deref(),
        Some("background")
    );
}

fn all(messages: &mut Messages) -> Vec<String> {
    messages.map(|message| String::from_utf8(message.to_vec()).unwrap()).collect()
}

#[test]
fn an_event_a_message() {
    let stream = "event: response.created\ndata: {\"type\":\"response.created\"}\n\n\
                  event: response.failed\ndata: {\"type\":\"response.failed\"}\n\ndata: [DONE]\n\n";
    let mut messages = Messages::new(Some("a".into()));
    messages.push(stream.as_bytes());
    let expected = [r#"{"stream_id":"a","type":"response.created"}"#, r#"{"stream_id":"a","type":"response.failed"}"#];
    assert_eq!(all(&mut messages), expected);
    assert!(messages.has_failed());
}

#[test]
fn an_error_with_its_status() {
    let body = br#"{"error":{"message":"no"}}"#;
    assert_eq!(error_message(400, body, None), r#"{"type":"error","status":400,"error":{"message":"no"}}"#);
    assert_eq!(
        error_message(404, body, Some("a")),
        r#"{"stream_id":"a","type":"error","status":404,"error":{"message":"no"}}"#
    );
}

proptest! {
    /// However the stream is cut into pieces, the messages are the same.
    #[test]
    fn pieces_do_not_matter(
        texts in prop::collection::vec("[a-z \\\\nä\u{1F600}]{0,40}", 0..8),
        cuts in prop::collection::vec(1_usize..30, 1..60),
    ) {
        let events: Vec<String> = texts.iter().map(|text| serde_json::json!({ "delta": text }).to_string()).collect();
        let mut stream: String = events.iter().map(|event| format!("event: x\ndata: {event}\n\n")).collect();
        stream.push_str("data: [DONE]\n\n");
        let mut messages = Messages::default();
        let (mut rest, mut got, mut cuts) = (stream.as_bytes(), Vec::new(), cuts.into_iter().cycle());
        while !rest.is_empty() {
            let (piece, behind) = rest.split_at(cuts.next().unwrap_or(1).min(rest.len()));
            messages.push(piece);
            got.extend(all(&mut messages));
            rest = behind;
        }
        prop_assert_eq!(got, events);
        prop_assert!(!messages.has_failed());
    }

    /// Whatever a client sends is refused or read, and a lane is always one.
    #[test]
    fn whatever_is_sent(text in "\\PC{0,60}", lane in "\\PC{0,12}") {
        let _ = Create::read(&bytes(&text));
        let message = serde_json::json!({ "type": "response.create", "stream_id": lane }).to_string();
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
        match Create::read(&bytes(&message)) {
            Ok(create) => prop_assert_eq!(create.lane, Some(lane)),
            Err(_) => prop_assert!(lane.is_empty() || !lane.chars().all(is_plain)),
        }
    }
}
