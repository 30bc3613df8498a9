"""OpenAI's clients before backends that speak Anthropic's Messages."""

import json
import subprocess
import threading
from pathlib import Path

import openai
import pytest
from conftest import CLIENT_KEY, UP_KEY, sdk
from protocols import (
    chat_events,
    completion_of,
    in_turn,
    is_broken,
    message,
    messages_backend,
    names,
    replay,
    say,
    text,
    timeless,
    told,
    tool_use,
    transcript,
)
from raw import Raw, ask, chat, request
from router import HOME
from upstream import END, STREAM_HEAD, piece

HI = [{"role": "user", "content": "hi"}]
USAGE = {"stream_options": {"include_usage": True}}
TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "How it is",
        "strict": True,
        "parameters": {
            "type": "object",
            "properties": {"city": {"anyOf": [{"type": "string"}, {"$ref": "#/$defs/c"}]}},
            "required": ["city"],
            "additionalProperties": False,
            "$defs": {"c": {"type": "string"}},
        },
    },
}
THOUGHTS = [
    {"type": "thinking", "thinking": 'Hmm "ü"', "signature": "c2ln"},
    {"type": "redacted_thinking", "data": "RW5j"},
    {"type": "thinking", "thinking": "", "signature": "b25seQ=="},
]
BROKEN = [name for name in names("messages") if is_broken("messages", name)]


def put_together(client, **options):
    """What the SDK's helper makes of a stream, however it ended."""
    with client.chat.completions.stream(**options) as events:
        try:
            return events.get_final_completion()
        except (openai.LengthFinishReasonError, openai.ContentFilterFinishReasonError) as told:
            return told.completion


@pytest.mark.parametrize("cut", ["frames", "bytes", "at once"])
@pytest.mark.parametrize("name", names("messages"))
def test_a_stream_on_the_wire(translate, a, name, cut):
    a.script = replay(transcript("messages", name), cut)
    got = ask(translate, chat("claude", stream=True, **USAGE))
    assert got.status == 200 and got.complete
    assert got.headers["content-type"] == "text/event-stream"
    assert got.headers["cache-control"] == "no-cache"
    assert got.headers["x-vsr-selected-model"] == "claude"
    assert got.headers["x-vsr-client-protocol"] == "openai"
    assert got.headers["x-vsr-upstream-protocol"] == "anthropic"
    assert timeless(got.body) == told("messages", name, "chat", "claude")
    events = chat_events(got.body)
    if name in BROKEN:
        assert "error" in events[-1]
        assert b"[DONE]" not in got.body and not [e for e in events[:-1] if e["choices"][0]["finish_reason"]]
        return
    assert events[-1] == "[DONE]" and events[-2]["usage"] and not events[-2]["choices"]
    assert [e["choices"][0]["finish_reason"] for e in events[:-2]].count(None) == len(events) - 3
    assert len({(e["id"], e["model"], e["created"]) for e in events[:-1]}) == 1


@pytest.mark.parametrize("name", names("messages"))
def test_the_sdk_reads_the_same_in_every_way(gpts, a, name):
    """The stream by hand, with the helper, and as a plain answer: what is put together is the same."""
    a.script = replay(transcript("messages", name))
    create = gpts.chat.completions.create
    if name in BROKEN:
        with pytest.raises(openai.APIError):
            list(create(model="claude", messages=HI, stream=True))
        with pytest.raises(openai.APIError), gpts.chat.completions.stream(model="claude", messages=HI) as events:
            events.get_final_completion()
        with pytest.raises(openai.APIStatusError) as error:
            create(model="claude", messages=HI)
        assert error.value.status_code >= 429
        return
    final = put_together(gpts, model="claude", messages=HI, **USAGE)
    plain = gpts.chat.completions.with_raw_response.create(model="claude", messages=HI)
    completion_of(plain.content)
    plain = plain.parse()
    assert (plain.id, plain.model, plain.usage) == (final.id, "claude", final.usage)
    one, other = plain.choices[0], final.choices[0]
    assert one.finish_reason == other.finish_reason
    assert (one.message.content or "") == (other.message.content or "")
    assert getattr(one.message, "reasoning_content", None) == getattr(other.message, "reasoning_content", None)
    details = lambda message: [{"text": ""} | part for part in getattr(message, "reasoning_details", [])]  # noqa: E731
    assert details(one.message) == details(other.message)
    calls = lambda message: [(c.id, c.function.name, c.function.arguments) for c in message.tool_calls or []]  # noqa: E731
    assert calls(one.message) == calls(other.message)


