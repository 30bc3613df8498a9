//! A YAML document as a tree in which every node knows where it stands.
//!
//! Scalars keep the text that was written: what `1.10` or `yes` means is for the key that wants it to say. Knows nothing
//! of any key.

use std::fmt;

/// A range of bytes of the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

/// A value and where it stands.
#[derive(Debug, Clone)]
pub struct Node {
    /// Of a scalar: its token. Of a list or mapping: from its first to its last entry.
    pub span: Span,
    /// What it is.
    pub value: Value,
}

/// What a node is.
#[derive(Debug, Clone)]
pub enum Value {
    /// Text as it was written, without quotes, and what YAML takes it for.
    Scalar(String, Scalar),
    /// A list.
    List(Vec<Node>),
    /// A mapping in the order of the document, duplicates included.
    Map(Vec<(Key, Node)>),
}

/// What YAML's core schema takes a scalar for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scalar {
    /// `~`, `null` or nothing at all.
    Null,
    /// `true` or `false`.
    Bool,
    /// An integer or a decimal fraction.
    Number,
    /// Everything else, and everything in quotes.
    Text,
}

/// The key of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Without quotes.
    pub text: String,
    /// Its token.
    pub span: Span,
}

impl Node {
    /// The entries of a mapping; empty for anything else.
    #[must_use]
    pub fn entries(&self) -> &[(Key, Node)] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries().iter().find(|(k, _)| k.text == key).map(|(_, node)| node)
    }

    /// What it is, in words that follow "found".
    #[must_use]
    pub fn describe(&self) -> &'static str {
        match &self.value {
            Value::Scalar(_, Scalar::Null) => "nothing",
            Value::Scalar(_, Scalar::Bool) => "true or false",
            Value::Scalar(_, Scalar::Number) => "a number",
            Value::Scalar(_, Scalar::Text) => "a string",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }
}

/// Where every value stands: `providers.models[0].name`.
#[derive(Debug, Default)]
pub struct Paths {
    /// By first byte, then path. A value that is reached twice, through an alias, keeps its first path.
    starts: Vec<(usize, String)>,
}

impl Paths {
    /// The paths of all keys and values of a document.
    #[must_use]
    pub fn of(root: &Node) -> Paths {
        let mut starts = Vec::new();
        walk(root, &mut String::new(), &mut starts);
        starts.sort_by_key(|(start, _)| *start);
        Paths { starts }
    }

    /// The path of the last key or value that begins at or before this one; of the innermost where several do.
    #[must_use]
    pub fn at(&self, span: Span) -> &str {
        let after = self.starts.partition_point(|(start, _)| *start <= span.start);
        after.checked_sub(1).map_or("", |last| self.starts[last].1.as_str())
    }
}

fn walk(node: &Node, path: &mut String, out: &mut Vec<(usize, String)>) {
    let length = path.len();
    match &node.value {
        Value::Scalar(..) => out.push((node.span.start, path.clone())),
        Value::List(items) => {
            for (index, item) in items.iter().enumerate() {
                append(path, format_args!("[{index}]"));
                walk(item, path, out);
                path.truncate(length);
            }
        }
        Value::Map(entries) => {
            for (key, value) in entries {
                let dot = if path.is_empty() { "" } else { "." };
                append(path, format_args!("{dot}{}", key.text));
                out.push((key.span.start, path.clone()));
                walk(value, path, out);
                path.truncate(length);
            }
        }
    }
}

fn append(path: &mut String, part: fmt::Arguments<'_>) {
    fmt::Write::write_fmt(path, part).expect("writing to a String cannot fail");
}
