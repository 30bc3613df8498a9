//! Addresses: `endpoint` or `base_url`, `protocol`, `chat_path` and `api_version` to the parts of a URL.

use super::Cx;
use super::env::Part;
use super::providers::{self, Provider};
use crate::ast::decode::Leaf;
use crate::ast::providers::BackendRef;
use crate::{errors, ir};
use url::{Host, Url};

/// Path of a server that speaks OpenAI's protocol at its root.
const ROOT_PATH: &str = "/v1/chat/completions";

/// Paths behind the `base_url` of the plugin `image_gen`, by what the backend speaks: vLLM Omni, OpenAI.
pub(super) const IMAGE_PATHS: [&str; 2] = [ROOT_PATH, "/v1/images/generations"];

/// Where the requests of a plugin go: a path of these behind its `base_url`.
pub(super) fn image(leaf: &Leaf, suffix: &str, cx: &mut Cx<'_>) -> Option<ir::Url> {
    let parts = cx.parts(leaf)?;
    if let [Part::Literal(text)] = parts.as_slice() {
        let address = address(text, true, None).map_err(|why| bad(leaf, true, &why, cx)).ok()?;
        return Some(baked(&address, suffix, None, false));
    }
    check_env(leaf, &parts, true, None, cx);
    let base = cx.text(leaf, false)?;
    Some(ir::Url::Env { base, tls: false, suffix: suffix.to_owned(), replace_path: false, query: None })
}

const OPENAI: &str = "api.openai.com";

/// Whether a name looks like one of the public internet. Names within a cluster or a company have dots too.
pub(super) fn is_public(host: &str) -> bool {
    let labels: Vec<&str> = host.trim_end_matches('.').split('.').collect();
    match labels.last() {
        Some(&("com" | "org" | "net" | "io")) => labels.len() > 1,
        Some(&("ai" | "dev" | "app" | "cloud")) => labels.len() > 2,
        _ => false,
    }
}

/// Where the requests of a backend go.
pub(super) fn lower(
    item: &BackendRef,
    provider: &Provider,
    protocol: ir::Protocol,
    cx: &mut Cx<'_>,
) -> Option<ir::Url> {
    let chat_path = match &item.chat_path {
        Some(leaf) => Some(path(leaf, "chat_path", cx)?),
        None => None,
    };
    let version = version(item, provider, cx);
    let tls = match &item.protocol {
        Some(leaf) => cx.choice(leaf, "protocol", &[("http", Some(false)), ("https", Some(true))], &[])?,
        None => None,
    };
    let (from_root, from_base) = match protocol {
        ir::Protocol::Chat => (ROOT_PATH, provider.suffix),
        ir::Protocol::Messages => (providers::MESSAGES, providers::MESSAGES),
    };
    let (leaf, suffix, is_base) = match (&item.base_url, &item.endpoint) {
        (Some(base), Some(endpoint)) => {
            let keys = ["endpoint", "base_url"];
            cx.sink.report(&errors::CONFLICTING_KEYS, base.span, &keys).related(endpoint.span, "`endpoint` is here");
            return None;
        }
        (None, None) => {
            match provider.needs_base_url {
                Some(example) => {
                    let at = item.provider.as_ref().map_or(item.span, |leaf| leaf.span);
                    cx.sink.report(&errors::NEEDS_BASE_URL, at, &[provider.name, example]);
                }
                None => {
                    cx.sink.report(&errors::NO_ADDRESS, item.span, &[]);
                }
            }
            return None;
        }
        (None, Some(endpoint)) => {
            if let Some(example) = provider.needs_base_url {
                cx.sink.report(&errors::NEEDS_BASE_URL, endpoint.span, &[provider.name, example]);
                return None;
            }
            (endpoint, from_root, false)
        }
        (Some(base), None) => (base, from_base, true),
    };
    let parts = cx.parts(leaf)?;
    if is_base && provider.name == providers::AZURE && item.api_version.is_none() && leaf.text.contains("/deployments/")
    {
        cx.sink.report(&errors::NEEDS_API_VERSION, leaf.span, &[]);
    }
    let (suffix, replace_path) = match &chat_path {
        Some(path) => (path.as_str(), true),
        None => (suffix, false),
    };
    let (suffix, query) = with_version(suffix, version.as_deref());
    if let [Part::Literal(text)] = parts.as_slice() {
        let address = address(text, is_base, tls).map_err(|why| bad(leaf, is_base, &why, cx)).ok()?;
        check_protocol(item, tls, &address, cx);
        if address.host_str() == Some(OPENAI) && is_base && !replace_path && address.path() == "/" {
            cx.sink.report(&errors::NO_BASE_PATH, leaf.span, &[OPENAI, &suffix]);
        }
        return Some(baked(&address, &suffix, query.as_deref(), replace_path));
    }
    check_env(leaf, &parts, is_base, tls, cx);
    let base = cx.text(leaf, false)?;
    Some(ir::Url::Env { base, tls: tls.unwrap_or(false), suffix, replace_path, query })
}