def test_usage_comes_only_where_it_is_asked_for(gpts, a):
    a.script = replay(transcript("messages", "cache-usage"))
    chunks = list(gpts.chat.completions.create(model="claude", messages=HI, stream=True))
    assert all(chunk.choices and chunk.usage is None for chunk in chunks)
    *_, last = gpts.chat.completions.create(model="claude", messages=HI, stream=True, **USAGE)
    assert last.usage.prompt_tokens == 2103 and last.usage.prompt_tokens_details.cached_tokens == 2000
    assert last.usage.total_tokens == 2115


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("end_turn", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("refusal", "content_filter"),
        ("pause_turn", "stop"),
        ("a_new_one", "stop"),
    ],
)
@pytest.mark.parametrize("streaming", [False, True])
def test_why_it_ended(gpts, a, reason, expected, streaming):
    a.script = messages_backend(message("so far", stop_reason=reason))
    how = put_together if streaming else lambda client, **options: client.chat.completions.create(**options)
    answered = how(gpts, model="claude", messages=HI)
    assert (answered.choices[0].message.content, answered.choices[0].finish_reason) == ("so far", expected)


def test_what_the_backend_gets(gpts, a):
    a.script = say(message("ok"))
    raw = gpts.chat.completions.with_raw_response.create(
        model="claude",
        messages=[
            {"role": "system", "content": "Be kind."},
            {"role": "developer", "content": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "x"}}]},
            {
                "role": "user",
                "content": [
                    text("Look."),
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk=", "detail": "low"}},
                    {"type": "image_url", "image_url": {"url": "https://localhost/x.jpg"}},
                    {"type": "file", "file": {"file_data": "data:application/pdf;base64,aGk=", "filename": "x.pdf"}},
                ],
            },
        ],
        tools=[TOOL],
        tool_choice="required",
        parallel_tool_calls=False,
        max_completion_tokens=99,
        temperature=1.7,
        stop=["END", " "],
        user="u-1",
        seed=7,
        frequency_penalty=0.5,
        extra_headers={"openai-organization": "org", "anthropic-beta": "b-1"},
    )
    dropped = "messages.image_url.detail, temperature, stop, frequency_penalty, seed"
    assert raw.headers["x-vsr-protocol-warnings"] == dropped
    got = a.last
    assert got.target == "/v1/messages"
    assert got.header("x-api-key") == UP_KEY and not got.all("authorization")
    assert got.header("anthropic-version") == "2023-06-01"
    assert not [name for name, _ in got.headers if name.lower().startswith("openai-")]
    schema = TOOL["function"]
    assert got.json() == {
        "model": "claude-sonnet-4-5",
        "max_tokens": 99,
        "system": [text("Be kind."), text("Be brief.") | {"cache_control": {"type": "x"}}],
        "messages": [
            {
                "role": "user",
                "content": [
                    text("Look."),
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}},
                    {"type": "image", "source": {"type": "url", "url": "https://localhost/x.jpg"}},
                    {
                        "type": "document",
                        "source": {"type": "base64", "media_type": "application/pdf", "data": "aGk="},
                        "title": "x.pdf",
                    },
                ],
            }
        ],
        "tools": [
            {
                "name": "weather",
                "description": "How it is",
                "input_schema": schema["parameters"],
                "strict": True,
            }
        ],
        "tool_choice": {"type": "any", "disable_parallel_tool_use": True},
        "temperature": 1,
        "stop_sequences": ["END"],
        "metadata": {"user_id": "u-1"},
    }


def test_whose_key_it_is(gpts, a):
    a.script = say(message("ok"))
    gpts.chat.completions.create(model="claude-open", messages=HI)
    assert a.last.header("x-api-key") == CLIENT_KEY and not a.last.all("authorization")
    gpts.chat.completions.create(model="claude", messages=HI)
    assert CLIENT_KEY.encode() not in a.last.head


