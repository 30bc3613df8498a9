//! What is left of a document when everything in it is resolved: ids, integers, automata, URL parts. No spans, no
//! references by name. `lower` makes it, `emit` reads it, and nothing in it can be wrong.
//!
//! The shapes follow `hardwire::table`, which the emitted code fills in; see there for what each field means.

mod decision;

pub use decision::{
    Algorithm, BodyChange, Ceilings, Decision, Factor, Generator, HeaderChange, ImageApi, Images, Latency, Maker,
    MultiFactor, Objective, Otherwise, Plugins, Predicate, Reasoning, RequestParams, Retention, Rule, Strategy,
    SystemPrompt, ToolPolicy,
};

use crate::confidence::Range;
use std::time::Duration;

/// One whole router.
#[derive(Debug, Clone)]
pub struct Router {
    /// File name of the document, without its folder.
    pub source: String,
    /// SHA-256 of the document, lower-case hex.
    pub sha256: String,
    /// The document as JSON.
    pub json: String,
    /// Environment variables, in the order of first mention.
    pub env: Vec<EnvVar>,
    /// Ingress listeners, at least one.
    pub listeners: Vec<Listener>,
    /// Address and port of the apiserver.
    pub management: (String, u16),
    /// Bounds and timeouts.
    pub limits: Limits,
    /// The service for Envoy, where it is switched on.
    pub extproc: Option<ExtProc>,
    /// Where responses are stored; `None`: there is no Responses API.
    pub responses: Option<ResponseStore>,
    /// `global.services.response_api.unsupported_tools`
    pub unsupported_tools: UnsupportedTools,
    /// Virtual names.
    pub auto_names: Vec<String>,
    /// `global.router.include_config_models_in_list`.
    pub list_models: bool,
    /// In the order of the document; indices are model ids.
    pub models: Vec<Model>,
    /// Index into `models`.
    pub default_model: Option<usize>,
    /// The top-level `routing`, then the recipes in the order of the document; indices are policy ids.
    pub policies: Vec<Policy>,
    /// Further virtual names, each with an index into `policies`.
    pub entrypoints: Vec<(String, usize)>,
}

/// Name of the first policy; no recipe can have it.
pub const DEFAULT_POLICY: &str = "default";

/// `hardwire::table::Policy`.
#[derive(Debug, Clone)]
pub struct Policy {
    pub name: String,
    pub description: String,
    /// Used signals: by family, in each in the order of the document; indices are signal ids.
    pub signals: Vec<Signal>,
    /// Those of which some output is used.
    pub mappings: Vec<Mapping>,
    /// There is one if a modality signal is used.
    pub modality: Option<ModalityDetector>,
    /// There is one if a role is used.
    pub identity: Option<Identity>,
    /// `priority` or `confidence`.
    pub strategy: Strategy,
    /// Id of the first of the decisions: they are numbered over all policies.
    pub first_decision: usize,
    /// In the order of the document.
    pub decisions: Vec<Decision>,
}

/// `hardwire::table::EnvVar`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvVar {
    pub name: String,
    pub default: Option<String>,
    pub empty_is_unset: bool,
    pub secret: bool,
    pub wanted_by: Vec<String>,
}

/// `hardwire::table::Text`: literal pieces and indices into `Router::env`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Text {
    Baked(String),
    Env(Vec<Piece>),
}

/// A part of a `Text::Env`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    Literal(String),
    Var(usize),
}

/// `hardwire::table::Listener`.
#[derive(Debug, Clone)]
pub struct Listener {
    pub name: String,
    pub address: String,
    pub port: u16,
    pub timeout: Duration,
    pub api_keys: Vec<Text>,
}

/// `hardwire::table::Limits`.
#[derive(Debug, Clone)]
pub struct Limits {
    pub max_body_bytes: u64,
    pub header_timeout: Duration,
    pub body_timeout: Duration,
    pub connect_timeout: Duration,
    pub first_byte_timeout: Option<Duration>,
    pub idle_timeout: Duration,
    pub drain_timeout: Duration,
}

/// `hardwire::table::ExtProc`.
#[derive(Debug, Clone)]
pub struct ExtProc {
    pub address: String,
    pub port: u16,
    pub max_message_bytes: u32,
    pub max_streams: u32,
    pub message_timeout: Duration,
    /// `global.router.clear_route_cache`
    pub clear_route_cache: bool,
    pub tls: Option<ExtProcTls>,
}

/// `hardwire::table::ExtProcTls`.
#[derive(Debug, Clone)]
pub struct ExtProcTls {
    pub cert_file: Text,
    pub key_file: Text,
    pub client_ca_file: Option<Text>,
}

/// `hardwire::table::UnsupportedTools`.
#[derive(Debug, Clone, Copy)]
pub enum UnsupportedTools {
    Refuse,
    Omit,
}

/// Where responses are stored.
#[derive(Debug, Clone)]
pub enum ResponseStore {
    /// `hardwire::table::MemoryStore`.
    Memory {
        ttl: Duration,
        bounds: StoreBounds,
    },
    /// `hardwire::table::FileStore`.
    File {
        path: Text,
        ttl: Duration,
        bounds: StoreBounds,
    },
    Redis(RedisStore),
}

