use super::*;
use proptest::prelude::*;

const LIMIT: usize = 1 << 20;

/// Name and data of every event, and whether the end was one between two events.
type Told = (Vec<(String, String)>, bool);

fn owned(frame: &Frame<'_>) -> (String, String) {
    let text = |bytes| std::str::from_utf8(bytes).unwrap().to_owned();
    (text(frame.event), text(frame.data))
}

fn tell<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Told {
    let mut framer = Framer::new(LIMIT);
    let mut told = Vec::new();
    for piece in pieces {
        framer.push(piece.to_vec().into());
        while let Some(frame) = framer.next_frame().unwrap() {
            told.push(owned(&frame));
        }
    }
    let at_boundary = framer.at_boundary();
    told.extend(framer.finish().as_ref().map(owned));
    (told, at_boundary)
}

/// Every way to cut the stream in three tells the same events.
#[track_caller]
fn check(stream: &str, events: &[(&str, &str)], at_boundary: bool) {
    let bytes = stream.as_bytes();
    let events = events.iter().map(|&(event, data)| (event.to_owned(), data.to_owned())).collect();
    let expected: Told = (events, at_boundary);
    for i in 0..=bytes.len() {
        for j in i..=bytes.len() {
            let told = tell([&bytes[..i], &bytes[i..j], &bytes[j..]]);
            assert_eq!(told, expected, "{stream:?} cut at {i} and {j}");
        }
    }
    assert_eq!(tell(bytes.chunks(1)), expected, "{stream:?} byte by byte");
}

#[test]
fn lines_end_in_three_ways() {
    for end in ["\n", "\r", "\r\n"] {
        let stream = "event: a\ndata: 1\n\ndata: 2\n\n".replace('\n', end);
        check(&stream, &[("a", "1"), ("", "2")], true);
    }
    check("data: 1\r\n\ndata: 2\n\r\ndata: 3\r\r\n", &[("", "1"), ("", "2"), ("", "3")], true);
}

#[test]
fn fields() {
    check("data:1\n\ndata:  2\n\ndata\n\n", &[("", "1"), ("", " 2"), ("", "")], true);
    check("id: 7\nretry: 10\ndatum: 9\nDATA: 9\ndata: 1\nevent: late\n\n", &[("late", "1")], true);
    check("event: a\nevent: b\ndata: é\u{1f600}\n\n", &[("b", "é\u{1f600}")], true);
}

#[test]
fn several_lines_of_data() {
    check("data: {\ndata:  \"a\": 1\ndata\ndata: }\n\n", &[("", "{\n \"a\": 1\n\n}")], true);
    check("event: x\r\ndata: 1\r\ndata: 2\r\n\r\ndata: 3\r\n\r\n", &[("x", "1\n2"), ("", "3")], true);
}

#[test]
fn what_is_no_event() {
    check("", &[], true);
    check("\n\n\r\n\r\r", &[], true);
    check(": PROCESSING\n\n:\n\nevent: ping\n\ndata: 1\n\n: bye\n\n", &[("", "1")], true);
    check(": before\ndata: 1\n: within\n\n", &[("", "1")], true);
}

#[test]
fn a_last_event_without_its_blank_line() {
    check("data: 1\n\ndata: 2", &[("", "1"), ("", "2")], false);
    check("data: 1\n\ndata: 2\n", &[("", "1"), ("", "2")], false);
    check("data: 1\r\n\r\ndata: 2\r\n", &[("", "1"), ("", "2")], false);
    check("data: 1\n\n: bye", &[("", "1")], false);
}

#[test]
fn a_byte_order_mark() {
    check("\u{feff}data: 1\n\n\u{feff}data: 2\n\n", &[("", "1")], true);
    check("\u{feff}\n\ndata: 1\n\n", &[("", "1")], true);
    check("\u{feff}data: 1\ndata: 2\n\n", &[("", "1\n2")], true);
}

#[test]
fn an_event_that_ends_in_cr_is_told_at_once() {
    let mut framer = Framer::new(LIMIT);
    framer.push("data: 1\r\n\r".into());
    assert_eq!(framer.next_frame().unwrap().as_ref().map(owned), Some((String::new(), "1".to_owned())));
    assert!(framer.at_boundary());
}

#[test]
fn events_are_bounded() {
    let told = |stream: &str, size: usize| {
        let mut framer = Framer::new(10);
        for piece in stream.as_bytes().chunks(size) {
            framer.push(piece.to_vec().into());
            while framer.next_frame()?.is_some() {}
        }
        Ok::<_, TooLarge>(())
    };
    for size in 1..=20 {
        assert_eq!(told("data: 12\n\ndata: 12\n\n", size), Ok(()), "in pieces of {size}");
        assert_eq!(told("data: 1\n\ndata: 123\n\n", size), Err(TooLarge { limit: 10 }), "in pieces of {size}");
        assert_eq!(told("data: 1\r\n\r\ndata: 1\r\n\r\n", size), Ok(()), "in pieces of {size}");
        assert_eq!(told("data: 12345678", size), Err(TooLarge { limit: 10 }), "in pieces of {size}");
    }
}

