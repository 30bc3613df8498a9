//! What a log line looks like, byte for byte but for its time.

use hardwire::protocol::event::Usage;
use hardwire::telemetry::access::Access;
use hardwire::telemetry::log::{Format, LogError, subscriber};
use hardwire::telemetry::metrics::ErrorReason;
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A log that is read back.
#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no test panics while it writes").write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What `log` writes, line by line.
fn written(format: Format, filter: Option<&str>, log: impl Fn()) -> Vec<String> {
    let page = Page::default();
    let writer = page.clone();
    let subscriber = subscriber(format, filter, false, move || writer.clone()).expect("the filter parses");
    tracing::subscriber::with_default(subscriber, log);
    let bytes = page.0.lock().expect("no test panics while it writes");
    str::from_utf8(&bytes).expect("logs are UTF-8").lines().map(str::to_owned).collect()
}

/// The one line that was written, without its time.
fn line(format: Format, event: &Access<'_>) -> String {
    let lines = written(format, None, || event.emit());
    assert_eq!(lines.len(), 1, "{lines:#?}");
    let cut = match format {
        Format::Text => lines[0].split_once("Z  ").expect("a time in UTC").1,
        Format::Json => lines[0].split_once("Z\",").expect("a time in UTC").1,
    };
    cut.to_owned()
}

const SERVED: Access<'static> = Access {
    request_id: "req-1",
    method: "POST",
    path: "/v1/chat/completions",
    requested_model: Some("auto"),
    selected_model: Some("small"),
    decision: Some("urgent"),
    backend: Some("small_a"),
    status: Some(200),
    stream: true,
    attempts: 2,
    duration: Duration::from_micros(12_345),
    first_byte: Some(Duration::from_millis(7)),
    bytes_in: 1024,
    bytes_out: 9,
    usage: Usage { input: Some(20), cached: Some(100), cache_write: None, output: Some(7), reasoning: None },
    cost: Some((0.000_195, "USD")),
    error: None,
};

const LEFT: Access<'static> = Access {
    requested_model: None,
    selected_model: None,
    decision: None,
    backend: None,
    status: None,
    first_byte: None,
    usage: Usage { input: None, cached: None, cache_write: None, output: None, reasoning: None },
    cost: None,
    error: Some(ErrorReason::ClientClosed),
    ..SERVED
};

#[test]
fn text_is_one_readable_line() {
    assert_eq!(
        line(Format::Text, &SERVED),
        r#"INFO access: request_id="req-1" method="POST" path="/v1/chat/completions" requested_model="auto" selected_model="small" decision="urgent" backend="small_a" status=200 stream=true attempts=2 duration_ms=12.345 ttfb_ms=7.0 bytes_in=1024 bytes_out=9 prompt_tokens=120 cached_tokens=100 completion_tokens=7 cost=0.000195 currency="USD" outcome="ok""#
    );
    assert_eq!(
        line(Format::Text, &LEFT),
        r#"INFO access: request_id="req-1" method="POST" path="/v1/chat/completions" stream=true attempts=2 duration_ms=12.345 bytes_in=1024 bytes_out=9 outcome="client_closed""#
    );
}

#[test]
fn json_has_its_fields_at_the_top() {
    assert_eq!(
        line(Format::Json, &SERVED),
        r#""level":"INFO","request_id":"req-1","method":"POST","path":"/v1/chat/completions","requested_model":"auto","selected_model":"small","decision":"urgent","backend":"small_a","status":200,"stream":true,"attempts":2,"duration_ms":12.345,"ttfb_ms":7.0,"bytes_in":1024,"bytes_out":9,"prompt_tokens":120,"cached_tokens":100,"completion_tokens":7,"cost":0.000195,"currency":"USD","outcome":"ok","target":"access"}"#
    );
}

/// A client cannot forge a line, colour a terminal or fill the log.
#[test]
fn what_the_client_chose_is_escaped_and_cut() {
    let long = "m".repeat(10_000);
    let event =
        Access { request_id: "a\nINFO access: forged", path: "/\u{1b}[31m\"", requested_model: Some(&long), ..SERVED };
    let text = line(Format::Text, &event);
    assert!(text.contains(r#"request_id="a\nINFO access: forged" method="POST" path="/\u{1b}[31m\"" "#), "{text}");
    assert!(text.contains(&format!(r#"requested_model="{}" "#, &long[..128])), "{text}");
    let json = line(Format::Json, &event);
    assert!(json.contains(r#""request_id":"a\nINFO access: forged","#), "{json}");
    assert!(json.contains(r#""path":"/\u001b[31m\"","#), "{json}");
}

#[test]
fn the_filter_decides_by_level_and_target() {
    let log = || {
        SERVED.emit();
        tracing::info!(target: "hardwire", "information");
        tracing::debug!(target: "hardwire", "detail");
        tracing::warn!(target: "hardwire", "warning");
    };
    for (filter, lines) in [
        (None, 3),
        (Some("info"), 3),
        (Some("warn"), 1),
        (Some("debug"), 4),
        (Some("info,access=off"), 2),
        (Some("off,access=info"), 1),
        (Some("off"), 0),
    ] {
        for format in [Format::Text, Format::Json] {
            assert_eq!(written(format, filter, log).len(), lines, "{filter:?}");
        }
    }
}

#[test]
fn a_format_or_filter_that_is_none_is_an_error() {
    assert_eq!("text".parse(), Ok(Format::Text));
    assert_eq!("json".parse(), Ok(Format::Json));
    for text in ["", "JSON", "yaml"] {
        assert_eq!(text.parse::<Format>(), Err(LogError::Format(text.to_owned())));
    }
    let Err(error) = subscriber(Format::Text, Some("hardwire=loud"), false, std::io::sink) else {
        panic!("`loud` is no level");
    };
    assert!(error.to_string().starts_with("HARDWIRE_LOG: "), "{error}");
}
