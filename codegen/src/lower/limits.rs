//! `hardwire`: bounds and timeouts.

use super::Cx;
use crate::ast::decode::Leaf;
use crate::ast::hardwire::Hardwire;
use crate::ast::node::Span;
use crate::{errors, ir};
use std::time::Duration;

const MAX_BODY_BYTES: u64 = 32 << 20;

/// The bounds, with their defaults where the document says nothing.
pub(super) fn lower(section: Option<&Hardwire>, listeners: &[(ir::Listener, Span)], cx: &mut Cx<'_>) -> ir::Limits {
    let get = |field: fn(&Hardwire) -> Option<&Leaf>| section.and_then(field);
    let secs = Duration::from_secs;
    let first_byte = get(|s| s.first_byte_timeout.as_ref());
    let limits = ir::Limits {
        max_body_bytes: cx.size(get(|s| s.max_body_bytes.as_ref()), "max_body_bytes", MAX_BODY_BYTES),
        header_timeout: cx.duration(get(|s| s.header_timeout.as_ref()), "header_timeout", secs(10)),
        body_timeout: cx.duration(get(|s| s.body_timeout.as_ref()), "body_timeout", secs(30)),
        connect_timeout: cx.duration(get(|s| s.connect_timeout.as_ref()), "connect_timeout", secs(5)),
        first_byte_timeout: first_byte.map(|leaf| cx.duration(Some(leaf), "first_byte_timeout", secs(1))),
        idle_timeout: cx.duration(get(|s| s.idle_timeout.as_ref()), "idle_timeout", secs(120)),
        drain_timeout: cx.duration(get(|s| s.drain_timeout.as_ref()), "drain_timeout", secs(30)),
    };
    // A request is given up with its listener's timeout, whatever else would give it up later.
    let Some(whole) = listeners.iter().map(|(listener, _)| listener.timeout).max() else { return limits };
    let idle = get(|s| s.idle_timeout.as_ref()).map(|leaf| (leaf, "idle_timeout", limits.idle_timeout));
    let first_byte = first_byte.zip(limits.first_byte_timeout).map(|(leaf, limit)| (leaf, "first_byte_timeout", limit));
    for (leaf, key, limit) in first_byte.into_iter().chain(idle) {
        if limit >= whole {
            cx.sink.report(&errors::TIMEOUT_NEVER_REACHED, leaf.span, &[key, &format!("{whole:?}")]);
        }
    }
    limits
}
