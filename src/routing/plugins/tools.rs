//! `tools`: which of them the model gets to see.

use super::NoTools;
use crate::protocol::draft::Draft;
use crate::protocol::json::{Item, Kind};
use crate::protocol::splice::Chunks;
use crate::table::{Protocol, ToolPolicy};

/// Fields that offer tools, each with those that make no sense without it. The second is the older way.
const OFFERS: [(&str, &[&str]); 2] =
    [("tools", &["tool_choice", "parallel_tool_calls"]), ("functions", &["function_call"])];

/// The same of Messages. A server has a name, too, and what it offers has none here.
const OFFERS_OF_MESSAGES: [(&str, &[&str]); 2] = [("tools", &["tool_choice"]), ("mcp_servers", &[])];

/// Tells whether anything changed.
pub(super) fn edit(protocol: Protocol, policy: &ToolPolicy, body: &Chunks, draft: &mut Draft) -> Result<bool, NoTools> {
    let mut changed = false;
    let offers = match protocol {
        Protocol::Chat => OFFERS,
        Protocol::Messages => OFFERS_OF_MESSAGES,
    };
    for (offer, companions) in offers {
        changed |= match policy {
            ToolPolicy::Remove { .. } => withdraw(offer, companions, body, draft),
            ToolPolicy::Filter { allow, block } => {
                let passes = |name: &str| (allow.is_empty() || allow.contains(&name)) && !block.contains(&name);
                filter(offer, companions, passes, body, draft)?
            }
        };
    }
    Ok(changed)
}

fn withdraw(offer: &str, companions: &[&str], body: &Chunks, draft: &mut Draft) -> bool {
    let mut changed = draft.remove_key(body, offer);
    for companion in companions {
        changed |= draft.remove_key(body, companion);
    }
    changed
}

fn filter(
    offer: &'static str,
    companions: &[&str],
    passes: impl Fn(&str) -> bool,
    body: &Chunks,
    draft: &mut Draft,
) -> Result<bool, NoTools> {
    let Some((position, item)) = draft.settle(body, offer) else { return Ok(false) };
    let Some(mut tools) = inside(body, &item, Kind::Array) else {
        let found = item.value.kind;
        // Some backend might make tools of it; of nothing, nobody does.
        return if found == Kind::Null { Ok(false) } else { Err(NoTools { field: offer, found }) };
    };
    let refused = tools.items().filter(|(_, tool)| !name(body, tool).is_some_and(|name| passes(&name)));
    let refused: Vec<usize> = refused.map(|(position, _)| position).collect();
    if refused.is_empty() {
        return Ok(false);
    }
    for tool in refused {
        tools.remove(tool);
    }
    if tools.is_empty() {
        return Ok(withdraw(offer, companions, body, draft));
    }
    draft.change(position, tools.into_edits());
    // A choice that names what is not there any more would be an error of the client's, who made none.
    let Some(choice_key) = companions.first() else { return Ok(true) };
    let choice = draft.find(body, choice_key).filter(|(_, choice)| choice.value.kind == Kind::Object);
    // Messages has choices that name nothing.
    let choice = choice.filter(|(_, choice)| !is_open(body, choice));
    let stays = |item: &Item| name(body, item).is_some_and(|name| passes(&name));
    if choice
        .is_some_and(|(_, choice)| listed(body, &choice).map_or_else(|| !stays(&choice), |of| !of.iter().all(stays)))
    {
        draft.remove_key(body, choice_key);
    }
    Ok(true)
}

/// Whether a choice is `{"type":"auto"}`, or another one of Messages that leaves open which tool is called.
fn is_open(body: &Chunks, choice: &Item) -> bool {
    let kind = inside(body, choice, Kind::Object).and_then(|choice| Some(choice.find(body, "type")?.1));
    let kind =
        kind.and_then(|kind| serde_json::from_slice::<String>(&body.range(kind.value.start..kind.value.end)).ok());
    kind.is_some_and(|kind| matches!(kind.as_str(), "auto" | "any" | "none"))
}

/// The tools among which a choice lets the model choose: `{"type":"allowed_tools","allowed_tools":{"tools":[…]}}`.
fn listed(body: &Chunks, choice: &Item) -> Option<Vec<Item>> {
    let allowed = inside(body, choice, Kind::Object)?.find(body, "allowed_tools")?.1;
    let tools = inside(body, &allowed, Kind::Object)?.find(body, "tools")?.1;
    Some(inside(body, &tools, Kind::Array)?.items().map(|(_, tool)| tool).collect())
}

/// The name of a tool or of a choice: `{"type":"function","function":{"name":…}}`, the same with `custom`, or flat. Empty
/// where it has none, as a tool of the provider's own; `None` where two readers could see two names.
fn name(body: &Chunks, item: &Item) -> Option<String> {
    let once = |draft: &Draft, key: &str| draft.items().filter(|(_, item)| Draft::has_key(body, item, key)).count() < 2;
    let Some(tool) = inside(body, item, Kind::Object) else { return Some(String::new()) };
    if !once(&tool, "function") || !once(&tool, "custom") {
        return None;
    }
    let mut holders = ["function", "custom"].iter().filter_map(|key| tool.find(body, key));
    let holder = match (holders.next(), holders.next()) {
        (Some(_), Some(_)) => return None,
        (Some(_), None) if tool.find(body, "name").is_some() => return None,
        (Some((_, item)), None) => inside(body, &item, Kind::Object)?,
        (None, _) => tool,
    };
    if !once(&holder, "name") {
        return None;
    }
    let Some((_, name)) = holder.find(body, "name") else { return Some(String::new()) };
    serde_json::from_slice(&body.range(name.value.start..name.value.end)).ok()
}

fn inside(body: &Chunks, item: &Item, kind: Kind) -> Option<Draft> {
    (item.value.kind == kind).then(|| Draft::of(body, item.value.start..item.value.end))?
}
