//! The environment variables that are read at start-up.

use super::{names::Names, tokens};
use crate::ir::{EnvVar, Router};
use proc_macro2::TokenStream;
use quote::quote;

/// A constant for each slot, and the table.
pub(super) fn items(router: &Router, names: &Names) -> TokenStream {
    let slots = router.env.iter().zip(&names.env).enumerate().map(|(n, (var, name))| {
        let doc = tokens::doc(&format!("`{}`, wanted by `{}`.", var.name, var.wanted_by.join("`, `")));
        let n = tokens::int(n as u64);
        quote! {
            #doc
            const #name: EnvSlot = EnvSlot(#n);
        }
    });
    let vars = router.env.iter().map(var);
    let len = tokens::int(router.env.len() as u64);
    quote! {
        #(#slots)*
        static ENV: [EnvVar; #len] = [#(#vars),*];
    }
}

fn var(var: &EnvVar) -> TokenStream {
    let EnvVar { name, default, empty_is_unset, secret, wanted_by } = var;
    let default = tokens::option(default.as_ref(), |s| quote!(#s));
    quote! {
        EnvVar {
            name: #name,
            default: #default,
            empty_is_unset: #empty_is_unset,
            secret: #secret,
            wanted_by: &[#(#wanted_by),*],
        }
    }
}
