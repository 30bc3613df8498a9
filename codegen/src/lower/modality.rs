//! `routing.signals.modality` and its detector, `global.model_catalog.modules.modality_detector`.

use super::{Cx, regex};
use crate::ast::decode::{Leaf, List};
use crate::ast::global::Global;
use crate::ast::node::Span;
use crate::{errors, ir};

/// What the names of modality signals mean.
pub(super) const NAMES: &[(&str, ir::Modality)] =
    &[("AR", ir::Modality::Ar), ("DIFFUSION", ir::Modality::Diffusion), ("BOTH", ir::Modality::Both)];

/// The detector, if there is one.
pub(super) fn detector(global: Option<&Global>, cx: &mut Cx<'_>) -> Option<ir::ModalityDetector> {
    let modules = global.and_then(|g| g.model_catalog.as_ref()).and_then(|catalog| catalog.modules.as_ref());
    let detector = modules.and_then(|modules| modules.modality_detector.as_ref());
    let mut out = None;
    if let Some(detector) = detector {
        let enabled = cx.flag(detector.enabled.as_ref(), "enabled", false);
        let at = (detector.span, detector.whole);
        let method = if enabled { cx.required(detector.method.as_ref(), "the detector", "method", at) } else { None };
        let method = method.or(detector.method.as_ref());
        let unsupported = if enabled { &["classifier", "hybrid"][..] } else { &[] };
        let known: &[(&str, ())] =
            if enabled { &[("keyword", ())] } else { &[("keyword", ()), ("classifier", ()), ("hybrid", ())] };
        let known = method.and_then(|leaf| cx.choice(leaf, "method", known, unsupported));
        let image = terms(detector.keywords.as_ref(), "keywords", cx);
        let both = terms(detector.both_keywords.as_ref(), "both_keywords", cx);
        if enabled && known.is_some() && image.is_empty() && detector.whole {
            let at = detector.keywords.as_ref().map_or(detector.span, |list| list.span);
            cx.sink.report(&errors::EMPTY_LIST, at, &["keywords"]);
        }
        out = enabled.then_some(ir::ModalityDetector { image, both });
    }
    out
}

/// The same where signals need one; `used_at` is where the first of them stands.
pub(super) fn needed(
    detector: Option<&ir::ModalityDetector>,
    used_at: Option<Span>,
    cx: &mut Cx<'_>,
) -> Option<ir::ModalityDetector> {
    if let (Some(at), None) = (used_at, detector) {
        cx.sink.report(&errors::NO_DETECTOR, at, &[]);
    }
    detector.filter(|_| used_at.is_some()).cloned()
}

/// Texts that may stand anywhere, also inside of a word.
fn terms(list: Option<&List<Leaf>>, key: &str, cx: &mut Cx<'_>) -> Vec<ir::Term> {
    let mut out = Vec::new();
    for leaf in list.iter().flat_map(|list| &list.items) {
        let Some(text) = cx.fixed(leaf, key) else { continue };
        if text.trim().is_empty() {
            cx.sink.report(&errors::EMPTY_STRING, leaf.span, &[key]);
            continue;
        }
        match regex::translate(&regex_syntax::escape(&text), false) {
            Ok(pattern) => out.push(ir::Term::Regex { pattern }),
            Err(_) => {
                cx.sink.report(&errors::REGEX_WITHOUT_DFA, leaf.span, &["the text is too long"]);
            }
        }
    }
    out
}
