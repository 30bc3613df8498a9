//! Runs over the content of JSON strings, which is most of what a request is made of.

use wide::i8x16;

/// Bytes that are looked at together.
const BLOCK: usize = 64;
/// Bytes that are looked at at once.
const LANES: usize = 16;

/// Length of `\u00e9`.
const UNICODE_ESCAPE: usize = 6;

/// Length of the prefix of a string's content that is whole: up to its closing quote, a mistake, or what the next chunk has
/// to complete.
pub(in crate::protocol) fn run(bytes: &[u8]) -> usize {
    // Tokens and names are short: one look finds their end.
    if let Some(first) = bytes.first_chunk::<LANES>() {
        let at = special_lanes(first).trailing_zeros() as usize;
        if at < LANES && first[at] == b'"' {
            return at;
        }
    }
    let mut base = 0;
    'block: while let Some(window) = bytes[base..].first_chunk::<{ BLOCK + UNICODE_ESCAPE }>() {
        let mut marked = special(window.first_chunk().expect("the window is larger than a block"));
        while marked != 0 {
            let at = marked.trailing_zeros() as usize;
            let escape = if window[at] == b'\\' { usize::from(ESCAPE_LEN[usize::from(window[at + 1])]) } else { 0 };
            if escape != 2 && (escape == 0 || !is_unicode_escape(&window[at..])) {
                return base + at;
            }
            // A branch, so that the next block is not waited for: it is nearly always the same one.
            if at + escape > BLOCK {
                base += at + escape;
                continue 'block;
            }
            // What is escaped does not count: two bits for `\"`; `\u00e9` has none behind its first.
            marked &= !(0b11 << at);
        }
        base += BLOCK;
    }
    // The last bytes are fewer than a window.
    while base < bytes.len() {
        if is_special(bytes[base]) {
            let escape = escape_len(&bytes[base..]);
            if escape == 0 {
                return base;
            }
            base += escape;
        } else {
            base += 1;
        }
    }
    base
}

/// Length of an escape sequence by the byte behind its backslash; 0 where there is none.
static ESCAPE_LEN: [u8; 256] = {
    let mut len = [0; 256];
    let short = b"\"\\/bfnrt";
    let mut i = 0;
    while i < short.len() {
        len[short[i] as usize] = 2;
        i += 1;
    }
    len[b'u' as usize] = UNICODE_ESCAPE as u8;
    len
};

/// Length of the escape sequence that these bytes begin with; 0 if they do not, or it is not whole.
fn escape_len(bytes: &[u8]) -> usize {
    match bytes {
        [b'\\', next, ..] if *next != b'u' || is_unicode_escape(bytes) => usize::from(ESCAPE_LEN[usize::from(*next)]),
        _ => 0,
    }
}

/// Whether four digits follow `\u`.
fn is_unicode_escape(bytes: &[u8]) -> bool {
    bytes.get(2..UNICODE_ESCAPE).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
}

/// A quote, a backslash, or a control character.
fn is_special(byte: u8) -> bool {
    byte == b'"' || byte == b'\\' || byte < 0x20
}

/// The special bytes of a block, as bits.
fn special(block: &[u8; BLOCK]) -> u64 {
    let mut marked = 0;
    for (part, bytes) in block.as_chunks::<LANES>().0.iter().enumerate() {
        marked |= u64::from(special_lanes(bytes)) << (part * LANES);
    }
    marked
}

#[inline]
fn special_lanes(bytes: &[u8; LANES]) -> u32 {
    let bytes = i8x16::new(bytes.map(u8::cast_signed));
    let backslash = bytes.simd_eq(i8x16::splat(b'\\'.cast_signed()));
    // With bit 1 turned over, the quote (0x22) and the control characters are 0x00..=0x20, and nothing else is. Lanes are
    // signed: with the top bit turned over, too, those are the lowest values.
    let turned = bytes ^ i8x16::splat(0x82_u8.cast_signed());
    let quote_or_control = turned.simd_lt(i8x16::splat(i8::MIN + 0x21));
    (backslash | quote_or_control).to_bitmask()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_seen_at_every_place() {
        for byte in 0..=u8::MAX {
            for at in 0..BLOCK {
                let mut block = [b'a'; BLOCK];
                block[at] = byte;
                let expected = if is_special(byte) { 1 << at } else { 0 };
                assert_eq!(special(&block), expected, "{byte:#04x} at {at}");
            }
        }
    }

    #[track_caller]
    fn check(content: &str, whole: usize) {
        // Behind every number of plain bytes, so that it meets the edges of blocks in every way.
        for before in 0..2 * BLOCK {
            let text = "x".repeat(before) + content;
            assert_eq!(run(text.as_bytes()), before + whole, "{content} behind {before}");
        }
    }

    #[test]
    fn runs_end_where_something_is_left_to_do() {
        check("", 0);
        check("abc\" tail tail tail tail tail tail tail tail", 3);
        check(r#"a\"b\\"c"#, 6);
        check(r#"\\\\\"" and more, long enough to fill a block"#, 6);
        check(r#"\u00e9\n""#, 8);
        check("tab\t", 3);
        check(r"\x", 0);
        check(r"ab\", 2);
        check(r"ab\u12", 2);
        check(r"ab\u12g4", 2);
        check("é\u{1f600}\"", 6);
    }
}
