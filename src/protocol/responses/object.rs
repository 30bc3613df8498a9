//! Reading JSON that a client sent, piece by piece: strings stay as they are written and are slices of what came in, and
//! what has the wrong type is told with its place.

use super::invalid::Invalid;
use bytes::Bytes;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// A value and the bytes that it stands in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Value<'a> {
    source: &'a Bytes,
    raw: &'a RawValue,
}

/// An object. A member that is `null` counts as absent, as the API has it.
#[derive(Debug, Clone)]
pub(super) struct Object<'a> {
    source: &'a Bytes,
    members: Vec<(Cow<'a, str>, &'a RawValue)>,
}

// === impl Value ===

impl<'a> Value<'a> {
    /// The one value of a document.
    pub(super) fn parse(source: &'a Bytes) -> Result<Value<'a>, Invalid> {
        match serde_json::from_slice(source) {
            Ok(raw) => Ok(Value { source, raw }),
            Err(error) => Err(Invalid::new("", format!("malformed JSON: {error}"))),
        }
    }

    /// As it is written.
    pub(super) fn bytes(&self) -> Bytes {
        self.source.slice_ref(self.raw.get().as_bytes())
    }

    pub(super) fn is_null(&self) -> bool {
        self.raw.get() == "null"
    }

    pub(super) fn is_string(&self) -> bool {
        self.first() == b'"'
    }

    pub(super) fn is_array(&self) -> bool {
        self.first() == b'['
    }

    pub(super) fn is_object(&self) -> bool {
        self.first() == b'{'
    }

    fn first(&self) -> u8 {
        self.raw.get().as_bytes().first().copied().unwrap_or_default()
    }

    fn wrong(&self, expected: &str) -> Invalid {
        let found = match self.first() {
            b'"' => "a string",
            b'{' => "an object",
            b'[' => "an array",
            b't' | b'f' => "a boolean",
            b'n' => "null",
            _ => "a number",
        };
        Invalid::wrong_type(expected, found)
    }

    /// The body of a string, as it is written between its quotes.
    pub(super) fn text(&self) -> Result<Bytes, Invalid> {
        if !self.is_string() {
            return Err(self.wrong("a string"));
        }
        let quoted = self.raw.get();
        Ok(self.source.slice_ref(&quoted.as_bytes()[1..quoted.len() - 1]))
    }

    /// A string, its escapes undone.
    pub(super) fn string(&self) -> Result<Cow<'a, str>, Invalid> {
        let quoted = self.raw.get();
        if !self.is_string() {
            return Err(self.wrong("a string"));
        }
        if !quoted.contains('\\') {
            return Ok(Cow::Borrowed(&quoted[1..quoted.len() - 1]));
        }
        let unescaped = serde_json::from_str(quoted);
        unescaped.map(Cow::Owned).map_err(|error| Invalid::new("", format!("malformed string: {error}")))
    }

    pub(super) fn boolean(&self) -> Result<bool, Invalid> {
        match self.raw.get() {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(self.wrong("a boolean")),
        }
    }

    /// A number, as it is written.
    pub(super) fn number(&self) -> Result<Bytes, Invalid> {
        match self.first() {
            b'-' | b'0'..=b'9' => Ok(self.bytes()),
            _ => Err(self.wrong("a number")),
        }
    }

    /// A count.
    pub(super) fn integer(&self) -> Result<u64, Invalid> {
        self.raw.get().parse().map_err(|_| self.wrong("a non-negative integer"))
    }

    pub(super) fn array(&self) -> Result<Vec<Value<'a>>, Invalid> {
        if !self.is_array() {
            return Err(self.wrong("an array"));
        }
        let elements: Result<Vec<&'a RawValue>, _> = serde_json::from_str(self.raw.get());
        let elements = elements.map_err(|error| Invalid::new("", format!("malformed array: {error}")))?;
        Ok(elements.into_iter().map(|raw| Value { source: self.source, raw }).collect())
    }

    pub(super) fn object(&self) -> Result<Object<'a>, Invalid> {
        if !self.is_object() {
            return Err(self.wrong("an object"));
        }
        let members: Result<Members<'a>, _> = serde_json::from_str(self.raw.get());
        let Members(members) = members.map_err(|error| Invalid::new("", format!("malformed object: {error}")))?;
        Ok(Object { source: self.source, members })
    }
}

// === impl Object ===

impl<'a> Object<'a> {
    /// A member. Of several with one key it is the last, as most readers have it.
    pub(super) fn get(&self, key: &str) -> Option<Value<'a>> {
        let (_, raw) = self.members.iter().rev().find(|(name, _)| name == key)?;
        Some(Value { source: self.source, raw }).filter(|value| !value.is_null())
    }

    /// All members, those that are `null` too.
    pub(super) fn members(&self) -> impl Iterator<Item = (&str, Value<'a>)> {
        self.members.iter().map(|(key, raw)| (&**key, Value { source: self.source, raw }))
    }

    /// A member and what is read of it.
    pub(super) fn read<T>(
        &self,
        key: &str,
        read: impl FnOnce(Value<'a>) -> Result<T, Invalid>,
    ) -> Result<Option<T>, Invalid> {
        self.get(key).map(read).transpose().map_err(|error| error.within(key))
    }

    /// The same of a member that must be there.
    pub(super) fn need<T>(&self, key: &str, read: impl FnOnce(Value<'a>) -> Result<T, Invalid>) -> Result<T, Invalid> {
        self.read(key, read)?.ok_or_else(|| Invalid::missing(key))
    }

    /// The body of a string.
    pub(super) fn text(&self, key: &str) -> Result<Option<Bytes>, Invalid> {
        self.read(key, |value| value.text())
    }

    /// The body of a string that must be there.
    pub(super) fn need_text(&self, key: &str) -> Result<Bytes, Invalid> {
        self.need(key, |value| value.text())
    }

    /// The member `type`.
    pub(super) fn kind(&self) -> Result<Option<Cow<'a, str>>, Invalid> {
        self.read("type", |value| value.string())
    }
}

struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor;

        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((Key(key), value)) = map.next_entry::<Key<'de>, &'de RawValue>()? {
                    members.push((key, value));
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(MembersVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::Value;
    use bytes::Bytes;

    #[test]
    fn strings_stay_as_they_are_written() {
        let source = Bytes::from_static(br#" {"a":"x\n","b":null,"\u0063":[true,7]} "#);
        let object = Value::parse(&source).unwrap().object().unwrap();
        assert_eq!(object.need_text("a").unwrap(), &br"x\n"[..]);
        assert_eq!(object.get("a").unwrap().string().unwrap(), "x\n");
        assert!(object.get("b").is_none());
        let elements = object.get("c").unwrap().array().unwrap();
        assert_eq!((elements[0].boolean(), elements[1].integer()), (Ok(true), Ok(7)));
        assert_eq!(object.members().count(), 3);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let source = Bytes::from_static(br#"{"a":7}"#);
        let object = Value::parse(&source).unwrap().object().unwrap();
        let error = object.need_text("a").unwrap_err();
        assert_eq!((&*error.param, &*error.message), ("a", "expected a string, got a number"));
        assert_eq!(object.need_text("b").unwrap_err().code, Some("missing_required_parameter"));
        assert!(Value::parse(&Bytes::from_static(b"{")).is_err());
    }
}
