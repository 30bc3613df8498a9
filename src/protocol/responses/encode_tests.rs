#![allow(clippy::disallowed_types)] // a tree is how a client reads it

use super::{Context, Encoder, Outcome};
use crate::protocol::event::{Event, Stop, Usage};
use crate::protocol::failure::{Failure, FailureKind};
use crate::protocol::out::{JsonText, Out};
use crate::protocol::responses::ids::parse_item_id;
use crate::protocol::responses::list::Items;
use crate::protocol::responses::request::Request;
use crate::table::UnsupportedTools;
use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};

fn encoder(stream: bool) -> Encoder {
    Encoder::new(context(), stream)
}

pub(super) fn context() -> Context {
    let body = Bytes::from_static(
        br#"{"input":"x","tools":[{"type":"custom","name":"patch"}],"include":["reasoning.encrypted_content"]}"#,
    );
    let request = Request::read(&body, UnsupportedTools::Refuse).unwrap();
    Context {
        id: "resp_0a".into(),
        created_at: 5,
        model: "m".into(),
        echo: request.echo(),
        custom_tools: request.custom_tools(),
        spaced_tools: request.spaced_tools(),
        native_tools: request.native_tools(),
        seal_unsigned: request.seal_unsigned,
    }
}

pub(super) fn t(text: &str) -> JsonText<'_> {
    JsonText::raw(text.as_bytes())
}

pub(super) fn all(out: &mut Out) -> Vec<u8> {
    std::iter::from_fn(|| out.take()).collect::<Vec<_>>().concat()
}

/// Events of a stream, its frames checked.
pub(super) fn frames(stream: &[u8]) -> Vec<Value> {
    let stream = std::str::from_utf8(stream).unwrap();
    let frames = stream.split_inclusive("\n\n").filter(|frame| *frame != "data: [DONE]\n\n");
    let read = |(n, frame): (usize, &str)| {
        let (event, data) = frame.strip_suffix("\n\n").unwrap().split_once('\n').unwrap();
        let data: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!(event, format!("event: {}", data["type"].as_str().unwrap()));
        assert_eq!(data["sequence_number"], n);
        data
    };
    frames.enumerate().map(read).collect()
}

