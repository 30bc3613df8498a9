"""Errors between two protocols: of backends, of streams that break, and of requests that cannot be translated."""

import json

import anthropic
import openai
import pytest
from conftest import sdk
from protocols import (
    chat_events,
    completion_of,
    in_turn,
    message,
    message_events,
    message_of,
    messages_error,
    replay,
    say,
    streamed,
    text,
    tool_use,
    transcript,
)
from raw import Raw, ask, chat
from upstream import STREAM_HEAD, answer, completion, frames, piece

HI = [{"role": "user", "content": "hi"}]


def body(model: str, **more) -> dict:
    return {"model": model, "max_tokens": 100, "messages": HI, **more}


def anthropic_error(kind: str, said: str = "what it said") -> dict:
    return {"type": "error", "error": {"type": kind, "message": said}, "request_id": "req_of_the_backend"}


OF_ANTHROPIC = [
    (400, "invalid_request_error", 400, openai.BadRequestError, "invalid_request_error"),
    (401, "authentication_error", 401, openai.AuthenticationError, "authentication_error"),
    (402, "billing_error", 402, openai.APIStatusError, "billing_error"),
    (403, "permission_error", 403, openai.PermissionDeniedError, "permission_error"),
    (404, "not_found_error", 404, openai.NotFoundError, "not_found_error"),
    (413, "request_too_large", 413, openai.APIStatusError, "request_too_large"),
    (429, "rate_limit_error", 429, openai.RateLimitError, "rate_limit_error"),
    (500, "api_error", 500, openai.InternalServerError, None),
    (504, "timeout_error", 504, openai.InternalServerError, "timeout_error"),
    (529, "overloaded_error", 503, openai.InternalServerError, "overloaded_error"),
]


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize(("status", "kind", "expected", "raised", "code"), OF_ANTHROPIC)
def test_anthropics_errors_for_openais_clients(gpts, a, status, kind, expected, raised, code, streaming):
    headers = {"retry-after": "7", "anthropic-ratelimit-tokens-remaining": "0", "request-id": "req_of_the_backend"}
    a.script = say(anthropic_error(kind), status, headers)
    with pytest.raises(raised) as error:
        gpts.chat.completions.create(model="claude", messages=HI, stream=streaming)
    told = error.value
    assert told.status_code == expected and "what it said" in told.message
    assert set(told.body) == {"message", "type", "param", "code"} and told.type
    if code:
        assert told.code == code
    assert told.response.headers["retry-after"] == "7"
    assert told.response.headers["anthropic-ratelimit-tokens-remaining"] == "0"
    assert told.response.headers["content-type"] == "application/json"
    assert told.response.headers["x-vsr-upstream-protocol"] == "anthropic"


OF_OPENAI = [
    (400, anthropic.BadRequestError, "invalid_request_error"),
    (401, anthropic.AuthenticationError, "authentication_error"),
    (403, anthropic.PermissionDeniedError, "permission_error"),
    (404, anthropic.NotFoundError, "not_found_error"),
    (422, anthropic.UnprocessableEntityError, "invalid_request_error"),
    (429, anthropic.RateLimitError, "rate_limit_error"),
    (500, anthropic.InternalServerError, "api_error"),
    (503, anthropic.InternalServerError, "overloaded_error"),
]


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize(("status", "raised", "kind"), OF_OPENAI)
def test_openais_errors_for_anthropics_clients(claudes, b, status, raised, kind, streaming):
    told = {"error": {"message": "what it said", "type": "its_type", "param": "p", "code": "its_code"}}
    b.script = say(told, status, {"retry-after": "7", "x-ratelimit-remaining-tokens": "0"})
    with pytest.raises(raised) as error:
        claudes.messages.create(model="gpt", max_tokens=9, messages=HI, stream=streaming)
    assert error.value.status_code == status
    assert messages_error(error.value.body) == {"type": kind, "message": "what it said"}
    assert error.value.response.headers["retry-after"] == "7"
    assert error.value.request_id == error.value.body["request_id"]


BODIES = {
    "page": (b"<html><body>Bad Gateway</body></html>", "text/html"),
    "empty": (b"", "text/plain"),
    "garbage": (b"\xff\x00{", "application/octet-stream"),
    "broken JSON": (b'{"error":', "application/json"),
    "prose": (b"upstream connect error", "text/plain"),
    "large": (b"x" * 300_000, "text/plain"),
}


