//! No text makes the compiler panic, hang or lose count: mutations of a good document, and documents that are an attack.

#![allow(clippy::unwrap_used, reason = "a test stops where it stands")]

use hardwire_codegen::{Source, check};
use std::path::Path;

/// What stands in lines with expressions, or with texts that become some.
const WITH_EXPRESSIONS: [&str; 8] =
    ["regex", "steps", "payment", "events:", "modality", "BOTH", "modules:", "model_catalog:"];

/// Without expressions: an unoptimised build takes its time over their automata, thousands of times over.
fn document() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lower/full.yaml");
    let text = std::fs::read_to_string(path).unwrap();
    let is_plain = |line: &&str| !WITH_EXPRESSIONS.iter().any(|word| line.contains(word));
    text.lines().filter(is_plain).map(|line| format!("{line}\n")).collect()
}

/// Checks a text and renders what is said about it; either there is a router or an error.
fn survives(text: &str) {
    let (router, report) = check(&Source { path: "m.yaml", text });
    assert_eq!(router.is_none(), report.has_errors());
    assert_eq!(report.render_text(true).is_empty(), report.diagnostics.is_empty());
    assert!(report.render_json().starts_with('['));
}

#[test]
fn cut_off_anywhere() {
    let text = document();
    for (at, _) in text.char_indices().step_by(7) {
        survives(&text[..at]);
        survives(&text[at..]);
    }
}

#[test]
fn lines_lost_and_doubled() {
    let text = document();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    for at in 0..lines.len() {
        survives(&[&lines[..at], &lines[at + 1..]].concat().concat());
        survives(&[&lines[..=at], &lines[at..]].concat().concat());
    }
}

#[test]
fn every_value_replaced() {
    let text = document();
    let long = "x".repeat(5_000);
    let digits = "9".repeat(400);
    let values = ["[]", "{}", "~", "\"\"", "-1", ".nan", "${", "${X}", "\"\\0\"", "ö", &long, &digits];
    for (place, (at, _)) in text.match_indices(": ").enumerate() {
        let line_end = text[at..].find('\n').map_or(text.len(), |length| at + length);
        let end = text[at..line_end].find([',', '}']).map_or(line_end, |length| at + length);
        // A third of the values at each place, another third at the next.
        for value in values.iter().skip(place % 3).step_by(3) {
            survives(&format!("{}: {value}{}", &text[..at], &text[end..]));
        }
    }
}

#[test]
fn attacks() {
    let deep = format!("a: {}", "[".repeat(100_000));
    let deep_block: String = (0..2_000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    let bomb: String = std::iter::once("a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned())
        .chain((1..30).map(|n| format!("a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 9].join(", "))))
        .collect();
    let merges: String = std::iter::once("a0: &a0 { x: 1 }\n".to_owned())
        .chain((1..2_000).map(|n| format!("a{n}: &a{n} {{ <<: *a{}, k{n}: 1 }}\n", n - 1)))
        .collect();
    let many_mistakes: String = (0..5_000).map(|n| format!("k{n}: 1\n")).collect();
    let large = format!("# {}\n", "x".repeat(9 << 20));
    for text in [
        deep,
        deep_block,
        bomb,
        merges,
        many_mistakes,
        large,
        "\u{feff}a: 1".into(),
        "\0".into(),
        "%YAML 9.9\n---".into(),
    ] {
        let (router, report) = check(&Source { path: "m.yaml", text: &text });
        assert!(router.is_none());
        assert!(report.render_text(false).len() < 1 << 20);
    }
}

/// Rules nested as deep as YAML may be, thousands of decisions, all alike but one: nothing grows out of hand.
#[test]
fn large_but_honest() {
    let decisions: String = (0..3_000)
        .map(|n| {
            let a = n % 60;
            let b = 60 + n / 60;
            format!(
                "    - {{ name: d{n}, priority: {n}, rules: {{ operator: AND, conditions: [{{ type: keyword, name: s{a} }}, \
                 {{ type: keyword, name: s{b} }}] }} }}\n"
            )
        })
        .collect();
    let signals: String = (0..110).map(|n| format!("      - {{ name: s{n}, keywords: [w{n}] }}\n")).collect();
    let text = format!(
        "providers:\n  defaults: {{ default_model: m }}\n  models: [{{ name: m, backend_refs: [{{ provider: echo }}] }}]\n\
         routing:\n  signals:\n    keywords:\n{signals}  decisions:\n{decisions}"
    );
    let (router, report) = check(&Source { path: "m.yaml", text: &text });
    let router = router.unwrap_or_else(|| panic!("{}", report.render_text(false)));
    assert_eq!(router.policies[0].decisions.len(), 3_000);
    assert!(report.diagnostics.is_empty());
}
