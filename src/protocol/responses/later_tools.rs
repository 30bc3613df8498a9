//! Tools that a conversation gets while it goes on: items of the input bring them along, as such or as what a search for tools
//! has found. They stay for the turns behind.

use super::input::Lookup;
use super::request::{Input, Request, referred};
use super::tools::Tools;
use crate::protocol::view::{Object, Path, RequestError, View};
use bytes::Bytes;
use memchr::memmem;

/// Types of the items that bring tools.
const TYPES: [&str; 2] = ["additional_tools", "tool_search_output"];

/// Reads the tools of a request's own items.
pub(super) fn read(items: &[View<'_>], tools: &mut Tools) -> Result<(), RequestError> {
    let root = Path::Root;
    let input = root.key("input");
    for (n, item) in items.iter().enumerate() {
        let mut item = item.members();
        if brings_tools(&mut item) {
            let at = input.index(n);
            let at = at.key("tools");
            let view = item.take("tools").ok_or_else(|| at.refuse("is required"))?;
            tools.read_more(&view, &at)?;
        }
    }
    Ok(())
}

/// Those of the items that bring tools, of a response's input as it is stored.
#[must_use]
pub fn in_stored(input_items: &Bytes) -> Vec<Bytes> {
    // Most bring none, and need not be read: types are written in one way alone.
    let may_bring = |kind: &&str| memmem::find(input_items, format!("\"type\":\"{kind}\"").as_bytes()).is_some();
    if !TYPES.iter().any(may_bring) {
        return Vec::new();
    }
    let list = Bytes::from([b"{\"data\":", &input_items[..], b"}"].concat());
    let items = View::of(&list).ok().and_then(|list| list.members().take("data"));
    let items = items.map(|items| items.elements()).unwrap_or_default();
    items.iter().filter(|item| brings_tools(&mut item.members())).map(copied).collect()
}

impl Request<'_> {
    /// Those of the request's items that bring tools, be they referred to.
    #[must_use]
    pub fn items_with_tools(&self, lookup: &Lookup<'_>) -> Vec<Bytes> {
        let Input::Items(items) = &self.input else { return Vec::new() };
        let known = |item: &View<'_>| match referred(item, &Path::Root) {
            Ok(Some(id)) => {
                lookup(&id).filter(|found| View::of(found).is_ok_and(|item| brings_tools(&mut item.members())))
            }
            _ => brings_tools(&mut item.members()).then(|| copied(item)),
        };
        items.iter().filter_map(known).collect()
    }

    /// Takes over the tools of an item that was there before, or is referred to. What was wrong with them was told when it came.
    pub fn recall_tools(&mut self, item: &Bytes) {
        let Ok(item) = View::of(item) else { return };
        let mut item = item.members();
        if let (true, Some(tools)) = (brings_tools(&mut item), item.take("tools")) {
            self.tools.read_again(&tools);
            // Whether an image alone is wanted depends on what else can be called.
            if let Ok(image) = self.tools.image(self.tool_choice.as_ref()) {
                self.image = image;
            }
        }
    }
}

fn brings_tools(item: &mut Object<'_>) -> bool {
    let kind = item.take("type").and_then(|kind| kind.string());
    kind.is_some_and(|kind| TYPES.contains(&&*kind))
}

/// A slice would keep all of what it is part of.
fn copied(item: &View<'_>) -> Bytes {
    item.bytes().to_vec().into()
}
