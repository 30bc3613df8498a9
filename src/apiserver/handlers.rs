//! What each endpoint answers. The configuration's are in their own file.

use super::Api;
use super::answer::{Answer, Problem, json, problem, with_type};
use crate::routing::catalog::decode_id;
use crate::telemetry::metrics::Registry;
use http::StatusCode;
use http::request::Parts;

/// The process lives. The service's name is what clients of the contract compare with.
pub(super) fn health(_: &Api, _: &Parts, _: &str) -> Answer {
    json(r#"{"status": "healthy", "service": "classification-api"}"#)
}

/// Whether requests should be sent here: yes from the first moment on, until SIGTERM.
pub(super) fn ready(api: &Api, _: &Parts, _: &str) -> Answer {
    if api.is_draining() {
        let body = r#"{"phase":"draining","ready":false,"message":"shutting down: running requests finish, new ones are refused"}"#;
        with_type(StatusCode::SERVICE_UNAVAILABLE, "application/json", body)
    } else {
        json(r#"{"phase":"ready","ready":true}"#)
    }
}

pub(super) fn endpoints(api: &Api, _: &Parts, _: &str) -> Answer {
    json(api.endpoints.clone())
}

pub(super) fn models(api: &Api, _: &Parts, _: &str) -> Answer {
    json(api.catalog.list.clone())
}

pub(super) fn model(api: &Api, _: &Parts, id: &str) -> Answer {
    let model = decode_id(id).and_then(|id| api.catalog.get(&id));
    model.map_or_else(|| problem(Problem::ModelNotFound), json)
}

pub(super) fn metrics(api: &Api, _: &Parts, _: &str) -> Answer {
    with_type(StatusCode::OK, Registry::CONTENT_TYPE, api.registry.render())
}

pub(super) fn configuration(api: &Api, head: &Parts, _: &str) -> Answer {
    api.configuration.document(&head.headers)
}

pub(super) fn configuration_hash(api: &Api, _: &Parts, _: &str) -> Answer {
    api.configuration.hash()
}

pub(super) fn configuration_versions(api: &Api, _: &Parts, _: &str) -> Answer {
    api.configuration.versions()
}

/// Any attempt to change what is compiled in.
pub(super) fn baked(_: &Api, _: &Parts, _: &str) -> Answer {
    problem(Problem::RestartRequired)
}
