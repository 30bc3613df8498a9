//! docs/configuration.md is the compiler's: every key is in it, and nothing else is.

#![allow(clippy::unwrap_used, reason = "a test stops where it stands")]

use hardwire_codegen::ast::verdicts::{self, Entry, Verdict};
use hardwire_codegen::ast::{sections, upstream};
use hardwire_codegen::{Source, check};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn reference() -> String {
    fs::read_to_string(root().join("docs/configuration.md")).unwrap()
}

/// The keys of the tables whose first column is `key`, by the section that their heading names.
fn documented(text: &str) -> BTreeMap<String, Vec<String>> {
    let mut out: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let (mut section, mut in_table) = (None, false);
    for line in text.lines() {
        if let Some(heading) = line.strip_prefix('#') {
            let heading = heading.trim_start_matches('#').trim();
            let path = heading.strip_prefix('`').and_then(|rest| rest.strip_suffix('`'));
            section = if heading == "The document" { Some(String::new()) } else { path.map(str::to_owned) };
        }
        in_table = line.starts_with("| key | type |") || (in_table && line.starts_with('|'));
        if let (Some(section), true, Some(key)) = (&section, in_table, line.strip_prefix("| `")) {
            out.entry(section.clone()).or_default().push(key.split('`').next().unwrap().to_owned());
        }
    }
    out
}

#[test]
fn every_key_is_described_and_no_other() {
    let documented = documented(&reference());
    let known: BTreeMap<String, Vec<String>> = sections()
        .iter()
        .map(|section| (section.path.to_owned(), section.keys.iter().map(|&key| key.to_owned()).collect()))
        .collect();
    assert!(known.len() > 15);
    // The document itself is the one whose order helps a reader more than the compiler.
    for (path, keys) in &known {
        let mut described = documented.get(path).unwrap_or_else(|| panic!("no section for `{path}`")).clone();
        let mut keys = keys.clone();
        if path.is_empty() {
            described.sort();
            keys.sort();
        }
        assert_eq!(described, keys, "keys of `{path}`");
    }
    let extra: Vec<_> = documented.keys().filter(|path| !known.contains_key(*path)).collect();
    assert!(extra.is_empty(), "sections that do not exist: {extra:?}");
}

#[test]
fn every_unsupported_key_is_named() {
    let text = reference();
    let list = text.split("## Not supported by this version").nth(1).unwrap();
    for (section, keys) in upstream::UNSUPPORTED {
        for key in *keys {
            let written = [format!("`{key}`"), format!("`auth.{key}`")];
            assert!(written.iter().any(|written| list.contains(written)), "`{key}` of `{section}`");
        }
    }
}

#[test]
fn every_verdict_is_told() {
    let text = reference();
    let list = text.split("## Left out with a warning").nth(1).unwrap().split("\n## ").next().unwrap();
    for Entry { section, key, verdict, .. } in verdicts::ENTRIES {
        let place = if section.is_empty() { "the document".to_owned() } else { format!("`{section}`") };
        let row =
            list.lines().find(|line| line.starts_with(&format!("| {place} |")) && line.contains(&format!("`{key}`")));
        let row = row.unwrap_or_else(|| panic!("no row for `{key}` of {place}"));
        let word = match verdict {
            Verdict::Ignored => "no meaning",
            Verdict::Declared => "declared",
            Verdict::Switch { .. } => "switched off",
        };
        assert!(row.contains(word), "{row}");
    }
}

/// A key that becomes supported must leave the list of those that are not.
#[test]
fn no_known_key_is_called_unsupported() {
    for section in sections() {
        for key in section.keys {
            assert!(!upstream::unsupported(section.path, key), "`{key}` of `{}`", section.path);
            assert!(upstream::removed(section.path, key).is_none(), "`{key}` of `{}`", section.path);
            assert!(verdicts::entry(section.path, key).is_none(), "`{key}` of `{}`", section.path);
        }
    }
    let paths: Vec<&str> = sections().iter().map(|section| section.path).collect();
    let unread = verdicts::ENTRIES.iter().map(|entry| (entry.section, entry.key));
    for (section, _) in upstream::UNSUPPORTED {
        assert!(paths.contains(section), "`{section}` is no section");
    }
    for (section, key) in unread {
        assert!(paths.contains(&section), "`{section}` is no section");
        assert!(!upstream::unsupported(section, key), "`{key}` of `{section}` has two verdicts");
    }
}

#[test]
fn documents_in_the_documentation_are_sound() {
    let mut checked = 0;
    for name in ["docs/configuration.md", "README.md"] {
        let Ok(text) = fs::read_to_string(root().join(name)) else { continue };
        let blocks = text.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
        for block in blocks.filter(|block| block.contains("providers:\n")) {
            let (_, report) = check(&Source { path: name, text: block });
            assert_eq!(report.render_text(false), "", "in {name}");
            checked += 1;
        }
    }
    assert!(checked > 0);
}

#[test]
fn the_default_document_is_sound() {
    let text = fs::read_to_string(root().join("router-config.yaml")).unwrap();
    let (router, report) = check(&Source { path: "router-config.yaml", text: &text });
    assert_eq!(report.render_text(false), "");
    assert!(router.unwrap().env.is_empty(), "it works with no key");
}
