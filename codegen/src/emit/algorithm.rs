//! The value of `Decision::algorithm`.

use super::tokens::{duration, int, option};
use crate::ir::{Algorithm, Ceilings, Factor, Latency, MultiFactor, Objective, Otherwise};
use proc_macro2::{Literal, TokenStream};
use quote::quote;

/// What a decision chooses by.
pub(super) fn algorithm(algorithm: &Algorithm) -> TokenStream {
    match algorithm {
        Algorithm::Static => quote!(Algorithm::Static),
        Algorithm::Cost { order, largest } => {
            let order = order.iter().map(|position| int(*position as u64));
            let largest = int(*largest as u64);
            quote!(Algorithm::Cost { order: &[#(#order),*], largest: #largest })
        }
        Algorithm::LatencyAware { ttft, tpot } => {
            let (ttft, tpot) = (option(*ttft, int), option(*tpot, int));
            quote!(Algorithm::LatencyAware { ttft: #ttft, tpot: #tpot })
        }
        Algorithm::MultiFactor(factors) => multi_factor(factors),
    }
}

fn multi_factor(factors: &MultiFactor) -> TokenStream {
    let MultiFactor { objective, latency, percentile, ceilings, otherwise } = factors;
    let objective = self::objective(objective);
    let latency = match latency {
        Latency::Either => quote!(Latency::Either),
        Latency::Tpot => quote!(Latency::Tpot),
        Latency::Ttft => quote!(Latency::Ttft),
    };
    let percentile = int(*percentile);
    let ceilings = self::ceilings(ceilings);
    let otherwise = match otherwise {
        Otherwise::Take(position) => {
            let position = int(*position as u64);
            quote!(Otherwise::Take(#position))
        }
        Otherwise::Fail => quote!(Otherwise::Fail),
    };
    quote! {
        Algorithm::MultiFactor(&MultiFactor {
            objective: #objective,
            latency: #latency,
            percentile: #percentile,
            ceilings: #ceilings,
            otherwise: #otherwise,
        })
    }
}

fn objective(objective: &Objective) -> TokenStream {
    match objective {
        Objective::Weighted(weights) => {
            let [quality, latency, cost, load] = weights.map(Literal::f64_unsuffixed);
            quote!(Objective::Weighted { quality: #quality, latency: #latency, cost: #cost, load: #load })
        }
        Objective::Ordered(priorities) => {
            let priorities = priorities.iter().map(|(factor, tolerance)| {
                let factor = match factor {
                    Factor::Quality => quote!(Factor::Quality),
                    Factor::Latency => quote!(Factor::Latency),
                    Factor::Cost => quote!(Factor::Cost),
                    Factor::Load => quote!(Factor::Load),
                };
                let tolerance = Literal::f64_unsuffixed(*tolerance);
                quote!(Priority { factor: #factor, tolerance: #tolerance })
            });
            quote!(Objective::Ordered(&[#(#priorities),*]))
        }
    }
}

fn ceilings(ceilings: &Ceilings) -> TokenStream {
    let Ceilings { tpot, ttft, cost, inflight } = ceilings;
    let (tpot, ttft) = (option(*tpot, duration), option(*ttft, duration));
    let (cost, inflight) = (option(*cost, int), option(*inflight, int));
    quote!(Ceilings { tpot: #tpot, ttft: #ttft, cost: #cost, inflight: #inflight })
}
