//! What each endpoint answers. The configuration's are in their own file.

use super::answer::{Answer, Problem, json, problem, with_type};
use super::{Api, Asked};
use crate::routing::catalog::decode_id;
use crate::telemetry::metrics::Registry;
use http::header::CONTENT_SECURITY_POLICY;
use http::{HeaderValue, StatusCode};

/// The process lives. The service's name is what clients of the contract compare with.
pub(super) fn health(_: &Api, _: &Asked<'_>) -> Answer {
    json(r#"{"status": "healthy", "service": "classification-api"}"#)
}

/// Whether requests should be sent here: yes from the first moment on, until SIGTERM.
pub(super) fn ready(api: &Api, _: &Asked<'_>) -> Answer {
    if api.is_draining() {
        let body = r#"{"phase":"draining","ready":false,"message":"shutting down: running requests finish, new ones are refused"}"#;
        with_type(StatusCode::SERVICE_UNAVAILABLE, "application/json", body)
    } else {
        json(r#"{"phase":"ready","ready":true}"#)
    }
}

pub(super) fn endpoints(api: &Api, _: &Asked<'_>) -> Answer {
    json(api.endpoints.clone())
}

pub(super) fn models(api: &Api, _: &Asked<'_>) -> Answer {
    json(api.catalog.list.clone())
}

pub(super) fn model(api: &Api, asked: &Asked<'_>) -> Answer {
    let model = decode_id(asked.id).and_then(|id| api.catalog.get(&id));
    model.map_or_else(|| problem(Problem::ModelNotFound), json)
}

pub(super) fn metrics(api: &Api, _: &Asked<'_>) -> Answer {
    with_type(StatusCode::OK, Registry::CONTENT_TYPE, api.registry.render())
}

pub(super) fn configuration(api: &Api, asked: &Asked<'_>) -> Answer {
    api.configuration.document(&asked.head.headers)
}

pub(super) fn configuration_hash(api: &Api, _: &Asked<'_>) -> Answer {
    api.configuration.hash()
}

pub(super) fn configuration_versions(api: &Api, _: &Asked<'_>) -> Answer {
    api.configuration.versions()
}

pub(super) fn openapi(api: &Api, _: &Asked<'_>) -> Answer {
    json(api.openapi.clone())
}

/// The type of the page.
pub(super) const HTML: &str = "text/html; charset=utf-8";

/// A page that shows `/openapi.json`. It loads nothing else.
pub(super) fn docs(_: &Api, _: &Asked<'_>) -> Answer {
    let mut answer = with_type(StatusCode::OK, HTML, include_str!("docs.html"));
    let policy = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'";
    answer.headers_mut().insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    answer
}

/// Any attempt to change what is compiled in.
pub(super) fn baked(_: &Api, _: &Asked<'_>) -> Answer {
    problem(Problem::RestartRequired)
}

/// What only a model could tell.
pub(super) fn needs_a_model(_: &Api, _: &Asked<'_>) -> Answer {
    problem(Problem::NoClassifier)
}
