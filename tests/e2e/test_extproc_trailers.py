"""Bodies with trailers behind them, whether or not Envoy sends those to the router."""

import json
import re
import time

import pytest
from envoy import MODES, Envoy
from raw import Raw, chat
from responses import events_of
from test_extproc import ERROR, MESSAGE, MESSAGES_PATH, RESPONSES_PATH, message_events, messages, responses
from upstream import DONE, STREAM_HEAD, completion, frames, piece

TRAILERS = b"0\r\nx-end: of-the-answer\r\n\r\n"
OPTIONS = """typed_extension_protocol_options:
        envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
          "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
          explicit_http_config:
            http_protocol_options:
              enable_trailers: true
      """


def with_trailers(mode: str):
    """Envoy passes trailers on, and sends them or does not."""

    def edit(config: str) -> str:
        config = re.sub(r"(re(?:quest|sponse)_trailer_mode): \w+", rf"\1: {mode}", config)
        manager = "codec_type: AUTO\n"
        assert manager in config
        takes_them = "                http_protocol_options: { enable_trailers: true }\n"
        config = config.replace(manager, manager + takes_them)
        assert "lb_policy: ROUND_ROBIN" in config
        return config.replace("lb_policy: ROUND_ROBIN", f"{OPTIONS}lb_policy: ROUND_ROBIN")

    return edit


WAYS = [("buffered", "SKIP"), ("buffered", "SEND"), ("streamed", "SKIP"), ("streamed", "SEND"), ("full-duplex", "SEND")]


@pytest.fixture(scope="module", params=WAYS, ids="-".join)
def trailing(service, request, tmp_path_factory):
    bodies, trailers = request.param
    envoy = Envoy(service, tmp_path_factory.mktemp("trailers"), MODES[bodies], edit=with_trailers(trailers))
    envoy.tells_the_end = request.param != ("streamed", "SKIP")
    yield envoy
    service.check()
    envoy.stop()


def in_chunks(*parts: bytes, content_type: bytes = b"application/json", status: bytes = b"200"):
    """Answers with trailers."""

    def script(connection, _):
        connection.send(STREAM_HEAD.replace(b"text/event-stream", content_type).replace(b"200", status))
        for one in parts:
            connection.send(piece(one))
            time.sleep(0.01)
        connection.send(TRAILERS)

    return script


def plain(body: dict, **more):
    text = json.dumps(body).encode()
    return in_chunks(text[:20], text[20:], b"\n", **more)


def stream(all_of_them: list[bytes]):
    return in_chunks(*all_of_them, content_type=b"text/event-stream")


CASES = {
    "plain": ("/v1/chat/completions", chat("alpha"), plain(completion())),
    "stream": ("/v1/chat/completions", chat("alpha", stream=True), stream(frames("one", "two"))),
    "a stream whose usage is hidden": (
        "/v1/chat/completions",
        chat("priced", stream=True),
        stream(
            [
                *frames("one", "two")[:-1],
                b'data: {"id":"x","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}\n\n',
                DONE,
            ]
        ),
    ),
    "plain, translated": (MESSAGES_PATH, messages("alpha"), plain(completion())),
    "stream, translated": (MESSAGES_PATH, messages("alpha", stream=True), stream(frames("one", "two"))),
    "plain from Messages": ("/v1/chat/completions", chat("claude"), plain(MESSAGE)),
    "stream from Messages": ("/v1/chat/completions", chat("claude", stream=True), stream(message_events("one", "two"))),
    "plain response": (RESPONSES_PATH, responses("claude"), plain(MESSAGE)),
    "response": (RESPONSES_PATH, responses("alpha", stream=True), stream(frames("one", "two"))),
    "an error": ("/v1/chat/completions", chat("alpha"), plain(ERROR, status=b"429")),
    "an error, translated": (MESSAGES_PATH, messages("alpha"), plain(ERROR, status=b"429")),
}


def ask(envoy, path: str, body: dict, request_id: str):
    """In chunks, with trailers."""
    text = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nhost: r\r\nx-request-id: {request_id}\r\ntransfer-encoding: chunked\r\n\r\n"
    with Raw(envoy, timeout=15) as raw:
        raw.send(head.encode() + piece(text[:9]))
        time.sleep(0.02)
        raw.send(piece(text[9:]) + piece(b" \n"))
        time.sleep(0.02)
        raw.send(b"0\r\nx-end: of-the-request\r\n\r\n")
        return raw.response()


@pytest.mark.parametrize("case", CASES)
def test_trailers(case, trailing, service, a):
    path, body, a.script = CASES[case]
    a.takes_chunks = trailing.in_pieces
    request_id = f"trailers-{id(trailing)}-{case.replace(' ', '-')}"
    asked = ask(trailing, path, body, request_id)
    assert asked.status == (429 if "error" in case else 200), asked
    assert asked.complete, asked
    if "error" in case:
        assert asked.json()["error"]["message"] == "slow down"
    elif not body.get("stream"):
        assert b'"hello"' in asked.body and asked.json()
    elif path == RESPONSES_PATH:
        assert events_of(asked.body)[-1]["type"] == "response.completed"
    else:
        assert b"one" in asked.body and b"two" in asked.body
        assert asked.body.endswith(DONE) or b"message_stop" in asked.body
    (sent,) = a.requests
    assert sent.json()
    assert sent.trailers == (b"x-end: of-the-request\n" if trailing.in_pieces else b"")
    line = service.wait_log(f'request_id="{request_id}"', 5)
    if "error" not in case:
        tells_usage = case not in ("stream", "stream, translated", "response")
        assert ("prompt_tokens=" in line) == tells_usage, line
        # Of a plain answer that is only forwarded, nothing tells then that it has ended.
        assert ('outcome="ok"' in line) == (trailing.tells_the_end or case != "plain"), line
