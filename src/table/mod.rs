//! The types that generated code fills in: the seam between the compiler and the server.
//!
//! Everything here is `'static` data or a small pure function. No I/O, no async, no parsing: what could be settled when
//! the binary was built is settled. The server takes `&'static Tables` as an argument everywhere, so that tests and
//! benches bring their own, baked by the same compiler.

mod algorithm;
mod approximate;
mod backend;
mod decision;
mod evidence;
mod families;
mod images;
mod listener;
mod model;
mod plugin;
mod policy;
mod reason;
mod responses;
mod signal;
mod text;

pub use algorithm::{Algorithm, Ceilings, Factor, Latency, MultiFactor, Objective, Otherwise, Priority};
pub use approximate::{Gram, Near, NearTerm, Ranked, Similar, Stem, Words};
pub use backend::{Auth, Backend, BackendId, Endpoint, Http, Url};
pub use decision::{Decision, DecisionId, Matched, Retention};
pub use evidence::{MeasureId, SignalSet, best};
pub use families::{
    Conversation, ConversationSignal, EventSignal, Families, Feature, Language, LanguageSignal, Languages,
    MetadataSignal, MetadataTest, Modality, RoleSignal, Roles, StructureSignal, Terms, sure_at, sure_within,
};
pub use images::{Generator, ImageApi, Images, Maker};
pub use listener::{ExtProc, ExtProcTls, Limits, Listener, Management};
pub use model::{Balance, Ejection, HealthCheck, Makes, Model, ModelId, Pricing, Protocol, Reliability, RetryOn};
pub use plugin::{BodyChange, HeaderChange, PluginKind, Plugins, Reasoning, RequestParams, SystemPrompt, ToolPolicy};
pub use policy::{Entrypoint, Policy, PolicyId};
pub use reason::{Bounds, Number, Reasons, Rule};
pub use responses::{FileStore, MemoryStore, RedisStore, StoreBounds, UnsupportedTools};
pub use signal::{
    AlignedBytes, Automaton, ContextSignal, Edge, KeywordOperator, KeywordSignal, Literals, Patterns, Signal, SignalId,
    SignalKind, Term,
};
pub use text::{EnvSlot, EnvVar, Piece, Text};

/// One whole router, as `router-config.yaml` described it.
#[derive(Debug)]
pub struct Tables {
    /// What `/config/router` and `/config/hash` tell.
    pub config: Config,
    /// Every environment variable that is read at start-up. [`EnvSlot`]s index this list.
    pub env: &'static [EnvVar],
    /// Public ingress listeners, at least one.
    pub listeners: &'static [Listener],
    /// The apiserver.
    pub management: Management,
    /// Bounds and timeouts.
    pub limits: Limits,
    /// The service for Envoy, where the document switches it on.
    pub extproc: Option<ExtProc>,
    /// What becomes of tools that responses are asked for with and that are not here.
    pub unsupported_tools: UnsupportedTools,
    /// The names that a client may ask for and that are routed by signals (`auto`, `MoM`, …), in the order of `/v1/models`.
    pub auto_names: &'static [&'static str],
    /// Whether `/v1/models` also lists `models` (`global.router.include_config_models_in_list`).
    pub list_models: bool,
    /// All models, indexed by [`ModelId`].
    pub models: &'static [Model],
    /// How many backends there are in all: [`BackendId`]s run from 0 to this.
    pub backend_count: usize,
    /// Where a virtual name goes when no decision matches.
    pub default_model: Option<ModelId>,
    /// What virtual names are routed by, indexed by [`PolicyId`]: the top-level `routing`, then the recipes.
    pub policies: &'static [&'static Policy],
    /// The virtual names beside `auto_names`, in the order of `/v1/models`.
    pub entrypoints: &'static [Entrypoint],
    /// What a `model` field names. Exact and case-sensitive.
    pub resolve: fn(&str) -> Option<Target>,
}

/// What is told about the configuration itself.
#[derive(Debug)]
pub struct Config {
    /// File name of the document, without its folder: `router-config.yaml`.
    pub source: &'static str,
    /// SHA-256 of the document's bytes, lower-case hex.
    pub sha256: &'static str,
    /// The document as JSON. Environment references stand as they were written; the compiler refuses literal secrets.
    pub json: &'static str,
}

/// What the name in a request's `model` field stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// A virtual name: signals and decisions of this policy choose the model.
    Auto(PolicyId),
    /// This model and no other.
    Model(ModelId),
}

impl Tables {
    /// The model with this id.
    #[must_use]
    pub fn model(&self, id: ModelId) -> &'static Model {
        &self.models[usize::from(id.0)]
    }

    /// The policy with this id.
    #[must_use]
    pub fn policy(&self, id: PolicyId) -> &'static Policy {
        self.policies[usize::from(id.0)]
    }

    /// All decisions, in the order of their ids.
    pub fn decisions(&self) -> impl Iterator<Item = &'static Decision> + Clone + use<> {
        self.policies.iter().flat_map(|policy| policy.decisions)
    }

    /// The decision with this id.
    #[must_use]
    pub fn decision(&self, id: DecisionId) -> &'static Decision {
        let policy = self.policies.iter().rfind(|policy| policy.first_decision <= id.0);
        policy.expect("the first policy begins with 0").decision(id)
    }

    /// The names of the headers that tell who sends a request, and their reading, where decisions ask for roles.
    #[must_use]
    pub fn identity(&self) -> Option<&'static Roles> {
        self.policies.iter().find_map(|policy| policy.families.roles.as_ref())
    }

    /// All backends, in the order of their ids.
    pub fn backends(&self) -> impl Iterator<Item = &'static Backend> + use<> {
        self.models.iter().filter(|model| model.lora.is_none()).flat_map(|model| model.backends)
    }

    /// The models that clients may ask for.
    pub fn public_models(&self) -> impl Iterator<Item = &'static Model> + Clone + use<> {
        self.models.iter().filter(|model| model.makes != Makes::Plugin)
    }

    /// Every name that is routed by signals, in the order of `/v1/models`.
    pub fn virtual_names(&self) -> impl Iterator<Item = (&'static str, PolicyId)> + use<> {
        let auto = self.auto_names.iter().map(|name| (*name, PolicyId(0)));
        auto.chain(self.entrypoints.iter().map(|entrypoint| (entrypoint.name, entrypoint.policy)))
    }

    /// Every name that a client may put in `model`.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.virtual_names().map(|(name, _)| name).chain(self.public_models().map(|model| model.name))
    }
}
