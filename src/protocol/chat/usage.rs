//! OpenAI's count of tokens: `usage` in completions and chunks.

use crate::protocol::event::Usage;
use crate::protocol::out::Out;
use serde::Deserialize;

/// What backends tell. Each of them leaves something out.
#[derive(Deserialize)]
struct Counts {
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
    prompt_tokens_details: Option<PromptDetails>,
    completion_tokens_details: Option<CompletionDetails>,
    /// DeepSeek's word for cached tokens.
    prompt_cache_hit_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct PromptDetails {
    cached_tokens: Option<u64>,
    cache_write_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct CompletionDetails {
    reasoning_tokens: Option<u64>,
}

/// Reads a `usage` object. `None` where it tells nothing, or is none.
#[must_use]
pub fn read(json: &[u8]) -> Option<Usage> {
    let counts: Counts = serde_json::from_slice(json).ok()?;
    let details = counts.prompt_tokens_details;
    let cached = details.as_ref().and_then(|details| details.cached_tokens).or(counts.prompt_cache_hit_tokens);
    let cache_write = details.and_then(|details| details.cache_write_tokens);
    let prompt = counts.prompt_tokens.map(|prompt| Usage::of_whole_prompt(prompt, cached, cache_write));
    let reasoning = counts.completion_tokens_details.and_then(|details| details.reasoning_tokens);
    let usage = Usage { output: counts.completion_tokens, reasoning, ..prompt.unwrap_or_default() };
    (!usage.is_unknown()).then_some(usage)
}

/// Writes a `usage` object.
pub fn write(usage: &Usage, out: &mut Out) {
    let (prompt, completion) = (usage.prompt(), usage.completion());
    out.write(b"{\"prompt_tokens\":");
    out.number(prompt);
    out.write(b",\"completion_tokens\":");
    out.number(completion);
    out.write(b",\"total_tokens\":");
    out.number(prompt.saturating_add(completion));
    out.write(b",\"prompt_tokens_details\":{\"cached_tokens\":");
    out.number(usage.cached.unwrap_or_default());
    if let Some(cache_write) = usage.cache_write {
        out.write(b",\"cache_write_tokens\":");
        out.number(cache_write);
    }
    out.write(b"},\"completion_tokens_details\":{\"reasoning_tokens\":");
    out.number(usage.reasoning.unwrap_or_default());
    out.write(b"}}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_come_back_as_they_were_written() {
        let usages = [
            Usage { input: Some(5), cached: Some(7), cache_write: Some(2), output: Some(3), reasoning: Some(1) },
            Usage { input: Some(5), cached: Some(0), cache_write: None, output: Some(0), reasoning: Some(0) },
        ];
        for usage in usages {
            let mut out = Out::default();
            write(&usage, &mut out);
            assert_eq!(read(&out.take().unwrap()), Some(usage));
        }
    }

    #[test]
    fn what_backends_leave_out() {
        let usage = Usage { input: Some(10), output: Some(2), ..Usage::default() };
        assert_eq!(read(br#"{"prompt_tokens":10,"completion_tokens":2,"prompt_tokens_details":null}"#), Some(usage));
        let hit = Usage { input: Some(4), cached: Some(6), ..usage };
        assert_eq!(read(br#"{"prompt_tokens":10,"completion_tokens":2,"prompt_cache_hit_tokens":6}"#), Some(hit));
        assert_eq!(read(b"{}"), None);
        assert_eq!(read(b"null"), None);
        assert_eq!(read(br#"{"prompt_tokens":"many"}"#), None);
    }
}
