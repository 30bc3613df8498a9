//! Streams of backends, translated for clients: whatever comes, in whatever pieces, nothing panics, all cuts tell the same, and
//! what is written is events of JSON.

#![no_main]

use hardwire::protocol::out::Out;
use hardwire::protocol::stream::{Context, Encoder, Translator};
use hardwire::protocol::{chat, messages};
use hardwire::table::Protocol;
use libfuzzer_sys::fuzz_target;

const PROTOCOLS: [Protocol; 2] = [Protocol::Chat, Protocol::Messages];

fn translate<'a>(from: Protocol, to: Protocol, pieces: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let context = Context { model: "m".to_owned(), id: "i".to_owned(), created: 0, include_usage: true };
    let encoder = match to {
        Protocol::Chat => Encoder::Chat(Box::new(chat::encode::Encoder::new(context))),
        Protocol::Messages => Encoder::Messages(Box::new(messages::encode::Encoder::new(context))),
    };
    let (mut translator, mut out) = (Translator::new(from, encoder), Out::default());
    for piece in pieces {
        translator.push(piece.to_vec().into(), &mut out);
    }
    translator.finish(&mut out);
    assert!(translator.is_done());
    out.into_vec()
}

fuzz_target!(|input: (u8, &[u8])| {
    let (size, bytes) = input;
    for from in PROTOCOLS {
        for to in PROTOCOLS {
            let whole = translate(from, to, std::iter::once(bytes));
            assert_eq!(translate(from, to, bytes.chunks(usize::from(size) + 1)), whole);
            assert_eq!(translate(from, to, bytes.chunks(1)), whole);
            let whole = String::from_utf8(whole).expect("what is written is UTF-8");
            for event in whole.strip_suffix("\n\n").expect("the last event is whole").split("\n\n") {
                let data = event.lines().find_map(|line| line.strip_prefix("data: ")).expect("every event has data");
                if data != "[DONE]" {
                    serde_json::from_str::<serde::de::IgnoredAny>(data).expect("data is JSON");
                }
            }
        }
    }
});
