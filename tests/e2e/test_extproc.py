"""The same requests through both faces: answers, and what backends get, are the same but for the headers of a hop."""

import json
import re

import pytest
from raw import Raw, chat, request
from responses import call, chat_backend
from responses import chat as calls
from upstream import DONE, END, STREAM_HEAD, answer, completion, decent, frames, piece, stream

OF_A_HOP = {"connection", "date", "keep-alive", "server", "transfer-encoding", "x-forwarded-proto", "x-forwarded-for"}
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-5",
    "content": [{"type": "text", "text": "hello"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 3, "output_tokens": 4},
}


def event(name: str, data: dict) -> bytes:
    return f"event: {name}\ndata: {json.dumps({'type': name} | data)}\n\n".encode()


def message_events(*words: str) -> list[bytes]:
    start = MESSAGE | {"content": [], "stop_reason": None, "usage": {"input_tokens": 3, "output_tokens": 1}}
    text = lambda word: {"index": 0, "delta": {"type": "text_delta", "text": word}}  # noqa: E731
    return [
        event("message_start", {"message": start}),
        event("content_block_start", {"index": 0, "content_block": {"type": "text", "text": ""}}),
        *(event("content_block_delta", text(word)) for word in words),
        event("content_block_stop", {"index": 0}),
        event("message_delta", {"delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 4}}),
        event("message_stop", {}),
    ]


def events(all_of_them: list[bytes]):
    def script(connection, _):
        connection.send(STREAM_HEAD)
        for one in all_of_them:
            connection.send(piece(one))
        connection.send(END)

    return script


def plain(body, status=200, **headers):
    return lambda connection, _: connection.send(answer(body, status, headers))


def messages(model: str, text: str = "hi", **more) -> dict:
    return {"model": model, "max_tokens": 64, "messages": [{"role": "user", "content": text}], **more}


def responses(model: str, text: str = "hi", **more) -> dict:
    return {"model": model, "input": text, **more}


def get(path: str, method: str = "GET", **headers: str) -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in ({"host": "router"} | headers).items())
    return f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode()


USAGE = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
MESSAGES_PATH = "/v1/messages"
RESPONSES_PATH = "/v1/responses"
NOWHERE = f"{RESPONSES_PATH}/resp_{'0' * 32}"
TOOL = {"type": "function", "name": "weather", "parameters": {"type": "object", "properties": {}}}
CALLS = calls("Look.", call("c1", "weather", '{"city": "Bonn"}'), reasoning="Hm.")
ERROR = {"error": {"message": "slow down", "type": "rate_limit_error", "param": None, "code": "rate_limited"}}
OVERLOADED = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}

