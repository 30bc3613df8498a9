//! A stored response told again as the stream that it was, from the object alone: its items become the events that they were
//! made from, and the encoder tells them as it did. Texts come in one delta each.

use super::assistant::Thinking;
use super::custom::wrap;
use super::echo::one_line;
use super::encode::Encoder;
use super::native::Native;
use super::request::text;
use super::resource::Context;
use super::tools::Spaced;
use crate::protocol::event::{Event, Image, Stop, Usage};
use crate::protocol::failure::{Failure, FailureKind};
use crate::protocol::out::{JsonText, Out};
use crate::protocol::view::{Object, Path, RequestError, View};
use bytes::Bytes;

/// What is asked for of a stored response's stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// The events behind the one with this number.
    pub starting_after: Option<u64>,
}

/// Members of the object that are not told again as they stand.
const OWN: [&str; 10] =
    ["id", "object", "created_at", "status", "completed_at", "error", "incomplete_details", "model", "output", "usage"];

impl Wanted {
    /// Reads the query, its values decoded. `None` where no stream is asked for.
    pub fn read<'q>(query: impl IntoIterator<Item = (&'q str, &'q str)>) -> Result<Option<Wanted>, RequestError> {
        let root = Path::Root;
        let (mut stream, mut starting_after) = (false, None);
        for (key, value) in query {
            match key {
                "stream" => {
                    stream = match value {
                        "true" => true,
                        "false" => false,
                        _ => return Err(root.key("stream").refuse("must be true or false")),
                    }
                }
                "starting_after" => {
                    let number = value.parse().map_err(|_| root.key("starting_after").refuse("must be a number"))?;
                    starting_after = Some(number);
                }
                _ => {}
            }
        }
        Ok(stream.then_some(Wanted { starting_after }))
    }
}

/// The stream of a response. `None` where this is no response that the router wrote.
#[must_use]
pub fn replay(response: &Bytes, wanted: Wanted) -> Option<Bytes> {
    let mut object = View::of(response).ok()?.members();
    let [id, _, created_at, status, completed_at, error, incomplete, model, output, usage] =
        OWN.map(|key| object.take(key));
    let output = output?.elements();
    let context = Context {
        id: id?.string()?.into_owned(),
        created_at: created_at?.raw().parse().ok()?,
        model: raw(&model?)?,
        echo: rest(&object),
        custom_tools: output.iter().filter_map(custom_tool).collect(),
        spaced_tools: output.iter().filter_map(spaced).collect(),
        native_tools: output.iter().filter_map(native).collect(),
        // Whether unsigned thinking was sealed, its items show.
        seal_unsigned: output
            .iter()
            .filter_map(sealed)
            .flatten()
            .any(|thought| matches!(thought, Thinking::Unsigned(_))),
    };
    let mut out = Out::default();
    let mut encoder = Encoder::new(context, true);
    let nothing = JsonText::EMPTY;
    encoder.event(Event::Start { id: nothing, model: nothing, created: None }, &mut out);
    for item in &output {
        tell(item, &mut |event| encoder.event(event, &mut out))?;
    }
    if let Some(usage) = usage {
        encoder.event(Event::Usage(read_usage(&mut usage.members())), &mut out);
    }
    match (&*status?.string()?, error) {
        ("failed", error) => encoder.fail(&failure(error)),
        ("incomplete", _) => {
            let reason = incomplete.and_then(|details| details.members().take("reason"));
            let refused = reason.is_some_and(|reason| reason.string().as_deref() == Some("content_filter"));
            let stop = if refused { Stop::Refusal } else { Stop::Length };
            encoder.event(Event::Stop(stop), &mut out);
            encoder.event(Event::End, &mut out);
        }
        _ => encoder.event(Event::End, &mut out),
    }
    let now = completed_at.and_then(|at| at.raw().parse().ok()).unwrap_or_default();
    encoder.finish(now, &mut out);
    let all = Bytes::from(out.into_vec());
    let Some(after) = wanted.starting_after else { return Some(all) };
    let skipped = usize::try_from(after).map_or(usize::MAX, |after| after.saturating_add(1));
    let events = memchr::memmem::find_iter(&all, b"\n\n").map(|end| end + 2);
    let from = if skipped == 0 { 0 } else { events.take(skipped).last().unwrap_or_default() };
    // Whoever has all events still hears that it is the end.
    let last = all.len() - b"data: [DONE]\n\n".len();
    Some(all.slice(from.min(last)..))
}

/// The body of a string, as it is written.
fn raw(view: &View<'_>) -> Option<Bytes> {
    text(view, &Path::Root).ok()
}

/// What is left of an object: members with commas between them.
fn rest(object: &Object<'_>) -> Bytes {
    let mut out = Out::default();
    for (n, (key, view)) in object.rest().enumerate() {
        out.write(if n == 0 { b"\"" } else { b",\"" });
        out.escape(key);
        out.write(b"\":");
        out.pass(view.bytes());
    }
    one_line(out.into_vec())
}