/// A path that begins with a slash, perhaps with a query.
pub(super) fn path(leaf: &Leaf, key: &str, cx: &mut Cx<'_>) -> Option<String> {
    let text = cx.fixed(leaf, key)?;
    let why = if !text.starts_with('/') {
        "it must begin with a slash"
    } else if text.contains('#') {
        "it has a fragment, which is never sent"
    } else if !text.bytes().all(|b| b.is_ascii_graphic()) {
        "spaces and characters beyond ASCII must be percent-encoded"
    } else {
        return Some(text);
    };
    cx.sink.report(&errors::BAD_PATH, leaf.span, &[key, why]);
    None
}

fn version(item: &BackendRef, provider: &Provider, cx: &mut Cx<'_>) -> Option<String> {
    let leaf = item.api_version.as_ref()?;
    if provider.name != providers::AZURE {
        cx.no_effect(Some(leaf), "api_version", "without `provider: azure-openai`");
        return None;
    }
    let text = cx.fixed(leaf, "api_version")?;
    let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
    if !plain {
        let help = "as in `api_version: \"2024-10-21\"`".to_owned();
        cx.sink.report(&errors::UNKNOWN_VALUE, leaf.span, &["api_version", &text]).help(help);
    }
    plain.then_some(text)
}

/// Takes the query off a path and puts the version to it.
fn with_version(path: &str, version: Option<&str>) -> (String, Option<String>) {
    let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
    let version = version.map(|version| format!("api-version={version}"));
    let all: Vec<&str> = query.into_iter().chain(version.as_deref()).collect();
    (path.to_owned(), (!all.is_empty()).then(|| all.join("&")))
}

/// Reads an address; what is wrong with it follows "that can be used:".
fn address(text: &str, is_base: bool, tls: Option<bool>) -> Result<Url, String> {
    let has_scheme = text.contains("://");
    if is_base && !has_scheme {
        return Err("it has no scheme; write `https://` before it".to_owned());
    }
    let scheme = if tls == Some(true) { "https" } else { "http" };
    let whole = if has_scheme { text.to_owned() } else { format!("{scheme}://{text}") };
    if whole.contains(char::is_whitespace) || whole.contains(char::is_control) {
        return Err("it has white space in it".to_owned());
    }
    let url = Url::parse(&whole).map_err(|error| error.to_string())?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("`{}` is neither `http` nor `https`", url.scheme()));
    }
    if url.host().is_none() {
        return Err("it has no host".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it has a user or password in it, which would be readable in the binary".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("it has a query or fragment in it".to_owned());
    }
    if url.port() == Some(0) {
        return Err("port 0 is none".to_owned());
    }
    if !is_base && !matches!(url.path(), "" | "/") {
        return Err("it has a path; write `base_url` in place of `endpoint`".to_owned());
    }
    Ok(url)
}

fn bad(leaf: &Leaf, is_base: bool, why: &str, cx: &mut Cx<'_>) {
    let key = if is_base { "base_url" } else { "endpoint" };
    cx.sink.report(&errors::BAD_URL, leaf.span, &[key, why]);
    if leaf.text.contains(['?', '#', '@']) {
        cx.sink.hide([leaf.span]);
    }
}

