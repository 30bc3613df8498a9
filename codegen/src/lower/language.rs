//! `routing.signals.language`: the languages that can be told apart.

use super::Cx;
use crate::ast::routing::Language;
use crate::{errors, ir};

/// How sure the detector must be, where that is not written.
const THRESHOLD: f64 = 0.3;

/// Codes of ISO 639-1, in the order of the alphabet. The server's detector knows these and no others; a test holds both
/// together.
#[rustfmt::skip] // a line each would be a page
pub const CODES: [&str; 70] = [
    "af", "ak", "am", "ar", "az", "be", "bg", "bn", "ca", "cs", "cy", "da", "de", "el", "en", "eo", "es", "et", "fa",
    "fi", "fr", "gu", "he", "hi", "hr", "hu", "hy", "id", "it", "ja", "jv", "ka", "km", "kn", "ko", "la", "lt", "lv",
    "mk", "ml", "mr", "my", "nb", "ne", "nl", "or", "pa", "pl", "pt", "ro", "ru", "si", "sk", "sl", "sn", "sr", "sv",
    "ta", "te", "th", "tk", "tl", "tr", "uk", "ur", "uz", "vi", "yi", "zh", "zu",
];

/// The language of a signal with this name. `None`: it was reported.
pub(super) fn lower(item: &Language, name: Option<&str>, cx: &mut Cx<'_>) -> Option<ir::SignalWhat> {
    cx.fixed_opt(item.description.as_ref(), "description");
    let threshold = item.threshold.as_ref();
    let threshold = threshold.map_or(Some(THRESHOLD), |leaf| cx.decimal(leaf, "threshold", 0.0..=1.0));
    // Upstream, as for every threshold, 0 is one that is not set.
    let threshold = threshold.map(|threshold| if threshold == 0.0 { THRESHOLD } else { threshold });
    let code = name?;
    if !CODES.contains(&code)
        && let Some(leaf) = &item.name
    {
        cx.sink.report(&errors::UNKNOWN_LANGUAGE, leaf.span, &[code, &CODES.join(", ")]);
        return None;
    }
    Some(ir::SignalWhat::Language { code: code.to_owned(), threshold: threshold? })
}