@pytest.mark.parametrize("streaming", [False, True])
def test_parallel_tools(gpts, a, streaming):
    """Two calls at once, their results handed back as the SDK gives the message; the results are one turn."""
    calls = [tool_use("toolu_1", "weather", city="Oslo"), tool_use("toolu_2", "weather"), tool_use("toolu_3", "now")]
    a.script = in_turn(messages_backend(message("Let me see.", *calls, stop_reason="tool_use")), say(message("Cold.")))
    options = {"model": "claude", "messages": HI, "tools": [TOOL]}
    if streaming:
        choice = put_together(gpts, **options).choices[0]
    else:
        choice = gpts.chat.completions.create(**options).choices[0]
    assert choice.finish_reason == "tool_calls" and choice.message.content == "Let me see."
    assert [(c.id, c.function.name, json.loads(c.function.arguments)) for c in choice.message.tool_calls] == [
        ("toolu_1", "weather", {"city": "Oslo"}),
        ("toolu_2", "weather", {}),
        ("toolu_3", "now", {}),
    ]
    results = [
        {"role": "tool", "tool_call_id": c.id, "content": f"result of {c.id}"} for c in choice.message.tool_calls
    ]
    second = [*HI, choice.message, *results, {"role": "user", "content": "Well?"}]
    assert gpts.chat.completions.create(model="claude", messages=second).choices[0].message.content == "Cold."
    assert a.last.json()["messages"] == [
        {"role": "user", "content": [text("hi")]},
        {"role": "assistant", "content": [text("Let me see."), *calls]},
        {
            "role": "user",
            "content": [
                *(
                    {"type": "tool_result", "tool_use_id": f"toolu_{n}", "content": f"result of toolu_{n}"}
                    for n in (1, 2, 3)
                ),
                text("Well?"),
            ],
        },
    ]


@pytest.mark.parametrize("streaming", [False, True])
def test_thinking_survives_the_way_through_a_client(gpts, a, streaming):
    """What is signed and what is redacted comes back to the backend as it was, so that a loop of tools goes on."""
    call = tool_use("toolu_1", "weather", city="Oslo")
    first = message(*THOUGHTS, "Let me see.", call, stop_reason="tool_use")
    a.script = in_turn(messages_backend(first), say(message("Cold.")))
    options = {"model": "claude", "messages": HI, "tools": [TOOL], "reasoning_effort": "medium", "max_tokens": 20000}
    if streaming:
        said = put_together(gpts, **options).choices[0].message
    else:
        said = gpts.chat.completions.create(**options).choices[0].message
    assert a.last.json()["thinking"] == {"type": "enabled", "budget_tokens": 8192}
    assert said.reasoning_content == 'Hmm "ü"'
    result = {"role": "tool", "tool_call_id": "toolu_1", "content": "-3"}
    gpts.chat.completions.create(**options | {"messages": [*HI, said, result]})
    assert a.last.json()["messages"][1]["content"] == [*THOUGHTS, text("Let me see."), call]
    assert a.last.json()["thinking"] == {"type": "enabled", "budget_tokens": 8192}


def test_how_hard_to_think(gpts, a):
    a.script = say(message("ok"))
    raw = gpts.chat.completions.with_raw_response
    raw.create(model="claude-effort", messages=HI, reasoning_effort="high")
    assert a.last.json()["output_config"] == {"effort": "high"} and "thinking" not in a.last.json()
    got = raw.create(model="claude", messages=HI, reasoning_effort="high", max_tokens=1024)
    assert got.headers["x-vsr-protocol-warnings"] == "reasoning_effort" and "thinking" not in a.last.json()
    schema = {"type": "object", "properties": {"x": {"type": "integer"}}}
    form = {"type": "json_schema", "json_schema": {"name": "n", "strict": True, "schema": schema}}
    raw.create(model="claude", messages=HI, response_format=form)
    assert a.last.json()["output_config"] == {"format": {"type": "json_schema", "schema": schema}}


