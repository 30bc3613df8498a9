//! Backends to clusters. Envoy balances among the endpoints of a cluster after the router has said what is to be sent, so
//! a cluster holds those backends of a model that are sent the same: what they call the model, path, headers, credential
//! and how they are told to reason. Most models have one. Where there are several, the router chooses among them.

use super::places::Place;
use super::{DESTINATION, Options, address, duration, extproc, type_url};
use crate::ir::{self, Balance};
use serde_json::{Value, json};

/// A model and its clusters.
#[derive(Debug)]
pub(super) struct Model<'a> {
    pub(super) model: &'a ir::Model,
    /// Of adapters that are served by the same backends, too.
    pub(super) names: Vec<&'a str>,
    pub(super) clusters: Vec<Cluster<'a>>,
}

/// Backends that are sent the same.
#[derive(Debug)]
pub(super) struct Cluster<'a> {
    pub(super) name: String,
    /// Name of the first backend: what [`super::SELECTED_BACKEND`] says.
    pub(super) backend: &'a str,
    /// The first of the default model: where requests go about which the router cannot be asked.
    pub(super) is_fallback: bool,
    /// At least one.
    pub(super) endpoints: Vec<(&'a ir::Backend, &'a Place)>,
}

impl Cluster<'_> {
    /// The place of the first backend. Path, scheme and, with TLS, the host are those of all.
    pub(super) fn first(&self) -> &Place {
        self.endpoints[0].1
    }

    /// Whether the router can say where to go without a name being looked up or a certificate checked.
    pub(super) fn is_plain(&self) -> bool {
        self.endpoints.iter().all(|(_, place)| !place.tls && place.is_address())
    }
}

/// The models that Envoy sends requests to, in the order of the document.
pub(super) fn plan<'a>(router: &'a ir::Router, places: &'a [Vec<Option<Place>>]) -> Vec<Model<'a>> {
    let default = router.default_model.map(|model| router.models[model].lora_of.unwrap_or(model));
    // Backends have names of their own; that of a model may be one of them.
    let is_backend =
        |name: &str| router.models.iter().flat_map(|model| &model.backends).any(|other| other.name == name);
    let mut out = Vec::new();
    for (index, (model, places)) in router.models.iter().zip(places).enumerate() {
        let adapters = router.models.iter().filter(|other| other.lora_of == Some(index));
        let names = std::iter::once(model).chain(adapters).map(|model| model.name.as_str()).collect();
        let mut groups: Vec<Vec<usize>> = Vec::new();
        for (number, place) in places.iter().enumerate() {
            if place.is_some() {
                match groups.iter_mut().find(|group| are_sent_the_same(router, index, places, group[0], number)) {
                    Some(group) => group.push(number),
                    None => groups.push(vec![number]),
                }
            }
        }
        let is_only = groups.len() == 1;
        let cluster = |group: Vec<usize>| {
            let endpoints =
                group.iter().filter_map(|&number| Some((&model.backends[number], places[number].as_ref()?)));
            let endpoints: Vec<_> = endpoints.collect();
            let backend = endpoints[0].0.name.as_str();
            let name = if is_only && !is_backend(&model.name) { model.name.clone() } else { backend.to_owned() };
            Cluster { name, backend, is_fallback: false, endpoints }
        };
        let mut clusters: Vec<_> = groups.into_iter().map(cluster).collect();
        if Some(index) == default
            && let Some(first) = clusters.first_mut()
        {
            first.is_fallback = true;
        }
        if !clusters.is_empty() {
            out.push(Model { model, names, clusters });
        }
    }
    out
}

fn are_sent_the_same(router: &ir::Router, model: usize, places: &[Option<Place>], a: usize, b: usize) -> bool {
    let backends = &router.models[model].backends;
    let (Some(place_a), Some(place_b)) = (&places[a], &places[b]) else { return false };
    let sent = |index: usize| match &backends[index].endpoint {
        ir::Endpoint::Http { headers, auth, .. } => {
            let auth = auth.as_ref().map(|auth| (&auth.header, &auth.prefix, &auth.key));
            Some((&backends[index].model_id, headers, auth))
        }
        ir::Endpoint::Echo { .. } => None,
    };
    let reasoning = router.policies.iter().flat_map(|policy| &policy.decisions).all(|decision| {
        let ways = decision.models.iter().zip(&decision.reasoning);
        let of_model = |of: usize| of == model || router.models[of].lora_of == Some(model);
        ways.filter(|(of, _)| of_model(**of))
            .all(|(_, way)| way.as_ref().is_none_or(|way| way.changes[a] == way.changes[b]))
    });
    sent(a) == sent(b)
        && reasoning
        && place_a.path == place_b.path
        && place_a.tls == place_b.tls
        // A cluster knows one name that certificates must be for.
        && (!place_a.tls || place_a.host == place_b.host)
}

/// Where a name has addresses of both kinds: Envoy takes each for an endpoint of its own, and does not try one after the
/// other.
pub(super) const LOOKUP: &str = "V4_PREFERRED";

