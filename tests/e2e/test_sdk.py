"""The official Python SDK against the router: what its users do every day, and how errors reach them."""

import asyncio

import openai
import pytest
from conftest import CLIENT_KEY, sdk
from raw import chat
from upstream import answer, completion, frames, stream

HI = [{"role": "user", "content": "hi"}]


def test_plain_answers_come_through_whole(client, a):
    a.script = lambda connection, _: connection.send(answer(completion("héllo \u2603")))
    answered = client.chat.completions.create(model="alpha", messages=HI)
    assert answered.choices[0].message.content == "héllo \u2603"
    assert answered.model == "upstream-model"
    assert answered.usage.total_tokens == 2


def test_streamed_answers_come_through_whole(client, a):
    a.script = stream("one ", "two ", "three")
    with client.chat.completions.create(model="alpha", messages=HI, stream=True) as chunks:
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "one two three"


def test_the_stream_helper(client, a):
    a.script = stream("one ", "two")
    with client.chat.completions.stream(model="alpha", messages=HI) as events:
        kinds = [event.type for event in events]
        final = events.get_final_completion()
    assert kinds[0] == "chunk" and "content.done" in kinds
    assert final.choices[0].message.content == "one two"


def test_the_async_client(router, a):
    a.script = lambda connection, request: (
        stream("x", "y")(connection, request) if request.json().get("stream") else connection.send(answer(completion()))
    )

    async def talk():
        async with sdk(router, openai.AsyncOpenAI) as client:
            plain = [client.chat.completions.create(model="alpha", messages=HI) for _ in range(8)]
            texts = [answered.choices[0].message.content for answered in await asyncio.gather(*plain)]
            chunks = await client.chat.completions.create(model="alpha", messages=HI, stream=True)
            streamed = "".join([chunk.choices[0].delta.content or "" async for chunk in chunks])
            async with client.chat.completions.stream(model="alpha", messages=HI) as events:
                final = await events.get_final_completion()
            return texts, streamed, final.choices[0].message.content

    assert asyncio.run(talk()) == (["hello"] * 8, "xy", "xy")


@pytest.mark.parametrize("name", ["auto", "MoM", "vllm-sr/auto"])
@pytest.mark.parametrize("streaming", [False, True])
def test_virtual_names(client, a, b, name, streaming):
    b.script = stream("beta") if streaming else (lambda c, _: c.send(answer(completion("beta"))))
    messages = [{"role": "user", "content": "This is URGENT."}]
    raw = client.chat.completions.with_raw_response.create(model=name, messages=messages, stream=streaming)
    parsed = raw.parse()
    if streaming:
        assert "".join(chunk.choices[0].delta.content or "" for chunk in parsed) == "beta"
    else:
        assert parsed.choices[0].message.content == "beta"
    assert raw.headers["x-vsr-selected-model"] == "beta"
    assert raw.headers["x-vsr-selected-decision"] == "urgent"
    assert raw.headers["x-vsr-selected-algorithm"] == "static"
    assert b.last.json()["model"] == "beta"
    assert not a.requests


@pytest.mark.parametrize(
    ("text", "model", "decision"),
    [
        ("nothing special", "alpha", None),
        ("do it right now", "beta", "urgent"),
        ("urgent, but no hurry", "alpha", None),
        ("insurgents", "alpha", None),
        ("word " * 4000, "keyed", "long"),
        ("urgent " + "word " * 4000, "beta", "urgent"),
        ("please say it like an echo", "echo", "parrot"),
    ],
)
def test_decisions(client, a, b, text, model, decision):
    messages = [{"role": "system", "content": "urgent"}, {"role": "user", "content": text}]
    raw = client.chat.completions.with_raw_response.create(model="auto", messages=messages)
    assert raw.headers["x-vsr-selected-model"] == model
    assert raw.headers.get("x-vsr-selected-decision") == decision


