//! What the plugins of a decision make of the body of a request. Each says what it did, so that it can be counted.
//!
//! They change what the client asked for, before anything that the router adds on its own. What has another shape than the
//! API says is left for the backend to judge, but for what would get past a list of tools.

mod messages;
mod params;
mod tools;
mod turns;

use crate::protocol::draft::Draft;
use crate::protocol::json::Kind;
use crate::protocol::splice::Chunks;
use crate::table::{PluginKind, Plugins, Protocol, ToolPolicy};

/// Something that a plugin did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It ran, and had something to do or not.
    Ran(PluginKind, bool),
    /// `request_params` removed the field at this position in its list.
    Blocked(usize),
    /// `request_params` bounded `max_tokens` or `max_completion_tokens`.
    MaxTokensCapped,
    /// `request_params` bounded `n`.
    MaxNCapped,
    /// `request_params` removed a field that the API does not have.
    UnknownStripped,
}

/// Tools are offered in a shape in which they cannot be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{field} field must be an array, got {found}")]
pub struct NoTools {
    /// `tools`, `functions` or `mcp_servers`.
    pub field: &'static str,
    /// What stands there.
    pub found: Kind,
}

/// Lets all plugins of a decision change the top level of a body, which is written in this protocol.
///
/// # Errors
/// Where tools are to be filtered and cannot be.
pub fn edit(
    protocol: Protocol,
    plugins: &Plugins,
    body: &Chunks,
    draft: &mut Draft,
    mut note: impl FnMut(Effect),
) -> Result<(), NoTools> {
    if let Some(limits) = &plugins.request_params {
        let changed = params::edit(protocol, limits, body, draft, &mut note);
        note(Effect::Ran(PluginKind::RequestParams, changed));
    }
    let strip = matches!(plugins.tools, Some(ToolPolicy::Remove { history: true }));
    if strip || plugins.system_prompt.is_some() {
        let prompt = plugins.system_prompt.as_ref();
        let stripped = match protocol {
            Protocol::Chat => messages::edit(prompt, strip, body, draft),
            Protocol::Messages => turns::edit(prompt, strip, body, draft),
        };
        if plugins.system_prompt.is_some() {
            note(Effect::Ran(PluginKind::SystemPrompt, true));
        }
        if let Some(policy) = &plugins.tools {
            let changed = tools::edit(protocol, policy, body, draft)?;
            note(Effect::Ran(PluginKind::Tools, changed || stripped));
        }
    } else if let Some(policy) = &plugins.tools {
        let changed = tools::edit(protocol, policy, body, draft)?;
        note(Effect::Ran(PluginKind::Tools, changed));
    }
    Ok(())
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
