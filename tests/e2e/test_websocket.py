"""Responses over a WebSocket: what a client of the protocol itself sees, and the official SDKs."""

import json
import socket
import subprocess
import threading
import time
from pathlib import Path

import httpx
import pytest
from conftest import CLIENT_KEY, sdk
from openai.types.responses.responses_server_event import ResponsesServerEvent
from pydantic import TypeAdapter
from protocols import message, messages_backend
from responses import call, chat, chat_backend, events_of, texts
from router import HOME
from upstream import DONE, END, STREAM_HEAD, answer, chunk, piece
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

_EVENT = TypeAdapter(ResponsesServerEvent)


@pytest.fixture
def responses(responses_alone):
    """There are no WebSockets behind Envoy."""
    return responses_alone


@pytest.fixture
def dial(responses):
    """Opens WebSockets, and closes them in the end."""
    opened = []

    def dial(router=responses, **options):
        url = router.url.replace("http", "ws") + "/v1/responses"
        opened.append(connect(url, max_size=None, **options))
        return opened[-1]

    yield dial
    for ws in opened:
        ws.close()


def ask(ws, **body) -> None:
    ws.send(json.dumps({"type": "response.create", "model": "gpt"} | body))


def receive(ws) -> dict:
    data = ws.recv(5)
    assert isinstance(data, str)
    _EVENT.validate_json(data)
    return json.loads(data)


def turn(ws, **body) -> dict:
    """Asks, checks every event, and gives the response."""
    ask(ws, **body)
    events = []
    while not events or events[-1]["type"] not in ("response.completed", "response.incomplete", "response.failed"):
        events.append(receive(ws))
        assert events[-1]["type"] != "error", events[-1]
        assert events[-1].pop("stream_id", None) == body.get("stream_id")
    # What they are in a stream, they are here.
    frames = [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events]
    return events_of(("".join(frames) + "data: [DONE]\n\n").encode())[-1]["response"]


def error(ws, status: int, **body) -> dict:
    """Asks for what is refused."""
    ask(ws, **body)
    got = receive(ws)
    assert (got["type"], got["status"]) == ("error", status), got
    assert set(got["error"]) == {"message", "type", "param", "code"} and got["error"]["message"]
    return got["error"]


def messages(backend) -> list:
    return [message.get("content") for message in backend.last.json()["messages"]]


@pytest.mark.parametrize("model", ["gpt", "claude"])
def test_a_response(dial, everything, model):
    got = turn(dial(), model=model, input="Hi", metadata={"a": "b"})
    assert got["status"] == "completed" and got["metadata"] == {"a": "b"}
    assert texts(got) == ["Look: ä"]


def test_one_after_the_other(dial, a):
    ws = dial()
    a.script = chat_backend(chat("one"), chat("two"), chat("three"))
    for n in range(2):
        ask(ws, input=f"{n}")
    seen = []
    while sum(event["type"] == "response.completed" for event in seen) < 2:
        seen.append(receive(ws))
    created = [event["response"]["id"] for event in seen if event["type"] == "response.created"]
    kinds = [event["type"] for event in seen]
    assert kinds.index("response.completed") + 1 == kinds.index("response.created", 1) and len(set(created)) == 2
    assert texts(turn(ws, input="3")) == ["three"]


def test_what_is_not_stored_can_be_gone_on_from(dial, responses, a):
    a.script = chat_backend(chat("one"), chat("two"), chat("three"))
    ws = dial()
    first = turn(ws, input="a", store=False)
    second = turn(ws, input="b", store=False, previous_response_id=first["id"])
    assert second["previous_response_id"] == first["id"]
    assert messages(a) == ["a", "one", "b"]
    turn(ws, input="c", store=False, previous_response_id=second["id"])
    assert messages(a) == ["a", "one", "b", "two", "c"]
    # Nobody else can, and it is nowhere.
    refused = error(dial(), 400, input="x", store=False, previous_response_id=second["id"])
    assert (refused["code"], refused["param"]) == ("previous_response_not_found", "previous_response_id")
    assert httpx.get(f"{responses.url}/v1/responses/{second['id']}").status_code == 404


