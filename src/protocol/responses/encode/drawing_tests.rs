#![allow(clippy::disallowed_types)] // a tree is how a client reads it

use super::super::tests::{all, context, frames, kinds, t};
use super::Drawing;
use crate::protocol::answer::{Answer, Part};
use crate::protocol::event::{Event, Image, Stop, Usage};
use crate::protocol::failure::{Failure, FailureKind};
use crate::protocol::out::{JsonText, Out};
use serde_json::Value;

const START: Event<'static> = Event::Start { id: JsonText::EMPTY, model: JsonText::EMPTY, created: None };
const BEGUN: [&str; 5] = [
    "created",
    "in_progress",
    "output_item.added",
    "image_generation_call.in_progress",
    "image_generation_call.generating",
];
const MADE: [&str; 2] = ["image_generation_call.completed", "output_item.done"];

/// What comes of an image or of the words.
enum Step<'a> {
    Words(&'a [Event<'a>]),
    Images(&'a [&'a str]),
    NoImage,
}

use Step::{Images, NoImage, Words};

fn failure() -> Failure {
    Failure { kind: FailureKind::Api, message: "out of paint".to_owned(), code: None, param: None }
}

fn drawn(base64s: &[&str]) -> Answer {
    let part = |base64: &&str| Part::Image(t("data:image/png;base64,").into(), t(base64).into());
    Answer { parts: base64s.iter().map(part).collect(), ..Answer::default() }
}

