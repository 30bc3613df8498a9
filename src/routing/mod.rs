//! Which model serves a request: model names, signals and decisions.
//!
//! Pure functions over the generated tables. It must not know sockets, async, HTTP or how a backend is reached.

pub mod catalog;
pub mod explain;
pub mod live;
pub mod nearest;
pub mod plugins;
mod produce;
mod select;
pub mod signals;

use crate::protocol::metadata::MetadataError;
use crate::protocol::prompt::{Prompt, PromptError, Raw};
use crate::table::{Algorithm, Decision, DecisionId, ModelId, PolicyId, SignalSet, Tables, Target};
use live::Live;
pub use produce::{Produce, Said};
use signals::Signals;
use std::cell::LazyCell;
use std::sync::Arc;

/// The router: the generated tables and what was made of them at start-up.
#[derive(Debug)]
pub struct Routing {
    tables: &'static Tables,
    /// By policy.
    signals: Box<[Signals]>,
    live: Arc<Live>,
}

/// What signals may look at.
#[derive(Debug, Clone, Copy, Default)]
pub struct Request<'a> {
    /// Fields of the body.
    pub body: Raw<'a>,
    /// Who sends it, as a trusted proxy in front has found out; empty where that is not told.
    pub user: &'a str,
    /// The sender's groups, set apart by commas.
    pub groups: &'a str,
    /// What is to come of it, where its tools say so: modality signals then say the same.
    pub wish: Option<Produce>,
}

/// What routing settled for one request.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The model that serves it. `None`: the decision answers itself.
    pub model: Option<ModelId>,
    /// How it was chosen, for a virtual name. `None`: the client named the model.
    pub choice: Option<Choice>,
}

/// How the model was chosen for a virtual name.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// What the name is routed by.
    pub policy: PolicyId,
    /// The decision that won and the confidence of its rules; `None`: the default model.
    pub decision: Option<(DecisionId, f64)>,
    /// The signals that matched.
    pub matched: SignalSet,
    /// Estimated tokens, where a signal or the algorithm asked for them.
    pub tokens: Option<u64>,
    /// Position of the model among those of the decision.
    pub candidate: usize,
    /// What comes of the request and who says so, where the decision has somebody who makes images.
    pub produces: Option<(Produce, Said)>,
}

/// Why a request cannot be routed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No model and no virtual name is called so.
    #[error("the model `{name}` does not exist{}", did_you_mean(.nearest.as_deref()))]
    UnknownModel {
        /// What the client asked for.
        name: String,
        /// A name that is there and nearly the same.
        nearest: Option<String>,
    },
    /// A virtual name, but nothing matched and there is no default model.
    #[error("unable to route request: no decision matched and no default model is configured")]
    NothingSelected,
    /// No model of the decision is within its ceilings.
    #[error("unable to route request: every model of the decision is beyond its limits at the moment")]
    NoCandidate,
    /// The messages cannot be read.
    #[error(transparent)]
    Prompt(#[from] PromptError),
    /// The metadata cannot be read.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    /// Decisions ask for roles, and the request does not tell who sends it.
    #[error("access denied: the request does not tell who sends it")]
    NoIdentity,
}

fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |name| format!("; did you mean `{name}`?"))
}

impl Routing {
    /// Makes the automata ready. Fails only where the binary was built for another machine.
    pub fn new(tables: &'static Tables) -> Result<Self, signals::Error> {
        let signals = tables.policies.iter().map(|policy| Signals::new(policy)).collect::<Result<_, _>>()?;
        Ok(Routing { tables, signals, live: Arc::new(Live::new(tables)) })
    }

    /// What is measured of models, for decisions that choose by it.
    #[must_use]
    pub fn live(&self) -> &Arc<Live> {
        &self.live
    }

    /// Whether a model or a virtual name is called so.
    pub fn knows(&self, name: &str) -> Result<(), Error> {
        (self.tables.resolve)(name).map(|_| ()).ok_or_else(|| self.unknown(name))
    }

    fn unknown(&self, name: &str) -> Error {
        Error::UnknownModel {
            name: nearest::shortened(name),
            nearest: nearest::nearest(name, self.tables.names()).map(str::to_owned),
        }
    }

    /// Chooses the model for `name`. `request` is asked for only if signals are needed.
    pub fn plan<'a>(&self, name: &str, request: impl FnOnce() -> Request<'a>) -> Result<Plan, Error> {
        match (self.tables.resolve)(name) {
            Some(Target::Model(model)) => Ok(Plan { model: Some(model), choice: None }),
            Some(Target::Auto(policy)) => self.choose(policy, request),
            None => Err(self.unknown(name)),
        }
    }

    fn signals(&self, policy: PolicyId) -> &Signals {
        &self.signals[usize::from(policy.0)]
    }

    fn choose<'a>(&self, id: PolicyId, request: impl FnOnce() -> Request<'a>) -> Result<Plan, Error> {
        let policy = self.tables.policy(id);
        let request = LazyCell::new(request);
        let mut matched = SignalSet::EMPTY;
        let mut tokens = None;
        if !policy.signals.is_empty() {
            tokens = self.signals(id).evaluate(&request, &mut matched)?;
        }
        let won = (policy.decide)(&matched);
        let chosen = won.map(|won| policy.decision(won.decision));
        let produces = chosen.and_then(|decision| {
            // A request is read for its tools alone where somebody can make an image of it.
            decision.plugins.images?;
            produce::produces(policy, decision, &matched, request.wish, self.tables.default_model.is_some())
        });
        let maker = produces.and_then(|(produce, _)| produce::maker(chosen?.plugins.images.as_ref()?, produce));
        let (model, candidate) = match chosen {
            Some(decision) if decision.plugins.fast_response.is_some() => (None, 0),
            Some(_) if maker.is_some() => maker.map_or((None, 0), |(model, candidate)| (Some(model), candidate)),
            None | Some(Decision { models: [], .. }) => {
                (Some(self.tables.default_model.ok_or(Error::NothingSelected)?), 0)
            }
            Some(decision) => {
                if tokens.is_none() && matches!(decision.algorithm, Algorithm::Cost { .. }) {
                    tokens = Some(Prompt::read(&request.body)?.tokens);
                }
                let chosen = select::select(decision.algorithm, decision.models, self.tables, tokens, &self.live);
                let candidate = chosen.ok_or(Error::NoCandidate)?;
                (Some(decision.models[candidate]), candidate)
            }
        };
        let decision = won.map(|won| (won.decision, won.confidence));
        Ok(Plan { model, choice: Some(Choice { policy: id, decision, matched, tokens, candidate, produces }) })
    }
}