/// The stream of an answer and the response that it ends in, held against each other and against the plain answer.
fn told(events: &[Event<'_>]) -> (Vec<Value>, Value) {
    let (mut streamed, mut plain) = (encoder(true), encoder(false));
    let (mut out, mut nothing) = (Out::default(), Out::default());
    for event in events {
        streamed.event(*event, &mut out);
        plain.event(*event, &mut nothing);
    }
    streamed.finish(9, &mut out);
    plain.finish(9, &mut nothing);
    assert!(nothing.is_empty());
    let stream = all(&mut out);
    assert!(stream.ends_with(b"data: [DONE]\n\n"));
    let frames = frames(&stream);
    let response = frames.last().unwrap()["response"].clone();
    plain.write_response(&mut nothing);
    assert_eq!(serde_json::from_slice::<Value>(&all(&mut nothing)).unwrap(), response);
    assert_eq!(assembled(&frames, response["status"] != "failed"), response["output"], "{frames:#?}");
    (frames, response)
}

/// What a strict reader makes of the stream: indices only grow by one, ids stay what they are, everything that opens closes,
/// and what was told in pieces is what is told at the end.
fn assembled(frames: &[Value], complete: bool) -> Value {
    assert_eq!((&frames[0]["type"], &frames[1]["type"]), (&json!("response.created"), &json!("response.in_progress")));
    let mut items: Vec<Value> = Vec::new();
    let mut open: Option<usize> = None;
    for frame in &frames[2..frames.len() - 1] {
        let kind = frame["type"].as_str().unwrap().strip_prefix("response.").unwrap();
        let index = usize::try_from(frame["output_index"].as_u64().unwrap()).unwrap();
        if kind == "output_item.added" {
            assert_eq!((index, open), (items.len(), None));
            assert_eq!(frame["item"]["status"], "in_progress");
            items.push(frame["item"].clone());
            open = Some(index);
            continue;
        }
        assert_eq!(open, Some(index));
        let item = &mut items[index];
        if kind == "output_item.done" {
            for key in ["id", "type", "call_id", "name"] {
                assert_eq!(item[key], frame["item"][key]);
            }
            let mut done = frame["item"].clone();
            for key in ["status", "encrypted_content"] {
                item[key] = done[key].take();
            }
            for key in ["status", "encrypted_content"] {
                done[key] = item[key].clone();
            }
            assert_eq!(*item, done);
            open = None;
            continue;
        }
        assert_eq!(frame["item_id"], item["id"]);
        let (list, part) = match kind.split_once('.').unwrap().0 {
            "content_part" | "output_text" | "refusal" => ("content", frame["content_index"].as_u64().unwrap()),
            "function_call_arguments" | "custom_tool_call_input" => ("", 0),
            _ => ("summary", frame["summary_index"].as_u64().unwrap()),
        };
        let part = usize::try_from(part).unwrap();
        match kind.rsplit_once('.').unwrap() {
            (_, "added") => {
                let parts = item[list].as_array_mut().unwrap();
                assert_eq!(parts.len(), part);
                parts.push(frame["part"].clone());
            }
            ("content_part" | "reasoning_summary_part", "done") => assert_eq!(item[list][part], frame["part"]),
            (what, step) => {
                let (text, key) = match what {
                    "output_text" => (&mut item["content"][part]["text"], "text"),
                    "refusal" => (&mut item["content"][part]["refusal"], "refusal"),
                    "reasoning_summary_text" => (&mut item["summary"][part]["text"], "text"),
                    "function_call_arguments" => (&mut item["arguments"], "arguments"),
                    "custom_tool_call_input" => (&mut item["input"], "input"),
                    _ => panic!("{what}"),
                };
                match step {
                    "delta" => *text = format!("{}{}", text.as_str().unwrap(), frame["delta"].as_str().unwrap()).into(),
                    "done" => assert_eq!(*text, frame[key]),
                    _ => panic!("{step}"),
                }
            }
        }
    }
    assert!(open.is_none() || !complete);
    if let Some(open) = open {
        items[open]["status"] = "incomplete".into();
    }
    let mut items = Value::from(items);
    for item in items.as_array_mut().unwrap() {
        if item["encrypted_content"].is_null() {
            item.as_object_mut().unwrap().remove("encrypted_content");
        }
    }
    items
}

pub(super) fn kinds(frames: &[Value]) -> Vec<&str> {
    frames.iter().map(|frame| frame["type"].as_str().unwrap().strip_prefix("response.").unwrap()).collect()
}

const START: Event<'static> = Event::Start { id: JsonText::EMPTY, model: JsonText::EMPTY, created: None };

#[test]
fn a_text() {
    let usage = Usage { input: Some(3), cached: Some(2), output: Some(4), reasoning: Some(1), ..Usage::default() };
    let events = [
        START,
        Event::Text(t(r"a\n")),
        Event::Text(t("")),
        Event::Text(t("b")),
        Event::Usage(usage),
        Event::Stop(Stop::EndTurn),
        Event::End,
    ];
    let (frames, response) = told(&events);
    assert_eq!(
        kinds(&frames),
        [
            "created",
            "in_progress",
            "output_item.added",
            "content_part.added",
            "output_text.delta",
            "output_text.delta",
            "output_text.done",
            "content_part.done",
            "output_item.done",
            "completed"
        ]
    );
    let text = json!({"type": "output_text", "text": "a\nb", "annotations": [], "logprobs": []});
    let message =
        json!({"id": "msg_0ao0", "type": "message", "role": "assistant", "status": "completed", "content": [text]});
    let expected = json!({
        "id": "resp_0a", "object": "response", "created_at": 5, "completed_at": 9, "status": "completed", "error": null,
        "incomplete_details": null, "model": "m", "output": [message],
        "usage": {"input_tokens": 5, "input_tokens_details": {"cached_tokens": 2, "cache_write_tokens": 0}, "output_tokens": 4,
            "output_tokens_details": {"reasoning_tokens": 1}, "total_tokens": 9},
        "background": false, "frequency_penalty": 0, "instructions": null, "max_output_tokens": null, "max_tool_calls": null,
        "metadata": {}, "parallel_tool_calls": true, "presence_penalty": 0, "previous_response_id": null, "prompt_cache_key": null,
        "reasoning": {"effort": null, "summary": null}, "safety_identifier": null, "service_tier": "default", "store": true,
        "temperature": 1, "text": {"format": {"type": "text"}}, "tool_choice": "auto", "tools": [{"type": "custom", "name": "patch"}],
        "top_logprobs": 0, "top_p": 1, "truncation": "disabled", "user": null
    });
    assert_eq!(response, expected);
    assert_eq!(
        (&frames[0]["response"]["status"], &frames[0]["response"]["usage"]),
        (&json!("in_progress"), &Value::Null)
    );
    let whole = Bytes::from(serde_json::to_vec(&response).unwrap());
    let (of, place) = parse_item_id("msg_0ao0").unwrap();
    assert_eq!(of, "resp_0a");
    let item = Items::of(&whole, &Bytes::from_static(b"[]")).at(place).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&item).unwrap(), expected["output"][0]);
}

