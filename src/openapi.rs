//! `/openapi.json`: what all ports serve, written from the tables that the faces dispatch by.
//!
//! Knows the shape of such a document and of the bodies; which paths there are is told by the faces.

#![allow(
    clippy::disallowed_types,
    reason = "one document, made at start-up: no request and no response becomes a tree"
)]

use crate::table::Tables;
use bytes::Bytes;
use serde_json::{Map, Value, json};

/// One method of one path.
#[derive(Debug, Clone, Copy)]
pub struct Operation {
    /// `GET`
    pub method: &'static str,
    /// May have one `{id}`.
    pub path: &'static str,
    /// In a few words.
    pub summary: &'static str,
    /// What it takes, if it takes anything.
    pub body: Option<Body>,
    /// What it answers.
    pub answer: Answer,
}

/// What a request carries: names of schemas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// A chat request.
    Chat,
    /// A request of Anthropic's Messages API.
    Messages,
    /// A request of OpenAI's Responses API.
    Response,
    /// A text or a chat request to look at.
    Question,
    /// Several texts to look at.
    Batch,
}

/// What comes back when all is well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// JSON.
    Json,
    /// JSON, or a stream of events where the request asks for one.
    JsonOrEvents,
    /// Text of this type.
    Text(&'static str),
    /// Never anything but this error.
    Refusal(u16),
    /// A WebSocket.
    Upgrade,
}

/// The operations of one port.
#[derive(Debug, Clone)]
pub struct Face {
    /// Who it is for: groups the operations.
    pub tag: &'static str,
    /// TCP ports that serve it.
    pub ports: Vec<u16>,
    /// Schema of its errors.
    pub error: &'static str,
    /// What it serves.
    pub operations: Vec<Operation>,
}

/// The document.
#[must_use]
pub fn document(tables: &Tables, faces: &[Face]) -> Bytes {
    let mut paths: Map<String, Value> = Map::new();
    for face in faces {
        for operation in &face.operations {
            let path = paths.entry(operation.path).or_insert_with(|| json!({ "servers": [] }));
            add_servers(path, face);
            let method = operation.method.to_ascii_lowercase();
            // Both ports list the models; the one description holds for both.
            if path.get(&method).is_none() {
                path[method.as_str()] = describe(operation, face);
            }
        }
    }
    let behind_envoy = tables.extproc.map_or_else(String::new, |service| {
        let port = service.port;
        format!(
            " Behind Envoy the same is served over gRPC, `envoy.service.ext_proc.v3.ExternalProcessor` on port {port}."
        )
    });
    let document = json!({
        "openapi": "3.0.3",
        "info": {
            "title": "Hardwire",
            "version": env!("CARGO_PKG_VERSION"),
            "description": format!(
                "An LLM router, compiled from {} (sha256 {}).{behind_envoy}",
                tables.config.source, tables.config.sha256
            ),
        },
        "tags": faces.iter().map(|face| json!({ "name": face.tag })).collect::<Vec<_>>(),
        "paths": paths,
        "components": { "schemas": schemas(tables) },
    });
    document.to_string().into()
}

fn add_servers(path: &mut Value, face: &Face) {
    let servers = path["servers"].as_array_mut().expect("it was made as a list");
    for port in &face.ports {
        let server = json!({
            "url": format!("http://{{host}}:{port}"),
            "description": face.tag,
            "variables": { "host": { "default": "localhost" } },
        });
        if !servers.contains(&server) {
            servers.push(server);
        }
    }
}

fn describe(operation: &Operation, face: &Face) -> Value {
    let words = operation.path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let id = std::iter::once(operation.method).chain(words).collect::<Vec<_>>().join("_").to_ascii_lowercase();
    let error = json!({ "description": "What is wrong", "content": content("application/json", face.error) });
    let mut responses = Map::new();
    match operation.answer {
        Answer::Json => {
            responses
                .insert("200".into(), json!({ "description": "OK", "content": content("application/json", "Any") }));
        }
        Answer::JsonOrEvents => {
            let mut both = content("application/json", "Any");
            both["text/event-stream"] = json!({ "schema": { "type": "string" } });
            responses.insert("200".into(), json!({ "description": "OK", "content": both }));
        }
        Answer::Text(media) => {
            let content = json!({ media: { "schema": { "type": "string" } } });
            responses.insert("200".into(), json!({ "description": "OK", "content": content }));
        }
        Answer::Refusal(status) => {
            responses.insert(status.to_string(), error.clone());
        }
        Answer::Upgrade => {
            responses.insert("101".into(), json!({ "description": "The connection is a WebSocket" }));
        }
    }
    responses.insert("default".into(), error);
    let mut out = json!({
        "operationId": id,
        "tags": [face.tag],
        "summary": operation.summary,
        "responses": responses,
    });
    if operation.path.contains("{id}") {
        out["parameters"] = json!([{ "name": "id", "in": "path", "required": true, "schema": { "type": "string" } }]);
    }
    if let Some(body) = operation.body {
        out["requestBody"] = json!({ "required": true, "content": content("application/json", body.schema()) });
    }
    out
}

