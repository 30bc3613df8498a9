//! Small pieces of generated Rust: numbers, durations, strings, doc comments.

use super::{file::one_line, names::Names};
use crate::ir;
use proc_macro2::{Literal, TokenStream};
use quote::quote;
use std::time::Duration;

/// An integer without a suffix, in groups of three from five digits on.
pub(super) fn int(n: impl Into<i128>) -> TokenStream {
    let n = n.into();
    let digits = n.unsigned_abs().to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if digits.len() > 4 && i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push('_');
        }
        text.push(digit);
    }
    let literal: Literal = text.parse().expect("digits and underscores are a literal");
    if n < 0 { quote!(-#literal) } else { quote!(#literal) }
}

/// A decimal number, as it is.
pub(super) fn decimal(n: f64) -> TokenStream {
    let literal = Literal::f64_unsuffixed(n.abs());
    if n < 0.0 { quote!(-#literal) } else { quote!(#literal) }
}

/// `Duration::from_secs(300)`, or the coarsest unit that is exact.
pub(super) fn duration(d: Duration) -> TokenStream {
    if d.subsec_nanos() == 0 {
        let n = int(d.as_secs());
        quote!(Duration::from_secs(#n))
    } else if d.subsec_nanos().is_multiple_of(1_000_000) && d.as_millis() <= u128::from(u64::MAX) {
        let n = int(d.as_millis() as u64);
        quote!(Duration::from_millis(#n))
    } else {
        let (secs, nanos) = (int(d.as_secs()), int(d.subsec_nanos()));
        quote!(Duration::new(#secs, #nanos))
    }
}

/// `Some(..)` or `None`.
pub(super) fn option<T>(value: Option<T>, tokens: impl FnOnce(T) -> TokenStream) -> TokenStream {
    match value.map(tokens) {
        Some(tokens) => quote!(Some(#tokens)),
        None => quote!(None),
    }
}

/// A `table::Text`.
pub(super) fn text(text: &ir::Text, names: &Names) -> TokenStream {
    match text {
        ir::Text::Baked(s) => quote!(Text::Baked(#s)),
        ir::Text::Env(pieces) => {
            let pieces = pieces.iter().map(|piece| match piece {
                ir::Piece::Literal(s) => quote!(Piece::Literal(#s)),
                ir::Piece::Var(slot) => {
                    let slot = &names.env[*slot];
                    quote!(Piece::Var(#slot))
                }
            });
            quote!(Text::Env(&[#(#pieces),*]))
        }
    }
}

/// A doc comment of one line.
pub(super) fn doc(text: &str) -> TokenStream {
    let text = format!(" {}", one_line(text));
    quote!(#[doc = #text])
}

/// Text of a user for a doc comment: nothing in it opens a code block or a link.
pub(super) fn prose(text: &str) -> String {
    one_line(text).replace('`', "'").replace(['[', ']'], "")
}
