//! ast to ir: a file per section. References, rules, secrets, prices and addresses are resolved and checked here.
//!
//! Every function collects its mistakes and goes on. Where a value is broken, something harmless stands in for it: the
//! report then has an error, and nobody will see the router.

mod algorithm;
mod backend;
mod context;
mod conversation;
mod decisions;
mod emits;
pub(crate) mod env;
mod events;
mod extproc;
mod header;
mod images;
mod json;
mod keywords;
pub(crate) mod language;
mod limits;
mod listeners;
mod metadata;
mod modality;
mod model_refs;
mod models;
mod names;
mod plugins;
mod policies;
mod predicate;
mod pricing;
mod projections;
mod providers;
mod reach;
mod reasoning;
mod regex;
mod reliability;
mod responses;
mod roles;
mod rules;
mod signals;
pub(crate) mod structure;
mod units;
mod url;
mod values;

pub(crate) use url::join;

use crate::ast::Document;
use crate::ast::node::{Node, Paths, Span};
use crate::report::Sink;
use crate::{Source, errors, ir};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::Path;

/// What every section needs to say what is wrong and to name environment variables.
#[derive(Debug)]
struct Cx<'a> {
    sink: &'a mut Sink,
    paths: &'a Paths,
    text: &'a str,
    env: env::Env,
    /// The models of backends, and where they got their names, under which all of the document are measured and reached.
    backends: BTreeMap<String, (String, Span)>,
}

/// Resolves a document. `root` is the tree that it was read from.
pub fn lower(document: &Document, root: &Node, source: &Source<'_>, paths: &Paths, sink: &mut Sink) -> ir::Router {
    let mut cx = Cx { sink, paths, text: source.text, env: env::Env::default(), backends: BTreeMap::new() };
    let cx = &mut cx;
    version(document, cx);
    let listeners = listeners::ingress(document.listeners.as_ref(), cx);
    let management = listeners::management(document.global.as_ref(), &listeners, cx);
    let limits = limits::lower(document.hardwire.as_ref(), &listeners, cx);
    let extproc = extproc::lower(document, &limits, (&listeners, &management), cx);
    let responses = responses::lower(document.global.as_ref(), cx);
    let unsupported_tools = responses::unsupported_tools(document.global.as_ref(), cx);
    let auto_names = names::auto_names(document.global.as_ref(), cx);
    let list_models = names::list_models(document.global.as_ref(), cx);
    let mut models = models::lower(document, root, &auto_names, cx);
    let (mut policies, entrypoints) = policies::lower(document, root, &models, &auto_names, cx);
    extproc::check(document, extproc.as_ref(), &models.models, cx);
    images::number(&mut policies, &mut models.models, cx);
    let file = Path::new(source.path).file_name().map_or_else(|| source.path.into(), |name| name.to_string_lossy());
    ir::Router {
        source: file.into_owned(),
        sha256: Sha256::digest(source.text).iter().map(|byte| format!("{byte:02x}")).collect(),
        json: json::render(root, cx.sink),
        env: std::mem::take(&mut cx.env).into_vars(),
        listeners: listeners.into_iter().map(|(listener, _)| listener).collect(),
        management,
        limits,
        extproc,
        responses,
        unsupported_tools,
        auto_names,
        list_models,
        default_model: models.default,
        models: models.models,
        policies,
        entrypoints,
    }
}

fn version(document: &Document, cx: &mut Cx<'_>) {
    let Some(leaf) = &document.version else { return };
    if let Some(version) = cx.fixed(leaf, "version")
        && version != "v0.3"
    {
        let help = "this compiler reads `version: v0.3`".to_owned();
        cx.sink.report(&errors::UNKNOWN_VALUE, leaf.span, &["version", &version]).help(help);
    }
}

/// Where a top-level key stands; the start of the document if it does not.
fn key_span(root: &Node, key: &str) -> Span {
    root.entries().iter().find(|(k, _)| k.text == key).map_or(root.span, |(k, _)| k.span)
}
