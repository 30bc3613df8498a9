//! A request for a backend that does not speak what the client speaks.

use super::client::Client;
use super::error::ApiError;
use crate::protocol::messages::{from_chat, to_chat};
use crate::protocol::splice::Chunks;
use crate::protocol::translated::Translated;
use crate::table::{Model, Protocol};
use crate::upstream::CREDENTIALS;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use std::ops::Range;

/// A translated body begins so.
const BEFORE_MODEL: &[u8] = br#"{"model":"#;

/// Translates a body, and tells where the model's name stands in it.
pub(super) fn request(
    client: Client,
    model: &Model,
    body: &Chunks,
    name: Range<usize>,
) -> Result<(Translated, Range<usize>), ApiError> {
    let body = body.to_bytes();
    let translated = match client.protocol() {
        Protocol::Chat => {
            let reasoning =
                if model.takes_effort { from_chat::Reasoning::Effort } else { from_chat::Reasoning::Budget };
            from_chat::translate(&body, &from_chat::Options { max_tokens: model.max_output_tokens, reasoning })
        }
        Protocol::Messages => {
            // OpenAI's models that reason are those that refuse the old name of the bound.
            let bound =
                if model.takes_effort { to_chat::Bound::MaxCompletionTokens } else { to_chat::Bound::MaxTokens };
            let Model { takes_effort, takes_thinking, .. } = *model;
            let options = to_chat::Options { bound, takes_effort, takes_thinking };
            to_chat::translate(&body, &options)
        }
    };
    let translated = translated?;
    let start = BEFORE_MODEL.len();
    let place = start..start + name.len();
    debug_assert_eq!(*translated.body.range(0..start), *BEFORE_MODEL, "the model comes first");
    Ok((translated, place))
}

/// Headers that mean something to backends of the client's protocol alone go, and a key takes the place where the other
/// protocol looks for it.
pub(super) fn headers(client: Client, headers: &mut HeaderMap) {
    let foreign = match client.protocol() {
        Protocol::Chat => "openai-",
        Protocol::Messages => "anthropic-",
    };
    while let Some(name) = headers.keys().find(|name| name.as_str().starts_with(foreign)).cloned() {
        headers.remove(name);
    }
    let key = key(headers);
    for name in &CREDENTIALS {
        headers.remove(name);
    }
    let Some(key) = key else { return };
    let placed = match client.protocol() {
        Protocol::Chat => (X_API_KEY, HeaderValue::from_bytes(&key)),
        Protocol::Messages => (header::AUTHORIZATION, HeaderValue::from_bytes(&[b"Bearer ", &key[..]].concat())),
    };
    if let (name, Ok(mut value)) = placed {
        value.set_sensitive(true);
        headers.insert(name, value);
    }
}

const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// The client's key, wherever it shows it.
fn key(headers: &HeaderMap) -> Option<Vec<u8>> {
    CREDENTIALS.iter().find_map(|name| {
        let value = headers.get(name)?.as_bytes();
        if name != header::AUTHORIZATION {
            return Some(value.to_vec());
        }
        let (scheme, key) = value.split_at_checked(7)?;
        scheme.eq_ignore_ascii_case(b"bearer ").then(|| key.trim_ascii().to_vec())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(client: Client, given: &[(&'static str, &'static str)], expected: &[(&str, &str)]) {
        let mut map = HeaderMap::new();
        for (name, value) in given {
            map.insert(*name, HeaderValue::from_static(value));
        }
        headers(client, &mut map);
        let mut left: Vec<(&str, &str)> =
            map.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        left.sort_unstable();
        assert_eq!(left, expected);
    }

    #[test]
    fn a_key_moves_to_where_it_is_looked_for() {
        check(
            Client::Chat,
            &[("authorization", "Bearer k"), ("openai-organization", "o"), ("accept", "*/*")],
            &[("accept", "*/*"), ("x-api-key", "k")],
        );
        check(
            Client::Messages,
            &[("x-api-key", "k"), ("anthropic-version", "2023-06-01"), ("anthropic-beta", "b")],
            &[("authorization", "Bearer k")],
        );
        check(Client::Messages, &[("authorization", "Bearer k")], &[("authorization", "Bearer k")]);
        check(Client::Chat, &[("authorization", "Basic eA==")], &[]);
    }
}
