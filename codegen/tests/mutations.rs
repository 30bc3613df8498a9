//! Nothing that a text can be makes the compiler panic or hang: texts that are nearly documents, every type in every place,
//! and more text than anybody has.

#![allow(clippy::unwrap_used, reason = "a test stops where it stands")]

use hardwire_codegen::ast::sections;
use hardwire_codegen::{Source, check};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// Reproducible numbers: splitmix64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound.max(1) as u64) as usize
    }

    fn one<'t, T>(&mut self, from: &'t [T]) -> &'t T {
        &from[self.below(from.len())]
    }
}

/// Checks a text and renders what is said about it; either there is a router or an error.
fn survives(text: &str) {
    let began = Instant::now();
    let (router, report) = check(&Source { path: "m.yaml", text });
    assert_eq!(router.is_none(), report.has_errors(), "{text}");
    assert_eq!(report.render_text(false).is_empty(), report.diagnostics.is_empty(), "{text}");
    serde_json::from_str::<serde_json::Value>(&report.render_json()).unwrap();
    assert!(began.elapsed() < Duration::from_secs(20), "{:?} for {text}", began.elapsed());
}

/// Documents that are sound and documents that are not, without expressions: their automata take an unoptimised build its
/// time.
fn documents() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut paths: Vec<_> = ["lower", "diagnostics"]
        .iter()
        .flat_map(|name| fs::read_dir(folder.join(name)).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    paths.sort();
    let texts = paths.iter().map(|path| fs::read_to_string(path).unwrap());
    texts.filter(|text| text.len() < 1 << 16 && !text.contains("regex")).collect()
}

/// What YAML and the compiler have a meaning for.
const PIECES: &[&str] = &[
    "<<: *a",
    "&a ",
    "*a",
    "*b",
    "!!str ",
    "!x ",
    "[",
    "]",
    "{",
    "}",
    ", ",
    ": ",
    "- ",
    "? ",
    "|\n",
    ">-\n",
    "\t",
    "\n",
    "\n\n",
    "  ",
    "---\n",
    "...\n",
    "\"",
    "'",
    "#",
    "~",
    "null",
    "true",
    "0x1F",
    "1e400",
    "-0",
    ".inf",
    "${",
    "${A}",
    "${A:-b}",
    "$$",
    "\u{0}",
    "\u{feff}",
    "\u{85}",
    "é",
    "\u{1F600}",
    "name",
    "rules",
    "conditions",
    "operator: NOT",
    "type: keyword",
    "priority",
    "99999999999999999999",
    "1s",
    "32K",
    "-1",
];

fn mutated(text: &str, others: &[String], random: &mut Random) -> String {
    let mut lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
    for _ in 0..=random.below(4) {
        if lines.is_empty() {
            break;
        }
        let at = random.below(lines.len());
        match random.below(7) {
            0 => drop(lines.remove(at)),
            1 => lines.insert(at, lines[at].clone()),
            2 => {
                let other = random.below(lines.len());
                lines.swap(at, other);
            }
            3 => lines[at].insert_str(0, "  "),
            4 => lines[at] = lines[at].strip_prefix("  ").unwrap_or(&lines[at]).to_owned(),
            5 => {
                let foreign = random.one(others);
                let foreign: Vec<&str> = foreign.split_inclusive('\n').collect();
                lines.insert(at, (*random.one(&foreign)).to_owned());
            }
            _ => {
                let places: Vec<usize> = lines[at].char_indices().map(|(place, _)| place).collect();
                let from = *random.one(&places);
                let to = *places.iter().find(|place| **place > from + random.below(4)).unwrap_or(&from);
                let piece: &str = random.one::<&str>(PIECES);
                lines[at].replace_range(from..to, piece);
            }
        }
    }
    lines.concat()
}

/// A few seconds' worth; what the fuzz target `compile` does without end.
#[test]
fn texts_that_are_nearly_documents() {
    let documents = documents();
    let mut random = Random(2026);
    let began = Instant::now();
    let mut count = 0;
    while began.elapsed() < Duration::from_secs(4) && count < 20_000 {
        let document = random.one(&documents).clone();
        survives(&mutated(&document, &documents, &mut random));
        count += 1;
    }
    assert!(count > 20, "{count}");
}

/// A document with this value under this key of a section, and nothing else in it.
fn with_value(path: &str, key: &str, value: &str) -> String {
    let mut text = String::new();
    let mut depth = 0;
    for part in path.split('.').filter(|part| !part.is_empty()) {
        text.push_str(&format!("{{ {}: ", part.trim_end_matches("[]")));
        depth += 1;
        if part.ends_with("[]") {
            text.push('[');
        }
    }
    text.push_str(&format!("{{ {key}: {value} }}"));
    for part in path.split('.').filter(|part| !part.is_empty()).rev() {
        text.push_str(if part.ends_with("[]") { "] }" } else { " }" });
    }
    assert_eq!(text.matches('{').count(), depth + 1 + value.matches('{').count());
    text
}

#[test]
fn every_type_in_every_place() {
    let nested = format!("{}1{}", "[".repeat(40), "]".repeat(40));
    let values = ["~", "true", "-7", "1.5", "text", "\"\"", "[]", "{}", "[~]", "[{}]", "{ a: [1] }", "[[x]]", &nested];
    let mut count = 0;
    for section in sections() {
        for key in section.keys {
            for value in values {
                survives(&with_value(section.path, key, value));
                count += 1;
            }
        }
    }
    assert!(count > 1_000);
}

#[test]
fn a_hundred_megabytes_are_refused_at_once() {
    let text = format!("a: {}", "x".repeat(100 << 20));
    let began = Instant::now();
    let (router, report) = check(&Source { path: "m.yaml", text: &text });
    assert!(router.is_none() && report.has_errors());
    assert!(report.render_text(false).len() < 10_000);
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}
