"""Traffic of agents across protocols: coding agents over Messages, the OpenAI Agents SDK over Chat, and decisions."""

import asyncio
import base64
import json
import random
import re

import agents
import anthropic
import openai
import pytest
from agents.models.openai_chatcompletions import OpenAIChatCompletionsModel
from conftest import sdk
from openai.types.shared import Reasoning
from protocols import chat_events, message, message_events, message_of, messages_backend, say, text, tool_use
from raw import ask, chat
from upstream import END, STREAM_HEAD, answer, chunk, completion, piece, stream

PATH = "/v1/messages?beta=true"
CACHE = {"cache_control": {"type": "ephemeral"}}


def coding_agent(model: str, rounds: int, **more) -> dict:
    """A request as coding agents send it: blocks of system prompts, many tools, a long loop of them."""
    tools = [
        {
            "name": name,
            "description": f"{name} " * 200,
            "input_schema": {
                "$schema": "http://json-schema.org/draft-07/schema#",
                "type": "object",
                "properties": {"path": {"type": "string"}, "limit": {"type": "number", "exclusiveMinimum": 0}},
                "required": ["path"],
                "additionalProperties": False,
            },
        }
        for name in ["read", "write", "grep", *(f"mcp__server__tool_{n}" for n in range(17))]
    ]
    messages = [{"role": "user", "content": [text("<reminder>x</reminder>"), text("Mend it.")]}]
    for n in range(rounds):
        calls = [tool_use(f"toolu_{n}_{k}", "read", path=f"/{n}/{k}") for k in range(n % 3 + 1)]
        thought = {"type": "thinking", "thinking": f"step {n}", "signature": f"sig{n}"}
        messages.append({"role": "assistant", "content": [thought, text("I read."), *calls]})
        results = [
            {"type": "tool_result", "tool_use_id": call["id"], "content": [text("line\n" * 50)], "is_error": n == 5}
            for call in calls
        ]
        messages.append({"role": "user", "content": results})
    messages[-1]["content"][-1] |= CACHE
    return {
        "model": model,
        "max_tokens": 32000,
        "system": [text("You are an agent."), text("Rules. " * 2000) | CACHE, text("Where: /home") | CACHE],
        "messages": messages,
        "tools": [*tools[:-1], tools[-1] | CACHE],
        "metadata": {"user_id": "user_1_account__session_2"},
        "thinking": {"type": "enabled", "budget_tokens": 31999},
        "stream": True,
        **more,
    }


def tool_call_stream(connection, _) -> None:
    """A backend that thinks, and calls two tools in pieces."""
    part = lambda index, **call: chunk({"tool_calls": [{"index": index, **call}]})  # noqa: E731
    begun = lambda index, name: part(  # noqa: E731
        index, id=f"call_{index}", type="function", function={"name": name, "arguments": ""}
    )
    frames = [
        chunk({"role": "assistant", "content": None}),
        chunk({"reasoning_content": "hm"}),
        chunk({"content": "Let me."}),
        begun(0, "read"),
        part(0, function={"arguments": '{"path"'}),
        part(0, function={"arguments": ': "/x"}'}),
        begun(1, "grep"),
        part(1, function={"arguments": "{}"}),
        chunk({}, "tool_calls"),
        b"data: [DONE]\n\n",
    ]
    connection.send(STREAM_HEAD, *map(piece, frames), END)


class TestCodingAgents:
    def test_before_a_chat_backend(self, translate, b):
        b.script = tool_call_stream
        got = ask(translate, coding_agent("gpt-effort", 60), {"anthropic-beta": "x-1,y-2"}, path=PATH)
        assert got.status == 200
        events = message_events(got.body)
        starts = [e["content_block"] for e in events if e["type"] == "content_block_start"]
        assert [block["type"] for block in starts] == ["thinking", "text", "tool_use", "tool_use"]
        assert events[-2]["delta"]["stop_reason"] == "tool_use"
        sent = b.last.json()
        assert sent["reasoning_effort"] == "high" and sent["max_completion_tokens"] == 32000
        assert sent["user"] == "user_1_account__session_2" and len(sent["tools"]) == 20
        assert sent["tools"][0]["function"]["parameters"]["properties"]["limit"] == {
            "type": "number",
            "exclusiveMinimum": 0,
        }
        roles = [m["role"] for m in sent["messages"]]
        assert roles[:3] == ["system", "user", "assistant"] and roles.count("tool") == 120
        # Every call is answered, and every answer follows its call.
        open_calls = []
        for turn in sent["messages"]:
            open_calls += [call["id"] for call in turn.get("tool_calls", [])]
            if turn["role"] == "tool":
                assert turn["tool_call_id"] == open_calls.pop(0)
        assert not open_calls
        assert "cache_control" not in b.last.body.decode() and got.headers["x-vsr-protocol-warnings"] == "cache_control"

    def test_before_its_own_backend(self, translate, a):
        """Nothing is changed but the name: caches of prompts go by the bytes."""
        a.script = messages_backend(message("ok"))
        sent = json.dumps(coding_agent("claude", 60), separators=(",", ":")).encode()
        got = ask(translate, sent, {"anthropic-beta": "x-1,y-2"}, path=PATH)
        assert message_events(got.body)[-1]["type"] == "message_stop"
        assert a.last.body == sent.replace(b'"model":"claude"', b'"model":"claude-sonnet-4-5"')
        assert a.last.header("anthropic-beta") == "x-1,y-2"

    def test_its_tokens_are_counted(self, translate):
        body = coding_agent("gpt", 60)
        del body["max_tokens"], body["stream"]
        got = ask(translate, body, path="/v1/messages/count_tokens?beta=true")
        assert got.json()["input_tokens"] > 10_000


