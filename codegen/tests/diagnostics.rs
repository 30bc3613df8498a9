//! One golden for each mistake: `diagnostics/<mistake>.yaml` and the whole report that it gets, `<mistake>.stderr`.
//!
//! `UPDATE_EXPECT=1 cargo test -p hardwire-codegen` writes the reports anew; they are compared all the same.

#![allow(clippy::unwrap_used, reason = "a test stops where it stands")]

use hardwire_codegen::{Report, Source, check, errors};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/diagnostics")
}

/// A document and what is said about it.
struct Golden {
    name: String,
    text: String,
    report: Report,
}

/// All of them by name.
fn goldens() -> &'static [Golden] {
    static GOLDENS: OnceLock<Vec<Golden>> = OnceLock::new();
    GOLDENS.get_or_init(|| {
        let documents = documents().into_iter();
        documents.map(|(name, text)| Golden { report: report(&name, &text), name, text }).collect()
    })
}

fn documents() -> Vec<(String, String)> {
    let mut names: Vec<PathBuf> = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    names.sort();
    let read =
        |path: PathBuf| (path.file_stem().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(path).unwrap());
    names.into_iter().map(read).collect()
}

fn report(name: &str, text: &str) -> Report {
    let path = format!("{name}.yaml");
    let (router, report) = check(&Source { path: &path, text });
    assert_eq!(router.is_none(), report.has_errors(), "{name}: a router comes without errors, and only then");
    report
}

#[test]
fn every_mistake_gets_its_report() {
    assert!(goldens().len() > 100, "the folder is there");
    let mut wrong = Vec::new();
    for Golden { name, report, .. } in goldens() {
        let rendered = report.render_text(false);
        assert!(!rendered.is_empty(), "{name}.yaml has nothing wrong with it");
        let path = folder().join(format!("{name}.stderr"));
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            fs::write(&path, &rendered).unwrap();
        }
        let expected = fs::read_to_string(&path).unwrap_or_default();
        if rendered != expected {
            wrong.push(format!("--- {name}.stderr\n{expected}+++ now\n{rendered}"));
        }
    }
    assert!(wrong.is_empty(), "{}\nUPDATE_EXPECT=1 writes them anew", wrong.join("\n"));
}

#[test]
fn every_report_has_its_document() {
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        assert!(path.with_extension("yaml").exists(), "{} is left over", path.display());
    }
}

#[test]
fn every_kind_of_mistake_has_a_golden() {
    let seen: BTreeSet<&str> =
        goldens().iter().flat_map(|golden| &golden.report.diagnostics).map(|diagnostic| diagnostic.kind).collect();
    let all: BTreeSet<&str> = errors::ALL.iter().map(|named| named.kind).collect();
    assert_eq!(all.len(), errors::ALL.len(), "names of kinds are unique");
    let without: Vec<_> = all.difference(&seen).collect();
    assert!(without.is_empty(), "no golden for {without:?}");
}

/// An argument that its place forgot to give would leave its placeholder in the text.
#[test]
fn no_report_has_an_unfilled_placeholder() {
    for Golden { name, report, .. } in goldens() {
        for diagnostic in &report.diagnostics {
            let all = format!("{}{}{:?}", diagnostic.message, diagnostic.label, diagnostic.help);
            for placeholder in ["{0}", "{1}", "{2}"] {
                assert!(!all.contains(placeholder), "{name}: {all}");
            }
        }
    }
}

#[test]
fn secrets_are_not_shown() {
    for Golden { name, text, report } in goldens() {
        for secret in ["sk-proj-0123456789", "hunter2"] {
            if text.contains(secret) {
                assert!(!report.render_text(false).contains(secret), "{name}");
                assert!(!report.render_json().contains(secret), "{name}");
            }
        }
    }
}
