//! What an event of a stream costs: taken apart, translated, forwarded with an eye on it, and copied, which is the least.
//!
//! The streams have 1,000 events of text, as backends send them. `burst` comes in pieces of 64 events, `single` event by event.
//! Before anything is measured, a stream is translated with every allocation counted: once warm, there must be none.

#![allow(clippy::print_stdout)] // the count is a result, too

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use hardwire::protocol::out::Out;
use hardwire::protocol::responses::request::Request;
use hardwire::protocol::responses::{self, resource};
use hardwire::protocol::sse::Framer;
use hardwire::protocol::stream::{Context, EVENT_LIMIT, Encoder, Translator};
use hardwire::protocol::tap::Tap;
use hardwire::protocol::{chat, messages};
use hardwire::table::{Protocol, UnsupportedTools};
use std::hint::black_box;

const EVENTS: usize = 1000;

/// Tokens of prose and code, some of them with escapes.
const TOKENS: [&str; 8] =
    [" the", " router", "\\n\\n", " compiles", " \\\"plain\\\"", ",", " configuration", " \\u00fcber"];

fn chat_event(text: &str) -> String {
    format!(
        "data: {{\"id\":\"chatcmpl-9f3c2d1e0b7a4c58\",\"object\":\"chat.completion.chunk\",\"created\":1763800000,\
         \"model\":\"meta-llama/Llama-3.3-70B-Instruct\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}},\
         \"logprobs\":null,\"finish_reason\":null}}]}}\n\n"
    )
}

fn message_event(text: &str) -> String {
    format!(
        "event: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{{\"type\":\
         \"text_delta\",\"text\":\"{text}\"}}}}\n\n"
    )
}

/// The beginning of a stream, which goes before what is measured, and its events.
fn stream(protocol: Protocol) -> (Bytes, Vec<String>) {
    let (begin, event): (_, fn(&str) -> String) = match protocol {
        Protocol::Chat => (chat_event("") + &chat_event("Well"), chat_event),
        Protocol::Messages => {
            let start = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_01\",\
                         \"usage\":{\"input_tokens\":25,\"output_tokens\":1}}}\n\n\
                         event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\
                         \"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n";
            (start.to_owned() + &message_event("Well"), message_event)
        }
    };
    (begin.into(), (0..EVENTS).map(|i| event(TOKENS[i % TOKENS.len()])).collect())
}

/// The events in pieces of so many.
fn pieces(events: &[String], size: usize) -> Vec<Bytes> {
    events.chunks(size).map(|events| events.concat().into()).collect()
}

/// To a client of the Responses API.
fn responder(from: Protocol) -> Translator {
    let body = Bytes::from_static(br#"{"model":"chat","input":"x","stream":true}"#);
    let context = resource::Context {
        id: "resp_0123456789abcdef0123456789abcdef".to_owned(),
        created_at: 0,
        model: Bytes::from_static(b"chat"),
        echo: Request::read(&body, UnsupportedTools::Refuse).expect("a request").echo(),
        custom_tools: Vec::new(),
        spaced_tools: Vec::new(),
        native_tools: Vec::new(),
        seal_unsigned: false,
    };
    Translator::new(from, Encoder::Responses(Box::new(responses::encode::Encoder::new(context, true))))
}

fn translator(from: Protocol) -> Translator {
    let context = Context { model: "chat".to_owned(), id: "id".to_owned(), created: 0, include_usage: false };
    let encoder = match from {
        Protocol::Chat => Encoder::Messages(Box::new(messages::encode::Encoder::new(context))),
        Protocol::Messages => Encoder::Chat(Box::new(chat::encode::Encoder::new(context))),
    };
    Translator::new(from, encoder)
}

/// Drops what was written, as a connection does.
fn send(out: &mut Out) {
    while let Some(piece) = out.take() {
        black_box(&piece);
    }
}

fn translate(translator: &mut Translator, pieces: &[Bytes], out: &mut Out) {
    for piece in pieces {
        translator.push(piece.clone(), out);
        send(out);
    }
}

/// Fails where an event costs an allocation.
fn count(from: Protocol) {
    let (begin, events) = stream(from);
    let (mut translator, mut out) = (translator(from), Out::default());
    let pieces = pieces(&events, 1);
    translate(&mut translator, &[begin], &mut out);
    translate(&mut translator, &pieces, &mut out);
    let counted = allocation_counter::measure(|| translate(&mut translator, &pieces, &mut out));
    let allocations = counted.count_total;
    println!("{from:?}: {allocations} allocations in {EVENTS} events, once warm");
    assert_eq!(allocations, 0, "an event costs no allocation");
    assert!(!translator.is_done());
}

fn bench(criterion: &mut Criterion) {
    for from in [Protocol::Chat, Protocol::Messages] {
        count(from);
        let (begin, events) = stream(from);
        let mut group = criterion.benchmark_group(format!("{from:?}").to_lowercase());
        group.throughput(Throughput::Elements(EVENTS as u64));
        for (name, size) in [("burst", 64), ("single", 1)] {
            let pieces = pieces(&events, size);
            group.bench_with_input(BenchmarkId::new("frame", name), &pieces, |b, pieces| {
                b.iter(|| {
                    let mut framer = Framer::new(EVENT_LIMIT);
                    for piece in pieces {
                        framer.push(piece.clone());
                        while let Some(frame) = framer.next_frame().expect("no event is too large") {
                            black_box(frame.data);
                        }
                    }
                });
            });
            group.bench_with_input(BenchmarkId::new("translate", name), &pieces, |b, pieces| {
                let (mut translator, mut out) = (translator(from), Out::default());
                translate(&mut translator, std::slice::from_ref(&begin), &mut out);
                b.iter(|| translate(&mut translator, pieces, &mut out));
            });
            // The text of a response is kept until it is stored, so each run has a stream of its own.
            group.bench_with_input(BenchmarkId::new("respond", name), &pieces, |b, pieces| {
                let mut out = Out::default();
                b.iter(|| {
                    let mut translator = responder(from);
                    translate(&mut translator, std::slice::from_ref(&begin), &mut out);
                    translate(&mut translator, pieces, &mut out);
                });
            });
            group.bench_with_input(BenchmarkId::new("forward", name), &pieces, |b, pieces| {
                b.iter(|| {
                    let mut tap = Tap::new(from);
                    for piece in pieces {
                        tap.push(piece);
                        black_box(piece.clone());
                    }
                    black_box(tap.usage());
                });
            });
            group.bench_with_input(BenchmarkId::new("memcpy", name), &pieces, |b, pieces| {
                let mut target = vec![0; pieces[0].len() * 2];
                b.iter(|| {
                    for piece in pieces {
                        target[..piece.len()].copy_from_slice(black_box(piece));
                    }
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
