//! What clients speak.

use crate::table::Protocol;

/// The API that a client uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Client {
    /// OpenAI's Chat Completions.
    Chat,
    /// Anthropic's Messages.
    Messages,
}

impl Client {
    /// What the body of its request is written in.
    #[must_use]
    pub fn protocol(self) -> Protocol {
        match self {
            Client::Chat => Protocol::Chat,
            Client::Messages => Protocol::Messages,
        }
    }
}
