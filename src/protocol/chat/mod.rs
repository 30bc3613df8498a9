//! OpenAI's Chat Completions: what its bodies and streams mean.

pub mod answer;
mod calls;
pub mod decode;
pub mod encode;
pub mod error;
pub mod forget;
mod reading;
mod thoughts;
pub mod usage;
