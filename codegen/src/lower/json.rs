//! The document as JSON, for `/config/router`: keys in its order, environment references as they were written.

use crate::ast::node::{Key, Node, Scalar, Value};
use crate::report::Sink;
use serde_json::{Map, Number, Value as Json};

/// Compact JSON. What nobody reads is left out: it is no part of the router, and nobody has looked for secrets in it.
pub(super) fn render(root: &Node, sink: &Sink) -> String {
    value(root, sink).to_string()
}

fn value(node: &Node, sink: &Sink) -> Json {
    match &node.value {
        Value::Scalar(_, Scalar::Null) => Json::Null,
        Value::Scalar(text, Scalar::Bool) => Json::Bool(text == "true"),
        Value::Scalar(text, Scalar::Number) => number(text),
        Value::Scalar(text, Scalar::Text) => Json::String(text.clone()),
        Value::List(items) => Json::Array(items.iter().map(|item| value(item, sink)).collect()),
        Value::Map(entries) => object(entries, sink),
    }
}

fn object(entries: &[(Key, Node)], sink: &Sink) -> Json {
    let read = entries.iter().filter(|(key, _)| !sink.is_ignored(key.span));
    Json::Object(read.map(|(key, node)| (key.text.clone(), value(node, sink))).collect::<Map<_, _>>())
}

/// A number that JSON cannot say, as `0x10` or `.5`, stays the text that it was.
fn number(text: &str) -> Json {
    serde_json::from_str::<Number>(text).map_or_else(|_| Json::String(text.to_owned()), Json::Number)
}
