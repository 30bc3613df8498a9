//! What clients speak.

use crate::table::Protocol;

/// The API that a client uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Client {
    /// OpenAI's Chat Completions.
    Chat,
    /// Anthropic's Messages.
    Messages,
    /// OpenAI's Responses. What is asked for has become a request for a chat completion before it comes here.
    Responses,
}

impl Client {
    /// What the body of its request is written in.
    #[must_use]
    pub fn protocol(self) -> Protocol {
        match self {
            Client::Chat | Client::Responses => Protocol::Chat,
            Client::Messages => Protocol::Messages,
        }
    }
}