fn check_protocol(item: &BackendRef, tls: Option<bool>, address: &Url, cx: &mut Cx<'_>) {
    if let (Some(leaf), Some(tls)) = (&item.protocol, tls)
        && tls != (address.scheme() == "https")
    {
        let address = item.base_url.as_ref().or(item.endpoint.as_ref());
        let diagnostic = cx.sink.report(&errors::PROTOCOL_CONFLICT, leaf.span, &[&leaf.text]);
        if let Some(address) = address {
            diagnostic.related(address.span, "the address");
        }
    }
}

/// Joins an address that was put together from the environment with what the document says of it, as the router does when
/// it starts. What is wrong with it follows "cannot be used:".
pub(crate) fn join(
    base: &str,
    tls: bool,
    suffix: &str,
    replace_path: bool,
    query: Option<&str>,
) -> Result<ir::Url, String> {
    let scheme = if base.contains("://") { "" } else { ["http://", "https://"][usize::from(tls)] };
    let address = address(&format!("{scheme}{base}"), true, None)?;
    Ok(baked(&address, suffix, query, replace_path))
}

fn baked(address: &Url, suffix: &str, query: Option<&str>, replace_path: bool) -> ir::Url {
    let tls = address.scheme() == "https";
    let host = match address.host() {
        Some(Host::Ipv6(ip)) => ip.to_string(),
        _ => address.host_str().unwrap_or_default().to_owned(),
    };
    let host_header = address.host_str().unwrap_or_default();
    let base = if replace_path { "" } else { under(address.path(), suffix) };
    let query = query.map_or_else(String::new, |query| format!("?{query}"));
    ir::Url::Baked {
        tls,
        host,
        port: address.port_or_known_default().unwrap_or(if tls { 443 } else { 80 }),
        authority: address.port().map_or_else(|| host_header.to_owned(), |port| format!("{host_header}:{port}")),
        path: format!("{base}{suffix}{query}"),
    }
}

/// The path before `suffix`. Who copies an address from somewhere may have copied the path of the endpoint with it, or a part
/// of that: it is not said twice.
fn under<'p>(path: &'p str, suffix: &str) -> &'p str {
    let path = path.trim_end_matches('/');
    let whole = path.strip_suffix(suffix);
    let version = || path.strip_suffix("/v1").filter(|_| suffix.starts_with("/v1/"));
    whole.or_else(version).unwrap_or(path).trim_end_matches('/')
}

