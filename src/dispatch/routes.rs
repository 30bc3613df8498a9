//! The table of public endpoints: dispatch and the description of the API are both read off it.

use super::client::Client;
use crate::openapi::{Answer, Body, Operation};
use http::Method;

/// What a path leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Endpoint {
    /// A chat completion.
    Chat,
    /// Anthropic's Messages.
    Messages,
    /// The tokens of a request for Anthropic's Messages.
    CountTokens,
    /// The list of models.
    Models,
    /// One model.
    Model,
}

struct Route {
    endpoint: Endpoint,
    operation: Operation,
}

static ROUTES: [Route; 5] = [
    Route {
        endpoint: Endpoint::Chat,
        operation: Operation {
            method: "POST",
            path: "/v1/chat/completions",
            summary: "A chat completion, plain or streamed",
            body: Some(Body::Chat),
            answer: Answer::JsonOrEvents,
        },
    },
    Route {
        endpoint: Endpoint::Messages,
        operation: Operation {
            method: "POST",
            path: "/v1/messages",
            summary: "A message, plain or streamed, as Anthropic's API has it",
            body: Some(Body::Messages),
            answer: Answer::JsonOrEvents,
        },
    },
    Route {
        endpoint: Endpoint::CountTokens,
        operation: Operation {
            method: "POST",
            path: "/v1/messages/count_tokens",
            summary: "The tokens of a message request, estimated",
            body: Some(Body::Messages),
            answer: Answer::Json,
        },
    },
    Route { endpoint: Endpoint::Models, operation: get("/v1/models", "The models that clients may ask for") },
    Route { endpoint: Endpoint::Model, operation: get("/v1/models/{id}", "One model") },
];

const fn get(path: &'static str, summary: &'static str) -> Operation {
    Operation { method: "GET", path, summary, body: None, answer: Answer::Json }
}

/// Where a request goes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found<'p> {
    /// To this endpoint, with what stands for `{id}`, as it was sent.
    Endpoint(Endpoint, &'p str),
    /// Nowhere: the path has these methods only.
    Methods(&'static str),
    /// Nowhere.
    Nothing,
}

/// Finds the endpoint of a request. HEAD is GET; one slash at the end is one too many, and forgiven.
pub(crate) fn find<'p>(method: &Method, path: &'p str) -> Found<'p> {
    let path = path.strip_suffix('/').unwrap_or(path);
    let id = |route: &'static Route| match route.operation.path.strip_suffix("{id}") {
        Some(stem) => path.strip_prefix(stem),
        None => (path == route.operation.path).then_some(""),
    };
    let Some((route, id)) = ROUTES.iter().find_map(|route| Some((route, id(route)?))) else { return Found::Nothing };
    match (route.operation.method, method) {
        ("GET", &Method::GET | &Method::HEAD) | ("POST", &Method::POST) => Found::Endpoint(route.endpoint, id),
        ("GET", _) => Found::Methods("GET, HEAD"),
        (only, _) => Found::Methods(only),
    }
}

/// Whose errors are given at a path.
pub(crate) fn client_at(path: &str) -> Client {
    if path.starts_with("/v1/messages") { Client::Messages } else { Client::Chat }
}

/// What is served here.
#[must_use]
pub fn operations() -> Vec<Operation> {
    ROUTES.iter().map(|route| route.operation).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_described_is_served() {
        for operation in operations() {
            let method: Method = operation.method.parse().unwrap();
            let path = operation.path.replace("{id}", "x");
            assert!(matches!(find(&method, &path), Found::Endpoint(..)), "{method} {path}");
        }
    }

    #[test]
    fn paths_lead_to_endpoints() {
        let found = |endpoint, id| Found::Endpoint(endpoint, id);
        for (method, path, expected) in [
            (Method::POST, "/v1/chat/completions", found(Endpoint::Chat, "")),
            (Method::POST, "/v1/chat/completions/", found(Endpoint::Chat, "")),
            (Method::GET, "/v1/chat/completions", Found::Methods("POST")),
            (Method::GET, "/v1/models", found(Endpoint::Models, "")),
            (Method::HEAD, "/v1/models/", found(Endpoint::Models, "")),
            (Method::POST, "/v1/models", Found::Methods("GET, HEAD")),
            (Method::GET, "/v1/models/vllm-sr/auto", found(Endpoint::Model, "vllm-sr/auto")),
            (Method::DELETE, "/v1/models/x", Found::Methods("GET, HEAD")),
            (Method::GET, "/v1/modelsx", Found::Nothing),
            (Method::GET, "/", Found::Nothing),
        ] {
            assert_eq!(find(&method, path), expected, "{method} {path}");
        }
    }
}