@pytest.mark.parametrize("model", ["gpt", "claude"])
@pytest.mark.parametrize("status", [404, 502])
@pytest.mark.parametrize("what", BODIES)
def test_bodies_that_are_no_errors(translate, a, b, what, status, model):
    """Whatever stands there, clients of either kind get an error that they can read, with the status."""
    data, content_type = BODIES[what]
    for upstream in (a, b):
        upstream.script = lambda c, _: c.send(answer(data, status, {"content-type": content_type}))
    for_openai = ask(translate, chat(model))
    for_anthropic = ask(translate, body(model), path="/v1/messages")
    assert for_openai.status == for_anthropic.status == status
    if what == "broken JSON" and for_openai.body == data:
        assert model == "gpt", "it is forwarded as it came, where it says that it is JSON"
    else:
        assert for_openai.headers["content-type"] == "application/json"
        assert for_openai.json()["error"]["message"] and b"<html" not in for_openai.body
    if what == "broken JSON" and for_anthropic.body == data:
        assert model == "claude"
    else:
        assert messages_error(for_anthropic.json())["type"] == {404: "not_found_error", 502: "api_error"}[status]
    if what == "prose":
        assert b"upstream connect error" in for_openai.body and b"upstream connect error" in for_anthropic.body


def test_an_overload_is_tried_elsewhere(gpts, a, b):
    a.script = say(anthropic_error("overloaded_error"), 529)
    b.script = say(message("from the other"))
    for _ in range(3):
        said = gpts.chat.completions.create(model="claude-two", messages=HI)
        assert said.choices[0].message.content == "from the other"
    assert b.last.json()["model"] == "claude-two" and b.last.target == "/v1/messages"


@pytest.mark.parametrize("streaming", [False, True])
def test_backends_that_are_not_there(gpts, claudes, streaming):
    with pytest.raises(openai.InternalServerError) as error:
        gpts.chat.completions.create(model="claude-dead", messages=HI, stream=streaming)
    assert (error.value.status_code, error.value.code) == (502, "upstream_unreachable")
    with pytest.raises(anthropic.InternalServerError) as error:
        claudes.messages.create(model="gpt-dead", max_tokens=9, messages=HI, stream=streaming)
    assert messages_error(error.value.body)["type"] == "api_error"


def stall(first: bytes):
    """A script that begins a stream and goes silent."""

    def script(connection, _):
        connection.send(STREAM_HEAD, piece(first))
        connection.wait_closed(3)

    return script


def cut(first: bytes):
    """A script that begins a stream and breaks the connection."""

    def script(connection, _):
        connection.send(STREAM_HEAD, piece(first))
        connection.reset()

    return script


def some_of(whole: bytes, mid_event: bool) -> bytes:
    """The first events, or those and a part of the next one."""
    events = whole.split(b"\n\n")
    return b"\n\n".join(events[:3]) + b"\n\n" + (events[3][:20] if mid_event else b"")


@pytest.mark.parametrize("mid_event", [False, True])
@pytest.mark.parametrize("how", [stall, cut, lambda first: replay(first)], ids=["stalls", "resets", "ends"])
def test_streams_that_break(translate, gpts, claudes, a, b, how, mid_event):
    """Clients see what came, then an error: nothing that looks like an end."""
    a.script = how(some_of(transcript("messages", "text"), mid_event))
    b.script = how(some_of(b"".join(frames("one", "two", "three")), mid_event))
    got = ask(translate, chat("claude", stream=True))
    events = chat_events(got.body)
    assert len(events) >= 2 and events[-1]["error"]["message"]
    assert b"[DONE]" not in got.body and not [e for e in events[:-1] if e["choices"][0]["finish_reason"]]
    got = ask(translate, body("gpt", stream=True), path="/v1/messages")
    events = message_events(got.body)
    assert events[0]["type"] == "message_start" and events[-1]["type"] == "error"
    assert not {"message_delta", "message_stop"} & {event["type"] for event in events}
    with pytest.raises(openai.APIError):
        list(gpts.chat.completions.create(model="claude", messages=HI, stream=True))
    with pytest.raises(anthropic.APIError):
        list(claudes.messages.create(model="gpt", max_tokens=9, messages=HI, stream=True))


@pytest.mark.parametrize("how", ["resets", "stalls", "lies"])
def test_plain_answers_that_break(gpts, claudes, a, b, how):
    def script(connection, _):
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: "
        if how == "lies":
            return connection.send(head, b'9\r\n\r\n{"id": 1}')
        connection.send(head, b'99\r\n\r\n{"id": ')
        return connection.reset() if how == "resets" else connection.wait_closed(3)

    a.script = b.script = script
    with pytest.raises(openai.InternalServerError) as error:
        gpts.chat.completions.create(model="claude", messages=HI)
    assert error.value.type == "server_error"
    with pytest.raises(anthropic.InternalServerError) as error:
        claudes.messages.create(model="gpt", max_tokens=9, messages=HI)
    expected = ("timeout_error", 504) if how == "stalls" else ("api_error", 502)
    assert (messages_error(error.value.body)["type"], error.value.status_code) == expected


