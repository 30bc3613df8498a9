//! Plugins: what a decision does to a request before it is sent, or in its place.
//!
//! Text that goes into a body is JSON already: quoted where it says so, escaped everywhere.

use super::images::{Images, Maker};

/// The plugins of a decision, in the order in which they run.
#[derive(Debug, Clone, Copy)]
pub struct Plugins {
    /// The router answers with this itself: a JSON string, quotes included.
    pub fast_response: Option<&'static str>,
    /// Fields that are removed and bounded.
    pub request_params: Option<RequestParams>,
    /// Which tools the model gets to see.
    pub tools: Option<ToolPolicy>,
    /// What is said to the model first.
    pub system_prompt: Option<SystemPrompt>,
    /// Changes to the headers of the request.
    pub headers: &'static [HeaderChange],
    /// Who makes images: a model of the decision, or what its plugin `image_gen` says.
    pub images: Option<Images>,
}

impl Plugins {
    /// A decision that only chooses.
    pub const NONE: Plugins = Plugins {
        fast_response: None,
        request_params: None,
        tools: None,
        system_prompt: None,
        headers: &[],
        images: None,
    };

    /// Which of them are there.
    pub fn kinds(&self) -> impl Iterator<Item = PluginKind> + use<> {
        let there = [
            self.fast_response.is_some(),
            self.request_params.is_some(),
            self.tools.is_some(),
            self.system_prompt.is_some(),
            !self.headers.is_empty(),
            matches!(self.images, Some(Images { by: Maker::Plugin(_), .. })),
        ];
        PluginKind::ALL.into_iter().zip(there).filter_map(|(kind, there)| there.then_some(kind))
    }

    /// Whether any of them changes the body of a request.
    #[must_use]
    pub const fn edit_body(&self) -> bool {
        self.request_params.is_some() || self.tools.is_some() || self.system_prompt.is_some()
    }
}

/// The families of plugins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PluginKind {
    /// `fast_response`
    FastResponse,
    /// `request_params`
    RequestParams,
    /// `tools`
    Tools,
    /// `system_prompt`
    SystemPrompt,
    /// `header_mutation`
    HeaderMutation,
    /// `image_gen`
    ImageGen,
}

impl PluginKind {
    /// Every family, in the order of declaration.
    pub const ALL: [PluginKind; 6] = [
        PluginKind::FastResponse,
        PluginKind::RequestParams,
        PluginKind::Tools,
        PluginKind::SystemPrompt,
        PluginKind::HeaderMutation,
        PluginKind::ImageGen,
    ];

    /// As the document writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            PluginKind::FastResponse => "fast_response",
            PluginKind::RequestParams => "request_params",
            PluginKind::Tools => "tools",
            PluginKind::SystemPrompt => "system_prompt",
            PluginKind::HeaderMutation => "header_mutation",
            PluginKind::ImageGen => "image_gen",
        }
    }
}

/// Fields of a chat request that are removed and bounded.
#[derive(Debug, Clone, Copy)]
pub struct RequestParams {
    /// These fields are removed.
    pub blocked: &'static [&'static str],
    /// Largest `max_tokens` and `max_completion_tokens`.
    pub max_tokens: Option<u64>,
    /// Largest `n`.
    pub max_n: Option<u64>,
    /// Whether fields that OpenAI's API does not have are removed.
    pub strip_unknown: bool,
}

/// Which tools the model gets to see.
#[derive(Debug, Clone, Copy)]
pub enum ToolPolicy {
    /// None.
    Remove {
        /// Whether earlier tool calls and their results are taken out of the messages, too.
        history: bool,
    },
    /// Those that are allowed, if any name is given, and not blocked.
    Filter {
        /// Names; empty: all.
        allow: &'static [&'static str],
        /// Names.
        block: &'static [&'static str],
    },
}

/// What is said to the model first: the content of a JSON string, without its quotes.
#[derive(Debug, Clone, Copy)]
pub enum SystemPrompt {
    /// Stands before the client's own system prompt.
    Insert(&'static str),
    /// Stands in place of the client's own system prompt.
    Replace(&'static str),
}

/// A change to the headers of a request. Names in lower case, values in visible ASCII.
#[derive(Debug, Clone, Copy)]
pub enum HeaderChange {
    /// Stands beside what the client sent under this name.
    Add(&'static str, &'static str),
    /// Stands in place of what the client sent under this name.
    Set(&'static str, &'static str),
    /// What the client sent under this name goes.
    Remove(&'static str),
}

/// How a model is told to reason, for one entry of `modelRefs`.
#[derive(Debug, Clone, Copy)]
pub struct Reasoning {
    /// `use_reasoning`
    pub on: bool,
    /// Name of the model's reasoning family.
    pub family: &'static str,
    /// What the family sets.
    pub parameter: &'static str,
    /// How much, where that is said.
    pub effort: Option<&'static str>,
    /// What that means for the body, for each backend of the model: providers say it differently.
    pub changes: &'static [&'static [BodyChange]],
}

/// A change to the top level of a body. Values are JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyChange {
    /// The field goes.
    Remove(&'static str),
    /// The field has this value.
    Set(&'static str, &'static str),
    /// In the object that is the value of the first field, the second has this value.
    SetWithin(&'static str, &'static str, &'static str),
    /// The field moves into the object that is the value of the second, under the name of the third.
    MoveInto(&'static str, &'static str, &'static str),
    /// Of a Messages request: the model thinks, with this budget of tokens at most, or as much as it sees fit. Where the rest
    /// of the request does not allow that, it does not.
    Think(Option<u64>),
}
