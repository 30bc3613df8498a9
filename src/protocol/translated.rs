//! What a request translator hands back.

use super::splice::Chunks;

/// Longest name of a dropped field that is told.
const MAX_NAME: usize = 64;
/// Most names that are told.
const MAX_NAMES: usize = 32;

/// A request in the other protocol.
#[derive(Debug)]
pub struct Translated {
    /// Its body. It begins with `{"model":` and what stands there in the client's request, where that has a model.
    pub body: Chunks,
    /// What could not be carried.
    pub warnings: Warnings,
}

/// Names of what a translation dropped, each once.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Warnings(Vec<String>);

impl Warnings {
    /// This was dropped, or not carried as it was asked for.
    pub fn dropped(&mut self, name: &str) {
        let shown: String =
            name.chars().take(MAX_NAME).map(|c| if c.is_ascii_graphic() && c != ',' { c } else { '_' }).collect();
        if !shown.is_empty() && self.0.len() < MAX_NAMES && !self.0.contains(&shown) {
            self.0.push(shown);
        }
    }

    /// Nothing was dropped.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The names.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.0
    }

    /// The value of `x-vsr-protocol-warnings`: visible ASCII, names with `, ` between them.
    #[must_use]
    pub fn to_header(&self) -> String {
        self.0.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_fit_for_a_header() {
        let mut warnings = Warnings::default();
        for name in ["seed", "a\r\nb,é", "seed", ""] {
            warnings.dropped(name);
        }
        assert_eq!(warnings.to_header(), "seed, a__b__");
        (0..100).for_each(|n| warnings.dropped(&format!("{n}{}", "x".repeat(200))));
        assert!(warnings.names().len() == MAX_NAMES && warnings.to_header().len() <= (MAX_NAME + 2) * MAX_NAMES);
    }
}
