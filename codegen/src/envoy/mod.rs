//! A configuration of Envoy for a router: `ir` to YAML. Envoy listens in the router's place, asks it about each request,
//! and sends it to the backends itself.
//!
//! What stands in the document is not written again by hand: listeners, backends, weights, timeouts, health, retries. What
//! is not in there are credentials: the router adds them to each request. Nothing here knows the server.

mod clusters;
mod extproc;
mod filters;
mod listeners;
mod places;
mod refusal;
mod routes;
mod yaml;

pub use refusal::Refusal;

use crate::ir;
use serde_json::{Value, json};
use std::net::SocketAddr;

/// What the document does not tell.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where Envoy listens in place of the first listener's address.
    pub listen: Option<SocketAddr>,
    /// Host and port of the router's service as Envoy reaches it, in place of where it listens.
    pub extproc: Option<(String, u16)>,
    /// Envoy's own management face.
    pub admin: Option<SocketAddr>,
    /// How bodies are sent to the router.
    pub bodies: Bodies,
    /// Whether requests go on to the default model as they are when the router cannot be asked.
    pub failure_mode_allow: bool,
    /// Whether backends that are IP addresses share one cluster that goes wherever the router says.
    pub original_dst: bool,
    /// PEM file with the certificates that Envoy trusts.
    pub ca_file: String,
    /// PEM files with the certificate that Envoy shows the router, and its key.
    pub client_cert: Option<(String, String)>,
}

/// How bodies are sent to the router.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bodies {
    /// Whole; those of event streams in pieces.
    Buffered,
    /// In pieces, each of which is answered before the next one is sent.
    Streamed,
    /// In pieces that come and go independently of each other.
    FullDuplex,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            listen: None,
            extproc: None,
            admin: None,
            bodies: Bodies::Buffered,
            failure_mode_allow: false,
            original_dst: false,
            ca_file: "/etc/ssl/certs/ca-certificates.crt".to_owned(),
            client_cert: None,
        }
    }
}

/// Header that tells the model that the router chose.
const SELECTED_MODEL: &str = "x-selected-model";
/// Header that tells which of a model's clusters it chose, where there are several.
const SELECTED_BACKEND: &str = "x-selected-backend";
/// Header that tells address and port of the backend that it chose, where that is an IP address without TLS.
const DESTINATION: &str = "x-vsr-destination-endpoint";

/// Writes the configuration. `env` reads an environment variable: addresses of backends that name some are settled now,
/// because Envoy does not know any.
///
/// # Errors
/// Variables that are needed are not set, or hold no address; or the options would open a door that is guarded.
pub fn render(
    router: &ir::Router,
    options: &Options,
    env: impl Fn(&str) -> Option<String>,
) -> Result<String, Vec<Refusal>> {
    if options.failure_mode_allow {
        let guarded = router.listeners.iter().filter(|listener| !listener.api_keys.is_empty());
        let refused: Vec<_> = guarded.map(|listener| Refusal::Unguarded { listener: listener.name.clone() }).collect();
        if !refused.is_empty() {
            return Err(refused);
        }
    }
    let tls = router.extproc.as_ref().and_then(|service| service.tls.as_ref());
    match (&options.client_cert, tls.map(|tls| tls.client_ca_file.is_some())) {
        (None, Some(true)) => return Err(vec![Refusal::NoCertificate]),
        (Some(_), None) => return Err(vec![Refusal::NoTls]),
        _ => (),
    }
    let places = places::settle(router, env)?;
    let models = clusters::plan(router, &places);
    let mut clusters: Vec<Value> = models.iter().flat_map(|model| clusters::all(router, model, options)).collect();
    if options.original_dst {
        clusters.push(clusters::original_dst(router));
    }
    clusters.push(extproc::cluster(router, options));
    let listeners = listeners::all(router, &models, options);
    let mut document = serde_json::Map::new();
    if let Some(admin) = options.admin {
        document.insert("admin".to_owned(), json!({ "address": address(&admin.ip().to_string(), admin.port()) }));
    }
    document.insert("static_resources".to_owned(), json!({ "listeners": listeners, "clusters": clusters }));
    Ok(format!("{}{}", head(router), yaml::print(&Value::Object(document))))
}

fn head(router: &ir::Router) -> String {
    let source = &router.source;
    format!(
        "# Envoy in front of the router of {source}, as `hardwirec envoy` writes it. Envoy listens where the document\n\
         # says that the router does: start the router with `--listen` elsewhere if both run on one machine.\n\
         # Change {source} and print again rather than to edit this file.\n"
    )
}

/// An address and a port.
fn address(host: &str, port: u16) -> Value {
    json!({ "socket_address": { "address": host, "port_value": port } })
}

/// A duration as Envoy writes it.
fn duration(duration: std::time::Duration) -> String {
    let (seconds, nanos) = (duration.as_secs(), duration.subsec_nanos());
    match nanos {
        0 => format!("{seconds}s"),
        _ => format!("{seconds}.{}s", format!("{nanos:09}").trim_end_matches('0')),
    }
}

/// The full name of a message's type.
fn type_url(name: &str) -> String {
    format!("type.googleapis.com/{name}")
}
