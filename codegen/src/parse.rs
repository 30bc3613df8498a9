//! Text to tree. The one file that knows the YAML crate.
//!
//! Syntax errors, more than one document, aliases without an anchor and hostile input (alias bombs, deep nesting, sheer
//! size) end here. Knows no key: duplicates and wrong types are for those who decode the tree.

use crate::ast::node::{Key, Node, Scalar, Span, Value};
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::options::{DuplicateKeyPolicy, NonFiniteFloatPolicy};
use serde_saphyr::{Location, Spanned};
use std::fmt;

/// Larger documents are refused unread. Thousands of models fit.
pub const MAX_BYTES: usize = 8 << 20;

/// For the deepest document that the crate's budget lets through, in an unoptimised build.
const STACK_BYTES: usize = 32 << 20;

/// Why a text is no tree.
#[derive(Debug)]
pub struct Failure {
    /// In the words of the YAML crate.
    pub message: String,
    /// Where.
    pub span: Span,
}

/// Reads one YAML document.
///
/// # Errors
/// The first syntax error: after it, nothing that follows can be trusted.
pub fn parse(text: &str) -> Result<Node, Failure> {
    let failure = |message| Failure { message, span: Span::default() };
    if text.len() > MAX_BYTES {
        return Err(failure(format!("the document is larger than {} MiB", MAX_BYTES >> 20)));
    }
    // The crate recurses with large frames; how much stack the caller has left is not known.
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, || parse_here(text));
        let thread = thread.map_err(|error| failure(format!("cannot start a thread to read it: {error}")))?;
        thread.join().unwrap_or_else(|_| Err(failure("the YAML reader gave up on it".to_owned())))
    })
}

fn parse_here(text: &str) -> Result<Node, Failure> {
    // Duplicates are passed on so that all of them can be reported, each with the place of the first.
    let options = serde_saphyr::options! {
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        non_finite_float_policy: NonFiniteFloatPolicy::AsString,
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        with_snippet: false,
        // Aliases save some typing; who saves more than this is up to something.
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: 100_000 },
    };
    match serde_saphyr::from_str_with_options::<Raw>(text, options) {
        Ok(raw) => Ok(node(raw, text)),
        Err(error) => {
            let span = error.location().map_or_else(Span::default, |location| span(location, text));
            Err(Failure { message: message(&error), span })
        }
    }
}

/// The crate's message without its position, which is rendered by us, and in words for who writes the document.
fn message(error: &serde_saphyr::Error) -> String {
    let mut error = error.without_snippet();
    while let serde_saphyr::Error::AliasError { error: inner, .. } = error {
        error = inner;
    }
    match error {
        serde_saphyr::Error::Budget { .. } | serde_saphyr::Error::AliasReplayLimitExceeded { .. } => {
            "the document is too large or too deeply nested".to_owned()
        }
        serde_saphyr::Error::MultipleDocuments { .. } => "a second document begins here".to_owned(),
        _ => {
            let full = error.render();
            let line = full.lines().next().unwrap_or_default();
            line.split(" at line ").next().unwrap_or(line).trim_start_matches("error: ").to_owned()
        }
    }
}

/// Syntax errors have a line and a column only. What has neither is a sentinel of the crate's, and becomes the start of
/// the document.
fn span(location: Location, text: &str) -> Span {
    let at = location.span();
    let size = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    let start = match at.byte_offset() {
        Some(offset) => size(offset),
        None if location.line() == 0 => return Span::default(),
        None => {
            let before: usize = text.split_inclusive('\n').take(size(location.line() - 1)).map(str::len).sum();
            let line = text[before..].lines().next().unwrap_or_default();
            let column = size(location.column()).saturating_sub(1);
            before + line.char_indices().nth(column).map_or(line.len(), |(offset, _)| offset)
        }
    };
    let bound = |offset: usize| {
        let offset = offset.min(text.len());
        (0..=offset).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
    };
    Span { start: bound(start), end: bound(start.saturating_add(at.byte_len().map_or(0, size))) }
}

/// A node before the text of its plain scalars is looked up.
type Raw = Spanned<RawValue>;

enum RawValue {
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    List(Vec<Raw>),
    Map(Vec<(Spanned<String>, Raw)>),
}

fn node(raw: Raw, text: &str) -> Node {
    let mut at = span(raw.defined, text);
    // What stands in the document: `0.180` and not the number that it means.
    let written = |fallback: String| {
        let slice = &text[at.start..at.end];
        let plain = slice.starts_with(|c: char| c.is_ascii_alphanumeric() || "+-.~".contains(c));
        if plain { slice.trim_end().to_owned() } else { fallback }
    };
    let value = match raw.value {
        RawValue::Null => Value::Scalar(String::new(), Scalar::Null),
        RawValue::Bool(b) => Value::Scalar(b.to_string(), Scalar::Bool),
        RawValue::Number(n) => Value::Scalar(written(n), Scalar::Number),
        RawValue::Text(s) => Value::Scalar(s, Scalar::Text),
        RawValue::List(items) => Value::List(items.into_iter().map(|item| node(item, text)).collect()),
        RawValue::Map(entries) => Value::Map(
            entries
                .into_iter()
                .map(|(key, value)| (Key { span: span(key.defined, text), text: key.value }, node(value, text)))
                .collect(),
        ),
    };
    match &value {
        Value::Scalar(..) => {}
        Value::List(items) => at.end = items.iter().map(|item| item.span.end).fold(at.end, usize::max),
        Value::Map(entries) => at.end = entries.iter().map(|(_, item)| item.span.end).fold(at.end, usize::max),
    }
    Node { span: at, value }
}

impl<'de> Deserialize<'de> for RawValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = RawValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<RawValue, E> {
        Ok(RawValue::Null)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<RawValue, E> {
        Ok(RawValue::Bool(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<RawValue, E> {
        Ok(RawValue::Number(value.to_string()))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<RawValue, E> {
        Ok(RawValue::Number(value.to_string()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<RawValue, E> {
        Ok(RawValue::Number(value.to_string()))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<RawValue, E> {
        Ok(RawValue::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<RawValue, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(RawValue::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawValue, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(RawValue::Map(entries))
    }
}
