//! `routing.signals.context`: bands of estimated prompt length.

use super::{Cx, units};
use crate::ast::decode::Leaf;
use crate::ast::routing::Context;
use crate::{errors, ir};

/// The band of a context signal, both ends inclusive.
pub(super) fn lower(item: &Context, name: &str, cx: &mut Cx<'_>) -> ir::SignalWhat {
    cx.fixed_opt(item.description.as_ref(), "description");
    let min_tokens = tokens(item.min_tokens.as_ref(), "min_tokens", 0, cx);
    let max_tokens = tokens(item.max_tokens.as_ref(), "max_tokens", u64::MAX, cx);
    if min_tokens > max_tokens {
        let at = item.min_tokens.as_ref().map_or(item.span, |leaf| leaf.span);
        let diagnostic = cx.sink.report(&errors::EMPTY_BAND, at, &[name]);
        if let Some(max) = &item.max_tokens {
            diagnostic.related(max.span, "the largest");
        }
    }
    ir::SignalWhat::Context { min_tokens, max_tokens }
}

fn tokens(leaf: Option<&Leaf>, key: &str, default: u64, cx: &mut Cx<'_>) -> u64 {
    let Some((leaf, text)) = leaf.and_then(|leaf| Some((leaf, cx.fixed(leaf, key)?))) else { return default };
    units::tokens(&text).unwrap_or_else(|| {
        cx.sink.report(&errors::BAD_TOKEN_COUNT, leaf.span, &[key, &text]);
        default
    })
}
