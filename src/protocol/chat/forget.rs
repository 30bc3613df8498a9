//! Takes out of a chat request what its messages say of the thinking before, for backends that refuse to read it.

use crate::protocol::draft::Draft;
use crate::protocol::json::Kind;
use crate::protocol::splice::Chunks;
use std::ops::Range;

/// Under which names thinking goes with a message.
const KEYS: [&str; 2] = ["reasoning_content", "reasoning_details"];

/// The body without them. `None` where there is none of it. The messages stand in this range.
#[must_use]
pub fn without_thinking(body: &Chunks, messages: Range<usize>) -> Option<Chunks> {
    let mut list = Draft::of(body, messages)?;
    let objects: Vec<_> = list.items().filter(|(_, item)| item.value.kind == Kind::Object).collect();
    let mut found = false;
    for (position, item) in objects {
        let Some(mut message) = Draft::of(body, item.value.start..item.value.end) else { continue };
        if KEYS.iter().fold(false, |found, key| message.remove_key(body, key) | found) {
            list.change(position, message.into_edits());
            found = true;
        }
    }
    found.then(|| body.edited(&list.into_edits()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    #[test]
    fn thinking_goes_and_all_else_stays() {
        let before = r#"{"model":"m","messages":[{"role":"user","content":"reasoning_content"},"#;
        let given = [
            before,
            r#"{"role":"assistant","content":null,"reasoning_content":"Hm.","tool_calls":[{"reasoning_content":1}]},"#,
            r#" {"reasoning_details":[{"text":"}"}], "content" : "x"} , 7]}"#,
        ];
        let expected = [
            before,
            r#"{"role":"assistant","content":null,"tool_calls":[{"reasoning_content":1}]},"#,
            r#" {"content" : "x"} , 7]}"#,
        ];
        let mut body = Chunks::default();
        given.iter().for_each(|piece| body.push(Bytes::from_static(piece.as_bytes())));
        let messages = 24..body.len() - 1;
        assert_eq!(without_thinking(&body, messages).unwrap().to_bytes(), expected.concat());

        let body = Chunks::from(Bytes::from(format!("{before}7]}}")));
        assert!(without_thinking(&body, 24..body.len() - 1).is_none());
    }
}
