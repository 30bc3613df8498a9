//! The compiler of Hardwire: `router-config.yaml` in, Rust out.
//!
//! [`parse`] makes a tree of the text, [`ast`] names what stands in it, [`lower`] resolves and checks it into [`ir`], and
//! [`emit`] writes that as Rust. What is wrong is collected on the way into one [`Report`]. A pure library: only
//! [`build`], which is a whole build script, reads and writes files.

pub mod ast;
#[allow(missing_docs, reason = "two ends of a range")]
pub mod confidence;
pub mod emit;
pub mod envoy;
pub mod errors;
#[allow(missing_docs, reason = "the fields are those of `hardwire::table`, and documented there")]
pub mod ir;
pub mod lower;
pub mod parse;
pub mod ranking;
pub mod report;
pub mod schema;
mod script;

pub use lower::language::CODES as LANGUAGES;
pub use report::{Diagnostic, Report};
pub use script::build;

use ast::Document;
use ast::decode::Decode;
use ast::node::Paths;
use report::Sink;

/// A document.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// As it is shown in diagnostics.
    pub path: &'a str,
    /// What stands in it.
    pub text: &'a str,
}

/// Checks a document. There is a router unless the report has errors.
#[must_use]
pub fn check(source: &Source<'_>) -> (Option<ir::Router>, Report) {
    let mut sink = Sink::default();
    let mut paths = Paths::default();
    let mut router = None;
    match parse::parse(source.text) {
        Err(failure) => {
            sink.report(&errors::YAML_SYNTAX, failure.span, &[&failure.message]);
        }
        Ok(root) => {
            paths = Paths::of(&root);
            sink.hide(ast::secret::spans(&root));
            let document = Document::decode(&root, "the document", &mut sink);
            if let Some(document) = document {
                router = Some(lower::lower(&document, &root, source, &paths, &mut sink));
            }
        }
    }
    let report = Report::new(sink, source.path, source.text, &paths);
    (router.filter(|_| !report.has_errors()), report)
}

/// Checks a document and writes its Rust. There is an output unless the report has errors.
#[must_use]
pub fn compile(source: &Source<'_>) -> (Option<emit::Output>, Report) {
    let (router, report) = check(source);
    (router.as_ref().map(emit::emit), report)
}