# What is sent, and what the backend says to it.
CASES = {
    "chat": (request(chat("alpha")), decent),
    "chat with a body of its own spelling": (
        request(b'{ "model" : "alpha",\n "seed": 1.50, "messages":[{"role":"user","content":"\\u00e4"}] }'),
        decent,
    ),
    "keyed": (request(chat("keyed"), {"authorization": "Bearer mine"}), decent),
    "client's key": (request(chat("alpha"), {"authorization": "Bearer mine", "x-custom": "kept"}), decent),
    "azure": (request(chat("azure")), decent),
    "custom": (request(chat("custom"), {"user-agent": "of-the-client"}), decent),
    "decided": (request(chat("auto", "urgent!"), {"x-vsr-debug": "true"}), decent),
    "control headers": (
        request(chat("alpha"), {"x-vsr-debug": "true", "x-authz-user-id": "me", "x-user-a-key": "k"}),
        decent,
    ),
    "stream": (request(chat("alpha", stream=True)), stream("a", "b", "c")),
    "stream of a priced model": (
        request(chat("priced", stream=True)),
        events(
            [
                *frames("a", "b")[:-1],
                b"data: " + json.dumps({"id": "x", "choices": [], "usage": USAGE}).encode() + b"\n\n",
                DONE,
            ]
        ),
    ),
    "stream cut between events": (request(chat("alpha", stream=True)), events(frames("a", "b")[:-2])),
    "fast response": (request(chat("auto", "my password")), decent),
    "fast response, streamed": (request(chat("auto", "my password", stream=True)), decent),
    "fast response in Messages": (request(messages("auto", "my password"), path=MESSAGES_PATH), decent),
    "an error of the backend": (request(chat("alpha")), plain(ERROR, 429, **{"retry-after": "7"})),
    "an error that is no JSON": (request(chat("alpha")), plain(b"<h1>no</h1>", 500, **{"content-type": "text/html"})),
    "an error without a body": (request(chat("alpha")), plain(b"", 500, **{"content-type": "text/plain"})),
    "Chat to Messages": (request(chat("claude")), plain(MESSAGE)),
    "Chat to Messages, streamed": (request(chat("claude", stream=True)), events(message_events("a", "b"))),
    "Chat to Messages, decided": (request(chat("auto", "a poem")), plain(MESSAGE)),
    "Chat to Messages, a plain answer to a stream": (request(chat("claude", stream=True)), plain(MESSAGE)),
    "Chat to Messages, an error": (request(chat("claude")), plain(OVERLOADED, 529)),
    "Chat to Messages, cut": (request(chat("claude", stream=True)), events(message_events("a", "b")[:-3])),
    "Chat to Messages, an error without a body": (
        request(chat("claude")),
        plain(b"", 529, **{"content-type": "application/json"}),
    ),
    "Messages to Chat, an error without a body": (
        request(messages("alpha"), path=MESSAGES_PATH),
        plain(b"", 520, **{"content-type": "text/plain"}),
    ),
    "Messages": (request(messages("claude"), path=MESSAGES_PATH), plain(MESSAGE)),
    "Messages, streamed": (request(messages("claude", stream=True), path=MESSAGES_PATH), events(message_events("a"))),
    "Messages to Chat": (request(messages("alpha"), path=MESSAGES_PATH), plain(completion())),
    "Messages to Chat, streamed": (request(messages("alpha", stream=True), path=MESSAGES_PATH), stream("a", "b")),
    "Messages to Chat, an error": (request(messages("alpha"), path=MESSAGES_PATH), plain(ERROR, 429)),
    "Responses": (request(responses("alpha"), path=RESPONSES_PATH), decent),
    "Responses, with everything": (
        request(
            responses("priced", instructions="Be kind.", tools=[TOOL], metadata={"k": "v"}, seed=1),
            {"x-vsr-debug": "true"},
            path=RESPONSES_PATH,
        ),
        chat_backend(CALLS),
    ),
    "Responses, streamed": (
        request(responses("priced", tools=[TOOL], stream=True), path=RESPONSES_PATH),
        chat_backend(CALLS),
    ),
    "Responses, not stored": (request(responses("alpha", store=False), path=RESPONSES_PATH), decent),
    "Responses over Messages": (request(responses("claude"), path=RESPONSES_PATH), plain(MESSAGE)),
    "Responses over Messages, streamed": (
        request(responses("claude", stream=True), path=RESPONSES_PATH),
        events(message_events("a", "b")),
    ),
    "Responses over Messages, a plain answer to a stream": (
        request(responses("claude", stream=True), path=RESPONSES_PATH),
        plain(MESSAGE),
    ),
    "Responses, a stream that was not asked for": (request(responses("alpha"), path=RESPONSES_PATH), stream("a", "b")),
    "Responses, cut between events": (
        request(responses("alpha", stream=True), path=RESPONSES_PATH),
        events(frames("a", "b")[:-2]),
    ),
    "Responses over Messages, cut": (
        request(responses("claude", stream=True), path=RESPONSES_PATH),
        events(message_events("a", "b")[:-3]),
    ),
    "Responses, decided": (request(responses("auto", "urgent!"), path=RESPONSES_PATH), decent),
    "Responses, answered by a decision": (request(responses("auto", "my password"), path=RESPONSES_PATH), decent),
    "Responses, answered by a decision, streamed": (
        request(responses("auto", "my password", stream=True), path=RESPONSES_PATH),
        decent,
    ),
    "Responses, an error": (
        request(responses("alpha"), path=RESPONSES_PATH),
        plain(ERROR, 429, **{"retry-after": "7"}),
    ),
    "Responses over Messages, an error": (request(responses("claude"), path=RESPONSES_PATH), plain(OVERLOADED, 529)),
    "Responses, an error for a stream": (
        request(responses("alpha", stream=True), path=RESPONSES_PATH),
        plain(b"<h1>no</h1>", 500, **{"content-type": "text/html"}),
    ),
    "Responses, an error without a body": (
        request(responses("alpha"), path=RESPONSES_PATH),
        plain(b"", 500, **{"content-type": "text/plain"}),
    ),
    "Responses, nothing to go on from": (
        request(responses("alpha", previous_response_id=f"resp_{'0' * 32}"), path=RESPONSES_PATH),
        decent,
    ),
    "Responses, wrong": (request(responses("alpha", background=True), path=RESPONSES_PATH), decent),
    "Responses, no JSON": (request(b'{"model": "alpha", "input": ', path=RESPONSES_PATH), decent),
    "Responses, unreachable": (request(responses("dead"), path=RESPONSES_PATH), decent),
    "Responses over Messages, unreachable": (request(responses("dead-claude"), path=RESPONSES_PATH), decent),
    "Responses, echo": (request(responses("echo"), path=RESPONSES_PATH), decent),
    "Responses, echo, streamed": (request(responses("echo", stream=True), path=RESPONSES_PATH), decent),
    "a summary": (request(responses("alpha"), path=f"{RESPONSES_PATH}/compact"), decent),
    "a summary over Messages": (request(responses("claude"), path=f"{RESPONSES_PATH}/compact"), plain(MESSAGE)),
    "a summary of the router's": (request(responses("echo"), path=f"{RESPONSES_PATH}/compact"), decent),
    "no summary": (request(responses("alpha"), path=f"{RESPONSES_PATH}/compact"), plain(completion(""))),
    "the tokens of a response": (request(responses("alpha"), path=f"{RESPONSES_PATH}/input_tokens"), decent),
    "no such response": (get(NOWHERE), decent),
    "no response at all": (get(f"{RESPONSES_PATH}/resp_x?stream=true"), decent),
    "no such response to delete": (get(NOWHERE, "DELETE"), decent),
    "no such response to cancel": (request(b"{}", path=f"{NOWHERE}/cancel"), decent),
    "the input of no such response": (get(f"{NOWHERE}/input_items?limit=1"), decent),
    "a wrong method for responses": (get(RESPONSES_PATH, "PUT"), decent),
    "tokens": (request(messages("claude"), path="/v1/messages/count_tokens"), decent),
    "echo": (request(chat("echo")), decent),
    "echo, streamed": (request(chat("echo", stream=True)), decent),
    "echo in Messages": (request(messages("echo"), path=MESSAGES_PATH), decent),
    "no such model": (request(chat("nobody")), decent),
    "no such model in Messages": (request(messages("nobody"), path=MESSAGES_PATH), decent),
    "no JSON": (request(b'{"model": "alpha", "messages": ['), decent),
    "a field twice": (request(b'{"model": "alpha", "model": "claude", "messages": []}'), decent),
    "no body": (request(b""), decent),
    "compressed": (request(b"x", {"content-encoding": "gzip"}), decent),
    "models": (get("/v1/models"), decent),
    "a model": (get("/v1/models/claude"), decent),
    "no such model to look at": (get("/v1/models/nobody?x=1"), decent),
    "no such path": (get("/v2/nothing"), decent),
    "no such path for a body": (request(chat("alpha"), path="/v1/embeddings"), decent),
    "wrong method": (get("/v1/chat/completions"), decent),
    "unreachable": (request(chat("dead")), decent),
    "unreachable in Messages": (request(messages("dead-claude"), path=MESSAGES_PATH), decent),
    "unreachable, translated": (request(chat("dead-claude")), decent),
}

