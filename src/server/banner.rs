//! What start-up prints: what this binary serves, on one screen.

use crate::table::{Backend, Endpoint, Tables, Url};
use std::fmt::{self, Display, Formatter};
use std::net::SocketAddr;

/// Longer lists are cut.
const MOST: usize = 12;

/// The screen.
pub(super) struct Banner<'a> {
    pub(super) tables: &'static Tables,
    pub(super) listeners: &'a [SocketAddr],
    /// The service for Envoy.
    pub(super) extproc: Option<SocketAddr>,
    pub(super) management: SocketAddr,
    pub(super) workers: usize,
}

impl Display for Banner<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let tables = self.tables;
        let (version, source) = (env!("CARGO_PKG_VERSION"), tables.config.source);
        writeln!(f, "hardwire {version}, {source} {}", &tables.config.sha256[..12])?;
        for (listener, address) in tables.listeners.iter().zip(self.listeners) {
            let keys = if listener.api_keys.is_empty() { "" } else { ", with API keys" };
            writeln!(f, "  listening   http://{address} ({}{keys}), {} workers", listener.name, self.workers)?;
        }
        if let Some(address) = self.extproc {
            let scheme = if tables.extproc.is_some_and(|service| service.tls.is_some()) { "https" } else { "http" };
            writeln!(f, "  extproc     {scheme}://{address} (gRPC, for Envoy), {} workers", self.workers)?;
        }
        writeln!(f, "  apiserver   http://{}", self.management)?;
        writeln!(f, "  virtual     {}", tables.auto_names.join(", "))?;
        if let Some(model) = tables.default_model {
            writeln!(f, "  default     {}", tables.model(model).name)?;
        }
        let decisions: Vec<&str> = tables.decisions().map(|decision| decision.name).collect();
        writeln!(f, "  decisions   {}", cut(&decisions))?;
        for (i, model) in tables.models.iter().take(MOST).enumerate() {
            let title = if i == 0 { "models" } else { "" };
            let places: Vec<String> = model.backends.iter().map(place).collect();
            writeln!(f, "  {title:<11} {} -> {}", model.name, places.join(", "))?;
        }
        if tables.models.len() > MOST {
            writeln!(f, "  {:<11} and {} more", "", tables.models.len() - MOST)?;
        }
        Ok(())
    }
}

fn cut(names: &[&str]) -> String {
    match names.len() {
        0 => "none".to_owned(),
        1..=MOST => names.join(", "),
        all => format!("{} and {} more", names[..MOST].join(", "), all - MOST),
    }
}

/// Where a backend is, without what the environment says.
fn place(backend: &Backend) -> String {
    match &backend.endpoint {
        Endpoint::Echo { .. } => "echo".to_owned(),
        Endpoint::Http(http) => match &http.url {
            Url::Baked { tls, authority, .. } => format!("{}://{authority}", if *tls { "https" } else { "http" }),
            Url::Env { .. } => "an address from the environment".to_owned(),
        },
    }
}
