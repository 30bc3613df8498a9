//! OpenAI's Chat Completions: what its bodies and streams mean.

pub mod decode;
pub mod encode;
pub mod usage;
