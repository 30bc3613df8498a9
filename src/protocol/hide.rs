//! Takes the chunk with the usage out of a chat stream that is forwarded: the router has asked the backend for it, and the
//! client has not. Everything else goes by as it came, event by event.

use super::out::Out;
use super::sse::{Framer, TooLarge};
use super::stream::EVENT_LIMIT;
use bytes::Bytes;
use memchr::memmem;
use serde::Deserialize;
use serde::de::IgnoredAny;

/// A stream without its usage.
#[derive(Debug)]
pub struct HideUsage {
    framer: Framer,
}

impl Default for HideUsage {
    fn default() -> Self {
        HideUsage { framer: Framer::new(EVENT_LIMIT) }
    }
}

impl HideUsage {
    /// Takes the next bytes of the backend, and passes on what is whole events. Whatever breaks off, the client stands between
    /// two events.
    pub fn push(&mut self, chunk: Bytes, out: &mut Out) -> Result<(), TooLarge> {
        self.framer.push(chunk);
        while let Some(piece) = self.framer.next_piece(is_usage)? {
            out.pass(piece);
        }
        Ok(())
    }

    /// The stream has ended: what came last, if it has no blank line behind it.
    pub fn finish(&mut self, out: &mut Out) {
        out.pass(self.framer.rest());
    }
}

/// Whether a chunk is there for the usage alone.
fn is_usage(data: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Chunk<'a> {
        #[serde(borrow)]
        usage: Option<&'a serde_json::value::RawValue>,
        choices: Option<Vec<IgnoredAny>>,
    }
    memmem::find(data, b"\"usage\"").is_some()
        && serde_json::from_slice::<Chunk<'_>>(data)
            .is_ok_and(|chunk| chunk.usage.is_some() && chunk.choices.is_some_and(|choices| choices.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = concat!(
        "data: {\"choices\":[],\"prompt_filter_results\":[]}\n\n",
        ": comment\n\n",
        "data: {\"choices\":[{\"delta\":{\"content\":\"\\\"usage\\\"\"}}],\"usage\":null}\r\n\r\n",
        "data: {\"choices\":[{\"delta\":{}}],\"usage\":{\"prompt_tokens\":1}}\n\n",
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1}}\n\n",
        "data: [DONE]\n\n",
        ": bye",
    );

    fn hidden<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> String {
        let (mut hide, mut out) = (HideUsage::default(), Out::default());
        for piece in pieces {
            hide.push(piece.to_vec().into(), &mut out).unwrap();
        }
        hide.finish(&mut out);
        String::from_utf8(out.into_vec()).unwrap()
    }

    #[test]
    fn only_the_chunk_of_the_usage_is_missing() {
        let expected = STREAM.replace("data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1}}\n\n", "");
        let bytes = STREAM.as_bytes();
        for i in 0..=bytes.len() {
            for j in [i, i + 1, i + 30, bytes.len()] {
                let j = j.min(bytes.len());
                assert_eq!(hidden([&bytes[..i], &bytes[i..j], &bytes[j..]]), expected, "cut at {i} and {j}");
            }
        }
        assert_eq!(hidden(bytes.chunks(1)), expected);
    }

    #[test]
    fn nothing_of_an_event_goes_out_before_it_is_whole() {
        let (mut hide, mut out) = (HideUsage::default(), Out::default());
        hide.push("data: {\"choices\":[]}\n\ndata: {\"usage\":".into(), &mut out).unwrap();
        assert_eq!(out.take().unwrap(), "data: {\"choices\":[]}\n\n");
        assert!(out.is_empty());
    }
}