/// `hardwire::table::RedisStore`.
#[derive(Debug, Clone)]
pub struct RedisStore {
    pub addresses: Vec<Text>,
    pub cluster: bool,
    pub db: u32,
    pub password: Option<Text>,
    pub tls: bool,
    pub key_prefix: Text,
    pub max_retries: u32,
    pub dial_timeout: Duration,
    pub read_timeout: Duration,
    pub write_timeout: Duration,
    pub ttl: Duration,
}

/// `hardwire::table::StoreBounds`.
#[derive(Debug, Clone)]
pub struct StoreBounds {
    pub responses: u64,
    pub bytes: u64,
}

/// `hardwire::table::Model`.
#[derive(Debug, Clone)]
pub struct Model {
    pub name: String,
    pub description: String,
    /// Of a LoRA adapter: its base, whose backends it has.
    pub lora_of: Option<usize>,
    /// In tokens.
    pub context_window: Option<u64>,
    /// 0 to 1.
    pub quality: Option<f64>,
    pub makes: Makes,
    pub protocol: Protocol,
    /// In tokens, at least 1.
    pub max_output_tokens: u64,
    pub takes_effort: bool,
    pub takes_thinking: bool,
    pub pricing: Option<Pricing>,
    pub reliability: Reliability,
    pub backends: Vec<Backend>,
}

/// `hardwire::table::Makes`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Makes {
    Words,
    Pictures,
    Both,
    Plugin,
}

/// `hardwire::table::Protocol`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    Chat,
    Messages,
}

/// Pico-units of the currency per token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pricing {
    pub currency: String,
    pub prompt: u64,
    pub cached_input: u64,
    pub cache_write: u64,
    pub completion: u64,
}

/// `hardwire::table::Reliability`.
#[derive(Debug, Clone)]
pub struct Reliability {
    pub balance: Balance,
    pub retries: Option<u8>,
    /// Inclusive, ascending, disjoint.
    pub retry_statuses: Vec<(u16, u16)>,
    pub ejection: Option<Ejection>,
    pub health_check: Option<HealthCheck>,
}

/// `hardwire::table::Balance`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Balance {
    Weighted,
    RoundRobin,
    LeastRequest,
}

/// `hardwire::table::Ejection`.
#[derive(Debug, Clone)]
pub struct Ejection {
    pub consecutive_5xx: u32,
    pub base_time: Duration,
    pub max_percent: u8,
}

/// `hardwire::table::HealthCheck`.
#[derive(Debug, Clone)]
pub struct HealthCheck {
    pub path: String,
    pub interval: Duration,
    pub timeout: Duration,
}

/// `hardwire::table::Backend`; its id is its position over all models.
#[derive(Debug, Clone)]
pub struct Backend {
    pub name: String,
    pub weight: u32,
    pub model_id: String,
    pub endpoint: Endpoint,
}

/// `hardwire::table::Endpoint`.
#[derive(Debug, Clone)]
pub enum Endpoint {
    Echo { token_delay: Duration },
    Http { url: Url, headers: Vec<(String, Text)>, auth: Option<Auth> },
}

/// `hardwire::table::Url`.
#[derive(Debug, Clone)]
pub enum Url {
    Baked { tls: bool, host: String, port: u16, authority: String, path: String },
    Env { base: Text, tls: bool, suffix: String, replace_path: bool, query: Option<String> },
}

/// `hardwire::table::Auth`.
#[derive(Debug, Clone)]
pub struct Auth {
    pub header: String,
    pub prefix: String,
    pub key: Text,
}

/// A signal that some decision uses.
#[derive(Debug, Clone)]
pub struct Signal {
    pub name: String,
    pub what: SignalWhat,
    /// How sure it is when it matches.
    pub confidence: Range,
    /// Where it notes how sure it is, if that is not known now.
    pub noted_confidence: Option<usize>,
    /// Where it notes what it counted, if a rule asks for it.
    pub noted_value: Option<usize>,
}

/// What a signal looks at.
#[derive(Debug, Clone)]
pub enum SignalWhat {
    Keyword {
        operator: KeywordOperator,
        terms: Vec<Term>,
    },
    Context {
        min_tokens: u64,
        max_tokens: u64,
    },
    Structure {
        feature: Feature,
        per_word: bool,
        predicate: Option<Predicate>,
    },
    Conversation {
        counts: Counts,
        exists: bool,
        predicate: Option<Predicate>,
    },
    Metadata {
        key: String,
        test: MetadataTest,
    },
    Role {
        users: Vec<String>,
        groups: Vec<String>,
    },
    /// The terms of each criterion.
    Event {
        criteria: Vec<Vec<Term>>,
    },
    Modality(Modality),
    /// The user writes in the language with this code of ISO 639-1.
    Language {
        code: String,
        threshold: f64,
    },
    /// An output of a mapping, by its index among those that are declared.
    Projection {
        mapping: usize,
    },
}

