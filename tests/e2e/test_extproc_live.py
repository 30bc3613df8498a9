"""A router behind Envoy as its users meet it: SDKs, streams, large bodies, several clusters, and what breaks."""

import json
import threading
import time

import anthropic
import httpx
import openai
import pytest
from conftest import CLIENT_KEY, UP_KEY, sdk
from raw import Raw, ask, chat, eventually, request
from responses import chat as calls
from responses import chat_backend
from test_extproc import MESSAGE, MESSAGES_PATH, message_events, messages
from upstream import END, STREAM_HEAD, answer, chunk, completion, decent, frames, piece, stream


def test_chat_with_the_sdk(envoy, a):
    a.takes_chunks = envoy.in_pieces
    with sdk(envoy) as client:
        said = client.chat.completions.create(**chat("alpha"))
        assert said.choices[0].message.content == "hello"
        a.script = stream("one ", "two")
        pieces = client.chat.completions.create(**chat("alpha", stream=True))
        assert "".join(piece.choices[0].delta.content or "" for piece in pieces) == "one two"
        assert {model.id for model in client.models.list()} >= {"auto"}
        with pytest.raises(openai.NotFoundError) as caught:
            client.chat.completions.create(**chat("nobody"))
        assert caught.value.code == "model_not_found"


def test_messages_with_the_sdk(envoy, a):
    a.takes_chunks = envoy.in_pieces
    options = {"base_url": envoy.url, "api_key": CLIENT_KEY, "max_retries": 0, "timeout": 5.0}
    with anthropic.Anthropic(**options) as client:
        a.script = lambda connection, _: connection.send(answer(MESSAGE))
        assert client.messages.create(**messages("claude")).content[0].text == "hello"
        a.script = stream("one ", "two")
        with client.messages.stream(**messages("alpha")) as streamed:
            assert "".join(streamed.text_stream) == "one two"
        assert client.messages.count_tokens(model="claude", messages=messages("claude")["messages"]).input_tokens > 0


def test_with_llm_katan(envoy):
    with sdk(envoy) as client:
        said = client.chat.completions.create(**chat("katan", "echo this"))
        assert "echo this" in said.choices[0].message.content
        pieces = client.chat.completions.create(**chat("katan", "echo this", stream=True))
        assert "echo this" in "".join(p.choices[0].delta.content or "" for p in pieces if p.choices)


@pytest.mark.parametrize(
    ("model", "events", "marks"),
    [
        ("alpha", frames("first", "second"), (b"first", b"second")),
        ("claude", message_events("first", "second"), (b"first", b"second")),
    ],
)
def test_events_pass_one_by_one(envoy, a, model, events, marks):
    """The second event is not sent before the client has the first."""
    a.takes_chunks = envoy.in_pieces
    go_on = threading.Event()

    def script(connection, _):
        connection.send(STREAM_HEAD)
        for one in events:
            if marks[1] in one:
                assert go_on.wait(3), "the first event did not reach the client"
            connection.send(piece(one))
        connection.send(END)

    a.script = script
    with Raw(envoy) as raw:
        raw.send(request(chat(model, stream=True)))
        raw.until(marks[0])
        assert marks[1] not in raw.buffer
        go_on.set()
        raw.until(marks[1])
        raw.until(b"[DONE]")
        raw.until(b"0\r\n\r\n")


def test_large_bodies(envoy, a):
    a.takes_chunks = envoy.in_pieces
    a.script = lambda connection, _: connection.send(answer(completion("y" * 3_000_000)))
    asked = ask(envoy, chat("alpha", "x" * 3_000_000))
    assert asked.status == 200 and asked.complete
    assert asked.json()["choices"][0]["message"]["content"] == "y" * 3_000_000
    assert a.last.json()["messages"][0]["content"] == "x" * 3_000_000
    assert a.last.json()["model"] == "vendor/alpha-2025"


@pytest.mark.parametrize("path", ["/v1/chat/completions", MESSAGES_PATH])
def test_too_large_bodies(envoy, a, path):
    asked = ask(envoy, messages("alpha", "x" * 5_000_000), path=path)
    assert asked.status == 413
    assert "larger than 4194304 bytes" in asked.json()["error"]["message"]
    assert not a.requests


