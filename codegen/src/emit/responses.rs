//! The store of responses: its settings, and the constructor of that store alone, so that the binary holds no other.

use super::names::Names;
use super::tokens::{duration, int, option, text};
use crate::ir::{RedisStore, ResponseStore, Router, StoreBounds, UnsupportedTools};
use proc_macro2::TokenStream;
use quote::{format_ident, quote};

/// The value of `Tables::unsupported_tools`.
pub(super) fn unsupported_tools(router: &Router) -> TokenStream {
    match router.unsupported_tools {
        UnsupportedTools::Refuse => quote!(UnsupportedTools::Refuse),
        UnsupportedTools::Omit => quote!(UnsupportedTools::Omit),
    }
}

/// What `main.rs` hands to the server.
pub(super) fn items(router: &Router, names: &Names) -> TokenStream {
    let store = router.responses.as_ref().map(|store| match store {
        ResponseStore::Memory { ttl, bounds } => {
            let (ttl, bounds) = (duration(*ttl), self::bounds(bounds));
            ("memory", "MemoryStore", quote!(ttl: #ttl, bounds: #bounds))
        }
        ResponseStore::File { path, ttl, bounds } => {
            let (path, ttl, bounds) = (text(path, names), duration(*ttl), self::bounds(bounds));
            ("file", "FileStore", quote!(path: #path, ttl: #ttl, bounds: #bounds))
        }
        ResponseStore::Redis(store) => ("redis", "RedisStore", redis(store, names)),
    });
    let settings = store.as_ref().map(|(_, kind, fields)| {
        let kind = format_ident!("{kind}");
        quote!(static RESPONSE_STORE: #kind = #kind { #fields };)
    });
    let open = option(store, |(module, _, _)| {
        let module = format_ident!("{module}");
        quote!(|place| ::hardwire::responses::store::#module::open(&RESPONSE_STORE, place))
    });
    quote! {
        /// Opens the store of the Responses API; there is none where it is switched off.
        #[allow(unreachable_pub, dead_code)] // the file may be included anywhere
        pub static RESPONSES: Option<::hardwire::responses::store::Open> = #open;
        #settings
    }
}

fn redis(store: &RedisStore, names: &Names) -> TokenStream {
    let RedisStore { addresses, cluster, db, password, tls, key_prefix, max_retries, .. } = store;
    let addresses = addresses.iter().map(|address| text(address, names));
    let (db, max_retries) = (int(*db), int(*max_retries));
    let password = option(password.as_ref(), |password| text(password, names));
    let key_prefix = text(key_prefix, names);
    let [dial_timeout, read_timeout, write_timeout, ttl] =
        [store.dial_timeout, store.read_timeout, store.write_timeout, store.ttl].map(duration);
    quote! {
        addresses: &[#(#addresses),*],
        cluster: #cluster,
        db: #db,
        password: #password,
        tls: #tls,
        key_prefix: #key_prefix,
        max_retries: #max_retries,
        dial_timeout: #dial_timeout,
        read_timeout: #read_timeout,
        write_timeout: #write_timeout,
        ttl: #ttl,
    }
}

fn bounds(bounds: &StoreBounds) -> TokenStream {
    let (responses, bytes) = (int(bounds.responses), int(bounds.bytes));
    quote!(StoreBounds { responses: #responses, bytes: #bytes })
}