def test_what_is_stored_is_there_for_all(dial, responses, a):
    a.script = chat_backend(chat("one"), chat("two"), chat("three"))
    first = turn(dial(), input="a")
    assert httpx.get(f"{responses.url}/v1/responses/{first['id']}").json() == first
    second = turn(dial(), input="b", previous_response_id=first["id"], store=False)
    assert messages(a) == ["a", "one", "b"] and not second["store"]


def test_a_turn_that_fails_is_not_gone_on_from(dial, a):
    ws = dial()
    first = turn(ws, input="a", store=False)
    a.script = lambda connection, _: connection.send(answer({"error": {"message": "no", "type": "x"}}, status=400))
    assert error(ws, 400, input="b", store=False, previous_response_id=first["id"])["message"] == "no"
    again = error(ws, 400, input="b", store=False, previous_response_id=first["id"])
    assert again["code"] == "previous_response_not_found"
    a.script = chat_backend(chat("recovered"))
    assert texts(turn(ws, input="b", store=False)) == ["recovered"]


def test_a_result_without_its_call_is_refused(dial, a):
    ws = dial()
    a.script = chat_backend(chat(None, call("c1", "weather", "{}")), chat("Rain."))
    tools = [{"type": "function", "name": "weather", "parameters": {"type": "object"}}]
    result = {"type": "function_call_output", "call_id": "c1", "output": "rain"}
    first = turn(ws, input="a", tools=tools, store=False)
    second = turn(ws, input=[result], tools=tools, store=False, previous_response_id=first["id"])
    assert texts(second) == ["Rain."]
    stray = result | {"call_id": "call_missing"}
    assert "call_missing" in error(ws, 400, input=[stray], previous_response_id=second["id"])["message"]
    gone = error(ws, 400, input="x", store=False, previous_response_id=second["id"])
    assert gone["code"] == "previous_response_not_found"


def test_what_is_prepared_is_not_answered(dial, a):
    ws = dial()
    ready = turn(ws, input="a", instructions="Be brief.", store=False, generate=False)
    assert ready["output"] == [] and ready["usage"]["total_tokens"] == 0 and not a.requests
    turn(ws, input="b", store=False, previous_response_id=ready["id"])
    assert messages(a) == ["a", "b"]
    assert error(ws, 404, model="none", input="a", generate=False)["code"] == "model_not_found"


def test_lanes_are_side_by_side(dial, a):
    """What is asked in one lane waits for a backend while another lane is answered."""
    ws, go = dial(), threading.Event()
    quick = chat_backend(chat("quick"))

    def script(connection, request):
        if "slow" in messages(a):
            assert go.wait(5)
        quick(connection, request)

    a.script = script
    ask(ws, input="slow", stream_id="slow")
    time.sleep(0.2)
    first = turn(ws, input="a", stream_id="x", store=False)
    # The default lane is one, too; and a conversation may go on in another.
    fork = turn(ws, input="b", store=False, previous_response_id=first["id"])
    assert fork["previous_response_id"] == first["id"]
    go.set()
    while (event := receive(ws))["type"] != "response.completed":
        assert event["stream_id"] == "slow"


def test_what_is_refused_leaves_the_connection_open(dial, a):
    ws = dial()
    assert error(ws, 400, input="x", background=True)["param"] == "background"
    assert error(ws, 400, input="x", stream_id="a b")["code"] == "invalid_stream_id"
    assert error(ws, 404, model="none", input="x")["code"] == "model_not_found"
    assert error(ws, 400)["param"] == "input"
    assert "response.steer" in error(ws, 400, type="response.steer", input="x", previous_response_id="y")["message"]
    for text in ("{", "[]", "7", b"{}"):
        ws.send(text)
        assert receive(ws)["status"] == 400
    ask(ws, model="none", input="x", stream_id="a")
    assert receive(ws)["stream_id"] == "a"
    for n in range(31):
        assert error(ws, 404, model="none", input="x", stream_id=f"l{n}")["code"] == "model_not_found"
    assert error(ws, 400, input="x", stream_id="one-too-many")["code"] == "websocket_stream_limit_reached"
    a.script = chat_backend(chat("fine"))
    assert texts(turn(ws, input="x", stream_id="a")) == ["fine"]


