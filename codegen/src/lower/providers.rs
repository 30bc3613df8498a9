//! The registry of providers: paths and authentication. Data only.

/// What a backend's `provider` settles.
#[derive(Debug, Clone, Copy)]
pub(super) struct Provider {
    /// As the document writes it.
    pub(super) name: &'static str,
    /// Header that carries the key.
    pub(super) auth_header: &'static str,
    /// What stands before the key.
    pub(super) auth_prefix: &'static str,
    /// What is appended to the path of `base_url`.
    pub(super) suffix: &'static str,
    /// A typical `base_url`, where it cannot be done without.
    pub(super) needs_base_url: Option<&'static str>,
}

const CHAT: &str = "/chat/completions";

/// Path of Anthropic's protocol, whoever speaks it.
pub(super) const MESSAGES: &str = "/v1/messages";

const fn bearer(name: &'static str, suffix: &'static str, needs_base_url: Option<&'static str>) -> Provider {
    Provider { name, auth_header: "authorization", auth_prefix: "Bearer", suffix, needs_base_url }
}

/// All of them. The first is what a backend of Chat without `provider` is taken for.
pub(super) const REGISTRY: &[Provider] = &[
    bearer("vllm", CHAT, None),
    bearer("openai", CHAT, None),
    Provider { name: ANTHROPIC, auth_header: "x-api-key", auth_prefix: "", suffix: MESSAGES, needs_base_url: None },
    Provider {
        name: AZURE,
        auth_header: "api-key",
        auth_prefix: "",
        suffix: CHAT,
        needs_base_url: Some("https://NAME.openai.azure.com/openai/v1"),
    },
    bearer("bedrock", CHAT, Some("https://bedrock-runtime.REGION.amazonaws.com/openai/v1")),
    bearer("gemini", CHAT, Some("https://generativelanguage.googleapis.com/v1beta/openai")),
    bearer(
        "vertex-ai",
        CHAT,
        Some("https://REGION-aiplatform.googleapis.com/v1/projects/PROJECT/locations/REGION/endpoints/openapi"),
    ),
    bearer("minimax", "/v1/chat/completions", Some("https://api.minimax.io")),
];

/// The provider that speaks Messages, and whose key a backend without `provider` takes there.
pub(super) const ANTHROPIC: &str = "anthropic";

/// Those that `api_format: anthropic` may have.
pub(super) const SPEAK_MESSAGES: &[&str] = &[ANTHROPIC, "vllm"];

/// The provider that understands `api_version`.
pub(super) const AZURE: &str = "azure-openai";

/// The provider that answers in this process.
pub(super) const ECHO: &str = "echo";
