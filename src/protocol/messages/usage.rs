//! Anthropic's count of tokens: `usage` in messages and their events.

use crate::protocol::event::Usage;
use crate::protocol::out::Out;
use serde::Deserialize;

#[derive(Deserialize)]
struct Counts {
    input_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    output_tokens_details: Option<OutputDetails>,
}

#[derive(Deserialize)]
struct OutputDetails {
    #[serde(alias = "reasoning_tokens")]
    thinking_tokens: Option<u64>,
}

/// Reads a `usage` object. `None` where it tells nothing, or is none.
#[must_use]
pub fn read(json: &[u8]) -> Option<Usage> {
    let counts: Counts = serde_json::from_slice(json).ok()?;
    let usage = Usage {
        input: counts.input_tokens,
        cached: counts.cache_read_input_tokens,
        cache_write: counts.cache_creation_input_tokens,
        output: counts.output_tokens,
        reasoning: counts.output_tokens_details.and_then(|details| details.thinking_tokens),
    };
    (!usage.is_unknown()).then_some(usage)
}

/// Writes a `usage` object with the four counts that every client reads.
pub fn write(usage: &Usage, out: &mut Out) {
    let counts = [
        (&b"{\"input_tokens\":"[..], usage.input),
        (b",\"cache_creation_input_tokens\":", usage.cache_write),
        (b",\"cache_read_input_tokens\":", usage.cached),
        (b",\"output_tokens\":", usage.output),
    ];
    for (key, count) in counts {
        out.write(key);
        out.number(count.unwrap_or_default());
    }
    if let Some(reasoning) = usage.reasoning {
        out.write(b",\"output_tokens_details\":{\"thinking_tokens\":");
        out.number(reasoning);
        out.write(b"}");
    }
    out.write(b"}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_come_back_as_they_were_written() {
        let (input, cached, cache_write) = (Some(5), Some(7), Some(2));
        for reasoning in [None, Some(1)] {
            let usage = Usage { input, cached, cache_write, output: Some(3), reasoning };
            let mut out = Out::default();
            write(&usage, &mut out);
            assert_eq!(read(&out.take().unwrap()), Some(usage));
        }
    }

    #[test]
    fn what_is_left_out_is_not_known() {
        let delta = Usage { output: Some(3), ..Usage::default() };
        assert_eq!(read(br#"{"output_tokens":3,"input_tokens":null,"server_tool_use":{}}"#), Some(delta));
        assert_eq!(read(b"{}"), None);
        assert_eq!(read(b"[1]"), None);
    }
}
