//! Which characters a keyword's edges may not touch. The server asks the same question of a match's neighbours; a test
//! holds both answers together.

/// Whether this is a letter, a digit or an underscore of a script that sets words apart with spaces.
///
/// Go's `\b`, which the upstream router uses, knows ASCII alone: a Cyrillic keyword never matches there. Chinese and
/// its like write words without spaces: a keyword in them may stand anywhere, and one in Latin letters may stand
/// directly beside them.
#[must_use]
pub fn is_spaced_word(c: char) -> bool {
    c == '_' || (c.is_alphanumeric() && !is_unspaced_script(c))
}

/// The blocks of Thai, Lao, Myanmar, Hangul, Khmer, Han, Hiragana, Katakana, Bopomofo and Tangut. Korean has spaces, but
/// its particles follow a noun directly.
fn is_unspaced_script(c: char) -> bool {
    matches!(u32::from(c),
        0x0E00..=0x0EFF   // Thai, Lao
        | 0x1000..=0x109F // Myanmar
        | 0x1100..=0x11FF // Hangul Jamo
        | 0x1780..=0x17FF // Khmer
        | 0x2E80..=0x9FFF // radicals, kana, Bopomofo, Hangul compatibility Jamo, Han
        | 0xA960..=0xA97F // Hangul Jamo
        | 0xA9E0..=0xA9FF // Myanmar
        | 0xAA60..=0xAA7F // Myanmar
        | 0xAC00..=0xD7FF // Hangul
        | 0xF900..=0xFAFF // Han compatibility
        | 0xFF66..=0xFFDC // half-width Katakana and Hangul
        | 0x16FE0..=0x18DFF // Tangut, Khitan
        | 0x1AFF0..=0x1B2FF // kana, Nushu
        | 0x20000..=0x3FFFF // Han
    )
}
