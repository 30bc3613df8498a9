//! `hardwirec schema`: the document's schema as JSON Schema, for editors and for programs that write documents.
//!
//! Written from the same sections that the decoder reads by, with their documentation. It knows what may stand where, and
//! not what refers to what: a document that passes can still name a model that does not exist.

use crate::ast::decode::{Field, SectionKeys};
use crate::ast::sections;
use crate::ast::shape::{Form, Kind, Shape};
use crate::ast::verdicts::{self, Entry, Verdict};
use serde_json::{Map, Value, json};

/// The dialect that it is written in.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// The one section that has two forms: a signal or a group.
const RULES: &str = "routing.decisions[].rules";

/// The one whose `configuration` has the form that its `type` says: that of the section `plugins.<type>`.
const PLUGINS: &str = "routing.decisions[].plugins[]";

/// The whole schema.
#[must_use]
pub fn schema() -> Value {
    let mut sections = sections();
    let root = sections.remove(0);
    let mut out = Map::new();
    out.insert("$schema".into(), DIALECT.into());
    out.insert("title".into(), "router-config.yaml of Hardwire".into());
    out.append(&mut object(&root));
    let definitions = sections.iter().map(|section| (definition(section.path), Value::Object(object(section))));
    out.insert("$defs".into(), Value::Object(definitions.collect()));
    Value::Object(out)
}

/// The name of a section's definition. Brackets would have to be escaped wherever it is referred to.
fn definition(path: &str) -> String {
    path.replace("[]", "")
}

fn object(section: &SectionKeys) -> Map<String, Value> {
    let read = section.fields.iter().map(|field| (field.key.to_owned(), property(field)));
    let unread = verdicts::ENTRIES.iter().filter(|entry| entry.section == section.path);
    let properties: Map<_, _> = read.chain(unread.map(|entry| (entry.key.to_owned(), left_out(entry)))).collect();
    let required: Vec<&str> = section.fields.iter().filter(|field| field.shape.required).map(|f| f.key).collect();
    let mut out = Map::new();
    out.insert("description".into(), prose(section.doc).into());
    out.insert("type".into(), "object".into());
    out.insert("properties".into(), Value::Object(properties));
    if !required.is_empty() {
        out.insert("required".into(), required.into());
    }
    if section.path == RULES {
        let one = |keys: [&str; 2]| json!({ "required": keys });
        out.insert("oneOf".into(), json!([one(["type", "name"]), one(["operator", "conditions"])]));
    }
    if section.path == PLUGINS {
        let kinds = sections().into_iter().filter_map(|section| section.path.strip_prefix("plugins."));
        let cases = kinds.filter(|kind| !kind.contains('.')).map(|kind| {
            json!({
                "if": { "properties": { "type": { "const": kind } } },
                "then": { "properties": { "configuration": { "$ref": format!("#/$defs/plugins.{kind}") } } },
            })
        });
        out.insert("allOf".into(), cases.collect());
    }
    out.insert("additionalProperties".into(), false.into());
    out
}

fn property(field: &Field) -> Value {
    let mut out = match of(&field.form, field.shape) {
        Value::Object(out) => out,
        _ => Map::new(),
    };
    out.insert("description".into(), prose(field.doc).into());
    if let Some(default) = default(field) {
        out.insert("default".into(), default);
    }
    Value::Object(out)
}

/// A key that nobody reads, and that may stand all the same.
fn left_out(entry: &Entry) -> Value {
    let description = format!("Not supported, and left out: {}.", entry.why);
    let mut out = json!({});
    if let Verdict::Switch { path, on_by_default } = entry.verdict {
        out = json!({ "enum": [false, "false"] });
        for key in path.iter().rev() {
            out = json!({ "properties": { *key: out } });
            if on_by_default {
                out["required"] = json!([key]);
            }
        }
    }
    out["description"] = description.into();
    out["deprecated"] = true.into();
    out
}

fn of(form: &Form, shape: Shape) -> Value {
    match form {
        Form::Any => json!({}),
        Form::Scalar => scalar(shape.kind),
        Form::List(item) if shape.some => json!({ "type": "array", "items": of(item, shape), "minItems": 1 }),
        Form::List(item) => json!({ "type": "array", "items": of(item, shape) }),
        Form::Dict(item) => json!({ "type": "object", "additionalProperties": of(item, shape) }),
        Form::Section(path) => json!({ "$ref": format!("#/$defs/{}", definition(path)) }),
    }
}

/// A value may be quoted or not, whatever it means: `port: "8801"` is a port.
fn scalar(kind: Kind) -> Value {
    const ANY: [&str; 3] = ["string", "number", "boolean"];
    match kind {
        Kind::Text => json!({ "type": ANY }),
        Kind::Name => json!({ "type": ANY, "minLength": 1 }),
        Kind::Flag => json!({ "type": ["boolean", "string"], "pattern": "^([Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee])$" }),
        Kind::Integer(i64::MIN, i64::MAX) => json!({ "type": ["integer", "string"], "pattern": "^[-+]?[0-9]+$" }),
        Kind::Integer(least, most) => json!({
            "type": ["integer", "string"], "minimum": least, "maximum": most, "pattern": "^[+]?[0-9]+$",
        }),
        Kind::Number(least, most) => json!({
            "type": ["number", "string"], "minimum": least, "maximum": most, "pattern": "^[-+]?[0-9.]+([eE][-+]?[0-9]+)?$",
        }),
        Kind::Duration => {
            json!({ "type": "string", "pattern": "^(([0-9]+[.]?[0-9]*|[.][0-9]+)(ns|us|µs|μs|ms|s|m|h))+$" })
        }
        Kind::Size => json!({
            "type": ["integer", "string"], "minimum": 1, "pattern": "^[0-9.]+\\s*(B|kB|KB|MB|GB|KiB|MiB|GiB)?$",
        }),
        Kind::Tokens => json!({ "type": ["number", "string"], "minimum": 0, "pattern": "^[0-9.]+[KkMm]?$" }),
        Kind::Price => json!({ "type": ["number", "string"], "minimum": 0, "pattern": "^[0-9]*[.]?[0-9]*$" }),
        Kind::Words(words) => json!({ "enum": words }),
    }
}

/// Documentation as one line: a link would point into our sources.
fn prose(doc: &str) -> String {
    doc.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What the documentation says: a sentence like ``Default: `30s`.`` or `Default: 50.`, and no other words in it.
fn default(field: &Field) -> Option<Value> {
    let (_, after) = field.doc.split_once("Default: ")?;
    let (text, quoted) = match after.strip_prefix('`') {
        Some(rest) => (rest.split_once("`.")?.0, true),
        None => (after.split_once('.')?.0, false),
    };
    if text.contains([' ', '`']) {
        return None;
    }
    let value = match field.shape.kind {
        Kind::Flag => text.parse::<bool>().map(Value::from).ok()?,
        Kind::Integer(..) => text.parse::<i64>().map(Value::from).ok()?,
        Kind::Number(..) | Kind::Price | Kind::Tokens => serde_json::from_str(text).ok()?,
        _ => quoted.then(|| text.into())?,
    };
    Some(value)
}
