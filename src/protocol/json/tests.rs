#![allow(clippy::disallowed_types)] // a tree is the reference here

use super::*;
use proptest::prelude::*;

fn scan(chunks: &[&[u8]]) -> Result<Fields, Error> {
    let mut scanner = Scanner::new();
    for chunk in chunks {
        scanner.push(chunk)?;
    }
    scanner.finish()
}

#[track_caller]
fn check(document: &str, field: Field, expected: Option<(&str, Kind)>) {
    let fields = scan(&[document.as_bytes()]).unwrap();
    let found = fields.get(field).map(|span| (&document[span.start..span.end], span.kind));
    assert_eq!(found, expected, "{document}");
}

#[test]
fn finds_top_level_fields_only() {
    check(r#"{"model":"a"}"#, Field::Model, Some((r#""a""#, Kind::String)));
    check(" {\n\"model\"\t:\r\"a\" , \"stream\":true}\n", Field::Stream, Some(("true", Kind::Bool)));
    check(r#"{"x":{"model":"no"},"y":[{"model":"no"}],"model":"yes"}"#, Field::Model, Some((r#""yes""#, Kind::String)));
    check(r#"{"x":{"model":"no"}}"#, Field::Model, None);
    check(r#"{"metadata":"model","model":7}"#, Field::Model, Some(("7", Kind::Number)));
    check(r#"{"model":null}"#, Field::Model, None);
    check(r#"{"messages":[{"a":[]},{}],"z":0}"#, Field::Messages, Some((r#"[{"a":[]},{}]"#, Kind::Array)));
    check("{}", Field::Model, None);
}

#[test]
fn understands_escaped_keys() {
    check(r#"{"mod\u0065l":"a"}"#, Field::Model, Some((r#""a""#, Kind::String)));
    check(r#"{"\u006d\u006f\u0064\u0065\u006c":"a"}"#, Field::Model, Some((r#""a""#, Kind::String)));
    check(r#"{"mode\l":"a"}"#.replace(r"\l", "l").as_str(), Field::Model, Some((r#""a""#, Kind::String)));
    check(r#"{"model\u0000":"a"}"#, Field::Model, None);
    let long = "m".repeat(500);
    check(&format!(r#"{{"{long}":1,"model":"a"}}"#), Field::Model, Some((r#""a""#, Kind::String)));
}

#[track_caller]
fn check_error(document: &str, expected: Error) {
    assert_eq!(scan(&[document.as_bytes()]), Err(expected), "{document}");
    let bytes: Vec<&[u8]> = document.as_bytes().chunks(1).collect();
    assert_eq!(scan(&bytes), Err(expected), "{document} byte by byte");
}

#[test]
fn refuses_what_is_not_json() {
    let syntax = |at, expected| Error::Syntax { at, expected };
    check_error("", Error::Truncated { at: 0 });
    check_error("  ", Error::Truncated { at: 2 });
    check_error("[]", syntax(0, "a JSON object"));
    check_error("\u{feff}{}", syntax(0, "a JSON object"));
    check_error("{", Error::Truncated { at: 1 });
    check_error("{}}", syntax(2, "the end of the body"));
    check_error("{} x", syntax(3, "the end of the body"));
    check_error(r#"{"a":1,}"#, syntax(7, "a key in quotes"));
    check_error(r#"{"a":[1,]}"#, syntax(8, "a value"));
    check_error(r#"{"a" 1}"#, syntax(5, "`:`"));
    check_error(r#"{"a":tru}"#, syntax(8, "a value"));
    check_error(r#"{"a":01}"#, syntax(6, "`,` or `}`"));
    check_error(r#"{"a":1.}"#, syntax(7, "a digit"));
    check_error(r#"{"a":-}"#, syntax(6, "a digit"));
    check_error(r#"{"a":1e+}"#, syntax(8, "a digit"));
    check_error("{\"a\":\"\n\"}", syntax(6, "an escaped control character"));
    check_error(r#"{"a":"\x"}"#, syntax(7, "an escape sequence"));
    check_error(r#"{"a":"\u00g0"}"#, syntax(10, "a hexadecimal digit"));
    check_error(r#"{"a":{]}"#, syntax(6, "a key in quotes"));
    check_error(r#"{"a":[}]"#, syntax(6, "a value"));
    check_error(r#"{'a':1}"#, syntax(1, "a key in quotes"));
    check_error(r#"{"a":NaN}"#, syntax(5, "a value"));
}

#[test]
fn refuses_noted_fields_that_stand_twice() {
    check_error(r#"{"model":"a","model":"b"}"#, Error::Duplicate { field: Field::Model, at: 21 });
    check_error(r#"{"model":null,"mod\u0065l":"b"}"#, Error::Duplicate { field: Field::Model, at: 27 });
    assert!(scan(&[br#"{"user":"a","user":"b"}"#]).is_ok());
}

#[test]
fn bounds_the_depth() {
    let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth - 1), "]".repeat(depth - 1));
    assert!(scan(&[nested(usize::from(MAX_DEPTH)).as_bytes()]).is_ok());
    check_error(&nested(usize::from(MAX_DEPTH) + 1), Error::TooDeep { at: 131 });
}

#[test]
fn bounds_the_items_of_one_container() {
    let (most, members) = (MAX_ITEMS as usize, |count| vec!["\"\":0"; count].join(","));
    let elements = |count| vec!["0"; count].join(",");
    for (before, items, after) in [
        ("{", members(most), "}"),
        ("{\"a\":[1,2,3],\"b\":[", elements(most), "],\"c\":[1]}"),
        ("{\"a\":{\"b\":[{", members(most), "},{}]}}"),
    ] {
        assert!(scan(&[before.as_bytes(), items.as_bytes(), after.as_bytes()]).is_ok(), "{before}");
        let at = before.len() + items.len();
        let one_more = [before, &items, ",", after].concat();
        assert_eq!(scan(&[one_more.as_bytes()]), Err(Error::TooMany { at }), "{before}");
    }
    // Items of several containers do not add up.
    let half = elements(most / 2);
    assert!(scan(&[format!("{{\"a\":[[{half}],[{half}],[{half}]]}}").as_bytes()]).is_ok());
    let row = [&half[..]; 3].join("],[");
    assert!(scan(&[format!("{{\"a\":[[{row}]]}}").as_bytes()]).is_ok());
}

fn json_value() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(serde_json::Value::from),
        any::<f64>().prop_filter("finite", |n| n.is_finite()).prop_map(serde_json::Value::from),
        any::<i64>().prop_map(serde_json::Value::from),
        ".{0,60}".prop_map(serde_json::Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(serde_json::Value::from),
            prop::collection::btree_map("(model|stream|[a-z\"\\\\é]{0,8})", inner, 0..6)
                .prop_map(|map| serde_json::Value::from(map.into_iter().collect::<serde_json::Map<_, _>>())),
        ]
    })
}

proptest! {
    #[test]
    fn agrees_with_serde_json_on_any_bytes(document in "[\\[\\]{}\",:\\\\ tfn0-9eE.+\\-a-u]{0,40}") {
        let document = format!("{{\"model\":{document}}}");
        let ours = scan(&[document.as_bytes()]);
        let theirs: Result<std::collections::HashMap<String, serde_json::Value>, _> = serde_json::from_str(&document);
        // serde_json refuses numbers beyond f64 and lone surrogates; a forwarder lets the backend decide about those.
        if theirs.is_ok() && !matches!(ours, Err(Error::Duplicate { .. })) {
            prop_assert!(ours.is_ok(), "{}", document);
        }
        if ours.is_ok() {
            let lenient = theirs.is_ok()
                || theirs.as_ref().is_err_and(|e| {
                    let e = e.to_string();
                    e.contains("number out of range") || e.contains("surrogate") || e.contains("unexpected end of hex escape")
                });
            prop_assert!(lenient, "{}: {:?}", document, theirs);
        }
    }

    #[test]
    fn every_cut_gives_the_same_spans(
        value in json_value(), tail in json_value(), a in any::<prop::sample::Index>(), b in any::<prop::sample::Index>(),
    ) {
        let document = format!(r#"{{"x":{value}, "model" : {value},"messages":{tail}}}"#);
        let bytes = document.as_bytes();
        let whole = scan(&[bytes]).unwrap();
        let model = whole.0[Field::Model as usize].unwrap();
        prop_assert_eq!(&document[model.start..model.end], value.to_string());
        let (mut i, mut j) = (a.index(bytes.len()), b.index(bytes.len()));
        if i > j {
            std::mem::swap(&mut i, &mut j);
        }
        prop_assert_eq!(scan(&[&bytes[..i], &bytes[i..j], &bytes[j..]]).unwrap(), whole);
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        prop_assert_eq!(scan(&single).unwrap(), whole);
    }
}
