//! Which characters stand in words that spaces set apart. The compiler asks the same question of a keyword's own first
//! and last character; a test holds both answers together.

/// Whether this is a letter, a digit or an underscore of a script that sets words apart with spaces. Of the others, such
/// as Chinese, any may stand beside a keyword: `使用GPT模型` is about GPT.
#[must_use]
pub fn is_spaced_word(c: char) -> bool {
    c == '_' || (c.is_alphanumeric() && !is_unspaced_script(c))
}

/// Whether this is a letter of a script that writes words without spaces.
pub(super) fn is_unspaced(c: char) -> bool {
    c.is_alphanumeric() && is_unspaced_script(c)
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
        | 0x116D0..=0x116FF // Myanmar
        | 0x16FE0..=0x18DFF // Tangut, Khitan
        | 0x1AFF0..=0x1B2FF // kana, Nushu
        | 0x20000..=0x3FFFF // Han
    )
}
