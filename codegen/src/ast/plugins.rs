//! `routing.decisions[].plugins`: what a decision does to a request, each with a configuration of its own shape.

use super::decode::{Decode, Leaf, List, SectionKeys, section};
use super::node::Node;
use super::shape::{FLAG, Form, NAME, PRICE, TEXT, number, whole, words};
use crate::report::Sink;

section! {
    /// Something that a decision does to a request.
    "routing.decisions[].plugins[]" => pub struct Plugin {
        /// Which one. At most one of each in a decision.
        kind = "type": Leaf as words(&["fast_response", "request_params", "tools", "system_prompt", "header_mutation", "image_gen"]).required(),
        /// What exactly it does; its keys are those of its type.
        configuration: Configuration as TEXT.required(),
    }
}

/// The configuration of a plugin, as it was written: which keys it may have depends on the plugin's type.
#[derive(Debug, Clone)]
pub struct Configuration(pub Node);

impl Decode for Configuration {
    const EXPECTED: &'static str = "a mapping";

    fn decode(node: &Node, _: &str, _: &mut Sink) -> Option<Self> {
        Some(Configuration(node.clone()))
    }

    fn form() -> Form {
        Form::Any
    }

    fn sections(out: &mut Vec<SectionKeys>) {
        FastResponse::sections(out);
        RequestParams::sections(out);
        Tools::sections(out);
        SystemPrompt::sections(out);
        HeaderMutation::sections(out);
        ImageGen::sections(out);
    }
}

section! {
    /// The router answers itself; no backend is asked.
    "plugins.fast_response" => pub struct FastResponse {
        /// What it answers.
        message: Leaf as NAME.required(),
    }
}

section! {
    /// Fields of the request are removed and bounded.
    "plugins.request_params" => pub struct RequestParams {
        /// Fields that are removed.
        blocked_params: List<Leaf> as NAME,
        /// Largest `max_tokens` and `max_completion_tokens`; larger ones become this.
        max_tokens_limit: Leaf as whole(1, 1_000_000_000),
        /// Largest `n`; a larger one becomes this.
        max_n: Leaf as whole(1, 1_000_000_000),
        /// Whether fields that OpenAI's API does not have are removed. Default: false.
        strip_unknown: Leaf as FLAG,
    }
}

section! {
    /// Which tools the model gets to see.
    "plugins.tools" => pub struct Tools {
        /// Whether it does anything. Default: true.
        enabled: Leaf as FLAG,
        /// `none`, `passthrough` or `filtered`. Default: `passthrough`.
        mode: Leaf as words(&["none", "passthrough", "filtered"]),
        /// With `filtered`: only these.
        allow_tools: List<Leaf> as NAME,
        /// With `filtered`: not these.
        block_tools: List<Leaf> as NAME,
        /// With `none`: whether earlier tool calls and their results are taken out of the messages. Default: false.
        strip_tool_history: Leaf as FLAG,
    }
}

section! {
    /// What is said to the model first.
    "plugins.system_prompt" => pub struct SystemPrompt {
        /// Whether it does anything. Default: true.
        enabled: Leaf as FLAG,
        /// `insert`: before the client's own. `replace`: in its place. Default: `insert`.
        mode: Leaf as words(&["insert", "replace"]),
        /// The text.
        system_prompt: Leaf as NAME.required(),
    }
}

section! {
    /// Changes to the headers of the request.
    "plugins.header_mutation" => pub struct HeaderMutation {
        /// Set beside what the client sent under the same name.
        add: List<Header>,
        /// Set in place of what the client sent under the same name.
        update: List<Header>,
        /// Names of headers that are not sent on.
        delete: List<Leaf> as NAME,
    }
}

section! {
    /// A header.
    "plugins.header_mutation.headers[]" => pub struct Header {
        /// Its name.
        name: Leaf as NAME.required(),
        /// Its value: visible ASCII.
        value: Leaf as TEXT.required(),
    }
}

section! {
    /// Images are made by a backend of their own.
    "plugins.image_gen" => pub struct ImageGen {
        /// Whether it does anything. Default: true.
        enabled: Leaf as FLAG,
        /// What the backend speaks: `vllm_omni` (Chat with an `extra_body`) or `openai` (`/v1/images/generations`).
        backend: Leaf as words(&["vllm_omni", "openai"]).required(),
        /// Where it is, and what it is told.
        backend_config: ImageBackend as TEXT.required(),
        /// Pixels, where the client does not say. Default: 1024.
        default_width: Leaf as whole(64, 8192),
        /// Pixels, where the client does not say. Default: 1024.
        default_height: Leaf as whole(64, 8192),
        /// Bounds `num_inference_steps`. Default: 0, no bound.
        max_inference_steps: Leaf as whole(0, 1000),
        /// How long an image may take, in seconds. Default: 120.
        timeout_seconds: Leaf as whole(1, 3600),
        /// What its tokens cost, where the backend counts them. Default: unknown.
        pricing: ImagePricing,
    }
}

section! {
    /// Prices per million tokens, at most six decimals.
    "plugins.image_gen.pricing" => pub struct ImagePricing {
        /// ISO 4217 code. Default: `USD`.
        currency: Leaf,
        /// Tokens of the prompt.
        prompt_per_1m: Leaf as PRICE,
        /// Tokens of the image.
        completion_per_1m: Leaf as PRICE,
    }
}

section! {
    /// Where images are made.
    "plugins.image_gen.backend_config" => pub struct ImageBackend {
        /// With scheme, with or without `/v1`. With `openai`, the default is `https://api.openai.com`.
        base_url: Leaf as NAME,
        /// What the backend calls the model. With `openai`, the default is `gpt-image-1`.
        model: Leaf as NAME,
        /// The key: a reference to the environment.
        api_key: Leaf,
        /// The name of a variable that holds the key.
        api_key_env: Leaf as NAME,
        /// With `vllm_omni`: steps of the diffusion. Default: 50.
        num_inference_steps: Leaf as whole(1, 1000),
        /// With `vllm_omni`: how closely the prompt is followed. Default: 4.0.
        cfg_scale: Leaf as number(0.0, 100.0),
        /// With `vllm_omni`: makes images reproducible.
        seed: Leaf as whole(0, 4_294_967_295),
        /// With `openai`: `low`, `medium`, `high`, … as the model has it.
        quality: Leaf as NAME,
        /// With `openai`: `vivid` or `natural`, for models that know it.
        style: Leaf as NAME,
    }
}
