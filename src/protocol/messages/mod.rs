//! Anthropic's Messages: what its bodies and streams mean.

pub mod answer;
pub mod count;
pub mod decode;
pub mod encode;
pub mod error;
pub mod fields;
pub mod from_chat;
pub mod said;
pub mod to_chat;
pub mod tool_id;
pub mod usage;

#[cfg(test)]
mod both_ways_tests;
#[cfg(test)]
mod traffic_tests;
