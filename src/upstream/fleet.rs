//! All backends, with what the environment said put in: made once at start-up, shared by all workers.

use super::connect::Address;
use super::health::Health;
#[cfg(feature = "extproc")]
use super::outside::Clusters;
use super::tls::Tls;
use crate::env::Env;
use crate::table::{Backend, BackendId, Endpoint, EnvVar, Http, Piece, Tables, Text, Url};
use bytes::Bytes;
use http::header::{HeaderName, HeaderValue};
use http::uri::PathAndQuery;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

/// All backends.
#[derive(Debug)]
pub struct Fleet {
    members: Vec<Member>,
    /// Those that are sent the same.
    #[cfg(feature = "extproc")]
    pub(super) clusters: Clusters,
}

/// A backend that is ready to be used.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) table: &'static Backend,
    pub(super) place: Place,
    /// What it calls the model, as a JSON string.
    pub(super) model_json: Bytes,
    pub(super) health: Health,
}

/// Where a backend is.
#[derive(Debug)]
pub(super) enum Place {
    Echo { token_delay: Duration },
    Http(Box<Server>),
}

/// An HTTP server.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) address: Address,
    pub(super) authority: HeaderValue,
    pub(super) path: PathAndQuery,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    /// Where there is a credential, the client's are not sent.
    pub(super) auth: Option<(HeaderName, HeaderValue)>,
    /// `IP:PORT`, where no name has to be looked up and no certificate is to be checked.
    #[cfg(feature = "extproc")]
    pub(super) destination: Option<Bytes>,
}

/// The environment made no usable backend.
#[derive(Debug, thiserror::Error)]
#[error("backend `{backend}`: {problem}")]
pub struct FleetError {
    backend: &'static str,
    problem: String,
}

impl Fleet {
    /// Puts the environment in. `ca_file` is a PEM file of further trust anchors.
    pub fn new(tables: &'static Tables, env: &Env, ca_file: Option<&Path>) -> Result<Self, FleetError> {
        let mut tls = None;
        let mut members: Vec<Member> = Vec::with_capacity(tables.backend_count);
        for backend in tables.backends() {
            debug_assert_eq!(usize::from(backend.id.0), members.len(), "backends are numbered in order");
            let place = match &backend.endpoint {
                Endpoint::Echo { token_delay } => Place::Echo { token_delay: *token_delay },
                Endpoint::Http(http) => Place::Http(
                    server(http, (env, tables.env), || Tls::shared(&mut tls, ca_file))
                        .map(Box::new)
                        .map_err(|problem| FleetError { backend: backend.name, problem })?,
                ),
            };
            let model_json = serde_json::to_vec(backend.model_id).expect("a string always serialises").into();
            members.push(Member { table: backend, place, model_json, health: Health::new() });
        }
        Ok(Fleet {
            #[cfg(feature = "extproc")]
            clusters: Clusters::new(tables, &members.iter().map(|member| &member.place).collect::<Vec<_>>()),
            members,
        })
    }

    pub(super) fn member(&self, id: BackendId) -> &Member {
        &self.members[usize::from(id.0)]
    }

    /// Whether a backend is picked at the moment.
    #[must_use]
    pub fn state(&self, id: BackendId) -> crate::telemetry::metrics::BackendState {
        use crate::telemetry::metrics::BackendState;
        let health = &self.member(id).health;
        match (health.is_ejected(), health.answers_checks()) {
            (true, _) => BackendState::Ejected,
            (false, false) => BackendState::Unhealthy,
            (false, true) => BackendState::Healthy,
        }
    }
}

impl Tls {
    /// One TLS configuration, session cache included, for all backends; made only if one needs it.
    fn shared(slot: &mut Option<Tls>, ca_file: Option<&Path>) -> Result<Tls, String> {
        match slot {
            Some(tls) => Ok(tls.clone()),
            None => Ok(slot.insert(Tls::new(ca_file).map_err(|e| e.to_string())?).clone()),
        }
    }
}

