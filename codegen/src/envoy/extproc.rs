//! The router itself as Envoy sees it: a cluster that speaks gRPC.

use super::{Options, address, clusters, duration, type_url};
use crate::ir;
use serde_json::{Value, json};
use std::net::IpAddr;

/// Name of its cluster.
pub(super) const CLUSTER: &str = "hardwire_extproc";
/// What tells the router through which listener a request came: keys and timeouts are the listener's.
pub(super) const LISTENER: &str = "x-hardwire-listener";

/// What tells the router that an answer is Envoy's own, and which.
pub(super) const REPLY: &str = "x-hardwire-reply";

/// Under which name Envoy keeps what the router notes about a request: `client` is `messages` where the client reads errors as
/// Anthropic's do.
pub(super) const NOTES: &str = "hardwire";

/// What is asked for its health.
const SERVICE: &str = "envoy.service.ext_proc.v3.ExternalProcessor";
const HEALTH_INTERVAL: &str = "5s";
const HEALTH_TIMEOUT: &str = "2s";

/// Where and how it listens.
pub(super) fn of(router: &ir::Router) -> ir::ExtProc {
    router.extproc.clone().unwrap_or_else(|| ir::ExtProc::with_defaults(&router.limits))
}

/// How much of a body Envoy must be able to hold.
pub(super) fn buffer(router: &ir::Router) -> u32 {
    u32::try_from(router.limits.max_body_bytes).unwrap_or(u32::MAX)
}

/// Its cluster.
pub(super) fn cluster(router: &ir::Router, options: &Options) -> Value {
    let service = of(router);
    let (host, port) = options.extproc.clone().unwrap_or_else(|| (reachable(&service.address), service.port));
    let is_address = host.parse::<IpAddr>().is_ok();
    let mut out = json!({
        "name": CLUSTER,
        "type": if is_address { "STATIC" } else { "STRICT_DNS" },
        "connect_timeout": duration(router.limits.connect_timeout),
        "per_connection_buffer_limit_bytes": buffer(router),
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": type_url("envoy.extensions.upstreams.http.v3.HttpProtocolOptions"),
                "explicit_http_config": { "http2_protocol_options": { "max_concurrent_streams": service.max_streams } },
            },
        },
        // The router says itself when there are too many, to each client in its own protocol; Envoy would fail.
        "circuit_breakers": clusters::unbroken(),
        // Of several routers behind a name, one that stops is asked no more. One alone is asked in any case.
        "health_checks": [{
            "timeout": HEALTH_TIMEOUT,
            "interval": HEALTH_INTERVAL,
            "unhealthy_threshold": 1,
            "healthy_threshold": 1,
            "grpc_health_check": { "service_name": SERVICE },
        }],
        "load_assignment": {
            "cluster_name": CLUSTER,
            "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": address(&host, port) } }] }],
        },
    });
    if !is_address {
        out["dns_lookup_family"] = json!(clusters::LOOKUP);
    }
    if service.tls.is_some() {
        let mut socket = clusters::tls(&host, &["h2"], &options.ca_file);
        if let Some((certificate, key)) = &options.client_cert {
            socket["typed_config"]["common_tls_context"]["tls_certificates"] = json!([{
                "certificate_chain": { "filename": certificate },
                "private_key": { "filename": key },
            }]);
        }
        out["transport_socket"] = socket;
    }
    out
}

/// Where a service is reached on its own machine that listens at an address.
fn reachable(address: &str) -> String {
    match address.parse() {
        Ok(IpAddr::V4(ip)) if ip.is_unspecified() => "127.0.0.1".to_owned(),
        Ok(IpAddr::V6(ip)) if ip.is_unspecified() => "::1".to_owned(),
        _ => address.to_owned(),
    }
}
