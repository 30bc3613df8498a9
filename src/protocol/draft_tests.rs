#![allow(clippy::disallowed_types)] // a tree is the reference here

use super::*;
use proptest::prelude::*;
use serde_json::{Map, Value};

fn chunked(text: &str, cuts: &[usize]) -> Chunks {
    let (bytes, mut from) = (text.as_bytes(), 0);
    let mut chunks = Chunks::default();
    for cut in cuts {
        let cut = (*cut).clamp(from, bytes.len());
        chunks.push(Bytes::from(bytes[from..cut].to_vec()));
        from = cut;
    }
    chunks.push(Bytes::from(bytes[from..].to_vec()));
    chunks
}

fn text(body: &Chunks) -> String {
    String::from_utf8(body.clone().into_inner().concat()).unwrap()
}

#[track_caller]
fn check(document: &str, change: impl Fn(&Chunks, &mut Draft), expected: &str) {
    for cut in 0..=document.len() {
        let body = chunked(document, &[cut]);
        let mut draft = Draft::of(&body, 0..body.len()).unwrap();
        change(&body, &mut draft);
        assert_eq!(text(&body.edited(&draft.into_edits())), expected, "cut at {cut}");
    }
}

#[test]
fn a_member_goes_with_its_comma() {
    let document = r#" { "a" : 1 , "b":[2], "c":3 } "#;
    let remove = |keys: &'static [&'static str]| {
        move |body: &Chunks, draft: &mut Draft| keys.iter().for_each(|key| assert!(draft.remove_key(body, key)))
    };
    check(document, remove(&["a"]), r#" {"b":[2], "c":3 } "#);
    check(document, remove(&["b"]), r#" { "a" : 1, "c":3 } "#);
    check(document, remove(&["c"]), r#" { "a" : 1 , "b":[2] } "#);
    check(document, remove(&["a", "b"]), r#" {"c":3 } "#);
    check(document, remove(&["b", "c"]), r#" { "a" : 1 } "#);
    check(document, remove(&["a", "c"]), r#" {"b":[2] } "#);
    check(document, remove(&["a", "b", "c"]), " { } ");
}

#[test]
fn a_key_is_found_however_it_is_spelled() {
    check(r#"{"mod\u0065l":1,"model":2}"#, |body, draft| draft.set(body, "model", "3".into()), r#"{"model":3}"#);
    check(r#"{"model":1,"mod\u0065l":2}"#, |body, draft| draft.set(body, "model", "3".into()), r#"{"mod\u0065l":3}"#);
    check("{}", |body, draft| draft.set(body, "model", "3".into()), r#"{"model":3}"#);
    check(r#"{"a":"model"}"#, |body, draft| draft.set(body, "model", "3".into()), r#"{"a":"model","model":3}"#);
}

#[test]
fn elements_of_arrays() {
    let add = |_: &Chunks, draft: &mut Draft| draft.insert_first(vec!["\"x".into(), "y\"".into()]);
    check("[1, 2]", add, r#"["xy",1, 2]"#);
    check("[ ]", add, r#"["xy" ]"#);
    check(
        "[1, [2], {\"a\":1}]",
        |body, draft| {
            add(body, draft);
            draft.remove(0);
            draft.remove(1);
        },
        r#"["xy",{"a":1}]"#,
    );
}

/// What is done to a member, and what it should come to.
#[derive(Debug, Clone)]
enum Act {
    Remove(usize),
    Set(usize),
}

proptest! {
    /// Whatever is removed and set, in any order, a reader sees just that, and everything else as it was.
    #[test]
    fn as_a_tree_would_have_it(
        members in prop::collection::vec(("[a-h]", prop_oneof![
            Just("1.50"), Just("\"\\u0041,}\""), Just("[1 , {\"a\":2}]"), Just("{\"a\" : \"]\"}"), Just("null"),
        ]), 0..6),
        gap in "[ \n\t]{0,2}",
        acts in prop::collection::vec(prop_oneof![(0usize..8).prop_map(Act::Remove), (0usize..8).prop_map(Act::Set)], 0..6),
        cuts in prop::collection::vec(0usize..120, 0..4),
    ) {
        const KEYS: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];
        // Keys that stand twice are a tree's undoing, and tested above.
        let mut unique: Vec<(String, &str)> = Vec::new();
        for (key, value) in members {
            if unique.iter().all(|(other, _)| *other != key) {
                unique.push((key, value));
            }
        }
        let written: Vec<String> = unique.iter().map(|(k, v)| format!("{gap}\"{k}\"{gap}:{gap}{v}{gap}")).collect();
        let document = format!("{gap}{{{gap}{}}}{gap}", written.join(","));
        let mut cuts = cuts;
        cuts.sort_unstable();
        let body = chunked(&document, &cuts);
        let mut tree: Map<String, Value> = serde_json::from_str(&document).unwrap();
        let mut draft = Draft::of(&body, 0..body.len()).unwrap();
        let mut added = std::collections::BTreeSet::new();
        let mut touched = std::collections::BTreeSet::new();
        for act in acts {
            let (Act::Remove(n) | Act::Set(n)) = act;
            touched.insert(KEYS[n]);
            match act {
                // What was added stays: nobody takes back what they have just written.
                Act::Remove(n) if !added.contains(&n) => {
                    let was_there = tree.remove(KEYS[n]).is_some();
                    prop_assert_eq!(draft.remove_key(&body, KEYS[n]), was_there);
                }
                Act::Set(n) if added.insert(n) => {
                    tree.insert(KEYS[n].to_owned(), Value::from("new"));
                    draft.set(&body, KEYS[n], "\"new\"".into());
                }
                _ => {}
            }
        }
        let edited = text(&body.edited(&draft.into_edits()));
        prop_assert_eq!(serde_json::from_str::<Map<String, Value>>(&edited).unwrap(), tree, "{}", edited);
        // Number spellings, escapes and white space inside of what stays are as they were.
        for (_, value) in unique.iter().filter(|(key, _)| !touched.contains(key.as_str())) {
            prop_assert!(edited.contains(value));
        }
    }

    /// Any edits in order are what cutting and pasting a string would give.
    #[test]
    fn edits_cut_and_paste(
        document in "[a-z]{0,40}",
        edits in prop::collection::vec((0usize..8, 0usize..6, "[A-Z]{0,3}"), 0..6),
        cuts in prop::collection::vec(0usize..40, 0..4),
    ) {
        let mut cuts = cuts;
        cuts.sort_unstable();
        let body = chunked(&document, &cuts);
        let (mut at, mut given, mut expected) = (0, Vec::new(), String::new());
        for (skip, length, with) in edits {
            let start = (at + skip).min(document.len());
            let end = (start + length).min(document.len());
            expected.push_str(&document[at..start]);
            expected.push_str(&with);
            at = end;
            given.push(Edit { range: start..end, with: with.into_bytes().into() });
        }
        expected.push_str(&document[at..]);
        let edited = body.edited(&given);
        prop_assert_eq!(edited.len(), expected.len());
        prop_assert_eq!(text(&edited), expected);
    }
}
