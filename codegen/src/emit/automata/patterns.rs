//! Regular expressions to a dense DFA of regex-automata that reports overlapping matches.

use regex_automata::{
    MatchKind,
    dfa::{StartKind, dense},
    nfa::thompson,
};

/// Patterns share an automaton as long as its table stays below this many bytes. Patterns with gaps (`a.*b`) multiply
/// each other's states: apart they are small, and two passes over a short text cost less than a table that no cache
/// holds.
const SHARED_LIMIT: usize = 512 << 10;

/// Memory for determinization, in multiples of what the table may take.
const SCRATCH_FACTOR: usize = 4;

/// The patterns would multiply each other's states.
#[derive(Debug)]
pub struct TooLarge;

/// The serialised DFA of some patterns, in the byte order of the target. A pattern that stands alone is never too large:
/// `lower` has built each of them.
pub fn build(patterns: &[&str]) -> Result<Vec<u8>, TooLarge> {
    let limit = (patterns.len() > 1).then_some(SHARED_LIMIT);
    let dfa = dense::Builder::new()
        .configure(
            dense::Config::new()
                .match_kind(MatchKind::All)
                .start_kind(StartKind::Unanchored)
                .accelerate(false)
                .dfa_size_limit(limit)
                .determinize_size_limit(limit.map(|bytes| SCRATCH_FACTOR * bytes)),
        )
        .thompson(thompson::Config::new().which_captures(thompson::WhichCaptures::None))
        .build_many(patterns);
    match dfa {
        Ok(dfa) => Ok(serialize(&dfa)),
        Err(_) if limit.is_some() => Err(TooLarge),
        Err(error) => panic!("`{patterns:?}` was checked: {error}"),
    }
}

/// The serialised DFA that finds the end of the leftmost match of a pattern, to count with. `lower` has built it before.
pub fn build_leftmost(pattern: &str) -> Vec<u8> {
    let dfa = dense::Builder::new()
        .configure(
            dense::Config::new()
                .match_kind(MatchKind::LeftmostFirst)
                .start_kind(StartKind::Unanchored)
                .accelerate(false),
        )
        .thompson(thompson::Config::new().which_captures(thompson::WhichCaptures::None))
        .build(pattern);
    serialize(&dfa.unwrap_or_else(|error| panic!("`{pattern}` was checked: {error}")))
}

/// In a build script the byte order is the target's, elsewhere this machine's.
fn serialize(dfa: &dense::DFA<Vec<u32>>) -> Vec<u8> {
    let big_endian = match std::env::var("CARGO_CFG_TARGET_ENDIAN") {
        Ok(endian) => endian == "big",
        Err(_) => cfg!(target_endian = "big"),
    };
    let (mut bytes, padding) = if big_endian { dfa.to_bytes_big_endian() } else { dfa.to_bytes_little_endian() };
    bytes.drain(..padding); // it aligned this very vector; the generated code aligns for itself
    bytes
}
