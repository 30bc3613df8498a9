use super::{Calls, Document, Mark, Place};
use crate::protocol::event::Event;
use crate::protocol::out::JsonText;
use crate::protocol::stream::EVENT_LIMIT;
use proptest::prelude::*;

fn body(text: &str) -> String {
    let quoted = serde_json::to_string(text).unwrap();
    quoted[1..quoted.len() - 1].to_owned()
}

fn mark<'a>(index: Option<u64>, id: &'a str, name: &'a str) -> Mark<'a> {
    let text = |text: &'a str| (!text.is_empty()).then(|| JsonText::raw(text.as_bytes()));
    Mark { index, id: text(id), name: text(name) }
}

/// What is told of fragments: index, id, name, input.
fn told(fragments: &[(Option<u64>, &str, &str, &str)]) -> Vec<String> {
    let (mut calls, mut out) = (Calls::default(), Vec::new());
    let mut tell = |event: Event<'_>| {
        let text = |text: JsonText<'_>| String::from_utf8(text.as_raw().to_vec()).unwrap();
        out.push(match event {
            Event::ToolCall { id, name } => format!("{}={}", text(id), text(name)),
            Event::ToolInput(input) => text(input),
            other => panic!("{other:?}"),
        });
    };
    for (index, id, name, input) in fragments {
        let mark = mark(*index, id, name);
        let place = calls.find(mark).unwrap_or_else(|| calls.begin(mark, mark.name.unwrap(), "a", &mut tell).unwrap());
        let input = body(input);
        let input = JsonText::raw(input.as_bytes());
        match place {
            Place::Waiting(n) => calls.put_by(n, input).unwrap(),
            Place::Told if input.is_empty() => {}
            Place::Told => {
                tell(Event::ToolInput(input));
                calls.heard(input);
                calls.go_on(&mut tell);
            }
        }
    }
    calls.end(&mut tell);
    assert!(!calls.wait() && calls.kept == 0);
    out
}

#[test]
fn one_behind_the_other_nothing_waits() {
    let fragments =
        [(Some(0), "a", "f", "{"), (Some(0), "", "", "}"), (Some(1), "b", "g", r#"{"x":"}"#), (Some(1), "", "", "\"}")];
    assert_eq!(told(&fragments), ["a=f", "{", "}", "b=g", r#"{\"x\":\"}"#, "\\\"}"]);
}

#[test]
fn what_is_mixed_is_told_in_order() {
    let fragments = [
        (Some(0), "a", "f", ""),
        (Some(1), "b", "g", ""),
        (Some(2), "c", "h", "{}"),
        (Some(1), "", "", "{\"y\""),
        (Some(0), "", "", "{\"x\":"),
        (Some(0), "", "", "1}"),
        (Some(1), "", "", ":2}"),
        (Some(3), "d", "i", "{"),
    ];
    assert_eq!(told(&fragments), ["a=f", r#"{\"x\":"#, "1}", "b=g", r#"{\"y\""#, ":2}", "c=h", "{}", "d=i", "{"]);
    // Ids alone, and neither at the newest.
    let fragments = [
        (None, "a", "f", "{"),
        (None, "b", "g", "{"),
        (None, "a", "f", "}"),
        (None, "b", "", "}"),
        (None, "", "", " "),
    ];
    assert_eq!(told(&fragments), ["a=f", "{", "}", "b=g", "{", "}", " "]);
    // What has no end that can be seen: the next one waits for the end of the answer.
    assert_eq!(told(&[(Some(0), "a", "f", "x"), (Some(1), "b", "g", "{}")]), ["a=f", "x", "b=g", "{}"]);
    assert_eq!(told(&[(Some(0), "a", "f", ""), (Some(1), "", "g", "{}")]), ["a=f", "call_1_a=g", "{}"]);
}

#[test]
fn what_waits_has_a_bound() {
    let mut calls = Calls::default();
    let name = JsonText::raw(b"f");
    for n in 0..2 {
        calls.begin(mark(Some(n), "a", "f"), name, "", &mut |_| {}).unwrap();
    }
    let large = vec![b' '; EVENT_LIMIT - 2];
    calls.put_by(0, JsonText::raw(&large)).unwrap();
    assert!(calls.put_by(0, JsonText::raw(b" ")).is_err());
}

proptest! {
    #[test]
    fn a_document_is_whole_at_its_end_alone(values in prop::collection::vec(".*", 0..4), ascii in any::<bool>(), at in any::<prop::sample::Index>()) {
        let object: std::collections::BTreeMap<String, &Vec<String>> =
            values.iter().map(|value| (value.clone(), &values)).collect();
        let text = body(&serde_json::to_string(&object).unwrap());
        let text = if ascii { text.replace("\\\"", "\\u0022").replace('{', "\\u007B") } else { text };
        // Strings are cut between their characters.
        let mut whole = Document::default();
        let pieces: Vec<String> = serde_json::from_str::<String>(&format!("\"{text}\"")).unwrap().chars().map(|char| body(&char.to_string())).collect();
        let at = at.index(pieces.len());
        whole.push(pieces[..at].concat().as_bytes());
        prop_assert!(!whole.is_whole());
        whole.push(pieces[at..].concat().as_bytes());
        prop_assert!(whole.is_whole());
        let mut at_once = Document::default();
        at_once.push(text.as_bytes());
        prop_assert!(at_once.is_whole());
    }

    /// However the inputs of calls are mixed, each call is told once, with all of its own input, in the order of their beginnings.
    #[test]
    fn every_mix_tells_the_same(inputs in prop::collection::vec("[a-z{}\"\\\\]{0,8}", 1..5), turns in prop::collection::vec(any::<prop::sample::Index>(), 0..40)) {
        let inputs: Vec<String> = inputs.iter().map(|input| serde_json::to_string(&[(input, 1)].into_iter().collect::<std::collections::BTreeMap<_, _>>()).unwrap()).collect();
        let names: Vec<String> = (0..inputs.len()).map(|n| format!("f{n}")).collect();
        let mut left: Vec<Vec<String>> = inputs.iter().map(|input| input.chars().rev().map(String::from).collect()).collect();
        let mut order: Vec<(usize, String)> = (0..inputs.len()).map(|n| (n, String::new())).collect();
        for turn in turns {
            let n = turn.index(inputs.len());
            order.extend(left[n].pop().map(|piece| (n, piece)));
        }
        for (n, left) in left.into_iter().enumerate() {
            order.extend(left.into_iter().rev().map(|piece| (n, piece)));
        }
        let mut begun = vec![false; inputs.len()];
        let fragments: Vec<(Option<u64>, &str, &str, &str)> = order.iter().map(|(n, piece)| {
            let is_new = !std::mem::replace(&mut begun[*n], true);
            (Some(*n as u64), if is_new { names[*n].as_str() } else { "" }, if is_new { "f" } else { "" }, piece.as_str())
        }).collect();
        let expected: String = inputs.iter().zip(&names).map(|(input, name)| format!("{name}=f{}", body(input))).collect();
        prop_assert_eq!(told(&fragments).concat(), expected);
    }
}
