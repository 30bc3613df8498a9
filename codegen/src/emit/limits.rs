//! Where the router listens, and its bounds.

use super::{
    names::Names,
    tokens::{duration, int, option, text},
};
use crate::ir::{ExtProc, Limits, Listener, Router};
use proc_macro2::TokenStream;
use quote::quote;

/// The table of public listeners.
pub(super) fn items(router: &Router, names: &Names) -> TokenStream {
    let listeners = router.listeners.iter().map(|l| listener(l, names));
    let len = int(router.listeners.len() as u64);
    quote! {
        static LISTENERS: [Listener; #len] = [#(#listeners),*];
    }
}

fn listener(listener: &Listener, names: &Names) -> TokenStream {
    let Listener { name, address, port, timeout, api_keys } = listener;
    let (port, timeout) = (int(*port), duration(*timeout));
    let api_keys = api_keys.iter().map(|key| text(key, names));
    quote! {
        Listener { name: #name, address: #address, port: #port, timeout: #timeout, api_keys: &[#(#api_keys),*] }
    }
}

/// The value of `Tables::management`.
pub(super) fn management(router: &Router) -> TokenStream {
    let (address, port) = &router.management;
    let port = int(*port);
    quote!(Management { address: #address, port: #port })
}

/// The value of `Tables::extproc`.
pub(super) fn extproc(router: &Router, names: &Names) -> TokenStream {
    option(router.extproc.as_ref(), |service| {
        let ExtProc { address, port, max_message_bytes, max_streams, message_timeout, clear_route_cache, tls } =
            service;
        let (port, max_message_bytes, max_streams) = (int(*port), int(*max_message_bytes), int(*max_streams));
        let message_timeout = duration(*message_timeout);
        let tls = option(tls.as_ref(), |tls| {
            let (certificate, key) = (text(&tls.cert_file, names), text(&tls.key_file, names));
            let clients = option(tls.client_ca_file.as_ref(), |file| text(file, names));
            quote!(ExtProcTls { cert_file: #certificate, key_file: #key, client_ca_file: #clients })
        });
        quote! {
            ExtProc {
                address: #address,
                port: #port,
                max_message_bytes: #max_message_bytes,
                max_streams: #max_streams,
                message_timeout: #message_timeout,
                clear_route_cache: #clear_route_cache,
                tls: #tls,
            }
        }
    })
}

/// The value of `Tables::limits`.
pub(super) fn limits(limits: &Limits) -> TokenStream {
    let max_body_bytes = int(limits.max_body_bytes);
    let header_timeout = duration(limits.header_timeout);
    let body_timeout = duration(limits.body_timeout);
    let connect_timeout = duration(limits.connect_timeout);
    let first_byte_timeout = option(limits.first_byte_timeout, duration);
    let idle_timeout = duration(limits.idle_timeout);
    let drain_timeout = duration(limits.drain_timeout);
    quote! {
        Limits {
            max_body_bytes: #max_body_bytes,
            header_timeout: #header_timeout,
            body_timeout: #body_timeout,
            connect_timeout: #connect_timeout,
            first_byte_timeout: #first_byte_timeout,
            idle_timeout: #idle_timeout,
            drain_timeout: #drain_timeout,
        }
    }
}
