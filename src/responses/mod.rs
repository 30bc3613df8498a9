//! Stored responses: what the Responses API keeps between two requests.
//!
//! Knows nothing of HTTP, and nothing of what a response says.

pub mod recent;
pub mod store;
pub mod turn;
