//! The table of endpoints. It drives dispatch, `Allow`, and the list that `GET /api/v1` gives, so they cannot disagree.

use super::answer::{Answer, Problem, problem, render};
use super::handlers;
use super::{Api, Asked, classify};
use crate::openapi::{Answer as Answers, Body, Operation};
use crate::telemetry::metrics::Registry;
use bytes::Bytes;
use http::Method;
use http::request::Parts;
use serde::Serialize;

type Handler = fn(&Api, &Asked<'_>) -> Answer;

struct Route {
    method: Method,
    /// What it ends with may be `{id}`: any rest of the path that is not empty, slashes included.
    path: &'static str,
    description: &'static str,
    body: Option<Body>,
    answers: Answers,
    answer: Handler,
}

static ROUTES: &[Route] = &[
    get("/health", "Whether the process lives", handlers::health),
    get("/ready", "Whether it takes requests: 200, or 503 while it drains", handlers::ready),
    get("/startup-status", "The same as /ready", handlers::ready),
    get("/api/v1", "This list", handlers::endpoints),
    get("/v1/models", "The models that clients may ask for", handlers::models),
    get("/v1/models/{id}", "One model", handlers::model),
    get("/config/router", "The configuration that this binary was built from, as JSON", handlers::configuration),
    refuse(Method::PATCH, "/config/router"),
    refuse(Method::PUT, "/config/router"),
    refuse(Method::POST, "/config/router/rollback"),
    get("/config/router/versions", "The one version that there is: this build", handlers::configuration_versions),
    get("/config/hash", "SHA-256 of the configuration file", handlers::configuration_hash),
    text("/metrics", "Metrics for Prometheus", Registry::CONTENT_TYPE, handlers::metrics),
    get("/openapi.json", "What all ports serve, as OpenAPI", handlers::openapi),
    text("/docs", "The same for people", handlers::HTML, handlers::docs),
    post(
        "/api/v1/eval",
        "Why a request goes where it goes; with ?trace=true, each part of each rule",
        Body::Question,
        classify::eval,
    ),
    post("/api/v1/classify/intent", "Which decision a text leads to", Body::Question, classify::intent),
    post("/api/v1/classify/batch", "The same for many texts, with task_type intent", Body::Batch, classify::batch),
    needs_a_model("/api/v1/classify/pii"),
    needs_a_model("/api/v1/classify/security"),
    needs_a_model("/api/v1/classify/fact-check"),
    needs_a_model("/api/v1/classify/user-feedback"),
    needs_a_model("/api/v1/classify/combined"),
];

const fn get(path: &'static str, description: &'static str, answer: Handler) -> Route {
    Route { method: Method::GET, path, description, body: None, answers: Answers::Json, answer }
}

const fn text(path: &'static str, description: &'static str, media: &'static str, answer: Handler) -> Route {
    Route { method: Method::GET, path, description, body: None, answers: Answers::Text(media), answer }
}

const fn post(path: &'static str, description: &'static str, body: Body, answer: Handler) -> Route {
    Route { method: Method::POST, path, description, body: Some(body), answers: Answers::Json, answer }
}

const fn needs_a_model(path: &'static str) -> Route {
    let description = "Refused with UNIFIED_CLASSIFIER_UNAVAILABLE: it needs a model, and a baked router has none";
    let answers = Answers::Refusal(503);
    Route { method: Method::POST, path, description, body: None, answers, answer: handlers::needs_a_model }
}

const fn refuse(method: Method, path: &'static str) -> Route {
    let description = "Refused with RESTART_REQUIRED: the configuration is compiled into the binary";
    Route { method, path, description, body: None, answers: Answers::Refusal(409), answer: handlers::baked }
}

/// What is served here.
pub(super) fn operations() -> Vec<Operation> {
    let operation = |route: &Route| Operation {
        method: match route.method {
            Method::POST => "POST",
            Method::PUT => "PUT",
            Method::PATCH => "PATCH",
            _ => "GET",
        },
        path: route.path,
        summary: route.description,
        body: route.body,
        answer: route.answers,
    };
    ROUTES.iter().map(operation).collect()
}

/// Answers a request. HEAD is GET; the HTTP server leaves the body out.
pub(super) fn dispatch(api: &Api, head: &Parts, body: &[u8]) -> Answer {
    let path = head.uri.path();
    let method = if head.method == Method::HEAD { &Method::GET } else { &head.method };
    let fitting = || ROUTES.iter().filter_map(|route| Some((route, route.matches(path)?)));
    if let Some((route, id)) = fitting().find(|(route, _)| route.method == *method) {
        return (route.answer)(api, &Asked { head, id, body });
    }
    let allow = allow(fitting().map(|(route, _)| &route.method));
    problem(if allow.is_empty() { Problem::NotFound } else { Problem::MethodNotAllowed(allow) })
}

/// Whether the body of such a request is for anything.
pub(super) fn takes_body(head: &Parts) -> bool {
    head.method == Method::POST && ROUTES.iter().any(|route| route.body.is_some() && route.path == head.uri.path())
}

impl Route {
    /// What stands for `{id}`, or an empty string, where the path is this route's.
    fn matches<'p>(&self, path: &'p str) -> Option<&'p str> {
        match self.path.strip_suffix("{id}") {
            Some(stem) => path.strip_prefix(stem).filter(|id| !id.is_empty()),
            None => (path == self.path).then_some(""),
        }
    }
}

/// The value of `Allow`.
fn allow<'m>(methods: impl Iterator<Item = &'m Method>) -> String {
    let names = methods.map(|method| if method == Method::GET { "GET, HEAD" } else { method.as_str() });
    names.collect::<Vec<_>>().join(", ")
}

/// The body of `GET /api/v1`.
pub(super) fn describe() -> Bytes {
    let endpoints = ROUTES.iter().map(|route| Line {
        path: route.path,
        method: route.method.as_str(),
        description: route.description,
    });
    render(&Overview {
        service: "Semantic Router Apiserver",
        version: "v1",
        description: "Health, models, configuration, metrics and reasons of a router whose configuration is compiled in",
        endpoints: endpoints.collect(),
        task_types: [TaskType { name: "intent", description: "Which decision each text leads to" }],
        links: Links { models: "/v1/models", configuration: "/config/router", metrics: "/metrics" },
    })
}

/// What `POST /api/v1/classify/batch` can do.
#[derive(Serialize)]
struct TaskType {
    name: &'static str,
    description: &'static str,
}

#[derive(Serialize)]
struct Overview {
    service: &'static str,
    version: &'static str,
    description: &'static str,
    endpoints: Vec<Line>,
    task_types: [TaskType; 1],
    links: Links,
}

#[derive(Serialize)]
struct Line {
    path: &'static str,
    method: &'static str,
    description: &'static str,
}

#[derive(Serialize)]
struct Links {
    models: &'static str,
    configuration: &'static str,
    metrics: &'static str,
}
