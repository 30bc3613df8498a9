//! Which cluster a request goes to, once the router has said which model it is for.

use super::clusters::{Cluster, Model, ORIGINAL_DST};
use super::{DESTINATION, Options, SELECTED_BACKEND, SELECTED_MODEL, duration};
use crate::ir;
use serde_json::{Value, json};
use std::time::Duration;

/// Statuses for which Envoy has names: they come in one piece with failures to connect.
const GATEWAY_ERROR: (u16, u16) = (502, 504);
const SERVER_ERROR: (u16, u16) = (500, 599);

/// The routes of a listener. The first one that matches counts.
pub(super) fn all(router: &ir::Router, models: &[Model<'_>], listener: &ir::Listener, options: &Options) -> Vec<Value> {
    let mut out = Vec::new();
    let bounds = Bounds::of(router, listener);
    if options.original_dst {
        let matches = json!([{ "name": DESTINATION, "present_match": true }]);
        out.push(route(&matches, &bounds.route(ORIGINAL_DST)));
    }
    for model in models {
        let is_one = model.clusters.len() == 1;
        for cluster in &model.clusters {
            if options.original_dst && cluster.is_plain() {
                continue;
            }
            for name in &model.names {
                let mut matches = vec![header(SELECTED_MODEL, name)];
                if !is_one {
                    matches.push(header(SELECTED_BACKEND, cluster.backend));
                }
                out.push(route(&Value::from(matches), &forward(&bounds, model.model, cluster)));
            }
        }
    }
    out.push(last(models, &bounds, options));
    out
}

fn header(name: &str, value: &str) -> Value {
    json!({ "name": name, "string_match": { "exact": value } })
}

fn route(headers: &Value, route: &Value) -> Value {
    json!({ "match": { "prefix": "/", "headers": headers }, "route": route })
}

fn forward(bounds: &Bounds, model: &ir::Model, cluster: &Cluster<'_>) -> Value {
    let mut out = bounds.route(&cluster.name);
    let authority = &cluster.first().authority;
    if cluster.endpoints.iter().all(|(_, place)| &place.authority == authority) {
        out["host_rewrite_literal"] = json!(authority);
    } else {
        out["auto_host_rewrite"] = json!(true);
    }
    if let Some(policy) = retry_policy(&model.reliability, cluster.endpoints.len()) {
        out["retry_policy"] = policy;
    }
    out
}

/// What becomes of a request about which the router has said nothing.
fn last(models: &[Model<'_>], bounds: &Bounds, options: &Options) -> Value {
    if options.failure_mode_allow {
        for model in models {
            if let Some(cluster) = model.clusters.iter().find(|cluster| cluster.is_fallback) {
                return json!({ "match": { "prefix": "/" }, "route": forward(bounds, model.model, cluster) });
            }
        }
    }
    let message = "the router chose no backend that Envoy knows: its configuration is of another document";
    let error = json!({ "message": message, "type": "server_error", "param": null, "code": "no_route" });
    json!({
        "match": { "prefix": "/" },
        "direct_response": { "status": 503, "body": { "inline_string": json!({ "error": error }).to_string() } },
        "response_headers_to_add": [{
            "header": { "key": "content-type", "value": "application/json" },
            "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
        }],
    })
}

/// How long a request may take.
struct Bounds {
    whole: Duration,
    idle: Duration,
}

impl Bounds {
    fn of(router: &ir::Router, listener: &ir::Listener) -> Bounds {
        // Envoy does not tell the wait for the first byte from a pause later on.
        let first_byte = router.limits.first_byte_timeout.unwrap_or(listener.timeout);
        Bounds { whole: listener.timeout, idle: router.limits.idle_timeout.max(first_byte) }
    }

    fn route(&self, cluster: &str) -> Value {
        json!({ "cluster": cluster, "timeout": duration(self.whole), "idle_timeout": duration(self.idle) })
    }
}

fn retry_policy(reliability: &ir::Reliability, endpoints: usize) -> Option<Value> {
    let retries = reliability.retries.map_or_else(|| endpoints.saturating_sub(1), usize::from);
    if retries == 0 {
        return None;
    }
    let mut on = vec!["connect-failure", "refused-stream", "reset-before-request"];
    let mut statuses = Vec::new();
    for &range in &reliability.retry_statuses {
        match range {
            SERVER_ERROR => on.push("5xx"),
            GATEWAY_ERROR => on.push("gateway-error"),
            (first, last) => statuses.extend(first..=last),
        }
    }
    if !statuses.is_empty() {
        on.push("retriable-status-codes");
    }
    let mut out = json!({
        "retry_on": on.join(","),
        "num_retries": retries,
        "retry_host_predicate": [{
            "name": "envoy.retry_host_predicates.previous_hosts",
            "typed_config": {
                "@type": super::type_url("envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"),
            },
        }],
        "host_selection_retry_max_attempts": 5,
    });
    if !statuses.is_empty() {
        out["retriable_status_codes"] = json!(statuses);
    }
    Some(out)
}
