//! Models: ids, names, prices and how failures are met.

use super::{
    backends,
    names::Names,
    plugins,
    tokens::{doc, duration, int, option, prose},
};
use crate::ir::{Balance, Ejection, HealthCheck, Makes, Model, Pricing, Protocol, Reliability, Router};
use proc_macro2::{Ident, Literal, TokenStream};
use quote::quote;

/// A constant for each id, the table of models, and a table of backends for each.
pub(super) fn items(router: &Router, names: &Names) -> TokenStream {
    let ids = router.models.iter().zip(&names.models).enumerate().map(|(n, (model, name))| {
        let doc = doc(&match model.makes {
            Makes::Plugin => format!("`{}`: of a plugin in {}.", prose(&model.name), router.source),
            _ => format!("`{}`: `providers.models[{n}]` in {}.", prose(&model.name), router.source),
        });
        let n = int(n as u64);
        quote! {
            #doc
            const #name: ModelId = ModelId(#n);
        }
    });
    let models = router.models.iter().enumerate().map(|(n, m)| model(m, &names.backends[m.lora_of.unwrap_or(n)]));
    let len = int(router.models.len() as u64);
    let backends = backends::items(router, names);
    quote! {
        #(#ids)*
        static MODELS: [Model; #len] = [#(#models),*];
        #backends
    }
}

/// The value of `Tables::default_model`.
pub(super) fn default_model(router: &Router, names: &Names) -> TokenStream {
    option(router.default_model, |n| {
        let name = &names.models[n];
        quote!(#name)
    })
}

fn model(model: &Model, backends: &Ident) -> TokenStream {
    let Model {
        name,
        description,
        pricing,
        reliability,
        lora_of,
        context_window,
        quality,
        makes,
        protocol,
        max_output_tokens,
        takes_effort,
        takes_thinking,
        backends: _,
    } = model;
    let max_output_tokens = int(*max_output_tokens);
    let context_window = option(*context_window, int);
    let quality = option(quality.map(Literal::f64_unsuffixed), |quality| quote!(#quality));
    let lora = option(lora_of.map(|_| plugins::quoted(name)), |json| quote!(#json));
    let pricing = option(pricing.as_ref(), self::pricing);
    let reliability = self::reliability(reliability);
    let makes = match makes {
        Makes::Words => quote!(Makes::Words),
        Makes::Pictures => quote!(Makes::Pictures),
        Makes::Both => quote!(Makes::Both),
        Makes::Plugin => quote!(Makes::Plugin),
    };
    let protocol = match protocol {
        Protocol::Chat => quote!(Protocol::Chat),
        Protocol::Messages => quote!(Protocol::Messages),
    };
    quote! {
        Model {
            name: #name,
            description: #description,
            lora: #lora,
            context_window: #context_window,
            quality: #quality,
            makes: #makes,
            protocol: #protocol,
            max_output_tokens: #max_output_tokens,
            takes_effort: #takes_effort,
            takes_thinking: #takes_thinking,
            pricing: #pricing,
            reliability: #reliability,
            backends: &#backends,
        }
    }
}

fn pricing(pricing: &Pricing) -> TokenStream {
    let currency = &pricing.currency;
    let prompt = int(pricing.prompt);
    let cached_input = int(pricing.cached_input);
    let cache_write = int(pricing.cache_write);
    let completion = int(pricing.completion);
    quote! {
        Pricing {
            currency: #currency,
            prompt: #prompt,
            cached_input: #cached_input,
            cache_write: #cache_write,
            completion: #completion,
        }
    }
}

fn reliability(reliability: &Reliability) -> TokenStream {
    let balance = match reliability.balance {
        Balance::Weighted => quote!(Balance::Weighted),
        Balance::RoundRobin => quote!(Balance::RoundRobin),
        Balance::LeastRequest => quote!(Balance::LeastRequest),
    };
    let retries = option(reliability.retries, int);
    let statuses = reliability.retry_statuses.iter().map(|(from, to)| {
        let (from, to) = (int(*from), int(*to));
        quote!((#from, #to))
    });
    let ejection = option(reliability.ejection.as_ref(), self::ejection);
    let health_check = option(reliability.health_check.as_ref(), self::health_check);
    quote! {
        Reliability {
            balance: #balance,
            retries: #retries,
            retry_on: RetryOn { statuses: &[#(#statuses),*] },
            ejection: #ejection,
            health_check: #health_check,
        }
    }
}

fn ejection(ejection: &Ejection) -> TokenStream {
    let consecutive_5xx = int(ejection.consecutive_5xx);
    let base_time = duration(ejection.base_time);
    let max_percent = int(ejection.max_percent);
    quote!(Ejection { consecutive_5xx: #consecutive_5xx, base_time: #base_time, max_percent: #max_percent })
}

fn health_check(check: &HealthCheck) -> TokenStream {
    let path = &check.path;
    let (interval, timeout) = (duration(check.interval), duration(check.timeout));
    quote!(HealthCheck { path: #path, interval: #interval, timeout: #timeout })
}
