//! The handshake of a WebSocket, RFC 6455 §4.2: what the client must say, and what it is told.

use crate::dispatch::ApiError;
use crate::telemetry::metrics::ErrorReason;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Version, header};
use http_body::Body;

/// Headers that are about the connection and not about what is asked on it.
pub(super) const HANDSHAKE: [HeaderName; 5] = [
    header::SEC_WEBSOCKET_KEY,
    header::SEC_WEBSOCKET_VERSION,
    header::SEC_WEBSOCKET_EXTENSIONS,
    header::SEC_WEBSOCKET_PROTOCOL,
    header::SEC_WEBSOCKET_ACCEPT,
];

/// Every server has this one.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// What the client is told of the key that it sent.
pub(super) fn accept<B: Body>(request: &Request<B>) -> Result<HeaderValue, ApiError> {
    let headers = request.headers();
    let refuse = |status, message: &'static str| Err(ApiError::new(status, ErrorReason::ParseError, message));
    if !lists(headers, &header::UPGRADE, "websocket") || !lists(headers, &header::CONNECTION, "upgrade") {
        return refuse(
            StatusCode::UPGRADE_REQUIRED,
            "a GET opens a WebSocket here, and must ask for that: responses are made with POST, too",
        );
    }
    if request.method() != Method::GET || request.version() != Version::HTTP_11 {
        return refuse(StatusCode::UPGRADE_REQUIRED, "a WebSocket is opened with a GET of HTTP/1.1");
    }
    // It would be taken for messages.
    if !request.body().is_end_stream() {
        return refuse(StatusCode::BAD_REQUEST, "the request that opens a WebSocket must have no body");
    }
    if text(headers, &header::SEC_WEBSOCKET_VERSION) != Some("13") {
        return refuse(StatusCode::UPGRADE_REQUIRED, "only version 13 of the WebSocket protocol is known here");
    }
    // A page of another site must not ask with what the browser, or the network that it is in, may do.
    if headers.contains_key(header::ORIGIN) && !is_own(headers) {
        return Err(ApiError::new(
            StatusCode::FORBIDDEN,
            ErrorReason::Unauthorized,
            "pages of other sites must not open WebSockets here",
        ));
    }
    match text(headers, &header::SEC_WEBSOCKET_KEY) {
        Some(key) if is_key(key) => Ok(answer(key)),
        _ => refuse(StatusCode::BAD_REQUEST, "the header sec-websocket-key must have 16 bytes in base64"),
    }
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

fn lists(headers: &HeaderMap, name: &HeaderName, word: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|found| found.trim().eq_ignore_ascii_case(word))
}

/// Whether the page was loaded from here.
fn is_own(headers: &HeaderMap) -> bool {
    let origin = text(headers, &header::ORIGIN).and_then(|origin| origin.split_once("://"));
    match (origin, text(headers, &header::HOST)) {
        (Some((_, origin)), Some(host)) => origin.eq_ignore_ascii_case(host),
        _ => false,
    }
}

fn is_key(key: &str) -> bool {
    let is_digit = |c: char| c.is_ascii_alphanumeric() || c == '+' || c == '/';
    key.len() == 24 && key.strip_suffix("==").is_some_and(|digits| digits.chars().all(is_digit))
}

fn answer(key: &str) -> HeaderValue {
    let mut text = key.as_bytes().to_vec();
    text.extend_from_slice(GUID);
    // The protocol has no other, and nothing depends on its strength.
    let digest = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, &text);
    HeaderValue::from_str(&base64(digest.as_ref())).expect("base64 is ASCII")
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for group in bytes.chunks(3) {
        let byte = |n: usize| u32::from(group.get(n).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for n in 0..4 {
            match n <= group.len() {
                true => out.push(char::from(DIGITS[(bits >> (18 - 6 * n) & 63) as usize])),
                false => out.push('='),
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use http_body_util::Full;

    const GOOD: [(&str, &str); 5] = [
        ("host", "router:8801"),
        ("upgrade", "WebSocket"),
        ("connection", "keep-alive, Upgrade"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];

    fn asked(changes: &[(&'static str, &'static str)]) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::default());
        let headers = request.headers_mut();
        for (name, value) in GOOD.iter().chain(changes).filter(|(_, value)| !value.is_empty()) {
            headers.insert(*name, HeaderValue::from_static(value));
        }
        for (name, _) in changes.iter().filter(|(_, value)| value.is_empty()) {
            headers.remove(*name);
        }
        request
    }

    fn status(request: &Request<Full<Bytes>>) -> u16 {
        accept(request).map_or_else(|error| error.status.as_u16(), |_| 101)
    }

    #[test]
    fn the_example_of_the_rfc() {
        assert_eq!(accept(&asked(&[])).unwrap(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn only_a_get_of_http_1_1_without_a_body() {
        let (mut head, mut old, mut more) = (asked(&[]), asked(&[]), asked(&[]));
        *head.method_mut() = Method::HEAD;
        *old.version_mut() = Version::HTTP_10;
        *more.body_mut() = Full::from("hello");
        assert_eq!([head, old, more].map(|request| status(&request)), [426, 426, 400]);
    }

    #[test]
    fn what_is_refused() {
        for (expected, changes) in [
            (101, &[][..]),
            (426, &[("upgrade", "")]),
            (426, &[("upgrade", "h2c")]),
            (426, &[("connection", "keep-alive")]),
            (426, &[("sec-websocket-version", "8")]),
            (426, &[("sec-websocket-version", "")]),
            (400, &[("sec-websocket-key", "")]),
            (400, &[("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ")]),
            (400, &[("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZ*==")]),
            (101, &[("origin", "http://router:8801")]),
            (403, &[("origin", "https://elsewhere")]),
            (403, &[("origin", "null")]),
            (403, &[("origin", "http://router:8801"), ("host", "")]),
        ] {
            assert_eq!(status(&asked(changes)), expected, "{changes:?}");
        }
    }

    #[test]
    fn base64_fills_up() {
        for (bytes, expected) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")] {
            assert_eq!(base64(bytes.as_bytes()), expected);
        }
    }
}
