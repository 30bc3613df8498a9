//! Backends: where each model is served.

use super::{
    names::Names,
    tokens::{doc, duration, int, option, prose, text},
};
use crate::ir::{Auth, Backend, Endpoint, Makes, Router, Text, Url};
use proc_macro2::TokenStream;
use quote::quote;

/// A table of backends for each model. Ids count over all models.
pub(super) fn items(router: &Router, names: &Names) -> TokenStream {
    let mut id = 0u64;
    let mut items = TokenStream::new();
    for (n, (model, name)) in router.models.iter().zip(&names.backends).enumerate() {
        if model.lora_of.is_some() {
            continue;
        }
        let doc = doc(&match model.makes {
            Makes::Plugin => {
                format!("`backend_config` of the plugin of `{}` in {}.", prose(&model.name), router.source)
            }
            _ => format!("`providers.models[{n}].backend_refs` in {}.", router.source),
        });
        let len = int(model.backends.len() as u64);
        let backends: Vec<_> = model.backends.iter().zip(id..).map(|(b, id)| backend(b, id, names)).collect();
        id += model.backends.len() as u64;
        items.extend(quote! {
            #doc
            static #name: [Backend; #len] = [#(#backends),*];
        });
    }
    items
}

fn backend(backend: &Backend, id: u64, names: &Names) -> TokenStream {
    let Backend { name, weight, model_id, endpoint } = backend;
    let (id, weight, endpoint) = (int(id), int(*weight), self::endpoint(endpoint, names));
    quote! {
        Backend { id: BackendId(#id), name: #name, weight: #weight, model_id: #model_id, endpoint: #endpoint }
    }
}

fn endpoint(endpoint: &Endpoint, names: &Names) -> TokenStream {
    match endpoint {
        Endpoint::Echo { token_delay } => {
            let token_delay = duration(*token_delay);
            quote!(Endpoint::Echo { token_delay: #token_delay })
        }
        Endpoint::Http { url, headers, auth } => {
            let url = self::url(url, names);
            let headers = headers.iter().map(|header| self::header(header, names));
            let auth = option(auth.as_ref(), |auth| self::auth(auth, names));
            quote!(Endpoint::Http(Http { url: #url, headers: &[#(#headers),*], auth: #auth }))
        }
    }
}

fn url(url: &Url, names: &Names) -> TokenStream {
    match url {
        Url::Baked { tls, host, port, authority, path } => {
            let port = int(*port);
            quote!(Url::Baked { tls: #tls, host: #host, port: #port, authority: #authority, path: #path })
        }
        Url::Env { base, tls, suffix, replace_path, query } => {
            let base = text(base, names);
            let query = option(query.as_ref(), |query| quote!(#query));
            quote! {
                Url::Env { base: #base, tls: #tls, suffix: #suffix, replace_path: #replace_path, query: #query }
            }
        }
    }
}

fn header((name, value): &(String, Text), names: &Names) -> TokenStream {
    let value = text(value, names);
    quote!((#name, #value))
}

fn auth(auth: &Auth, names: &Names) -> TokenStream {
    let Auth { header, prefix, key } = auth;
    let key = text(key, names);
    quote!(Auth { header: #header, prefix: #prefix, key: #key })
}
