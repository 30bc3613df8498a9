//! The list of models that a client may ask for: `GET /v1/models`, on the public listener and on the apiserver.
//!
//! Rendered once at start-up; a request costs a reference count.

use crate::table::{Policy, Tables};
use bytes::Bytes;
use serde::Serialize;
use std::borrow::Cow;
use std::time::{SystemTime, UNIX_EPOCH};

/// All models as JSON.
#[derive(Debug)]
pub struct Catalog {
    /// The body of `GET /v1/models`.
    pub list: Bytes,
    models: Vec<(&'static str, Bytes)>,
}

impl Catalog {
    /// Renders the models of these tables; `started` becomes their `created`.
    #[must_use]
    pub fn new(tables: &'static Tables, started: SystemTime) -> Self {
        let created = started.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let virtuals = tables.virtual_names().map(|(name, policy)| Model::routed(name, tables.policy(policy), created));
        let served = tables.public_models().map(|model| Model::served(model.name, model.description, created));
        let models: Vec<Model> = virtuals.chain(served).collect();
        let listed = if tables.list_models { models.len() } else { tables.virtual_names().count() };
        Self {
            list: json(&List { object: "list", data: &models[..listed] }),
            models: models.iter().map(|model| (model.id, json(model))).collect(),
        }
    }

    /// The body of `GET /v1/models/{id}`. Finds every name that a request may carry, also where the list leaves it out.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<Bytes> {
        self.models.iter().find(|model| model.0 == id).map(|model| model.1.clone())
    }
}

/// The model id in a request's path: all of what follows `/v1/models/`, with its percent encoding undone, because ids
/// like `vllm-sr/auto` arrive with and without it. `None` where that is not UTF-8 or the encoding is broken.
#[must_use]
pub fn decode_id(raw: &str) -> Option<Cow<'_, str>> {
    if !raw.contains('%') {
        return Some(Cow::Borrowed(raw));
    }
    let mut decoded = Vec::with_capacity(raw.len());
    let mut rest = raw.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        decoded.push(if byte == b'%' {
            let (digits, tail) = rest.split_first_chunk::<2>()?;
            rest = tail;
            hex(digits[0])? << 4 | hex(digits[1])?
        } else {
            byte
        });
    }
    String::from_utf8(decoded).ok().map(Cow::Owned)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
}

fn json(value: &impl Serialize) -> Bytes {
    serde_json::to_vec(value).expect("strings and numbers become JSON").into()
}

#[derive(Serialize)]
struct List<'a> {
    object: &'static str,
    data: &'a [Model],
}

#[derive(Serialize)]
struct Model {
    id: &'static str,
    object: &'static str,
    created: u64,
    owned_by: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    description: &'static str,
    routing: Routing,
}

/// How a name is resolved; clients read this rather than guess from the name.
#[derive(Serialize)]
struct Routing {
    resolution: &'static str,
    selectable: bool,
    /// Of a virtual name: `default`, or the recipe that it is routed by.
    #[serde(skip_serializing_if = "Option::is_none")]
    recipe: Option<&'static str>,
}

impl Model {
    fn routed(id: &'static str, policy: &'static Policy, created: u64) -> Self {
        Self {
            id,
            object: "model",
            created,
            owned_by: "vllm-semantic-router",
            description: match policy.description {
                "" => "Intelligent Router for Mixture-of-Models",
                own => own,
            },
            routing: Routing { resolution: "virtual", selectable: true, recipe: Some(policy.name) },
        }
    }

    fn served(id: &'static str, description: &'static str, created: u64) -> Self {
        Self {
            id,
            object: "model",
            created,
            owned_by: "upstream-endpoint",
            description,
            routing: Routing { resolution: "passthrough", selectable: true, recipe: None },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::decode_id;

    #[test]
    fn ids_are_percent_decoded() {
        for (raw, id) in [
            ("gpt-4o", Some("gpt-4o")),
            ("vllm-sr/auto", Some("vllm-sr/auto")),
            ("vllm-sr%2Fauto", Some("vllm-sr/auto")),
            ("vllm-sr%2fauto", Some("vllm-sr/auto")),
            ("%C3%A9t%C3%A9", Some("été")),
            ("100%25", Some("100%")),
            ("a+b", Some("a+b")),
            ("%", None),
            ("a%2", None),
            ("%+1", None),
            ("%zz", None),
            ("%é", None),
            ("%FF", None),
            ("", Some("")),
        ] {
            assert_eq!(decode_id(raw).as_deref(), id, "{raw}");
        }
    }
}
