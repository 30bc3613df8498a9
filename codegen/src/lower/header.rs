//! Names and values of request headers that a document sets.

use super::Cx;
use crate::ast::decode::Leaf;
use crate::ast::node::Span;
use crate::ast::secret::is_secret_header;
use crate::{errors, ir};

/// Headers that belong to one connection or to the body that the router writes.
const RESERVED: &[&str] = &[
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Headers that the router writes itself, for it reads and writes bodies.
const ROUTER_OWN: &[&str] = &["accept-encoding", "content-encoding", "content-type", "x-request-id"];

/// Whether nobody but the router has a say in this header. The name is in lower case.
pub(super) fn is_router_own(name: &str) -> bool {
    ROUTER_OWN.contains(&name)
}

/// A name in lower case.
pub(super) fn name(text: &str, at: Span, cx: &mut Cx<'_>) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    if lower.is_empty() || !lower.bytes().all(is_token) {
        cx.sink.report(&errors::BAD_HEADER_NAME, at, &[text]);
        return None;
    }
    if RESERVED.contains(&lower.as_str()) {
        cx.sink.report(&errors::RESERVED_HEADER, at, &[text, "remove it"]);
        return None;
    }
    Some(lower)
}

/// A value; a credential must come from the environment.
pub(super) fn value(name: &str, leaf: &Leaf, cx: &mut Cx<'_>) -> Option<ir::Text> {
    let text = if is_secret_header(name) { cx.secret_header(leaf, name)? } else { cx.text(leaf, false)? };
    let literals: Vec<&str> = match &text {
        ir::Text::Baked(text) => vec![text],
        ir::Text::Env(pieces) => pieces
            .iter()
            .filter_map(|piece| match piece {
                ir::Piece::Literal(text) => Some(text.as_str()),
                ir::Piece::Var(_) => None,
            })
            .collect(),
    };
    check(name, &literals, leaf.span, cx).then_some(text)
}

/// Whether some text can be sent in a header. Reported where it cannot.
pub(super) fn check(name: &str, literals: &[&str], at: Span, cx: &mut Cx<'_>) -> bool {
    let bad = literals.iter().flat_map(|text| text.chars()).find(|c| c.is_control() && *c != '\t');
    if let Some(bad) = bad {
        let label = format!("has the control character U+{:04X}", u32::from(bad));
        cx.sink.report(&errors::BAD_HEADER_VALUE, at, &[name, &label]);
    }
    bad.is_none()
}

/// `tchar` of RFC 9110.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
