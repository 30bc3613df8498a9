//! Projections: `project`, which adds to the signals what follows from their scores.

use super::{
    names::Names,
    rules::bounds,
    tokens::{decimal, doc, prose},
};
use crate::ir::{Band, Input, InputOf, InputValue, Mapping, Policy};
use proc_macro2::TokenStream;
use quote::quote;

/// The value of `Policy::project`.
pub(super) fn project(policy: &Policy) -> TokenStream {
    if policy.mappings.is_empty() { quote!(None) } else { quote!(Some(project)) }
}

/// The function, and one for each mapping.
pub(super) fn items(policy: &Policy, names: &Names) -> TokenStream {
    if policy.mappings.is_empty() {
        return TokenStream::new();
    }
    let mappings = policy.mappings.iter().zip(&names.mappings).map(|(mapping, name)| {
        let doc = doc(&format!("The mapping `{}` of a score.", prose(&mapping.name)));
        let inputs = mapping.inputs.iter().map(|own| input(own, policy, names));
        // A person writes the bounds of a band as they stand in the document.
        let both_ends = |band: &Band| band.predicate.as_ref().is_some_and(|p| bounds(p, &quote!(score)).len() > 1);
        let allow = mapping.outputs.iter().any(both_ends).then(|| quote!(#[allow(clippy::manual_range_contains)]));
        let asked = asked(mapping);
        let bands = bands(mapping, asked, policy, names);
        let reads = |band: &Band| band.predicate.is_some() && (mapping.first_only || band.signal.is_some());
        let score = asked.iter().any(reads).then(|| quote!(let mut score = 0.0; #(#inputs)*));
        quote! {
            #doc
            #allow
            fn #name(s: &mut SignalSet) {
                #score
                #bands
            }
        }
    });
    let calls = names.mappings.iter().map(|name| quote!(#name(s);));
    quote! {
        /// Adds the outputs of mappings to the signals that they are projected from.
        fn project(s: &mut SignalSet) { #(#calls)* }
        #(#mappings)*
    }
}

fn input(input: &Input, policy: &Policy, names: &Names) -> TokenStream {
    // As a person writes it: one does not add what is multiplied with -1.
    let (add, weight) = (if input.weight < 0.0 { quote!(-=) } else { quote!(+=) }, decimal(input.weight.abs()));
    let (signal, value) = match &input.of {
        InputOf::Signal { signal, value } => (*signal, *value),
        InputOf::Score(inputs) => {
            let inputs = inputs.iter().map(|own| self::input(own, policy, names));
            return quote!(score #add #weight * { let mut score = 0.0; #(#inputs)* score };);
        }
    };
    let (signal, id) = (&policy.signals[signal], &names.signals[signal]);
    let measured = |noted: Option<usize>| {
        let measure = &names.measures[noted?];
        Some(quote!(s.measure(#measure)))
    };
    let (hit, miss) = match value {
        InputValue::Binary { hit, miss } => (decimal(hit), miss),
        InputValue::Confidence => {
            let constant = signal.confidence.constant().map(decimal);
            (constant.or_else(|| measured(signal.noted_confidence)).unwrap_or_default(), 0.0)
        }
        InputValue::Raw => (measured(signal.noted_value).unwrap_or_default(), 0.0),
    };
    let otherwise = (miss != 0.0).then(|| {
        let miss = decimal(miss);
        quote!(else { score #add #weight * #miss; })
    });
    quote!(if s.has(#id) { score #add #weight * #hit; } #otherwise)
}

/// The bands up to the last from which anything follows.
fn asked(mapping: &Mapping) -> &[Band] {
    let always = mapping.outputs.iter().position(|band| mapping.first_only && band.predicate.is_none());
    let asked = &mapping.outputs[..always.map_or(mapping.outputs.len(), |last| last + 1)];
    let last = asked.iter().rposition(|band| band.signal.is_some());
    &asked[..last.map_or(0, |last| last + 1)]
}

/// What follows from each band.
fn bands(mapping: &Mapping, asked: &[Band], policy: &Policy, names: &Names) -> TokenStream {
    let mut out = TokenStream::new();
    for (n, band) in asked.iter().enumerate() {
        if band.signal.is_none() && !mapping.first_only {
            continue;
        }
        let emitted = emitted(band, mapping.slope, policy, names);
        let done = (mapping.first_only && n + 1 < asked.len()).then(|| quote!(return;));
        out.extend(match band.predicate.as_ref().map(|predicate| bounds(predicate, &quote!(score))) {
            Some(bounds) => quote!(if #(#bounds)&&* { #emitted #done }),
            None => emitted,
        });
    }
    out
}

fn emitted(band: &Band, slope: f64, policy: &Policy, names: &Names) -> TokenStream {
    let Some(n) = band.signal else { return TokenStream::new() };
    let id = &names.signals[n];
    let noted = policy.signals[n].noted_confidence.zip(band.predicate.as_ref()).map(|(noted, predicate)| {
        let (measure, slope) = (&names.measures[noted], decimal(slope));
        let bounds = [predicate.gt, predicate.gte, predicate.lt, predicate.lte].into_iter().flatten().map(decimal);
        quote!(s.note(#measure, sure_within(#slope, score, [#(#bounds),*]));)
    });
    quote!(s.insert(#id); #noted)
}
