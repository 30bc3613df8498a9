"""Anthropic's clients: before backends that speak OpenAI's Chat, and forwarded to those of their own."""

import json
import threading

import anthropic
import pytest
from conftest import CLIENT_KEY, UP_KEY, sdk
from protocols import (
    in_turn,
    is_broken,
    message,
    message_events,
    message_of,
    messages_backend,
    names,
    replay,
    say,
    streamed,
    text,
    timeless,
    told,
    tool_use,
    transcript,
)
from raw import Raw, ask, request
from upstream import END, STREAM_HEAD, completion, frames, piece

PATH = "/v1/messages"
HI = [{"role": "user", "content": "hi"}]
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOL = {"name": "weather", "description": "How it is", "input_schema": SCHEMA, "cache_control": {"type": "ephemeral"}}
BROKEN = [name for name in names("chat") if is_broken("chat", name)]


def body(model: str, **more) -> dict:
    return {"model": model, "max_tokens": 100, "messages": HI, **more}


def plain(content: str | None = None, finish_reason: str = "stop", **more) -> dict:
    """A chat completion whose message has more in it."""
    whole = completion(content)
    whole["choices"][0]["finish_reason"] = finish_reason
    whole["choices"][0]["message"] |= more
    return whole


def call(id: str, name: str, arguments: str) -> dict:
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


@pytest.mark.parametrize("cut", ["frames", "bytes", "at once"])
@pytest.mark.parametrize("name", names("chat"))
def test_a_stream_on_the_wire(translate, b, name, cut):
    b.script = replay(transcript("chat", name), cut)
    got = ask(translate, body("gpt", stream=True), path=PATH)
    assert got.status == 200 and got.complete
    assert got.headers["content-type"] == "text/event-stream"
    assert got.headers["x-vsr-client-protocol"] == "anthropic"
    assert got.headers["x-vsr-upstream-protocol"] == "openai"
    assert timeless(got.body) == told("chat", name, "messages", "gpt")
    events = message_events(got.body)
    if name in BROKEN:
        assert events[-1]["type"] == "error"
        assert not {"message_delta", "message_stop"} & {event["type"] for event in events}
        return
    assert [events[0]["type"], events[-2]["type"], events[-1]["type"]] == [
        "message_start",
        "message_delta",
        "message_stop",
    ]
    assert b.last.json()["stream_options"] == {"include_usage": True}


@pytest.mark.parametrize("name", names("chat"))
def test_the_sdk_reads_the_same_in_every_way(claudes, b, name):
    """The stream put together by the helper, and the same stream as the answer to a request for a plain answer."""
    b.script = replay(transcript("chat", name))
    options = {"model": "gpt", "max_tokens": 100, "messages": HI}
    if name in BROKEN:
        with pytest.raises(anthropic.APIError), claudes.messages.stream(**options) as events:
            events.get_final_message()
        with pytest.raises(anthropic.APIError):
            list(claudes.messages.create(**options, stream=True))
        with pytest.raises(anthropic.APIStatusError) as error:
            claudes.messages.create(**options)
        assert error.value.status_code >= 429
        return
    with claudes.messages.stream(**options) as events:
        final = events.get_final_message()
    raw = claudes.messages.with_raw_response.create(**options)
    message_of(raw.read())
    whole = raw.parse()
    assert (whole.id, whole.model, whole.stop_reason) == (final.id, "gpt", final.stop_reason)
    assert whole.usage == final.usage
    pairs = [(one.model_dump(), other.model_dump()) for one, other in zip(whole.content, final.content, strict=True)]
    for one, other in pairs:
        other.pop("parsed_output", None)
        assert {k: v for k, v in one.items() if v is not None} == {k: v for k, v in other.items() if v is not None}


