//! What a `model` field names.

use super::names::Names;
use super::tokens::int;
use crate::ir::{Makes, Router};
use proc_macro2::TokenStream;
use quote::quote;

/// `resolve`: one match over all names.
pub(super) fn items(router: &Router, names: &Names) -> TokenStream {
    let policies = (0..router.policies.len()).filter_map(|policy| {
        let auto = router.auto_names.iter().filter(|_| policy == 0);
        let entrypoints = router.entrypoints.iter().filter(|(_, own)| *own == policy).map(|(name, _)| name);
        let names: Vec<&String> = auto.chain(entrypoints).collect();
        let policy = int(policy as u64);
        (!names.is_empty()).then(|| quote!(#(#names)|* => Some(Target::Auto(PolicyId(#policy))),))
    });
    let models = router.models.iter().zip(&names.models).filter(|(model, _)| model.makes != Makes::Plugin);
    let models = models.map(|(model, id)| {
        let name = &model.name;
        quote!(#name => Some(Target::Model(#id)),)
    });
    quote! {
        fn resolve(name: &str) -> Option<Target> {
            match name {
                #(#policies)*
                #(#models)*
                _ => None,
            }
        }
    }
}
