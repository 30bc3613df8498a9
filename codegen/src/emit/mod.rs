//! ir to Rust: the file that `main.rs` includes, and the blobs that it includes in turn.
//!
//! A file of this module writes one family of items. The output is meant to be read: whoever opens it recognises their
//! document. It is also meant to be boring: the same [`ir::Router`] gives the same bytes, on every machine of the same
//! byte order. Nothing here can fail and nothing is checked here; that was `lower`'s part.

mod algorithm;
pub mod automata;
mod backends;
mod decisions;
mod env;
mod families;
mod file;
mod limits;
mod models;
mod names;
mod order;
mod plugins;
mod policy;
mod projections;
mod reasons;
mod resolve;
mod responses;
mod rules;
mod signals;
mod tokens;
pub mod words;

use crate::ir;
use file::{File, Module, Section};
use names::Names;
use proc_macro2::{Ident, TokenStream};
use quote::quote;

/// What the compiler writes for one document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Ordinary Rust, for `include!`.
    pub rust: String,
    /// The files that it takes in with `include_bytes!` and `include_str!`, to be written beside it.
    pub blobs: Vec<Blob>,
    /// The router is to serve Envoy: the server must have been built with that.
    pub serves_envoy: bool,
}

/// A file beside the generated Rust.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blob {
    /// File name, without a folder.
    pub name: String,
    /// What is in it.
    pub bytes: Vec<u8>,
}

/// File name of the document as JSON.
const CONFIG_JSON: &str = "config.json";

/// Writes the Rust of a router. In a build script its automata get the byte order of the target
/// (`CARGO_CFG_TARGET_ENDIAN`), elsewhere that of this machine.
#[must_use]
pub fn emit(router: &ir::Router) -> Output {
    let (default, recipes) = router.policies.split_first().expect("the top-level policy is always there");
    let names = Names::of(router, default);
    let (policy, policy_blobs) = policy::sections(default, &names, "");
    let mut blobs = vec![Blob { name: CONFIG_JSON.to_owned(), bytes: router.json.clone().into_bytes() }];
    blobs.extend(policy_blobs);
    let modules = names::modules(recipes);
    let recipes = recipes.iter().zip(&modules).map(|(recipe, module)| {
        let (sections, more) = policy::sections(recipe, &Names::of(router, recipe), &format!("{module}-"));
        blobs.extend(more);
        let doc = format!("The recipe `{}`.", tokens::prose(&recipe.name));
        Module { name: module.clone(), doc, sections }
    });
    let recipes = recipes.collect();
    let file = File {
        source: &router.source,
        sections: [
            Section { title: "The whole router", items: tables(router, &names, &modules) },
            Section { title: "Environment, read once at start-up", items: env::items(router, &names) },
            Section { title: "Listeners", items: limits::items(router, &names) },
            Section { title: "Stored responses", items: responses::items(router, &names) },
            Section { title: "Models and their backends", items: models::items(router, &names) },
            Section { title: "Names", items: resolve::items(router, &names) },
        ]
        .into_iter()
        .chain(policy)
        .collect(),
        shared: &names.models,
        modules: recipes,
    };
    Output { rust: file.print(), blobs, serves_envoy: router.extproc.is_some() }
}

/// The one item that others name.
fn tables(router: &ir::Router, names: &Names, modules: &[Ident]) -> TokenStream {
    let doc = tokens::doc(&format!("The router of `{}`.", router.source));
    let (source, sha256) = (&router.source, &router.sha256);
    let (management, limits) = (limits::management(router), limits::limits(&router.limits));
    let extproc = limits::extproc(router, names);
    let unsupported_tools = responses::unsupported_tools(router);
    let auto_names = &router.auto_names;
    let list_models = router.list_models;
    let backend_count = tokens::int(router.models.iter().map(|m| m.backends.len() as u64).sum::<u64>());
    let default_model = models::default_model(router, names);
    let entrypoints = router.entrypoints.iter().map(|(name, policy)| {
        let policy = tokens::int(*policy as u64);
        quote!(Entrypoint { name: #name, policy: PolicyId(#policy) })
    });
    quote! {
        #doc
        #[allow(unreachable_pub)] // the file may be included anywhere
        pub static TABLES: Tables = Tables {
            config: Config { source: #source, sha256: #sha256, json: include_str!(#CONFIG_JSON) },
            env: &ENV,
            listeners: &LISTENERS,
            management: #management,
            limits: #limits,
            extproc: #extproc,
            unsupported_tools: #unsupported_tools,
            auto_names: &[#(#auto_names),*],
            list_models: #list_models,
            models: &MODELS,
            backend_count: #backend_count,
            default_model: #default_model,
            policies: &[&POLICY #(, &#modules::POLICY)*],
            entrypoints: &[#(#entrypoints),*],
            resolve,
        };
    }
}