def test_what_the_backend_gets(claudes, b):
    b.script = say(completion("ok"))
    raw = claudes.messages.with_raw_response.create(
        model="gpt",
        max_tokens=99,
        system=[{"type": "text", "text": "Be kind.", "cache_control": {"type": "ephemeral"}}, text("Be brief.")],
        messages=[
            {
                "role": "user",
                "content": [
                    text("Look."),
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}},
                    {"type": "image", "source": {"type": "url", "url": "https://localhost/x.jpg"}},
                ],
            }
        ],
        tools=[TOOL],
        tool_choice={"type": "any", "disable_parallel_tool_use": True},
        extra_body={"temperature": 0.5, "top_k": 7},
        stop_sequences=["END"],
        metadata={"user_id": "u-1"},
        thinking={"type": "enabled", "budget_tokens": 2000},
        extra_headers={"anthropic-beta": "b-1"},
    )
    assert message_of(raw.read())["content"] == [text("ok")]
    got = b.last
    assert got.target == "/v1/chat/completions"
    assert got.header("authorization") == f"Bearer {UP_KEY}" and not got.all("x-api-key")
    assert not [name for name, _ in got.headers if name.lower().startswith("anthropic-")]
    assert set(raw.headers["x-vsr-protocol-warnings"].split(", ")) == {"cache_control", "top_k", "thinking"}
    assert got.json() == {
        "model": "gpt-5",
        "max_tokens": 99,
        "messages": [
            {"role": "system", "content": "Be kind.\n\nBe brief."},
            {
                "role": "user",
                "content": [
                    text("Look."),
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}},
                    {"type": "image_url", "image_url": {"url": "https://localhost/x.jpg"}},
                ],
            },
        ],
        "tools": [
            {
                "type": "function",
                "function": {"name": "weather", "description": "How it is", "parameters": SCHEMA},
            }
        ],
        "tool_choice": "required",
        "parallel_tool_calls": False,
        "temperature": 0.5,
        "stop": ["END"],
        "user": "u-1",
    }


def test_whose_key_it_is(translate, b):
    b.script = say(completion("ok"))
    for key in [
        {"api_key": CLIENT_KEY},
        {"api_key": None, "auth_token": CLIENT_KEY},
        # As older versions of the SDK have it.
        {"api_key": None, "default_headers": {"x-api-key": CLIENT_KEY, "authorization": anthropic.Omit()}},
    ]:
        with sdk(translate, anthropic.Anthropic, base_url=translate.url, **key) as client:
            client.messages.create(model="gpt-open", max_tokens=9, messages=HI)
            assert b.last.header("authorization") == f"Bearer {CLIENT_KEY}" and not b.last.all("x-api-key")
            client.messages.create(model="gpt", max_tokens=9, messages=HI)
            assert CLIENT_KEY.encode() not in b.last.head


@pytest.mark.parametrize("streaming", [False, True])
def test_parallel_tools(claudes, b, streaming):
    """Two calls at once, and their results in one turn, which become a message each."""
    calls = [call("call_1", "weather", '{"city": "Oslo"}'), call("call_2", "now", "")]
    first = (
        replay(transcript("chat", "parallel-tools"))
        if streaming
        else say(plain("Let me see.", "tool_calls", tool_calls=calls))
    )
    b.script = in_turn(first, say(completion("Cold.")))
    options = {"model": "gpt", "max_tokens": 100, "tools": [TOOL]}
    if streaming:
        with claudes.messages.stream(**options, messages=HI) as events:
            said = events.get_final_message()
    else:
        said = claudes.messages.create(**options, messages=HI)
        assert said.content[0].text == "Let me see."
    assert said.stop_reason == "tool_use"
    used = [block for block in said.content if block.type == "tool_use"]
    assert len(used) >= 2 and all(isinstance(block.input, dict) for block in used)
    results = [{"type": "tool_result", "tool_use_id": block.id, "content": [text("-3")]} for block in used]
    results[1]["is_error"] = True
    turns = [
        *HI,
        {"role": "assistant", "content": said.content},
        {"role": "user", "content": [*results, text("Well?")]},
    ]
    assert claudes.messages.create(**options, messages=turns).content[0].text == "Cold."
    got = b.last.json()["messages"]
    assert [m["role"] for m in got] == ["user", "assistant", *["tool"] * len(used), "user"]
    assert [(c["id"], json.loads(c["function"]["arguments"])) for c in got[1]["tool_calls"]] == [
        (block.id, block.input) for block in used
    ]
    assert [m["tool_call_id"] for m in got[2:-1]] == [block.id for block in used]
    assert (got[2]["content"], got[3]["content"]) == ("-3", "Error: -3")


