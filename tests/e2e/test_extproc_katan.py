"""llm-katan behind Envoy, in both of its protocols: words, and conversations that the router keeps for it.

It answers with how many messages it was sent, and counts their words as tokens: what became of a conversation stands in
its answers.
"""

import json
import subprocess
from pathlib import Path

import anthropic
import httpx
import openai
import pytest
from conftest import sdk
from responses import create, error_of, events_of, response_of, stream
from router import HOME

MODELS = ["katan", "katan-claude"]
WEATHER = {
    "type": "function",
    "name": "weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    "strict": False,
}


@pytest.fixture(params=MODELS)
def model(request):
    """The same server, spoken to in Chat and in Anthropic's Messages."""
    return request.param


def sent(text: str) -> int:
    """How many messages it was sent."""
    return int(text.split("messages=")[1].split()[0])


def test_chat(envoy, model):
    said = {"model": model, "messages": [{"role": "user", "content": "echo this"}]}
    with sdk(envoy) as client:
        whole = client.chat.completions.create(**said)
        assert whole.choices[0].message.content.endswith("User: echo this")
        assert whole.usage.prompt_tokens == 2
        with client.chat.completions.stream(**said, stream_options={"include_usage": True}) as events:
            final = events.get_final_completion()
        assert final.choices[0].message.content.endswith("User: echo this")
        assert final.choices[0].finish_reason == "stop" and final.usage.prompt_tokens == 2


def test_messages(envoy, model):
    said = {"model": model, "max_tokens": 64, "messages": [{"role": "user", "content": "echo this"}]}
    with sdk(envoy, anthropic.Anthropic, base_url=envoy.url) as client:
        whole = client.messages.create(**said)
        assert whole.content[0].text.endswith("User: echo this") and whole.usage.input_tokens == 2
        with client.messages.stream(**said) as events:
            final = events.get_final_message()
        assert final.content[0].text.endswith("User: echo this") and final.stop_reason == "end_turn"


def test_a_conversation(envoy, service, model):
    """Plain, streamed, and gone on from; then read, read again as a stream, and deleted."""
    with sdk(envoy) as client:
        ask = client.responses.create
        first = ask(model=model, input="one two", instructions="Be kind.")
        assert first.status == "completed" and first.output_text.endswith("User: one two")
        assert (sent(first.output_text), first.usage.input_tokens) == (2, 4)
        # Instructions are not inherited. What it said itself it is told again, to the word.
        with client.responses.stream(model=model, input="three", previous_response_id=first.id) as events:
            deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
            second = events.get_final_response()
        assert len(deltas) > 10 and "".join(deltas) == second.output_text
        assert second.output_text.endswith("User: three") and second.previous_response_id == first.id
        assert (sent(second.output_text), second.usage.input_tokens) == (3, 2 + first.usage.output_tokens + 1)
        third = ask(model=model, input=[{"role": "user", "content": "four"}], previous_response_id=second.id)
        words = second.usage.input_tokens + second.usage.output_tokens + 1
        assert (sent(third.output_text), third.usage.input_tokens) == (5, words)
        # From the middle, and nothing of it stored.
        aside = ask(model=model, input="five", previous_response_id=first.id, store=False)
        assert sent(aside.output_text) == 3
        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve(aside.id)
        # Both faces tell the same of it.
        stored = client.responses.retrieve(third.id)
        assert stored.output_text == third.output_text and stored.usage == third.usage
        url, alone = f"{envoy.url}/v1/responses/{third.id}", f"{service.url}/v1/responses/{third.id}"
        assert httpx.get(url).content == httpx.get(alone).content
        *_, last = client.responses.retrieve(third.id, stream=True)
        assert last.type == "response.completed" and last.response.output_text == third.output_text
        items = client.responses.input_items.list(third.id)
        assert [item.content[0].text for item in items] == ["four"]
        client.responses.delete(third.id)
        for gone in (client.responses.retrieve, client.responses.delete, client.responses.input_items.list):
            with pytest.raises(openai.NotFoundError):
                gone(third.id)
        with pytest.raises(openai.BadRequestError) as error:
            ask(model=model, input="six", previous_response_id=third.id)
        assert error.value.code == "previous_response_not_found"
        # What was before it is there.
        assert sent(ask(model=model, input="six", previous_response_id=second.id).output_text) == 5


def test_every_object_and_event(envoy, model):
    """Strictly those of the SDK, not only what it lets pass."""
    plain = create(envoy, model=model, input="one", metadata={"k": "v"})
    events = stream(envoy, model=model, input="two", previous_response_id=plain["id"])
    last = events[-1]["response"]
    assert events[-1]["type"] == "response.completed" and last["previous_response_id"] == plain["id"]
    url = f"{envoy.url}/v1/responses/{last['id']}"
    assert response_of(httpx.get(url).content) == last
    assert events_of(httpx.get(url, params={"stream": "true"}).content)[-1]["response"] == last
    assert httpx.delete(url).json() == {"id": last["id"], "object": "response", "deleted": True}
    error_of(httpx.get(url), 404)


@pytest.mark.parametrize("streamed", [False, True])
def test_tools(envoy, model, streamed):
    with sdk(envoy) as client:
        body = {"model": model, "input": "How is it in Bonn?", "tools": [WEATHER]}
        if streamed:
            with client.responses.stream(**body) as events:
                first = events.get_final_response()
        else:
            first = client.responses.create(**body)
        call = first.output[-1]
        assert (call.type, call.name) == ("function_call", "weather") and "city" in json.loads(call.arguments)
        result = {"type": "function_call_output", "call_id": call.call_id, "output": "Rain."}
        then = client.responses.create(model=model, input=[result], previous_response_id=first.id)
        assert sent(then.output_text) == 3


def test_errors(envoy):
    """What it refuses reaches the client, and leaves nothing behind that could be gone on from."""
    with sdk(envoy) as client:
        first = client.responses.create(model="katan", input="one")
        for more in ({}, {"stream": True}, {"previous_response_id": first.id}):
            with pytest.raises(openai.AuthenticationError) as error:
                client.responses.create(model="katan-wrong-key", input="x", **more)
            assert error.value.status_code == 401


@pytest.mark.parametrize("version", ["openai", "openai7"])
def test_node(node, envoy, model, version):
    script = Path(__file__).parent / "node" / "responses.mjs"
    env = {"BASE_URL": f"{envoy.url}/v1", "NODE_HOME": str(HOME / "node"), "SDK": version, "MODEL": model}
    command = [node, script, "conversation"]
    ended = subprocess.run(command, env=env, capture_output=True, text=True, timeout=20, check=False)
    assert ended.returncode == 0, ended.stderr
