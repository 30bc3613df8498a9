//! What a `model` field names.

use super::names::Names;
use crate::ir::Router;
use proc_macro2::TokenStream;
use quote::quote;

/// `resolve`: one match over all names.
pub(super) fn items(router: &Router, names: &Names) -> TokenStream {
    let auto = &router.auto_names;
    let auto = (!auto.is_empty()).then(|| quote!(#(#auto)|* => Some(Target::Auto),));
    let models = router.models.iter().zip(&names.models).map(|(model, id)| {
        let name = &model.name;
        quote!(#name => Some(Target::Model(#id)),)
    });
    quote! {
        fn resolve(name: &str) -> Option<Target> {
            match name {
                #auto
                #(#models)*
                _ => None,
            }
        }
    }
}
