"""Tools that run at OpenAI: refused by name, or left out where the router is baked so."""

import json

import httpx
import pytest
from protocols import message, messages_backend, tool_use
from responses import call, chat, chat_backend, create, error_of, events_of, response_of, stream
from websockets.sync.client import connect

WEB = {"type": "web_search", "external_web_access": False}
READ = {"type": "function", "name": "read", "description": None, "parameters": None, "strict": None}
HINT = "; the router's configuration can leave it out: response_api.unsupported_tools: omit"


def post(router, **body) -> httpx.Response:
    return httpx.post(f"{router.url}/v1/responses", json={"model": "gpt", "input": "x"} | body)


def test_refused_by_default(responses, a):
    got = error_of(post(responses, tools=[READ, WEB]), 400)
    assert got["param"] == "tools[1].type" and "`web_search`" in got["message"] and got["message"].endswith(HINT)
    assert not a.requests


@pytest.mark.parametrize("model", ["gpt", "claude"])
@pytest.mark.parametrize("streamed", [False, True])
def test_left_out(omitting, a, b, model, streamed):
    a.script = chat_backend(chat(None, call("c1", "read", "{}")))
    b.script = messages_backend(message(tool_use("c1", "read"), stop_reason="tool_use"))
    tools = [WEB, READ, {"type": "code_interpreter", "container": "auto"}]
    got = post(omitting, model=model, tools=tools, tool_choice="required", stream=streamed)
    assert got.status_code == 200, got.text
    assert got.headers["x-vsr-protocol-warnings"] == "tools.web_search, tools.code_interpreter"
    response = events_of(got.content)[-1]["response"] if streamed else response_of(got.content)
    (made,) = response["output"]
    assert response["tools"] == tools and (made["type"], made["name"]) == ("function_call", "read")
    sent = (a if model == "gpt" else b).last.json()
    (told,) = sent["tools"]
    assert told.get("function", told)["name"] == "read"
    assert sent["tool_choice"] == ("required" if model == "gpt" else {"type": "any"})


def test_where_none_is_left(omitting, a):
    got = post(omitting, tools=[WEB], tool_choice="auto", parallel_tool_calls=True)
    assert got.status_code == 200 and got.headers["x-vsr-protocol-warnings"] == "tools.web_search"
    assert not {"tools", "tool_choice", "parallel_tool_calls"} & set(a.last.json())


@pytest.mark.parametrize(
    ("choice", "param"),
    [
        ({"type": "web_search"}, "tool_choice.type"),
        ({"type": "allowed_tools", "mode": "required", "tools": [{"type": "web_search"}]}, "tool_choice"),
    ],
)
def test_one_that_must_be_called_is_refused(omitting, a, choice, param):
    got = error_of(post(omitting, tools=[WEB, READ], tool_choice=choice), 400)
    assert got["param"] == param and HINT not in got["message"]
    assert not a.requests


def test_where_there_is_no_other_to_be_called(omitting, a):
    assert error_of(post(omitting, tools=[WEB], tool_choice="required"), 400)["param"] == "tool_choice"
    assert not a.requests


def test_over_a_websocket(omitting_alone, a):
    with connect(omitting_alone.url.replace("http", "ws") + "/v1/responses") as ws:
        def ask(**more):
            ws.send(json.dumps({"type": "response.create", "model": "gpt", "input": "x", "tools": [WEB, READ]} | more))
            while (event := json.loads(ws.recv(5)))["type"] not in ("response.completed", "error"):
                pass
            return event

        assert ask()["response"]["tools"] == [WEB, READ]
        assert [tool["function"]["name"] for tool in a.last.json()["tools"]] == ["read"]
        refused = ask(tool_choice={"type": "web_search"})
        assert (refused["status"], refused["error"]["param"]) == (400, "tool_choice.type")


def found(*tools: dict) -> dict:
    return {"type": "tool_search_output", "call_id": "c1", "execution": "client", "status": "completed", "tools": tools}


def called(a) -> list[str]:
    return [tool["function"]["name"] for tool in a.last.json().get("tools", [])]


SEARCH = {"type": "tool_search", "execution": "client", "description": "d", "parameters": {"type": "object"}}
MAIL = {"type": "namespace", "name": "crm", "description": "d", "tools": [{"type": "function", "name": "find"}]}


def test_what_was_found_stays(responses, a):
    """A tool that a search has found is there in all turns behind, as one that came along is."""
    a.script = chat_backend(
        chat(None, call("c1", "tool_search", '{"query": "mail"}')),
        chat("Found."),
        chat(None, call("c2", "crm__find", "{}")),
    )
    more = {"type": "additional_tools", "role": "developer", "tools": [{"type": "function", "name": "late"}]}
    one = create(responses, model="gpt", input=[{"role": "user", "content": "x"}, more], tools=[SEARCH])
    assert called(a) == ["tool_search", "late"]
    two = create(responses, model="gpt", input=[found(MAIL)], tools=[SEARCH], previous_response_id=one["id"])
    assert called(a) == ["tool_search", "crm__find", "late"]
    three = stream(responses, model="gpt", input="Go.", tools=[SEARCH], previous_response_id=two["id"])[-1]["response"]
    assert called(a) == ["tool_search", "crm__find", "late"] and three["tools"] == [SEARCH]
    (made,) = three["output"]
    assert (made["type"], made["namespace"], made["name"]) == ("function_call", "crm", "find")
    # One of the request's own with the same name counts.
    late = READ | {"name": "late", "description": "the request's own"}
    create(responses, model="gpt", input="x", tools=[late], previous_response_id=two["id"])
    assert called(a) == ["late", "crm__find"]
    assert a.last.json()["tools"][0]["function"]["description"] == "the request's own"
    # What does not go on from it knows nothing of it, but what refers to the item.
    create(responses, model="gpt", input="x", tools=[SEARCH])
    assert called(a) == ["tool_search"]
    listed = httpx.get(f"{responses.url}/v1/responses/{two['id']}/input_items").json()["data"]
    asked = {"type": "tool_search_call", "call_id": "c1", "execution": "client", "arguments": {"query": "mail"}}
    items = [asked, {"type": "item_reference", "id": listed[0]["id"]}]
    create(responses, model="gpt", input=items)
    assert called(a) == ["crm__find"]


def test_what_was_found_stays_on_a_connection(responses_alone, a):
    """Without a store, too."""
    a.script = chat_backend(chat(None, call("c1", "tool_search", '{"query": "mail"}')), chat("Found."), chat("Done."))
    with connect(responses_alone.url.replace("http", "ws") + "/v1/responses") as ws:
        last = None
        for items in ("x", [found(MAIL)], "Go."):
            body = {"model": "gpt", "input": items, "tools": [SEARCH], "store": False, "previous_response_id": last}
            ws.send(json.dumps({"type": "response.create"} | body))
            while (event := json.loads(ws.recv(5)))["type"] != "response.completed":
                assert event["type"] != "error", event
            last = event["response"]["id"]
    assert called(a) == ["tool_search", "crm__find"]


