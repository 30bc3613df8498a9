//! Decisions: what they match, how they choose among their models, and what they do to requests.

use super::{Backend, Pricing};
use std::time::Duration;

/// How one of several matching decisions wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    Priority,
    Confidence,
}

/// `hardwire::table::Decision`, with its rules.
#[derive(Debug, Clone)]
pub struct Decision {
    pub name: String,
    pub description: String,
    pub priority: i64,
    /// Smaller wins, where any that matches has one above 0.
    pub tier: u32,
    /// `None` always matches, with confidence 0.
    pub rule: Option<Rule>,
    /// Indices into `Router::models`.
    pub models: Vec<usize>,
    /// By position in `models`.
    pub reasoning: Vec<Option<Reasoning>>,
    pub algorithm: Algorithm,
    pub plugins: Plugins,
    pub retention: Option<Retention>,
    /// JSON.
    pub annotations: Option<String>,
}

/// `hardwire::table::Retention`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Retention {
    pub drop: Option<bool>,
    pub ttl_turns: Option<u32>,
    pub keep_current_model: Option<bool>,
    pub prefer_prefix: Option<bool>,
}

/// `hardwire::table::Algorithm`. Positions are those of `Decision::models`.
#[derive(Debug, Clone, PartialEq)]
pub enum Algorithm {
    Static,
    Cost { order: Vec<usize>, largest: usize },
    LatencyAware { ttft: Option<u8>, tpot: Option<u8> },
    MultiFactor(MultiFactor),
}

/// `hardwire::table::MultiFactor`.
#[derive(Debug, Clone, PartialEq)]
pub struct MultiFactor {
    pub objective: Objective,
    pub latency: Latency,
    pub percentile: u8,
    pub ceilings: Ceilings,
    pub otherwise: Otherwise,
}

/// `hardwire::table::Objective`.
#[derive(Debug, Clone, PartialEq)]
pub enum Objective {
    /// Quality, latency, cost, load.
    Weighted([f64; 4]),
    /// With tolerances.
    Ordered(Vec<(Factor, f64)>),
}

/// `hardwire::table::Factor`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Factor {
    Quality,
    Latency,
    Cost,
    Load,
}

/// `hardwire::table::Latency`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Latency {
    Either,
    Tpot,
    Ttft,
}

/// `hardwire::table::Ceilings`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ceilings {
    pub tpot: Option<Duration>,
    pub ttft: Option<Duration>,
    pub cost: Option<u64>,
    pub inflight: Option<u32>,
}

/// `hardwire::table::Otherwise`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Otherwise {
    Take(usize),
    Fail,
}

/// `hardwire::table::Reasoning`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reasoning {
    pub on: bool,
    pub family: String,
    pub parameter: String,
    pub effort: Option<String>,
    /// By backend of the model.
    pub changes: Vec<Vec<BodyChange>>,
}

/// `hardwire::table::BodyChange`. Values are JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BodyChange {
    Remove(String),
    Set(String, String),
    SetWithin(String, String, String),
    MoveInto(String, String, String),
    Think(Option<u64>),
}

/// `hardwire::table::Plugins`. Texts are as written, not yet JSON.
#[derive(Debug, Clone, Default)]
pub struct Plugins {
    pub fast_response: Option<String>,
    pub request_params: Option<RequestParams>,
    pub tools: Option<ToolPolicy>,
    pub system_prompt: Option<SystemPrompt>,
    pub headers: Vec<HeaderChange>,
    pub images: Option<Images>,
}

/// `hardwire::table::Images`.
#[derive(Debug, Clone)]
pub struct Images {
    pub by: Maker,
    pub always: bool,
}

/// `hardwire::table::Maker`.
#[derive(Debug, Clone)]
pub enum Maker {
    Omni { model: usize, candidate: usize },
    Plugin(Generator),
    Model(Generator),
}

/// `hardwire::table::Generator`.
#[derive(Debug, Clone)]
pub struct Generator {
    /// Of a plugin, it is given when all plugins are known.
    pub model: usize,
    /// Of a plugin: what becomes the backend of its model.
    pub backend: Option<Backend>,
    /// What its tokens cost, until its model has that.
    pub pricing: Option<Pricing>,
    pub api: ImageApi,
    pub width: u32,
    pub height: u32,
    /// Names and JSON.
    pub fields: Vec<(String, String)>,
    pub timeout: Duration,
}

/// `hardwire::table::ImageApi`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageApi {
    VllmOmni,
    OpenAi,
}

/// `hardwire::table::RequestParams`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RequestParams {
    pub blocked: Vec<String>,
    pub max_tokens: Option<u64>,
    pub max_n: Option<u64>,
    pub strip_unknown: bool,
}

/// `hardwire::table::ToolPolicy`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToolPolicy {
    Remove { history: bool },
    Filter { allow: Vec<String>, block: Vec<String> },
}

/// `hardwire::table::SystemPrompt`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SystemPrompt {
    pub replace: bool,
    pub text: String,
}

/// `hardwire::table::HeaderChange`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeaderChange {
    Add(String, String),
    Set(String, String),
    Remove(String),
}

/// A rule tree. Groups have at least one child.
#[derive(Debug, Clone, PartialEq)]
pub enum Rule {
    /// Index into `Policy::signals`.
    Signal(usize),
    /// The same, and what it counted, or else how sure it is, compares so.
    Compare {
        signal: usize,
        predicate: Predicate,
    },
    All(Vec<Rule>),
    Any(Vec<Rule>),
    Not(Box<Rule>),
}

/// Bounds on a number. One at least is there.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Predicate {
    pub gt: Option<f64>,
    pub gte: Option<f64>,
    pub lt: Option<f64>,
    pub lte: Option<f64>,
}

impl Predicate {
    /// Whether a number is within the bounds.
    #[must_use]
    pub fn holds(&self, value: f64) -> bool {
        self.gt.is_none_or(|bound| value > bound)
            && self.gte.is_none_or(|bound| value >= bound)
            && self.lt.is_none_or(|bound| value < bound)
            && self.lte.is_none_or(|bound| value <= bound)
    }
}
