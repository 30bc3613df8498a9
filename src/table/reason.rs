//! Why decisions decide as they do, as data. Requests are decided by code ([`Policy::decide`](super::Policy::decide)),
//! which never looks at this; it is for those who ask for the reasons, and says the same.

use super::{MeasureId, SignalId};

/// What only explanations read.
#[derive(Debug, Clone, Copy)]
pub struct Reasons {
    /// By position in [`Policy::decisions`](super::Policy::decisions); `None` always matches.
    pub rules: &'static [Option<Rule>],
    /// How sure each signal is when it matches, by [`SignalId`].
    pub confidences: &'static [Number],
    /// The keywords and patterns that the automata find, by number of the term.
    pub terms: &'static [&'static str],
}

/// A rule of a decision, as the document has it.
#[derive(Debug)]
pub enum Rule {
    /// This signal matches.
    Signal(SignalId),
    /// It matches, and this number is within these bounds.
    Compare(SignalId, Number, Bounds),
    /// All of these match.
    All(&'static [Rule]),
    /// One of these matches.
    Any(&'static [Rule]),
    /// This does not match.
    Not(&'static Rule),
}

/// A number that is known, or will be for a request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// When the router was built.
    Known(f64),
    /// With the request.
    Noted(MeasureId),
}

/// Bounds on a number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// Greater than this.
    pub gt: Option<f64>,
    /// At least this.
    pub gte: Option<f64>,
    /// Less than this.
    pub lt: Option<f64>,
    /// At most this.
    pub lte: Option<f64>,
}

impl Reasons {
    /// Of a router without signals and decisions.
    pub const NONE: Reasons = Reasons { rules: &[], confidences: &[], terms: &[] };
}

impl Bounds {
    /// Whether a number is within them.
    #[must_use]
    pub fn hold(&self, value: f64) -> bool {
        self.gt.is_none_or(|bound| value > bound)
            && self.gte.is_none_or(|bound| value >= bound)
            && self.lt.is_none_or(|bound| value < bound)
            && self.lte.is_none_or(|bound| value <= bound)
    }
}
