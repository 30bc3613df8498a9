//! A whole document full of mistakes: all are told, in order, as text and as JSON.

#![allow(clippy::unwrap_used, reason = "a test stops where it stands")]

use hardwire_codegen::{Source, check};

/// A mistake on nearly every line, each of another kind.
const BROKEN: &str = "\
version: v9
lisseners: []
listeners:
  - { port: 70000, timeout: 30, address: here }
providers:
  defaults: { default_model: gpt5 }
  models:
    - name: gpt-5
      pricing: { prompt_per_1m: 0.12345678, completion_per_1m: cheap, currency: dollars }
      backend_refs:
        - { provider: openai, base_url: 'https://api.openai.com/v1', api_key: sk-0123456789 }
        - { provider: openia, base_url: 'https://api.openai.com/v1' }
        - { endpoint: '10.0.0.1/v1' }
    - name: gpt-5
      backend_refs: []
routing:
  signals:
    keywords:
      - { name: k, keywords: ['(a'], method: regex }
    context:
      - { name: c, min_tokens: 9K, max_tokens: 1K }
  decisions:
    - { name: d, rules: { type: keyword, name: kk } }
    - { name: e, rules: { operator: NOT, conditions: [] }, output_contract: {} }
hardwire: { max_body_bytes: 1 stone }
";

const KINDS: &[&str] = &[
    "unknown-value",
    "unknown-key",
    "bad-number",
    "bad-duration",
    "bad-address",
    "unknown-model",
    "price-too-fine",
    "bad-price",
    "bad-currency",
    "literal-secret",
    "unknown-value",
    "bad-url",
    "duplicate-name",
    "no-backends",
    "bad-regex",
    "empty-band",
    "unknown-signal",
    "empty-group",
    "unsupported-key",
    "bad-size",
];

#[test]
fn every_mistake_is_told_in_order() {
    let (router, report) = check(&Source { path: "broken.yaml", text: BROKEN });
    assert!(router.is_none() && report.has_errors());
    let kinds: Vec<&str> = report.diagnostics.iter().map(|diagnostic| diagnostic.kind).collect();
    assert_eq!(kinds, KINDS);
    let places: Vec<usize> = report.diagnostics.iter().map(|diagnostic| diagnostic.span.start).collect();
    assert!(places.is_sorted());
    assert_eq!(report.render_text(false).matches("broken.yaml:").count(), KINDS.len());
}

#[test]
fn json_says_the_same() {
    let (_, report) = check(&Source { path: "broken.yaml", text: BROKEN });
    let all: Vec<serde_json::Value> = serde_json::from_str(&report.render_json()).unwrap();
    assert_eq!(all.len(), KINDS.len());
    let expected = serde_json::json!({
        "severity": "error",
        "kind": "unknown-model",
        "message": "there is no model `gpt5`",
        "label": "not in `providers.models`",
        "help": "did you mean `gpt-5`?",
        "file": "broken.yaml",
        "line": 6,
        "column": 30,
        "end_line": 6,
        "end_column": 34,
        "path": "providers.defaults.default_model",
        "related": [],
    });
    assert_eq!(all[5], expected);
}

/// The other places that a mistake has to do with.
#[test]
fn related_places_are_in_the_json() {
    let (_, report) = check(&Source { path: "c.yaml", text: "version: v0.3\nglobal: {}\nversion: v0.4\n" });
    let all: Vec<serde_json::Value> = serde_json::from_str(&report.render_json()).unwrap();
    let doubled = all.iter().find(|d| d["kind"] == "duplicate-key").unwrap();
    let first = serde_json::json!({ "label": "first time", "line": 1, "column": 1, "end_line": 1, "end_column": 8 });
    assert_eq!(doubled["related"], serde_json::json!([first]));
}

/// Columns count characters, as editors do.
#[test]
fn columns_are_characters() {
    let text = "providers: { models: [{ name: 'ü', backend_refs: [{ provider: echo, 日本: 1 }] }] }";
    let (_, report) = check(&Source { path: "c.yaml", text });
    let all: Vec<serde_json::Value> = serde_json::from_str(&report.render_json()).unwrap();
    let place = |key: &str| all[0][key].as_u64().unwrap() as usize;
    let shown: String = text.chars().skip(place("column") - 1).take(place("end_column") - place("column")).collect();
    assert_eq!((all[0]["kind"].as_str(), shown.as_str()), (Some("unknown-key"), "日本"));
}

#[test]
fn a_report_has_a_bound_and_keeps_its_errors() {
    let warnings = (0..300).map(|n| format!("      - {{ name: s{n}, keywords: [a] }}\n")).collect::<String>();
    let text = format!(
        "providers:\n  models:\n    - {{ name: m, backend_refs: [{{ provider: echo }}] }}\n\
         routing:\n  signals:\n    keywords:\n{warnings}hardwire: {{ idle_timeout: 3 }}\n"
    );
    let (router, report) = check(&Source { path: "many.yaml", text: &text });
    assert!(router.is_none());
    assert_eq!(report.diagnostics.len(), 200);
    assert_eq!(report.diagnostics.last().unwrap().kind, "bad-duration");
    assert!(report.render_text(false).ends_with("101 more are not shown\n"));
}

#[test]
fn windows_line_ends_change_nothing() {
    let (_, unix) = check(&Source { path: "broken.yaml", text: BROKEN });
    let (_, windows) = check(&Source { path: "broken.yaml", text: &BROKEN.replace('\n', "\r\n") });
    let kinds = |report: &hardwire_codegen::Report| report.diagnostics.iter().map(|d| d.kind).collect::<Vec<_>>();
    assert_eq!(kinds(&unix), kinds(&windows));
}
