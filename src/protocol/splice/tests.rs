#![allow(clippy::disallowed_types)] // a tree is the reference here

use super::*;
use crate::protocol::json::{Field, Scanner};
use proptest::prelude::*;

fn chunked(bytes: &[u8], cuts: &[usize]) -> Chunks {
    let mut chunks = Chunks::default();
    let mut from = 0;
    for &cut in cuts {
        let cut = cut.clamp(from, bytes.len());
        chunks.push(Bytes::from(bytes[from..cut].to_vec()));
        from = cut;
    }
    chunks.push(Bytes::from(bytes[from..].to_vec()));
    chunks
}

fn joined(chunks: Chunks) -> Vec<u8> {
    let len = chunks.len();
    let bytes = chunks.into_inner().concat();
    assert_eq!(bytes.len(), len);
    bytes
}

#[test]
fn a_range_in_one_piece_is_borrowed() {
    let chunks = chunked(b"abcdef", &[3]);
    assert!(matches!(chunks.range(3..6), Cow::Borrowed(b"def")));
    assert!(matches!(chunks.range(1..3), Cow::Borrowed(b"bc")));
    assert_eq!(&*chunks.range(2..4), b"cd");
    assert_eq!(&*chunks.range(0..6), b"abcdef");
}

/// Every range of a body in more pieces than are walked over, and all of them together.
#[test]
fn ranges_of_many_pieces() {
    let body: Vec<u8> = (0..150).collect();
    for step in [1, 2, 7] {
        let cuts: Vec<usize> = (0..body.len()).step_by(step).collect();
        let chunks = chunked(&body, &cuts);
        for start in 0..=body.len() {
            for end in start..=body.len() {
                assert_eq!(*chunks.range(start..end), body[start..end], "{step}: {start}..{end}");
                assert_eq!(chunks.pieces(start..end).collect::<Vec<_>>().concat(), body[start..end]);
            }
        }
        let longer = chunks.edited(&[Edit::insert(3, "abc"), Edit { range: 90..140, with: Bytes::new() }]);
        assert_eq!(*longer.range(60..70), body[57..67]);
        assert_eq!(*longer.range(93..103), body[140..150]);
    }
}

proptest! {
    /// Any JSON around the model, any white space, any spelling of key and value, any cut: only the value changes.
    #[test]
    fn only_the_model_changes(
        before in "(| |\n\t)\"[a-f]{0,5}\": ?(1|1\\.0|[1-9][0-9]{0,29}|\"m\\\\u00e9\\\\n\"|\\{\"model\": ?\"inner\"\\}|\\[ *\"model\" *\\]) *,",
        key in "(model|mod\\\\u0065l|\\\\u006Dodel)",
        value in "([a-z0-9./-]{1,12}|gpt\\\\u002d4o|\\\\\"quoted\\\\\")",
        gap in "[ \n\r\t]{0,3}",
        after in "(|, ?\"messages\": ?\\[\\{\"role\":\"user\",\"content\":\"hi \\\\ud83d\\\\ude00\"\\}\\])",
        replacement in "[a-zA-Z0-9/ -]{0,20}",
        cuts in prop::collection::vec(0usize..200, 0..6),
    ) {
        let document = format!("{{{before}\"{key}\"{gap}:{gap}\"{value}\"{gap}{after}}}");
        let mut cuts = cuts;
        cuts.sort_unstable();
        let chunks = chunked(document.as_bytes(), &cuts);
        let mut scanner = Scanner::new();
        for chunk in &chunks.chunks {
            scanner.push(chunk).unwrap();
        }
        let span = scanner.finish().unwrap().get(Field::Model).unwrap();
        let found = chunks.range(span.start..span.end);
        prop_assert_eq!(String::from_utf8_lossy(&found), format!("\"{value}\""));
        let quoted = serde_json::to_vec(&replacement).unwrap();
        let spliced = joined(chunks.splice(span.start..span.end, quoted.clone().into()));
        let expected = format!("{{{before}\"{key}\"{gap}:{gap}{}{gap}{after}}}", String::from_utf8(quoted).unwrap());
        prop_assert_eq!(&String::from_utf8(spliced).unwrap(), &expected);
        // And any JSON reader sees the original with the model replaced.
        let mut original: serde_json::Value = serde_json::from_str(&document).unwrap();
        original["model"] = replacement.into();
        prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&expected).unwrap(), original);
    }
}
