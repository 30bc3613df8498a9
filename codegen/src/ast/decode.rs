//! Tree to types: how a section of the document is read.
//!
//! A section is a struct whose fields are all optional; `section!` derives its reader from its fields, so that the
//! struct is the one list of what may be written. Unknown, doubled, empty and wrongly typed keys are reported here, all
//! of them; what the values mean is for `lower`.

use super::node::{Key, Node, Scalar, Span, Value};
use super::shape::{Form, Shape};
use super::upstream;
use super::verdicts::{self, Entry, Verdict};
use crate::errors;
use crate::report::Sink;
use std::collections::BTreeMap;

/// A value that can be read from a node.
pub trait Decode: Sized {
    /// What it must be, in words that follow "must be".
    const EXPECTED: &'static str;

    /// Reads it. `what` names it in messages. `None` after a mistake that was reported.
    fn decode(node: &Node, what: &str, sink: &mut Sink) -> Option<Self>;

    /// What it is, for the schema.
    fn form() -> Form {
        Form::Any
    }

    /// Adds the sections that can stand in it.
    fn sections(_out: &mut Vec<SectionKeys>) {}
}

/// A section and its keys, for the reference.
#[derive(Debug, Clone, PartialEq)]
pub struct SectionKeys {
    /// `providers.models[].pricing`; empty for the document itself.
    pub path: &'static str,
    /// What it is for.
    pub doc: &'static str,
    /// Its keys, in the order of the struct.
    pub keys: &'static [&'static str],
    /// The same with what each may hold.
    pub fields: Vec<Field>,
}

/// A key of a section.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// As it is written.
    pub key: &'static str,
    /// What it means.
    pub doc: &'static str,
    /// What its type is.
    pub form: Form,
    /// What its values may be.
    pub shape: Shape,
}

/// A scalar as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// Without quotes.
    pub text: String,
    /// Its token.
    pub span: Span,
}

/// A list.
#[derive(Debug, Clone)]
pub struct List<T> {
    /// The list.
    pub span: Span,
    /// How many items were written, unreadable ones among them.
    pub written: usize,
    /// Its readable items.
    pub items: Vec<T>,
}

/// A mapping whose keys are the user's own.
#[derive(Debug, Clone)]
pub struct Dict<T> {
    /// The mapping.
    pub span: Span,
    /// In the order of the document, without duplicates.
    pub entries: Vec<(Key, T)>,
}

