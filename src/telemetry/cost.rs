//! What tokens cost, exactly: whole pico-units of a currency.

use crate::protocol::event::Usage;
use crate::table::Pricing;

/// Pico-units in one unit of a currency.
const PICO: f64 = 1e12;

/// What this usage costs, in pico-units of the currency. What was read from a cache, written to one, and neither, are counted
/// apart, so nothing is paid twice; what is not known costs nothing.
#[must_use]
pub fn cost(pricing: &Pricing, usage: &Usage) -> u128 {
    let Pricing { currency: _, prompt, cached_input, cache_write, completion } = *pricing;
    let parts = [
        (usage.input, prompt),
        (usage.cached, cached_input),
        (usage.cache_write, cache_write),
        (usage.output, completion),
    ];
    let costs = parts.map(|(tokens, price)| u128::from(tokens.unwrap_or_default()) * u128::from(price));
    costs.into_iter().fold(0, u128::saturating_add)
}

/// In units of the currency, for people and programs that take no larger numbers: the nearest one there is.
#[must_use]
pub fn in_units(pico: u128) -> f64 {
    pico as f64 / PICO
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a provider with caches: 3, 0.30, 3.75 and 15 dollars per million tokens.
    const PRICING: Pricing = Pricing {
        currency: "USD",
        prompt: 3_000_000,
        cached_input: 300_000,
        cache_write: 3_750_000,
        completion: 15_000_000,
    };

    #[track_caller]
    fn check(pricing: &Pricing, usage: Usage, dollars: f64) {
        let pico = cost(pricing, &usage);
        assert_eq!((pico, in_units(pico)), ((dollars * PICO).round() as u128, dollars));
    }

    fn reported(prompt: u64, cached: u64, written: u64, output: u64) -> Usage {
        Usage { output: Some(output), ..Usage::of_whole_prompt(prompt, Some(cached), Some(written)) }
    }

    #[test]
    fn every_token_is_paid_once() {
        check(&PRICING, Usage::default(), 0.0);
        check(&PRICING, reported(1_000_000, 0, 0, 0), 3.0);
        check(&PRICING, reported(0, 0, 0, 1_000_000), 15.0);
        check(&PRICING, reported(1000, 0, 0, 500), 0.0105);
        // 200 fresh, 700 read, 100 written.
        check(&PRICING, reported(1000, 700, 100, 10), 0.001_335);
    }

    #[test]
    fn what_is_told_twice_is_bounded_by_the_prompt() {
        check(&PRICING, reported(1000, 5000, 0, 0), 0.0003);
        check(&PRICING, reported(1000, 600, 600, 0), 0.000_18 + 0.0015);
    }

    /// As the document says: what the provider read from its cache is free where no price is set.
    #[test]
    fn what_has_no_price_is_free() {
        let pricing = Pricing { cached_input: 0, cache_write: 3_000_000, ..PRICING };
        check(&pricing, reported(1000, 1000, 0, 0), 0.0);
        check(&pricing, reported(1000, 0, 1000, 0), 0.003);
    }

    #[test]
    fn no_number_is_too_large() {
        let pricing = Pricing {
            currency: "VND",
            prompt: u64::MAX,
            cached_input: u64::MAX,
            cache_write: u64::MAX,
            completion: u64::MAX,
        };
        let all = Some(u64::MAX);
        let usage = Usage { input: all, cached: all, cache_write: all, output: all, reasoning: all };
        assert_eq!(cost(&pricing, &usage), u128::MAX);
    }
}
