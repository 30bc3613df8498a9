//! The JSON Schema and the compiler agree: what the one lets pass, the other does too, as far as a schema can tell.

#![allow(clippy::unwrap_used, reason = "a test stops where it stands")]

use boon::{Compiler, Draft, SchemaIndex, Schemas};
use hardwire_codegen::ast::decode::SectionKeys;
use hardwire_codegen::ast::node::{Node, Scalar, Value};
use hardwire_codegen::ast::sections;
use hardwire_codegen::ast::shape::Kind;
use hardwire_codegen::{Source, check, parse::parse, schema::schema};
use serde_json::Value as Json;
use std::fs;
use std::path::{Path, PathBuf};

/// Mistakes that a schema can see wherever they are.
const FOR_A_SCHEMA: &[&str] = &[
    "unknown-key",
    "unsupported-key",
    "removed-key",
    "wrong-type",
    "empty-value",
    "missing-key",
    "leaf-and-group",
    "no-models",
    "no-keywords",
    "bad-number",
    "bad-flag",
    "bad-token-count",
    "bad-price",
    "unsupported-value",
];

/// Goldens of those kinds that a schema cannot see after all.
const NOT_FOR_A_SCHEMA: &[&str] = &[
    // For JSON, `1e-3` and `0.001` are the same number.
    "bad-price-exponent",
    // One of two keys, or a block that goes with a type.
    "missing-key-image",
    "missing-percentile",
    "missing-store-parts",
    // What is declared may stay as long as no condition names it.
    "unsupported-source",
];

struct Judge(Schemas, SchemaIndex);

impl Judge {
    fn new() -> Judge {
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        compiler.set_default_draft(Draft::V2020_12);
        compiler.add_resource("config.json", schema()).unwrap();
        let index = compiler.compile("config.json", &mut schemas).unwrap();
        Judge(schemas, index)
    }

    fn validate(&self, text: &str) -> Result<(), String> {
        let instance = json(&parse(text).unwrap());
        self.0.validate(&instance, self.1).map_err(|error| format!("{error:#}"))
    }
}

/// What an editor takes the document for.
fn json(node: &Node) -> Json {
    match &node.value {
        Value::Scalar(_, Scalar::Null) => Json::Null,
        Value::Scalar(text, Scalar::Bool) => Json::Bool(text == "true"),
        Value::Scalar(text, Scalar::Number) => serde_json::from_str(text).unwrap_or_else(|_| text.clone().into()),
        Value::Scalar(text, Scalar::Text) => text.clone().into(),
        Value::List(items) => items.iter().map(json).collect(),
        Value::Map(entries) => Json::Object(entries.iter().map(|(key, node)| (key.text.clone(), json(node))).collect()),
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn documents(folder: &str) -> Vec<(String, String)> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    paths.sort();
    paths
        .iter()
        .map(|path| (path.file_stem().unwrap().display().to_string(), fs::read_to_string(path).unwrap()))
        .collect()
}

#[test]
fn it_is_a_schema() {
    let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
    let meta = compiler.compile("https://json-schema.org/draft/2020-12/schema", &mut schemas).unwrap();
    let schema = schema();
    assert!(schemas.validate(&schema, meta).is_ok(), "{schema:#}");
}

#[test]
fn what_compiles_passes() {
    let judge = Judge::new();
    let mut all = Vec::new();
    for folder in [".", "codegen/tests/lower", "codegen/tests/diagnostics", "tests/baked/configs", "tests/e2e"] {
        let sound = |(name, text): &(String, String)| check(&Source { path: name, text }).0.is_some();
        all.extend(documents(folder).into_iter().filter(sound));
    }
    assert!(all.len() > 12, "the folders are there");
    // An editor still says that this version does not have the plugin; the compiler warns.
    all.retain(|(name, _)| name != "switched-off-plugin");
    for (name, text) in all {
        assert_eq!(judge.validate(&text), Ok(()), "{name}");
    }
}

#[test]
fn mistakes_of_form_do_not_pass() {
    let judge = Judge::new();
    let mut seen = 0;
    for (name, text) in documents("codegen/tests/diagnostics") {
        let (_, report) = check(&Source { path: &name, text: &text });
        let of_form = report.diagnostics.iter().any(|diagnostic| FOR_A_SCHEMA.contains(&diagnostic.kind));
        if of_form && !NOT_FOR_A_SCHEMA.contains(&name.as_str()) {
            assert!(judge.validate(&text).is_err(), "{name} passes");
            seen += 1;
        }
    }
    assert!(seen > 30, "{seen}");
}

/// A default that the documentation tells is one that may be written.
#[test]
fn defaults_pass() {
    let judge = |schema: &Json, instance: &Json| {
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        compiler.add_resource("key.json", schema.clone()).unwrap();
        let index = compiler.compile("key.json", &mut schemas).unwrap();
        schemas.validate(instance, index).is_ok()
    };
    let all = schema();
    let defined = all["$defs"].as_object().unwrap().values().chain([&all]);
    let keys = defined.flat_map(|section| section["properties"].as_object().unwrap());
    let mut seen = 0;
    for (key, schema) in keys {
        if let Some(default) = schema.get("default") {
            assert!(judge(schema, default), "`{key}` cannot be {default}");
            seen += 1;
        }
    }
    assert!(seen > 20, "{seen}");
}

/// Words stand in three places: here, in `lower` and in the reference. This holds the first to the last.
#[test]
fn words_are_in_the_reference() {
    let text = fs::read_to_string(root().join("docs/configuration.md")).unwrap();
    for SectionKeys { path, fields, .. } in sections() {
        for field in fields {
            let Kind::Words(words) = field.shape.kind else { continue };
            for word in words {
                assert!(text.contains(&format!("`{word}`")), "`{path}`.{}: {word}", field.key);
            }
        }
    }
}
