//! A request's `metadata`: short texts that the client sends along.
//!
//! Untrusted: whoever asks may write anything here. Bounded as OpenAI's API bounds it, with room to spare.

use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Most entries.
const MAX_ENTRIES: usize = 32;
/// Longest key in bytes.
const MAX_KEY: usize = 128;
/// Longest value in bytes.
const MAX_VALUE: usize = 1024;

/// The entries by key. Strings are as they are meant, other values as they were written.
#[derive(Debug, Default)]
pub struct Metadata<'a>(BTreeMap<Cow<'a, str>, Cow<'a, str>>);

/// Why metadata cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum MetadataError {
    /// No object.
    #[error("metadata cannot be read: {0}")]
    Json(#[from] serde_json::Error),
    /// Too much.
    #[error("metadata is too large: at most {MAX_ENTRIES} entries, keys of {MAX_KEY} bytes and values of {MAX_VALUE}")]
    TooLarge,
}

impl<'a> Metadata<'a> {
    /// Reads the value of the field.
    pub fn read(raw: &'a [u8]) -> Result<Self, MetadataError> {
        let entries: BTreeMap<String, &RawValue> = serde_json::from_slice::<Option<_>>(raw)?.unwrap_or_default();
        if entries.len() > MAX_ENTRIES {
            return Err(MetadataError::TooLarge);
        }
        let mut out = BTreeMap::new();
        for (key, value) in entries {
            let value = value.get();
            let text = if value.starts_with('"') {
                Cow::Owned(serde_json::from_str::<String>(value)?)
            } else {
                Cow::Borrowed(value)
            };
            if key.len() > MAX_KEY || text.len() > MAX_VALUE {
                return Err(MetadataError::TooLarge);
            }
            out.insert(Cow::Owned(key), text);
        }
        Ok(Metadata(out))
    }

    /// The entry with this key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(AsRef::as_ref)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_texts() {
        let metadata = Metadata::read(br#"{"a":"x\ny","b":7,"c":""}"#).unwrap();
        let seen = ["a", "b", "c", "d"].map(|key| metadata.get(key));
        assert_eq!(seen, [Some("x\ny"), Some("7"), Some(""), None]);
        assert_eq!(Metadata::read(b"null").unwrap().get("a"), None);
    }

    #[test]
    fn what_is_too_large_or_no_object_is_an_error() {
        let many: Vec<String> = (0..33).map(|n| format!(r#""k{n}":"""#)).collect();
        for raw in [
            "[]".to_owned(),
            "7".to_owned(),
            format!("{{{}}}", many.join(",")),
            format!(r#"{{"{}":""}}"#, "k".repeat(129)),
            format!(r#"{{"k":"{}"}}"#, "v".repeat(1025)),
        ] {
            assert!(Metadata::read(raw.as_bytes()).is_err(), "{raw}");
        }
        assert!(Metadata::read(format!("{{{}}}", many[..32].join(",")).as_bytes()).is_ok());
    }
}
