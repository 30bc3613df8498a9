//! Heads and bodies as tables, and whole responses cut in every way.

use super::*;
use crate::protocol::splice::Chunks;
use bytes::{Bytes, BytesMut};
use http::{Method, Request};
use proptest::prelude::*;
use std::io::IoSlice;

// === requests ===

fn request(method: Method, uri: &str, headers: &[(&'static str, &'static str)], body: &[&'static str]) -> Outgoing {
    let mut chunks = Chunks::default();
    for piece in body {
        chunks.push(Bytes::from_static(piece.as_bytes()));
    }
    let mut request = Request::builder().method(method).uri(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Outgoing::new(&request.body(chunks).unwrap())
}

/// Writes as a socket would that takes `step` bytes at a time.
fn write(mut outgoing: Outgoing, step: usize) -> String {
    let mut written = Vec::new();
    while !outgoing.is_done() {
        let mut slices = [IoSlice::new(&[]); 2];
        let used = outgoing.slices(&mut slices);
        assert!(slices[..used].iter().all(|slice| !slice.is_empty()), "an empty slice costs a system call for nothing");
        let here: Vec<u8> = slices[..used].iter().flat_map(|slice| slice.iter().copied()).take(step).collect();
        outgoing.advance(here.len());
        assert!(!outgoing.is_untouched());
        written.extend(here);
    }
    String::from_utf8(written).unwrap()
}

#[test]
fn requests() {
    let headers = [("host", "h:1"), ("content-length", "99"), ("transfer-encoding", "chunked"), ("x-a", "b")];
    let expected = "POST /v1/chat?x=1 HTTP/1.1\r\nhost: h:1\r\nx-a: b\r\ncontent-length: 5\r\n\r\nhello";
    for step in [1, 2, 3, 64, 1000] {
        let outgoing = request(Method::POST, "http://ignored/v1/chat?x=1", &headers, &["he", "l", "lo"]);
        assert!(outgoing.is_untouched() && !outgoing.is_done());
        assert_eq!(write(outgoing, step), expected, "{step} bytes at a time");
    }
    assert_eq!(write(request(Method::POST, "/", &[], &[]), 9), "POST / HTTP/1.1\r\ncontent-length: 0\r\n\r\n");
    assert_eq!(write(request(Method::GET, "/health", &[], &[]), 9), "GET /health HTTP/1.1\r\n\r\n");
    assert!(Outgoing::none().is_done() && !Outgoing::none().is_untouched());
}

// === heads ===

fn read_head(input: &[u8]) -> Result<Option<Head>, Error> {
    HeadReader::new(&Method::POST).read(&mut BytesMut::from(input))
}

/// `expected`: status, framing, whether the connection may be kept.
#[track_caller]
fn head(input: &str, expected: (u16, &str, bool)) {
    let head = read_head(input.as_bytes()).unwrap().expect("the head is whole");
    let framing = match (head.decoder.remaining(), head.decoder.is_done()) {
        (Some(0), true) => "none".to_owned(),
        (Some(length), false) => format!("{length}"),
        (None, false) if format!("{:?}", head.decoder).contains("Chunked") => "chunked".to_owned(),
        (None, false) => "until close".to_owned(),
        other => panic!("{other:?}"),
    };
    assert_eq!((head.response.status().as_u16(), &*framing, head.keep_alive), expected, "{input:?}");
    let told = head.response.headers().get_all("content-length").iter().collect::<Vec<_>>();
    match framing.parse::<u64>() {
        Ok(length) => assert_eq!(told, [&length.to_string()], "{input:?}"),
        // A zero is told as the backend told it.
        Err(_) => assert!(told.iter().all(|value| *value == "0"), "{input:?}"),
    }
}

#[test]
fn heads() {
    head("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", (200, "5", true));
    head("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", (200, "none", true));
    head("HTTP/1.1 200\r\ncontent-length: 5\r\n\r\n", (200, "5", true));
    head("HTTP/1.1 200 \r\ncontent-length: 5\r\n\r\n", (200, "5", true));
    head("HTTP/1.1 500 Sch\u{f6}n kaputt\r\ncontent-length: 5\r\n\r\n", (500, "5", true));
    head("HTTP/1.1 200 OK\r\n\r\n", (200, "until close", false));
    head("HTTP/1.1 200 OK\r\nconnection: keep-alive\r\n\r\n", (200, "until close", false));
    head("HTTP/1.1 200 OK\r\ncontent-length: 5\r\nConnection: Close\r\n\r\n", (200, "5", false));
    head("HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: x\r\nconnection: y , close\r\n\r\n", (200, "5", false));
    head("HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close, keep-alive\r\n\r\n", (200, "5", false));
    head("HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\n", (200, "5", false));
    head("HTTP/1.0 200 OK\r\ncontent-length: 5\r\nconnection: Keep-Alive\r\n\r\n", (200, "5", true));
    head("HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n", (200, "chunked", true));
    head("HTTP/1.1 200 OK\r\ntransfer-encoding:chunked\r\ncontent-length: 5\r\n\r\n", (200, "chunked", false));
    head("HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\nconnection: keep-alive\r\n\r\n", (200, "chunked", false));
    head("HTTP/1.1 204 No Content\r\n\r\n", (204, "none", true));
    head("HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\n", (204, "none", true));
    head("HTTP/1.1 304 Not Modified\r\ntransfer-encoding: chunked\r\n\r\n", (304, "none", true));
    head("HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 5\r\n\r\n", (200, "5", true));
    head("HTTP/1.1 200 OK\r\ncontent-length: 5, 5\r\n\r\n", (200, "5", true));
    head("HTTP/1.1 200 OK\r\ncontent-length: \t 5 \r\n\r\n", (200, "5", true));
    head("HTTP/1.1 200 OK\r\ncontent-length: 18446744073709551615\r\n\r\n", (200, "18446744073709551615", true));
    head("HTTP/1.1 100 Continue\r\nx: y\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", (200, "5", true));
    head("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 102 P\r\n\r\nHTTP/1.1 204 N\r\n\r\n", (204, "none", true));
    head("HTTP/1.1 200 OK\ncontent-length: 5\n\n", (200, "5", true));
}

#[test]
fn headers_stand_as_they_came() {
    let input = "HTTP/1.1 429 Slow\r\nX-Request-ID:  a b \r\nset-cookie: 1\r\nSet-Cookie: 2\r\nempty:\r\nlatin: \u{e9}\r\n\
                 content-length: 2\r\n\r\n{}HTTP";
    let mut buf = BytesMut::from(input);
    let head = HeadReader::new(&Method::POST).read(&mut buf).unwrap().unwrap();
    let headers: Vec<(&str, &[u8])> =
        head.response.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    let expected: [(&str, &[u8]); 6] = [
        ("x-request-id", b"a b"),
        ("set-cookie", b"1"),
        ("set-cookie", b"2"),
        ("empty", b""),
        ("latin", "\u{e9}".as_bytes()),
        ("content-length", b"2"),
    ];
    assert_eq!(headers, expected);
    assert_eq!(&buf[..], b"{}HTTP", "the body stays in the buffer");
}

#[test]
fn no_body_after_head_requests() {
    let mut buf = BytesMut::from("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n");
    let head = HeadReader::new(&Method::HEAD).read(&mut buf).unwrap().unwrap();
    assert!(head.decoder.is_done());
}

/// `expected` is the beginning of the error as Debug shows it.
#[track_caller]
fn bad_head(input: &[u8], expected: &str) {
    let error = read_head(input).expect_err("it is malformed");
    assert!(format!("{error:?}").starts_with(expected), "{error:?}");
    assert!(!error.closed_before_answer());
}

#[test]
fn malformed_heads() {
    bad_head(b"SSH-2.0-OpenSSH\r\n", "Head(Version)");
    bad_head(b"HTTP/2.0 200 OK\r\n\r\n", "Head(Version)");
    bad_head(b"HTTP/1.1 20 OK\r\n\r\n", "Head(Status)");
    bad_head(b"HTTP/1.1 099 OK\r\n\r\n", "Head(Status)");
    bad_head(b"HTTP/1.1 2000 OK\r\n\r\n", "Head(Status)");
    bad_head(b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "Head(HeaderName)");
    bad_head(b"HTTP/1.1 200 OK\r\nspace : x\r\n\r\n", "Head(HeaderName)");
    bad_head(b"HTTP/1.1 200 OK\r\na: b\r\n folded\r\n\r\n", "Head(HeaderName)");
    bad_head(b"HTTP/1.1 200 OK\r\na: b\rc\r\n\r\n", "Head(HeaderValue)");
    bad_head(b"HTTP/1.1 200 OK\r\na: \0\r\n\r\n", "Head(HeaderValue)");
    bad_head(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: h2c\r\n\r\n", "Upgrade");
    for value in ["", "x", "-1", "+5", "5 5", "0x5", "5,", "5, 6", "18446744073709551616", "5;5"] {
        bad_head(format!("HTTP/1.1 200 OK\r\ncontent-length: {value}\r\n\r\n").as_bytes(), "ContentLength");
    }
    bad_head(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n", "ContentLength");
    for value in ["", "gzip", "gzip, chunked", "chunked, gzip", "chunked, chunked", "chunked;x", "identity", "xchunked"]
    {
        bad_head(format!("HTTP/1.1 200 OK\r\ntransfer-encoding: {value}\r\n\r\n").as_bytes(), "TransferEncoding");
    }
    let interim = "HTTP/1.1 100 C\r\n\r\n".repeat(usize::from(MAX_INTERIM));
    head(&format!("{interim}HTTP/1.1 204 N\r\n\r\n"), (204, "none", true));
    bad_head(format!("{interim}HTTP/1.1 100 C\r\n\r\n").as_bytes(), "TooManyInterim");
}

#[test]
fn heads_are_bounded() {
    let lines = |count: usize| format!("HTTP/1.1 204 N\r\n{}\r\n", "a: b\r\n".repeat(count));
    head(&lines(MAX_HEADERS), (204, "none", true));
    bad_head(lines(MAX_HEADERS + 1).as_bytes(), "Head(TooManyHeaders)");
    let long = |total: usize| format!("HTTP/1.1 204 N\r\na: {}\r\n\r\n", "b".repeat(total - 23));
    assert_eq!(long(100).len(), 100);
    head(&long(MAX_HEAD), (204, "none", true));
    bad_head(long(MAX_HEAD + 1).as_bytes(), "HeadTooLarge");
    // Also while the end is not in sight, whichever way it comes.
    let endless = long(2 * MAX_HEAD);
    let mut reader = HeadReader::new(&Method::POST);
    let mut buf = BytesMut::new();
    let refused = endless.as_bytes().chunks(1000).position(|piece| {
        buf.extend_from_slice(piece);
        reader.read(&mut buf).is_err()
    });
    assert_eq!(refused, Some(MAX_HEAD / 1000));
}

// === bodies ===

/// What became of a response.
#[derive(Debug, PartialEq)]
struct Told {
    status: Option<u16>,
    data: Vec<u8>,
    /// `None` if it ended well.
    error: Option<String>,
    /// What was left over; not looked at after an error.
    rest: Vec<u8>,
}

/// Reads one response that comes in these pieces, and then the end of the stream.
fn read<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Told {
    let mut told = Told { status: None, data: Vec::new(), error: None, rest: Vec::new() };
    let mut buf = BytesMut::new();
    let mut reader = HeadReader::new(&Method::POST);
    let mut decoder = None;
    let result = (|| {
        for piece in pieces {
            buf.extend_from_slice(piece);
            if decoder.is_none() {
                let Some(head) = reader.read(&mut buf)? else { continue };
                told.status = Some(head.response.status().as_u16());
                decoder = Some(head.decoder);
            }
            let decoder: &mut Decoder = decoder.as_mut().expect("it was just set");
            while let Some(data) = decoder.decode(&mut buf)? {
                assert!(!data.is_empty());
                told.data.extend_from_slice(&data);
            }
            assert!(decoder.is_done() || buf.is_empty(), "what is of the body was taken");
            assert_eq!(decoder.is_done(), decoder.remaining() == Some(0));
        }
        decoder.as_mut().ok_or(Error::Truncated)?.end_of_input()
    })();
    told.error = result.err().map(|error: Error| match error {
        // A head that is cut off may or may not have been looked at.
        Error::Head(_) | Error::Truncated if told.status.is_none() => "bad head".to_owned(),
        other => format!("{other:?}"),
    });
    if told.error.is_none() {
        told.rest = buf.to_vec();
    }
    told
}

const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

/// The data, and the error if it does not end well. The same for reads of any size.
#[track_caller]
fn chunked(body: &str, data: &str, end: Result<(), &str>) {
    let input = format!("{CHUNKED}{body}");
    for size in [1, 2, 3, 5, 7, input.len()] {
        let told = read(input.as_bytes().chunks(size));
        assert_eq!(String::from_utf8_lossy(&told.data), data, "reads of {size}");
        assert_eq!(told.error.as_deref(), end.err(), "reads of {size}");
    }
}

#[test]
fn chunks() {
    chunked("0\r\n\r\n", "", Ok(()));
    chunked("5\r\nhello\r\n0\r\n\r\n", "hello", Ok(()));
    chunked("5\r\nhello\r\n1\r\n!\r\n000\r\n\r\n", "hello!", Ok(()));
    chunked("00005 \t\r\nhello\r\n0 ;a\r\n\r\n", "hello", Ok(()));
    chunked("5;name=\"v;\";x\r\nhello\r\n0;y\r\n\r\n", "hello", Ok(()));
    chunked("A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n", "01234567890123456789", Ok(()));
    chunked("2\r\n\r\n\r\n0\r\n\r\n", "\r\n", Ok(()));
    chunked("1\r\nx\r\n0\r\nTrailer: v\r\nx:\r\n\r\n", "x", Ok(()));
    let bad = |body: &str, data: &str, expected: &str| {
        chunked(body, data, Err(&format!("Chunk({expected:?})")));
    };
    bad("\r\n", "", "a chunk size");
    bad(" 5\r\n", "", "a chunk size");
    bad("-1\r\n", "", "a chunk size");
    bad(";\r\n", "", "a chunk size");
    bad("0x5\r\n", "", "CR LF");
    bad("5 5\r\n", "", "CR LF");
    bad("5\nhello", "", "CR LF");
    bad("5\rhello", "", "CR LF");
    bad("5;a\nhello", "", "CR LF");
    bad("5\r\nhello\n0\r\n\r\n", "hello", "CR LF");
    bad("5\r\nhello!\r\n", "hello", "CR LF");
    bad("5\r\nhello\r\ng\r\n", "hello", "a chunk size");
    bad("1\r\nx\r\n0\r\n\n", "x", "CR LF");
    bad("1\r\nx\r\n0\r\na: b\n\r\n", "x", "CR LF");
    bad("1\r\nx\r\n0\r\n\rx", "x", "CR LF");
    bad("10000000000000000\r\n", "", "a smaller chunk size");
    bad("1\r\nx\r\nfffffffffffffffff\r\n", "x", "a smaller chunk size");
    for end in
        ["", "5", "5\r\n", "5\r\nhel", "5\r\nhello", "5\r\nhello\r\n", "5\r\nhello\r\n0\r\n", "5\r\nhello\r\n0\r\n\r"]
    {
        let data = end.get(3..).map_or("", |data| &data[..data.len().min(5)]);
        chunked(end, data, Err("Truncated"));
    }
    chunked("ffffffffffffffff\r\nx", "x", Err("Truncated"));
}

#[test]
fn chunk_overhead_is_bounded() {
    let long = "x".repeat(17 * 1024);
    chunked(&format!("1;{long}\r\n"), "", Err("ChunkOverhead"));
    chunked(&format!("1\r\n!\r\n0\r\na: {long}\r\n"), "!", Err("ChunkOverhead"));
    chunked(&format!("1\r\n!\r\n0\r\n{}", "a: b\r\n".repeat(4000)), "!", Err("ChunkOverhead"));
    chunked(&format!("{}1\r\n", "0".repeat(17 * 1024)), "", Err("ChunkOverhead"));
    // But it is counted between data, not over the whole body.
    let extension = "x".repeat(1000);
    let body = format!("1;{extension}\r\n!\r\n").repeat(50) + "0\r\n\r\n";
    chunked(&body, &"!".repeat(50), Ok(()));
}

#[test]
fn what_follows_a_body_is_left_over() {
    for body in [
        "content-length: 2\r\n\r\nhiHTTP/1.1 200",
        "transfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\nHTTP/1.1 200",
    ] {
        let told = read([format!("HTTP/1.1 200 OK\r\n{body}").as_bytes()].into_iter());
        assert_eq!((&told.data[..], &told.rest[..], told.error), (&b"hi"[..], &b"HTTP/1.1 200"[..], None));
    }
}

#[test]
fn one_read_comes_out_as_one_piece() {
    let mut decoder = Decoder::chunked();
    let mut buf = BytesMut::from(&*("5\r\nhello\r\n".repeat(64) + "0\r\n\r\n"));
    let data = decoder.decode(&mut buf).unwrap().unwrap();
    assert_eq!(data, "hello".repeat(64));
    assert!(decoder.is_done(), "known with the last piece");
}

#[test]
fn large_data_is_not_moved() {
    let large = "x".repeat(20_000);
    let mut decoder = Decoder::chunked();
    let mut buf = BytesMut::from(&*format!("3\r\nabc\r\n4e20\r\n{large}\r\n3\r\ndef\r\n"));
    let place = buf.as_ptr().addr() + "3\r\nabc\r\n4e20\r\n".len();
    assert_eq!(decoder.decode(&mut buf).unwrap().unwrap(), "abc");
    let data = decoder.decode(&mut buf).unwrap().unwrap();
    assert_eq!(data.as_ptr().addr(), place);
    assert_eq!(data, format!("{large}def"));
    assert!(decoder.decode(&mut buf).unwrap().is_none() && buf.is_empty());
    let mut decoder = Decoder::length(50_000);
    let mut buf = BytesMut::from(&*large);
    let place = buf.as_ptr();
    assert_eq!(decoder.decode(&mut buf).unwrap().unwrap().as_ptr(), place);
    assert_eq!(decoder.remaining(), Some(30_000));
}

/// Some data, the ends of lines that framing is made of often among it; now and then a lot.
fn data() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![3 => any::<u8>(), 1 => Just(b'\r'), 1 => Just(b'\n'), 1 => Just(b'0')];
    prop_oneof![8 => prop::collection::vec(byte, 1..60), 1 => (4000usize..9000).prop_map(|len| vec![b'x'; len])]
}

fn chunk(data: &[u8], style: u8) -> Vec<u8> {
    let size = match style % 4 {
        0 => format!("{:x}\r\n", data.len()),
        1 => format!("{:X};ext=\"1\"\r\n", data.len()),
        2 => format!("000{:x} \r\n", data.len()),
        _ => format!("{:X}\t; a\r\n", data.len()),
    };
    [size.as_bytes(), data, b"\r\n"].concat()
}

/// A response, with what follows it, and the data in it.
fn response() -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
    let pieces = prop::collection::vec((data(), any::<u8>()), 0..12);
    (pieces, 0..3u8, any::<bool>(), 0..2usize).prop_map(|(pieces, framing, trailers, interim)| {
        let data: Vec<u8> = pieces.iter().flat_map(|(data, _)| data.iter().copied()).collect();
        let mut bytes = b"HTTP/1.1 100 Continue\r\n\r\n".repeat(interim);
        bytes.extend(b"HTTP/1.1 200 OK\r\nX-A: b\r\n");
        match framing {
            0 => {
                bytes.extend(format!("content-length: {}\r\n\r\n", data.len()).bytes());
                bytes.extend(&data);
                bytes.extend(b"HTTP/1.1");
            }
            1 => {
                bytes.extend(b"transfer-encoding: chunked\r\n\r\n");
                bytes.extend(pieces.iter().flat_map(|(data, style)| chunk(data, *style)));
                bytes.extend(if trailers { &b"0\r\nx: y\r\n\r\nHTTP"[..] } else { &b"0\r\n\r\nHTTP"[..] });
            }
            _ => {
                bytes.extend(b"\r\n");
                bytes.extend(&data);
            }
        }
        (bytes, data)
    })
}

/// The bytes in pieces of these sizes, over and over.
fn cut<'a>(mut bytes: &'a [u8], sizes: &'a [usize]) -> impl Iterator<Item = &'a [u8]> {
    let mut sizes = sizes.iter().cycle();
    std::iter::from_fn(move || {
        let (piece, rest) = bytes.split_at((*sizes.next()?).min(bytes.len()));
        bytes = rest;
        (!piece.is_empty()).then_some(piece)
    })
}

proptest! {
    #[test]
    fn every_cut_tells_the_same((bytes, data) in response(), sizes in prop::collection::vec(1usize..3000, 1..6)) {
        let whole = read([&bytes[..]].into_iter());
        prop_assert_eq!(&whole.error, &None);
        prop_assert_eq!(&whole.data, &data);
        prop_assert_eq!(whole.status, Some(200));
        prop_assert_eq!(&read(cut(&bytes, &sizes)), &whole);
        prop_assert_eq!(&read(bytes.chunks(1)), &whole);
    }

    #[test]
    fn every_cut_of_a_damaged_response_tells_the_same(
        (mut bytes, data) in response(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        end in any::<prop::sample::Index>(),
        sizes in prop::collection::vec(1usize..300, 1..6),
    ) {
        for (place, byte) in &damage {
            let place = place.index(bytes.len());
            bytes[place] = *byte;
        }
        bytes.truncate(end.index(bytes.len()) + 1);
        let whole = read([&bytes[..]].into_iter());
        prop_assert_eq!(&read(cut(&bytes, &sizes)), &whole);
        prop_assert_eq!(&read(bytes.chunks(1)), &whole);
        if damage.is_empty() {
            prop_assert!(data.starts_with(&whole.data));
        }
    }
}
