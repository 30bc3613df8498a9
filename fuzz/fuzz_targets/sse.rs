//! Event streams: whatever comes, in whatever pieces, nothing panics and all cuts tell the same events.

#![no_main]

use hardwire::protocol::sse::{Framer, TooLarge};
use libfuzzer_sys::fuzz_target;

const LIMIT: usize = 64;

/// Name and data of every event, and the error that the stream ended with.
type Told = (Vec<(Vec<u8>, Vec<u8>)>, Option<TooLarge>);

fn tell<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Told {
    let mut framer = Framer::new(LIMIT);
    let mut told = Vec::new();
    for piece in pieces {
        framer.push(piece.to_vec().into());
        loop {
            match framer.next_frame() {
                Ok(Some(frame)) => told.push((frame.event.to_vec(), frame.data.to_vec())),
                Ok(None) => break,
                Err(error) => return (told, Some(error)),
            }
        }
    }
    told.extend(framer.finish().map(|frame| (frame.event.to_vec(), frame.data.to_vec())));
    (told, None)
}

fuzz_target!(|input: (u8, &[u8])| {
    let (size, bytes) = input;
    let whole = tell(std::iter::once(bytes));
    assert_eq!(tell(bytes.chunks(usize::from(size) + 1)), whole);
    assert_eq!(tell(bytes.chunks(1)), whole);
});
