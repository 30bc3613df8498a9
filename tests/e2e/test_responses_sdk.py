"""Official clients on the Responses API: OpenAI's SDKs, whose accumulators are strict, and its Agents SDK."""

import asyncio
import subprocess
from pathlib import Path

import openai
import pytest
from agents import Agent, OpenAIResponsesModel, Runner, function_tool, set_tracing_disabled
from conftest import sdk
from protocols import message, messages_backend, replay, tool_use, transcript
from pydantic import BaseModel
from responses import call, chat, chat_backend
from router import HOME

TOOLS = [
    {"type": "function", "name": "weather", "parameters": {"type": "object", "properties": {}}, "strict": False},
    {"type": "custom", "name": "shell"},
    {
        "type": "namespace",
        "name": "crm",
        "description": "Customers",
        "tools": [{"type": "function", "name": "find", "parameters": {"type": "object", "properties": {}}}],
    },
]


@pytest.mark.parametrize("model", ["gpt", "claude"])
def test_the_accumulator(openai_client, everything, model):
    with openai_client.responses.stream(model=model, input="Hi", tools=TOOLS) as events:
        kinds = [event.type for event in events]
        final = events.get_final_response()
    assert kinds.count("response.output_text.delta") == 2 and "response.reasoning_summary_text.delta" in kinds
    assert final.output_text == "Look: ä" and final.output[2].arguments == '{"city": "Bonn"}'
    # A stream that is taken up again begins with what was missed.
    with openai_client.responses.stream(response_id=final.id) as events:
        assert events.get_final_response().output_text == "Look: ä"
    # What the SDK gives back as it is.
    back = [item.to_dict() for item in final.output]
    for item in back:
        item.pop("parsed_arguments", None)
        for part in item.get("content") or []:
            part.pop("parsed", None)
    result = {"type": "function_call_output", "call_id": "c1", "output": "Rain."}
    items = [{"role": "user", "content": "Hi"}, *back, result]
    again = openai_client.responses.create(model=model, input=items, tools=TOOLS)
    assert again.status == "completed"


def test_tools_of_a_namespace(openai_client, a):
    a.script = chat_backend(chat(None, call("c1", "crm__find", "{}")))
    with openai_client.responses.stream(model="gpt", input="Hi", tools=TOOLS) as events:
        final = events.get_final_response()
    (made,) = final.output
    assert (made.namespace, made.name) == ("crm", "find")
    assert [tool["function"]["name"] for tool in a.last.json()["tools"]] == ["weather", "shell", "crm__find"]
    result = {"type": "function_call_output", "call_id": "c1", "output": "none"}
    openai_client.responses.create(model="gpt", input=[made.to_dict(), result], tools=TOOLS)
    assert a.last.json()["messages"][0]["tool_calls"] == [call("c1", "crm__find", "{}")]
    with openai_client.responses.stream(response_id=final.id) as events:
        assert events.get_final_response().output[0].namespace == "crm"


def test_structured_output(openai_client, a):
    class Weather(BaseModel):
        city: str
        degrees: int

    a.script = chat_backend(chat('{"city": "Bonn", "degrees": 7}'))
    got = openai_client.responses.parse(model="gpt", input="x", text_format=Weather)
    assert got.output_parsed == Weather(city="Bonn", degrees=7)
    assert a.last.json()["response_format"]["json_schema"]["strict"] is True


def test_a_stream_that_breaks(openai_client, a):
    a.script = replay(transcript("chat", "truncated"))
    with openai_client.responses.stream(model="gpt", input="Hi") as events:
        last = list(events)[-1]
        with pytest.raises(RuntimeError, match="response.completed"):
            events.get_final_response()
    assert last.type == "response.failed" and last.response.error.code == "server_error"


def test_errors(openai_client, a):
    with pytest.raises(openai.NotFoundError):
        openai_client.responses.retrieve("resp_" + "0" * 32)
    with pytest.raises(openai.BadRequestError) as error:
        openai_client.responses.create(model="gpt", input="x", previous_response_id="resp_" + "0" * 32)
    assert error.value.code == "previous_response_not_found"
    with pytest.raises(openai.BadRequestError) as error:
        openai_client.responses.create(model="gpt", input="x", tools=[{"type": "web_search"}])
    assert error.value.param == "tools[0].type" and "web_search" in error.value.message


@pytest.mark.parametrize("name", ["gpt", "claude"])
@pytest.mark.parametrize("streamed", [False, True])
def test_agents(responses, a, b, name, streamed):
    set_tracing_disabled(True)
    asked = []

    @function_tool
    def weather(city: str) -> str:
        asked.append(city)
        return "Rain."

    a.script = chat_backend(chat(None, call("c1", "weather", '{"city": "Bonn"}')), chat("It rains in Bonn."))
    first, then = message(tool_use("c1", "weather", city="Bonn"), stop_reason="tool_use"), message("It rains in Bonn.")
    turns = [messages_backend(first), messages_backend(then)]
    b.script = lambda connection, request: turns.pop(0)(connection, request)

    async def run():
        client = sdk(responses, openai.AsyncOpenAI)
        model = OpenAIResponsesModel(model=name, openai_client=client)
        agent = Agent(name="Forecaster", instructions="Be brief.", tools=[weather], model=model)
        if not streamed:
            return await Runner.run(agent, "How is it in Bonn?")
        result = Runner.run_streamed(agent, "How is it in Bonn?")
        async for _ in result.stream_events():
            pass
        return result

    assert asyncio.run(run()).final_output == "It rains in Bonn." and asked == ["Bonn"]


@pytest.fixture
def case(node, responses):
    def case(version: str, name: str, model: str) -> None:
        script = Path(__file__).parent / "node" / "responses.mjs"
        env = {"BASE_URL": f"{responses.url}/v1", "NODE_HOME": str(HOME / "node"), "SDK": version, "MODEL": model}
        ended = subprocess.run([node, script, name], env=env, capture_output=True, text=True, timeout=20, check=False)
        assert ended.returncode == 0, ended.stderr

    return case


@pytest.mark.parametrize("version", ["openai", "openai7"])
@pytest.mark.parametrize("model", ["gpt", "claude"])
def test_node(case, everything, version, model):
    case(version, "everything", model)


@pytest.mark.parametrize("version", ["openai", "openai7"])
def test_node_and_a_stream_that_breaks(case, a, version):
    a.script = replay(transcript("chat", "truncated"))
    case(version, "broken", "gpt")
