//! Words and their English stems, for keywords that are ranked. It must not know keywords.
//!
//! Only generated code names this module. A router without such keywords does not hold its tables.

use rust_stemmers::{Algorithm, Stemmer};
use unicode_segmentation::UnicodeSegmentation as _;

/// Calls `tell` with each word of a text, in ASCII and lower case, and its stem.
pub fn words(text: &str, tell: &mut dyn FnMut(&str, &str)) {
    let plain = deunicode::deunicode_with_tofu_cow(text, "[?]").to_lowercase();
    let stemmer = Stemmer::create(Algorithm::English);
    for word in plain.unicode_words() {
        tell(word, &stemmer.stem(word));
    }
}
