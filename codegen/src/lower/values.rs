//! Scalars to values: what the keys of all sections have in common. Each reports what is wrong and gives `None`.

use super::env::{self, Part};
use super::{Cx, units};
use crate::ast::decode::{Leaf, listed, nearest};
use crate::ast::node::Span;
use crate::ast::secret::is_shown_before;
use crate::{errors, ir};
use std::ops::{Range, RangeInclusive};
use std::time::Duration;

impl Cx<'_> {
    /// A size in bytes, at least 1.
    pub(super) fn size(&mut self, leaf: Option<&Leaf>, key: &str, default: u64) -> u64 {
        let Some((leaf, text)) = leaf.and_then(|leaf| Some((leaf, self.fixed(leaf, key)?))) else {
            return default;
        };
        units::size(&text).filter(|bytes| *bytes > 0).unwrap_or_else(|| {
            self.sink.report(&errors::BAD_SIZE, leaf.span, &[key, &text]);
            default
        })
    }

    /// The text of a value that is fixed at build time: it cannot name environment variables.
    pub(super) fn fixed(&mut self, leaf: &Leaf, key: &str) -> Option<String> {
        let mut parts = self.parts(leaf)?;
        match (parts.pop(), parts.is_empty()) {
            (Some(Part::Literal(text)), true) => Some(text),
            _ => {
                self.sink.report(&errors::FIXED_AT_BUILD_TIME, leaf.span, &[key]);
                None
            }
        }
    }

    /// The same of a value that may be left out.
    pub(super) fn fixed_opt(&mut self, leaf: Option<&Leaf>, key: &str) -> Option<String> {
        leaf.and_then(|leaf| self.fixed(leaf, key))
    }

    /// A fixed text that is not empty and goes into a header and a line of a log as it is.
    pub(super) fn name(&mut self, leaf: &Leaf, key: &str) -> Option<String> {
        let text = self.fixed(leaf, key)?;
        if text.is_empty() {
            self.sink.report(&errors::EMPTY_STRING, leaf.span, &[key]);
            return None;
        }
        if text.trim() != text || text.contains(char::is_control) {
            self.sink.report(&errors::BAD_NAME, leaf.span, &[key]);
            return None;
        }
        Some(text)
    }

    /// A text that may name environment variables.
    pub(super) fn text(&mut self, leaf: &Leaf, secret: bool) -> Option<ir::Text> {
        let parts = self.parts(leaf)?;
        if let [Part::Literal(text)] = parts.as_slice() {
            return Some(ir::Text::Baked(text.clone()));
        }
        let wanted_by = self.paths.at(leaf.span);
        let pieces = parts.iter().map(|part| match part {
            Part::Literal(text) => ir::Piece::Literal(text.clone()),
            Part::Var(var) => ir::Piece::Var(self.env.slot(var, secret, wanted_by)),
        });
        Some(ir::Text::Env(pieces.collect()))
    }

    /// A secret: one variable and nothing else, so a `$` in a literal secret is not taken for one. It has no default: one that
    /// is not empty would be readable in the binary, and an empty one would let anybody in.
    pub(super) fn secret(&mut self, leaf: &Leaf, key: &str) -> Option<ir::Text> {
        self.credential(leaf, key, |parts| matches!(parts, [Part::Var(_)]))
    }

    /// The value of a header that carries a secret: the same, perhaps behind a word like `Bearer `.
    pub(super) fn secret_header(&mut self, leaf: &Leaf, key: &str) -> Option<ir::Text> {
        self.credential(leaf, key, |parts| match parts {
            [Part::Var(_)] => true,
            [Part::Literal(before), Part::Var(_)] => is_shown_before(before),
            _ => false,
        })
    }

    fn credential(&mut self, leaf: &Leaf, key: &str, is_sound: fn(&[Part]) -> bool) -> Option<ir::Text> {
        let parts = self.parts(leaf)?;
        if leaf.text.is_empty() {
            self.sink.report(&errors::EMPTY_STRING, leaf.span, &[key]);
            return None;
        }
        for part in &parts {
            if let Part::Var(env::Var { name, default: Some(_), .. }) = part {
                self.sink.report(&errors::SECRET_DEFAULT, leaf.span, &[key, name]);
                self.sink.hide([leaf.span]);
                return None;
            }
        }
        if !is_sound(&parts) {
            self.sink.report(&errors::LITERAL_SECRET, leaf.span, &[key]);
            self.sink.hide([leaf.span]);
            return None;
        }
        self.text(leaf, true)
    }

    /// The literals and variables of a scalar.
    pub(super) fn parts(&mut self, leaf: &Leaf) -> Option<Vec<Part>> {
        env::parse(&leaf.text)
            .map_err(|(message, range)| {
                let span = self.within(leaf, range);
                self.sink.report(&errors::BAD_ENV_REFERENCE, span, &[&message]);
            })
            .ok()
    }

    /// Where some bytes of a scalar stand, as far as its quotes and escapes let that be said.
    pub(super) fn within(&self, leaf: &Leaf, range: Range<usize>) -> Span {
        let written = &self.text[leaf.span.start..leaf.span.end];
        let quoted = written.len().checked_sub(1).and_then(|end| written.get(1..end));
        let start = if written == leaf.text {
            leaf.span.start
        } else if quoted == Some(&leaf.text) {
            leaf.span.start + 1
        } else {
            return leaf.span;
        };
        Span { start: start + range.start, end: start + range.end }
    }

    /// A whole number in a range.
    pub(super) fn number(&mut self, leaf: &Leaf, key: &str, range: RangeInclusive<i64>) -> Option<i64> {
        let text = self.fixed(leaf, key)?;
        let number = text.parse::<i64>().ok().filter(|number| range.contains(number));
        if number.is_none() {
            let expected = match (*range.start(), *range.end()) {
                (i64::MIN, i64::MAX) => "a whole number".to_owned(),
                (start, end) => format!("a whole number from {start} to {end}"),
            };
            self.sink.report(&errors::BAD_NUMBER, leaf.span, &[key, &expected, &text]);
        }
        number
    }

    /// A decimal number in a range.
    pub(super) fn decimal(&mut self, leaf: &Leaf, key: &str, range: RangeInclusive<f64>) -> Option<f64> {
        let text = self.fixed(leaf, key)?;
        let number = text.parse::<f64>().ok().filter(|number| range.contains(number));
        if number.is_none() {
            let expected = match (*range.start(), *range.end()) {
                (f64::MIN, f64::MAX) => "a number".to_owned(),
                (start, f64::MAX) => format!("a number of at least {start}"),
                (start, end) => format!("a number from {start} to {end}"),
            };
            self.sink.report(&errors::BAD_NUMBER, leaf.span, &[key, &expected, &text]);
        }
        number
    }

    /// `true` or `false`; the default where it is left out or broken.
    pub(super) fn flag(&mut self, leaf: Option<&Leaf>, key: &str, default: bool) -> bool {
        let Some((leaf, text)) = leaf.and_then(|leaf| Some((leaf, self.fixed(leaf, key)?))) else { return default };
        match text.to_ascii_lowercase().as_str() {
            "true" => true,
            "false" => false,
            _ => {
                self.sink.report(&errors::BAD_FLAG, leaf.span, &[key, &text]);
                default
            }
        }
    }

    /// A duration of more than nothing; the default where it is left out or broken.
    pub(super) fn duration(&mut self, leaf: Option<&Leaf>, key: &str, default: Duration) -> Duration {
        let Some(leaf) = leaf else { return default };
        self.any_duration(leaf, key).filter(|duration| !duration.is_zero() || self.zero(leaf, key)).unwrap_or(default)
    }

    /// A duration; nothing at all is one.
    pub(super) fn any_duration(&mut self, leaf: &Leaf, key: &str) -> Option<Duration> {
        let text = self.fixed(leaf, key)?;
        let duration = units::duration(&text);
        if duration.is_none() {
            self.sink.report(&errors::BAD_DURATION, leaf.span, &[key, &text]);
        }
        duration
    }

    fn zero(&mut self, leaf: &Leaf, key: &str) -> bool {
        let help = "it must be longer than nothing".to_owned();
        self.sink.report(&errors::BAD_DURATION, leaf.span, &[key, &leaf.text]).help(help);
        false
    }

    /// One of a few words. `unsupported` are known words that this version does not have.
    pub(super) fn choice<T: Copy>(
        &mut self,
        leaf: &Leaf,
        key: &str,
        words: &[(&str, T)],
        unsupported: &[&str],
    ) -> Option<T> {
        let text = self.fixed(leaf, key)?;
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
            return Some(*value);
        }
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let all = || {
            if known.len() == 1 { format!("write {}", listed(&known)) } else { format!("one of {}", listed(&known)) }
        };
        if unsupported.contains(&text.as_str()) {
            let help = if known.len() == 1 { format!("only {} is", listed(&known)) } else { all() };
            self.sink.report(&errors::UNSUPPORTED_VALUE, leaf.span, &[key, &text]).help(help);
        } else {
            let help = nearest(&text, known.iter().copied()).map_or_else(all, |near| format!("did you mean `{near}`?"));
            self.sink.report(&errors::UNKNOWN_VALUE, leaf.span, &[key, &text]).help(help);
        }
        None
    }

    /// A key that its section cannot do without. Where the section has keys that could not be read, one of them may have
    /// been meant to be it, and has been reported.
    pub(super) fn required<'l>(
        &mut self,
        leaf: Option<&'l Leaf>,
        what: &str,
        key: &str,
        (at, whole): (Span, bool),
    ) -> Option<&'l Leaf> {
        if leaf.is_none() && whole {
            self.sink.report(&errors::MISSING_KEY, at, &[what, key]);
        }
        leaf
    }

    /// The same of a list or a mapping.
    pub(super) fn required_part<'p, T>(
        &mut self,
        part: Option<&'p T>,
        what: &str,
        key: &str,
        (at, whole): (Span, bool),
    ) -> Option<&'p T> {
        if part.is_none() && whole {
            self.sink.report(&errors::MISSING_KEY, at, &[what, key]);
        }
        part
    }

    /// A key that does nothing where it stands. `why` follows "has no effect".
    pub(super) fn no_effect(&mut self, leaf: Option<&Leaf>, key: &str, why: &str) {
        if let Some(leaf) = leaf {
            self.sink.report(&errors::KEY_WITHOUT_EFFECT, leaf.span, &[key, why]);
        }
    }
}

/// All of them, if none is broken. Every one is looked at, so that every mistake is told.
pub(super) fn all_sound<T>(items: impl Iterator<Item = Option<T>>) -> Option<Vec<T>> {
    items.collect::<Vec<Option<T>>>().into_iter().collect()
}
