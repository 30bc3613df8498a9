//! How sure a rule is when it matches, as far as that is known when the router is built.
//!
//! A signal is as sure as it says, a conjunction as its members on average, an alternative as the best of those that match,
//! a negation and a comparison fully. Sums are taken in the order of the document, as generated code takes them: a range
//! holds to the last bit.

use crate::ir::Rule;

/// Least and most; a constant where both are the same.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Range {
    pub least: f64,
    pub most: f64,
}

impl Range {
    /// As sure as can be.
    pub const FULL: Range = Range::always(1.0);

    /// What a decision without rules has: any other is surer.
    pub const NONE: Range = Range::always(0.0);

    /// Always the same.
    #[must_use]
    pub const fn always(confidence: f64) -> Range {
        Range { least: confidence, most: confidence }
    }

    /// The one value that it can have.
    #[must_use]
    pub fn constant(self) -> Option<f64> {
        (self.least == self.most).then_some(self.least)
    }
}

/// The confidence of a rule whose signals are this sure.
pub fn of(rule: &Rule, signals: &impl Fn(usize) -> Range) -> Range {
    match rule {
        Rule::Signal(signal) => signals(*signal),
        Rule::Compare { .. } | Rule::Not(_) => Range::FULL,
        Rule::All(rules) => {
            let ranges: Vec<Range> = rules.iter().map(|rule| of(rule, signals)).collect();
            let mean = |end: fn(&Range) -> f64| ranges.iter().map(end).sum::<f64>() / ranges.len() as f64;
            Range { least: mean(|range| range.least), most: mean(|range| range.most) }
        }
        Rule::Any(rules) => {
            let ranges = || rules.iter().map(|rule| of(rule, signals));
            let least = ranges().map(|range| range.least).fold(f64::INFINITY, f64::min);
            Range { least, most: ranges().map(|range| range.most).fold(0.0, f64::max) }
        }
    }
}

/// The confidence of a decision with this rule.
pub fn of_decision(rule: Option<&Rule>, signals: &impl Fn(usize) -> Range) -> Range {
    rule.map_or(Range::NONE, |rule| of(rule, signals))
}