#[test]
fn thinking_text_and_calls() {
    let events = [
        START,
        Event::Thinking(t("h")),
        Event::Thinking(t("m")),
        Event::Signature(t("sig")),
        Event::Signature(t("alone")),
        Event::RedactedThinking(t("red")),
        Event::Text(t("x")),
        Event::ToolCall { id: t("c1"), name: t("f") },
        Event::ToolInput(t(r#"{\"a\""#)),
        Event::ToolInput(t(":1}")),
        Event::ToolCall { id: t("c1"), name: t("g") },
        Event::ToolCall { id: t(""), name: t("patch") },
        Event::ToolInput(t(r#"{\"inp"#)),
        Event::ToolInput(t(r#"ut\":\"*** \\n"#)),
        Event::ToolInput(t(r#"\\\"\"}"#)),
        Event::Stop(Stop::ToolUse),
        Event::End,
    ];
    let (frames, response) = told(&events);
    let output = response["output"].as_array().unwrap();
    let sealed = |n: usize| {
        serde_json::from_str::<Value>(output[n]["encrypted_content"].as_str().unwrap()).unwrap()["reasoning_details"][0]
            .clone()
    };
    assert_eq!(output[0]["summary"], json!([{"type": "summary_text", "text": "hm"}]));
    assert_eq!(sealed(0), json!({"type": "reasoning.text", "text": "hm", "signature": "sig", "index": 0}));
    assert_eq!((&output[1]["summary"], sealed(1)["signature"].as_str()), (&json!([]), Some("alone")));
    assert_eq!(sealed(2), json!({"type": "reasoning.encrypted", "data": "red", "index": 0}));
    assert_eq!(output[3]["type"], "message");
    assert_eq!(
        output[4],
        json!({"id": "fc_0ao4", "type": "function_call", "status": "completed", "call_id": "c1", "name": "f", "arguments": "{\"a\":1}"})
    );
    // An id that is there already would make two calls one, and no input is an empty one.
    assert_eq!((output[5]["call_id"].as_str(), output[5]["arguments"].as_str()), (Some("call_0ao5"), Some("{}")));
    assert_eq!(
        output[6],
        json!({"id": "ctc_0ao6", "type": "custom_tool_call", "status": "completed", "call_id": "call_0ao6", "name": "patch", "input": "*** \n\""})
    );
    let deltas = frames.iter().filter(|frame| frame["type"] == "response.custom_tool_call_input.delta");
    assert_eq!(deltas.map(|frame| frame["delta"].as_str().unwrap()).collect::<Vec<_>>(), ["*** \n", "\""]);

    let mut encoder = encoder(true);
    events.iter().for_each(|event| encoder.event(*event, &mut Out::default()));
    let mut out = Out::default();
    assert!(encoder.write_turn(&mut out));
    let turn: Value = serde_json::from_slice(&all(&mut out)).unwrap();
    assert_eq!((&turn["content"], turn["reasoning_details"].as_array().unwrap().len()), (&json!("x"), 3));
    assert_eq!(turn["tool_calls"][2]["function"]["arguments"], "{\"input\":\"*** \\n\\\"\"}");
    assert_eq!(turn["tool_calls"][1]["id"], "call_0ao5");
}

#[test]
fn a_refusal_is_a_part_of_its_own() {
    let (_, response) = told(&[START, Event::Text(t("a")), Event::Refusal(t("no")), Event::Text(t("b")), Event::End]);
    let kinds: Vec<_> = response["output"][0]["content"].as_array().unwrap().iter().map(|part| &part["type"]).collect();
    assert_eq!(kinds, ["output_text", "refusal", "output_text"]);
}

#[test]
fn answers_that_end_too_early_say_so() {
    for (stop, reason) in [(Stop::Length, "max_output_tokens"), (Stop::Refusal, "content_filter")] {
        let call = Event::ToolCall { id: t("c"), name: t("f") };
        let events = [START, Event::Text(t("a")), call, Event::ToolInput(t("{")), Event::Stop(stop), Event::End];
        let (frames, response) = told(&events);
        assert_eq!(frames.last().unwrap()["type"], "response.incomplete");
        assert_eq!(response["incomplete_details"], json!({"reason": reason}));
        assert_eq!(
            (&response["output"][0]["status"], &response["output"][1]["status"]),
            (&json!("completed"), &json!("incomplete"))
        );
        assert_eq!(response["completed_at"], Value::Null);
        // Nobody can answer half a call.
        let mut encoder = encoder(true);
        events.iter().for_each(|event| encoder.event(*event, &mut Out::default()));
        let mut out = Out::default();
        assert!(encoder.write_turn(&mut out));
        assert_eq!(all(&mut out), br#"{"role":"assistant","content":"a"}"#);
    }
}

#[test]
fn answers_that_fail_are_not_made_to_look_complete() {
    let failure = Failure { kind: FailureKind::RateLimit, message: "slow \"down\"".into(), code: None, param: None };
    let (frames, response) =
        told(&[START, Event::Text(t("a")), Event::Failure(&failure), Event::Text(t("b")), Event::End]);
    assert_eq!(kinds(&frames)[4..], ["output_text.delta", "failed"]);
    assert_eq!(response["error"], json!({"code": "rate_limit_exceeded", "message": "slow \"down\""}));
    assert_eq!(response["output"][0]["status"], "incomplete");
    // No end at all is one, too, and so is no beginning.
    let (frames, response) = told(&[Event::Text(t("a"))]);
    assert_eq!((kinds(&frames).pop(), &response["error"]["code"]), (Some("failed"), &json!("server_error")));
    assert_eq!(kinds(&told(&[]).0), ["created", "in_progress", "failed"]);
}

#[test]
fn an_answer_without_content_has_no_turn() {
    let (_, response) = told(&[START, Event::Stop(Stop::EndTurn), Event::End]);
    assert_eq!((&response["output"], &response["usage"]), (&json!([]), &Value::Null));
    let mut encoder = encoder(false);
    encoder.event(Event::End, &mut Out::default());
    assert!(!encoder.write_turn(&mut Out::default()));
    assert_eq!(encoder.outcome(), &Outcome::Completed);
}

#[test]
fn a_large_text_is_copied_once() {
    let source = Bytes::from(vec![b'x'; 1 << 20]);
    let mut encoder = encoder(true);
    let mut out = Out::default();
    encoder.event(Event::Text(JsonText::within(&source, 0..source.len())), &mut out);
    assert!(std::iter::from_fn(|| out.take()).any(|piece| piece.as_ptr() == source.as_ptr()));
    encoder.event(Event::End, &mut out);
    encoder.finish(1, &mut out);
    // The text as a whole, the part, the item and the response tell of one copy.
    let copies: std::collections::BTreeSet<_> =
        std::iter::from_fn(|| out.take()).filter(|piece| piece.len() == 1 << 20).map(|piece| piece.as_ptr()).collect();
    assert_eq!(copies.len(), 1);
}

fn event() -> impl Strategy<Value = (u8, String)> {
    (
        0..8u8,
        prop::sample::select(vec!["", "a", r"\n", r#"{\"input\":\""#, r#"x\"}"#, "\u{1f600}"]).prop_map(str::to_owned),
    )
}

proptest! {
    #[test]
    fn every_order_of_events_makes_a_stream_that_strict_readers_take(events in prop::collection::vec(event(), 0..24), end in 0..4u8) {
        let failure = Failure { kind: FailureKind::Overloaded, message: String::new(), code: None, param: None };
        let mut told_events = vec![START];
        for (kind, text) in &events {
            let text = t(text);
            told_events.push(match kind {
                0 => Event::Text(text),
                1 => Event::Refusal(text),
                2 => Event::Thinking(text),
                3 => Event::Signature(text),
                4 => Event::RedactedThinking(text),
                5 => Event::ToolCall { id: text, name: t("f") },
                6 => Event::ToolCall { id: text, name: t("patch") },
                _ => Event::ToolInput(text),
            });
        }
        match end {
            0 => told_events.extend([Event::Stop(Stop::EndTurn), Event::End]),
            1 => told_events.extend([Event::Stop(Stop::Length), Event::End]),
            2 => told_events.push(Event::Failure(&failure)),
            _ => {}
        }
        let (_, response) = told(&told_events);
        let ids = response["output"].as_array().unwrap().iter().filter_map(|item| item["call_id"].as_str());
        let all: Vec<_> = ids.collect();
        let distinct: std::collections::BTreeSet<_> = all.iter().collect();
        prop_assert_eq!(distinct.len(), all.len());
    }
}