fn content(media: &str, schema: &str) -> Value {
    json!({ media: { "schema": { "$ref": format!("#/components/schemas/{schema}") } } })
}

impl Body {
    const fn schema(self) -> &'static str {
        match self {
            Body::Chat => "ChatRequest",
            Body::Messages => "MessagesRequest",
            Body::Response => "ResponseRequest",
            Body::Question => "Question",
            Body::Batch => "Batch",
        }
    }
}

fn schemas(tables: &Tables) -> Value {
    let model = tables.auto_names.first().copied().unwrap_or("auto");
    let messages = json!({
        "type": "array",
        "items": {
            "type": "object",
            "properties": { "role": { "type": "string" }, "content": {} },
        },
        "example": [{ "role": "user", "content": "Why is the sky blue?" }],
    });
    let text = json!({ "type": "string", "example": "Why is the sky blue?" });
    let objects = json!({ "type": "array", "items": { "type": "object" } });
    json!({
        "Any": {},
        "ChatRequest": {
            "type": "object",
            "description": "OpenAI's; what is not told here goes to the backend as it is.",
            "required": ["model", "messages"],
            "properties": {
                "model": { "type": "string", "example": model },
                "messages": messages,
                "stream": { "type": "boolean", "default": false },
            },
        },
        "ResponseRequest": {
            "type": "object",
            "description": "OpenAI's; made into a chat request.",
            "required": ["model"],
            "properties": {
                "model": { "type": "string", "example": model },
                "input": {
                    "oneOf": [&text, &objects],
                },
                "previous_response_id": { "type": "string", "nullable": true },
                "store": { "type": "boolean", "default": true },
                "stream": { "type": "boolean", "default": false },
            },
        },
        "MessagesRequest": {
            "type": "object",
            "description": "Anthropic's; what is not told here goes to the backend as it is, or is translated.",
            "required": ["model", "messages", "max_tokens"],
            "properties": {
                "model": { "type": "string", "example": model },
                "messages": messages,
                "max_tokens": { "type": "integer", "example": 1024 },
                "stream": { "type": "boolean", "default": false },
            },
        },
        "Question": {
            "type": "object",
            "description": "A text, or the messages of a chat request.",
            "properties": {
                "text": text,
                "messages": messages,
                "model": { "type": "string", "description": "The model that is asked for", "example": model },
                "tools": objects,
                "metadata": { "type": "object" },
                "user": { "type": "string", "description": "Who sends it" },
                "groups": { "type": "string", "description": "The sender's groups, set apart by commas" },
                "options": {
                    "type": "object",
                    "properties": { "trace": { "type": "boolean" }, "return_probabilities": { "type": "boolean" } },
                },
            },
        },
        "Batch": {
            "type": "object",
            "required": ["texts"],
            "properties": {
                "texts": { "type": "array", "items": text, "minItems": 1, "maxItems": 1000 },
                "task_type": { "type": "string", "enum": ["intent"], "default": "intent" },
                "user": { "type": "string", "description": "Who sends them" },
                "groups": { "type": "string", "description": "The sender's groups, set apart by commas" },
            },
        },
        PUBLIC_ERROR: {
            "type": "object",
            "properties": {
                "error": {
                    "type": "object",
                    "properties": {
                        "message": { "type": "string" },
                        "type": { "type": "string" },
                        "param": { "type": "string", "nullable": true },
                        "code": { "type": "string", "nullable": true },
                    },
                },
            },
        },
        MANAGEMENT_ERROR: {
            "type": "object",
            "properties": {
                "error": {
                    "type": "object",
                    "properties": {
                        "code": { "type": "string" },
                        "message": { "type": "string" },
                        "timestamp": { "type": "string", "format": "date-time" },
                    },
                },
            },
        },
    })
}

/// The errors of the public listener.
pub const PUBLIC_ERROR: &str = "Error";

/// The errors of the apiserver.
pub const MANAGEMENT_ERROR: &str = "ManagementError";
