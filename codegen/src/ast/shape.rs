//! What a value may look like, as far as one can tell without knowing what it refers to: data for the JSON Schema.
//!
//! The decoder reads every scalar as text and `lower` judges it; a shape says in advance what will be accepted. It may
//! let pass what `lower` refuses, never the other way round: a test holds both together.

/// What the type of a field is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Form {
    /// Anything at all.
    Any,
    /// A single value.
    Scalar,
    /// A list of such.
    List(Box<Form>),
    /// A mapping from names of the user's own to such.
    Dict(Box<Form>),
    /// The section with this path.
    Section(&'static str),
}

/// What a key may hold beyond its form. Speaks of the innermost values of a list or mapping.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shape {
    /// Of each single value.
    pub kind: Kind,
    /// Whether the section cannot do without the key.
    pub required: bool,
    /// Whether a list must have an item.
    pub some: bool,
}

/// What a single value may be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// Any text.
    Text,
    /// Any text but none.
    Name,
    /// `true` or `false`.
    Flag,
    /// A whole number, both ends inclusive.
    Integer(i64, i64),
    /// A number of at least this and at most that.
    Number(f64, f64),
    /// A number with its unit of time.
    Duration,
    /// Bytes, or a number with its unit.
    Size,
    /// A number of tokens, also in thousands or millions.
    Tokens,
    /// A decimal number that is not negative, with at most six decimals.
    Price,
    /// One of these words.
    Words(&'static [&'static str]),
}

/// Any text.
pub const TEXT: Shape = of(Kind::Text);
/// Any text but none.
pub const NAME: Shape = of(Kind::Name);
/// `true` or `false`.
pub const FLAG: Shape = of(Kind::Flag);
/// A whole number.
pub const WHOLE: Shape = of(Kind::Integer(i64::MIN, i64::MAX));
/// A TCP port.
pub const PORT: Shape = of(Kind::Integer(1, 65_535));
/// A duration.
pub const DURATION: Shape = of(Kind::Duration);
/// A size.
pub const SIZE: Shape = of(Kind::Size);
/// A number of tokens.
pub const TOKENS: Shape = of(Kind::Tokens);
/// A price per million tokens.
pub const PRICE: Shape = of(Kind::Price);

/// A whole number, both ends inclusive.
#[must_use]
pub const fn whole(least: i64, most: i64) -> Shape {
    of(Kind::Integer(least, most))
}

/// A number, both ends inclusive.
#[must_use]
pub const fn number(least: f64, most: f64) -> Shape {
    of(Kind::Number(least, most))
}

/// One of these words.
#[must_use]
pub const fn words(words: &'static [&'static str]) -> Shape {
    of(Kind::Words(words))
}

const fn of(kind: Kind) -> Shape {
    Shape { kind, required: false, some: false }
}

impl Shape {
    /// The same of a key that must be there.
    #[must_use]
    pub const fn required(mut self) -> Shape {
        self.required = true;
        self
    }

    /// The same of a list that must have an item.
    #[must_use]
    pub const fn some(mut self) -> Shape {
        self.some = true;
        self
    }
}
