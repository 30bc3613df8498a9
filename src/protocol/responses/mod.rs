//! OpenAI's Responses API, over backends that know nothing of it: a request becomes a chat request with the history that is
//! stored, an answer is told in the API's own objects and events.
//!
//! It must not know where responses are stored, nor which model answers.

mod assistant;
pub mod compaction;
mod custom;
mod echo;
pub mod encode;
mod frames;
pub mod ids;
pub mod image_tool;
pub mod input;
mod item;
pub mod later_tools;
pub mod list;
pub mod native;
mod parts;
pub mod replay;
pub mod request;
pub mod resource;
pub mod socket;
pub mod to_chat;
mod tool;
mod tool_choice;
pub mod tools;