def test_thinking_of_a_chat_backend(claudes, b):
    """What a backend thinks is told as thinking; handed back, it is told again."""
    b.script = in_turn(say(plain("Four.", reasoning_content="Count.")), say(completion("Still four.")))
    said = claudes.messages.create(model="gpt-open", max_tokens=100, messages=HI)
    assert [(block.type, getattr(block, "thinking", None)) for block in said.content] == [
        ("thinking", "Count."),
        ("text", None),
    ]
    again = [*HI, {"role": "assistant", "content": said.content}, *HI]
    claudes.messages.create(model="gpt-open", max_tokens=100, messages=again)
    assert b.last.json()["messages"][1]["reasoning_content"] == "Count."


@pytest.mark.parametrize("model", ["gpt-open", "gpt"])
def test_thinking_goes_to_those_who_read_it(claudes, b, model):
    """OpenAI refuses it."""
    b.script = say(completion("Four."))
    thinking = {"type": "thinking", "thinking": "Count.", "signature": "x"}
    turns = [*HI, {"role": "assistant", "content": [thinking, text("Four.")]}, *HI]
    got = claudes.messages.with_raw_response.create(model=model, max_tokens=100, messages=turns)
    reads = model == "gpt-open"
    assert ("reasoning_content" in b.last.json()["messages"][1]) == reads
    assert got.headers.get("x-vsr-protocol-warnings") == (None if reads else "messages.thinking")


def test_how_hard_to_think(claudes, b):
    b.script = say(completion("ok"))
    create = claudes.messages.create
    create(model="gpt-effort", max_tokens=9000, messages=HI, thinking={"type": "enabled", "budget_tokens": 8000})
    assert b.last.json()["reasoning_effort"] == "medium" and b.last.json()["max_completion_tokens"] == 9000
    create(model="gpt-effort", max_tokens=9, messages=HI, output_config={"effort": "low"})
    assert b.last.json()["reasoning_effort"] == "low"


@pytest.mark.parametrize("model", ["gpt", "claude", "auto"])
def test_counting_tokens(claudes, a, b, model):
    count = lambda **more: claudes.messages.count_tokens(model=model, messages=HI, **more).input_tokens  # noqa: E731
    assert 0 < count() < count(system="Be kind.") < count(system="Be kind.", tools=[TOOL])
    assert not a.requests and not b.requests


