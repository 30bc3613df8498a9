//! `backend_refs`: names, weights, wire ids, addresses, headers and credentials.

use super::providers::{self, Provider};
use super::{Cx, header, url};
use crate::ast::decode::{Dict, Leaf, nearest};
use crate::ast::node::Span;
use crate::ast::providers::{BackendRef, Model};
use crate::ast::upstream;
use crate::{errors, ir};
use std::collections::BTreeMap;
use std::time::Duration;

/// Names that mean something else to Envoy.
const RESERVED: &[&str] = &["hardwire_extproc", "original_dst"];

/// Why names of different models can be the same.
const HELP: &str = "a backend is known by the name of its model, `_` and its own";

/// The backends of a model.
pub(super) fn all(
    model: &Model,
    model_name: &str,
    protocol: Option<ir::Protocol>,
    cx: &mut Cx<'_>,
) -> Vec<ir::Backend> {
    let mut ids = WireIds::of(model, model_name, cx);
    let mut names: BTreeMap<String, Span> = BTreeMap::new();
    let mut out = Vec::new();
    for (index, item) in model.backend_refs.iter().flat_map(|list| &list.items).enumerate() {
        let own = match &item.name {
            Some(leaf) => cx.name(leaf, "name").unwrap_or_else(|| "?".to_owned()),
            None if index == 0 => "primary".to_owned(),
            None => format!("backend-{}", index + 1),
        };
        let at = item.name.as_ref().map_or(item.span, |leaf| leaf.span);
        if let Some(first) = names.insert(own.clone(), at) {
            cx.sink.report(&errors::DUPLICATE_NAME, at, &["backend", &own]).related(first, "first declared here");
        }
        let full = format!("{model_name}_{own}");
        if RESERVED.contains(&full.as_str()) {
            cx.sink.report(&errors::RESERVED_NAME, at, &["backend", &full]);
        }
        match cx.backends.get(&full) {
            // Of the same model, or of one that has its name, that is told.
            Some((other, first)) if other != model_name => {
                let first = *first;
                let report = cx.sink.report(&errors::DUPLICATE_NAME, at, &["backend", &full]);
                report.related(first, "first declared here").help(HELP.to_owned());
            }
            Some(_) => {}
            None => {
                cx.backends.insert(full.clone(), (model_name.to_owned(), at));
            }
        }
        let weight = item.weight.as_ref().map_or(Some(1), |leaf| cx.number(leaf, "weight", 1..=1_000_000));
        let weight = weight.and_then(|weight| u32::try_from(weight).ok()).unwrap_or(1);
        let kind = cx.fixed_opt(item.kind.as_ref(), "type");
        let who = item.provider.as_ref().map(|leaf| (leaf, cx.fixed(leaf, "provider")));
        let named = who.as_ref().and_then(|(_, name)| name.clone());
        let model_id = ids.take(kind.or_else(|| named.clone()).as_deref().unwrap_or("vllm"));
        let endpoint = match who {
            Some((_, Some(name))) if name == providers::ECHO => echo(item, cx),
            Some((leaf, Some(name))) => match provider(leaf, &name, cx) {
                Some(provider) if speaks(&provider, protocol, leaf.span, cx) => http(item, &provider, protocol, cx),
                // Its paths and headers are not known: nothing more can be said about this backend.
                Some(_) | None => nowhere(),
            },
            Some((_, None)) => nowhere(),
            None => {
                let messages = |provider: &&Provider| provider.name == providers::ANTHROPIC;
                let assumed = match protocol {
                    Some(ir::Protocol::Messages) => providers::REGISTRY.iter().find(messages),
                    Some(ir::Protocol::Chat) | None => providers::REGISTRY.first(),
                };
                http(item, assumed.expect("the registry has both"), protocol, cx)
            }
        };
        out.push(ir::Backend { name: full, weight, model_id, endpoint });
    }
    ids.finish(model_name, cx);
    out
}

/// Stands in for what was reported as broken.
fn nowhere() -> ir::Endpoint {
    ir::Endpoint::Echo { token_delay: Duration::ZERO }
}

/// What the backends of a model call it.
struct WireIds {
    fallback: String,
    /// By type of backend: id, place of the key, whether a backend uses it.
    by_type: BTreeMap<String, (String, Span, bool)>,
    /// Types that some backend has.
    asked: Vec<String>,
}

