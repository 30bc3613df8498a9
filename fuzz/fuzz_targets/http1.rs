//! Responses of a backend: whatever comes, in whatever pieces, nothing panics and all cuts tell the same.

#![no_main]

use bytes::BytesMut;
use hardwire::upstream::http1::{Decoder, Error, HeadReader};
use http::Method;
use libfuzzer_sys::fuzz_target;

#[derive(Debug, PartialEq)]
struct Told {
    status: Option<u16>,
    data: Vec<u8>,
    is_complete: bool,
    /// Behind a complete response.
    rest: Vec<u8>,
}

fn read<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Told {
    let mut told = Told { status: None, data: Vec::new(), is_complete: false, rest: Vec::new() };
    let mut buf = BytesMut::new();
    let result = body(pieces, &mut buf, &mut told);
    told.is_complete = result.is_ok();
    if told.is_complete {
        told.rest = buf.to_vec();
    }
    told
}

fn body<'a>(pieces: impl Iterator<Item = &'a [u8]>, buf: &mut BytesMut, told: &mut Told) -> Result<(), Error> {
    let mut reader = HeadReader::new(&Method::POST);
    let mut decoder: Option<Decoder> = None;
    for piece in pieces {
        buf.extend_from_slice(piece);
        if decoder.is_none()
            && let Some(head) = reader.read(buf)?
        {
            told.status = Some(head.response.status().as_u16());
            decoder = Some(head.decoder);
        }
        let Some(decoder) = &mut decoder else { continue };
        while let Some(data) = decoder.decode(buf)? {
            assert!(!data.is_empty());
            told.data.extend_from_slice(&data);
        }
        assert!(decoder.is_done() || buf.is_empty());
    }
    decoder.ok_or(Error::Truncated)?.end_of_input()
}

fuzz_target!(|input: (u8, &[u8])| {
    let (size, bytes) = input;
    let whole = read(std::iter::once(bytes));
    assert_eq!(read(bytes.chunks(usize::from(size) + 1)), whole);
    assert_eq!(read(bytes.chunks(1)), whole);
});