def test_an_error_with_a_status_of_success(gpts, claudes, a, b):
    a.script = say(anthropic_error("overloaded_error"))
    b.script = say({"error": {"message": "slow down", "type": "requests", "code": "rate_limit_exceeded"}})
    with pytest.raises(openai.InternalServerError) as error:
        gpts.chat.completions.create(model="claude", messages=HI)
    assert error.value.status_code == 503
    with pytest.raises(anthropic.APIStatusError) as error:
        claudes.messages.create(model="gpt", max_tokens=9, messages=HI)
    assert messages_error(error.value.body)["message"] == "slow down"


class TestUnasked:
    """Backends that do not do as they are told."""

    def test_a_plain_answer_to_a_request_for_a_stream(self, translate, gpts, claudes, a, b):
        whole = message("one", tool_use("t", "f", x=1), stop_reason="tool_use")
        a.script, b.script = say(whole), say(completion("one"))
        got = ask(translate, chat("claude", stream=True, stream_options={"include_usage": True}))
        assert got.headers["content-type"] == "text/event-stream"
        events = chat_events(got.body)
        assert events[-1] == "[DONE]" and events[-2]["usage"]["total_tokens"] == 15
        got = ask(translate, body("gpt", stream=True), path="/v1/messages")
        assert message_events(got.body)[-1]["type"] == "message_stop"
        with gpts.chat.completions.stream(model="claude", messages=HI) as events:
            choice = events.get_final_completion().choices[0]
        assert choice.message.tool_calls[0].function.arguments == '{"x": 1}' and choice.message.content == "one"
        with claudes.messages.stream(model="gpt", max_tokens=9, messages=HI) as events:
            assert events.get_final_message().content[0].text == "one"

    def test_a_stream_for_a_plain_request(self, translate, a, b):
        a.script, b.script = replay(streamed(message("one ", "two"))), replay(b"".join(frames("one ", "two")))
        got = ask(translate, chat("claude"))
        assert got.headers["content-type"] == "application/json"
        assert completion_of(got.body)["choices"][0]["message"]["content"] == "one two"
        got = ask(translate, body("gpt"), path="/v1/messages")
        assert got.headers["content-type"] == "application/json"
        assert message_of(got.body)["content"] == [text("one two")]

    def test_arguments_that_are_no_json(self, translate, b):
        call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"x":'}}
        whole = completion(None)
        whole["choices"][0] |= {"finish_reason": "tool_calls"}
        whole["choices"][0]["message"]["tool_calls"] = [call]
        b.script = say(whole)
        got = ask(translate, body("gpt"), path="/v1/messages")
        assert got.status == 502 and "JSON" in messages_error(got.json())["message"]


def image(url: str) -> list:
    return [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]


def called(arguments: str) -> list:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": arguments}}
    return [*HI, {"role": "assistant", "tool_calls": [call]}, {"role": "tool", "tool_call_id": "c", "content": "x"}]


AUDIO = [{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}]}]


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"n": 2}, "n"),
        ({"modalities": ["text", "audio"]}, "modalities[1]"),
        ({"audio": {"voice": "alloy", "format": "wav"}}, "audio"),
        ({"messages": AUDIO}, "messages[0].content[0]"),
        ({"messages": called("{")}, "messages[1].tool_calls[0].function.arguments"),
        ({"messages": called("[1]")}, "messages[1].tool_calls[0].function.arguments"),
        ({"messages": image("data:image/tiff;base64,aGk=")}, "messages[0].content[0].image_url.url"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role"),
        ({"messages": []}, "messages"),
        ({"tools": [{"type": "custom", "custom": {"name": "x"}}]}, "tools[0].type"),
        ({"reasoning_effort": "much"}, "reasoning_effort"),
        ({"max_tokens": "many"}, "max_tokens"),
    ],
)
def test_chat_requests_that_cannot_be_translated(translate, gpts, a, more, param):
    with pytest.raises(openai.BadRequestError) as error:
        gpts.post("/chat/completions", body=chat("claude") | more, cast_to=object)
    assert error.value.type == "invalid_request_error"
    assert error.value.param.startswith(param) and error.value.param in error.value.message
    assert not a.requests


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"tools": [{"type": "bash_20250124", "name": "bash"}]}, "tools[0]"),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "tools"),
        ({"mcp_servers": [{"type": "url", "url": "https://localhost", "name": "x"}]}, "mcp_servers"),
        ({"messages": [{"role": "user", "content": [{"type": "hologram"}]}]}, "messages[0].content[0]"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role"),
        ({"max_tokens": "many"}, "max_tokens"),
        ({"thinking": {"type": "hard"}}, "thinking.type"),
    ],
)
def test_messages_requests_that_cannot_be_translated(claudes, b, more, field):
    with pytest.raises(anthropic.BadRequestError) as error:
        claudes.post("/v1/messages", body=body("gpt") | more, cast_to=object)
    told = messages_error(error.value.body)
    assert told["type"] == "invalid_request_error" and field in told["message"]
    assert not b.requests


