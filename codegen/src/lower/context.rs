//! `routing.signals.context`: bands of estimated prompt length.

use super::{Cx, units};
use crate::ast::decode::Leaf;
use crate::ast::routing::Context;
use crate::{errors, ir};

/// The band of a context signal, both ends inclusive.
pub(super) fn lower(item: &Context, name: &str, cx: &mut Cx<'_>) -> ir::SignalWhat {
    cx.fixed_opt(item.description.as_ref(), "description");
    let min_tokens = item.min_tokens.as_ref().and_then(|leaf| tokens(leaf, "min_tokens", cx)).unwrap_or(0);
    let max_tokens = item.max_tokens.as_ref().and_then(|leaf| tokens(leaf, "max_tokens", cx)).unwrap_or(u64::MAX);
    if min_tokens > max_tokens {
        let at = item.min_tokens.as_ref().map_or(item.span, |leaf| leaf.span);
        let diagnostic = cx.sink.report(&errors::EMPTY_BAND, at, &[name]);
        if let Some(max) = &item.max_tokens {
            diagnostic.related(max.span, "the largest");
        }
    }
    ir::SignalWhat::Context { min_tokens, max_tokens }
}

/// A number of tokens.
pub(super) fn tokens(leaf: &Leaf, key: &str, cx: &mut Cx<'_>) -> Option<u64> {
    let text = cx.fixed(leaf, key)?;
    let tokens = units::tokens(&text);
    if tokens.is_none() {
        cx.sink.report(&errors::BAD_TOKEN_COUNT, leaf.span, &[key, &text]);
    }
    tokens
}
