//! `routing.decisions[].plugins`: each by its type, switched-off ones checked and then left out.

use super::{Cx, header, images};
use crate::ast::decode::{Decode, Leaf, List};
use crate::ast::node::{Node, Span};
use crate::ast::plugins::{FastResponse, Header, HeaderMutation, ImageGen, Plugin, RequestParams, SystemPrompt, Tools};
use crate::ast::secret::is_secret_header;
use crate::ast::{upstream, verdicts};
use crate::{errors, ir};
use std::collections::BTreeMap;

/// Fields without which a request is none, or not the client's any more.
const NEEDED: &[&str] = &["messages", "model", "stream"];

#[derive(Debug, Clone, Copy)]
enum Kind {
    FastResponse,
    RequestParams,
    Tools,
    SystemPrompt,
    HeaderMutation,
    ImageGen,
}

const KINDS: &[(&str, Kind)] = &[
    ("fast_response", Kind::FastResponse),
    ("request_params", Kind::RequestParams),
    ("tools", Kind::Tools),
    ("system_prompt", Kind::SystemPrompt),
    ("header_mutation", Kind::HeaderMutation),
    ("image_gen", Kind::ImageGen),
];

/// The plugins of a decision; who makes images is settled with its models.
pub(super) fn lower(list: Option<&List<Plugin>>, cx: &mut Cx<'_>) -> (ir::Plugins, Option<images::Plugin>) {
    let mut image_gen = None;
    let mut out = ir::Plugins::default();
    let mut seen: BTreeMap<&str, Span> = BTreeMap::new();
    for item in list.iter().flat_map(|list| &list.items) {
        let leaf = cx.required(item.kind.as_ref(), "the plugin", "type", (item.span, item.whole));
        if item.configuration.is_none() && item.whole {
            cx.sink.report(&errors::MISSING_KEY, item.span, &["the plugin", "configuration"]);
        }
        let Some(leaf) = leaf else { continue };
        let off = |node: &Node| verdicts::is_off(node, &["enabled"], true);
        if upstream::UNSUPPORTED_PLUGINS.contains(&leaf.text.as_str())
            && item.configuration.as_ref().is_some_and(|configuration| off(&configuration.0))
        {
            let what = [leaf.text.as_str(), "of use only where it is on: remove it"];
            cx.sink.report(&errors::SWITCHED_OFF, leaf.span, &what);
            continue;
        }
        let Some(kind) = cx.choice(leaf, "type", KINDS, upstream::UNSUPPORTED_PLUGINS) else { continue };
        if let Some(first) = seen.insert(&leaf.text, leaf.span) {
            let what = ["plugin", leaf.text.as_str()];
            cx.sink.report(&errors::DUPLICATE_NAME, leaf.span, &what).related(first, "first declared here");
        }
        let Some(node) = item.configuration.as_ref().map(|configuration| &configuration.0) else { continue };
        match kind {
            Kind::FastResponse => {
                let section = FastResponse::decode(node, "configuration", cx.sink);
                out.fast_response = section.and_then(|section| fast_response(&section, cx));
            }
            Kind::RequestParams => {
                let section = RequestParams::decode(node, "configuration", cx.sink);
                out.request_params = section.map(|section| request_params(&section, cx));
            }
            Kind::Tools => {
                let section = Tools::decode(node, "configuration", cx.sink);
                out.tools = section.and_then(|section| tools(&section, cx));
            }
            Kind::SystemPrompt => {
                let section = SystemPrompt::decode(node, "configuration", cx.sink);
                out.system_prompt = section.and_then(|section| system_prompt(&section, cx));
            }
            Kind::HeaderMutation => {
                let section = HeaderMutation::decode(node, "configuration", cx.sink);
                out.headers = section.map(|section| headers(&section, cx)).unwrap_or_default();
            }
            Kind::ImageGen => {
                let section = ImageGen::decode(node, "configuration", cx.sink);
                image_gen = section.and_then(|section| images::plugin(&section, leaf.span, cx));
            }
        }
    }
    if let (Some(_), Some(at)) = (&out.fast_response, seen.get("fast_response")) {
        for (other, place) in seen.iter().filter(|(other, _)| **other != "fast_response") {
            let arguments = [*other, "beside `fast_response`"];
            cx.sink.report(&errors::KEY_WITHOUT_EFFECT, *place, &arguments).related(*at, "no backend is asked");
        }
    }
    (out, image_gen)
}