impl SignalWhat {
    /// As the `type` of a condition names it.
    #[must_use]
    pub fn family(&self) -> &'static str {
        match self {
            SignalWhat::Keyword { .. } => "keyword",
            SignalWhat::Context { .. } => "context",
            SignalWhat::Structure { .. } => "structure",
            SignalWhat::Conversation { .. } => "conversation",
            SignalWhat::Metadata { .. } => "metadata",
            SignalWhat::Role { .. } => "authz",
            SignalWhat::Event { .. } => "event",
            SignalWhat::Modality(_) => "modality",
            SignalWhat::Language { .. } => "language",
            SignalWhat::Projection { .. } => "projection",
        }
    }

    /// What it looks for in the user's text, term by term.
    pub fn terms(&self) -> impl Iterator<Item = &Term> {
        let (flat, nested): (&[Term], &[Vec<Term>]) = match self {
            SignalWhat::Keyword { terms, .. } | SignalWhat::Structure { feature: Feature::Exists(terms), .. } => {
                (terms, &[])
            }
            SignalWhat::Event { criteria } => (&[], criteria),
            _ => (&[], &[]),
        };
        flat.iter().chain(nested.iter().flatten())
    }
}

/// `hardwire::table::Feature`.
#[derive(Debug, Clone)]
pub enum Feature {
    /// 1 where one of these stands in the text, else 0.
    Exists(Vec<Term>),
    /// How often these literals stand in it.
    Words(Vec<Term>),
    /// How often this pattern, known to compile, matches.
    Pattern(String),
    /// Its length in bytes.
    Bytes,
}

/// A number of `hardwire::table::Conversation`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counts {
    Messages,
    UserMessages,
    AssistantMessages,
    SystemMessages,
    DeveloperMessages,
    ToolMessages,
    NonUserMessages,
    ToolDefinitions,
    ToolCalls,
    ActiveToolLoop,
    Images,
    ToolChoiceRequired,
    ToolChoiceNone,
}

/// `hardwire::table::MetadataTest`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MetadataTest {
    In(Vec<String>),
    Exists(bool),
}

/// What kind of answer is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Modality {
    Ar,
    Diffusion,
    Both,
}

/// Terms that tell them apart: those that ask for an image, and those that ask for words beside it.
#[derive(Debug, Clone)]
pub struct ModalityDetector {
    pub image: Vec<Term>,
    pub both: Vec<Term>,
}

/// How a request tells who sends it.
#[derive(Debug, Clone)]
pub struct Identity {
    pub user_header: String,
    pub groups_header: String,
    pub fail_open: bool,
}

/// `hardwire::table::KeywordOperator`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeywordOperator {
    Or,
    And,
    Nor,
}

/// One keyword, checked: `emit` turns all of them into as few automata as their size allows.
#[derive(Debug, Clone)]
pub enum Term {
    /// A literal and whether its case matters.
    Literal { text: String, case_sensitive: bool },
    /// A pattern in the syntax of regex-syntax, flags included, known to compile.
    Regex { pattern: String },
    /// The same as a literal; or a word of the text becomes it with so few edits.
    Near { text: String, case_sensitive: bool, edits: usize },
    /// A word of the text shares so many groups of `arity` letters with it.
    Similar { text: String, case_sensitive: bool, arity: usize, threshold: f32 },
    /// The weights of its stems, summed up over the words of the text, come to so much.
    Ranked { text: String, threshold: f32, weights: Vec<(String, f32)> },
}

impl Term {
    /// As the document has it.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Term::Literal { text, .. }
            | Term::Regex { pattern: text }
            | Term::Near { text, .. }
            | Term::Similar { text, .. }
            | Term::Ranked { text, .. } => text,
        }
    }
}

/// Bands of a score.
#[derive(Debug, Clone)]
pub struct Mapping {
    pub name: String,
    /// Of the score; at least one.
    pub inputs: Vec<Input>,
    /// Whether the first band that holds the score is the only one.
    pub first_only: bool,
    pub slope: f64,
    pub outputs: Vec<Band>,
}

/// A part of a score.
#[derive(Debug, Clone)]
pub struct Input {
    pub weight: f64,
    pub of: InputOf,
}

/// What is weighed.
#[derive(Debug, Clone)]
pub enum InputOf {
    /// A signal, by its index into `Router::signals`.
    Signal { signal: usize, value: InputValue },
    /// Another score.
    Score(Vec<Input>),
}

impl Input {
    /// Visits every signal that goes into it.
    pub fn signals(&mut self, visit: &mut impl FnMut(&mut usize, InputValue)) {
        match &mut self.of {
            InputOf::Signal { signal, value } => visit(signal, *value),
            InputOf::Score(inputs) => inputs.iter_mut().for_each(|input| input.signals(visit)),
        }
    }
}

/// What of a signal goes into a score; where it does not match, 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum InputValue {
    Binary { hit: f64, miss: f64 },
    Confidence,
    Raw,
}

/// A band, which holds every score where it has no bounds.
#[derive(Debug, Clone)]
pub struct Band {
    /// Index into `Policy::signals`, if a decision uses it.
    pub signal: Option<usize>,
    pub predicate: Option<Predicate>,
}