fn word(item: &View<'_>, key: &str) -> Option<Bytes> {
    raw(&item.members().take(key)?)
}

fn custom_tool(item: &View<'_>) -> Option<Bytes> {
    word(item, "type").filter(|kind| kind == "custom_tool_call").and_then(|_| flat_name(item))
}

fn native(item: &View<'_>) -> Option<Native> {
    Native::of_call(std::str::from_utf8(&word(item, "type")?).ok()?)
}

fn spaced(item: &View<'_>) -> Option<Spaced> {
    Some(Spaced::new(word(item, "namespace")?, word(item, "name")?))
}

/// What the backend called a tool.
fn flat_name(item: &View<'_>) -> Option<Bytes> {
    spaced(item).map_or_else(|| word(item, "name"), |spaced| Some(spaced.flat))
}

/// The thinking that an item carries for the backend.
fn sealed(item: &View<'_>) -> Option<Vec<Thinking>> {
    Thinking::unseal(&item.members().take("encrypted_content")?.string()?)
}

/// Tells the events of an item. `None` where it is none.
fn tell(item: &View<'_>, emit: &mut impl FnMut(Event<'_>)) -> Option<()> {
    match &*word(item, "type")? {
        b"message" => {
            for part in item.members().take("content")?.elements() {
                match word(&part, "refusal") {
                    Some(refusal) => emit(Event::Refusal(JsonText::raw(&refusal))),
                    None => emit(Event::Text(JsonText::raw(&word(&part, "text")?))),
                }
            }
        }
        kind @ (b"function_call" | b"custom_tool_call") => {
            let (id, name) = (word(item, "call_id")?, flat_name(item)?);
            let input = match kind {
                b"function_call" => word(item, "arguments")?,
                _ => wrap(&word(item, "input")?),
            };
            emit(Event::ToolCall { id: JsonText::raw(&id), name: JsonText::raw(&name) });
            emit(Event::ToolInput(JsonText::raw(&input)));
        }
        b"reasoning" => match sealed(item) {
            Some(thoughts) => thoughts.iter().for_each(|thought| think(thought, emit)),
            None => {
                for part in item.members().take("summary")?.elements() {
                    emit(Event::Thinking(JsonText::raw(&word(&part, "text")?)));
                }
            }
        },
        b"image_generation_call" => match word(item, "result") {
            Some(source) => {
                emit(Event::Image(Image { data: JsonText::EMPTY, source: JsonText::within(&source, 0..source.len()) }));
            }
            None => emit(Event::NoImage),
        },
        _ => {
            let native = native(item)?;
            let (id, arguments) = (word(item, "call_id")?, native.arguments(&mut item.members(), &Path::Root).ok()?);
            emit(Event::ToolCall { id: JsonText::raw(&id), name: JsonText::raw(native.name().as_bytes()) });
            emit(Event::ToolInput(JsonText::raw(&arguments)));
        }
    }
    Some(())
}