/// Checks what can be known of an address that names variables: the whole where each has a default, else how it begins.
fn check_env(leaf: &Leaf, parts: &[Part], is_base: bool, tls: Option<bool>, cx: &mut Cx<'_>) {
    let whole: Option<String> = parts
        .iter()
        .map(|part| match part {
            Part::Literal(text) => Some(text.as_str()),
            Part::Var(var) => var.default.as_deref(),
        })
        .collect();
    if let Some(whole) = whole.filter(|whole| !whole.is_empty()) {
        if let Err(why) = address(&whole, is_base, tls) {
            bad(leaf, is_base, &why, cx);
        }
        return;
    }
    let literals: Vec<&str> = parts
        .iter()
        .filter_map(|part| if let Part::Literal(text) = part { Some(text.as_str()) } else { None })
        .collect();
    let first = match parts.first() {
        Some(Part::Literal(text)) => Some(text.as_str()),
        _ => None,
    };
    let why = if literals.iter().any(|text| text.contains(char::is_whitespace)) {
        "it has white space in it"
    } else if literals.iter().any(|text| text.contains(['?', '#', '@'])) {
        "it has a query, a fragment or a user in it"
    } else if first
        .is_some_and(|text| text.contains("://") && !text.starts_with("http://") && !text.starts_with("https://"))
    {
        "its scheme is neither `http` nor `https`"
    } else {
        return;
    };
    bad(leaf, is_base, why, cx);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn join(text: &str, is_base: bool, tls: Option<bool>, path: &str, version: Option<&str>, replace: bool) -> String {
        let (suffix, query) = with_version(path, version);
        match address(text, is_base, tls).map(|url| baked(&url, &suffix, query.as_deref(), replace)) {
            Ok(ir::Url::Baked { tls, host, port, authority, path }) => {
                format!("{} {host} {port} {authority} {path}", if tls { "https" } else { "http" })
            }
            Ok(other) => format!("{other:?}"),
            Err(why) => why,
        }
    }

    #[test]
    fn base_urls() {
        let chat = "/chat/completions";
        for (text, expected) in [
            ("https://api.openai.com/v1", "https api.openai.com 443 api.openai.com /v1/chat/completions"),
            ("https://api.openai.com/v1/", "https api.openai.com 443 api.openai.com /v1/chat/completions"),
            ("http://h:8080", "http h 8080 h:8080 /chat/completions"),
            ("https://h/v1/chat/completions", "https h 443 h /v1/chat/completions"),
            ("https://h:443/a/b//", "https h 443 h /a/b/chat/completions"),
            ("http://[::1]:9/v1", "http ::1 9 [::1]:9 /v1/chat/completions"),
            ("https://bücher.example/v1", "https xn--bcher-kva.example 443 xn--bcher-kva.example /v1/chat/completions"),
            ("api.openai.com/v1", "it has no scheme; write `https://` before it"),
            ("ftp://h/v1", "`ftp` is neither `http` nor `https`"),
            ("https://u:p@h/v1", "it has a user or password in it, which would be readable in the binary"),
            ("https://h/v1?x=1", "it has a query or fragment in it"),
            ("https://h/v1#x", "it has a query or fragment in it"),
            ("https://h h/v1", "it has white space in it"),
            ("https://h:99999/v1", "invalid port number"),
            ("https://", "empty host"),
            ("http://h:0/", "port 0 is none"),
        ] {
            assert_eq!(join(text, true, None, chat, None, false), expected, "{text}");
        }
    }

    #[test]
    fn messages_are_said_once() {
        for (base, expected) in [
            ("https://api.anthropic.com", "/v1/messages"),
            ("https://api.anthropic.com/", "/v1/messages"),
            ("https://api.anthropic.com/v1", "/v1/messages"),
            ("https://api.anthropic.com/v1/messages/", "/v1/messages"),
            ("https://r.services.ai.azure.com/anthropic", "/anthropic/v1/messages"),
            ("https://r.services.ai.azure.com/anthropic/v1/", "/anthropic/v1/messages"),
            ("https://h/dev1", "/dev1/v1/messages"),
            ("https://h/messages", "/messages/v1/messages"),
        ] {
            let joined = join(base, true, None, providers::MESSAGES, None, false);
            assert_eq!(joined.rsplit(' ').next(), Some(expected), "{base}");
        }
        let whole = join("https://h/v1", true, None, "/proxy/claude", None, true);
        assert_eq!(whole, "https h 443 h /proxy/claude");
    }

    #[test]
    fn endpoints() {
        for (text, tls, expected) in [
            ("10.0.0.5:8000", None, "http 10.0.0.5 8000 10.0.0.5:8000 /v1/chat/completions"),
            ("10.0.0.5", None, "http 10.0.0.5 80 10.0.0.5 /v1/chat/completions"),
            ("vllm", Some(true), "https vllm 443 vllm /v1/chat/completions"),
            ("https://vllm:8443", None, "https vllm 8443 vllm:8443 /v1/chat/completions"),
            ("[::1]:8000", Some(false), "http ::1 8000 [::1]:8000 /v1/chat/completions"),
            ("h:1/v1", None, "it has a path; write `base_url` in place of `endpoint`"),
        ] {
            assert_eq!(join(text, false, tls, ROOT_PATH, None, false), expected, "{text}");
        }
    }

    #[test]
    fn versions_and_whole_paths() {
        let azure = "https://r.openai.azure.com/openai/deployments/gpt-4o";
        let with = |path, version, replace| join(azure, true, None, path, version, replace);
        let host = "https r.openai.azure.com 443 r.openai.azure.com";
        assert_eq!(
            with("/chat/completions", Some("2024-10-21"), false),
            format!("{host} /openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21")
        );
        assert_eq!(with("/x/chat", Some("v"), true), format!("{host} /x/chat?api-version=v"));
        assert_eq!(with("/x?a=b", Some("v"), true), format!("{host} /x?a=b&api-version=v"));
        assert_eq!(with("/x?a=b", None, true), format!("{host} /x?a=b"));
    }
}
