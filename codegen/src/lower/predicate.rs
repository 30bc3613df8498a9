//! `predicate`: bounds on what a signal counted or on how sure it is.

use super::Cx;
use crate::ast::decode::Leaf;
use crate::ast::routing::Predicate;
use crate::{errors, ir};

/// The bounds, of which there is at least one and which some number can satisfy. `None`: broken, and reported.
pub(super) fn lower(item: &Predicate, cx: &mut Cx<'_>) -> Option<ir::Predicate> {
    let before = cx.sink.errors();
    let mut bound = |leaf: Option<&Leaf>, key: &str| leaf.and_then(|leaf| cx.decimal(leaf, key, f64::MIN..=f64::MAX));
    let predicate = ir::Predicate {
        gt: bound(item.gt.as_ref(), "gt"),
        gte: bound(item.gte.as_ref(), "gte"),
        lt: bound(item.lt.as_ref(), "lt"),
        lte: bound(item.lte.as_ref(), "lte"),
    };
    if !item.whole || cx.sink.errors() > before {
        return None;
    }
    if predicate == ir::Predicate::default() {
        cx.sink.report(&errors::NO_BOUNDS, item.span, &["predicate"]);
        return None;
    }
    if is_empty(&predicate) {
        cx.sink.report(&errors::EMPTY_BOUNDS, item.span, &["predicate"]);
        return None;
    }
    Some(predicate)
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