fn think(thought: &Thinking, emit: &mut impl FnMut(Event<'_>)) {
    match thought {
        Thinking::Unsigned(text) => emit(Event::Thinking(JsonText::raw(text))),
        Thinking::Signed { text, signature } => {
            emit(Event::Thinking(JsonText::raw(text)));
            emit(Event::Signature(JsonText::raw(signature)));
        }
        Thinking::Redacted(data) => emit(Event::RedactedThinking(JsonText::raw(data))),
    }
}

fn failure(error: Option<View<'_>>) -> Failure {
    let mut error = error.map(|error| error.members());
    let mut word = |key| error.as_mut()?.take(key)?.string().map(std::borrow::Cow::into_owned);
    let kind = match word("code").as_deref() {
        Some("rate_limit_exceeded") => FailureKind::RateLimit,
        Some("invalid_prompt") => FailureKind::InvalidRequest,
        _ => FailureKind::Api,
    };
    Failure { kind, message: word("message").unwrap_or_default(), code: None, param: None }
}

fn read_usage(usage: &mut Object<'_>) -> Usage {
    let count = |of: &mut Object<'_>, key: &str| of.take(key).and_then(|view| view.raw().parse::<u64>().ok());
    let mut details = |key| usage.take(key).map(|view| view.members());
    let (input_details, output_details) = (details("input_tokens_details"), details("output_tokens_details"));
    let (mut cached, mut written) = (None, None);
    if let Some(mut details) = input_details {
        (cached, written) = (count(&mut details, "cached_tokens"), count(&mut details, "cache_write_tokens"));
    }
    let prompt = count(usage, "input_tokens");
    let Some(prompt) = prompt else { return Usage::default() };
    Usage {
        output: count(usage, "output_tokens"),
        reasoning: output_details.and_then(|mut details| count(&mut details, "reasoning_tokens")),
        ..Usage::of_whole_prompt(prompt, cached, written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(events: &[Event<'_>], end: Option<&Failure>) -> (Bytes, Vec<u8>) {
        let context = Context {
            id: "resp_7".to_owned(),
            created_at: 5,
            model: Bytes::from_static(br#"the \"m\""#),
            echo: Bytes::from_static(br#""store":true,"user":null,"metadata":{"a":"b"}"#),
            custom_tools: vec![Bytes::from_static(b"shell")],
            spaced_tools: vec![Spaced::new(Bytes::from_static(b"crm"), Bytes::from_static(b"find"))],
            native_tools: vec![Native::ApplyPatch, Native::ToolSearch],
            seal_unsigned: false,
        };
        let (mut encoder, mut out) = (Encoder::new(context, true), Out::default());
        events.iter().for_each(|event| encoder.event(*event, &mut out));
        match end {
            None => encoder.event(Event::End, &mut out),
            Some(failure) => encoder.fail(failure),
        }
        let response = encoder.settle(9);
        encoder.finish(9, &mut out);
        (response, out.into_vec())
    }

    fn text(raw: &'static str) -> JsonText<'static> {
        JsonText::raw(raw.as_bytes())
    }

    #[test]
    fn a_stream_is_told_again_as_it_was() {
        let usage =
            Usage { input: Some(3), cached: Some(2), output: Some(7), reasoning: Some(1), cache_write: Some(0) };
        let all = [
            Event::Thinking(text("open")),
            Event::RedactedThinking(text("d+/=")),
            Event::Thinking(text(r"hm\n")),
            Event::Signature(text("sig")),
            Event::Text(text(r"a \u00e9\n")),
            Event::Refusal(text("no")),
            Event::ToolCall { id: text("c1"), name: text("crm__find") },
            Event::ToolInput(text(r#"{\"x\":1}"#)),
            Event::ToolCall { id: text("c2"), name: text("shell") },
            Event::ToolInput(text(r#"{\"input\":\"ls\"}"#)),
            Event::Usage(usage),
        ];
        let failure =
            Failure { kind: FailureKind::RateLimit, message: "slow \"down\"".into(), code: None, param: None };
        let stopped = |stop| [&all[..], &[Event::Stop(stop)]].concat();
        for (events, end) in [
            (all.to_vec(), None),
            (stopped(Stop::Length), None),
            (stopped(Stop::Refusal), None),
            (all[..5].to_vec(), Some(&failure)),
            (Vec::new(), Some(&failure)),
        ] {
            let (response, stream) = made(&events, end);
            let whole = replay(&response, Wanted { starting_after: None }).unwrap();
            let last = |stream: &[u8]| {
                let at = memchr::memmem::rfind(stream, b"event: ").unwrap();
                String::from_utf8(stream[at..].to_vec()).unwrap()
            };
            // What is not closed in the one is closed in the other, so their numbers differ.
            let body = |stream: &[u8]| last(stream).rsplit_once(",\"sequence_number\"").unwrap().0.to_owned();
            assert_eq!(body(&whole), body(&stream));
            if end.is_none() {
                assert_eq!(String::from_utf8_lossy(&whole), String::from_utf8_lossy(&stream));
            }
            let part = replay(&response, Wanted { starting_after: Some(1) }).unwrap();
            assert!(whole.ends_with(&part) && !part.windows(20).any(|window| window == b"response.in_progress"));
            let nothing = replay(&response, Wanted { starting_after: Some(u64::MAX) }).unwrap();
            assert_eq!(nothing, "data: [DONE]\n\n");
        }
    }

    #[test]
    fn line_ends_of_a_stored_request_end_no_event() {
        let (response, _) = made(&[Event::Text(text("x"))], None);
        let plain = replay(&response, Wanted { starting_after: Some(3) }).unwrap();
        let metadata = &b"\"metadata\":{"[..];
        let at = memchr::memmem::find(&response, metadata).unwrap() + metadata.len();
        for end in ["\n\n", "\r\n\r\n", "\r"] {
            let stored = [&response[..at], end.as_bytes(), &response[at..]].concat();
            assert_eq!(replay(&stored.into(), Wanted { starting_after: Some(3) }).unwrap(), plain, "{end:?}");
        }
    }

    #[test]
    fn what_is_asked_for() {
        assert_eq!(Wanted::read([("include[]", "x")]), Ok(None));
        assert_eq!(Wanted::read([("stream", "true")]), Ok(Some(Wanted { starting_after: None })));
        assert_eq!(
            Wanted::read([("stream", "true"), ("starting_after", "4")]),
            Ok(Some(Wanted { starting_after: Some(4) }))
        );
        assert_eq!(Wanted::read([("stream", "yes")]).unwrap_err().param.unwrap(), "stream");
        assert_eq!(Wanted::read([("starting_after", "x")]).unwrap_err().param.unwrap(), "starting_after");
    }
}