class TestForwarded:
    """Anthropic's clients before Anthropic's backends."""

    @pytest.mark.parametrize("query", ["", "?beta=true"])
    def test_bytes_are_untouched(self, translate, a, query):
        a.script = say(message("ok"))
        sent = (
            b'{ "model" : "claude" ,"max_tokens":1e2, "x_own":[1E2,"\xc3\xbc\\u00fc"],'
            b'"messages":[{"role":"user","content":"hi"}]\n}'
        )
        headers = {"anthropic-version": "2024-01-01", "anthropic-beta": "b-1,b-2", "x-api-key": CLIENT_KEY}
        got = ask(translate, sent, headers, path=PATH + query)
        assert got.json() == message("ok") and "x-vsr-client-protocol" not in got.headers
        assert got.headers["request-id"]
        assert a.last.body == sent.replace(b'"claude"', b'"claude-sonnet-4-5"')
        assert a.last.header("anthropic-version") == "2024-01-01" and a.last.header("anthropic-beta") == "b-1,b-2"
        assert a.last.header("x-api-key") == UP_KEY

    @pytest.mark.parametrize("name", names("messages"))
    def test_streams_are_untouched(self, translate, a, name):
        whole = transcript("messages", name)
        a.script = replay(whole, "bytes")
        got = ask(translate, body("claude", stream=True), path=PATH)
        if name in ("truncated", "no-message-stop"):
            assert got.body.startswith(whole)
            error = message_events(got.body)[-1]
            assert error["type"] == "error" and error["error"]["type"] == "api_error"
        else:
            # The backend's own error included: nothing comes behind it.
            assert got.body == whole

    def test_the_sdk(self, claudes, a):
        whole = message(
            {"type": "thinking", "thinking": "Hm", "signature": "c2ln"}, "x", tool_use("t", "weather", city="O")
        )
        a.script = messages_backend(whole)
        options = {"model": "claude", "max_tokens": 100, "messages": HI}
        assert claudes.messages.create(**options).model_dump(exclude_none=True)["content"] == whole["content"]
        with claudes.messages.stream(**options) as events:
            kinds = {event.type for event in events}
            final = events.get_final_message()
        assert {"text", "thinking", "input_json", "message_stop"} <= kinds
        assert final.content[2].input == {"city": "O"} and final.content[0].signature == "c2ln"

    def test_the_clients_key(self, claudes, a):
        a.script = say(message("ok"))
        claudes.messages.create(model="claude-open", max_tokens=9, messages=HI)
        assert a.last.header("authorization") == f"Bearer {CLIENT_KEY}"
        assert a.last.target == "/v1/messages" and a.last.json()["model"] == "claude-open"


def test_events_leave_when_they_come(translate, b):
    """The backend sends a chunk only when the client has what the one before it says."""
    got = threading.Semaphore(0)
    words = ["one ", "two ", "three"]

    def script(connection, _):
        connection.send(STREAM_HEAD)
        for frame in frames(*words):
            connection.send(piece(frame))
            if b'"content": "' in frame and b'"role"' not in frame:
                assert got.acquire(timeout=0.9), "an event was held back"
        connection.send(END)

    b.script = script
    with Raw(translate) as raw:
        raw.send(request(body("gpt", stream=True), path=PATH))
        for word in words:
            raw.until(json.dumps({"type": "text_delta", "text": word}, separators=(",", ":")).encode())
            got.release()
        raw.until(b"event: message_stop")


@pytest.mark.parametrize("model", ["gpt", "claude"])
def test_a_client_that_leaves(translate, a, b, model):
    noticed = threading.Event()

    def script(connection, _):
        first = streamed(message("x")) if model == "claude" else transcript("chat", "text")
        connection.send(STREAM_HEAD, piece(first.split(b"\n\n")[0] + b"\n\n"))
        if connection.wait_closed(0.9):
            noticed.set()

    a.script = b.script = script
    with Raw(translate) as raw:
        raw.send(request(body(model, stream=True), path=PATH))
        raw.until(b"message_start")
    assert noticed.wait(1)


class TestKatan:
    """The same before a peer that somebody else wrote: in its own protocol, and translated."""

    @pytest.mark.parametrize("model", ["katan-claude", "katan-gpt"])
    def test_answers_and_tools(self, katan_translate, model):
        with sdk(katan_translate, anthropic.Anthropic, base_url=katan_translate.url) as client:
            options = {"model": model, "max_tokens": 100, "messages": HI}
            whole = client.messages.with_raw_response.create(**options)
            assert message_of(whole.read())["content"][0]["text"]
            with client.messages.stream(**options) as events:
                final = events.get_final_message()
            assert final.content[0].text and final.stop_reason == "end_turn" and final.usage.output_tokens
            used = client.messages.create(**options, tools=[TOOL])
            with client.messages.stream(**options, tools=[TOOL]) as events:
                streamed_use = events.get_final_message()
        for said in (used, streamed_use):
            assert said.stop_reason == "tool_use"
            assert said.content[-1].name == "weather" and "city" in said.content[-1].input
        got = ask(katan_translate, body(model, stream=True), path=PATH)
        assert message_events(got.body)[-1]["type"] == "message_stop"
