//! Compaction: a conversation becomes one item, a summary that the model wrote, which stands for all of it from then on.

use super::echo::gather;
use super::ids::{Place, item_id};
use super::request::need_text;
use super::resource::write_usage;
use crate::protocol::event::Usage;
use crate::protocol::out::Out;
use crate::protocol::view::{Object, Path, RequestError, View};
use bytes::Bytes;

/// What the model is asked for: the body of a JSON string.
pub(super) const ASK: &[u8] = br"Summarise this conversation so that it can be continued from your summary alone. Keep what was asked for, what was decided and done, every name, number, path and identifier that may be needed again, and what is still open. Answer with the summary only.";

/// What goes before a summary that stands for a conversation.
pub(super) const SUMMARY: &[u8] = br"Summary of the conversation so far:\n\n";

/// The compacted conversation, as the API answers it. The summary is the body of a JSON string.
#[must_use]
pub fn compacted(response: &str, created_at: u64, summary: &Bytes, usage: &Usage) -> Bytes {
    let mut out = Out::default();
    out.write(br#"{"id":""#);
    out.write(response.as_bytes());
    out.write(br#"","object":"response.compaction","created_at":"#);
    out.number(created_at);
    out.write(br#","output":[{"id":""#);
    out.write(item_id("cmp", response, Place::Output(0)).as_bytes());
    out.write(br#"","type":"compaction","encrypted_content":"{\"summary\":\""#);
    let mut sealed = Vec::with_capacity(summary.len() + 64);
    super::custom::escape(summary, &mut sealed);
    out.pass(sealed.into());
    out.write(br#"\"}"}],"usage":"#);
    // Not `null` here, where nothing is known.
    write_usage(&mut out, &Usage { input: usage.input.or(Some(0)), ..*usage });
    out.write(b"}");
    gather(&mut out)
}

/// The summary in such an item.
pub(super) fn read_compaction(item: &mut Object<'_>, path: &Path<'_>) -> Result<Bytes, RequestError> {
    let at = path.key("encrypted_content");
    let sealed = item.take("encrypted_content").ok_or_else(|| at.refuse("is required"))?.expect_string(&at)?;
    let sealed = Bytes::from(sealed.into_owned());
    let summary = View::of(&sealed).and_then(|view| need_text(&mut view.members(), "summary", &at));
    summary.map_err(|_| at.refuse("was made by another provider, which alone can read it"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_types)] // a tree is how a client reads it

    use super::*;
    use crate::protocol::responses::request::Request;
    use crate::protocol::responses::to_chat::History;
    use crate::table::UnsupportedTools;
    use serde_json::{Value, json};

    const HISTORY: History<'static> = History { turns: &[], items: &|_| None };

    #[test]
    fn a_summary_stands_for_the_conversation() {
        let made = compacted("resp_1", 7, &Bytes::from_static(br#"a \"b\"\n"#), &Usage::default());
        let made: Value = serde_json::from_slice(&made).unwrap();
        let none = json!({"input_tokens": 0, "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": 0, "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 0});
        let item =
            json!({"id": "cmp_1o0", "type": "compaction", "encrypted_content": "{\"summary\":\"a \\\"b\\\"\\n\"}"});
        let expected =
            json!({"id": "resp_1", "object": "response.compaction", "created_at": 7, "output": [item], "usage": none});
        assert_eq!(made, expected);

        let chat = |item: &Value| {
            let body = Bytes::from(serde_json::to_vec(&json!({"input": [item]})).unwrap());
            let translated = Request::read(&body, UnsupportedTools::Refuse).unwrap().to_chat(HISTORY)?;
            let chat: Value = serde_json::from_slice(&translated.body.into_inner().concat()).unwrap();
            Ok::<_, RequestError>(chat["messages"].clone())
        };
        let message = json!({"role": "user", "content": "Summary of the conversation so far:\n\na \"b\"\n"});
        assert_eq!(chat(&expected["output"][0]).unwrap(), json!([message]));
        let foreign = chat(&json!({"type": "compaction", "encrypted_content": "gAAAA"})).unwrap_err();
        assert_eq!(foreign.param.unwrap(), "input[0].encrypted_content");
    }

    #[test]
    fn a_summary_is_asked_for_without_tools() {
        let body =
            Bytes::from_static(br#"{"model":"m","input":"x","stream":true,"tools":[{"type":"custom","name":"c"}]}"#);
        let translated = Request::read(&body, UnsupportedTools::Refuse).unwrap().to_summary(HISTORY).unwrap();
        let chat: Value = serde_json::from_slice(&translated.body.into_inner().concat()).unwrap();
        assert_eq!(chat.as_object().unwrap().keys().collect::<Vec<_>>(), ["model", "messages"]);
        assert_eq!((&chat["messages"][0]["content"], chat["messages"].as_array().unwrap().len()), (&json!("x"), 2));
        assert!(chat["messages"][1]["content"].as_str().unwrap().starts_with("Summarise"));
    }
}
