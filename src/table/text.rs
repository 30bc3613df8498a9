//! Strings that are known at build time, or are put together from the environment at start-up.

/// Index into [`Tables::env`](super::Tables::env).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EnvSlot(pub u16);

/// An environment variable that the configuration names.
#[derive(Debug)]
pub struct EnvVar {
    /// `OPENAI_API_KEY`.
    pub name: &'static str,
    /// The text after `:-` or `-`. Without one the variable must be set and not empty.
    pub default: Option<&'static str>,
    /// Whether an empty variable counts as unset (`:-`) or stands (`-`). True where there is no default.
    pub empty_is_unset: bool,
    /// Whether its value must never be shown.
    pub secret: bool,
    /// Where the document names it: `providers.models[0].backend_refs[0].api_key`.
    pub wanted_by: &'static [&'static str],
}

/// A string of the configuration that may name environment variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Text {
    /// Settled at build time.
    Baked(&'static str),
    /// The pieces in order, put together at start-up.
    Env(&'static [Piece]),
}

/// A part of a [`Text::Env`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece {
    /// As written.
    Literal(&'static str),
    /// The value of this variable.
    Var(EnvSlot),
}
