//! `global.services.response_api`: whether responses are stored, where, and how many; and what becomes of
//! tools that are not here.

use super::env::Part;
use super::{Cx, units};
use crate::ast::decode::Leaf;
use crate::ast::global::Global;
use crate::ast::node::Span;
use crate::ast::responses::{ResponseApi, ResponseFile, ResponseRedis};
use crate::{errors, ir};
use std::time::Duration;

const TTL: i64 = 86_400;
const RESPONSES: i64 = 1000;
const MEMORY_BYTES: u64 = 64 << 20;
const FILE_BYTES: u64 = 1 << 30;

/// The kinds of store, under the names that documents give them.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Memory,
    File,
    Redis,
}

const KINDS: &[(&str, Kind)] = &[("memory", Kind::Memory), ("file", Kind::File), ("redis", Kind::Redis)];

/// The store; `None` where the service is switched off.
pub(super) fn lower(global: Option<&Global>, cx: &mut Cx<'_>) -> Option<ir::ResponseStore> {
    let Some(section) = section(global) else {
        return Some(ir::ResponseStore::Memory { ttl: seconds(TTL), bounds: bounds(None, MEMORY_BYTES, cx) });
    };
    let enabled = cx.flag(section.enabled.as_ref(), "enabled", true);
    // What is switched off must be sound, but asks for no variables.
    let env = cx.env.clone();
    let store = store(section, cx);
    if !enabled {
        cx.env = env;
    }
    enabled.then_some(store)
}

/// What becomes of tools that are not here.
pub(super) fn unsupported_tools(global: Option<&Global>, cx: &mut Cx<'_>) -> ir::UnsupportedTools {
    const WORDS: &[(&str, ir::UnsupportedTools)] =
        &[("refuse", ir::UnsupportedTools::Refuse), ("omit", ir::UnsupportedTools::Omit)];
    let leaf = section(global).and_then(|section| section.unsupported_tools.as_ref());
    let word = leaf.and_then(|leaf| cx.choice(leaf, "unsupported_tools", WORDS, &[]));
    word.unwrap_or(ir::UnsupportedTools::Refuse)
}

fn section(global: Option<&Global>) -> Option<&ResponseApi> {
    global?.services.as_ref()?.response_api.as_ref()
}

fn store(section: &ResponseApi, cx: &mut Cx<'_>) -> ir::ResponseStore {
    let kind = match &section.store_backend {
        Some(leaf) => cx.choice(leaf, "store_backend", KINDS, &[]),
        None if section.redis.is_some() => Some(Kind::Redis),
        None if section.file.is_some() => Some(Kind::File),
        None => Some(Kind::Memory),
    };
    let ttl = seconds(number(section.ttl_seconds.as_ref(), "ttl_seconds", TTL, 1..=315_360_000, cx));
    unused(section, kind, cx);
    let file_bounds = if kind == Some(Kind::File) { FILE_BYTES } else { MEMORY_BYTES };
    let bounds = bounds(Some(section), file_bounds, cx);
    let at = (section.store_backend.as_ref().map_or(section.span, |leaf| leaf.span), section.whole);
    // Also where they are not used: a literal secret is readable wherever it stands.
    let path = section.file.as_ref().and_then(|file| path(file, cx));
    let redis = section.redis.as_ref().map(|redis| self::redis(redis, ttl, kind, cx));
    match kind {
        None | Some(Kind::Memory) => ir::ResponseStore::Memory { ttl, bounds },
        Some(Kind::File) => {
            cx.required_part(section.file.as_ref(), "the store `file`", "file", at);
            ir::ResponseStore::File { path: path.unwrap_or(ir::Text::Baked(String::new())), ttl, bounds }
        }
        Some(Kind::Redis) => {
            cx.required_part(section.redis.as_ref(), "the store `redis`", "redis", at);
            redis.map_or(ir::ResponseStore::Memory { ttl, bounds }, ir::ResponseStore::Redis)
        }
    }
}

/// Keys of other stores may stay where one is tried for another, and are told.
fn unused(section: &ResponseApi, kind: Option<Kind>, cx: &mut Cx<'_>) {
    let Some(kind) = kind else { return };
    let name = KINDS.iter().find(|(_, one)| *one == kind).map_or("", |(name, _)| name);
    let in_redis = |at: Option<Span>| at.filter(|_| kind == Kind::Redis);
    for (key, at) in [
        ("max_responses", in_redis(section.max_responses.as_ref().map(|leaf| leaf.span))),
        ("max_bytes", in_redis(section.max_bytes.as_ref().map(|leaf| leaf.span))),
        ("file", section.file.as_ref().map(|file| file.span).filter(|_| kind != Kind::File)),
        ("redis", section.redis.as_ref().map(|redis| redis.span).filter(|_| kind != Kind::Redis)),
    ] {
        if let Some(at) = at {
            cx.sink.report(&errors::STORE_KEY_UNUSED, at, &[key, name]);
        }
    }
}

