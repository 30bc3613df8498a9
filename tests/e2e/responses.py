"""The Responses API as clients see it: every object and event is judged strictly by the SDK's own models."""

import json
import re

import httpx
from openai.types import responses as models
from openai.types.responses import response_create_params  # noqa: F401  (loads what the models refer to)
from pydantic import TypeAdapter
from upstream import END, STREAM_HEAD, Connection, Request, Script, answer, piece

_EVENT = TypeAdapter(models.ResponseStreamEvent)
_ITEMS = TypeAdapter(list[models.ResponseItem])
_LAST = ("response.completed", "response.incomplete", "response.failed")

NEVER_NULL = (
    "temperature",
    "top_p",
    "presence_penalty",
    "frequency_penalty",
    "top_logprobs",
    "service_tier",
    "truncation",
)
REQUIRED = {
    "id",
    "object",
    "created_at",
    "completed_at",
    "status",
    "incomplete_details",
    "model",
    "previous_response_id",
    "instructions",
    "output",
    "error",
    "tools",
    "tool_choice",
    "truncation",
    "parallel_tool_calls",
    "text",
    "top_p",
    "presence_penalty",
    "frequency_penalty",
    "top_logprobs",
    "temperature",
    "reasoning",
    "usage",
    "max_output_tokens",
    "max_tool_calls",
    "store",
    "background",
    "service_tier",
    "metadata",
    "safety_identifier",
    "prompt_cache_key",
    "user",
}
"""What Open Responses wants of every response."""


def response_of(data: bytes | str | dict) -> dict:
    """A response, strictly one."""
    text = json.dumps(data) if isinstance(data, dict) else data
    models.Response.model_validate_json(text, strict=True)
    response = json.loads(text)
    missing = REQUIRED - set(response)
    assert not missing, missing
    assert all(response[key] is not None for key in NEVER_NULL)
    _ITEMS.validate_json(json.dumps(response["output"]), strict=True)
    assert (response["completed_at"] is not None) == (response["status"] == "completed")
    return response


def events_of(body: bytes) -> list[dict]:
    """The events of a whole stream: each one of the SDK's, numbered from 0, the last one final, `[DONE]` behind it."""
    *frames, done, rest = body.split(b"\n\n")
    assert (done, rest) == (b"data: [DONE]", b""), body[-200:]
    events = [_event(frame) for frame in frames]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    kinds = [event["type"] for event in events]
    assert kinds[:2] == ["response.created", "response.in_progress"]
    assert kinds[-1] in _LAST and not set(kinds[:-1]) & set(_LAST)
    _check_items(events)
    return events


def _event(frame: bytes) -> dict:
    found = re.fullmatch(rb"event: ([\w.]+)\ndata: ([^\n]+)", frame)
    assert found, frame
    event = json.loads(found[2])
    assert event["type"].encode() == found[1]
    _EVENT.validate_json(found[2], strict=True)
    if "response" in event:
        response_of(event["response"])
    return event


def _check_items(events: list[dict]) -> None:
    """What was added piece by piece is what stands in the end."""
    texts: dict[tuple, str] = {}
    added, done = {}, {}
    for event in events:
        key = (event.get("item_id"), event.get("content_index"), event.get("summary_index"))
        match event["type"]:
            case "response.output_item.added":
                assert event["output_index"] == len(added)
                added[event["output_index"]] = event["item"]
            case "response.output_item.done":
                done[event["output_index"]] = event["item"]
                before = added[event["output_index"]]
                assert all(before.get(key) == event["item"].get(key) for key in ("id", "type", "call_id"))
            case kind if kind.endswith(".delta"):
                assert event["delta"]
                texts[key] = texts.get(key, "") + event["delta"]
                assert event["item_id"] == added[event["output_index"]]["id"]
            case kind if kind.endswith((".text.done", "_text.done", "refusal.done", "arguments.done", "input.done")):
                whole = next(event[name] for name in ("text", "refusal", "arguments", "input") if name in event)
                assert texts.get(key, "") == whole
    last = events[-1]["response"]
    if last["status"] == "completed":
        assert [done[n] for n in range(len(added))] == last["output"]


def texts(response: dict) -> list[str]:
    return [part["text"] for item in response["output"] if item["type"] == "message" for part in item["content"]]


def create(router, **body) -> dict:
    """A plain response."""
    got = httpx.post(f"{router.url}/v1/responses", json=body, timeout=10)
    assert got.status_code == 200, got.text
    assert got.headers["content-type"] == "application/json"
    return response_of(got.content)


def stream(router, **body) -> list[dict]:
    """The events of a streamed one."""
    got = httpx.post(f"{router.url}/v1/responses", json=body | {"stream": True}, timeout=10)
    assert got.status_code == 200, got.text
    # Some backends name the encoding, too.
    assert got.headers["content-type"].split(";")[0] == "text/event-stream"
    return events_of(got.content)


def error_of(got: httpx.Response, status: int) -> dict:
    """An error as OpenAI's API has it."""
    assert got.status_code == status, got.text
    assert list(got.json()) == ["error"]
    error = got.json()["error"]
    assert set(error) == {"message", "type", "param", "code"} and error["message"]
    return error


def call(id: str, name: str, arguments: str) -> dict:
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def chat(text: str | None = None, *calls: dict, finish: str = "", reasoning: str = "", **usage) -> dict:
    """A chat completion."""
    message = {"role": "assistant", "content": text}
    if calls:
        message["tool_calls"] = list(calls)
    if reasoning:
        message["reasoning_content"] = reasoning
    finish = finish or ("tool_calls" if calls else "stop")
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15} | usage
    choice = {"index": 0, "finish_reason": finish, "message": message}
    head = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "up"}
    return head | {"choices": [choice], "usage": usage}


def chunks(whole: dict) -> list[bytes]:
    """The same as a stream, every text in two pieces."""
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "up"}
    out = []

    def chunk(delta: dict, finish: str | None = None, **more) -> None:
        choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
        out.append(b"data: " + json.dumps(head | {"choices": choices} | more).encode() + b"\n\n")

    choice = whole["choices"][0]
    message = choice["message"]
    chunk({"role": "assistant", "content": ""})
    for key in ("reasoning_content", "content"):
        if text := message.get(key):
            chunk({key: text[:3]})
            chunk({key: text[3:]})
    for index, made in enumerate(message.get("tool_calls", [])):
        arguments = made["function"]["arguments"]
        function = {"name": made["function"]["name"], "arguments": ""}
        chunk({"tool_calls": [{"index": index, "id": made["id"], "type": "function", "function": function}]})
        for part in (arguments[:4], arguments[4:]):
            chunk({"tool_calls": [{"index": index, "function": {"arguments": part}}]})
    chunk({}, choice["finish_reason"])
    out.append(b"data: " + json.dumps(head | {"choices": [], "usage": whole["usage"]}).encode() + b"\n\n")
    out.append(b"data: [DONE]\n\n")
    return out


def chat_backend(*wholes: dict) -> Script:
    """A script that answers so, one after the other and the last one forever; as streams where they are asked for."""
    left = list(wholes)

    def script(connection: Connection, request: Request) -> None:
        whole = left.pop(0) if len(left) > 1 else left[0]
        asked = request.json()
        if not asked.get("stream"):
            return connection.send(answer(whole))
        assert asked["stream_options"] == {"include_usage": True}
        connection.send(STREAM_HEAD)
        for part in chunks(whole):
            connection.send(piece(part))
        connection.send(END)

    return script
