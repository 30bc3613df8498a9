//! What is fetched for a turn is bounded, however often it is referred to.

use crate::common;
use bytes::Bytes;
use hardwire::protocol::responses::ids::{Place, item_id};
use hardwire::protocol::responses::request::Request;
use hardwire::responses::store::{Record, Store, memory};
use hardwire::responses::turn::{Memory, Turn, TurnError, Want};
use hardwire::table::{MemoryStore, StoreBounds, UnsupportedTools};
use std::time::Duration;

/// The length of the chat request that a request becomes.
async fn begin(store: &Store, request: String, most: u64) -> Result<usize, TurnError> {
    let body = Bytes::from(request);
    let mut request = Request::read(&body, UnsupportedTools::Refuse).unwrap();
    let turn = Turn::begin(Memory { store, recent: None }, &mut request, None, Want::Response, most).await?;
    assert!(turn.keep.is_some());
    Ok(turn.chat.body.len())
}

#[test]
fn what_is_fetched_has_a_bound() {
    let settings =
        MemoryStore { ttl: Duration::from_secs(3600), bounds: StoreBounds { responses: 1000, bytes: 1 << 24 } };
    let store = memory::open(&settings, &common::place(&common::env())).unwrap().worker();
    common::on_worker(async {
        let message = |role: &str, text: &str| format!(r#"{{"role":"{role}","content":"{text}"}}"#);
        let long = "x".repeat(10_000);
        let first = Record {
            response: Bytes::from(format!(r#"{{"output":[{}]}}"#, message("assistant", "hi"))),
            input_items: Bytes::from(format!("[{}]", message("user", &long))),
            turn: message("user", &long).into(),
            ..common::record(&store, None, 0)
        };
        let second = Record { previous_response_id: Some(first.id), ..common::record(&store, None, 0) };
        let second = Record { turn: message("user", &long).into(), ..second };
        store.put(&first).await.unwrap();
        store.put(&second).await.unwrap();

        let id = |place| item_id("msg", &first.id.to_string(), place);
        let asked = |times: usize| {
            let reference = format!(r#"{{"type":"item_reference","id":"{}"}}"#, id(Place::Input(0)));
            let short = format!(r#"{{"id":"{}"}}"#, id(Place::Output(0)));
            format!(r#"{{"input":[{}{short}]}}"#, format!("{reference},").repeat(times))
        };
        assert!(begin(&store, asked(0), 100).await.unwrap() < 100);
        assert!(begin(&store, asked(9), 100_000).await.unwrap() > 90_000);
        let error = begin(&store, asked(10), 100_000).await.unwrap_err();
        assert!(matches!(error, TurnError::TooLarge(100_000)), "{error}");
        assert!(error.to_string().contains("100000 bytes"), "{error}");

        let chained = |input: &str| format!(r#"{{"previous_response_id":"{}","input":{input}}}"#, second.id);
        assert!(begin(&store, chained("\"x\""), 21_000).await.unwrap() > 20_000);
        let error = begin(&store, chained("\"x\""), 20_000).await.unwrap_err();
        assert!(matches!(error, TurnError::TooLarge(20_000)), "{error}");
        // Both together.
        let both = chained(&format!(r#"[{{"id":"{}"}}]"#, id(Place::Input(0))));
        assert!(begin(&store, both.clone(), 31_000).await.is_ok());
        assert!(matches!(begin(&store, both, 29_000).await, Err(TurnError::TooLarge(29_000))));
    });
}