fn path(file: &ResponseFile, cx: &mut Cx<'_>) -> Option<ir::Text> {
    let leaf = cx.required(file.path.as_ref(), "the store `file`", "path", (file.span, file.whole))?;
    if leaf.text.is_empty() {
        cx.sink.report(&errors::EMPTY_STRING, leaf.span, &["path"]);
        return None;
    }
    cx.text(leaf, false)
}

fn redis(section: &ResponseRedis, ttl: Duration, kind: Option<Kind>, cx: &mut Cx<'_>) -> ir::RedisStore {
    let cluster = cx.flag(section.cluster_mode.as_ref(), "cluster_mode", false);
    let nodes = section.cluster_addresses.as_ref();
    if let (Some(list), false) = (nodes, cluster) {
        let why = "without `cluster_mode: true`";
        cx.sink.report(&errors::KEY_WITHOUT_EFFECT, list.span, &["cluster_addresses", why]);
    }
    let mut addresses: Vec<ir::Text> =
        nodes.iter().flat_map(|list| &list.items).filter_map(|leaf| address(leaf, "cluster_addresses", cx)).collect();
    if nodes.is_none_or(|list| list.items.is_empty()) || section.address.is_some() {
        let at = (section.span, section.whole && kind == Some(Kind::Redis));
        let leaf = cx.required(section.address.as_ref(), "the store `redis`", "address", at);
        addresses.extend(leaf.and_then(|leaf| address(leaf, "address", cx)));
    }
    let db = number(section.db.as_ref(), "db", 0, 0..=65_535, cx);
    if let (Some(leaf), Some(mode), true, 1..) = (&section.db, &section.cluster_mode, cluster, db) {
        let keys = ["cluster_mode", "db"];
        cx.sink.report(&errors::CONFLICTING_KEYS, leaf.span, &keys).related(mode.span, "a cluster has one database");
    }
    let mut timeout = |leaf: Option<&Leaf>, key, default| seconds(number(leaf, key, default, 1..=600, cx));
    let dial_timeout = timeout(section.dial_timeout.as_ref(), "dial_timeout", 5);
    let read_timeout = timeout(section.read_timeout.as_ref(), "read_timeout", 3);
    let write_timeout = timeout(section.write_timeout.as_ref(), "write_timeout", 3);
    ir::RedisStore {
        addresses,
        cluster,
        db: u32::try_from(db).unwrap_or_default(),
        password: section.password.as_ref().and_then(|leaf| cx.secret(leaf, "password")),
        tls: cx.flag(section.tls_enabled.as_ref(), "tls_enabled", false),
        key_prefix: section.key_prefix.as_ref().and_then(|leaf| cx.text(leaf, false)).unwrap_or_else(prefix),
        max_retries: u32::try_from(number(section.max_retries.as_ref(), "max_retries", 3, 0..=10, cx)).unwrap_or(3),
        dial_timeout,
        read_timeout,
        write_timeout,
        ttl,
    }
}

fn prefix() -> ir::Text {
    ir::Text::Baked("sr:".to_owned())
}

/// `host:port`. What names variables is checked at start-up.
fn address(leaf: &Leaf, key: &str, cx: &mut Cx<'_>) -> Option<ir::Text> {
    if let [Part::Literal(text)] = cx.parts(leaf)?.as_slice() {
        let why = if text.contains("://") {
            "it is a URL; write `host:port`, and `tls_enabled: true` for `rediss`"
        } else if url::Url::parse(&format!("redis://{text}")).is_ok_and(|url| {
            let bare = url.path().is_empty() && url.query().is_none() && url.fragment().is_none();
            url.has_host() && url.username().is_empty() && url.password().is_none() && bare && url.port() != Some(0)
        }) {
            ""
        } else {
            "write `host:port`"
        };
        if !why.is_empty() {
            cx.sink.report(&errors::BAD_URL, leaf.span, &[key, why]);
            if text.contains('@') {
                cx.sink.hide([leaf.span]);
            }
            return None;
        }
    }
    cx.text(leaf, false)
}

fn bounds(section: Option<&ResponseApi>, bytes: u64, cx: &mut Cx<'_>) -> ir::StoreBounds {
    let key = "max_responses";
    let leaf = section.and_then(|section| section.max_responses.as_ref());
    let responses = number(leaf, key, RESPONSES, 1..=1_000_000_000, cx);
    let written = section.and_then(|section| section.max_bytes.as_ref());
    let written = written.and_then(|leaf| Some((leaf, cx.fixed(leaf, "max_bytes")?)));
    let bytes = written.map_or(bytes, |(leaf, text)| {
        units::size(&text).filter(|bytes| *bytes > 0).unwrap_or_else(|| {
            cx.sink.report(&errors::BAD_SIZE, leaf.span, &["max_bytes", &text]);
            bytes
        })
    });
    ir::StoreBounds { responses: u64::try_from(responses).unwrap_or_default(), bytes }
}

fn number(leaf: Option<&Leaf>, key: &str, default: i64, range: std::ops::RangeInclusive<i64>, cx: &mut Cx<'_>) -> i64 {
    leaf.and_then(|leaf| cx.number(leaf, key, range)).unwrap_or(default)
}

fn seconds(number: i64) -> Duration {
    Duration::from_secs(u64::try_from(number).unwrap_or_default())
}
