//! What becomes of the items of one object or array of a body: some go, some change, some come; all others stay byte for
//! byte as they stand. Turned into edits, commas included, when everything is said.
//!
//! It knows JSON and nothing of what the items mean.

use super::json::{Item, Scanner, Span};
use super::splice::{Chunks, Edit};
use bytes::Bytes;
use std::borrow::Cow;
use std::ops::Range;

/// Changes to an object or array.
#[derive(Debug, Clone)]
pub struct Draft {
    /// Where its brackets stand.
    open: usize,
    close: usize,
    items: Vec<(Item, Fate)>,
    /// Pieces of new items, in order.
    first: Vec<Vec<Bytes>>,
    last: Vec<Vec<Bytes>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Fate {
    Keep,
    Remove,
    /// These edits lie within its value.
    Change(Vec<Edit>),
}

impl Draft {
    /// The object or array that takes up this range of the body, white space around it at most. `None` where there is
    /// none, which a scanned body rules out.
    #[must_use]
    pub fn of(body: &Chunks, range: Range<usize>) -> Option<Draft> {
        let mut scanner = Scanner::outlining();
        for piece in body.pieces(range.clone()) {
            scanner.push(piece).ok()?;
        }
        let outline = scanner.into_outline()?;
        let base = range.start;
        let shift = |item: Item| {
            let Span { start, end, kind } = item.value;
            let value = Span { start: start + base, end: end + base, kind };
            (Item { start: item.start + base, value }, Fate::Keep)
        };
        Some(Draft {
            open: outline.open + base,
            close: outline.close + base,
            items: outline.items.into_iter().map(shift).collect(),
            first: Vec::new(),
            last: Vec::new(),
        })
    }

    /// The items that are still there, with their positions.
    pub fn items(&self) -> impl Iterator<Item = (usize, Item)> {
        self.items.iter().enumerate().filter(|(_, (_, fate))| *fate != Fate::Remove).map(|(n, (item, _))| (n, *item))
    }

    /// The member that is still there and has this key. Of several it is the last, as most readers have it.
    #[must_use]
    pub fn find(&self, body: &Chunks, key: &str) -> Option<(usize, Item)> {
        self.items().filter(|(_, item)| Self::has_key(body, item, key)).last()
    }

    /// The same, and what else has this key goes, so that nobody reads another.
    pub fn settle(&mut self, body: &Chunks, key: &str) -> Option<(usize, Item)> {
        let (kept, item) = self.find(body, key)?;
        let others = self.items().filter(|(n, item)| *n != kept && Self::has_key(body, item, key));
        for other in others.map(|(n, _)| n).collect::<Vec<_>>() {
            self.remove(other);
        }
        Some((kept, item))
    }

    /// Whether a member has this key, however it is spelled.
    #[must_use]
    pub fn has_key(body: &Chunks, item: &Item, key: &str) -> bool {
        let Some(raw) = raw_key(body, item) else { return false };
        if raw.contains(&b'\\') {
            return serde_json::from_slice::<String>(&raw).is_ok_and(|found| found == key);
        }
        raw[1..raw.len() - 1] == *key.as_bytes()
    }

    /// The key of a member, its escapes undone. Empty for an element, or a key that is no UTF-8.
    #[must_use]
    pub fn key(body: &Chunks, item: &Item) -> String {
        raw_key(body, item).and_then(|raw| serde_json::from_slice(&raw).ok()).unwrap_or_default()
    }

    /// The item goes.
    pub fn remove(&mut self, position: usize) {
        self.items[position].1 = Fate::Remove;
    }

    /// All members with this key go. Tells whether there was one.
    pub fn remove_key(&mut self, body: &Chunks, key: &str) -> bool {
        let mut found = false;
        for (item, fate) in self.items.iter_mut().filter(|(_, fate)| *fate != Fate::Remove) {
            if Self::has_key(body, item, key) {
                *fate = Fate::Remove;
                found = true;
            }
        }
        found
    }

