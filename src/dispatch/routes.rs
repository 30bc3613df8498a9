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
    /// A response.
    Respond,
    /// Responses over a WebSocket.
    Converse,
    /// A summary of a conversation of responses.
    Compact,
    /// The tokens of a request for a response.
    InputTokens,
    /// The input of a stored response.
    InputItems,
    /// Stops a response that is made in the background: there are none.
    Cancel,
    /// A stored response.
    Stored,
    /// Takes a stored response away.
    Delete,
}

struct Route {
    endpoint: Endpoint,
    operation: Operation,
}

static ROUTES: [Route; 13] = [
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
    Route {
        endpoint: Endpoint::Respond,
        operation: Operation {
            method: "POST",
            path: "/v1/responses",
            summary: "A response, plain or streamed, as OpenAI's Responses API has it",
            body: Some(Body::Response),
            answer: Answer::JsonOrEvents,
        },
    },
    Route {
        endpoint: Endpoint::Converse,
        operation: Operation {
            answer: Answer::Upgrade,
            ..get(
                "/v1/responses",
                "Opens a WebSocket: a `response.create` each for responses, their events as messages",
            )
        },
    },
    Route {
        endpoint: Endpoint::Compact,
        operation: respond("/v1/responses/compact", "A summary that stands for a conversation"),
    },
    Route {
        endpoint: Endpoint::InputTokens,
        operation: respond("/v1/responses/input_tokens", "The tokens of a request for a response, estimated"),
    },
    Route {
        endpoint: Endpoint::InputItems,
        operation: get("/v1/responses/{id}/input_items", "The items that a stored response answers"),
    },
    Route {
        endpoint: Endpoint::Cancel,
        operation: Operation {
            method: "POST",
            path: "/v1/responses/{id}/cancel",
            summary: "Refused: no response is made in the background",
            body: None,
            answer: Answer::Refusal(400),
        },
    },
    Route {
        endpoint: Endpoint::Stored,
        operation: Operation {
            answer: Answer::JsonOrEvents,
            ..get("/v1/responses/{id}", "A stored response, or with `stream=true` its events")
        },
    },
    Route {
        endpoint: Endpoint::Delete,
        operation: Operation { method: "DELETE", ..get("/v1/responses/{id}", "Takes a stored response away") },
    },
];

const fn respond(path: &'static str, summary: &'static str) -> Operation {
    Operation { method: "POST", path, summary, body: Some(Body::Response), answer: Answer::Json }
}

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
    let method = if method == Method::HEAD { "GET" } else { method.as_str() };
    let found = || ROUTES.iter().filter_map(|route| Some((route, route.id(path)?)));
    if let Some((route, id)) = found().find(|(route, _)| route.operation.method == method) {
        return Found::Endpoint(route.endpoint, id);
    }
    let has = |method| found().any(|(route, _)| route.operation.method == method);
    match (has("GET"), has("POST"), has("DELETE")) {
        (false, false, _) => Found::Nothing,
        (true, false, false) => Found::Methods("GET, HEAD"),
        (true, false, true) => Found::Methods("GET, HEAD, DELETE"),
        (false, true, _) => Found::Methods("POST"),
        (true, true, false) => Found::Methods("GET, HEAD, POST"),
        (true, true, true) => Found::Methods("GET, HEAD, POST, DELETE"),
    }
}

impl Route {
    /// What stands for `{id}` in a path that leads here; empty where there is no such place.
    fn id<'p>(&self, path: &'p str) -> Option<&'p str> {
        let Some((before, behind)) = self.operation.path.split_once("{id}") else {
            return (path == self.operation.path).then_some("");
        };
        let id = path.strip_prefix(before)?.strip_suffix(behind)?;
        // The names of models may have slashes.
        (self.endpoint == Endpoint::Model || !id.contains('/')).then_some(id)
    }
}

/// Whose errors are given at a path.
pub(crate) fn client_at(path: &str) -> Client {
    if path.starts_with("/v1/messages") {
        Client::Messages
    } else if path.starts_with("/v1/responses") {
        Client::Responses
    } else {
        Client::Chat
    }
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
            (Method::POST, "/v1/responses", found(Endpoint::Respond, "")),
            (Method::GET, "/v1/responses", found(Endpoint::Converse, "")),
            (Method::PUT, "/v1/responses", Found::Methods("GET, HEAD, POST")),
            (Method::POST, "/v1/responses/compact", found(Endpoint::Compact, "")),
            (Method::GET, "/v1/responses/resp_1", found(Endpoint::Stored, "resp_1")),
            (Method::DELETE, "/v1/responses/resp_1/", found(Endpoint::Delete, "resp_1")),
            (Method::PUT, "/v1/responses/resp_1", Found::Methods("GET, HEAD, DELETE")),
            (Method::GET, "/v1/responses/resp_1/input_items", found(Endpoint::InputItems, "resp_1")),
            (Method::GET, "/v1/responses/resp_1/cancel", Found::Methods("POST")),
            (Method::GET, "/v1/responses/resp_1/other", Found::Nothing),
            (Method::GET, "/v1/modelsx", Found::Nothing),
            (Method::GET, "/", Found::Nothing),
        ] {
            assert_eq!(find(&method, path), expected, "{method} {path}");
        }
    }
}
