//! The configuration that this binary was built from: read-only, and the same for as long as the process lives.

use super::answer::{Answer, json, render};
use super::time::rfc3339;
use crate::table::Config;
use bytes::Bytes;
use http::header::{ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body_util::Full;
use serde::Serialize;
use std::time::SystemTime;

/// The configuration's responses, rendered at start-up.
#[derive(Debug)]
pub(super) struct Configuration {
    document: &'static str,
    etag: HeaderValue,
    hash: Bytes,
    versions: Bytes,
}

impl Configuration {
    pub(super) fn new(config: &Config, started: SystemTime) -> Self {
        let Config { source, sha256, json } = *config;
        let timestamp = rfc3339(started);
        Self {
            document: json,
            etag: HeaderValue::from_str(&format!("\"{sha256}\"")).expect("a hash is hex digits"),
            hash: render(&Hash { hash: sha256, runtime_hash: sha256, active_hash: sha256, status: "active" }),
            versions: render(&[Version { version: sha256, timestamp: &timestamp, source: "build", filename: source }]),
        }
    }

    /// The document, or a 304 where the client has it.
    pub(super) fn document(&self, headers: &HeaderMap) -> Answer {
        let mut answer = if self.is_known(headers) {
            let mut answer = Response::new(Full::default());
            *answer.status_mut() = StatusCode::NOT_MODIFIED;
            answer
        } else {
            json(self.document)
        };
        answer.headers_mut().insert(ETAG, self.etag.clone());
        answer
    }

    /// Whether `If-None-Match` names this document; weak and strong tags compare alike (RFC 9110 §13.1.2).
    fn is_known(&self, headers: &HeaderMap) -> bool {
        let mut tags = headers.get_all(IF_NONE_MATCH).iter().flat_map(|value| value.as_bytes().split(|b| *b == b','));
        tags.any(|tag| {
            let tag = tag.trim_ascii();
            tag == b"*" || tag.strip_prefix(b"W/").unwrap_or(tag) == self.etag.as_bytes()
        })
    }

    pub(super) fn hash(&self) -> Answer {
        json(self.hash.clone())
    }

    /// There is one version: this build.
    pub(super) fn versions(&self) -> Answer {
        json(self.versions.clone())
    }
}

#[derive(Serialize)]
struct Hash {
    hash: &'static str,
    runtime_hash: &'static str,
    active_hash: &'static str,
    status: &'static str,
}

#[derive(Serialize)]
struct Version<'a> {
    version: &'static str,
    /// Since when it is in effect. When it was built is not recorded: the same input is to give the same binary.
    timestamp: &'a str,
    source: &'static str,
    filename: &'static str,
}
