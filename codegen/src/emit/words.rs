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
        | 0x116D0..=0x116FF // Myanmar
        | 0x16FE0..=0x18DFF // Tangut, Khitan
        | 0x1AFF0..=0x1B2FF // kana, Nushu
        | 0x20000..=0x3FFFF // Han
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use regex_syntax::hir::{Class, HirKind};

    /// Unicode's own answer for the scripts that the blocks above stand for.
    #[test]
    fn blocks_hold_their_scripts() {
        let scripts = r"[\p{Thai}\p{Lao}\p{Myanmar}\p{Khmer}\p{Hangul}\p{Han}\p{Hiragana}\p{Katakana}\p{Bopomofo}]";
        let hir = regex_syntax::parse(scripts).expect("scripts of Unicode");
        let HirKind::Class(Class::Unicode(class)) = hir.kind() else { panic!("a class") };
        for c in class.ranges().iter().flat_map(|range| range.start()..=range.end()) {
            assert!(!is_spaced_word(c), "{c:?} U+{:04X}", u32::from(c));
        }
    }

    #[test]
    fn scripts_with_spaces_have_words() {
        for c in "aZ0_éßяЯωאبहकঅ".chars() {
            assert!(is_spaced_word(c), "{c:?}");
        }
        for c in " -+.#\u{a0}—、。".chars() {
            assert!(!is_spaced_word(c), "{c:?}");
        }
    }
}
