//! The environment, read once at start-up: every variable that the configuration names, or all that are missing.

use crate::table::{EnvVar, Piece, Tables, Text};
use std::borrow::Cow;
use std::fmt;

/// The values of [`Tables::env`], by slot. Holds secrets: its `Debug` shows none.
pub struct Env(Vec<String>);

impl fmt::Debug for Env {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Env({} variables)", self.0.len())
    }
}

/// Variables without a default that are unset or empty.
#[derive(Debug)]
pub struct Missing(pub Vec<&'static EnvVar>);

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.len() == 1 { "missing environment variable" } else { "missing environment variables" })?;
        for (i, var) in self.0.iter().enumerate() {
            let wanted_by = var.wanted_by.join(", ");
            write!(f, "{} {} (for {wanted_by})", if i == 0 { ":" } else { "," }, var.name)?;
        }
        Ok(())
    }
}

impl std::error::Error for Missing {}

impl Env {
    /// Reads every variable through `lookup`, usually `std::env::var`.
    pub fn read(tables: &Tables, lookup: impl Fn(&str) -> Option<String>) -> Result<Self, Missing> {
        let mut values = Vec::with_capacity(tables.env.len());
        let mut missing = Vec::new();
        for var in tables.env {
            let value = lookup(var.name).filter(|value| !(value.is_empty() && var.empty_is_unset));
            match value.or_else(|| var.default.map(str::to_owned)) {
                Some(value) => values.push(value),
                None => missing.push(var),
            }
        }
        if missing.is_empty() { Ok(Env(values)) } else { Err(Missing(missing)) }
    }

    /// These values, by slot.
    #[cfg(test)]
    pub(crate) fn of(values: &[&str]) -> Env {
        Env(values.iter().map(|value| (*value).to_owned()).collect())
    }

    /// Puts a text together.
    #[must_use]
    pub fn text(&self, text: &Text) -> Cow<'static, str> {
        match text {
            Text::Baked(text) => Cow::Borrowed(text),
            Text::Env(pieces) => pieces
                .iter()
                .map(|piece| match piece {
                    Piece::Literal(literal) => literal,
                    Piece::Var(slot) => self.0[usize::from(slot.0)].as_str(),
                })
                .collect::<String>()
                .into(),
        }
    }
}