fn fast_response(section: &FastResponse, cx: &mut Cx<'_>) -> Option<String> {
    let leaf = cx.required(section.message.as_ref(), "the plugin", "message", (section.span, section.whole))?;
    said(leaf, "message", cx)
}

fn system_prompt(section: &SystemPrompt, cx: &mut Cx<'_>) -> Option<ir::SystemPrompt> {
    let enabled = cx.flag(section.enabled.as_ref(), "enabled", true);
    let modes = [("insert", false), ("replace", true)];
    let mode = section.mode.as_ref().map_or(Some(false), |leaf| cx.choice(leaf, "mode", &modes, &[]));
    let at = (section.span, section.whole);
    let leaf = cx.required(section.system_prompt.as_ref(), "the plugin", "system_prompt", at)?;
    let text = said(leaf, "system_prompt", cx)?;
    let replace = mode?;
    enabled.then_some(ir::SystemPrompt { replace, text })
}

/// A text for the model or the client: not nothing.
fn said(leaf: &Leaf, key: &str, cx: &mut Cx<'_>) -> Option<String> {
    let text = cx.fixed(leaf, key)?;
    if text.trim().is_empty() {
        cx.sink.report(&errors::EMPTY_STRING, leaf.span, &[key]);
        return None;
    }
    Some(text)
}

fn request_params(section: &RequestParams, cx: &mut Cx<'_>) -> ir::RequestParams {
    let blocked = names(section.blocked_params.as_ref(), "blocked_params", "parameter", cx);
    for leaf in section.blocked_params.iter().flat_map(|list| &list.items) {
        if NEEDED.contains(&leaf.text.as_str()) {
            cx.sink.report(&errors::NEEDED_PARAM, leaf.span, &[&leaf.text]);
        }
    }
    let mut bound = |leaf: Option<&Leaf>, key| {
        let most = leaf.and_then(|leaf| cx.number(leaf, key, 1..=1_000_000_000));
        most.and_then(|most| u64::try_from(most).ok())
    };
    let max_tokens = bound(section.max_tokens_limit.as_ref(), "max_tokens_limit");
    let max_n = bound(section.max_n.as_ref(), "max_n");
    let strip_unknown = cx.flag(section.strip_unknown.as_ref(), "strip_unknown", false);
    let params = ir::RequestParams { blocked, max_tokens, max_n, strip_unknown };
    if section.whole && params == ir::RequestParams::default() {
        cx.sink.report(
            &errors::PLUGIN_DOES_NOTHING,
            section.span,
            &["request_params", "nothing is blocked or bounded"],
        );
    }
    params
}

fn tools(section: &Tools, cx: &mut Cx<'_>) -> Option<ir::ToolPolicy> {
    #[derive(Clone, Copy, PartialEq)]
    enum Mode {
        None,
        Passthrough,
        Filtered,
    }
    let enabled = cx.flag(section.enabled.as_ref(), "enabled", true);
    let modes = [("none", Mode::None), ("passthrough", Mode::Passthrough), ("filtered", Mode::Filtered)];
    let mode = section.mode.as_ref().map_or(Some(Mode::Passthrough), |leaf| cx.choice(leaf, "mode", &modes, &[]))?;
    let allow = names(section.allow_tools.as_ref(), "allow_tools", "tool", cx);
    let block = names(section.block_tools.as_ref(), "block_tools", "tool", cx);
    let history = cx.flag(section.strip_tool_history.as_ref(), "strip_tool_history", false);
    if mode != Mode::Filtered {
        for (list, key) in [(&section.allow_tools, "allow_tools"), (&section.block_tools, "block_tools")] {
            if let Some(list) = list {
                cx.sink.report(&errors::KEY_WITHOUT_EFFECT, list.span, &[key, "without `mode: filtered`"]);
            }
        }
    } else if allow.is_empty() && block.is_empty() && section.whole {
        let why = "`mode: filtered` names no tools";
        cx.sink.report(&errors::PLUGIN_DOES_NOTHING, section.span, &["tools", why]);
    }
    if mode != Mode::None && history {
        cx.no_effect(section.strip_tool_history.as_ref(), "strip_tool_history", "without `mode: none`");
    }
    let policy = match mode {
        Mode::None => Some(ir::ToolPolicy::Remove { history }),
        Mode::Passthrough => None,
        Mode::Filtered => Some(ir::ToolPolicy::Filter { allow, block }),
    };
    policy.filter(|_| enabled)
}

