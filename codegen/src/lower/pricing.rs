//! `pricing`: decimal text to whole pico-units per token.

use super::Cx;
use super::units::{self, BadPrice};
use crate::ast::decode::Leaf;
use crate::ast::plugins::ImagePricing;
use crate::ast::providers::Pricing;
use crate::{errors, ir};

/// The prices of a model.
pub(super) fn lower(pricing: &Pricing, cx: &mut Cx<'_>) -> ir::Pricing {
    let currency = currency(pricing.currency.as_ref(), cx);
    let prompt = price(pricing.prompt_per_1m.as_ref(), "prompt_per_1m", cx).unwrap_or(0);
    let completion = price(pricing.completion_per_1m.as_ref(), "completion_per_1m", cx).unwrap_or(0);
    let cached_input = price(pricing.cached_input_per_1m.as_ref(), "cached_input_per_1m", cx);
    if pricing.cached_input_per_1m.is_none() && prompt > 0 {
        cx.sink.report(&errors::FREE_CACHED_INPUT, pricing.span, &[]);
    }
    let cache_write = price(pricing.cache_write_per_1m.as_ref(), "cache_write_per_1m", cx);
    ir::Pricing {
        currency,
        prompt,
        cached_input: cached_input.unwrap_or(0),
        cache_write: cache_write.unwrap_or(prompt),
        completion,
    }
}

/// The prices of what makes images for a plugin. No such API tells of caches.
pub(super) fn of_images(pricing: &ImagePricing, cx: &mut Cx<'_>) -> ir::Pricing {
    let prompt = price(pricing.prompt_per_1m.as_ref(), "prompt_per_1m", cx).unwrap_or(0);
    let completion = price(pricing.completion_per_1m.as_ref(), "completion_per_1m", cx).unwrap_or(0);
    let currency = currency(pricing.currency.as_ref(), cx);
    ir::Pricing { currency, prompt, cached_input: prompt, cache_write: prompt, completion }
}

fn currency(leaf: Option<&Leaf>, cx: &mut Cx<'_>) -> String {
    let Some(leaf) = leaf else { return "USD".to_owned() };
    let text = cx.fixed(leaf, "currency").unwrap_or_default();
    if text.len() != 3 || !text.bytes().all(|b| b.is_ascii_uppercase()) {
        cx.sink.report(&errors::BAD_CURRENCY, leaf.span, &[&text]);
    }
    text
}

fn price(leaf: Option<&Leaf>, key: &str, cx: &mut Cx<'_>) -> Option<u64> {
    let leaf = leaf?;
    let text = cx.fixed(leaf, key)?;
    match units::price(&text) {
        Ok(price) => Some(price),
        Err(BadPrice::NotAPrice) => {
            cx.sink.report(&errors::BAD_PRICE, leaf.span, &[key, &text]);
            None
        }
        Err(BadPrice::TooFine) => {
            cx.sink.report(&errors::PRICE_TOO_FINE, leaf.span, &[key]);
            None
        }
    }
}
