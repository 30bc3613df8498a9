//! Which language a text is written in: two small detectors that check each other. It must not know what a router does
//! with the answer.
//!
//! Only generated code names this module. A router without language signals holds neither detector nor their tables.
//!
//! One detector knows sixteen languages and hardly errs among them, however short a text is, but takes every other language
//! for one of these and cannot say how sure it is. The other knows seventy and tells scripts apart, but short texts leave it
//! in doubt. Where they agree, or the second one is sure, that is the answer.

use crate::table::Language;
use whatlang::{Detector, Info, Lang};

/// What a text is taken for that no language can be told from: as sure as the contract says.
const UNSURE: Language = Language { code: "en", confidence: 0.5 };

/// Below this the second detector is in doubt.
const DOUBT: f64 = 0.3;

/// How sure it is, at least, what both detectors say.
const AGREED: f64 = 0.8;

/// How sure it is what the second detector says too when it chooses among the languages of the first.
const AGREED_AMONG: f64 = 0.5;

/// What is read of a text, in bytes: more of it would not change the answer.
const READ: usize = 4096;

/// The languages of the first detector.
const SIXTEEN: [Lang; 16] = [
    Lang::Ara,
    Lang::Cmn,
    Lang::Deu,
    Lang::Eng,
    Lang::Fra,
    Lang::Hin,
    Lang::Ita,
    Lang::Jpn,
    Lang::Kor,
    Lang::Nld,
    Lang::Por,
    Lang::Rus,
    Lang::Spa,
    Lang::Swe,
    Lang::Tur,
    Lang::Vie,
];

/// The language of a text.
#[must_use]
pub fn detect(text: &str) -> Language {
    let end = (0..=text.len().min(READ)).rev().find(|at| text.is_char_boundary(*at));
    let text = &text[..end.unwrap_or(0)];
    // Digits and signs are of no language.
    if !text.contains(char::is_alphabetic) {
        return UNSURE;
    }
    let Some(second) = Detector::new().detect(text) else { return UNSURE };
    let first = whichlang::detect_language(text).three_letter_code();
    let agrees = |info: &Info| info.lang().code() == first;
    let told = |lang: Lang, confidence: f64| Language { code: code(lang), confidence };
    if agrees(&second) {
        return told(second.lang(), second.confidence().max(AGREED));
    }
    let known_to_first = SIXTEEN.contains(&second.lang());
    if second.confidence() >= if known_to_first { AGREED } else { DOUBT } {
        return told(second.lang(), second.confidence());
    }
    match Detector::with_allowlist(SIXTEEN.to_vec()).detect(text) {
        Some(among) if agrees(&among) => told(among.lang(), AGREED_AMONG),
        _ => UNSURE,
    }
}

/// Two letters of ISO 639-1.
const fn code(lang: Lang) -> &'static str {
    match lang {
        Lang::Afr => "af",
        Lang::Aka => "ak",
        Lang::Amh => "am",
        Lang::Ara => "ar",
        Lang::Aze => "az",
        Lang::Bel => "be",
        Lang::Ben => "bn",
        Lang::Bul => "bg",
        Lang::Cat => "ca",
        Lang::Ces => "cs",
        Lang::Cmn => "zh",
        Lang::Cym => "cy",
        Lang::Dan => "da",
        Lang::Deu => "de",
        Lang::Ell => "el",
        Lang::Eng => "en",
        Lang::Epo => "eo",
        Lang::Est => "et",
        Lang::Fin => "fi",
        Lang::Fra => "fr",
        Lang::Guj => "gu",
        Lang::Heb => "he",
        Lang::Hin => "hi",
        Lang::Hrv => "hr",
        Lang::Hun => "hu",
        Lang::Hye => "hy",
        Lang::Ind => "id",
        Lang::Ita => "it",
        Lang::Jav => "jv",
        Lang::Jpn => "ja",
        Lang::Kan => "kn",
        Lang::Kat => "ka",
        Lang::Khm => "km",
        Lang::Kor => "ko",
        Lang::Lat => "la",
        Lang::Lav => "lv",
        Lang::Lit => "lt",
        Lang::Mal => "ml",
        Lang::Mar => "mr",
        Lang::Mkd => "mk",
        Lang::Mya => "my",
        Lang::Nep => "ne",
        Lang::Nld => "nl",
        Lang::Nob => "nb",
        Lang::Ori => "or",
        Lang::Pan => "pa",
        Lang::Pes => "fa",
        Lang::Pol => "pl",
        Lang::Por => "pt",
        Lang::Ron => "ro",
        Lang::Rus => "ru",
        Lang::Sin => "si",
        Lang::Slk => "sk",
        Lang::Slv => "sl",
        Lang::Sna => "sn",
        Lang::Spa => "es",
        Lang::Srp => "sr",
        Lang::Swe => "sv",
        Lang::Tam => "ta",
        Lang::Tel => "te",
        Lang::Tgl => "tl",
        Lang::Tha => "th",
        Lang::Tuk => "tk",
        Lang::Tur => "tr",
        Lang::Ukr => "uk",
        Lang::Urd => "ur",
        Lang::Uzb => "uz",
        Lang::Vie => "vi",
        Lang::Yid => "yi",
        Lang::Zul => "zu",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn short_texts() {
        for (language, text) in [
            ("fr", "Bonjour, comment ça va ?"),
            ("es", "¿Cuál es la capital de España?"),
            ("de", "Wie spät ist es?"),
            ("it", "Scrivi una poesia sul mare"),
            ("pt", "Preciso de ajuda com a minha conta"),
            ("nl", "Hoe gaat het met jou?"),
            ("en", "What is the capital of France?"),
            ("ru", "Как дела?"),
            ("uk", "Напиши вірш про море, будь ласка"),
            ("pl", "Jak się masz?"),
            ("cs", "Jak se máš? Napiš báseň o moři"),
            ("hu", "Hogy vagy? Írj egy verset a tengerről"),
            ("sv", "Hur mår du?"),
            ("tr", "Nasılsın?"),
            ("vi", "Bạn khỏe không?"),
            ("zh", "请写一个排序函数"),
            ("ja", "海についての詩を書いてください"),
            ("ko", "안녕하세요"),
            ("ar", "كيف حالك اليوم؟"),
            ("hi", "आप कैसे हैं?"),
            ("he", "מה שלומך?"),
            ("el", "Τι κάνεις;"),
            ("th", "สบายดีไหม"),
        ] {
            let told = detect(text);
            assert_eq!(told.code, language, "{text}");
            assert!((0.3..=1.0).contains(&told.confidence), "{text}: {told:?}");
        }
    }

    #[test]
    fn what_is_of_no_language_is_english() {
        for text in ["", "   ", "1 + 1 = 2", "?!", "hello", "def f(x): return x + 1", "🙂🙂"] {
            assert_eq!(detect(text).code, "en", "{text}");
        }
        assert_eq!(detect("42"), UNSURE);
    }

    #[test]
    fn only_the_beginning_is_read() {
        let text = "ß".repeat(READ) + &" und noch viel mehr".repeat(1000);
        assert_eq!(detect(&text), detect(&text[..READ]));
        let cut = format!("x{}", "ß".repeat(READ));
        assert_eq!(detect(&cut), detect(&cut[..READ - 1]));
    }

    #[test]
    fn the_compiler_knows_the_same_languages() {
        let own: BTreeSet<&str> = Lang::all().iter().map(|lang| code(*lang)).collect();
        assert_eq!(own.len(), Lang::all().len());
        assert_eq!(own, hardwire_codegen::LANGUAGES.into_iter().collect());
    }
}