impl WireIds {
    fn of(model: &Model, name: &str, cx: &mut Cx<'_>) -> WireIds {
        let id = model.provider_model_id.as_ref().and_then(|leaf| cx.name(leaf, "provider_model_id"));
        let mut by_type = BTreeMap::new();
        for (key, leaf) in model.external_model_ids.iter().flat_map(|dict| &dict.entries) {
            let id = cx.name(leaf, &key.text).unwrap_or_default();
            by_type.insert(key.text.clone(), (id, key.span, false));
        }
        WireIds { fallback: id.unwrap_or_else(|| name.to_owned()), by_type, asked: Vec::new() }
    }

    fn take(&mut self, kind: &str) -> String {
        self.asked.push(kind.to_owned());
        let Some((id, _, used)) = self.by_type.get_mut(kind) else { return self.fallback.clone() };
        *used = true;
        id.clone()
    }

    fn finish(self, model: &str, cx: &mut Cx<'_>) {
        for (kind, (_, at, used)) in &self.by_type {
            if !used {
                let near = nearest(kind, self.asked.iter().map(String::as_str));
                let help = near.map(|near| format!("did you mean `{near}`?"));
                cx.sink
                    .report(&errors::UNUSED_MODEL_ID, *at, &[model, kind])
                    .help(Some("a backend's type is its `type`, else its `provider`, else `vllm`".to_owned()))
                    .help(help);
            }
        }
    }
}

fn provider(leaf: &Leaf, name: &str, cx: &mut Cx<'_>) -> Option<Provider> {
    let words: Vec<(&str, Option<Provider>)> = providers::REGISTRY
        .iter()
        .map(|provider| (provider.name, Some(*provider)))
        .chain([(providers::ECHO, None)])
        .collect();
    debug_assert!(name != providers::ECHO, "the echo backend has no registry entry");
    cx.choice(leaf, "provider", &words, upstream::UNSUPPORTED_PROVIDERS)?
}

/// Whether a provider speaks the protocol of the model. Where that could not be read, nobody is to blame.
fn speaks(provider: &Provider, protocol: Option<ir::Protocol>, at: Span, cx: &mut Cx<'_>) -> bool {
    let (said, help) = match protocol {
        Some(ir::Protocol::Chat) if provider.name == providers::ANTHROPIC => (
            "api_format: openai",
            "write `api_format: anthropic` beside `backend_refs`; Anthropic's OpenAI-compatible endpoint is \
             `provider: openai` with `base_url: https://api.anthropic.com/v1`",
        ),
        Some(ir::Protocol::Messages) if provider.name == providers::AZURE => (
            "api_format: anthropic",
            "Claude on Azure is `provider: anthropic` with `base_url: https://NAME.services.ai.azure.com/anthropic`",
        ),
        Some(ir::Protocol::Messages) if !providers::SPEAK_MESSAGES.contains(&provider.name) => (
            "api_format: anthropic",
            "whoever else speaks Anthropic's protocol is `provider: anthropic` with a `base_url`",
        ),
        _ => return true,
    };
    cx.sink.report(&errors::PROVIDER_PROTOCOL, at, &[provider.name, said]).help(help.to_owned());
    false
}

/// The backend that answers in this process takes nothing that concerns a network.
fn echo(item: &BackendRef, cx: &mut Cx<'_>) -> ir::Endpoint {
    for (leaf, key) in [
        (&item.endpoint, "endpoint"),
        (&item.base_url, "base_url"),
        (&item.protocol, "protocol"),
        (&item.auth_header, "auth_header"),
        (&item.auth_prefix, "auth_prefix"),
        (&item.api_version, "api_version"),
        (&item.chat_path, "chat_path"),
        (&item.api_key, "api_key"),
        (&item.api_key_env, "api_key_env"),
    ] {
        cx.no_effect(leaf.as_ref(), key, "with `provider: echo`");
    }
    if let Some(headers) = &item.extra_headers {
        cx.sink.report(&errors::KEY_WITHOUT_EFFECT, headers.span, &["extra_headers", "with `provider: echo`"]);
    }
    let delay = item.token_delay.as_ref().and_then(|leaf| cx.any_duration(leaf, "token_delay"));
    ir::Endpoint::Echo { token_delay: delay.unwrap_or_default() }
}