#[test]
fn a_large_event_is_put_together_once() {
    let text = "x".repeat(10 << 20);
    let stream = Bytes::from(format!("data: \"{text}\"\n\ndata: 1\n\n"));
    let mut framer = Framer::new(usize::MAX);
    // Whole, it stays where it is.
    framer.push(stream.clone());
    let frame = framer.next_frame().unwrap().unwrap();
    assert_eq!(frame.data.as_ptr(), stream[6..].as_ptr());
    // In pieces, these are kept until it is whole.
    let mut framer = Framer::new(usize::MAX);
    for at in (0..stream.len()).step_by(65536) {
        framer.push(stream.slice(at..stream.len().min(at + 65536)));
        if let Some(frame) = framer.next_frame().unwrap() {
            assert_eq!(frame.data.len(), text.len() + 2);
            let value: &RawValue = serde_json::from_slice(frame.data).unwrap();
            assert_eq!(frame.text(Some(value)).unwrap().as_raw().as_ptr(), frame.data[1..].as_ptr());
            assert_eq!(owned(&framer.next_frame().unwrap().unwrap()).1, "1");
            return;
        }
        assert_eq!(framer.carry.len(), 0, "nothing was copied so far");
    }
    panic!("no event");
}

/// The texts of the events that are like the one before them, and how many were not.
fn alike(stream: &[u8]) -> (Vec<String>, usize) {
    let mut framer = Framer::new(LIMIT);
    let mut shape = Shape::default();
    let (mut alike, mut others) = (Vec::new(), 0);
    framer.push(stream.to_vec().into());
    loop {
        while let Some(text) = framer.next_like(&shape) {
            alike.push(String::from_utf8(text.as_raw().to_vec()).unwrap());
        }
        let Some(frame) = framer.next_frame().unwrap() else { return (alike, others) };
        others += 1;
        let value: Result<[&RawValue; 1], _> = serde_json::from_slice(frame.data);
        match value.ok().and_then(|[value]| frame.text(Some(value))) {
            Some(text) => shape.learn(&frame, text),
            None => shape.forget(),
        }
    }
}

#[test]
fn events_like_the_one_before() {
    let alike = |stream: &str| alike(stream.as_bytes());
    let texts = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
    assert_eq!(alike("data: [\"a\"]\n\ndata: [\"b\\\"\"]\n\ndata: [\"\"]\n\n"), (texts(&["b\\\"", ""]), 1));
    assert_eq!(alike("data: [\"a\"]\r\n\r\ndata: [\"b\"]\r\n\r\n"), (texts(&["b"]), 1));
    assert_eq!(alike("data: [\"a\"]\r\rdata: [\"b\"]\r\r"), (texts(&["b"]), 1));
    // Another value, another line end, another event name, a line more, an escape that is none, an end that is missing.
    assert_eq!(alike("data: [\"a\"]\n\ndata: [1]\n\ndata: [\"b\"]\n\n"), (texts(&[]), 3));
    assert_eq!(alike("data: [\"a\"]\n\ndata: [\"b\"]\r\n\r\n"), (texts(&[]), 2));
    assert_eq!(alike("data: [\"a\"]\n\nevent: x\ndata: [\"b\"]\n\n"), (texts(&[]), 2));
    assert_eq!(alike("data: [\"a\"]\n\ndata: [\"b\"]\ndata:\n\n"), (texts(&[]), 2));
    assert_eq!(alike("data: [\"a\"]\n\ndata: [\"\\x\"]\n\n"), (texts(&[]), 2));
    assert_eq!(alike("data: [\"a\"]\n\ndata: [\"b\"]\n"), (texts(&[]), 1));
}

#[test]
fn a_text_that_is_no_utf_8_is_like_no_other() {
    assert_eq!(alike(b"data: [\"a\"]\n\ndata: [\"\xff\"]\n\n"), (Vec::new(), 2));
}

proptest! {
    #[test]
    fn every_cut_tells_the_same(
        parts in prop::collection::vec(
            prop::sample::select(vec![
                "data", "event", ":", " ", "\n", "\r", "\r\n", "\n\n", "data: ", "x", "\u{feff}", "é",
            ]),
            0..30,
        ),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let stream = parts.concat();
        let bytes = stream.as_bytes();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let told = tell(cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]));
        prop_assert_eq!(&told, &tell([bytes]));
        prop_assert_eq!(&told, &tell(bytes.chunks(1)));
    }
}
