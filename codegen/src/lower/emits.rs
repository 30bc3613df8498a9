//! `emits`: what a client is told beside the answer.

use super::Cx;
use crate::ast::decode::{Leaf, List};
use crate::ast::routing::{Emit, Retention};
use crate::{errors, ir};

/// The one directive that a decision may have.
pub(super) fn lower(list: Option<&List<Emit>>, cx: &mut Cx<'_>) -> Option<ir::Retention> {
    let mut out: Option<(ir::Retention, crate::ast::node::Span)> = None;
    for item in list.iter().flat_map(|list| &list.items) {
        let at = (item.span, item.whole);
        if let Some(leaf) = cx.required(item.kind.as_ref(), "the directive", "kind", at) {
            cx.choice(leaf, "kind", &[("retention", ())], &[]);
        }
        let Some(block) = cx.required_part(item.retention.as_ref(), "the directive", "retention", at) else { continue };
        let retention = retention(block, cx);
        match &out {
            Some((_, first)) => {
                let report = cx.sink.report(&errors::DUPLICATE_NAME, item.span, &["directive", "retention"]);
                report.related(*first, "first declared here");
            }
            None => out = Some((retention, item.span)),
        }
    }
    out.map(|(retention, _)| retention)
}

fn retention(block: &Retention, cx: &mut Cx<'_>) -> ir::Retention {
    let mut flag = |leaf: Option<&Leaf>, key: &str| leaf.map(|leaf| cx.flag(Some(leaf), key, false));
    let drop = flag(block.drop.as_ref(), "drop");
    let keep_current_model = flag(block.keep_current_model.as_ref(), "keep_current_model");
    let prefer_prefix = flag(block.prefer_prefix_retention.as_ref(), "prefer_prefix_retention");
    let ttl = block.ttl_turns.as_ref();
    let ttl_turns = ttl.and_then(|leaf| cx.number(leaf, "ttl_turns", 0..=i64::from(u32::MAX)));
    let ttl_turns = ttl_turns.and_then(|turns| u32::try_from(turns).ok());
    if let (Some(true), Some(1..), Some(leaf)) = (drop, ttl_turns, ttl) {
        cx.sink.report(&errors::CONFLICTING_KEYS, leaf.span, &["drop: true", "ttl_turns"]);
    }
    if block.whole && ttl.is_none() && (drop, keep_current_model, prefer_prefix) == (None, None, None) {
        cx.sink.report(&errors::EMPTY_LIST, block.span, &["retention"]);
    }
    ir::Retention { drop, ttl_turns, keep_current_model, prefer_prefix }
}