VARYING = re.compile(
    rb'chatcmpl-[0-9a-z-]+|(msg|resp|rs|fc|ctc|call|cmp)_[0-9a-z_]+|"(created|created_at|completed_at)":\d+'
)


def steady(body: bytes) -> bytes:
    """Without what is different each time."""
    return VARYING.sub(b"*", body)


def headers_of(answered) -> dict:
    return {
        name: value for name, value in answered.headers.items() if not is_of_a_hop(name) and name != "content-length"
    }


def is_of_a_hop(name: str) -> bool:
    return name in OF_A_HOP or name.startswith("x-envoy-")


def received(upstream) -> list:
    """What a backend was sent."""

    def one(request):
        names = lambda name: not is_of_a_hop(name) and name != "content-length"  # noqa: E731
        headers = sorted((name.lower(), value) for name, value in request.headers if names(name.lower()))
        assert request.header("content-length") in (None, str(len(request.body)))
        return request.method, request.target, headers, request.body

    return [one(request) for request in upstream.requests]


def answered_by(face, wire: bytes):
    with Raw(face) as raw:
        raw.send(wire.replace(b"\r\n", b"\r\nx-request-id: req-of-the-test\r\n", 1))
        return raw.response()


@pytest.mark.parametrize("case", CASES)
def test_both_faces_are_one(case, service, envoy, a):
    wire, a.script = CASES[case]
    a.takes_chunks = envoy.in_pieces
    alone = answered_by(service, wire)
    to_backend, a.requests = received(a), []
    behind = answered_by(envoy, wire)
    assert received(a) == to_backend
    assert (behind.status, headers_of(behind)) == (alone.status, headers_of(alone))
    assert steady(behind.body) == steady(alone.body)
    assert behind.complete == alone.complete
    if "content-length" in alone.headers and "content-length" in behind.headers:
        assert behind.headers["content-length"] == str(len(behind.body))