def test_events_leave_when_they_come(translate, a):
    """The backend sends an event only when the client has what the one before it says."""
    frames = transcript("messages", "text").split(b"\n\n")[:-1]
    texts = [json.loads(f.split(b"data: ")[1])["delta"]["text"] for f in frames if b"text_delta" in f]
    got = threading.Semaphore(0)

    def script(connection, _):
        connection.send(STREAM_HEAD)
        for frame in frames:
            connection.send(piece(frame + b"\n\n"))
            if b"text_delta" in frame or b"message_start" in frame:
                assert got.acquire(timeout=0.9), "an event was held back"
        connection.send(END)

    a.script = script
    with Raw(translate) as raw:
        raw.send(request(chat("claude", stream=True)))
        raw.until(b'"role":"assistant"')
        got.release()
        for said in texts:
            raw.until(json.dumps({"content": said}, ensure_ascii=False, separators=(",", ":")).encode())
            got.release()
        raw.until(b"[DONE]\n\n")


@pytest.mark.parametrize("streaming", [False, True])
def test_a_client_that_leaves(translate, a, streaming):
    noticed, reached = threading.Event(), threading.Event()

    def script(connection, _):
        head = STREAM_HEAD if streaming else b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n"
        connection.send(head, *map(piece, transcript("messages", "text").split(b"\n\n")[:1] if streaming else []))
        reached.set()
        if connection.wait_closed(0.9):
            noticed.set()

    a.script = script
    with Raw(translate) as raw:
        raw.send(request(chat("claude", stream=streaming)))
        assert reached.wait(2)
    assert noticed.wait(1)


class TestNode:
    """The official Node SDK."""

    @pytest.fixture
    def case(self, node, translate):
        def case(name: str) -> None:
            script = Path(__file__).parent / "node" / "translate.mjs"
            env = {"BASE_URL": f"{translate.url}/v1", "NODE_HOME": str(HOME / "node")}
            ended = subprocess.run(
                [node, script, name], env=env, capture_output=True, text=True, timeout=20, check=False
            )
            assert ended.returncode == 0, ended.stderr

        return case

    def test_answers(self, case, a):
        a.script = messages_backend(message("one ", "two"))
        case("answers")

    def test_tools_and_thinking(self, case, a):
        calls = [tool_use("toolu_1", "weather", city="Oslo"), tool_use("toolu_2", "now")]
        first = messages_backend(message(*THOUGHTS, "Let me see.", *calls, stop_reason="tool_use"))
        a.script = lambda c, r: (first if len(r.json()["messages"]) == 1 else say(message("Cold.")))(c, r)
        case("tools")
        seconds = [r.json()["messages"][1]["content"] for r in a.requests if len(r.json()["messages"]) > 1]
        assert seconds == [[*THOUGHTS, text("Let me see."), *calls]] * 2

    @pytest.mark.parametrize("name", BROKEN)
    def test_broken_streams(self, case, a, name):
        a.script = replay(transcript("messages", name))
        case("broken")


class TestKatan:
    """The same before a peer that somebody else wrote."""

    def test_answers(self, katan_translate):
        with sdk(katan_translate) as client:
            plain = client.chat.completions.with_raw_response.create(model="katan-claude", messages=HI)
            assert completion_of(plain.content)["choices"][0]["message"]["content"]
            with client.chat.completions.stream(model="katan-claude", messages=HI, **USAGE) as events:
                final = events.get_final_completion()
            assert final.choices[0].message.content and final.usage.total_tokens > 2
        got = ask(katan_translate, chat("katan-claude", stream=True))
        assert chat_events(got.body)[-1] == "[DONE]"

    @pytest.mark.parametrize("streaming", [False, True])
    def test_tools(self, katan_translate, streaming):
        with sdk(katan_translate) as client:
            options = {"model": "katan-claude", "messages": HI, "tools": [TOOL]}
            if streaming:
                with client.chat.completions.stream(**options) as events:
                    choice = events.get_final_completion().choices[0]
            else:
                choice = client.chat.completions.create(**options).choices[0]
        assert choice.finish_reason == "tool_calls"
        assert json.loads(choice.message.tool_calls[0].function.arguments).keys() == {"city"}