def test_headers_explain_a_decision_only_when_asked(client, a, b):
    ask = client.chat.completions.with_raw_response.create
    messages = [{"role": "user", "content": "urgent: please echo " + "word " * 4000}]
    quiet = ask(model="auto", messages=messages).headers
    loud = ask(model="auto", messages=messages, extra_headers={"x-vsr-debug": "true"}).headers
    assert {name for name in loud if name not in quiet} == {
        "x-vsr-matched-keywords",
        "x-vsr-matched-context",
        "x-vsr-context-token-count",
    }
    assert loud["x-vsr-matched-keywords"] == "urgent,tool"
    assert loud["x-vsr-matched-context"] == "long"
    assert int(loud["x-vsr-context-token-count"]) > 1000
    assert float(loud["x-vsr-selected-confidence"]) == 1.0
    named = ask(model="alpha", messages=messages).headers
    assert named["x-vsr-selected-model"] == "alpha"
    assert "x-vsr-selected-decision" not in named


def test_models(client):
    names = [model.id for model in client.models.list()]
    assert names[:3] == ["vllm-sr/auto", "auto", "MoM"]
    assert "alpha" in names and "katan" in names
    assert client.models.retrieve("alpha").id == "alpha"
    assert client.models.retrieve("vllm-sr/auto").id == "vllm-sr/auto"
    with pytest.raises(openai.NotFoundError) as error:
        client.models.retrieve("nope")
    assert error.value.code == "model_not_found"


@pytest.mark.parametrize(
    ("name", "nearest"), [("alhpa", "alpha"), ("Alpha", "alpha"), ("katan-azure-v2", "katan-azure-v1")]
)
def test_an_unknown_model_is_told_the_nearest(client, a, name, nearest):
    with pytest.raises(openai.NotFoundError) as error:
        client.chat.completions.create(model=name, messages=HI)
    assert error.value.code == "model_not_found"
    assert error.value.param == "model"
    assert error.value.type == "invalid_request_error"
    assert f"`{nearest}`" in error.value.message
    assert not a.requests


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, openai.BadRequestError),
        (401, openai.AuthenticationError),
        (403, openai.PermissionDeniedError),
        (404, openai.NotFoundError),
        (409, openai.ConflictError),
        (422, openai.UnprocessableEntityError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
        (503, openai.InternalServerError),
    ],
)
@pytest.mark.parametrize("streaming", [False, True])
def test_the_backends_errors_are_the_clients(client, a, status, kind, streaming):
    body = {"error": {"message": "what it said", "type": "its_type", "param": "p", "code": "its_code"}}
    a.script = lambda c, _: c.send(answer(body, status, {"retry-after": "7", "x-ratelimit-remaining-tokens": "0"}))
    with pytest.raises(kind) as error:
        client.chat.completions.create(model="alpha", messages=HI, stream=streaming)
    assert error.value.status_code == status
    assert (error.value.code, error.value.type, error.value.param) == ("its_code", "its_type", "p")
    assert error.value.response.headers["retry-after"] == "7"
    assert error.value.response.headers["x-ratelimit-remaining-tokens"] == "0"
    assert error.value.response.headers["x-vsr-selected-model"] == "alpha"


def test_the_sdks_own_retries_work(router, a):
    replies = [
        answer(b"{}", 429, {"retry-after-ms": "1"}),
        answer(b"{}", 500, {"retry-after-ms": "1"}),
        answer(completion()),
    ]
    a.script = lambda connection, _: connection.send(replies[len(a.requests) - 1])
    with sdk(router, max_retries=2) as client:
        assert client.chat.completions.create(model="alpha", messages=HI).choices[0].message.content == "hello"
    assert [request.header("x-stainless-retry-count") for request in a.requests] == ["0", "1", "2"]


def test_bad_requests(client, a):
    def refused(**body):
        with pytest.raises(openai.BadRequestError) as error:
            client.post("/chat/completions", body=body, cast_to=object)
        assert error.value.type == "invalid_request_error"
        return error.value.param, error.value.message

    assert refused(messages=HI)[0] == "model"
    assert refused(model=7, messages=HI) == ("model", refused(model=7, messages=HI)[1])
    assert "must be a string, got a number" in refused(model=7, messages=HI)[1]
    assert refused(model=None, messages=HI)[0] == "model"
    assert refused(model="alpha")[0] == "messages"
    assert refused(model="alpha", messages="hi")[0] == "messages"
    assert refused(model="alpha", messages=HI, stream="yes")[0] == "stream"
    assert refused(model="auto", messages=[1])[0] == "messages"
    assert not a.requests