/// A list of names, none of them twice.
fn names(list: Option<&List<Leaf>>, key: &str, what: &str, cx: &mut Cx<'_>) -> Vec<String> {
    let mut seen: BTreeMap<String, Span> = BTreeMap::new();
    let mut out = Vec::new();
    for leaf in list.iter().flat_map(|list| &list.items) {
        let Some(name) = cx.name(leaf, key) else { continue };
        if let Some(first) = seen.insert(name.clone(), leaf.span) {
            cx.sink.report(&errors::DUPLICATE_NAME, leaf.span, &[what, &name]).related(first, "first declared here");
        } else {
            out.push(name);
        }
    }
    out
}

fn headers(section: &HeaderMutation, cx: &mut Cx<'_>) -> Vec<ir::HeaderChange> {
    let mut seen: BTreeMap<String, Span> = BTreeMap::new();
    let mut out = Vec::new();
    let mut once = |name: &str, at: Span, cx: &mut Cx<'_>| {
        if let Some(first) = seen.insert(name.to_owned(), at) {
            cx.sink.report(&errors::DUPLICATE_NAME, at, &["header", name]).related(first, "first declared here");
        }
    };
    for leaf in section.delete.iter().flat_map(|list| &list.items) {
        if let Some(name) = header_name(leaf, cx) {
            once(&name, leaf.span, cx);
            out.push(ir::HeaderChange::Remove(name));
        }
    }
    for (list, beside) in [(&section.update, false), (&section.add, true)] {
        for item in list.iter().flat_map(|list| &list.items) {
            let Some((at, name, value)) = header_item(item, cx) else { continue };
            once(&name, at, cx);
            out.push(if beside { ir::HeaderChange::Add(name, value) } else { ir::HeaderChange::Set(name, value) });
        }
    }
    if section.whole && section.add.is_none() && section.update.is_none() && section.delete.is_none() {
        cx.sink.report(&errors::PLUGIN_DOES_NOTHING, section.span, &["header_mutation", "no header is named"]);
    }
    out
}

fn header_item(item: &Header, cx: &mut Cx<'_>) -> Option<(Span, String, String)> {
    let at = (item.span, item.whole);
    let name = cx.required(item.name.as_ref(), "the header", "name", at);
    let value = cx.required(item.value.as_ref(), "the header", "value", at);
    let name = name.and_then(|leaf| Some((leaf.span, header_name(leaf, cx)?)));
    let shown = name.as_ref().map_or("value", |(_, name)| name.as_str()).to_owned();
    let value = value.and_then(|leaf| {
        let text = cx.fixed(leaf, "value")?;
        if let Some(bad) = text.chars().find(|c| !c.is_ascii_graphic() && *c != ' ' && *c != '\t') {
            let label = format!("has the character U+{:04X}; visible ASCII can be sent", u32::from(bad));
            cx.sink.report(&errors::BAD_HEADER_VALUE, leaf.span, &[&shown, &label]);
            return None;
        }
        Some(text.trim().to_owned())
    });
    let (span, name) = name?;
    Some((span, name, value?))
}

/// A name that a decision may have a say in: no header of the connection, of the body, of the router itself, and none that
/// carries a credential.
fn header_name(leaf: &Leaf, cx: &mut Cx<'_>) -> Option<String> {
    let text = cx.fixed(leaf, "name")?;
    let name = header::name(&text, leaf.span, cx)?;
    let why = if is_secret_header(&name) {
        "credentials belong to the backend: `api_key`, `auth_header`"
    } else if header::is_router_own(&name) || name.starts_with("x-vsr-") {
        "remove it"
    } else {
        return Some(name);
    };
    cx.sink.report(&errors::RESERVED_HEADER, leaf.span, &[&text, why]);
    None
}