/// The kinds of events that came after each step, the last one after the end was asked for, and the response.
fn told(beside: bool, steps: &[Step<'_>]) -> (Vec<Vec<String>>, Value) {
    let mut out = Out::default();
    let mut drawing = Drawing::begin(context(), beside, &mut out);
    let (mut stream, mut ends) = (all(&mut out), vec![]);
    ends.push(stream.len());
    for step in steps {
        assert!(drawing.held().is_none(), "the end came early");
        match step {
            Words(events) => events.iter().for_each(|event| drawing.event(*event, &mut out)),
            Images(base64s) => drawing.drawn(Ok(&drawn(base64s)), &mut out),
            NoImage => drawing.drawn(Err(&failure()), &mut out),
        }
        stream.extend(all(&mut out));
        ends.push(stream.len());
    }
    drawing.held().expect("both are over").finish(9, &mut out);
    stream.extend(all(&mut out));
    ends.push(stream.len());
    let frames = frames(&stream);
    let mut seen = 0;
    let split = |end: &usize| {
        let so_far = stream[..*end].windows(2).filter(|two| *two == b"\n\n").count().min(frames.len());
        let kinds = kinds(&frames[seen..so_far]).into_iter().map(str::to_owned).collect();
        seen = so_far;
        kinds
    };
    (ends.iter().map(split).collect(), frames[frames.len() - 1]["response"].clone())
}

/// The items of a response: what each is, how it stands, and what it has.
fn items(response: &Value) -> Vec<(&str, &str, Option<&str>)> {
    fn item(item: &Value) -> (&str, &str, Option<&str>) {
        let content = item["result"].as_str().or_else(|| item["content"][0]["text"].as_str());
        (item["type"].as_str().unwrap(), item["status"].as_str().unwrap(), content)
    }
    response["output"].as_array().unwrap().iter().map(item).collect()
}

const IMAGE: (&str, &str, Option<&str>) = ("image_generation_call", "completed", Some("AA=="));
const NONE: (&str, &str, Option<&str>) = ("image_generation_call", "failed", None);
const FIRST: [Event<'static>; 2] = [START, Event::Text(JsonText::raw(b"A "))];
const REST: [Event<'static>; 3] = [Event::Text(JsonText::raw(b"cat.")), Event::Stop(Stop::EndTurn), Event::End];

#[test]
fn words_come_while_the_image_is_drawn() {
    let (seen, response) = told(true, &[Words(&FIRST), Words(&REST), Images(&["AA=="])]);
    assert_eq!(seen[0], BEGUN);
    assert_eq!(seen[1], ["output_item.added", "content_part.added", "output_text.delta"]);
    assert_eq!(seen[2], ["output_text.delta", "output_text.done", "content_part.done", "output_item.done"]);
    assert_eq!(seen[3], MADE);
    assert_eq!(seen[4], ["completed"]);
    assert_eq!(items(&response), [IMAGE, ("message", "completed", Some("A cat."))]);
}

#[test]
fn an_image_does_not_end_the_words() {
    let (seen, response) = told(true, &[Words(&FIRST), Images(&["AA==", "BB=="]), Words(&REST)]);
    assert_eq!(seen[2], MADE);
    assert_eq!(seen[3][..4], ["output_text.delta", "output_text.done", "content_part.done", "output_item.done"]);
    // What nobody asked for comes last, as a whole.
    assert_eq!(seen[3][4..], [&BEGUN[2..], &MADE].concat());
    let message = ("message", "completed", Some("A cat."));
    assert_eq!(items(&response), [IMAGE, message, ("image_generation_call", "completed", Some("BB=="))]);
}

#[test]
fn one_of_two_may_fail() {
    let failure = failure();
    let (lost, words) = ([START, Event::Failure(&failure)], [&FIRST[..], &REST].concat());
    for steps in [[NoImage, Words(&words)], [Words(&words), NoImage]] {
        let (seen, response) = told(true, &steps);
        assert!(seen.iter().flatten().all(|kind| kind != "image_generation_call.completed"));
        assert_eq!(response["status"], "completed");
        assert_eq!(items(&response), [NONE, ("message", "completed", Some("A cat."))]);
    }
    for steps in [[Images(&["AA=="]), Words(&lost)], [Words(&lost), Images(&["AA=="])]] {
        let (_, response) = told(true, &steps);
        assert_eq!((&response["status"], &*items(&response)), (&"completed".into(), &[IMAGE][..]));
    }
    for steps in [[NoImage, Words(&lost)], [Words(&lost), NoImage]] {
        let (_, response) = told(true, &steps);
        assert_eq!((&response["status"], &response["error"]["message"]), (&"failed".into(), &"out of paint".into()));
        assert_eq!(items(&response), [NONE]);
    }
}

#[test]
fn words_that_break_off_fail_the_response() {
    let failure = failure();
    let lost = [Event::Failure(&failure)];
    for steps in [[Words(&FIRST), Words(&lost), Images(&["AA=="])], [Words(&FIRST), Images(&["AA=="]), Words(&lost)]] {
        let (seen, response) = told(true, &steps);
        // The message never closes.
        assert_eq!(seen.iter().flatten().filter(|kind| *kind == "output_item.done").count(), 1);
        assert_eq!(response["status"], "failed");
        assert_eq!(items(&response), [IMAGE, ("message", "incomplete", Some("A "))]);
    }
}

#[test]
fn words_that_are_cut_short_keep_the_response_incomplete() {
    let words = [START, Event::Text(t("A ")), Event::Stop(Stop::Length), Event::End];
    let (_, response) = told(true, &[Words(&words), Images(&["AA==", "BB=="])]);
    assert_eq!((&response["status"], items(&response)[1].1), (&"incomplete".into(), "incomplete"));
}

#[test]
fn one_answer_may_have_it_all() {
    let image = |source| Event::Image(Image { data: t("data:image/png;base64,"), source });
    let usage = Usage { input: Some(3), output: Some(4), ..Usage::default() };
    let words = [START, Event::Text(t("A cat.")), image(t("AA==")), image(t("BB==")), Event::Usage(usage), REST[2]];
    let (seen, response) = told(false, &[Words(&words)]);
    assert_eq!(seen[0], BEGUN);
    let other = ("image_generation_call", "completed", Some("BB=="));
    assert_eq!(items(&response), [IMAGE, ("message", "completed", Some("A cat.")), other]);
    assert_eq!(response["usage"]["output_tokens"], 4);

    let (_, response) = told(false, &[Words(&[START, Event::Text(t("I cannot.")), REST[2]])]);
    assert_eq!(items(&response), [NONE, ("message", "completed", Some("I cannot."))]);
    assert_eq!(response["status"], "completed");

    let failure = failure();
    for begun in [&[START, image(t("AA=="))][..], &[START]] {
        let (_, response) = told(false, &[Words(begun), Words(&[Event::Failure(&failure)])]);
        assert_eq!(response["status"], "failed");
        assert_eq!(items(&response)[0].1, if begun.len() > 1 { "completed" } else { "failed" });
    }
}
