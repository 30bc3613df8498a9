//! Why a request goes where it goes: one request, looked at closely.
//!
//! The plan is made by the same code as for any request; this adds what it saw on the way: which terms stand where in the
//! text, and how each part of each rule came out. Takes its time and its memory; the data path never comes here.

use super::{Error, Plan, Request, Routing};
use crate::protocol::prompt::Prompt;
use crate::table::{DecisionId, Number, Policy, PolicyId, Rule, SignalId, SignalKind, SignalSet, Tables, Target};
use std::ops::Range;

/// More places of one term than this say nothing new.
const MOST_PLACES: usize = 8;

/// A plan and its reasons.
#[derive(Debug)]
pub struct Explanation {
    /// What was settled; `None` where nothing was: no decision matched and there is no default model, or no model of the
    /// decision is within its limits.
    pub plan: Option<Plan>,
    /// What the name is routed by; the top-level policy where the client named the model, which nothing below is of then.
    pub policy: &'static Policy,
    /// Its name; `None` where the client named the model.
    pub recipe: Option<&'static str>,
    /// The decision that won, also where none of its models can be had, and how sure it is.
    won: Option<(DecisionId, f64)>,
    /// The text that signals looked at: what the user wrote last.
    pub text: String,
    /// Estimated length of the request in tokens.
    pub tokens: u64,
    /// Every signal, in the order of their ids. Empty where the client named the model.
    pub signals: Vec<Noticed>,
    /// Every decision, in the order of the document. Empty where the client named the model.
    pub decisions: Vec<Considered>,
}

/// What became of a signal.
#[derive(Debug, PartialEq)]
pub struct Noticed {
    /// Which one.
    pub signal: SignalId,
    /// How sure it is, if it matched.
    pub confidence: Option<f64>,
    /// What it counted, where it counts something.
    pub value: Option<f64>,
    /// The terms of its own that stand in the text, and where, as bytes. A `NOR` signal matches where there are none.
    pub places: Vec<(&'static str, Range<usize>)>,
}

/// What became of a decision.
#[derive(Debug, PartialEq)]
pub struct Considered {
    /// Which one.
    pub decision: DecisionId,
    /// Whether it matched.
    pub matched: bool,
    /// How sure it is, if it matched; else 0.
    pub confidence: f64,
    /// How its rule came out; `None` where it has none.
    pub trace: Option<Trace>,
}

/// How a part of a rule came out.
#[derive(Debug, PartialEq)]
pub struct Trace {
    /// What it is.
    pub part: Part,
    /// Whether it matched.
    pub matched: bool,
    /// How sure it is, if it matched; else 0.
    pub confidence: f64,
    /// Its members.
    pub children: Vec<Trace>,
}

/// A part of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// A signal.
    Leaf(SignalId),
    /// All of its members.
    And,
    /// One of its members.
    Or,
    /// Not its member.
    Not,
}

impl Routing {
    /// Plans a request and says why. `name` is the model that it asks for.
    ///
    /// # Errors
    /// Where the plan has one, but for [`Error::NothingSelected`] and [`Error::NoCandidate`], which are explained: there is no
    /// such model, or the request cannot be read.
    pub fn explain(&self, name: &str, request: Request<'_>) -> Result<Explanation, Error> {
        let plan = match self.plan(name, || request) {
            Err(Error::NothingSelected | Error::NoCandidate) => None,
            plan => Some(plan?),
        };
        let prompt = Prompt::read(&request.body)?;
        let recipe = match (self.tables.resolve)(name) {
            Some(Target::Auto(id)) => Some(id),
            Some(Target::Model(_)) | None => None,
        };
        let policy = self.tables.policy(recipe.unwrap_or(PolicyId(0)));
        let mut explanation = Explanation {
            plan,
            policy,
            recipe: recipe.map(|_| policy.name),
            won: None,
            text: prompt.user_text.clone().into_owned(),
            tokens: prompt.tokens,
            signals: Vec::new(),
            decisions: Vec::new(),
        };
        let Some(id) = recipe else { return Ok(explanation) };
        let matched = match explanation.plan.as_ref().and_then(|plan| plan.choice.as_ref()) {
            Some(choice) => choice.matched.clone(),
            None => {
                let mut matched = SignalSet::EMPTY;
                self.signals(id).evaluate(&request, &mut matched)?;
                matched
            }
        };
        let values = self.signals(id).values(&prompt);
        explanation.signals = self.noticed(id, &prompt.user_text, &matched, &values);
        explanation.decisions = considered(policy, &matched);
        explanation.won = (policy.decide)(&matched).map(|won| (won.decision, won.confidence));
        Ok(explanation)
    }

