//! `predicate`: bounds on what a signal counted or on how sure it is.

use super::Cx;
use crate::ast::decode::Leaf;
use crate::ast::node::Span;
use crate::ast::routing::Predicate;
use crate::{errors, ir};

/// The bounds, of which there is at least one and which some number can satisfy. `None`: broken, and reported.
pub(super) fn lower(item: &Predicate, cx: &mut Cx<'_>) -> Option<ir::Predicate> {
    let before = cx.sink.errors();
    let leaves = [&item.gt, &item.gte, &item.lt, &item.lte].map(Option::as_ref);
    let predicate = bounds(leaves, "`predicate`", item.span, cx);
    if !item.whole || cx.sink.errors() > before {
        return None;
    }
    if predicate.is_none() {
        cx.sink.report(&errors::NO_BOUNDS, item.span, &["predicate"]);
    }
    predicate
}

/// The bounds `gt`, `gte`, `lt` and `lte`. `None`: there are none, or they are broken, which was reported.
pub(super) fn bounds(leaves: [Option<&Leaf>; 4], what: &str, at: Span, cx: &mut Cx<'_>) -> Option<ir::Predicate> {
    let mut keys = ["gt", "gte", "lt", "lte"].into_iter().zip(leaves);
    let mut bound = || {
        let (key, leaf) = keys.next()?;
        leaf.and_then(|leaf| cx.decimal(leaf, key, f64::MIN..=f64::MAX))
    };
    let predicate = ir::Predicate { gt: bound(), gte: bound(), lt: bound(), lte: bound() };
    if is_empty(&predicate) {
        cx.sink.report(&errors::EMPTY_BOUNDS, at, &[what]);
        return None;
    }
    (predicate != ir::Predicate::default()).then_some(predicate)
}

/// Whether no number is within the bounds.
fn is_empty(predicate: &ir::Predicate) -> bool {
    let ir::Predicate { gt, gte, lt, lte } = *predicate;
    let above = |bound: Option<f64>, least: Option<f64>| bound.zip(least).is_some_and(|(bound, least)| least > bound);
    let meet = |bound: Option<f64>, least: Option<f64>| bound.zip(least).is_some_and(|(bound, least)| least == bound);
    [gt, gte].into_iter().any(|least| above(lt, least) || above(lte, least))
        || meet(lt, gt)
        || meet(lt, gte)
        || meet(lte, gt)
}
