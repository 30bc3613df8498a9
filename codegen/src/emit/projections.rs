//! Projections: `project`, which adds to the signals what follows from their scores.

use super::{
    names::Names,
    rules::bounds,
    tokens::{decimal, doc, prose},
};
use crate::ir::{Band, Input, InputValue, Mapping, Router};
use proc_macro2::TokenStream;
use quote::quote;

/// The value of `Tables::project`.
pub(super) fn project(router: &Router) -> TokenStream {
    if router.mappings.is_empty() { quote!(None) } else { quote!(Some(project)) }
}

/// The function, and one for each score.
pub(super) fn items(router: &Router, names: &Names) -> TokenStream {
    if router.mappings.is_empty() {
        return TokenStream::new();
    }
    let scores = router.mappings.iter().zip(&names.mappings).map(|(mapping, name)| {
        let doc = doc(&format!("The score that the mapping `{}` looks at.", prose(&mapping.name)));
        let inputs = mapping.inputs.iter().map(|own| input(own, router, names));
        quote! {
            #doc
            fn #name(s: &SignalSet) -> f64 {
                let mut score = 0.0;
                #(#inputs)*
                score
            }
        }
    });
    let mappings = router.mappings.iter().zip(&names.mappings).map(|(own, name)| {
        let bands = mapping(own, router, names);
        quote! {
            let score = #name(s);
            #bands
        }
    });
    quote! {
        #(#scores)*
        /// Adds the outputs of mappings to the signals that they are projected from.
        fn project(s: &mut SignalSet) { #(#mappings)* }
    }
}

fn input(input: &Input, router: &Router, names: &Names) -> TokenStream {
    let signal = &router.signals[input.signal];
    let (id, weight) = (&names.signals[input.signal], decimal(input.weight));
    let measured = |noted: Option<usize>| {
        let measure = &names.measures[noted?];
        Some(quote!(s.measure(#measure)))
    };
    let (hit, miss) = match input.value {
        InputValue::Binary { hit, miss } => (decimal(hit), miss),
        InputValue::Confidence => {
            let constant = signal.confidence.constant().map(decimal);
            (constant.or_else(|| measured(signal.noted_confidence)).unwrap_or_default(), 0.0)
        }
        InputValue::Raw => (measured(signal.noted_value).unwrap_or_default(), 0.0),
    };
    let otherwise = (miss != 0.0).then(|| {
        let miss = decimal(miss);
        quote!(else { score += #weight * #miss; })
    });
    quote!(if s.has(#id) { score += #weight * #hit; } #otherwise)
}

fn mapping(mapping: &Mapping, router: &Router, names: &Names) -> TokenStream {
    let mut out = TokenStream::new();
    for (n, band) in mapping.outputs.iter().enumerate() {
        let emitted = emitted(band, mapping.slope, router, names);
        let compared = band.predicate.as_ref().map(|predicate| bounds(predicate, &quote!(score)));
        let or = if mapping.first_only && n > 0 { quote!(else) } else { quote!() };
        out.extend(match compared {
            Some(bounds) => quote!(#or if #(#bounds)&&* { #emitted }),
            None => quote!(#or { #emitted }),
        });
        if mapping.first_only && band.predicate.is_none() {
            break; // it always matches
        }
    }
    out
}

fn emitted(band: &Band, slope: f64, router: &Router, names: &Names) -> TokenStream {
    let Some(n) = band.signal else { return TokenStream::new() };
    let id = &names.signals[n];
    let noted = router.signals[n].noted_confidence.zip(band.predicate.as_ref()).map(|(noted, predicate)| {
        let (measure, slope) = (&names.measures[noted], decimal(slope));
        let bounds = [predicate.gt, predicate.gte, predicate.lt, predicate.lte].into_iter().flatten().map(decimal);
        quote!(s.note(#measure, sure_within(#slope, score, [#(#bounds),*]));)
    });
    quote!(s.insert(#id); #noted)
}
