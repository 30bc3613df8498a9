//! What the body of a backend's error says, whoever wrote it: providers, their gateways, and the proxies in front of them.

use super::failure::{Failure, FailureKind};
use http::StatusCode;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

/// Longer bodies are not looked into.
pub const MAX_BODY: usize = 256 * 1024;
/// Longest message that is handed on, in characters.
const MAX_MESSAGE: usize = 4096;

/// All shapes in one. Those known: `{"error":{…}}` of OpenAI and Anthropic, `{"error":"…"}`, `{"message":…}` of vLLM,
/// `{"detail":…}` of FastAPI, `{"text":…}` of FastChat's streams, and a list around any of them, as Gemini has it.
#[derive(Deserialize, Default)]
struct Shape<'a> {
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    #[serde(borrow)]
    message: Option<&'a RawValue>,
    #[serde(borrow)]
    detail: Option<&'a RawValue>,
    #[serde(borrow)]
    r#type: Option<&'a RawValue>,
    #[serde(borrow)]
    code: Option<&'a RawValue>,
    #[serde(borrow)]
    param: Option<&'a RawValue>,
    #[serde(borrow)]
    msg: Option<&'a RawValue>,
    #[serde(borrow)]
    text: Option<&'a RawValue>,
}

/// Reads the body of an answer with this status. One of success stands for an error that was told in spite of it.
#[must_use]
pub fn read(status: StatusCode, body: &[u8]) -> Failure {
    let is_error = status.is_client_error() || status.is_server_error();
    let text = if body.len() > MAX_BODY { None } else { std::str::from_utf8(body).ok().map(str::trim) };
    let told = text.and_then(shape).unwrap_or_default();
    let inner = told.error.and_then(|error| serde_json::from_str::<Shape<'_>>(error.get()).ok());
    let said = inner.as_ref().unwrap_or(&told);

    let word = string(said.r#type);
    let number = said.code.and_then(|code| code.get().trim_matches('"').parse::<u16>().ok());
    let number = number.filter(|code| (400..600).contains(code)).and_then(|code| StatusCode::from_u16(code).ok());
    let by_status = if is_error { Some(status) } else { number }.map(FailureKind::of_status);
    // The word is the finer one where it is of Anthropic's list.
    let by_word = word.as_deref().map(FailureKind::of_anthropic).filter(|kind| *kind != FailureKind::Api);
    let kind = match (by_status, by_word) {
        (Some(FailureKind::InvalidRequest | FailureKind::Api) | None, Some(kind)) => kind,
        (Some(kind), _) => kind,
        (None, None) => FailureKind::Api,
    };
    let message = string(said.message)
        .or_else(|| string(told.error))
        .or_else(|| string(told.message))
        .or_else(|| string(told.detail))
        .or_else(|| string(told.text))
        .or_else(|| first_detail(told.detail))
        .or_else(|| text.filter(|text| is_prose(text)).map(str::to_owned))
        .filter(|message| !message.trim().is_empty())
        .unwrap_or_else(|| {
            let what = if is_error { status.as_u16().to_string() } else { "an answer that cannot be read".to_owned() };
            format!("the backend answered with {}{what}", if is_error { "status " } else { "" })
        });
    let code = string(said.code).or_else(|| word.filter(|_| by_word.is_some()));
    Failure { kind, message: shortened(&message), code, param: string(said.param) }
}

fn shape(text: &str) -> Option<Shape<'_>> {
    if text.starts_with('[') {
        let all: Vec<&RawValue> = serde_json::from_str(text).ok()?;
        return serde_json::from_str(all.first()?.get()).ok();
    }
    serde_json::from_str(text).ok()
}

fn string(value: Option<&RawValue>) -> Option<String> {
    serde_json::from_str(value?.get()).ok()
}

/// `"detail":[{"loc":…,"msg":"…"}]`
fn first_detail(detail: Option<&RawValue>) -> Option<String> {
    let all: Vec<&RawValue> = serde_json::from_str(detail?.get()).ok()?;
    string(serde_json::from_str::<Shape<'_>>(all.first()?.get()).ok()?.msg)
}

/// Text that was written for people, and no page or data.
fn is_prose(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 1024
        && !text.starts_with(['<', '{', '['])
        && serde_json::from_str::<IgnoredAny>(text).is_err()
        && !text.chars().any(|c| c.is_control() && !c.is_ascii_whitespace())
}

fn shortened(message: &str) -> String {
    message.char_indices().nth(MAX_MESSAGE).map_or(message, |(end, _)| &message[..end]).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(status: u16, body: &str, kind: FailureKind, message: &str, code: Option<&str>) {
        let failure = read(StatusCode::from_u16(status).unwrap(), body.as_bytes());
        assert_eq!((failure.kind, &*failure.message, failure.code.as_deref()), (kind, message, code));
    }

    #[test]
    fn bodies_of_all_shapes() {
        use FailureKind::{Api, Authentication, InvalidRequest, NotFound, Overloaded, RateLimit, TooLarge};
        let openai = r#"{"error":{"message":"too long","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}"#;
        check(400, openai, InvalidRequest, "too long", Some("context_length_exceeded"));
        assert_eq!(read(StatusCode::BAD_REQUEST, openai.as_bytes()).param.as_deref(), Some("messages"));
        let anthropic =
            r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"req_1"}"#;
        check(529, anthropic, Overloaded, "Overloaded", Some("overloaded_error"));
        check(500, anthropic, Overloaded, "Overloaded", Some("overloaded_error"));
        check(200, anthropic, Overloaded, "Overloaded", Some("overloaded_error"));
        check(200, r#"{"error":{"code":429,"message":"slow down"}}"#, RateLimit, "slow down", None);
        check(401, r#"{"error":"bad key"}"#, Authentication, "bad key", None);
        check(
            404,
            r#"{"object":"error","message":"no such model","type":"NotFoundError","code":404}"#,
            NotFound,
            "no such model",
            None,
        );
        check(422, r#"{"detail":[{"loc":["body"],"msg":"field required"}]}"#, InvalidRequest, "field required", None);
        check(200, r#"{"text":"no worker","error_code":50002}"#, Api, "no worker", None);
        check(404, r#"{"detail":"Not Found"}"#, NotFound, "Not Found", None);
        check(
            400,
            r#"[{"error":{"code":400,"message":"bad","status":"INVALID_ARGUMENT"}}]"#,
            InvalidRequest,
            "bad",
            None,
        );
        check(503, "upstream connect error\n", Overloaded, "upstream connect error", None);
        check(413, "<html><body>413</body></html>", TooLarge, "the backend answered with status 413", None);
        for body in ["", " ", "{", "[]", "null", "{}", r#"{"error":null}"#, r#"{"error":{"message":7}}"#, "\0\u{1}"] {
            check(502, body, Api, "the backend answered with status 502", None);
        }
        check(200, "{}", Api, "the backend answered with an answer that cannot be read", None);
    }

    #[test]
    fn bodies_are_bounded() {
        let long = format!(r#"{{"error":{{"message":"{}"}}}}"#, "é".repeat(10_000));
        assert_eq!(read(StatusCode::BAD_REQUEST, long.as_bytes()).message.chars().count(), MAX_MESSAGE);
        let endless = vec![b'x'; 10 * 1024 * 1024];
        assert_eq!(read(StatusCode::BAD_REQUEST, &endless).message, "the backend answered with status 400");
        assert_eq!(read(StatusCode::BAD_REQUEST, b"\xff").kind, FailureKind::InvalidRequest);
    }
}