def test_too_large_bodies_of_unknown_length(envoy, a):
    """Envoy itself stops holding them, or the router does."""
    body = b'{"model":"alpha","x":"'
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: r\r\ntransfer-encoding: chunked\r\n\r\n"
    with Raw(envoy) as raw:
        raw.send(head + piece(body))
        try:
            for _ in range(80):
                raw.send(piece(b"x" * 65536))
        except OSError:
            pass  # it has been told already
        asked = raw.response()
    assert asked.status == 413
    assert "larger than 4194304 bytes" in asked.json()["error"]["message"]
    assert not a.requests


@pytest.mark.parametrize("mode", ["streamed", "full-duplex"])
@pytest.mark.parametrize("path", [MESSAGES_PATH, "/v1/responses"])
def test_a_body_that_stops_coming(service, envoys, a, mode, path):
    """Both faces say so in the same words; where Envoy holds bodies, it waits for them itself."""
    told = []
    for face in (service, envoys(mode)):
        with Raw(face) as raw:
            head = f"POST {path} HTTP/1.1\r\nhost: r\r\nx-request-id: stops\r\n".encode()
            raw.send(head + b"transfer-encoding: chunked\r\n\r\n" + piece(b'{"model":"alpha",'))
            began = time.monotonic()
            asked = raw.response()
            assert 1.4 < time.monotonic() - began < 3
        told.append((asked.status, asked.body))
    assert told[0] == told[1]
    assert told[0][0] == 408
    assert not a.requests