def test_a_message_in_lines(dial, responses, a):
    """Line ends between values do not get into events, which have one line each."""
    tools = [{"type": "custom", "name": "run"}]
    body = json.dumps({"type": "response.create", "model": "gpt", "input": "x", "tools": tools}, indent=1)
    a.script = chat_backend(chat("one"))
    ws = dial()
    ws.send(body.replace("\n", "\r\n\r\n"))
    while (event := receive(ws))["type"] != "response.completed":
        pass
    assert event["response"]["tools"] == tools
    posted = body.replace('"response.create"', "null").replace('"model"', '"stream": true, "model"')
    got = httpx.post(f"{responses.url}/v1/responses", content=posted.replace("\n", "\n\n"))
    assert events_of(got.content)[-1]["response"]["tools"] == tools


def test_too_much_waits(dial, a):
    ws, go = dial(), threading.Event()

    def script(connection, request):
        assert go.wait(5)
        chat_backend(chat("x"))(connection, request)

    a.script = script
    for n in range(66):
        ask(ws, input=f"{n}")
    assert receive(ws)["error"]["code"] == "websocket_queue_full"
    go.set()
    done = 0
    while done < 65:
        done += receive(ws)["type"] == "response.completed"


def test_a_backend_that_breaks_off(dial, a):
    def script(connection, _):
        connection.send(STREAM_HEAD, piece(chunk({"role": "assistant", "content": "half"})))
        connection.close()

    a.script = script
    ws = dial()
    got = turn(ws, input="x")
    assert got["status"] == "failed"
    assert texts(got) == ["half"]


def test_a_client_that_leaves(dial, a):
    began, noticed = threading.Event(), threading.Event()

    def script(connection, _):
        connection.send(STREAM_HEAD, piece(chunk({"role": "assistant", "content": "x"})))
        began.set()
        if connection.wait_closed(3):
            noticed.set()

    a.script = script
    ws = dial()
    ask(ws, input="x")
    assert began.wait(2)
    while receive(ws)["type"] != "response.output_text.delta":
        pass
    ws.socket.shutdown(socket.SHUT_RDWR)
    assert noticed.wait(2)


def test_pings_and_the_end(dial):
    ws = dial()
    assert ws.ping().wait(2)
    ws.close()
    assert ws.close_code == 1000


def test_a_message_that_is_too_large(dial, responses):
    ws = dial()
    ask(ws, input="x" * (33 << 20))
    with pytest.raises(ConnectionClosed) as closed:
        ws.recv(10)
    assert closed.value.rcvd.code == 1009
    assert httpx.get(f"{responses.url}/v1/models").status_code == 200


def frame(opcode: int, payload: bytes, masked: bool = True) -> bytes:
    mask = bytes(4) if masked else b""
    return bytes([0x80 | opcode, len(payload) | (0x80 if masked else 0)]) + mask + payload


