//! Tools that a conversation gets while it goes on: items of the input bring them along, as such or as what a search for tools
//! has found. They stay for the turns behind.

use super::input::Lookup;
use super::request::{Input, InputItem, Request};
use crate::protocol::view::{Object, View};
use bytes::Bytes;
use memchr::memmem;

/// Types of the items that bring tools.
const TYPES: [&str; 2] = ["additional_tools", "tool_search_output"];

/// Whether items of this type do.
pub(super) fn brings_tools(kind: &str) -> bool {
    TYPES.contains(&kind)
}

/// Those of the items that bring tools, of a response's input as it is stored.
#[must_use]
pub fn in_stored(input_items: &Bytes) -> Vec<Bytes> {
    if !may_bring_tools(input_items) {
        return Vec::new();
    }
    let list = Bytes::from([b"{\"data\":", &input_items[..], b"}"].concat());
    let items = View::of(&list).ok().and_then(|list| list.members().take("data"));
    let items = items.map(|items| items.elements()).unwrap_or_default();
    items.iter().filter(|item| is_one(&mut item.members())).map(copied).collect()
}

impl Request<'_> {
    /// Those of the request's items that bring tools, be they referred to.
    #[must_use]
    pub fn items_with_tools(&self, lookup: &Lookup<'_>) -> Vec<Bytes> {
        let Input::Items(items) = &self.input else { return Vec::new() };
        let known = |item: &InputItem<'_>| match &item.refers_to {
            Some(id) => lookup(id).filter(|found| {
                may_bring_tools(found) && View::of(found).is_ok_and(|item| is_one(&mut item.members()))
            }),
            None => item.brings_tools.then(|| copied(&item.view)),
        };
        items.iter().filter_map(known).collect()
    }

    /// Takes over the tools of an item that was there before, or is referred to. What was wrong with them was told when it came.
    pub fn recall_tools(&mut self, item: &Bytes) {
        let Ok(item) = View::of(item) else { return };
        let mut item = item.members();
        if let (true, Some(tools)) = (is_one(&mut item), item.take("tools")) {
            self.tools.read_again(&tools);
            // Whether an image alone is wanted depends on what else can be called.
            if let Ok(image) = self.tools.image(self.tool_choice.as_ref()) {
                self.image = image;
            }
        }
    }
}

/// Whether stored items need to be read: most bring none, and their types are written in one way alone.
fn may_bring_tools(items: &[u8]) -> bool {
    TYPES.iter().any(|kind| memmem::find(items, format!("\"type\":\"{kind}\"").as_bytes()).is_some())
}

fn is_one(item: &mut Object<'_>) -> bool {
    item.take("type").and_then(|kind| kind.string()).is_some_and(|kind| brings_tools(&kind))
}

/// A slice would keep all of what it is part of.
fn copied(item: &View<'_>) -> Bytes {
    item.bytes().to_vec().into()
}
