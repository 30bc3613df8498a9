//! A body to be translated, as it is read: views of values that borrow from it, level by level, and complaints that name the
//! place. No tree is built, and a string is unescaped only where what it says matters.
//!
//! It knows JSON and no protocol.

use super::json::{Item, Kind, Scanner};
use super::out::JsonText;
use bytes::Bytes;
use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::ops::Range;

/// Why a request cannot be translated: status 400, in the client's own shape of errors.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct RequestError {
    /// For people.
    pub message: String,
    /// The field to blame, as a path: `messages[2].content[0].type`.
    pub param: Option<String>,
}

/// The way to a value, for messages. Built on the way down, written only where something is wrong.
#[derive(Debug, Clone, Copy)]
pub enum Path<'a> {
    /// The whole body.
    Root,
    /// A member.
    Key(&'a Path<'a>, &'a str),
    /// An element.
    Index(&'a Path<'a>, usize),
}

impl<'a> Path<'a> {
    /// The member with this key.
    #[must_use]
    pub fn key(&'a self, key: &'a str) -> Path<'a> {
        Path::Key(self, key)
    }

    /// The n-th element.
    #[must_use]
    pub fn index(&'a self, n: usize) -> Path<'a> {
        Path::Index(self, n)
    }

    /// What stands here is wrong: it `is`….
    pub fn refuse(&self, is: impl fmt::Display) -> RequestError {
        let param = self.to_string();
        RequestError { message: format!("invalid request body: {param} {is}"), param: Some(param) }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Path::Root => Ok(()),
            Path::Key(Path::Root, key) => f.write_str(key),
            Path::Key(of, key) => write!(f, "{of}.{key}"),
            Path::Index(of, n) => write!(f, "{of}[{n}]"),
        }
    }
}

/// A value of a body.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    body: &'a Bytes,
    /// The same.
    text: &'a str,
    start: usize,
    end: usize,
    kind: Kind,
}

impl<'a> View<'a> {
    /// The whole body, which must be an object.
    pub fn of(body: &'a Bytes) -> Result<Self, RequestError> {
        let refuse = |message: String| RequestError { message, param: None };
        let text = std::str::from_utf8(body)
            .map_err(|error| refuse(format!("malformed JSON body: no UTF-8 at byte {}", error.valid_up_to())))?;
        let mut scanner = Scanner::new();
        scanner.push(body).and_then(|()| scanner.finish()).map_err(|error| refuse(error.to_string()))?;
        let start = text.find('{').unwrap_or_default();
        let end = text.rfind('}').map_or(body.len(), |last| last + 1);
        Ok(View { body, text, start, end, kind: Kind::Object })
    }