fn http(item: &BackendRef, provider: &Provider, protocol: Option<ir::Protocol>, cx: &mut Cx<'_>) -> ir::Endpoint {
    cx.no_effect(item.token_delay.as_ref(), "token_delay", "without `provider: echo`");
    let auth = auth(item, provider, cx);
    let headers = headers(item.extra_headers.as_ref(), auth.as_ref().map(|auth| auth.header.as_str()), cx);
    match url::lower(item, provider, protocol.unwrap_or(ir::Protocol::Chat), cx) {
        Some(url) => {
            if let (Some(_), ir::Url::Baked { tls: false, host, .. }) = (&auth, &url)
                && url::is_public(host)
            {
                let at = item.base_url.as_ref().or(item.endpoint.as_ref()).map_or(item.span, |leaf| leaf.span);
                cx.sink.report(&errors::KEY_IN_THE_CLEAR, at, &[host]);
            }
            ir::Endpoint::Http { url, headers, auth }
        }
        None => nowhere(),
    }
}

fn auth(item: &BackendRef, provider: &Provider, cx: &mut Cx<'_>) -> Option<ir::Auth> {
    let header = item.auth_header.as_ref().map(|leaf| {
        let text = cx.fixed(leaf, "auth_header")?;
        header::name(&text, leaf.span, cx)
    });
    let prefix = item.auth_prefix.as_ref().map(|leaf| {
        let text = cx.fixed(leaf, "auth_prefix")?;
        header::check("auth_prefix", &[&text], leaf.span, cx).then_some(text)
    });
    let key = match (&item.api_key, &item.api_key_env) {
        (Some(key), Some(env)) => {
            let keys = ["api_key", "api_key_env"];
            cx.sink.report(&errors::CONFLICTING_KEYS, env.span, &keys).related(key.span, "`api_key` is here");
            None
        }
        (Some(leaf), None) => Some(cx.secret(leaf, "api_key")?),
        (None, Some(leaf)) => Some(key_env(leaf, cx)?),
        (None, None) => {
            cx.no_effect(item.auth_header.as_ref(), "auth_header", "without a key");
            cx.no_effect(item.auth_prefix.as_ref(), "auth_prefix", "without a key");
            None
        }
    }?;
    let prefix = prefix.unwrap_or_else(|| Some(provider.auth_prefix.to_owned()))?;
    Some(ir::Auth {
        header: header.unwrap_or_else(|| Some(provider.auth_header.to_owned()))?,
        prefix: prefix.trim().to_owned(),
        key,
    })
}

/// The variable that holds a key.
pub(super) fn key_env(leaf: &Leaf, cx: &mut Cx<'_>) -> Option<ir::Text> {
    if !super::env::is_name(&leaf.text) {
        // Not repeated in the message: it may well be the secret itself.
        cx.sink.report(&errors::BAD_ENV_NAME, leaf.span, &["api_key_env"]);
        return None;
    }
    let var = super::env::Var { name: leaf.text.clone(), default: None, empty_is_unset: true };
    let wanted_by = cx.paths.at(leaf.span);
    Some(ir::Text::Env(vec![ir::Piece::Var(cx.env.slot(&var, true, wanted_by))]))
}

fn headers(dict: Option<&Dict<Leaf>>, auth: Option<&str>, cx: &mut Cx<'_>) -> Vec<(String, ir::Text)> {
    let mut seen: BTreeMap<String, Span> = BTreeMap::new();
    let mut out = Vec::new();
    for (key, leaf) in dict.iter().flat_map(|dict| &dict.entries) {
        let Some(name) = header::name(&key.text, key.span, cx) else { continue };
        if auth == Some(name.as_str()) {
            let why = "the backend's key is sent in it: remove one of the two";
            cx.sink.report(&errors::RESERVED_HEADER, key.span, &[&key.text, why]);
        }
        if header::is_router_own(&name) {
            cx.sink.report(&errors::RESERVED_HEADER, key.span, &[&key.text, "remove it"]);
        }
        if let Some(first) = seen.insert(name.clone(), key.span) {
            cx.sink.report(&errors::DUPLICATE_NAME, key.span, &["header", &name]).related(first, "first declared here");
        }
        if let Some(value) = header::value(&name, leaf, cx) {
            out.push((name, value));
        }
    }
    out
}