    fn noticed(&self, id: PolicyId, text: &str, matched: &SignalSet, values: &[(SignalId, f64)]) -> Vec<Noticed> {
        let places = self.signals(id).places(text, MOST_PLACES);
        let policy = self.tables.policy(id);
        let of = |id: SignalId| {
            let own = policy.keywords.iter().find(|keyword| keyword.signal == id);
            let own = own.map_or(0..0, |keyword| keyword.first_term..keyword.first_term + keyword.terms);
            let places = places.iter().filter(|(term, _)| own.contains(term));
            Noticed {
                signal: id,
                confidence: matched.has(id).then(|| sure(policy, id, matched)),
                value: values.iter().find(|(signal, _)| *signal == id).map(|(_, value)| *value),
                places: places.map(|(term, at)| (policy.reasons.terms[usize::from(*term)], at.clone())).collect(),
            }
        };
        policy.signals.iter().zip(0..).map(|(_, id)| of(SignalId(id))).collect()
    }
}

impl Explanation {
    /// The decision that won, and how sure it is.
    #[must_use]
    pub fn won(&self) -> Option<(DecisionId, f64)> {
        self.won
    }

    /// The model that is asked; `None` where there is none, or none is needed.
    #[must_use]
    pub fn model(&self, tables: &'static Tables) -> Option<&'static str> {
        Some(tables.model(self.plan.as_ref()?.model?).name)
    }

    /// Whether the decision is the answer.
    #[must_use]
    pub fn answers_itself(&self, tables: &'static Tables) -> bool {
        self.won.is_some_and(|(id, _)| tables.decision(id).plugins.fast_response.is_some())
    }

    /// The model that was chosen, in a sentence with its reason.
    #[must_use]
    pub fn reason(&self, tables: &'static Tables) -> String {
        let model = self.model(tables);
        let Some((id, _)) = self.won else {
            return match (&self.plan, model) {
                (Some(Plan { choice: None, .. }), Some(model)) => format!("the request names `{model}`"),
                (_, Some(model)) => format!("no decision matched, and `{model}` is the default model"),
                (_, None) => "no decision matched, and there is no default model".to_owned(),
            };
        };
        let decision = tables.decision(id);
        let beside = match self.decisions.iter().filter(|one| one.matched && one.decision != id).count() {
            0 => "is the only one that matched".to_owned(),
            1 => "comes before the other one that matched".to_owned(),
            n => format!("comes before the {n} others that matched"),
        };
        let name = decision.name;
        if self.answers_itself(tables) {
            return format!("`{name}` {beside}; it answers itself, and no model is asked");
        }
        let Some(model) = model else {
            return format!("`{name}` {beside}; every one of its models is beyond its limits at the moment");
        };
        match decision.models {
            [] => format!("`{name}` {beside}; it names no model, and `{model}` is the default"),
            [_] => format!("`{name}` {beside}; `{model}` is its model"),
            _ => format!("`{name}` {beside}; `{}` chose `{model}` of its models", decision.algorithm.name()),
        }
    }
}

/// How every decision comes out for these signals.
#[must_use]
pub fn considered(policy: &'static Policy, matched: &SignalSet) -> Vec<Considered> {
    let of = |(rule, decision): (&'static Option<Rule>, DecisionId)| {
        let trace = rule.as_ref().map(|rule| trace(policy, rule, matched));
        Considered {
            decision,
            matched: trace.as_ref().is_none_or(|trace| trace.matched),
            confidence: trace.as_ref().map_or(0.0, |trace| trace.confidence),
            trace,
        }
    };
    policy.reasons.rules.iter().zip(policy.decision_ids()).map(of).collect()
}

fn trace(policy: &'static Policy, rule: &'static Rule, set: &SignalSet) -> Trace {
    let all = |rules: &'static [Rule]| rules.iter().map(|rule| trace(policy, rule, set)).collect::<Vec<_>>();
    let (part, matched, confidence, children) = match rule {
        Rule::Signal(id) => (Part::Leaf(*id), set.has(*id), sure(policy, *id, set), Vec::new()),
        Rule::Compare(id, number, bounds) => {
            (Part::Leaf(*id), set.has(*id) && bounds.hold(value(*number, set)), 1.0, Vec::new())
        }
        Rule::All(rules) => {
            let children = all(rules);
            let mean = children.iter().map(|child| child.confidence).sum::<f64>() / children.len() as f64;
            (Part::And, children.iter().all(|child| child.matched), mean, children)
        }
        Rule::Any(rules) => {
            let children = all(rules);
            let best = children.iter().map(|child| child.confidence).fold(0.0, f64::max);
            (Part::Or, children.iter().any(|child| child.matched), best, children)
        }
        Rule::Not(rule) => {
            let child = trace(policy, rule, set);
            (Part::Not, !child.matched, 1.0, vec![child])
        }
    };
    Trace { part, matched, confidence: if matched { confidence } else { 0.0 }, children }
}

/// How sure a signal is that matched.
fn sure(policy: &Policy, id: SignalId, set: &SignalSet) -> f64 {
    policy.reasons.confidences.get(usize::from(id.0)).map_or(1.0, |number| value(*number, set))
}

fn value(number: Number, set: &SignalSet) -> f64 {
    match number {
        Number::Known(value) => value,
        Number::Noted(id) => set.measure(id),
    }
}

/// `keyword:urgent`: a signal as rules and reports name it.
#[must_use]
pub fn signal_name(policy: &Policy, id: SignalId) -> String {
    let signal = policy.signal(id);
    format!("{}:{}", SignalKind::name(signal.kind), signal.name)
}
