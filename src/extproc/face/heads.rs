//! Heads: from Envoy's messages to what the core works on, and what the core made of them back to changes.

use crate::extproc::grpc::{Code, Status};
use crate::extproc::wire::{HeaderMutation, HttpHeaders};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

/// The head of a request.
#[derive(Debug)]
pub(super) struct RequestHead {
    pub(super) method: Method,
    /// Without its query.
    pub(super) path: String,
    pub(super) query: Option<String>,
    pub(super) headers: HeaderMap,
    /// There is no body.
    pub(super) is_all: bool,
}

impl RequestHead {
    pub(super) fn read(head: HttpHeaders) -> Result<RequestHead, Status> {
        let is_all = head.end_of_stream;
        let (mut method, mut path) = (None, None);
        let headers = read(head, |name, value| match name {
            b":method" => method = Method::from_bytes(value).ok(),
            b":path" => path = std::str::from_utf8(value).ok().map(str::to_owned),
            _ => (),
        })?;
        let (Some(method), Some(mut path)) = (method, path) else {
            return Err(Status::new(Code::InvalidArgument, "the request has no method or no path"));
        };
        path.truncate(path.find('#').unwrap_or(path.len()));
        let query = path.find('?').map(|at| path.split_off(at).split_off(1));
        Ok(RequestHead { method, path, query, headers, is_all })
    }
}

/// Reads the head of a response.
pub(super) fn response(head: HttpHeaders) -> Result<(StatusCode, HeaderMap), Status> {
    let mut status = None;
    let headers = read(head, |name, value| {
        if name == b":status" {
            status = StatusCode::from_bytes(value).ok();
        }
    })?;
    let status = status.ok_or_else(|| Status::new(Code::InvalidArgument, "the response has no status"))?;
    Ok((status, headers))
}

fn read(head: HttpHeaders, mut pseudo: impl FnMut(&[u8], &[u8])) -> Result<HeaderMap, Status> {
    let headers = head.headers.unwrap_or_default().headers;
    let mut out = HeaderMap::with_capacity(headers.len());
    for header in headers {
        let value = header.value().clone();
        if header.key.first() == Some(&b':') {
            pseudo(&header.key, &value);
            continue;
        }
        let (Ok(name), Ok(value)) = (HeaderName::from_bytes(&header.key), HeaderValue::from_maybe_shared(value)) else {
            return Err(Status::new(Code::InvalidArgument, "a header is not what HTTP has"));
        };
        out.append(name, value);
    }
    Ok(out)
}

/// How long a body will be, as its head tells.
pub(super) fn length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok())
}

/// What has to be done to `from` to get `to`. Lengths are left to who knows the body.
pub(super) fn changes(from: &HeaderMap, to: &HeaderMap) -> HeaderMutation {
    let mut out = HeaderMutation::default();
    for name in from.keys() {
        if !to.contains_key(name) && name != header::CONTENT_LENGTH {
            out.remove(bytes(name.as_str()));
        }
    }
    for name in to.keys().filter(|name| *name != header::CONTENT_LENGTH && *name != header::HOST) {
        if to.get_all(name).iter().ne(from.get_all(name)) {
            put(&mut out, name, to);
        }
    }
    out
}

/// Sets all values of a header.
pub(super) fn put(out: &mut HeaderMutation, name: &HeaderName, headers: &HeaderMap) {
    for (n, value) in headers.get_all(name).iter().enumerate() {
        let (key, value) = (bytes(name.as_str()), copied(value.as_bytes()));
        if n == 0 { out.set(key, value) } else { out.add(key, value) }
    }
}

pub(super) fn bytes(text: &str) -> Bytes {
    copied(text.as_bytes())
}

/// Names and values are short, and what they stand in is no `Bytes`.
pub(super) fn copied(bytes: &[u8]) -> Bytes {
    bytes.to_vec().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extproc::wire::AppendAction;

    fn map(headers: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_static(value));
        }
        map
    }

    #[test]
    fn what_stays_is_not_told() {
        let from = map(&[("kept", "1"), ("gone", "1"), ("other", "1"), ("twice", "a"), ("content-length", "9")]);
        let to = map(&[("kept", "1"), ("other", "2"), ("twice", "a"), ("twice", "b"), ("new", ""), ("host", "h")]);
        let changes = changes(&from, &to);
        assert_eq!(changes.remove_headers, ["gone"]);
        let mut set: Vec<(String, i32, bool)> = changes
            .set_headers
            .iter()
            .map(|one| {
                let header = one.header.as_ref().unwrap();
                let told = [&header.key[..], b"=", header.value()].concat();
                (String::from_utf8(told).unwrap(), one.append_action, one.keep_empty_value)
            })
            .collect();
        set.sort();
        let (overwrite, append) = (AppendAction::Overwrite as i32, AppendAction::Append as i32);
        let expected = [
            ("new=", overwrite, true),
            ("other=2", overwrite, false),
            ("twice=a", overwrite, false),
            ("twice=b", append, false),
        ];
        assert_eq!(set, expected.map(|(told, action, keep)| (told.to_owned(), action, keep)));
    }
}
