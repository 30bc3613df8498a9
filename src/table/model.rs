//! Models: names, prices, backends and how failures are met.

use super::Backend;
use std::time::Duration;

/// Index into [`Tables::models`](super::Tables::models).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ModelId(pub u16);

/// A logical model: what clients ask for and decisions choose.
#[derive(Debug)]
pub struct Model {
    /// The client-visible name.
    pub name: &'static str,
    /// `description` of its model card, or empty.
    pub description: &'static str,
    /// Of a LoRA adapter: its name as a JSON string, which every backend is asked for. It has the backends of its base.
    pub lora: Option<&'static str>,
    /// Most tokens that a request and its answer may have, where the card says so.
    pub context_window: Option<u64>,
    /// How good it is, 0 to 1, where the card says so.
    pub quality: Option<f64>,
    /// What comes of a request: `modality` of its card.
    pub makes: Makes,
    /// What its backends speak.
    pub protocol: Protocol,
    /// Most tokens of an answer where the protocol asks for a bound (Messages) and the client has none. At least 1.
    pub max_output_tokens: u64,
    /// Whether its backends take an effort in words: `reasoning_effort` of Chat, `output_config.effort` of Messages in place of
    /// a budget of tokens to think with.
    pub takes_effort: bool,
    /// Whether its backends can be told what it thought in earlier turns of Chat: some providers refuse that.
    pub takes_thinking: bool,
    /// What its tokens cost, where the document says so.
    pub pricing: Option<Pricing>,
    /// Balancing, retries and health of its backends.
    pub reliability: Reliability,
    /// Where it is served, at least one.
    pub backends: &'static [Backend],
}

impl Model {
    /// Whether decisions do not choose it among others: it makes nothing but images.
    #[must_use]
    pub const fn is_no_candidate(&self) -> bool {
        matches!(self.makes, Makes::Pictures | Makes::Plugin)
    }

    /// What clients are told that they were answered by. What is there for a plugin alone has no name that they know.
    #[must_use]
    pub fn shown(&self) -> &'static str {
        match (self.makes, self.backends) {
            (Makes::Plugin, [backend, ..]) => backend.model_id,
            _ => self.name,
        }
    }
}

/// What comes of a request to a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Makes {
    /// `ar`: words.
    Words,
    /// `diffusion`: images. Its backends speak vLLM Omni's Chat.
    Pictures,
    /// `omni`: either, or both at once.
    Both,
    /// Images for the plugin `image_gen` of one decision: clients cannot ask for it, and its backend speaks what the plugin says.
    Plugin,
}

/// What a backend speaks, and a client.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// OpenAI's Chat Completions.
    #[default]
    Chat,
    /// Anthropic's Messages.
    Messages,
}

/// Prices in pico-units of the currency per token: 0.18 USD per million tokens is 180,000.
#[derive(Debug, Clone, Copy)]
pub struct Pricing {
    /// ISO 4217 code.
    pub currency: &'static str,
    /// A prompt token that was not read from or written to a cache.
    pub prompt: u64,
    /// A prompt token that the provider read from its cache.
    pub cached_input: u64,
    /// A prompt token that the provider wrote to its cache.
    pub cache_write: u64,
    /// A token of the answer.
    pub completion: u64,
}

/// What happens when a backend fails.
#[derive(Debug, Clone, Copy)]
pub struct Reliability {
    /// How a backend is picked.
    pub balance: Balance,
    /// How many further attempts a request may make. `None`: one for every other backend of the model.
    pub retries: Option<u8>,
    /// What counts as a failure that is worth another attempt.
    pub retry_on: RetryOn,
    /// When a backend that keeps failing is left out for a while.
    pub ejection: Option<Ejection>,
    /// Whether backends are asked for their health.
    pub health_check: Option<HealthCheck>,
}

/// How one of several healthy backends is picked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Balance {
    /// At random, in proportion to the weights. The default.
    Weighted,
    /// In turn, each as often as its weight says.
    RoundRobin,
    /// The one with the fewest requests under way in proportion to its weight.
    LeastRequest,
}

/// Failures that another backend is tried for, as long as nothing was sent to the client. Connect failures and resets
/// before the response head always are.
#[derive(Debug, Clone, Copy)]
pub struct RetryOn {
    /// Inclusive ranges of response status codes.
    pub statuses: &'static [(u16, u16)],
}

/// Outlier ejection: a backend with this many failures in a row is not picked for a while.
#[derive(Debug, Clone, Copy)]
pub struct Ejection {
    /// Failures in a row: 5xx, connect failures, resets, timeouts.
    pub consecutive_5xx: u32,
    /// How long the first ejection lasts; the n-th lasts n times as long.
    pub base_time: Duration,
    /// At most this share of a model's backends is ejected at a time, but always one may be.
    pub max_percent: u8,
}

/// Active health checking: `GET path` on each backend.
#[derive(Debug, Clone, Copy)]
pub struct HealthCheck {
    /// Path and query.
    pub path: &'static str,
    /// Time between two checks.
    pub interval: Duration,
    /// How long one check may take.
    pub timeout: Duration,
}