fn server(
    http: &Http,
    (env, vars): (&Env, &[EnvVar]),
    tls: impl FnOnce() -> Result<Tls, String>,
) -> Result<Server, String> {
    let place = Location::of(&http.url, env, vars)?;
    let mut headers = Vec::with_capacity(http.headers.len());
    for (name, value) in http.headers {
        headers.push((header_name(name)?, header_value(name, &env.text(value), true)?));
    }
    let auth = match &http.auth {
        None => None,
        Some(auth) => {
            let key = env.text(&auth.key);
            let space = if auth.prefix.is_empty() { "" } else { " " };
            Some((header_name(auth.header)?, header_value(auth.header, &format!("{}{space}{key}", auth.prefix), true)?))
        }
    };
    Ok(Server {
        #[cfg(feature = "extproc")]
        destination: place
            .host
            .parse()
            .ok()
            .filter(|_| !place.tls)
            .map(|ip: std::net::IpAddr| std::net::SocketAddr::new(ip, place.port).to_string().into()),
        authority: header_value("host", &place.authority, false)?,
        path: PathAndQuery::from_str(&place.path).map_err(|e| format!("`{}` is no URL path: {e}", place.path))?,
        address: Address { host: place.host, port: place.port, tls: if place.tls { Some(tls()?) } else { None } },
        headers,
        auth,
    })
}

fn header_name(name: &str) -> Result<HeaderName, String> {
    HeaderName::from_str(name).map_err(|e| format!("header `{name}`: {e}"))
}

/// Never shows the value: it may be a secret.
fn header_value(name: &str, value: &str, sensitive: bool) -> Result<HeaderValue, String> {
    let mut value = HeaderValue::from_str(value.trim())
        .map_err(|_| format!("the value of header `{name}` holds a character that no header may"))?;
    value.set_sensitive(sensitive);
    Ok(value)
}

/// A URL in the parts that a request needs.
#[derive(Debug, PartialEq, Eq)]
struct Location {
    tls: bool,
    host: String,
    port: u16,
    authority: String,
    path: String,
}

impl Location {
    fn of(url: &Url, env: &Env, vars: &[EnvVar]) -> Result<Self, String> {
        match url {
            Url::Baked { tls, host, port, authority, path } => Ok(Location {
                tls: *tls,
                host: (*host).to_owned(),
                port: *port,
                authority: (*authority).to_owned(),
                path: (*path).to_owned(),
            }),
            Url::Env { base, tls, suffix, replace_path, query } => {
                // What the environment says may hold credentials.
                Location::join(&env.text(base), *tls, suffix, *replace_path, *query)
                    .map_err(|problem| format!("`{}`, as the environment has it, {problem}", as_written(base, vars)))
            }
        }
    }

    /// `base` + `suffix` + `query`. The same rules hold at build time for URLs without environment references.
    fn join(
        base: &str,
        tls: bool,
        suffix: &str,
        replace_path: bool,
        query: Option<&str>,
    ) -> Result<Self, &'static str> {
        let (scheme, rest) =
            base.trim().split_once("://").unwrap_or_else(|| (if tls { "https" } else { "http" }, base.trim()));
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return Err("has another scheme than http or https"),
        };
        let uri: http::Uri = format!("http://{rest}").parse().map_err(|_| "is no URL")?;
        if uri.query().is_some() {
            return Err("has a query, which a base URL must not");
        }
        let authority = uri.authority().filter(|authority| !authority.host().is_empty());
        let authority = authority.ok_or("names no host")?;
        if authority.as_str().contains('@') {
            return Err("holds credentials, which a base URL must not");
        }
        let default_port = if tls { 443 } else { 80 };
        let host = authority.host();
        // Not `port_u16()`: it takes a port that is none, such as 99999, for one that is not there.
        let port = match authority.as_str().strip_prefix(host).and_then(|rest| rest.strip_prefix(':')) {
            None => default_port,
            Some(port) => port.parse().ok().filter(|port| *port > 0).ok_or("has a port that is no TCP port")?,
        };
        let prefix = if replace_path { "" } else { under(uri.path(), suffix) };
        let query = query.map_or_else(String::new, |query| format!("?{query}"));
        Ok(Location {
            tls,
            host: host.trim_matches(['[', ']']).to_owned(),
            port,
            authority: if port == default_port { host.to_owned() } else { format!("{host}:{port}") },
            path: format!("{prefix}{suffix}{query}"),
        })
    }
}