@agents.function_tool
def weather(city: str) -> str:
    """How it is there."""
    return f"cold in {city}"


THOUGHT = {"type": "thinking", "thinking": "Which city?", "signature": "c2ln"}
REDACTED = {"type": "redacted_thinking", "data": "RW5j"}


def weather_model(connection, request) -> None:
    """A model that asks for the weather of two cities, once more, and answers. Thinking, it wants its thoughts back."""
    turns = request.json()["messages"]
    said = [turn for turn in turns if turn["role"] == "assistant"]
    if request.json().get("thinking"):
        for turn in said:
            assert turn["content"][:2] == [THOUGHT, REDACTED], turn
    if said:
        results = turns[-1]["content"]
        assert turns[-1]["role"] == "user" and results[0]["type"] == "tool_result", turns[-1]
        calls = [block["id"] for block in said[-1]["content"] if block["type"] == "tool_use"]
        assert [block["tool_use_id"] for block in results] == calls
    whole = {
        0: message(
            *(THOUGHT, REDACTED, "Looking."),
            *(tool_use("toolu_1", "weather", city="Oslo"), tool_use("toolu_2", "weather", city="Bergen")),
            stop_reason="tool_use",
        ),
        1: message(THOUGHT, REDACTED, tool_use("toolu_3", "weather", city="Narvik"), stop_reason="tool_use"),
        2: message("Cold everywhere."),
    }[len(said)]
    messages_backend(whole)(connection, request)


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("effort", [None, "low"])
def test_the_agents_sdk(translate, a, streaming, effort):
    """Its own loop of tools, three turns, before a backend of Anthropic's that checks what it is told."""
    a.script = weather_model
    agents.set_tracing_disabled(True)

    async def talk() -> tuple[str, int, int]:
        async with sdk(translate, openai.AsyncOpenAI) as client:
            settings = agents.ModelSettings(
                include_usage=True, max_tokens=9000, reasoning=Reasoning(effort=effort) if effort else None
            )
            model = OpenAIChatCompletionsModel("claude", client)
            agent = agents.Agent("x", instructions="Be kind.", model=model, tools=[weather], model_settings=settings)
            if streaming:
                result = agents.Runner.run_streamed(agent, "How is it?")
                async for _ in result.stream_events():
                    pass
            else:
                result = await agents.Runner.run(agent, "How is it?")
            usage = result.context_wrapper.usage
            return result.final_output, usage.requests, usage.total_tokens

    assert asyncio.run(talk()) == ("Cold everywhere.", 3, 45)
    assert len(a.requests) == 3
    results = [block["content"] for block in a.requests[1].json()["messages"][-1]["content"]]
    assert results == ["cold in Oslo", "cold in Bergen"]
    # Its Chat model hands no thinking back, and Anthropic's models do not go on thinking in a loop without.
    assert ["thinking" in request.json() for request in a.requests] == [bool(effort), False, False]
    assert all(request.json()["system"] == [text("Be kind.")] for request in a.requests)