@pytest.fixture
def raw(responses):
    """A WebSocket whose client does nothing by itself: it neither reads nor answers pings."""
    head = b"GET /v1/responses HTTP/1.1\r\nhost: r\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
    with socket.create_connection((responses.host, responses.port)) as sock:
        sock.sendall(head + b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n")
        sock.settimeout(10)
        got = b""
        while not got.endswith(b"\r\n\r\n"):
            got += sock.recv(1)
        assert got.startswith(b"HTTP/1.1 101 ")
        yield sock


def long_text(**body) -> bytes:
    """A frame with a request of any length."""
    text = json.dumps({"type": "response.create", "model": "gpt"} | body).encode()
    return bytes([0x81, 0xFF]) + len(text).to_bytes(8, "big") + bytes(4) + text


@pytest.mark.parametrize("sent", [frame(9, b"x" * 125), frame(2, b"")], ids=["pings", "refused"])
def test_who_talks_and_does_not_listen(responses, raw, sent):
    """What it is told in answer takes no memory without end: it is not heard any more."""
    before = responses.resident_kib()
    raw.settimeout(1)
    batch = sent * (256 * 1024 // len(sent))
    with pytest.raises(TimeoutError):
        for _ in range(256):
            raw.sendall(batch)
    assert responses.resident_kib() - before < 16 * 1024


def test_who_sends_before_it_reads(raw, a):
    """What it is told meanwhile does not keep it from being heard."""
    big = [piece(chunk({"content": "x" * 1_000_000}))] * 20

    def script(connection, request):
        connection.send(STREAM_HEAD, *big, piece(chunk({}, "stop")), piece(DONE), END)

    a.script = script
    raw.sendall(long_text(input="x", stream_id="a", store=False))
    time.sleep(0.5)
    raw.sendall(long_text(input="y" * 16_000_000, stream_id="b", store=False))
    wanted, rest, ends = b'"type":"response.completed"', b"", 0
    while ends < 2:
        got = rest + raw.recv(1 << 20)
        ends += got.count(wanted)
        rest = got[1 - len(wanted) :]


def test_a_backend_that_ends_late(dial, responses, a):
    """What was said is told, and the next in the lane is asked, before the backend ends what it said it with."""

    def script(connection, _):
        first, last = chunk({"role": "assistant", "content": "x"}), chunk({}, "stop")
        connection.send(STREAM_HEAD, piece(first), piece(last), piece(DONE))
        connection.wait_closed(3)

    a.script = script
    responses.lines.clear()
    ws, began = dial(), time.monotonic()
    assert [texts(turn(ws, input=text)) for text in "ab"] == [["x"], ["x"]]
    body = {"model": "gpt", "input": "c", "stream": True}
    assert texts(events_of(httpx.post(f"{responses.url}/v1/responses", json=body).content)[-1]["response"]) == ["x"]
    # Sooner than a backend is silent for too long, and each of them.
    assert time.monotonic() - began < 0.9
    assert "cut off" not in responses.log


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({b"GET": b"HEAD"}, b"426"),
        ({b"HTTP/1.1": b"HTTP/1.0"}, b"426"),
        ({b"host": b"content-length: 5\r\nhost"}, b"400"),
    ],
)
def test_what_opens_no_websocket(responses, changes, status):
    head = b"GET /v1/responses HTTP/1.1\r\nhost: r\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
    head += b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n"
    for old, new in changes.items():
        head = head.replace(old, new)
    with socket.create_connection((responses.host, responses.port)) as sock:
        sock.settimeout(3)
        sock.sendall(head)
        assert sock.recv(4096).split(b" ")[1] == status


@pytest.mark.parametrize(
    ("sent", "code"),
    [(frame(1, b"{}", masked=False), 1002), (frame(3, b""), 1002), (frame(1, b"\xff"), 1007)],
)
def test_who_breaks_the_protocol(responses, sent, code):
    with socket.create_connection((responses.host, responses.port)) as sock:
        head = b"GET /v1/responses HTTP/1.1\r\nhost: r\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
        key = b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n"
        # The first frame comes with the head.
        sock.sendall(head + key + sent)
        sock.settimeout(3)
        got = b""
        while part := sock.recv(4096):
            got += part
    head, _, rest = got.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 ") and b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head
    assert rest[0] == 0x88 and int.from_bytes(rest[2:4], "big") == code


def test_a_get_that_is_no_websocket(responses, policy):
    got = httpx.get(f"{responses.url}/v1/responses")
    assert (got.status_code, got.headers["upgrade"], got.headers["sec-websocket-version"]) == (426, "websocket", "13")
    # Without the Responses API there is no WebSocket, either.
    with pytest.raises(InvalidStatus) as refused:
        connect(policy.url.replace("http", "ws") + "/v1/responses")
    assert refused.value.response.status_code == 404


def test_pages_of_other_sites(dial, responses):
    with pytest.raises(InvalidStatus) as refused:
        dial(origin="https://elsewhere.example")
    assert refused.value.response.status_code == 403
    turn(dial(origin=responses.url), input="x")


