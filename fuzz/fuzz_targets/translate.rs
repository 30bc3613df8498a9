//! Requests and plain answers in the other protocol: nothing panics, and what is written is JSON that the router itself can
//! read, with the model where it was.

#![no_main]

use bytes::Bytes;
use hardwire::protocol::answer::Answer;
use hardwire::protocol::error_body;
use hardwire::protocol::json::{Field, Scanner};
use hardwire::protocol::messages::{from_chat, to_chat};
use hardwire::protocol::splice::Chunks;
use hardwire::protocol::stream::Context;
use hardwire::table::Protocol;
use http::StatusCode;
use libfuzzer_sys::fuzz_target;
use serde::de::IgnoredAny;

fn check(body: Chunks) -> Bytes {
    let body = Bytes::from(body.into_inner().concat());
    let mut scanner = Scanner::new();
    scanner.push(&body).expect("JSON was written");
    let fields = scanner.finish().expect("and all of it");
    let text = std::str::from_utf8(&body).expect("in UTF-8");
    if let Some(model) = fields.get(Field::Model) {
        serde_json::from_str::<IgnoredAny>(&text[model.start..model.end]).expect("a whole value");
    }
    body
}

fuzz_target!(|input: (u16, &[u8])| {
    let (choices, bytes) = input;
    let body = Bytes::from(bytes.to_vec());
    let chosen = |bit: u16| choices & (1 << bit) != 0;
    let reasoning = match (chosen(0), chosen(1)) {
        (false, false) => from_chat::Reasoning::Unsupported,
        (false, true) => from_chat::Reasoning::Budget,
        (true, _) => from_chat::Reasoning::Effort,
    };
    let from_chat = from_chat::Options { max_tokens: 4096, reasoning };
    let bound = if chosen(2) { to_chat::Bound::MaxTokens } else { to_chat::Bound::MaxCompletionTokens };
    let to_chat = to_chat::Options { bound, takes_effort: chosen(3), takes_thinking: chosen(4) };
    if let Ok(done) = from_chat::translate(&body, &from_chat) {
        assert!(done.warnings.to_header().bytes().all(|byte| byte.is_ascii_graphic() || byte == b' '));
        let there = check(done.body);
        if let Ok(back) = to_chat::translate(&there, &to_chat) {
            check(back.body);
        }
    }
    if let Ok(done) = to_chat::translate(&body, &to_chat) {
        let there = check(done.body);
        if let Ok(back) = from_chat::translate(&there, &from_chat) {
            check(back.body);
        }
    }

    let context = Context { model: "m".to_owned(), id: "id".to_owned(), created: 0, include_usage: false };
    for protocol in [Protocol::Chat, Protocol::Messages] {
        let answer = Answer::read(protocol, &body);
        for to in [Protocol::Chat, Protocol::Messages] {
            if let Ok(written) = answer.write(to, &context) {
                check(written);
            }
        }
    }
    let status = StatusCode::from_u16(100 + choices % 500).expect("a status");
    assert!(!error_body::read(status, bytes).message.is_empty());
});