/// The clusters of a model.
pub(super) fn all(router: &ir::Router, model: &Model<'_>, options: &Options) -> Vec<Value> {
    let is_fallback = |cluster: &Cluster<'_>| options.failure_mode_allow && cluster.is_fallback;
    let clusters = model.clusters.iter();
    let clusters = clusters.filter(|cluster| !(options.original_dst && cluster.is_plain()) || is_fallback(cluster));
    clusters.map(|one| cluster(router, model.model, one, options)).collect()
}

fn cluster(router: &ir::Router, model: &ir::Model, cluster: &Cluster<'_>, options: &Options) -> Value {
    let is_static = cluster.endpoints.iter().all(|(_, place)| place.is_address());
    let endpoints: Vec<Value> = cluster.endpoints.iter().map(|(backend, place)| endpoint(backend, place)).collect();
    let mut out = json!({
        "name": cluster.name,
        "type": if is_static { "STATIC" } else { "STRICT_DNS" },
        "lb_policy": lb_policy(model.reliability.balance),
        "connect_timeout": duration(router.limits.connect_timeout),
        "per_connection_buffer_limit_bytes": extproc::buffer(router),
        "circuit_breakers": unbroken(),
        // Below this share of healthy backends Envoy asks the others, too: when there is none.
        "common_lb_config": { "healthy_panic_threshold": { "value": 1 } },
        "load_assignment": { "cluster_name": cluster.name, "endpoints": [{ "lb_endpoints": endpoints }] },
    });
    if !is_static {
        out["dns_lookup_family"] = json!(LOOKUP);
    }
    let reliability = &model.reliability;
    if let Some(ejection) = &reliability.ejection {
        out["outlier_detection"] = json!({
            "consecutive_5xx": ejection.consecutive_5xx,
            "base_ejection_time": duration(ejection.base_time),
            "max_ejection_percent": ejection.max_percent,
        });
    }
    if let Some(check) = &reliability.health_check {
        out["health_checks"] = json!([{
            "timeout": duration(check.timeout),
            "interval": duration(check.interval),
            "unhealthy_threshold": 1,
            "healthy_threshold": 1,
            "http_health_check": { "path": check.path, "host": cluster.first().authority },
        }]);
    }
    if cluster.first().tls {
        out["transport_socket"] = tls(&cluster.first().host, &["http/1.1"], &options.ca_file);
    }
    out
}

fn endpoint(backend: &ir::Backend, place: &Place) -> Value {
    json!({
        "endpoint": { "address": address(&place.host, place.port), "hostname": place.authority },
        "load_balancing_weight": backend.weight,
    })
}

fn lb_policy(balance: Balance) -> &'static str {
    match balance {
        // The only one of Envoy's that is not random in spite of the weights.
        Balance::Weighted | Balance::RoundRobin => "ROUND_ROBIN",
        Balance::LeastRequest => "LEAST_REQUEST",
    }
}

/// Envoy refuses what goes beyond these bounds, and of retries allows three at a time. The router has bounds of its own, and
/// failing over must work when all requests need it.
pub(super) fn unbroken() -> Value {
    json!({ "thresholds": [{
        "max_connections": u32::MAX,
        "max_pending_requests": u32::MAX,
        "max_requests": u32::MAX,
        "max_retries": u32::MAX,
    }] })
}

/// TLS to a host whose certificate must be for that host.
pub(super) fn tls(host: &str, protocols: &[&str], ca_file: &str) -> Value {
    let is_address = host.parse::<std::net::IpAddr>().is_ok();
    let kind = if is_address { "IP_ADDRESS" } else { "DNS" };
    let mut out = json!({
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": type_url("envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"),
            "common_tls_context": {
                "alpn_protocols": protocols,
                "validation_context": {
                    "trusted_ca": { "filename": ca_file },
                    "match_typed_subject_alt_names": [{ "san_type": kind, "matcher": { "exact": host } }],
                },
            },
        },
    });
    if !is_address {
        out["typed_config"]["sni"] = json!(host);
    }
    out
}

/// Name of the cluster that goes wherever the router says.
pub(super) const ORIGINAL_DST: &str = "original_dst";

/// The cluster that goes wherever the router says.
pub(super) fn original_dst(router: &ir::Router) -> Value {
    json!({
        "name": ORIGINAL_DST,
        "type": "ORIGINAL_DST",
        "lb_policy": "CLUSTER_PROVIDED",
        "connect_timeout": duration(router.limits.connect_timeout),
        "per_connection_buffer_limit_bytes": extproc::buffer(router),
        "circuit_breakers": unbroken(),
        "original_dst_lb_config": { "use_http_header": true, "http_header_name": DESTINATION },
        // The last place where the way can be taken off: it must be there until it is gone.
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": type_url("envoy.extensions.upstreams.http.v3.HttpProtocolOptions"),
                "explicit_http_config": { "http_protocol_options": {} },
                "http_filters": [
                    {
                        "name": "envoy.filters.http.header_mutation",
                        "typed_config": {
                            "@type": type_url("envoy.extensions.filters.http.header_mutation.v3.HeaderMutation"),
                            "mutations": { "request_mutations": [{ "remove": DESTINATION }] },
                        },
                    },
                    {
                        "name": "envoy.filters.http.upstream_codec",
                        "typed_config": {
                            "@type": type_url("envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec"),
                        },
                    },
                ],
            },
        },
    })
}