    /// What it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// As it is written.
    #[must_use]
    pub fn raw(&self) -> &'a str {
        &self.text[self.start..self.end]
    }

    /// As it is written, without a copy.
    #[must_use]
    pub fn bytes(&self) -> Bytes {
        self.body.slice(self.start..self.end)
    }

    /// Whether it is this literal or number, as it is written.
    #[must_use]
    pub fn is(&self, literal: &str) -> bool {
        self.raw() == literal
    }

    /// Its members, in their order. None where it is no object.
    #[must_use]
    pub fn members(&self) -> Object<'a> {
        if self.kind != Kind::Object {
            return Object(Vec::new());
        }
        let member = |item: Item| {
            let before_value = &self.text[self.start + item.start..self.start + item.value.start];
            let end = before_value.rfind('"').map_or(0, |last| last + 1);
            (unescape(&before_value[..end]).unwrap_or_default(), self.within(item))
        };
        Object(self.items().into_iter().map(member).collect())
    }

    /// Its elements. None where it is no array.
    #[must_use]
    pub fn elements(&self) -> Vec<View<'a>> {
        if self.kind != Kind::Array {
            return Vec::new();
        }
        self.items().into_iter().map(|item| self.within(item)).collect()
    }

    /// The text of a string, as it is written. `None` where it is no string.
    #[must_use]
    pub fn text(&self) -> Option<Text<'a>> {
        (self.kind == Kind::String).then(|| Text { view: *self, range: self.start + 1..self.end - 1 })
    }

    /// What a string says. `None` where it is no string, or not one of Unicode characters.
    #[must_use]
    pub fn string(&self) -> Option<Cow<'a, str>> {
        if self.kind != Kind::String {
            return None;
        }
        unescape(self.raw())
    }

    /// A string, or a complaint.
    pub fn expect_string(&self, path: &Path<'_>) -> Result<Cow<'a, str>, RequestError> {
        self.expect(Kind::String, path)?;
        self.string().ok_or_else(|| path.refuse("is no valid Unicode"))
    }

    /// The text of a string, or a complaint.
    pub fn expect_text(&self, path: &Path<'_>) -> Result<Text<'a>, RequestError> {
        self.text().ok_or_else(|| self.not(Kind::String, path))
    }

    /// An object, or a complaint.
    pub fn expect_object(&self, path: &Path<'_>) -> Result<Object<'a>, RequestError> {
        self.expect(Kind::Object, path)?;
        Ok(self.members())
    }

    /// An array, or a complaint.
    pub fn expect_array(&self, path: &Path<'_>) -> Result<Vec<View<'a>>, RequestError> {
        self.expect(Kind::Array, path)?;
        Ok(self.elements())
    }

    /// A boolean, or a complaint.
    pub fn expect_bool(&self, path: &Path<'_>) -> Result<bool, RequestError> {
        self.expect(Kind::Bool, path)?;
        Ok(self.is("true"))
    }

    /// A number however it is spelled, or a complaint.
    pub fn expect_number(&self, path: &Path<'_>) -> Result<f64, RequestError> {
        self.expect(Kind::Number, path)?;
        self.raw().parse().map_err(|_| path.refuse("is no number"))
    }

    /// A whole number from 1 on, however it is spelled, or a complaint.
    pub fn expect_count(&self, path: &Path<'_>) -> Result<u64, RequestError> {
        let number = self.expect_number(path)?;
        if number < 1.0 || number.fract() != 0.0 {
            return Err(path.refuse("must be a whole number from 1 on"));
        }
        Ok(number as u64)
    }

    /// A complaint where it is something else.
    pub fn expect(&self, kind: Kind, path: &Path<'_>) -> Result<(), RequestError> {
        if self.kind == kind { Ok(()) } else { Err(self.not(kind, path)) }
    }

    fn not(&self, kind: Kind, path: &Path<'_>) -> RequestError {
        path.refuse(format_args!("must be {kind}, got {}", self.kind))
    }

    fn within(&self, item: Item) -> View<'a> {
        let (start, end) = (self.start + item.value.start, self.start + item.value.end);
        View { start, end, kind: item.value.kind, ..*self }
    }

    fn items(&self) -> Vec<Item> {
        let mut scanner = Scanner::outlining();
        // The whole body was checked, so there is no error.
        let _ = scanner.push(self.raw().as_bytes());
        scanner.into_outline().map(|outline| outline.items).unwrap_or_default()
    }
}

/// Whether this is an object, and can stand where so much has been opened around it: documents may nest only so deep, and in
/// another protocol a value may stand deeper than where it comes from.
#[must_use]
pub fn fits(before: &'static str, object: &str, behind: &'static str) -> bool {
    let mut scanner = Scanner::new();
    let mut push = |text: &str| scanner.push(text.as_bytes()).is_ok();
    object.trim_start().starts_with('{') && push(before) && push(object) && push(behind) && scanner.finish().is_ok()
}

/// The members of an object that were not taken yet.
#[derive(Debug, Clone)]
pub struct Object<'a>(Vec<(Cow<'a, str>, View<'a>)>);

impl<'a> Object<'a> {
    /// The member with this key; of several the last, as most readers have it. One that is `null` counts as absent.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<View<'a>> {
        let (_, value) = self.0.iter().rev().find(|(found, _)| found == key)?;
        (value.kind != Kind::Null).then_some(*value)
    }

    /// The same, and it is not there any more.
    pub fn take(&mut self, key: &str) -> Option<View<'a>> {
        let value = self.get(key);
        self.0.retain(|(found, _)| found != key);
        value
    }

    /// The string with this key, `""` where there is none.
    pub fn take_word(&mut self, key: &str, path: &Path<'_>) -> Result<Cow<'a, str>, RequestError> {
        self.take(key).map_or(Ok(Cow::Borrowed("")), |value| value.expect_string(&path.key(key)))
    }

    /// What is left, in its order; what is `null`, too.
    pub fn rest(&self) -> impl Iterator<Item = (&str, &View<'a>)> {
        self.0.iter().map(|(key, value)| (&**key, value))
    }

    /// What is left as [`take`](Object::take) would hand it out, in its order.
    pub fn into_rest(self) -> impl Iterator<Item = (Cow<'a, str>, View<'a>)> {
        let mut known = HashSet::new();
        let mut rest: Vec<_> = self.0.into_iter().rev().filter(|(key, _)| known.insert(key.clone())).collect();
        rest.reverse();
        rest.into_iter().filter(|(_, value)| value.kind != Kind::Null)
    }

    /// Keys of what is left and is not `null`.
    pub fn left(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter(|(_, value)| value.kind != Kind::Null).map(|(key, _)| &**key)
    }
}

/// The text of a string, or of a part of one: as it is written, escapes and all, without its quotes.
#[derive(Debug, Clone)]
pub struct Text<'a> {
    view: View<'a>,
    range: Range<usize>,
}

