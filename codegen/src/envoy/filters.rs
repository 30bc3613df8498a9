//! What a request passes on its way through Envoy: the router, and then the way out.

use super::{Bodies, Options, duration, extproc, type_url};
use crate::ir;
use serde_json::{Value, json};
use std::time::Duration;

/// How much longer Envoy waits than the router may take, so that it is the router that tells the client.
const GRACE: Duration = Duration::from_secs(1);

/// The filters of a listener.
pub(super) fn all(router: &ir::Router, listener: &ir::Listener, options: &Options) -> Vec<Value> {
    let timeout = extproc::of(router).message_timeout + GRACE;
    // In pieces, the head is answered when the body has come: what is in there says where the request goes.
    let timeout = if options.bodies == Bodies::Buffered { timeout } else { timeout + listener.timeout };
    let mut processor = json!({
        "name": "envoy.filters.http.ext_proc",
        "typed_config": {
            "@type": type_url("envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor"),
            "grpc_service": {
                "envoy_grpc": { "cluster_name": extproc::CLUSTER },
                "initial_metadata": [{ "key": extproc::LISTENER, "value": listener.name }],
            },
            "processing_mode": modes(options.bodies),
            "allow_mode_override": options.bodies == Bodies::Buffered,
            "metadata_options": { "receiving_namespaces": { "untyped": [extproc::NOTES] } },
            // What the router has said decides where a request goes, whatever `clear_route_cache` is for other configurations.
            "route_cache_action": "CLEAR",
            "failure_mode_allow": options.failure_mode_allow,
            "send_body_without_waiting_for_header_response": options.bodies == Bodies::Streamed,
            "message_timeout": duration(timeout),
        },
    });
    if options.original_dst {
        // There is no cluster whose host could be set.
        processor["typed_config"]["mutation_rules"] = json!({ "allow_all_routing": true });
    }
    vec![
        processor,
        json!({
            "name": "envoy.filters.http.router",
            "typed_config": {
                "@type": type_url("envoy.extensions.filters.http.router.v3.Router"),
                "suppress_envoy_headers": true,
            },
        }),
    ]
}

fn modes(bodies: Bodies) -> Value {
    let (body, trailers) = match bodies {
        Bodies::Buffered => ("BUFFERED", "SKIP"),
        // Without trailers the end of a body could not be told that has some.
        Bodies::Streamed => ("STREAMED", "SEND"),
        Bodies::FullDuplex => ("FULL_DUPLEX_STREAMED", "SEND"),
    };
    json!({
        "request_header_mode": "SEND",
        "response_header_mode": "SEND",
        "request_body_mode": body,
        "response_body_mode": body,
        "request_trailer_mode": trailers,
        "response_trailer_mode": trailers,
    })
}
