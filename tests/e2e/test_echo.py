"""The default router, as a newcomer meets it: no key, no network, nothing set."""

import json
import subprocess
import time

import pytest
from conftest import sdk
from raw import ask, chat

HI = [{"role": "user", "content": "Hello, router!"}]


@pytest.fixture(scope="module")
def echo(start):
    router = start("default")
    yield router
    router.check()


def test_curl(echo):
    body = '{"model": "auto", "messages": [{"role": "user", "content": "Hello"}]}'
    command = [
        "curl",
        "-sS",
        "-i",
        f"{echo.url}/v1/chat/completions",
        "-H",
        "Content-Type: application/json",
        "-d",
        body,
    ]
    head, _, body = subprocess.run(command, capture_output=True, check=True, text=True).stdout.partition("\n\n")
    assert head.startswith("HTTP/1.1 200") and "x-vsr-selected-model: echo-small" in head
    assert json.loads(body)["choices"][0]["message"]["content"] == "This is echo-small. You said: Hello"


def test_the_sdk_without_a_key(echo):
    with sdk(echo, api_key="none") as client:
        answered = client.chat.completions.create(model="auto", messages=HI)
        assert answered.choices[0].message.content == "This is echo-small. You said: Hello, router!"
        assert answered.model == "echo-small" and answered.object == "chat.completion"
        assert answered.choices[0].finish_reason == "stop"
        usage = answered.usage
        assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens > 0


@pytest.mark.parametrize(
    ("text", "model", "decision"),
    [
        ("Hello", "echo-small", "everything_else"),
        ("Debug this function step by step", "echo-large", "hard_code"),
        ("Debug this", "echo-small", "everything_else"),
    ],
)
def test_decisions(echo, text, model, decision):
    response = ask(echo, chat("MoM", text))
    assert response.headers["x-vsr-selected-model"] == model
    assert response.headers["x-vsr-selected-decision"] == decision


def test_streams(echo):
    with sdk(echo) as client:
        chunks = list(client.chat.completions.create(model="echo-small", messages=HI, stream=True))
        assert chunks[0].choices[0].delta.role == "assistant"
        assert [chunk.choices[0].finish_reason for chunk in chunks][-2:] == [None, "stop"]
        assert (
            "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
            == "This is echo-small. You said: Hello, router!"
        )
        assert len({chunk.id for chunk in chunks}) == 1
        assert all(chunk.usage is None for chunk in chunks)
        options = {"include_usage": True}
        chunks = list(
            client.chat.completions.create(model="echo-small", messages=HI, stream=True, stream_options=options)
        )
        assert chunks[-1].choices == [] and chunks[-1].usage.total_tokens > 0
        with client.chat.completions.stream(model="echo-small", messages=HI) as events:
            assert events.get_final_completion().choices[0].message.content.endswith("Hello, router!")


def test_tokens_take_their_time(echo):
    """20 ms a token."""
    with sdk(echo) as client:
        started = time.monotonic()
        arrived = [
            time.monotonic() - started
            for _ in client.chat.completions.create(model="echo-large", messages=HI, stream=True)
        ]
    assert len(arrived) >= 8
    assert arrived[0] < 0.15
    assert arrived[-1] - arrived[0] > 0.02 * (len(arrived) - 2)
    started = time.monotonic()
    ask(echo, chat("echo-large", "one two"))
    assert 0.1 < time.monotonic() - started < 0.6


def test_odd_requests(echo):
    """The echo judges like a backend."""
    for body in [
        b'{"model":"echo-small","messages":[]}',
        b'{"model":"echo-small","messages":[{"role":"user","content":[{"type":"text","text":"a"},{"type":"image_url"}]}]}',
        b'{"model":"echo-small","messages":[{"role":"user","content":"\\"quoted\\" \\u0001 \\ud83e\\udd80"}],"stream":null,"stream_options":null}',
    ]:
        response = ask(echo, body)
        assert response.status == 200 and response.json()["choices"]
    response = ask(echo, b'{"model":"echo-small","messages":[1]}')
    assert (response.status, response.json()["error"]["param"]) == (400, "messages")


def test_models(echo):
    with sdk(echo) as client:
        assert [model.id for model in client.models.list()] == ["vllm-sr/auto", "auto", "MoM"]
        assert client.models.retrieve("echo-large").id == "echo-large"
