//! Images: who makes them for a decision.

use super::ModelId;
use std::time::Duration;

/// How the requests of a decision come to images.
#[derive(Debug, Clone, Copy)]
pub struct Images {
    /// Who makes them.
    pub by: Maker,
    /// Every request gets one, since the rules of the decision do not ask for a modality. Otherwise signals tell.
    pub always: bool,
}

/// Who makes images.
#[derive(Debug, Clone, Copy)]
pub enum Maker {
    /// A model that makes text, too: it is asked once for all.
    Omni {
        /// Which one.
        model: ModelId,
        /// Its position among the models of the decision; 0 where it is the default model.
        candidate: usize,
    },
    /// What the plugin `image_gen` says.
    Plugin(Generator),
    /// A model of the decision whose card says `diffusion`. It is none of those that the decision chooses among.
    Model(Generator),
}

/// Makes images and nothing else, of a prompt.
#[derive(Debug, Clone, Copy)]
pub struct Generator {
    /// Whose backends are asked.
    pub model: ModelId,
    /// What they speak.
    pub api: ImageApi,
    /// Pixels, where the client does not say.
    pub width: u32,
    /// Pixels, where the client does not say.
    pub height: u32,
    /// What else is sent: names and JSON.
    pub fields: &'static [(&'static str, &'static str)],
    /// How long one may take.
    pub timeout: Duration,
}

/// What a maker of images speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageApi {
    /// Chat with an `extra_body`, as vLLM Omni has it.
    VllmOmni,
    /// OpenAI's `/v1/images/generations`.
    OpenAi,
}

impl ImageApi {
    /// All of them.
    pub const ALL: [ImageApi; 2] = [ImageApi::VllmOmni, ImageApi::OpenAi];

    /// As documents and metrics call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            ImageApi::VllmOmni => "vllm_omni",
            ImageApi::OpenAi => "openai",
        }
    }
}

impl Maker {
    /// Who makes images and nothing else.
    #[must_use]
    pub const fn generator(&self) -> Option<&Generator> {
        match self {
            Maker::Omni { .. } => None,
            Maker::Plugin(generator) | Maker::Model(generator) => Some(generator),
        }
    }
}
