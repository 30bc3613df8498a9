//! Where backends are, with the environment as it is when the configuration is printed.

use super::Refusal;
use crate::{ir, lower};
use std::collections::BTreeSet;

/// A backend's address, settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) tls: bool,
    /// Host name or address, an IPv6 address without its brackets.
    pub(super) host: String,
    pub(super) port: u16,
    /// What backends call themselves.
    pub(super) authority: String,
    /// Path and query of a request.
    pub(super) path: String,
}

impl Place {
    /// Whether it is an IP address, not a name.
    pub(super) fn is_address(&self) -> bool {
        self.host.parse::<std::net::IpAddr>().is_ok()
    }
}

/// The places of all backends by model, in the order of the document; `None` for those that answer in the router.
pub(super) fn settle(
    router: &ir::Router,
    env: impl Fn(&str) -> Option<String>,
) -> Result<Vec<Vec<Option<Place>>>, Vec<Refusal>> {
    let mut unset = BTreeSet::new();
    let mut all = Vec::new();
    for model in &router.models {
        let mut places = Vec::new();
        // Images are made for the HTTP face alone.
        let is_reached = model.makes != ir::Makes::Plugin;
        for backend in model.backends.iter().filter(|_| is_reached) {
            places.push(match &backend.endpoint {
                ir::Endpoint::Echo { .. } => None,
                ir::Endpoint::Http { url, .. } => match place(router, url, &env) {
                    Ok(place) => Some(place),
                    Err(problems) => {
                        unset.extend(problems.into_iter().map(|problem| problem.of(&backend.name)));
                        None
                    }
                },
            });
        }
        all.push(places);
    }
    if unset.is_empty() { Ok(all) } else { Err(unset.into_iter().collect()) }
}

enum Lack {
    Variable(String),
    Address(String),
}

impl Lack {
    fn of(self, backend: &str) -> Refusal {
        let backend = backend.to_owned();
        match self {
            Lack::Variable(variable) => Refusal::Missing { variable, backend },
            Lack::Address(why) => Refusal::Bad { backend, why },
        }
    }
}

fn place(router: &ir::Router, url: &ir::Url, env: &impl Fn(&str) -> Option<String>) -> Result<Place, Vec<Lack>> {
    let settled = match url {
        ir::Url::Baked { .. } => url.clone(),
        ir::Url::Env { base, tls, suffix, replace_path, query } => {
            let base = text(router, base, env)
                .map_err(|missing| missing.into_iter().map(Lack::Variable).collect::<Vec<_>>())?;
            lower::join(&base, *tls, suffix, *replace_path, query.as_deref()).map_err(|why| vec![Lack::Address(why)])?
        }
    };
    let ir::Url::Baked { tls, host, port, authority, path } = settled else {
        unreachable!("what was joined has no variables")
    };
    Ok(Place { tls, host, port, authority, path })
}

/// A text with its variables replaced; else the names of those that are missing.
pub(super) fn text(
    router: &ir::Router,
    text: &ir::Text,
    env: &impl Fn(&str) -> Option<String>,
) -> Result<String, Vec<String>> {
    let pieces = match text {
        ir::Text::Baked(text) => return Ok(text.clone()),
        ir::Text::Env(pieces) => pieces,
    };
    let (mut out, mut missing) = (String::new(), Vec::new());
    for piece in pieces {
        match piece {
            ir::Piece::Literal(literal) => out.push_str(literal),
            ir::Piece::Var(slot) => {
                let var = &router.env[*slot];
                let value = env(&var.name).filter(|value| !(var.empty_is_unset && value.is_empty()));
                match value.or_else(|| var.default.clone()) {
                    Some(value) => out.push_str(&value),
                    None => missing.push(var.name.clone()),
                }
            }
        }
    }
    if missing.is_empty() { Ok(out) } else { Err(missing) }
}