def test_keys(dial, guarded, a):
    with pytest.raises(InvalidStatus) as refused:
        dial(guarded)
    assert refused.value.response.status_code == 401
    a.script = chat_backend(chat("one"))
    mine = dial(guarded, additional_headers={"authorization": "Bearer first-key"})
    theirs = dial(guarded, additional_headers={"authorization": "Bearer second-key"})
    got = turn(mine, model="gamma", input="x")
    assert a.last.header("authorization") is None and a.last.header("sec-websocket-key") is None
    assert a.last.header("upgrade") is None
    refused = error(theirs, 400, model="gamma", input="x", previous_response_id=got["id"])
    assert refused["code"] == "previous_response_not_found"


def test_signals_and_plugins(dial, b):
    ws = dial()
    assert texts(turn(ws, model="auto", input="my password")) == ["Not here."]
    b.script = messages_backend(message("It does."))
    turn(ws, model="auto", input="does this rust code compile?")
    assert "Be precise." in json.dumps(b.last.json()["system"])


def test_what_is_told_of_it(responses, dial, a):
    a.script = chat_backend(chat("one"))
    responses.lines.clear()
    turn(dial(), input="x" * 100)
    parts = ("status=101", 'requested_model="gpt"')
    opened, asked = (responses.wait_log(f'path="/v1/responses" {part}') for part in parts)
    assert 'method="GET"' in opened and 'outcome="ok"' in opened
    assert all(part in asked for part in ('method="GET"', "status=200", "stream=true", "bytes_in=1", 'outcome="ok"'))


def test_the_router_stops(start, backends, dial, a):
    """What was asked is answered, and then the connection ends."""
    router = start("responses", {"UP_A": backends[0].url, "UP_B": backends[1].url}, "--extproc", "127.0.0.1:0")
    busy, idle, go = dial(router), dial(router), threading.Event()

    def script(connection, request):
        assert go.wait(5)
        chat_backend(chat("the last"))(connection, request)

    a.script = script
    ask(busy, input="x")
    time.sleep(0.2)
    router.process.terminate()
    with pytest.raises(ConnectionClosed) as closed:
        idle.recv(3)
    assert closed.value.rcvd.code == 1001
    assert error_code(busy) == "server_shutting_down"
    go.set()
    while (event := receive(busy))["type"] != "response.completed":
        pass
    assert texts(event["response"]) == ["the last"]
    with pytest.raises(ConnectionClosed) as closed:
        busy.recv(3)
    assert closed.value.rcvd.code == 1001
    assert router.process.wait(3) == 0


def error_code(ws) -> str:
    ask(ws, input="y")
    return receive(ws)["error"]["code"]


def test_the_python_sdk(responses, a):
    a.script = chat_backend(chat("one"), chat("two"))
    with sdk(responses) as client, client.responses.connect() as connection:
        connection.response.create(model="gpt", input="a", store=False, stream_id="main")
        first = final(connection)
        assert a.last.header("authorization") == f"Bearer {CLIENT_KEY}"
        connection.response.create(
            model="gpt", input="b", store=False, stream_id="main", previous_response_id=first.response.id
        )
        last = final(connection)
        assert last.response.output_text == "two" and last.stream_id == "main"
        assert messages(a) == ["a", "one", "b"]
        connection.response.create(model="none", input="a")
        event = connection.recv()
        assert (event.type, event.status, event.error.code) == ("error", 404, "model_not_found")


def final(connection):
    for event in connection:
        assert event.type not in ("response.failed", "response.incomplete", "error"), event
        if event.type == "response.completed":
            return event


@pytest.mark.parametrize("version", ["openai", "openai7"])
def test_the_node_sdks(node, responses, a, version):
    a.script = chat_backend(chat("one"), chat("two"))
    script = Path(__file__).parent / "node" / "websocket.mjs"
    env = {"BASE_URL": f"{responses.url}/v1", "NODE_HOME": str(HOME / "node"), "SDK": version}
    ended = subprocess.run([node, script], env=env, capture_output=True, text=True, timeout=20, check=False)
    assert ended.returncode == 0, ended.stderr
    assert messages(a) == ["a", "one", "b"]