def test_requests_that_are_wrong_in_any_protocol(claudes, a, b):
    for wrong, kind, word in [
        (body("nobody"), anthropic.NotFoundError, "nobody"),
        ({"max_tokens": 9, "messages": HI}, anthropic.BadRequestError, "model"),
        (body("claude") | {"messages": "hi"}, anthropic.BadRequestError, "messages"),
        (body("gpt") | {"stream": "yes"}, anthropic.BadRequestError, "stream"),
    ]:
        with pytest.raises(kind) as error:
            claudes.post("/v1/messages", body=wrong, cast_to=object)
        assert word in messages_error(error.value.body)["message"]
    assert not a.requests and not b.requests


def test_the_sdks_own_retries_work(translate, a, b):
    a.script = in_turn(say(anthropic_error("overloaded_error"), 529, {"retry-after-ms": "1"}), say(message("ok")))
    b.script = in_turn(say({"error": {"message": "x"}}, 429, {"retry-after-ms": "1"}), say(completion("ok")))
    with sdk(translate, max_retries=1) as client:
        assert client.chat.completions.create(model="claude", messages=HI).choices[0].message.content == "ok"
    with sdk(translate, anthropic.Anthropic, base_url=translate.url, max_retries=1) as client:
        assert client.messages.create(model="gpt", max_tokens=9, messages=HI).content[0].text == "ok"


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("coded_stream", [False, True])
def test_a_compressed_answer_is_named(translate, a, streaming, coded_stream):
    """It was not asked for, and cannot be translated."""
    headers = {"content-encoding": "gzip", "etag": '"x"', "digest": "sha-256=x"}
    headers |= {"content-type": "text/event-stream"} if coded_stream else {}
    a.script = lambda connection, _: connection.send(answer(b"\x1f\x8b\x08\x00nonsense", headers=headers))
    got = ask(translate, body("claude", stream=streaming))
    assert got.status == 502 and "`gzip`" in got.json()["error"]["message"]
    assert not {"content-encoding", "etag", "digest"} & set(got.headers)
    assert got.headers["content-length"] == str(len(got.body))
    # An error whose text cannot be read either.
    a.script = lambda connection, _: connection.send(answer(b"\x1f\x8b", 429, headers))
    assert (got := ask(translate, body("claude", stream=streaming))).status == 429
    assert "429" in got.json()["error"]["message"] and "content-encoding" not in got.headers


def test_what_describes_the_backends_bytes_goes_with_them(translate, a, b):
    headers = {"etag": '"x"', "content-md5": "x", "digest": "x", "repr-digest": "x", "x-own": "1"}
    a.script = say(message("hi"), headers=headers)
    got = ask(translate, body("claude"))
    assert got.status == 200 and got.headers["x-own"] == "1"
    assert not {"etag", "content-md5", "digest", "repr-digest"} & set(got.headers)
    # Bytes that go by keep it.
    b.script = say(completion("hi"), headers=headers)
    assert ask(translate, body("gpt")).headers["etag"] == '"x"'


@pytest.mark.parametrize("described", [{}, {"content-type": "text/plain"}])
def test_a_request_is_described_as_it_is(translate, a, b, described):
    """Whatever the client says of its own."""
    a.script, b.script = say(message("hi")), say(completion("hi"))
    for model, path, up in [("claude", "/v1/chat/completions", a), ("gpt", "/v1/messages", b)]:
        data = json.dumps(body(model)).encode()
        lines = {"host": "r", "content-length": str(len(data)), "content-md5": "x", "digest": "x"} | described
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        with Raw(translate) as raw:
            raw.send(f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + data)
            assert raw.response().status == 200
        assert up.last.header("content-type") == "application/json"
        assert up.last.header("content-md5") is up.last.header("digest") is None


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
def test_a_plain_answer_that_stops_is_a_timeout(translate, a, b, path):
    def script(connection, _):
        connection.send(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{")
        connection.wait_closed(3)

    a.script = b.script = script
    got = ask(translate, body("claude" if path.endswith("completions") else "gpt"), path=path)
    assert got.status == 504, got.body
