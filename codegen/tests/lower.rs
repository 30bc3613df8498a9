//! What documents come to: `lower/<name>.yaml` and the router that it means, `lower/<name>.ir`.

#![allow(clippy::unwrap_used, reason = "a test stops where it stands")]

use expect_test::expect_file;
use hardwire_codegen::{Source, check};
use std::path::Path;

fn document(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lower").join(name)).unwrap()
}

/// The router without errors, and the kinds of warnings.
fn router(name: &str) -> (String, Vec<&'static str>) {
    let (router, report) = check(&Source { path: &format!("some/folder/{name}"), text: &document(name) });
    let router = router.unwrap_or_else(|| panic!("{}", report.render_text(false)));
    (format!("{router:#?}\n"), report.diagnostics.iter().map(|diagnostic| diagnostic.kind).collect())
}

#[test]
fn every_key() {
    let (router, warnings) = router("full.yaml");
    expect_file!["lower/full.ir"].assert_eq(&router);
    assert_eq!(warnings, ["ignored-key", "unused-signal", "weight-unused"]);
}

#[test]
fn defaults() {
    let (router, warnings) = router("minimal.yaml");
    expect_file!["lower/minimal.ir"].assert_eq(&router);
    assert_eq!(warnings, ["nothing-for-auto"]);
}

#[test]
fn the_same_document_means_the_same_router() {
    assert_eq!(router("full.yaml"), router("full.yaml"));
}

/// Anchors, aliases and merge keys are YAML's own: they never reach a section.
#[test]
fn aliases_and_merges() {
    let text = "
x: &x
providers:
  models:
    - { name: a, pricing: &p { prompt_per_1m: 1, cached_input_per_1m: 0 }, backend_refs: &b [{ provider: echo }] }
    - { name: b, pricing: { <<: *p, completion_per_1m: 2 }, backend_refs: *b }
";
    let text = text.replace("\nx: &x", "");
    let (router, report) = check(&Source { path: "a.yaml", text: &text });
    let router = router.unwrap_or_else(|| panic!("{}", report.render_text(false)));
    let pricing = router.models[1].pricing.as_ref().unwrap();
    assert_eq!((pricing.prompt, pricing.completion), (1_000_000, 2_000_000));
    assert_eq!(router.models[1].backends[0].name, "b_primary");
}

/// Nobody has looked for secrets in what nobody reads.
#[test]
fn what_is_left_out_is_not_told() {
    let text = "
providers: { defaults: { default_model: m }, models: [{ name: m, backend_refs: [{ provider: echo }] }] }
global:
  stores: { response_cache: { redis: { password: hunter2 } } }
  services: { router_replay: { postgres: { password: hunter2 } }, management_api: { port: 9000 } }
";
    let (router, report) = check(&Source { path: "a.yaml", text });
    let router = router.unwrap_or_else(|| panic!("{}", report.render_text(false)));
    let json: serde_json::Value = serde_json::from_str(&router.json).unwrap();
    assert_eq!(json["global"], serde_json::json!({ "services": { "management_api": { "port": 9000 } } }));
}