    /// The value of an item becomes another one.
    pub fn replace(&mut self, position: usize, with: Bytes) {
        let value = self.items[position].0.value;
        self.change(position, vec![Edit { range: value.start..value.end, with }]);
    }

    /// The value of an item is edited; the edits lie within it and are in order.
    pub fn change(&mut self, position: usize, edits: Vec<Edit>) {
        self.items[position].1 = Fate::Change(edits);
    }

    /// A member that stays gets another key, whatever becomes of its value.
    pub fn rename(&mut self, position: usize, key: &str) {
        let (item, fate) = &mut self.items[position];
        let key = serde_json::to_string(key).expect("a string always serialises") + ":";
        let edit = Edit { range: item.start..item.value.start, with: key.into() };
        match fate {
            Fate::Keep => *fate = Fate::Change(vec![edit]),
            Fate::Change(edits) => edits.insert(0, edit),
            Fate::Remove => {}
        }
    }

    /// The member with this key has this value from now on, and stands there once.
    pub fn set(&mut self, body: &Chunks, key: &'static str, value: Bytes) {
        match self.settle(body, key) {
            Some((kept, _)) => self.replace(kept, value),
            None => {
                let key = serde_json::to_vec(key).expect("a string always serialises");
                self.last.push(vec![key.into(), Bytes::from_static(b":"), value]);
            }
        }
    }

    /// A new item before all others, in pieces.
    pub fn insert_first(&mut self, pieces: Vec<Bytes>) {
        self.first.push(pieces);
    }

    /// Whether no item is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items().next().is_none() && self.first.is_empty() && self.last.is_empty()
    }

    /// The edits that make it so, in order.
    #[must_use]
    pub fn into_edits(self) -> Vec<Edit> {
        let kept = self.items().next().is_some();
        let mut edits = Vec::new();
        let after_open = self.open + 1;
        for pieces in &self.first {
            add(&mut edits, after_open, pieces, false);
            edits.push(Edit::insert(after_open, ","));
        }
        if !kept && self.last.is_empty() && !self.first.is_empty() {
            edits.pop();
        }
        // Where the last item that stays, or the last one removed behind it, ends.
        let mut behind_kept = None;
        for (n, (item, fate)) in self.items.iter().enumerate() {
            let end = item.value.end;
            match (fate, behind_kept) {
                (Fate::Keep, _) => behind_kept = Some(end),
                (Fate::Change(changes), _) => {
                    edits.extend_from_slice(changes);
                    behind_kept = Some(end);
                }
                // With the comma before it, or where nothing before it stays, with the one behind it.
                (Fate::Remove, Some(from)) => {
                    edits.push(Edit { range: from..end, with: Bytes::new() });
                    behind_kept = Some(end);
                }
                (Fate::Remove, None) => {
                    let from = if n == 0 { after_open } else { item.start };
                    let to = self.items.get(n + 1).map_or(end, |(next, _)| next.start);
                    edits.push(Edit { range: from..to, with: Bytes::new() });
                }
            }
        }
        for (n, pieces) in self.last.iter().enumerate() {
            add(&mut edits, self.close, pieces, kept || n > 0);
        }
        edits
    }
}

fn add(edits: &mut Vec<Edit>, at: usize, pieces: &[Bytes], after_another: bool) {
    if after_another {
        edits.push(Edit::insert(at, ","));
    }
    edits.extend(pieces.iter().map(|piece| Edit { range: at..at, with: piece.clone() }));
}

/// The key of a member with its quotes; nothing for an element of an array.
fn raw_key<'b>(body: &'b Chunks, item: &Item) -> Option<Cow<'b, [u8]>> {
    if item.start == item.value.start {
        return None;
    }
    let before_value = body.range(item.start..item.value.start);
    let end = before_value.iter().rposition(|byte| *byte == b'"').map_or(0, |last| last + 1);
    Some(match before_value {
        Cow::Borrowed(raw) => Cow::Borrowed(&raw[..end]),
        Cow::Owned(mut raw) => {
            raw.truncate(end);
            Cow::Owned(raw)
        }
    })
}

#[cfg(test)]
#[path = "draft_tests.rs"]
mod tests;
