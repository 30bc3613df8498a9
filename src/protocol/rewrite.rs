//! How the body that a backend gets differs from the one that the client sent: the model's name always, and whatever else
//! was settled for the request. The same request may go to several backends, so this is applied anew for each.

mod think;

use super::draft::Draft;
use super::json::{Kind, Span};
use super::splice::{Chunks, Edit};
use crate::table::BodyChange;
use bytes::Bytes;
use std::ops::Range;

/// Changes to a body that is sent on.
#[derive(Debug)]
pub struct Rewrite {
    /// Where the model's name stands, quotes included.
    model: Range<usize>,
    /// The backend is asked for the usage of a stream (OpenAI: Chat Completions, `stream_options`).
    usage: Option<Edit>,
    further: Option<Box<Further>>,
}

const STREAM_OPTIONS: &str = "stream_options";
const INCLUDE_USAGE: &str = "include_usage";

#[derive(Debug)]
struct Further {
    draft: Draft,
    by_backend: &'static [&'static [BodyChange]],
}

impl Rewrite {
    /// Nothing but the model's name changes, which stands in this range.
    #[must_use]
    pub fn of_model(model: Range<usize>) -> Rewrite {
        Rewrite { model, usage: None, further: None }
    }

    /// These changes to the top level, and then those for the backend in question.
    #[must_use]
    pub fn further(self, draft: Draft, by_backend: &'static [&'static [BodyChange]]) -> Rewrite {
        Rewrite { further: Some(Box::new(Further { draft, by_backend })), ..self }
    }

    /// What was drafted for this body, and what the n-th backend is told besides.
    #[must_use]
    pub fn told(self, body: &Chunks, draft: Option<Draft>, by_backend: &'static [&'static [BodyChange]]) -> Rewrite {
        if draft.is_none() && by_backend.is_empty() {
            return self;
        }
        match draft.or_else(|| Draft::of(body, 0..body.len())) {
            Some(draft) => self.further(draft, by_backend),
            // Whoever brings a body has scanned it, so there is an object.
            None => self,
        }
    }

    /// The backend is asked for the usage of the stream as well. The options of the stream stand in this place, if there are
    /// any.
    #[must_use]
    pub fn asking_for_usage(self, body: &Chunks, options: Option<Span>) -> Rewrite {
        let inner = options.filter(|span| span.kind == Kind::Object);
        let edit = match (inner.and_then(|span| Draft::of(body, span.start..span.end)), options) {
            (Some(mut draft), _) => {
                draft.set(body, INCLUDE_USAGE, Bytes::from_static(b"true"));
                // An object of options is short: it is written anew as one piece.
                let range = inner.map_or(0..0, |span| span.start..span.end);
                let options = Chunks::from(Bytes::from(body.range(range.clone()).into_owned()));
                let edits = draft.into_edits().into_iter().map(|edit| Edit {
                    range: edit.range.start - range.start..edit.range.end - range.start,
                    with: edit.with,
                });
                let edited = options.edited(&edits.collect::<Vec<_>>()).into_inner().concat();
                Some(Edit { range, with: edited.into() })
            }
            (None, Some(span)) => {
                Some(Edit { range: span.start..span.end, with: Bytes::from_static(br#"{"include_usage":true}"#) })
            }
            // `stream` stands in the body, so there is a member before.
            (None, None) => {
                body.end_of_object().map(|at| Edit::insert(at, r#","stream_options":{"include_usage":true}"#))
            }
        };
        Rewrite { usage: edit, ..self }
    }

    /// The body for the n-th backend of the model, which calls it by this JSON string.
    #[must_use]
    pub fn apply(&self, body: &Chunks, nth_backend: usize, model: &Bytes) -> Chunks {
        let Some(further) = &self.further else {
            let named = Edit { range: self.model.clone(), with: model.clone() };
            return match &self.usage {
                None => body.edited(&[named]),
                Some(usage) if usage.range.start < named.range.start => body.edited(&[usage.clone(), named]),
                Some(usage) => body.edited(&[named, usage.clone()]),
            };
        };
        let mut draft = further.draft.clone();
        for change in further.by_backend.get(nth_backend).copied().unwrap_or_default() {
            apply(&mut draft, body, change);
        }
        if self.usage.is_some() {
            set_within(&mut draft, body, STREAM_OPTIONS, INCLUDE_USAGE, Bytes::from_static(b"true"));
        }
        draft.set(body, "model", model.clone());
        body.edited(&draft.into_edits())
    }
}

fn apply(draft: &mut Draft, body: &Chunks, change: &BodyChange) {
    let baked = |json: &'static str| Bytes::from_static(json.as_bytes());
    match *change {
        BodyChange::Remove(key) => {
            draft.remove_key(body, key);
        }
        BodyChange::Set(key, value) => draft.set(body, key, baked(value)),
        BodyChange::SetWithin(object, key, value) => set_within(draft, body, object, key, baked(value)),
        BodyChange::MoveInto(from, object, key) => {
            if let Some((_, item)) = draft.find(body, from) {
                let value = body.range(item.value.start..item.value.end).into_owned();
                draft.remove_key(body, from);
                set_within(draft, body, object, key, value.into());
            }
        }
        BodyChange::Think(budget) => think::think(draft, body, budget),
    }
}

/// Sets one member of an object and keeps its others; what is no object becomes one.
fn set_within(draft: &mut Draft, body: &Chunks, object: &'static str, key: &'static str, value: Bytes) {
    if let Some((position, item)) = draft.settle(body, object)
        && item.value.kind == Kind::Object
        && let Some(mut inner) = Draft::of(body, item.value.start..item.value.end)
    {
        inner.set(body, key, value);
        return draft.change(position, inner.into_edits());
    }
    let key = serde_json::to_string(key).expect("a string always serialises");
    let value = [b"{", key.as_bytes(), b":", &value, b"}"].concat();
    draft.set(body, object, value.into());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::json::{Field, Scanner};

    #[track_caller]
    pub(super) fn check(document: &'static str, changes: &'static [BodyChange], expected: &str) {
        let body = Chunks::from(Bytes::from_static(document.as_bytes()));
        let all: &'static [&'static [BodyChange]] = Box::leak(Box::new([&[][..], changes]));
        let draft = Draft::of(&body, 0..body.len()).unwrap();
        let sent = Rewrite::of_model(0..0).further(draft, all).apply(&body, 1, &Bytes::from_static(b"\"x\""));
        assert_eq!(String::from_utf8(sent.into_inner().concat()).unwrap(), expected);
    }

    const KWARGS: &str = "chat_template_kwargs";

    #[test]
    fn a_switch_in_the_chat_template() {
        const ON: &[BodyChange] =
            &[BodyChange::Remove("reasoning_effort"), BodyChange::SetWithin(KWARGS, "enable_thinking", "true")];
        check(
            r#"{"model":"auto","reasoning_effort":"low","n":1}"#,
            ON,
            r#"{"model":"x","n":1,"chat_template_kwargs":{"enable_thinking":true}}"#,
        );
        check(
            r#"{"chat_template_kwargs":{"a":1.0, "enable_thinking":false},"model":"auto"}"#,
            ON,
            r#"{"chat_template_kwargs":{"a":1.0, "enable_thinking":true},"model":"x"}"#,
        );
        check(
            r#"{"chat_template_kwargs":null,"model":"auto"}"#,
            ON,
            r#"{"chat_template_kwargs":{"enable_thinking":true},"model":"x"}"#,
        );
    }

    #[test]
    fn the_clients_own_effort_moves() {
        const OFF: &[BodyChange] = &[BodyChange::MoveInto("reasoning_effort", KWARGS, "reasoning_effort")];
        check(
            r#"{"model":"auto","reasoning_effort":"low"}"#,
            OFF,
            r#"{"model":"x","chat_template_kwargs":{"reasoning_effort":"low"}}"#,
        );
        check(r#"{"model":"auto"}"#, OFF, r#"{"model":"x"}"#);
    }

    #[test]
    fn a_field_of_its_own() {
        const ON: &[BodyChange] = &[BodyChange::Set("thinking", r#"{"type":"enabled"}"#)];
        check(r#"{"model":"auto"}"#, ON, r#"{"model":"x","thinking":{"type":"enabled"}}"#);
    }

    #[test]
    fn a_backend_is_asked_for_usage() {
        for (document, expected) in [
            (
                r#"{"model":"auto","stream":true} "#,
                r#"{"model":"x","stream":true,"stream_options":{"include_usage":true}} "#,
            ),
            (
                r#"{"stream_options":{"a":1,"include_usage":false},"model":"auto"}"#,
                r#"{"stream_options":{"a":1,"include_usage":true},"model":"x"}"#,
            ),
            (
                r#"{"model":"auto","stream_options":{ },"n":1}"#,
                r#"{"model":"x","stream_options":{ "include_usage":true},"n":1}"#,
            ),
        ] {
            for cut in 0..document.len() {
                let whole = Bytes::from(document);
                let mut body = Chunks::default();
                body.push(whole.slice(..cut));
                body.push(whole.slice(cut..));
                let mut scanner = Scanner::new();
                scanner.push(document.as_bytes()).unwrap();
                let fields = scanner.finish().unwrap();
                let model = fields.get(Field::Model).unwrap();
                let options = fields.get(Field::StreamOptions);
                let plain = Rewrite::of_model(model.start..model.end).asking_for_usage(&body, options);
                let sent = plain.apply(&body, 0, &Bytes::from_static(b"\"x\""));
                assert_eq!(String::from_utf8(sent.into_inner().concat()).unwrap(), expected);
                let draft = Draft::of(&body, 0..body.len()).unwrap();
                let sent = plain.further(draft, &[]).apply(&body, 0, &Bytes::from_static(b"\"x\""));
                assert_eq!(String::from_utf8(sent.into_inner().concat()).unwrap(), expected, "through a draft");
            }
        }
    }

    #[test]
    fn a_backend_without_changes_gets_the_name_alone() {
        let body = Chunks::from(Bytes::from_static(b"{\"model\" : \"auto\"}"));
        let draft = Draft::of(&body, 0..body.len()).unwrap();
        let sent = Rewrite::of_model(0..0).further(draft, &[]).apply(&body, 3, &Bytes::from_static(b"\"x\""));
        assert_eq!(sent.into_inner().concat(), b"{\"model\" : \"x\"}");
    }
}