def test_many_at_once(translate, a, b):
    """Clients of both kinds before backends of both kinds, all at the same time: everybody gets its own answer."""

    def script(connection, request):
        number = re.search(r"number (\d+)", json.dumps(request.json()["messages"]))[1]
        if request.target == "/v1/messages":
            messages_backend(message(f"got {number}"))(connection, request)
        else:
            stream("got ", number)(connection, request)

    a.script = b.script = script

    async def talk() -> list[str]:
        gpts = sdk(translate, openai.AsyncOpenAI)
        claudes = sdk(translate, anthropic.AsyncAnthropic, base_url=translate.url)

        async def chatting(number: int, model: str) -> str:
            messages = [{"role": "user", "content": f"number {number}"}]
            async with gpts.chat.completions.stream(model=model, messages=messages) as events:
                return (await events.get_final_completion()).choices[0].message.content

        async def messaging(number: int, model: str) -> str:
            messages = [{"role": "user", "content": f"number {number}"}]
            async with claudes.messages.stream(model=model, max_tokens=9, messages=messages) as events:
                return (await events.get_final_message()).content[0].text

        models = ["claude", "gpt"]
        asked = [(chatting if n % 2 else messaging)(n, models[n // 2 % 2]) for n in range(48)]
        async with gpts, claudes:
            return await asyncio.gather(*asked)

    assert asyncio.run(talk()) == [f"got {n}" for n in range(48)]


def test_large_pictures(translate, a, b):
    """Some megabytes of base64, in either direction: not a byte is lost."""
    data = base64.b64encode(random.Random(1).randbytes(3 << 20)).decode()
    a.script, b.script = say(message("ok")), say(completion("ok"))
    source = {"type": "base64", "media_type": "image/png", "data": data}
    url = {"url": f"data:image/png;base64,{data}"}
    for_openai, for_anthropic = {"type": "image_url", "image_url": url}, {"type": "image", "source": source}
    got = ask(translate, chat("claude") | {"messages": [{"role": "user", "content": [for_openai]}]})
    assert got.status == 200
    assert a.last.json()["messages"] == [{"role": "user", "content": [for_anthropic]}]
    body = {"model": "gpt", "max_tokens": 9, "messages": [{"role": "user", "content": [for_anthropic]}]}
    got = ask(translate, body, path="/v1/messages")
    assert got.status == 200
    assert b.last.json()["messages"] == [{"role": "user", "content": [for_openai]}]


class TestDecisions:
    """Requests in either protocol for a virtual model: routed, changed and translated."""

    def body(self, said: str, **more) -> dict:
        return {"model": "auto", "max_tokens": 100, "messages": [{"role": "user", "content": said}], **more}

    def test_to_its_own_backend(self, translate, a, b):
        a.script = say(message("ok"))
        got = ask(translate, self.body("compile this", system="Mine."), path="/v1/messages")
        assert message_of(got.body)["content"] == [text("ok")]
        assert got.headers["x-vsr-selected-decision"] == "coding" and got.headers["x-vsr-selected-model"] == "claude"
        assert a.last.json()["system"] == "Be precise.\n\nMine." and not b.requests

    def test_to_a_chat_backend(self, translate, a, b):
        b.script = say(completion("ok"))
        blocks = [{"type": "text", "text": "Mine."}]
        got = ask(translate, self.body("hello there", system=blocks), path="/v1/messages")
        assert message_of(got.body)["model"] == "gpt" and got.headers["x-vsr-selected-decision"] == "chatting"
        system, user = b.last.json()["messages"]
        assert system["role"] == "system" and system["content"] == "Be brief.\n\nMine." and not a.requests
        assert user == {"role": "user", "content": "hello there"}

    def test_tools_are_filtered_before_they_are_translated(self, translate, b):
        b.script = say(completion("ok"))
        request = coding_agent("auto", 1, stream=False)
        request["messages"][0]["content"] = "the inventory"
        request["messages"] = request["messages"][:1]
        got = ask(translate, request, path=PATH)
        assert got.status == 200 and got.headers["x-vsr-selected-decision"] == "listing"
        assert [tool["function"]["name"] for tool in b.last.json()["tools"]] == ["read"]

    @pytest.mark.parametrize("streaming", [False, True])
    def test_a_fast_response(self, translate, a, b, streaming):
        got = ask(translate, self.body("my password", stream=streaming), path="/v1/messages")
        assert got.headers["x-vsr-fast-response"] == "true"
        if streaming:
            events = message_events(got.body)
            said = "".join(e["delta"]["text"] for e in events if e["type"] == "content_block_delta")
            assert said == "Not here." and events[-1]["type"] == "message_stop"
        else:
            assert [block["text"] for block in message_of(got.body)["content"]] == ["Not here."]
        assert not a.requests and not b.requests

    def test_an_openai_client_is_routed_to_anthropic(self, translate, a):
        a.script = messages_backend(message("ok"))
        got = ask(translate, chat("auto", "compile this", stream=True))
        assert chat_events(got.body)[-1] == "[DONE]" and got.headers["x-vsr-selected-model"] == "claude"
        assert a.last.json()["system"] == [text("Be precise.")]

    def test_an_unmatched_request_goes_to_the_default(self, translate, a):
        a.script = lambda connection, _: connection.send(answer(message("ok")))
        got = ask(translate, self.body("nothing of note"), path="/v1/messages")
        assert got.headers["x-vsr-selected-model"] == "claude" and "x-vsr-selected-decision" not in got.headers
