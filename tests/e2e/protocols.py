"""Both protocols: what scripted backends say in them, and whether what clients get is what the official SDKs expect.

The SDKs read leniently; here their own models judge strictly, so what is missing or of the wrong type is seen.
"""

import json
import re
import time
from pathlib import Path

import anthropic.types as messages
import openai.types.chat as chats
from pydantic import TypeAdapter
from upstream import END, STREAM_HEAD, Connection, Request, Script, answer, piece

TRANSCRIPTS = Path(__file__).parents[1] / "transcripts"
_EVENT = TypeAdapter(messages.RawMessageStreamEvent)


def names(protocol: str) -> list[str]:
    found = sorted(path.stem for path in (TRANSCRIPTS / protocol).glob("*.sse"))
    assert len(found) > 10
    return found


def transcript(protocol: str, name: str) -> bytes:
    """A stream as a backend has sent it."""
    return (TRANSCRIPTS / protocol / f"{name}.sse").read_bytes()


def told(protocol: str, name: str, client: str, model: str) -> bytes:
    """What the client is told of it, the time left out. A client of OpenAI's asks for usage here."""
    golden = (TRANSCRIPTS / protocol / f"{name}.to-{client}").read_bytes()
    return timeless(golden.replace(rb'"the \"model\""', json.dumps(model).encode()))


def is_broken(protocol: str, name: str) -> bool:
    """Whether this stream ends in an error for whoever reads it."""
    return b"event: error" in (TRANSCRIPTS / protocol / f"{name}.to-messages").read_bytes()


def timeless(body: bytes) -> bytes:
    return re.sub(rb'"created":\d+', b'"created":1', body)


def replay(data: bytes, cut: str = "frames", end: bytes = END, pause: float = 0) -> Script:
    """A script that streams these bytes: frame by frame, byte by byte, or at once."""
    pieces = {
        "frames": re.findall(rb".+?(?:\r\n\r\n|\n\n|\r\r|\Z)", data, re.DOTALL),
        "bytes": [data[i : i + 1] for i in range(len(data))],
        "at once": [data],
    }[cut]
    assert b"".join(pieces) == data

    def script(connection: Connection, _: Request) -> None:
        connection.send(STREAM_HEAD)
        for part in pieces:
            connection.send(piece(part))
            time.sleep(pause)
        connection.send(end)
        if end != END:
            connection.close()

    return script


def say(body: dict, status: int = 200, headers: dict | None = None) -> Script:
    """A script that answers plainly."""
    return lambda connection, _: connection.send(answer(body, status, headers))


def in_turn(*scripts: Script) -> Script:
    """A script that does one after the other, request by request."""
    left = list(scripts)
    return lambda connection, request: left.pop(0)(connection, request)


def text(said: str) -> dict:
    return {"type": "text", "text": said}


def tool_use(id: str, name: str, **input) -> dict:
    return {"type": "tool_use", "id": id, "name": name, "input": input}


def message(*blocks: dict | str, stop_reason: str = "end_turn", **usage: int) -> dict:
    """A message, as Anthropic answers."""
    return {
        "id": "msg_01",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-5-20250929",
        "content": [text(block) if isinstance(block, str) else block for block in blocks],
        "stop_reason": stop_reason,
        "stop_sequence": None,
        "usage": {"input_tokens": 10, "output_tokens": 5} | usage,
    }


def streamed(whole: dict) -> bytes:
    """The same as a stream of events, each text and each input in two pieces."""
    out = []

    def event(kind: str, **more) -> None:
        out.append(f"event: {kind}\ndata: {json.dumps({'type': kind} | more)}\n\n".encode())

    start = {"content": [], "stop_reason": None, "usage": whole["usage"] | {"output_tokens": 1}}
    event("message_start", message=whole | start)
    for index, block in enumerate(whole["content"]):
        key, kind = {
            "text": ("text", "text_delta"),
            "thinking": ("thinking", "thinking_delta"),
            "tool_use": ("input", "input_json_delta"),
        }.get(block["type"], (None, None))
        empty = {"text": "", "thinking": "", "input": {}, "signature": ""}
        event(
            "content_block_start",
            index=index,
            content_block={name: empty.get(name, value) for name, value in block.items()},
        )
        whole_text = json.dumps(block[key]) if key == "input" else block[key] if key else ""
        for part in (whole_text[:3], whole_text[3:]) if key else ():
            delta = {"type": kind, "partial_json" if key == "input" else key: part}
            event("content_block_delta", index=index, delta=delta)
        if "signature" in block:
            delta = {"type": "signature_delta", "signature": block["signature"]}
            event("content_block_delta", index=index, delta=delta)
        event("content_block_stop", index=index)
    delta = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    event("message_delta", delta=delta, usage={"output_tokens": whole["usage"]["output_tokens"]})
    event("message_stop")
    return b"".join(out)


def messages_backend(whole: dict) -> Script:
    """A script that answers so, as a stream if asked for one."""

    def script(connection: Connection, request: Request) -> None:
        if request.json().get("stream"):
            replay(streamed(whole))(connection, request)
        else:
            connection.send(answer(whole))

    return script


def chat_events(body: bytes) -> list[dict]:
    """The events of a stream for OpenAI's clients. All but `[DONE]` and errors must be chunks."""
    events = []
    for frame in _frames(body):
        data = re.fullmatch(rb"data: ([^\n]+)", frame)
        assert data, frame
        if data[1] == b"[DONE]":
            events.append("[DONE]")
            continue
        event = json.loads(data[1])
        if "error" not in event:
            chats.ChatCompletionChunk.model_validate_json(data[1], strict=True)
        events.append(event)
    return events


def message_events(body: bytes) -> list[dict]:
    """The events of a stream for Anthropic's clients. All but errors must be events of its list."""
    events = []
    for frame in _frames(body):
        found = re.fullmatch(rb"event: (\w+)\ndata: ([^\n]+)", frame)
        assert found, frame
        event = json.loads(found[2])
        assert event["type"].encode() == found[1]
        if event["type"] == "error":
            messages_error(event)
        elif event["type"] != "ping":
            _EVENT.validate_json(found[2], strict=True)
        events.append(event)
    return events


def _frames(body: bytes) -> list[bytes]:
    assert not body or body.endswith(b"\n\n"), body
    return body.split(b"\n\n")[:-1]


def completion_of(body: bytes) -> dict:
    """A completion, strictly one."""
    chats.ChatCompletion.model_validate_json(body, strict=True)
    return json.loads(body)


def message_of(body: bytes) -> dict:
    """A message, strictly one."""
    messages.Message.model_validate_json(body, strict=True)
    return json.loads(body)


def messages_error(event: dict) -> dict:
    """The error in a body of Anthropic's shape."""
    assert event["type"] == "error" and event.get("request_id", "req_")
    assert set(event["error"]) == {"type", "message"} and event["error"]["message"]
    return event["error"]
