//! Request and response heads at the border: what is forwarded, what is not, and what is set.

use http::header::{self, HeaderMap, HeaderName};

/// Concern one hop only. RFC 9110, 7.6.1, and their forerunners.
const HOP_BY_HOP: [HeaderName; 9] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Set anew for the backend, or without meaning there.
const REQUEST_ONLY: [HeaderName; 5] = [
    header::HOST,
    header::CONTENT_LENGTH,
    header::EXPECT,
    header::ACCEPT_ENCODING,
    HeaderName::from_static("x-selected-model"),
];

/// Where clients of the supported protocols put their key.
pub const CREDENTIALS: [HeaderName; 4] = [
    header::AUTHORIZATION,
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("api-key"),
    HeaderName::from_static("x-goog-api-key"),
];

/// Removes from a client's head what no backend may see. Credentials stay: whether they may is the backend's affair.
pub fn strip_request(headers: &mut HeaderMap) {
    strip_hop_by_hop(headers);
    for name in &REQUEST_ONLY {
        headers.remove(name);
    }
    strip_internal(headers, is_internal);
}

/// Removes from a backend's head what does not concern the client.
pub fn strip_response(headers: &mut HeaderMap) {
    strip_hop_by_hop(headers);
    headers.remove(header::ALT_SVC);
    strip_internal(headers, |name| name.starts_with("x-vsr-"));
}

/// Tell of the bytes of a body, and not of what it says.
const DESCRIPTION: [HeaderName; 7] = [
    header::CONTENT_LENGTH,
    header::CONTENT_ENCODING,
    header::ETAG,
    HeaderName::from_static("content-md5"),
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
    HeaderName::from_static("digest"),
];

/// Removes from a head what is not true any more when another body takes the place of its own.
pub fn strip_description(headers: &mut HeaderMap) {
    for name in &DESCRIPTION {
        headers.remove(name);
    }
}

fn strip_hop_by_hop(headers: &mut HeaderMap) {
    if let Some(listed) = listed_in_connection(headers) {
        for name in listed {
            headers.remove(name);
        }
    }
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
}

/// The headers that `Connection` declares to be of this hop, if there are any.
fn listed_in_connection(headers: &HeaderMap) -> Option<Vec<HeaderName>> {
    let mut listed = Vec::new();
    for value in headers.get_all(header::CONNECTION) {
        for token in value.as_bytes().split(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
            if token.eq_ignore_ascii_case(b"keep-alive") || token.eq_ignore_ascii_case(b"close") {
                continue;
            }
            listed.extend(HeaderName::from_bytes(token));
        }
    }
    (!listed.is_empty()).then_some(listed)
}

/// Headers between the router and its trusted edge: control, identity, and keys for named providers.
fn is_internal(name: &str) -> bool {
    name.starts_with("x-vsr-")
        || name.starts_with("x-authz-")
        || (name.starts_with("x-user-") && name.ends_with("-key"))
}

fn strip_internal(headers: &mut HeaderMap, internal: impl Fn(&str) -> bool) {
    while let Some(name) = headers.keys().find(|name| internal(name.as_str())).cloned() {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use std::collections::BTreeSet;

    #[track_caller]
    fn check(strip: fn(&mut HeaderMap), given: &[(&'static str, &'static str)], kept: &[&str]) {
        let mut headers = HeaderMap::new();
        for (name, value) in given {
            headers.append(*name, HeaderValue::from_static(value));
        }
        strip(&mut headers);
        // Taking a header out moves others.
        let left: BTreeSet<&str> = headers.keys().map(HeaderName::as_str).collect();
        assert_eq!(left, kept.iter().copied().collect());
    }

    #[test]
    fn requests() {
        check(
            strip_request,
            &[
                ("host", "router"),
                ("content-length", "3"),
                ("content-type", "application/json"),
                ("connection", "keep-alive, X-Hop"),
                ("connection", "x-other"),
                ("x-hop", "1"),
                ("x-other", "1"),
                ("te", "trailers"),
                ("transfer-encoding", "chunked"),
                ("accept-encoding", "gzip"),
                ("expect", "100-continue"),
                ("authorization", "Bearer k"),
                ("x-vsr-debug", "true"),
                ("x-vsr-looper-secret", "s"),
                ("x-authz-user-id", "u"),
                ("x-user-openai-key", "k"),
                ("x-user-agent-key-id", "stays"),
                ("traceparent", "00-1-2-01"),
                ("x-stainless-lang", "python"),
            ],
            &["content-type", "authorization", "x-user-agent-key-id", "traceparent", "x-stainless-lang"],
        );
    }

    #[test]
    fn other_bodies() {
        check(
            strip_description,
            &[
                ("content-type", "application/json"),
                ("content-length", "1"),
                ("content-encoding", "gzip"),
                ("etag", "\"e\""),
                ("content-md5", "x"),
                ("digest", "x"),
                ("content-digest", "x"),
                ("repr-digest", "x"),
                ("retry-after", "1"),
            ],
            &["content-type", "retry-after"],
        );
    }

    #[test]
    fn responses() {
        check(
            strip_response,
            &[
                ("content-type", "text/event-stream"),
                ("transfer-encoding", "chunked"),
                ("connection", "close"),
                ("keep-alive", "timeout=5"),
                ("alt-svc", "h3=\":443\""),
                ("x-vsr-selected-model", "theirs"),
                ("retry-after", "1"),
                ("x-request-id", "r"),
                ("x-ratelimit-remaining-tokens", "9"),
            ],
            &["content-type", "retry-after", "x-request-id", "x-ratelimit-remaining-tokens"],
        );
    }
}