/// Declares a section: `"path" => pub struct Name { field: Type, field = "writtenKey": Type as SHAPE }`. The shape is for
/// the schema alone; without one, any text will do there.
macro_rules! section {
    (
        $(#[doc = $about:literal])*
        $path:literal => pub struct $name:ident {
            $($(#[doc = $doc:literal])* $field:ident $(= $key:literal)?: $type:ty $(as $shape:expr)?,)*
        }
    ) => {
        $(#[doc = $about])*
        #[derive(Debug, Clone)]
        pub struct $name {
            /// Its first key.
            pub span: $crate::ast::node::Span,
            /// Whether all of its keys could be read. Where not, what is missing may have been meant by one of them.
            pub whole: bool,
            $($(#[doc = $doc])* pub $field: Option<$type>,)*
        }

        impl $crate::ast::decode::Decode for $name {
            const EXPECTED: &'static str = "a mapping";

            fn decode(
                node: &$crate::ast::node::Node,
                what: &str,
                sink: &mut $crate::report::Sink,
            ) -> Option<Self> {
                const KEYS: &[&str] = &[$($crate::ast::decode::section!(@key $field $($key)?)),*];
                let before = sink.errors();
                let known = $crate::ast::decode::known_entries(node, what, $path, KEYS, sink)?;
                let mut whole = sink.errors() == before;
                $(let $field = $crate::ast::decode::field(
                    &known,
                    $crate::ast::decode::section!(@key $field $($key)?),
                    &mut whole,
                    sink,
                );)*
                Some($name { span: $crate::ast::decode::head(node), whole, $($field),* })
            }

            fn form() -> $crate::ast::shape::Form {
                $crate::ast::shape::Form::Section($path)
            }

            fn sections(out: &mut Vec<$crate::ast::decode::SectionKeys>) {
                if out.iter().any(|section| section.path == $path) {
                    return;
                }
                out.push($crate::ast::decode::SectionKeys {
                    path: $path,
                    doc: concat!($($about, "\n"),*),
                    keys: &[$($crate::ast::decode::section!(@key $field $($key)?)),*],
                    fields: vec![$($crate::ast::decode::Field {
                        key: $crate::ast::decode::section!(@key $field $($key)?),
                        doc: concat!($($doc, "\n"),*),
                        form: <$type as $crate::ast::decode::Decode>::form(),
                        shape: $crate::ast::decode::section!(@shape $($shape)?),
                    }),*],
                });
                $(<$type as $crate::ast::decode::Decode>::sections(out);)*
            }
        }
    };
    (@key $field:ident $key:literal) => { $key };
    (@key $field:ident) => { stringify!($field) };
    (@shape $shape:expr) => { $shape };
    (@shape) => { $crate::ast::shape::TEXT };
}
pub(crate) use section;

/// The entries of a section that are its keys. The others are reported.
pub fn known_entries<'n>(
    node: &'n Node,
    what: &str,
    path: &str,
    keys: &[&str],
    sink: &mut Sink,
) -> Option<Vec<(&'n Key, &'n Node)>> {
    let Value::Map(entries) = &node.value else {
        wrong_type(node, what, "a mapping", sink);
        return None;
    };
    let mut known = Vec::new();
    for (key, value) in without_duplicates(entries, sink) {
        if keys.contains(&key.text.as_str()) {
            known.push((key, value));
        } else {
            unknown_key(key, value, path, keys, sink);
        }
    }
    Some(known)
}

fn unknown_key(key: &Key, value: &Node, path: &str, keys: &[&str], sink: &mut Sink) {
    let place = if path.is_empty() { "the document".to_owned() } else { format!("`{path}`") };
    let name = key.text.as_str();
    if let Some(entry) = verdicts::entry(path, name) {
        let_stand(entry, key, value, &place, sink);
        return;
    }
    if let Some(replacement) = upstream::removed(path, name) {
        sink.report(&errors::REMOVED_KEY, key.span, &[name, &place, replacement]);
    } else if let Some(elsewhere) = upstream::belongs(path, name) {
        sink.report(&errors::MISPLACED_KEY, key.span, &[name, &place, elsewhere]);
    } else if upstream::unsupported(path, name) {
        sink.report(&errors::UNSUPPORTED_KEY, key.span, &[name, &place]);
    } else {
        let help = match (upstream::renamed(path, name), nearest(name, keys.iter().copied())) {
            (Some(here), _) => format!("here it is called `{here}`"),
            (None, Some(near)) => format!("did you mean `{near}`?"),
            (None, None) => format!("the keys here are {}", listed(keys)),
        };
        sink.report(&errors::UNKNOWN_KEY, key.span, &[name, &place]).help(help);
    }
}

/// A key that nobody reads, and whether it may stay all the same.
fn let_stand(entry: &Entry, key: &Key, value: &Node, place: &str, sink: &mut Sink) {
    let name = key.text.as_str();
    match entry.verdict {
        Verdict::Ignored => sink.report(&errors::IGNORED_KEY, key.span, &[name]).help(entry.why.to_owned()),
        Verdict::Declared => sink.report(&errors::UNSUPPORTED_DECLARATION, key.span, &[name, entry.why]),
        Verdict::Switch { path, on_by_default } if verdicts::is_off(value, path, on_by_default) => {
            sink.report(&errors::SWITCHED_OFF, key.span, &[name, entry.why])
        }
        Verdict::Switch { path, .. } => {
            let help = format!("{}: remove it, or write `{}: false`", entry.why, path.join("."));
            sink.report(&errors::UNSUPPORTED_KEY, key.span, &[name, place]).help(help)
        }
    };
    sink.ignore(key.span);
}

/// The entries of a mapping without those whose key stood before. Those are reported.
fn without_duplicates<'n>(entries: &'n [(Key, Node)], sink: &mut Sink) -> Vec<(&'n Key, &'n Node)> {
    let mut first: BTreeMap<&str, Span> = BTreeMap::new();
    let mut out = Vec::with_capacity(entries.len());
    for (key, value) in entries {
        if let Some(span) = first.get(key.text.as_str()) {
            sink.report(&errors::DUPLICATE_KEY, key.span, &[&key.text]).related(*span, "first time");
        } else {
            first.insert(&key.text, key.span);
            out.push((key, value));
        }
    }
    out
}

/// Reads the value of a key, if it is there. `whole` becomes false where it is there and cannot be read.
pub fn field<T: Decode>(known: &[(&Key, &Node)], name: &str, whole: &mut bool, sink: &mut Sink) -> Option<T> {
    let (key, node) = known.iter().find(|(key, _)| key.text == name)?;
    let value = if matches!(node.value, Value::Scalar(_, Scalar::Null)) {
        sink.report(&errors::EMPTY_VALUE, key.span, &[name]);
        None
    } else {
        T::decode(node, name, sink)
    };
    *whole &= value.is_some();
    value
}

/// Where a mapping begins: its first key. All of it would be too much to underline.
pub fn head(node: &Node) -> Span {
    node.entries().iter().map(|(key, _)| key.span).min().unwrap_or(node.span)
}

fn wrong_type(node: &Node, what: &str, expected: &str, sink: &mut Sink) {
    let what = if what.contains(' ') { what.to_owned() } else { format!("`{what}`") };
    sink.report(&errors::WRONG_TYPE, node.span, &[&what, expected, node.describe()]);
}

impl Decode for Leaf {
    const EXPECTED: &'static str = "a single value";

    fn form() -> Form {
        Form::Scalar
    }

    fn decode(node: &Node, what: &str, sink: &mut Sink) -> Option<Self> {
        match &node.value {
            Value::Scalar(_, Scalar::Null) => {
                sink.report(&errors::EMPTY_VALUE, node.span, &[what]);
                None
            }
            Value::Scalar(text, _) => Some(Leaf { text: text.clone(), span: node.span }),
            Value::List(_) | Value::Map(_) => {
                wrong_type(node, what, Self::EXPECTED, sink);
                None
            }
        }
    }
}

impl<T: Decode> Decode for List<T> {
    const EXPECTED: &'static str = "a list";

    fn form() -> Form {
        Form::List(Box::new(T::form()))
    }

    fn decode(node: &Node, what: &str, sink: &mut Sink) -> Option<Self> {
        let Value::List(items) = &node.value else {
            wrong_type(node, what, Self::EXPECTED, sink);
            return None;
        };
        let item = format!("{what}[]");
        let written = items.len();
        let items = items.iter().filter_map(|node| T::decode(node, &item, sink)).collect();
        Some(List { span: node.span, written, items })
    }

    fn sections(out: &mut Vec<SectionKeys>) {
        T::sections(out);
    }
}

impl<T: Decode> Decode for Dict<T> {
    const EXPECTED: &'static str = "a mapping";

    fn form() -> Form {
        Form::Dict(Box::new(T::form()))
    }

    fn decode(node: &Node, what: &str, sink: &mut Sink) -> Option<Self> {
        let Value::Map(entries) = &node.value else {
            wrong_type(node, what, Self::EXPECTED, sink);
            return None;
        };
        let mut out = Vec::new();
        for (key, node) in without_duplicates(entries, sink) {
            if let Some(value) = T::decode(node, &key.text, sink) {
                out.push((key.clone(), value));
            }
        }
        Some(Dict { span: head(node), entries: out })
    }

    fn sections(out: &mut Vec<SectionKeys>) {
        T::sections(out);
    }
}

impl<T: Decode> Decode for Box<T> {
    const EXPECTED: &'static str = T::EXPECTED;

    fn form() -> Form {
        T::form()
    }

    fn decode(node: &Node, what: &str, sink: &mut Sink) -> Option<Self> {
        T::decode(node, what, sink).map(Box::new)
    }

    fn sections(out: &mut Vec<SectionKeys>) {
        T::sections(out);
    }
}

impl Decode for Node {
    const EXPECTED: &'static str = "anything";

    fn decode(node: &Node, _: &str, _: &mut Sink) -> Option<Self> {
        Some(node.clone())
    }
}

/// The candidate that was most likely meant.
pub fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let plain = |s: &str| s.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect::<String>();
    let wanted = plain(word);
    // A third of the letters may be wrong: enough for a slip, too little for another word.
    let bound = (wanted.chars().count() / 3).min(4);
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let candidate_plain = plain(candidate);
            // Comparing takes the product of the lengths; a novel in place of a name is not worth it.
            let near = candidate_plain.len().abs_diff(wanted.len()) <= 4 * bound + 3;
            let distance = near.then(|| strsim::damerau_levenshtein(&wanted, &candidate_plain))?;
            (distance <= bound).then_some((distance, candidate))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `` `a`, `b` and `c` ``.
pub fn listed(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}
