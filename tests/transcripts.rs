//! Streams as backends send them, in `tests/transcripts/<protocol>/*.sse`: what the router makes of them for clients of either
//! protocol stands beside each. `UPDATE_EXPECT=1` writes what is made now.
//!
//! However a stream is cut, the same must come of it; and a stream that is translated into its own protocol means the same.

#![allow(clippy::unwrap_used, reason = "a test stops where it stands")]

use bytes::Bytes;
use hardwire::protocol::out::Out;
use hardwire::protocol::stream::{Context, Encoder, Translator};
use hardwire::protocol::tap::Tap;
use hardwire::protocol::{chat, messages};
use hardwire::table::Protocol;
use std::path::{Path, PathBuf};

const PROTOCOLS: [(Protocol, &str); 2] = [(Protocol::Chat, "chat"), (Protocol::Messages, "messages")];

fn translator(from: Protocol, to: Protocol) -> Translator {
    let context =
        Context { model: "the \"model\"".to_owned(), id: "made-up".to_owned(), created: 1, include_usage: true };
    let encoder = match to {
        Protocol::Chat => Encoder::Chat(Box::new(chat::encode::Encoder::new(context))),
        Protocol::Messages => Encoder::Messages(Box::new(messages::encode::Encoder::new(context))),
    };
    Translator::new(from, encoder)
}

/// What is written for a stream that comes in these pieces.
fn translate<'a>(from: Protocol, to: Protocol, pieces: impl IntoIterator<Item = &'a [u8]>) -> (String, Translator) {
    let (mut translator, mut out) = (translator(from, to), Out::default());
    for piece in pieces {
        translator.push(Bytes::from(piece.to_vec()), &mut out);
    }
    translator.finish(&mut out);
    assert!(translator.is_done());
    (String::from_utf8(out.into_vec()).unwrap(), translator)
}

/// Every transcript of a protocol.
fn transcripts(protocol: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts").join(protocol);
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = paths.filter(|path| path.extension().is_some_and(|extension| extension == "sse")).collect();
    paths.sort();
    assert!(paths.len() > 10, "the transcripts of {protocol} are there");
    paths.into_iter().map(|path| (path.clone(), std::fs::read(&path).unwrap())).collect()
}

#[test]
fn what_clients_are_told() {
    let mut wrong = Vec::new();
    for (from, name) in PROTOCOLS {
        for (path, stream) in transcripts(name) {
            for (to, client) in PROTOCOLS {
                let (told, _) = translate(from, to, [&stream[..]]);
                let golden = path.with_extension(format!("to-{client}"));
                if std::env::var_os("UPDATE_EXPECT").is_some() {
                    std::fs::write(&golden, &told).unwrap();
                }
                if std::fs::read_to_string(&golden).ok().as_deref() != Some(&told) {
                    wrong.push(format!("{}:\n{told}", golden.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} differ\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_cut_tells_the_same() {
    for (from, name) in PROTOCOLS {
        for (path, stream) in transcripts(name) {
            for (to, _) in PROTOCOLS {
                let (expected, whole) = translate(from, to, [&stream[..]]);
                for at in 0..=stream.len() {
                    let (told, translator) = translate(from, to, [&stream[..at], &stream[at..]]);
                    assert_eq!(told, expected, "{} cut at {at}", path.display());
                    assert_eq!(translator.usage(), whole.usage());
                }
                for size in [1, 2, 3, 7, 64] {
                    assert_eq!(translate(from, to, stream.chunks(size)).0, expected, "{} by {size}", path.display());
                }
            }
        }
    }
}

#[test]
fn a_stream_in_its_own_protocol_means_the_same() {
    for (protocol, name) in PROTOCOLS {
        for (path, stream) in transcripts(name) {
            let (once, first) = translate(protocol, protocol, [&stream[..]]);
            let (twice, second) = translate(protocol, protocol, [once.as_bytes()]);
            assert_eq!(once, twice, "{}", path.display());
            assert_eq!(first.failure().is_some(), second.failure().is_some(), "{}", path.display());
            assert_eq!(first.usage().prompt(), second.usage().prompt(), "{}", path.display());
            assert_eq!(first.usage().completion(), second.usage().completion(), "{}", path.display());
        }
    }
}

#[test]
fn an_event_leaves_once_it_is_complete() {
    for (from, name) in PROTOCOLS {
        for (path, stream) in transcripts(name) {
            for (to, _) in PROTOCOLS {
                // All that a whole prefix of events tells was told when its last byte came.
                let (mut byte_by_byte, mut out) = (translator(from, to), Out::default());
                let mut told = Vec::new();
                for (at, byte) in stream.iter().enumerate() {
                    byte_by_byte.push(Bytes::from(vec![*byte]), &mut out);
                    while let Some(piece) = out.take() {
                        told.extend_from_slice(&piece);
                    }
                    if stream[..=at].ends_with(b"\n\n") {
                        let (mut at_once, mut out) = (translator(from, to), Out::default());
                        at_once.push(Bytes::from(stream[..=at].to_vec()), &mut out);
                        assert_eq!(told, out.into_vec(), "{} at {at}", path.display());
                    }
                }
            }
        }
    }
}

#[test]
fn a_tap_sees_what_a_translator_sees() {
    for (protocol, name) in PROTOCOLS {
        for (path, stream) in transcripts(name) {
            let (_, translator) = translate(protocol, protocol, [&stream[..]]);
            let mut tap = Tap::new(protocol);
            stream.chunks(5).for_each(|piece| tap.push(piece));
            if translator.failure().is_none() {
                assert_eq!(tap.usage(), translator.usage(), "{}", path.display());
            }
        }
    }
}

#[test]
fn what_is_written_is_a_stream_of_json() {
    for (from, name) in PROTOCOLS {
        for (path, stream) in transcripts(name) {
            for (to, _) in PROTOCOLS {
                let (told, translator) = translate(from, to, [&stream[..]]);
                for frame in told.strip_suffix("\n\n").unwrap().split("\n\n") {
                    let (event, data) = match to {
                        Protocol::Chat => (None, frame.strip_prefix("data: ").unwrap()),
                        Protocol::Messages => {
                            let (event, data) = frame.strip_prefix("event: ").unwrap().split_once("\ndata: ").unwrap();
                            (Some(event), data)
                        }
                    };
                    if data == "[DONE]" {
                        assert!(translator.failure().is_none(), "{}", path.display());
                        continue;
                    }
                    let kind: Kind = serde_json::from_str(data).unwrap_or_else(|error| panic!("{error}: {data}"));
                    assert_eq!(kind.r#type.as_deref(), event);
                    assert!(
                        event.is_some()
                            || kind.object.is_some_and(|is| is == "chat.completion.chunk")
                            || kind.error.is_some()
                    );
                }
                let ends = told.matches("\"finish_reason\":\"").count() + told.matches("event: message_stop").count();
                let is_whole = told.ends_with("data: [DONE]\n\n") || told.ends_with("\"message_stop\"}\n\n");
                assert_eq!(is_whole, translator.failure().is_none(), "{}", path.display());
                assert!(ends == usize::from(is_whole), "{}: {ends} ends", path.display());
            }
        }
    }
}

/// What tells the events of either protocol apart.
#[derive(serde::Deserialize)]
struct Kind {
    r#type: Option<String>,
    object: Option<String>,
    error: Option<serde::de::IgnoredAny>,
}
