//! `listeners` and `global.services.management_api`: addresses and ports.

use super::Cx;
use crate::ast::decode::{Leaf, List};
use crate::ast::global::Global;
use crate::ast::listeners::Listener;
use crate::ast::node::Span;
use crate::{errors, ir};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(300);

/// The ingress listeners, each with the place of its port.
pub(super) fn ingress(list: Option<&List<Listener>>, cx: &mut Cx<'_>) -> Vec<(ir::Listener, Span)> {
    let Some(list) = list else {
        let address = Ipv4Addr::UNSPECIFIED.to_string();
        let public =
            ir::Listener { name: "public".into(), address, port: 8801, timeout: TIMEOUT, api_keys: Vec::new() };
        return vec![(public, Span::default())];
    };
    if list.written == 0 {
        cx.sink.report(&errors::EMPTY_STRING, list.span, &["listeners"]);
    }
    let mut names = BTreeMap::new();
    let mut out: Vec<(ir::Listener, Span)> = Vec::new();
    for (index, item) in list.items.iter().enumerate() {
        let name = match &item.name {
            None => format!("listener-{}", index + 1),
            Some(leaf) => cx.name(leaf, "name").unwrap_or_default(),
        };
        let at = item.name.as_ref().map_or(item.span, |leaf| leaf.span);
        if let Some(first) = names.insert(name.clone(), at).filter(|_| !name.is_empty()) {
            cx.sink.report(&errors::DUPLICATE_NAME, at, &["listener", &name]).related(first, "first declared here");
        }
        let address = address(item.address.as_ref(), "address", Ipv4Addr::UNSPECIFIED.into(), cx);
        let port = cx.required(item.port.as_ref(), "the listener", "port", (item.span, item.whole));
        let port_at = port.map_or(item.span, |leaf| leaf.span);
        let port = port.and_then(|leaf| port_number(leaf, cx));
        if let (Some(address), Some(port)) = (address, port) {
            taken(address, port, port_at, &out, cx);
        }
        let timeout = cx.duration(item.timeout.as_ref(), "timeout", TIMEOUT);
        let keys = item.api_keys.iter().flat_map(|keys| &keys.items);
        let api_keys = keys.filter_map(|leaf| cx.secret(leaf, "api_keys")).collect();
        let address = address.map_or_else(String::new, |address| address.to_string());
        out.push((ir::Listener { name, address, port: port.unwrap_or_default(), timeout, api_keys }, port_at));
    }
    out
}

/// Address and port of the apiserver.
pub(super) fn management(global: Option<&Global>, ingress: &[(ir::Listener, Span)], cx: &mut Cx<'_>) -> (String, u16) {
    const PORT: u16 = 8080;
    let local = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let section = global.and_then(|global| global.services.as_ref()).and_then(|s| s.management_api.as_ref());
    if let Some(mode) = section.and_then(|section| section.auth.as_ref()).and_then(|auth| auth.mode.as_ref()) {
        cx.choice(mode, "mode", &[("disabled", ())], &["bearer"]);
    }
    let address = address(section.and_then(|s| s.bind_address.as_ref()), "bind_address", local, cx);
    let leaf = section.and_then(|s| s.port.as_ref());
    let port = leaf.map_or(Some(PORT), |leaf| port_number(leaf, cx));
    if let (Some(address), Some(port)) = (address, port) {
        // Where it has no key of its own, the listener's is the one to change.
        let at = leaf.map(|leaf| leaf.span);
        if let Some((_, other)) = ingress.iter().find(|(other, _)| overlap(address, port, other)) {
            let here = at.unwrap_or(*other);
            let label = if at.is_some() { "the apiserver" } else { "the apiserver listens here by default" };
            cx.sink
                .report(&errors::ADDRESS_TAKEN, here, &[&socket(address, port)])
                .label(label)
                .help(Some("the apiserver is moved with `global.services.management_api.port`".to_owned()));
        }
    }
    (address.unwrap_or(local).to_string(), port.unwrap_or(PORT))
}

pub(super) fn address(leaf: Option<&Leaf>, key: &str, default: IpAddr, cx: &mut Cx<'_>) -> Option<IpAddr> {
    let Some(leaf) = leaf else { return Some(default) };
    let text = cx.fixed(leaf, key)?;
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(&text);
    let address = bare.parse().ok();
    if address.is_none() {
        cx.sink.report(&errors::BAD_ADDRESS, leaf.span, &[&text]);
    }
    address
}

pub(super) fn port_number(leaf: &Leaf, cx: &mut Cx<'_>) -> Option<u16> {
    cx.number(leaf, "port", 1..=65_535).and_then(|port| u16::try_from(port).ok())
}

fn taken(address: IpAddr, port: u16, at: Span, earlier: &[(ir::Listener, Span)], cx: &mut Cx<'_>) {
    if let Some((_, first)) = earlier.iter().find(|(other, _)| overlap(address, port, other)) {
        cx.sink.report(&errors::ADDRESS_TAKEN, at, &[&socket(address, port)]).related(*first, "first listener");
    }
}

/// Whether a listener or the apiserver has an address already.
pub(super) fn is_taken(
    address: &str,
    port: u16,
    (ingress, (host, management)): (&[(ir::Listener, Span)], &(String, u16)),
) -> bool {
    let Ok(address) = address.parse() else { return false };
    let apiserver = ir::Listener {
        name: String::new(),
        address: host.clone(),
        port: *management,
        timeout: TIMEOUT,
        api_keys: Vec::new(),
    };
    ingress.iter().map(|(listener, _)| listener).chain([&apiserver]).any(|other| overlap(address, port, other))
}

/// Whether both cannot be bound: the same port, and the same address or one that stands for all.
fn overlap(address: IpAddr, port: u16, other: &ir::Listener) -> bool {
    // `::` is all addresses of both kinds, `0.0.0.0` those of its own.
    let covers = |all: IpAddr, one: IpAddr| all.is_unspecified() && (all.is_ipv6() || one.is_ipv4());
    let same_or_all = |other: IpAddr| address == other || covers(address, other) || covers(other, address);
    port == other.port && other.address.parse().is_ok_and(same_or_all)
}

fn socket(address: IpAddr, port: u16) -> String {
    std::net::SocketAddr::new(address, port).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_overlap() {
        let cases = [
            ("0.0.0.0", "127.0.0.1", true),
            ("0.0.0.0", "::1", false),
            ("::1", "0.0.0.0", false),
            ("::", "127.0.0.1", true),
            ("0.0.0.0", "::", true),
            ("::1", "::1", true),
            ("127.0.0.1", "127.0.0.2", false),
        ];
        for (one, other, expected) in cases {
            let address = other.to_owned();
            let other = ir::Listener { name: String::new(), address, port: 1, timeout: TIMEOUT, api_keys: Vec::new() };
            assert_eq!(overlap(one.parse().unwrap(), 1, &other), expected, "{one} {}", other.address);
        }
    }
}
