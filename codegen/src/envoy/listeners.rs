//! Where Envoy listens, and how it speaks to clients.

use super::clusters::Model;
use super::{
    DESTINATION, Options, SELECTED_BACKEND, SELECTED_MODEL, address, duration, extproc, filters, routes, type_url,
};
use crate::ir;
use serde_json::{Value, json};

/// A listener of Envoy's for each of the document's.
pub(super) fn all(router: &ir::Router, models: &[Model<'_>], options: &Options) -> Vec<Value> {
    let one = |(index, listener): (usize, &ir::Listener)| {
        let (host, port) = match options.listen.filter(|_| index == 0) {
            Some(instead) => (instead.ip().to_string(), instead.port()),
            None => (listener.address.clone(), listener.port),
        };
        json!({
            "name": listener.name,
            "address": address(&host, port),
            "per_connection_buffer_limit_bytes": extproc::buffer(router),
            "filter_chains": [{ "filters": [{
                "name": "envoy.filters.network.http_connection_manager",
                "typed_config": manager(router, models, listener, options),
            }] }],
        })
    };
    router.listeners.iter().enumerate().map(one).collect()
}

fn manager(router: &ir::Router, models: &[Model<'_>], listener: &ir::Listener, options: &Options) -> Value {
    // Backends are not told what is between Envoy and the router; the way to an address must be there until it is gone.
    let marks = [SELECTED_MODEL, SELECTED_BACKEND, DESTINATION];
    let marks = if options.original_dst { &marks[..2] } else { &marks[..] };
    json!({
        "@type": type_url("envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"),
        "stat_prefix": listener.name,
        "codec_type": "AUTO",
        "use_remote_address": true,
        "server_header_transformation": "PASS_THROUGH",
        "preserve_external_request_id": true,
        "request_headers_timeout": duration(router.limits.header_timeout),
        "early_header_mutation_extensions": [only_the_router_says_so()],
        "local_reply_config": { "mappers": errors() },
        "route_config": {
            "name": listener.name,
            "virtual_hosts": [{
                "name": "models",
                "domains": ["*"],
                "request_headers_to_remove": marks,
                "routes": routes::all(router, models, listener, options),
            }],
        },
        "http_filters": filters::all(router, listener, options),
    })
}

/// A client does not choose where its request goes.
fn only_the_router_says_so() -> Value {
    let remove = |name: &str| json!({ "remove": name });
    json!({
        "name": "envoy.http.early_header_mutation.header_mutation",
        "typed_config": {
            "@type": type_url("envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation"),
            "mutations": [remove(SELECTED_MODEL), remove(SELECTED_BACKEND), remove(DESTINATION)],
        },
    })
}

/// What Envoy itself tells clients, in the words of the router. Told apart by Envoy's flags: the router's own answers have
/// none of them. The router says it anew where it still can, which it cannot when the head of an answer has come by that was
/// held back for the body.
fn errors() -> Vec<Value> {
    let told = [
        (&["UT", "SI", "DT"], 504, "the backend did not answer in time", "upstream_timeout"),
        (&["UH", "UF", "UO"], 502, "no backend of the model can be reached", "upstream_unreachable"),
        (&["UC", "UR", "UPE"], 502, "the backend closed the connection before it answered", "upstream_reset"),
    ];
    let mut out = Vec::new();
    for (flags, status, message, code) in told {
        let by_flag = json!({ "response_flag_filter": { "flags": flags } });
        let for_messages = json!({ "metadata_filter": { "matcher": {
            "filter": extproc::NOTES,
            "path": [{ "key": "client" }],
            "value": { "string_match": { "exact": "messages" } },
        }, "match_if_key_not_found": false } });
        let kind = if status == 504 { "timeout_error" } else { "api_error" };
        let body = json!({
            "type": "error",
            "error": { "type": kind, "message": message },
            "request_id": REQUEST_ID,
        });
        let filter = json!({ "and_filter": { "filters": [by_flag.clone(), for_messages] } });
        out.push(mapper(&filter, status, code, &["x-request-id", "request-id"], &body));
        let body = json!({ "error": { "message": message, "type": "server_error", "param": null, "code": code } });
        out.push(mapper(&by_flag, status, code, &["x-request-id"], &body));
    }
    out
}

/// How Envoy writes the id of a request.
const REQUEST_ID: &str = "%REQ(X-REQUEST-ID)%";

fn mapper(filter: &Value, status: u16, code: &str, ids: &[&str], body: &Value) -> Value {
    let header = |key: &str, value: &str| json!({ "header": { "key": key, "value": value }, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD" });
    // By this the router knows it for Envoy's.
    let mut headers = vec![header(extproc::REPLY, code)];
    headers.extend(ids.iter().map(|id| header(id, REQUEST_ID)));
    json!({
        "filter": filter,
        "status_code": status,
        "headers_to_add": headers,
        "body_format_override": { "json_format": body },
    })
}
