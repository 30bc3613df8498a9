//! Requests for responses and stored responses: nothing panics, what is written is JSON, and a response that was stored can be
//! told again.

#![no_main]

use bytes::Bytes;
use hardwire::protocol::chat;
use hardwire::protocol::out::Out;
use hardwire::protocol::responses::encode::Encoder;
use hardwire::protocol::responses::ids::parse_item_id;
use hardwire::protocol::responses::later_tools::in_stored;
use hardwire::protocol::responses::list::{Items, Page};
use hardwire::protocol::responses::replay::{Wanted, replay};
use hardwire::protocol::responses::request::Request;
use hardwire::protocol::responses::resource::Context;
use hardwire::protocol::responses::to_chat::History;
use hardwire::table::UnsupportedTools;
use libfuzzer_sys::fuzz_target;
use serde::de::IgnoredAny;

fn check(json: &[u8]) {
    serde_json::from_slice::<IgnoredAny>(json).expect("JSON was written");
}

fuzz_target!(|input: &[u8]| {
    // A request, and behind a byte that JSON cannot have, an answer to it.
    let (body, answer) = input.split_at(input.iter().position(|byte| *byte == 0).unwrap_or(input.len()));
    let (body, answer) = (Bytes::from(body.to_vec()), Bytes::from(answer.get(1..).unwrap_or_default().to_vec()));
    let _ = replay(&body, Wanted { starting_after: Some(2) });
    let _ = parse_item_id(&String::from_utf8_lossy(&body));
    let Ok(mut request) = Request::read(&body, UnsupportedTools::Omit) else { return };
    let nothing = |_: &str| None;
    let history = History { turns: &[], items: &nothing };
    let Ok(translated) = request.to_chat(history) else { return };
    check(&translated.body.into_inner().concat());
    assert!(translated.warnings.to_header().bytes().all(|byte| byte.is_ascii_graphic() || byte == b' '));
    if let Ok(summary) = request.to_summary(history) {
        check(&summary.body.into_inner().concat());
    }
    let items = request.input_items("resp_7", &nothing).expect("what was translated can be stored");
    check(&items);
    // What is found in stored items was found in the request, and is known to it already.
    let found = in_stored(&items);
    assert_eq!(found.len(), request.items_with_tools(&nothing).len());
    found.iter().for_each(|item| request.recall_tools(item));
    let page = Page::read([("limit", "1")]).expect("a page").of(&items).expect("a part of it");
    check(&page);

    let context = Context {
        id: "resp_7".to_owned(),
        created_at: 1,
        model: Bytes::from_static(b"m"),
        echo: request.echo(),
        custom_tools: request.custom_tools(),
        spaced_tools: request.spaced_tools(),
        native_tools: request.native_tools(),
        seal_unsigned: request.seal_unsigned,
    };
    let (mut encoder, mut out) = (Encoder::new(context, true), Out::default());
    chat::answer::read(&answer, &mut |event| encoder.event(event, &mut out));
    encoder.finish(2, &mut out);
    let mut response = Out::default();
    encoder.write_response(&mut response);
    let response = Bytes::from(response.into_vec());
    check(&response);
    let mut turn = Out::default();
    if encoder.write_turn(&mut turn) {
        check(&turn.into_vec());
    }
    let _ = Items::of(&response, &items).at(hardwire::protocol::responses::ids::Place::Output(0));
    let told = replay(&response, Wanted { starting_after: None }).expect("a response that was written is told again");
    assert!(!told.contains(&b'\r'), "line ends of a request stand in no event");
});
