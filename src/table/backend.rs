//! Backends: where a model is served and how to speak to it.

use super::Text;
use std::time::Duration;

/// Number of a backend over all models, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BackendId(pub u16);

/// One entry of `backend_refs`.
#[derive(Debug)]
pub struct Backend {
    /// Its number over all models.
    pub id: BackendId,
    /// `<model>_<name>`, or `<model>_primary` / `<model>_backend-2` where it has no name.
    pub name: &'static str,
    /// Its share of the requests, at least 1.
    pub weight: u32,
    /// What this backend calls the model: from `external_model_ids`, `provider_model_id` or the model's name.
    pub model_id: &'static str,
    /// Where it is.
    pub endpoint: Endpoint,
}

/// Where a backend is.
#[derive(Debug)]
pub enum Endpoint {
    /// Answers in this process.
    Echo {
        /// Pause before each token of a streamed answer, and in all before a plain one.
        token_delay: Duration,
    },
    /// A server that speaks the protocol of the model.
    Http(Http),
}

/// A server that is spoken to over HTTP.
#[derive(Debug)]
pub struct Http {
    /// Where requests go.
    pub url: Url,
    /// Headers that are set on every request. Names in lower case.
    pub headers: &'static [(&'static str, Text)],
    /// The backend's own credential. Where there is one, the client's never reach it.
    pub auth: Option<Auth>,
}

/// Where the requests of a backend go.
#[derive(Debug)]
pub enum Url {
    /// Settled at build time.
    Baked {
        /// https, not http.
        tls: bool,
        /// Host name or address, an IPv6 address without its brackets.
        host: &'static str,
        /// TCP port.
        port: u16,
        /// The `Host` header: the host, and the port where it is not the scheme's.
        authority: &'static str,
        /// Path and query.
        path: &'static str,
    },
    /// Names environment variables; put together at start-up as `base` + `suffix` + `query`.
    Env {
        /// `base_url` or `endpoint`, with or without a scheme.
        base: Text,
        /// https where `base` turns out to have no scheme.
        tls: bool,
        /// What is appended to the path of `base`: `/chat/completions`. Of `/v1/messages`, `base` may end in a part already.
        suffix: &'static str,
        /// Whether `suffix` stands in place of the path of `base` (`chat_path`).
        replace_path: bool,
        /// Query, without its question mark: `api-version=2024-10-21`.
        query: Option<&'static str>,
    },
}

/// A credential that is sent with every request.
#[derive(Debug, PartialEq, Eq)]
pub struct Auth {
    /// Header name in lower case: `authorization`, `api-key`.
    pub header: &'static str,
    /// Stands before the key, with a space; may be empty.
    pub prefix: &'static str,
    /// The key. Always from the environment.
    pub key: Text,
}