/// A text as the configuration has it, with the names of its variables.
fn as_written(text: &Text, vars: &[EnvVar]) -> String {
    match text {
        Text::Baked(text) => (*text).to_owned(),
        Text::Env(pieces) => pieces
            .iter()
            .map(|piece| match piece {
                Piece::Literal(literal) => (*literal).to_owned(),
                Piece::Var(slot) => format!("${{{}}}", vars[usize::from(slot.0)].name),
            })
            .collect(),
    }
}

/// The path before `suffix`: what it says of that is not said twice.
fn under<'p>(path: &'p str, suffix: &str) -> &'p str {
    let path = path.trim_end_matches('/');
    let whole = path.strip_suffix(suffix);
    let version = || path.strip_suffix("/v1").filter(|_| suffix.starts_with("/v1/"));
    whole.or_else(version).unwrap_or(path).trim_end_matches('/')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::EnvSlot;

    #[track_caller]
    fn check(base: &str, suffix: &str, replace_path: bool, query: Option<&str>, expected: Result<&str, &str>) {
        let shown = Location::join(base, false, suffix, replace_path, query)
            .map(|l| format!("{} {}:{} {} {}", if l.tls { "tls" } else { "tcp" }, l.host, l.port, l.authority, l.path));
        match expected {
            Ok(expected) => assert_eq!(shown.as_deref(), Ok(expected), "{base}"),
            Err(part) => assert!(shown.unwrap_err().contains(part), "{base}"),
        }
    }

    #[test]
    fn joins_urls() {
        let chat = "/chat/completions";
        check("https://h.example/v1/", chat, false, None, Ok("tls h.example:443 h.example /v1/chat/completions"));
        check("http://h:8000", "/v1/chat/completions", false, None, Ok("tcp h:8000 h:8000 /v1/chat/completions"));
        check("10.0.0.5:8000", chat, false, None, Ok("tcp 10.0.0.5:8000 10.0.0.5:8000 /chat/completions"));
        check("[::1]:9/x", "/y", true, Some("a=b"), Ok("tcp ::1:9 [::1]:9 /y?a=b"));
        check("https://h:443/v1", chat, false, None, Ok("tls h:443 h /v1/chat/completions"));
        for base in ["https://a", "https://a/", "https://a/v1", "https://a/v1/messages/"] {
            check(base, "/v1/messages", false, None, Ok("tls a:443 a /v1/messages"));
        }
        check("h/anthropic/v1/", "/v1/messages", false, None, Ok("tcp h:80 h /anthropic/v1/messages"));
        check("ftp://h", chat, false, None, Err("scheme"));
        check("http://h:99999/v1", chat, false, None, Err("no TCP port"));
        check("h:port", chat, false, None, Err("no TCP port"));
        check("[::1]:0", chat, false, None, Err("no TCP port"));
        check("http://h:/v1", chat, false, None, Err("no TCP port"));
        check("http://", chat, false, None, Err("URL"));
        check("http://h/v1?x=1", chat, false, None, Err("query"));
        check("http://user:pass@h/v1", chat, false, None, Err("credentials"));
        check("", chat, false, None, Err("URL"));
    }

    /// Nothing of what the environment says is shown: it may hold a password.
    #[test]
    fn a_wrong_url_is_named_and_not_shown() {
        const VARS: &[EnvVar] =
            &[EnvVar { name: "BASE", default: None, empty_is_unset: true, secret: false, wanted_by: &[] }];
        let base = Text::Env(&[Piece::Literal("http://"), Piece::Var(EnvSlot(0)), Piece::Literal("/v1")]);
        let url = Url::Env { base, tls: false, suffix: "/x", replace_path: false, query: None };
        for value in ["me:hunter2@h", "me:hunter2@", "h:hunter2", "h?hunter2", "h hunter2", ""] {
            let problem = Location::of(&url, &Env::of(&[value]), VARS).unwrap_err();
            assert!(
                problem.starts_with("`http://${BASE}/v1`, as the environment has it, ") && !problem.contains("ter2"),
                "{problem}"
            );
        }
    }
}
