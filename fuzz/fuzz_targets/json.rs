//! Request bodies: the scanner takes what serde_json takes, whichever way the body is cut, and what it notes are whole values.

#![no_main]

use hardwire::protocol::json::{Error, Field, Fields, Scanner};
use libfuzzer_sys::fuzz_target;
use serde::de::IgnoredAny;

fn scan<'a>(chunks: impl Iterator<Item = &'a [u8]>) -> Result<Fields, Error> {
    let mut scanner = Scanner::new();
    for chunk in chunks {
        scanner.push(chunk)?;
    }
    scanner.finish()
}

fuzz_target!(|input: (u8, &[u8])| {
    let (size, bytes) = input;
    let whole = scan(std::iter::once(bytes));
    assert_eq!(scan(bytes.chunks(usize::from(size) + 1)), whole);
    assert_eq!(scan(bytes.chunks(1)), whole);
    // UTF-8 is checked by whoever reads a string.
    if std::str::from_utf8(bytes).is_err() {
        return;
    }
    let is_json = serde_json::from_slice::<IgnoredAny>(bytes).is_ok();
    match whole {
        Ok(fields) => {
            assert!(is_json);
            for field in [Field::Model, Field::Stream, Field::Messages, Field::Tools, Field::MaxTokens] {
                if let Some(span) = fields.get(field) {
                    serde_json::from_slice::<IgnoredAny>(&bytes[span.start..span.end]).expect("a whole value");
                }
            }
        }
        Err(Error::Syntax { .. } | Error::Truncated { .. }) => {
            assert!(!is_json || !bytes.trim_ascii_start().starts_with(b"{"));
        }
        // Well-formed as far as it was read, and refused for another reason.
        Err(Error::TooDeep { .. } | Error::Duplicate { .. } | Error::TooMany { .. }) => {}
    }
});
