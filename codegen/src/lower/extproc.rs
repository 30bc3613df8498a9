//! `hardwire.extproc`: the service for Envoy.

use super::{Cx, listeners};
use crate::ast::Document;
use crate::ast::hardwire::ExtProcTls;
use crate::ast::node::Span;
use crate::{errors, ir};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

const PORT: u16 = 50_051;
const MAX_STREAMS: u32 = 1024;
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(10);
/// What a message may have beside a body.
const HEADERS: u64 = 1 << 20;

impl ir::ExtProc {
    /// What a block without keys means.
    #[must_use]
    pub fn with_defaults(limits: &ir::Limits) -> ir::ExtProc {
        ir::ExtProc {
            address: Ipv4Addr::LOCALHOST.to_string(),
            port: PORT,
            max_message_bytes: bytes(limits.max_body_bytes.saturating_add(HEADERS)),
            max_streams: MAX_STREAMS,
            message_timeout: MESSAGE_TIMEOUT,
            clear_route_cache: true,
            tls: None,
        }
    }
}

/// The service, if there shall be one.
pub(super) fn lower(
    document: &Document,
    limits: &ir::Limits,
    taken: (&[(ir::Listener, Span)], &(String, u16)),
    cx: &mut Cx<'_>,
) -> Option<ir::ExtProc> {
    let clear = document.global.as_ref().and_then(|global| global.router.as_ref()?.clear_route_cache.as_ref());
    let Some(section) = document.hardwire.as_ref().and_then(|section| section.extproc.as_ref()) else {
        cx.no_effect(clear, "clear_route_cache", "without `hardwire.extproc`");
        return None;
    };
    let mut out = ir::ExtProc::with_defaults(limits);
    if let Some(address) = listeners::address(section.address.as_ref(), "address", IpAddr::V4(Ipv4Addr::LOCALHOST), cx)
    {
        out.address = address.to_string();
    }
    if let Some(port) = section.port.as_ref().and_then(|leaf| listeners::port_number(leaf, cx)) {
        out.port = port;
    }
    if listeners::is_taken(&out.address, out.port, taken) {
        let at = section.port.as_ref().or(section.address.as_ref()).map_or(section.span, |leaf| leaf.span);
        let address = format!("{}:{}", out.address, out.port);
        cx.sink.report(&errors::ADDRESS_TAKEN, at, &[&address]).label("the service for Envoy");
    }
    let default = u64::from(out.max_message_bytes);
    out.max_message_bytes = bytes(cx.size(section.max_message_bytes.as_ref(), "max_message_bytes", default));
    if let Some(leaf) = &section.max_message_bytes
        && u64::from(out.max_message_bytes) < limits.max_body_bytes
    {
        let most = limits.max_body_bytes.to_string();
        cx.sink.report(&errors::MESSAGE_TOO_SMALL, leaf.span, &[&leaf.text, &most]);
    }
    let streams = section.max_streams.as_ref().and_then(|leaf| cx.number(leaf, "max_streams", 1..=1_000_000));
    out.max_streams = streams.and_then(|streams| u32::try_from(streams).ok()).unwrap_or(MAX_STREAMS);
    out.message_timeout = cx.duration(section.message_timeout.as_ref(), "message_timeout", MESSAGE_TIMEOUT);
    out.clear_route_cache = cx.flag(clear, "clear_route_cache", true);
    out.tls = section.tls.as_ref().and_then(|tls| files(tls, cx));
    Some(out)
}

/// Who reaches the service is told what backends are sent, their keys included. Says so where it is not on one machine, and
/// serves whoever connects.
pub(super) fn check(document: &Document, service: Option<&ir::ExtProc>, models: &[ir::Model], cx: &mut Cx<'_>) {
    let section = document.hardwire.as_ref().and_then(|section| section.extproc.as_ref());
    let (Some(service), Some(section)) = (service, section) else { return };
    let is_near = service.address.parse().is_ok_and(|address: IpAddr| address.is_loopback());
    let knows_clients = service.tls.as_ref().is_some_and(|tls| tls.client_ca_file.is_some());
    let has_key = |backend: &ir::Backend| matches!(&backend.endpoint, ir::Endpoint::Http { auth: Some(_), .. });
    let backend = models.iter().flat_map(|model| &model.backends).find(|backend| has_key(backend));
    if let Some(backend) = backend.filter(|_| !is_near && !knows_clients) {
        let at = section.address.as_ref().map_or(section.span, |leaf| leaf.span);
        cx.sink.report(&errors::KEYS_FOR_ANYBODY, at, &[&service.address, &backend.name]);
    }
}

fn files(section: &ExtProcTls, cx: &mut Cx<'_>) -> Option<ir::ExtProcTls> {
    let place = (section.span, section.whole);
    let certificate = cx.required(section.cert_file.as_ref(), "TLS", "cert_file", place);
    let key = cx.required(section.key_file.as_ref(), "TLS", "key_file", place);
    let certificate = certificate.and_then(|leaf| cx.text(leaf, false));
    let key = key.and_then(|leaf| cx.text(leaf, false));
    let clients = section.client_ca_file.as_ref().map(|leaf| cx.text(leaf, false));
    Some(ir::ExtProcTls { cert_file: certificate?, key_file: key?, client_ca_file: clients.flatten() })
}

/// The length of a message has 32 bits.
fn bytes(bytes: u64) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}