def test_a_slow_client(envoy, a):
    """Pauses that are shorter than they may be add up."""
    a.takes_chunks = envoy.in_pieces
    body = json.dumps(messages("alpha")).encode()
    with Raw(envoy) as raw:
        raw.send(b"POST /v1/messages HTTP/1.1\r\nhost: r\r\ntransfer-encoding: chunked\r\n\r\n")
        for at in range(0, len(body), len(body) // 3 + 1):
            raw.send(piece(body[at : at + len(body) // 3 + 1]))
            time.sleep(0.8)
        raw.send(END)
        assert raw.response().status == 200
    assert len(a.requests) == 1


def test_requests_in_pieces(envoy, a):
    a.takes_chunks = envoy.in_pieces
    body = b'{"model":"alpha","messages":[{"role":"user","content":"hi"}]}'
    with Raw(envoy) as raw:
        raw.send(b"POST /v1/chat/completions HTTP/1.1\r\nhost: r\r\ntransfer-encoding: chunked\r\n\r\n")
        for at in range(0, len(body), 9):
            raw.send(piece(body[at : at + 9]))
            time.sleep(0.002)
        raw.send(END)
        assert raw.response().status == 200
    assert a.last.body == body.replace(b"alpha", b"vendor/alpha-2025")


def test_a_client_does_not_choose_the_backend(envoy, a, b):
    a.takes_chunks = b.takes_chunks = envoy.in_pieces
    marks = {"x-selected-model": "split", "x-selected-backend": "split_b", "x-vsr-destination-endpoint": b.url}
    assert ask(envoy, chat("alpha"), marks).status == 200
    assert (len(a.requests), len(b.requests)) == (1, 0)
    for name in marks:
        assert a.last.header(name) is None


def test_backends_that_are_sent_the_same_share_a_cluster(envoy, a, b):
    a.takes_chunks = b.takes_chunks = envoy.in_pieces
    for _ in range(40):
        assert ask(envoy, chat("pair")).status == 200
    assert len(a.requests) > len(b.requests) > 0


def test_backends_that_are_not_have_one_each(envoy, a, b):
    a.takes_chunks = b.takes_chunks = envoy.in_pieces
    for _ in range(60):
        assert ask(envoy, chat("split")).status == 200
    assert len(a.requests) > len(b.requests) > 0
    for upstream, path, key in [(a, "/v1", UP_KEY), (b, "/other/v1", "sk-of-the-other-backend")]:
        told = {(one.target, one.header("authorization"), one.header("host")) for one in upstream.requests}
        assert told == {(f"{path}/chat/completions", f"Bearer {key}", upstream.url)}
        assert all(one.header("x-selected-backend") is None for one in upstream.requests)


def test_usage_is_counted(envoy, a):
    a.takes_chunks = envoy.in_pieces
    service = envoy.router
    request_id = f"counted-{id(envoy)}"
    before = service.metrics()
    a.script = lambda connection, _: connection.send(answer(MESSAGE))
    assert ask(envoy, chat("claude"), {"x-request-id": request_id}).status == 200
    counted = lambda: {key: value - before.get(key, 0) for key, value in service.metrics().items()}  # noqa: E731
    told = eventually(lambda: {k: v for k, v in counted().items() if "token" in k and 'model="claude"' in k and v})
    assert 3 in told.values() and 4 in told.values(), told
    line = service.wait_log(f'request_id="{request_id}"')
    for part in ('backend="claude_a"', "status=200", "prompt_tokens=3", "completion_tokens=4"):
        assert part in line, line


def test_a_stream_that_breaks_is_not_made_whole(envoy, a):
    a.takes_chunks = envoy.in_pieces

    def script(connection, _):
        connection.send(STREAM_HEAD, piece(chunk({"content": "begun"})))
        time.sleep(0.1)
        connection.reset()

    a.script = script
    asked = ask(envoy, chat("alpha", stream=True))
    assert not asked.complete
    assert b"[DONE]" not in asked.body


def test_a_stream_cut_within_an_event_is_cut(envoy, a):
    a.takes_chunks = envoy.in_pieces

    def script(connection, _):
        connection.send(STREAM_HEAD, piece(chunk({"content": "begun"})))
        time.sleep(0.1)
        connection.send(piece(b'data: {"id":'), END)

    a.script = script
    asked = ask(envoy, chat("alpha", stream=True))
    assert not asked.complete
    assert b"[DONE]" not in asked.body


def test_a_backend_that_is_silent(envoy, a):
    a.takes_chunks = envoy.in_pieces
    a.script = lambda connection, _: time.sleep(30 if connection.wait_closed(28) else 0)
    with Raw(envoy, timeout=25) as raw:
        raw.send(request(messages("claude"), path=MESSAGES_PATH))
        began = time.monotonic()
        asked = raw.response()
    assert (asked.status, asked.json()["error"]["type"]) == (504, "timeout_error")
    assert time.monotonic() - began < 24


def test_a_client_that_leaves(envoy, a):
    a.takes_chunks = envoy.in_pieces
    gone = threading.Event()

    def script(connection, _):
        usage = chunk({}).replace(b'"choices"', b'"usage": {"prompt_tokens": 7, "completion_tokens": 2}, "choices"')
        connection.send(STREAM_HEAD, piece(usage + chunk({"content": "begun"})))
        if connection.wait_closed(5):
            gone.set()

    a.script = script
    with Raw(envoy) as raw:
        raw.send(request(chat("alpha", stream=True), {"x-request-id": f"left-{id(envoy)}"}))
        raw.until(b"begun")
    assert gone.wait(5), "the backend was not told"
    line = envoy.router.wait_log(f'request_id="left-{id(envoy)}"')
    assert 'outcome="client_closed"' in line and "prompt_tokens=7 " in line and "completion_tokens=2 " in line


@pytest.mark.parametrize("model", ["alpha", "claude", "katan"])
def test_a_response_whose_client_leaves(envoy, a, model):
    """What it was told of is not there; its turn before is, and can be gone on from."""
    a.takes_chunks = envoy.in_pieces
    service = envoy.router
    gone = threading.Event()
    with sdk(envoy) as client:
        before = client.responses.create(model="echo", input="before")
        streams = lambda: service.metrics()["hardwire_extproc_streams"]  # noqa: E731
        eventually(lambda: streams() == 0, 5)
        stored = service.metrics()["hardwire_stored_responses"]

        def script(connection, _):
            begun = frames("begun")[:2] if model == "alpha" else message_events("begun")[:3]
            connection.send(STREAM_HEAD, *map(piece, begun))
            if connection.wait_closed(5):
                gone.set()

        a.script = script
        said = {"model": model, "input": "x", "previous_response_id": before.id, "stream": True}
        with Raw(envoy) as raw:
            raw.send(request(said, {"x-request-id": f"left-{model}-{id(envoy)}"}, path="/v1/responses"))
            created = json.loads(raw.until(b"response.in_progress").split(b"data: ")[1].split(b"\n")[0])
            raw.until(b"response.output_text.delta")
            assert streams() == 1
        line = service.wait_log(f'request_id="left-{model}-{id(envoy)}"')
        assert 'outcome="client_closed"' in line, line
        assert model == "katan" or gone.wait(5), "the backend was not told"
        eventually(lambda: streams() == 0, 5)
        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve(created["response"]["id"])
        with pytest.raises(openai.BadRequestError) as error:
            client.responses.create(model="echo", input="x", previous_response_id=created["response"]["id"])
        assert error.value.code == "previous_response_not_found"
        assert service.metrics()["hardwire_stored_responses"] == stored
        assert client.responses.create(model="echo", input="x", previous_response_id=before.id).status == "completed"


def test_clients_that_leave_in_crowds(envoy, a):
    """Nothing is left of them: neither streams nor memory, and those who stay are served."""
    a.takes_chunks = envoy.in_pieces
    service = envoy.router
    gauges = ("llm_model_inflight_requests", "hardwire_extproc_streams")
    under_way = lambda: [n for name, n in service.metrics().items() if name.startswith(gauges)]  # noqa: E731
    eventually(lambda: not any(under_way()), 5)

    def script(connection, _):
        connection.send(STREAM_HEAD, piece(chunk({"content": "begun" * 2000})))
        connection.wait_closed(10)

    def crowd():
        clients = [Raw(envoy, timeout=10) for _ in range(60)]
        for n, raw in enumerate(clients):
            path, body = ("/v1/responses", {"model": "alpha", "input": "x" * 20_000})
            if n % 2:
                path, body = MESSAGES_PATH, messages("alpha", "x" * 20_000)
            whole = request(body | {"stream": True}, path=path)
            # Some leave within their request.
            raw.send(whole if n % 3 else whole[:-100])
        for n, raw in enumerate(clients):
            if n % 3:
                raw.until(b"begun")
        assert any(under_way())
        for raw in clients:
            raw.sock.close()
        eventually(lambda: not any(under_way()), 10)

    a.script = script
    crowd()
    before = service.resident_kib()
    for _ in range(4):
        crowd()
    assert service.resident_kib() - before < 4096
    a.script = decent
    assert ask(envoy, chat("alpha")).status == 200


def test_a_conversation_through_both_faces(envoy, a):
    """What one face stores the other one knows, and goes on from."""
    a.takes_chunks = envoy.in_pieces
    alone = envoy.router
    url, other = f"{envoy.url}/v1/responses", f"{alone.url}/v1/responses"
    with sdk(envoy) as client:
        first = client.responses.create(model="alpha", input="one", instructions="Be kind.")
        a.script = lambda connection, _: connection.send(answer(MESSAGE))
        second = client.responses.create(model="claude", input="two", previous_response_id=first.id)
        a.script = stream("thr", "ee")
        with client.responses.stream(model="alpha", input="three", previous_response_id=second.id) as events:
            third = events.get_final_response()
        assert third.output_text == "three"
    said = [(one["role"], one["content"]) for one in a.last.json()["messages"]]
    assert said == [("user", "one"), ("assistant", "hello"), ("user", "two"), ("assistant", "hello"), ("user", "three")]
    for path in ("", "/input_items", "?stream=true", "?stream=true&starting_after=4"):
        path = third.id + path
        one, another = httpx.get(f"{url}/{path}"), httpx.get(f"{other}/{path}")
        assert one.status_code == another.status_code == 200
        assert one.content == another.content and one.headers["content-type"] == another.headers["content-type"]
    assert httpx.post(f"{url}/{third.id}/cancel").status_code == 400
    assert httpx.delete(f"{url}/{third.id}").json()["deleted"] is True
    assert httpx.get(f"{other}/{third.id}").status_code == 404
    a.script = decent
    summary = httpx.post(f"{url}/compact", json={"model": "alpha", "previous_response_id": second.id, "input": "x"})
    assert summary.json()["object"] == "response.compaction"
    assert httpx.head(f"{url}/{second.id}").status_code == 200


def test_responses_are_counted(envoy, a):
    a.takes_chunks = envoy.in_pieces
    service = envoy.router
    before = service.metrics()
    a.script = chat_backend(calls("Hello."))
    body = {"model": "priced", "input": "x"}
    for streamed in (False, True):
        request_id = f"response-{streamed}-{id(envoy)}"
        asked = ask(envoy, body | {"stream": streamed}, {"x-request-id": request_id}, path="/v1/responses")
        assert asked.status == 200 and asked.complete
        line = service.wait_log(f'request_id="{request_id}"')
        for part in ("prompt_tokens=10", "completion_tokens=5", "cost=2e-5", 'path="/v1/responses"', 'outcome="ok"'):
            assert part in line, line
    cost = 'llm_model_cost_total{model="priced",currency="USD"}'
    assert service.metrics()[cost] - before.get(cost, 0) == pytest.approx(2 * 0.00002)