def test_listener_keys(guarded, a):
    create = lambda key: sdk(guarded, api_key=key).chat.completions.create(model="gamma", messages=HI)  # noqa: E731
    assert create("first-key").choices
    assert create("second-key").choices
    assert all(not request.all("authorization") for request in a.requests), "a listener's key is no backend's"
    for key in ["nobodys", "first-ke", "first-key2", CLIENT_KEY]:
        with pytest.raises(openai.AuthenticationError) as error:
            create(key)
        assert error.value.code == "invalid_api_key"
        assert key not in str(error.value)
    with pytest.raises(openai.AuthenticationError):
        sdk(guarded, api_key="nobodys").models.list()
    assert len(a.requests) == 2


def test_nothing_to_choose(guarded):
    with pytest.raises(openai.BadRequestError) as error:
        sdk(guarded, api_key="first-key").chat.completions.create(model="router", messages=HI)
    assert error.value.param == "model"


def test_wrong_paths_and_methods(router):
    with sdk(router) as client:
        with pytest.raises(openai.NotFoundError) as error:
            client.embeddings.create(model="alpha", input="hi")
        assert error.value.code == "endpoint_not_found"
        with pytest.raises(openai.APIStatusError) as error:
            client.get("/chat/completions", cast_to=object)
        assert error.value.status_code == 405
        assert error.value.response.headers["allow"] == "POST"


class TestKatan:
    """The same against a peer that somebody else wrote."""

    @pytest.mark.parametrize("model", ["katan", "katan-azure", "katan-azure-v1", "katan-vertex"])
    def test_plain_and_streaming(self, katan_router, model):
        with sdk(katan_router) as client:
            plain = client.chat.completions.create(model=model, messages=HI)
            assert plain.choices[0].message.content
            chunks = client.chat.completions.create(model=model, messages=HI, stream=True)
            text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
            assert text
            with client.chat.completions.stream(model=model, messages=HI) as events:
                assert events.get_final_completion().choices[0].message.content

    def test_tools(self, katan_router):
        tool = {
            "type": "function",
            "function": {"name": "f", "parameters": {"type": "object", "properties": {"x": {"type": "string"}}}},
        }
        with sdk(katan_router) as client:
            answered = client.chat.completions.create(model="katan", messages=HI, tools=[tool])
        assert answered.choices[0].message.tool_calls[0].function.name == "f"

    def test_a_wrong_key_for_the_backend(self, katan_router):
        with sdk(katan_router) as client, pytest.raises(openai.AuthenticationError):
            client.chat.completions.create(model="katan-wrong-key", messages=HI)

    def test_failover(self, katan_router):
        with sdk(katan_router) as client:
            for _ in range(20):
                assert client.chat.completions.create(model="katan-failover", messages=HI).choices

    def test_errors(self, katan_router):
        with sdk(katan_router) as client, pytest.raises(openai.InternalServerError) as error:
            client.chat.completions.create(model="katan-broken", messages=HI)
        assert "x-vsr-selected-model" in error.value.response.headers
        with sdk(katan_router) as client, pytest.raises(openai.BadRequestError):
            client.post("/chat/completions", body=chat("katan") | {"messages": []}, cast_to=object)


def test_frames_end_with_done(client, a):
    """The SDK drops `[DONE]`; that it came is seen in what it was given."""
    a.script = stream("x")
    with client.chat.completions.with_streaming_response.create(model="alpha", messages=HI, stream=True) as response:
        assert response.read() == b"".join(frames("x"))
        assert response.headers["content-type"] == "text/event-stream"
        assert response.headers["cache-control"] == "no-cache"
