"""Tools that the API knows by their sort and that clients run, over backends that know functions."""

import json

import httpx
import pytest
from protocols import message, messages_backend, tool_use
from responses import call, chat, chat_backend, create, error_of, events_of, stream

TOOLS = [
    {"type": "local_shell"},
    {"type": "shell", "environment": {"type": "local"}},
    {"type": "apply_patch"},
    {
        "type": "tool_search",
        "execution": "client",
        "description": "Finds tools.",
        "parameters": {"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]},
    },
]
LATER = [
    {"type": "function", "name": "mail", "parameters": {"type": "object", "properties": {}}, "defer_loading": True},
    {
        "type": "namespace",
        "name": "crm",
        "description": "x",
        "tools": [{"type": "function", "name": "find", "parameters": {"type": "object", "properties": {}}}],
    },
]
CASES = {
    "local_shell": (
        {"command": ["ls", "-l"], "timeout_ms": 5},
        {
            "type": "local_shell_call",
            "action": {
                "type": "exec",
                "command": ["ls", "-l"],
                "env": {},
                "timeout_ms": 5,
                "user": None,
                "working_directory": None,
            },
        },
        {"type": "local_shell_call_output", "id": "c1", "output": "a.txt"},
        "a.txt",
    ),
    "shell": (
        {"commands": ["ls", "pwd"]},
        {
            "type": "shell_call",
            "action": {"commands": ["ls", "pwd"], "timeout_ms": None, "max_output_length": None},
            "environment": None,
        },
        {
            "type": "shell_call_output",
            "call_id": "c1",
            "output": [{"stdout": "ä\n", "stderr": "", "outcome": {"type": "exit", "exit_code": 0}}],
        },
        json.dumps([{"stdout": "ä\n", "stderr": "", "outcome": {"type": "exit", "exit_code": 0}}], ensure_ascii=False),
    ),
    "apply_patch": (
        {"type": "update_file", "path": "a.txt", "diff": "@@\n-a\n+b\n"},
        {"type": "apply_patch_call", "operation": {"type": "update_file", "path": "a.txt", "diff": "@@\n-a\n+b\n"}},
        {"type": "apply_patch_call_output", "call_id": "c1", "status": "failed", "output": "no such line"},
        "failed\nno such line",
    ),
    "tool_search": (
        {"query": "mail"},
        {"type": "tool_search_call", "execution": "client", "arguments": {"query": "mail"}},
        {"type": "tool_search_output", "call_id": "c1", "execution": "client", "status": "completed", "tools": LATER},
        "These tools were found, and can be called now: mail, crm__find",
    ),
}


def names(a) -> list[str]:
    return [tool["function"]["name"] for tool in a.last.json()["tools"]]


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("how", ["plain", "streamed", "chained"])
def test_a_tool_loop(responses, a, name, how):
    arguments, expected, output, text = CASES[name]
    a.script = chat_backend(chat("Look.", call("c1", name, json.dumps(arguments))), chat("Done."))
    if how == "streamed":
        events = stream(responses, model="gpt", input="x", tools=TOOLS)
        first = events[-1]["response"]
        replayed = httpx.get(f"{responses.url}/v1/responses/{first['id']}", params={"stream": True})
        assert events_of(replayed.content)[-1]["response"] == first
    else:
        first = create(responses, model="gpt", input="x", tools=TOOLS)
    assert first["tools"] == TOOLS and names(a) == [tool["type"] for tool in TOOLS]
    made = first["output"][1]
    assert expected.items() <= made.items() and (made["call_id"], made["status"]) == ("c1", "completed")
    if how == "chained":
        create(responses, model="gpt", input=[output], tools=TOOLS, previous_response_id=first["id"])
    else:
        items = [{"role": "user", "content": "x"}, *first["output"], output]
        create(responses, model="gpt", input=items, tools=TOOLS, store=False)
    _, assistant, result = a.last.json()["messages"]
    (asked,) = assistant["tool_calls"]
    assert asked["function"]["name"] == name
    kept = json.loads(asked["function"]["arguments"])
    assert arguments.items() <= kept.items()
    content = result["content"]
    assert result["tool_call_id"] == "c1"
    assert json.loads(content) == json.loads(text) if name == "shell" else content == text
    assert names(a)[4:] == (["mail", "crm__find"] if name == "tool_search" else [])


def test_what_was_found_can_be_called(responses, a):
    a.script = chat_backend(chat(None, call("c2", "crm__find", "{}")))
    _, _, output, _ = CASES["tool_search"]
    asked = {"type": "tool_search_call", "call_id": "c1", "execution": "client", "arguments": {"query": "x"}}
    more = {"type": "additional_tools", "role": "developer", "tools": [LATER[0], {"type": "function", "name": "late"}]}
    items = [{"role": "user", "content": "x"}, more, asked, output]
    got = create(responses, model="gpt", input=items, tools=TOOLS)
    (made,) = got["output"]
    assert (made["type"], made["namespace"], made["name"]) == ("function_call", "crm", "find")
    # What is there is not there twice, and what the request did not list is not told as if it had.
    assert names(a)[4:] == ["mail", "late", "crm__find"] and got["tools"] == TOOLS


@pytest.mark.parametrize("arguments", ["ls -l", '{"command": "ls"}', '{"command": ["ls"', ""])
def test_a_call_that_the_client_could_not_read(responses, a, arguments):
    a.script = chat_backend(chat(None, call("c1", "local_shell", arguments)))
    (made,) = stream(responses, model="gpt", input="x", tools=TOOLS)[-1]["response"]["output"]
    assert (made["type"], made["name"], made["arguments"]) == ("function_call", "local_shell", arguments or "{}")


def test_an_answer_that_ends_within_a_call(responses, a):
    a.script = chat_backend(chat(None, call("c1", "shell", '{"commands": ["ls'), finish="length"))
    (made,) = stream(responses, model="gpt", input="x", tools=TOOLS)[-1]["response"]["output"]
    assert (made["type"], made["status"]) == ("function_call", "incomplete")


def test_over_anthropic(responses, b):
    patch = tool_use("c1", "apply_patch", type="delete_file", path="a")
    b.script = messages_backend(message(patch, stop_reason="tool_use"))
    (made,) = stream(responses, model="claude", input="x", tools=TOOLS)[-1]["response"]["output"]
    assert made["operation"] == {"type": "delete_file", "path": "a"}


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"tools": [{"type": "tool_search"}]}, "tools[0].execution"),
        ({"tools": [{"type": "shell", "environment": {"type": "container_auto"}}]}, "tools[0].environment.type"),
        ({"input": [{"type": "additional_tools", "tools": [{"type": "web_search"}]}]}, "input[0].tools[0].type"),
        ({"input": [{"type": "additional_tools"}]}, "input[0].tools"),
        ({"input": [{"type": "shell_call", "call_id": "c"}]}, "input[0].action"),
        ({"input": [{"type": "apply_patch_call_output", "status": "completed"}]}, "input[0].call_id"),
        ({"input": [{"type": "web_search_call", "id": "x"}]}, "input[0].type"),
    ],
)
def test_what_is_refused(responses, body, param):
    got = httpx.post(f"{responses.url}/v1/responses", json={"model": "gpt", "input": "x"} | body)
    assert error_of(got, 400)["param"] == param


def test_one_must_be_called(responses, a):
    create(responses, model="gpt", input="x", tools=TOOLS, tool_choice={"type": "apply_patch"})
    assert a.last.json()["tool_choice"] == {"type": "function", "function": {"name": "apply_patch"}}
    choice = {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "shell"}]}
    create(responses, model="gpt", input="x", tools=TOOLS, tool_choice=choice)
    assert names(a) == ["shell"]