impl<'a> Text<'a> {
    /// As it is written.
    #[must_use]
    pub fn raw(&self) -> &'a str {
        &self.view.text[self.range.clone()]
    }

    /// To be written.
    #[must_use]
    pub fn json(&self) -> JsonText<'a> {
        JsonText::within(self.view.body, self.range.clone())
    }

    /// What it says, as far as it is Unicode.
    #[must_use]
    pub fn unescaped(&self) -> String {
        self.json().unescape().unwrap_or_default()
    }

    /// Whether there is nothing but white space.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        let raw = self.raw();
        let mut rest = raw.trim_start();
        // Escaped white space, as in `\n\t `.
        while let Some(after) =
            rest.strip_prefix(r"\n").or_else(|| rest.strip_prefix(r"\t")).or_else(|| rest.strip_prefix(r"\r"))
        {
            rest = after.trim_start();
        }
        rest.is_empty()
    }

    /// It without its first bytes. There must be so many, and no escape may be cut.
    #[must_use]
    pub fn from(&self, bytes: usize) -> Text<'a> {
        Text { view: self.view, range: self.range.start + bytes..self.range.end }
    }
}

/// What a JSON string says, its quotes included in `raw`.
fn unescape(raw: &str) -> Option<Cow<'_, str>> {
    if raw.contains('\\') {
        return serde_json::from_str::<String>(raw).ok().map(Cow::Owned);
    }
    Some(Cow::Borrowed(raw.get(1..raw.len() - 1)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(text: &'static str) -> Bytes {
        Bytes::from_static(text.as_bytes())
    }

    #[test]
    fn members_and_elements() {
        let body = body(r#" {"a":[1, {"b" : "x\ny"}],"\u0061b":true,"n":null,"a":[2.0,"\/","  \n "]} "#);
        let mut object = View::of(&body).unwrap().members();
        assert_eq!(object.left().collect::<Vec<_>>(), ["a", "ab", "a"]);
        assert!(object.take("n").is_none());
        assert!(object.take("ab").unwrap().is("true"));
        let elements = object.take("a").unwrap().elements();
        assert_eq!(elements.iter().map(View::raw).collect::<Vec<_>>(), ["2.0", r#""\/""#, r#""  \n ""#]);
        assert_eq!(elements[0].expect_count(&Path::Root), Ok(2));
        assert_eq!(elements[1].string().unwrap(), "/");
        assert_eq!(elements[1].text().unwrap().raw(), r"\/");
        assert!(elements[2].text().unwrap().is_blank() && !elements[1].text().unwrap().is_blank());
        assert_eq!(elements[0].bytes().as_ptr(), body[elements[0].start..].as_ptr());
        assert!(object.take("a").is_none() && elements[0].elements().is_empty() && elements[0].text().is_none());
    }

    #[test]
    fn the_rest_is_what_could_be_taken() {
        let body = body(r#"{"z":1,"a":1,"b":null,"c":3,"\u0061":2,"c":null}"#);
        let mut object = View::of(&body).unwrap().members();
        object.take("z");
        let rest: Vec<(String, &str)> = object.into_rest().map(|(key, view)| (key.into_owned(), view.raw())).collect();
        assert_eq!(rest, [("a".to_owned(), "2")]);
    }

    #[test]
    fn complaints_name_the_place() {
        let body = body(r#"{"a":[1,"\ud800"]}"#);
        let a = View::of(&body).unwrap().members().take("a").unwrap();
        let root = Path::Root;
        let at = root.key("a");
        let error = a.expect_object(&at).unwrap_err();
        assert_eq!(
            (&*error.message, error.param.as_deref()),
            ("invalid request body: a must be an object, got an array", Some("a"))
        );
        let elements = a.elements();
        let first = at.index(0);
        assert_eq!(elements[0].expect_bool(&first.key("b")).unwrap_err().param.unwrap(), "a[0].b");
        assert_eq!(elements[1].expect_string(&at.index(1)).unwrap_err().param.unwrap(), "a[1]");
    }

    #[test]
    fn objects_fit_up_to_a_depth() {
        let nested = |depth: usize| format!("{}{}", "{\"a\":".repeat(depth - 1) + "{", "}".repeat(depth));
        assert!(fits(r#"{"a":["#, &nested(125), "]}") && !fits(r#"{"a":["#, &nested(126), "]}"));
        for object in ["", "[]", "{", "{}{}", "{}]}", "{},{}", "7"] {
            assert!(!fits(r#"{"a":"#, object, "}"), "{object}");
        }
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for text in [&b"[]"[..], b"{", b"", b"{\"a\":\"\xff\"}", b"{}{}"] {
            assert!(View::of(&Bytes::from_static(text)).is_err());
        }
    }
}
