"""Streams: bytes untouched, each frame at once, a client that leaves is noticed, no broken stream looks complete."""

import threading
import time

import httpx
import openai
import pytest
from conftest import sdk
from raw import Raw, ask, chat, eventually, request
from upstream import DONE, END, STREAM_HEAD, chunk, frames, piece, stream

HI = [{"role": "user", "content": "hi"}]
STREAM = request(chat("alpha", stream=True))


@pytest.mark.parametrize("split", ["frames", "bytes", "one write", "odd chunks"])
def test_the_bytes_are_untouched(router, a, split):
    odd = [
        b": comment\n\n",
        b"event: x\r\ndata: {}\r\n\r\n",
        b"id: 1\nretry: 5\ndata: a\ndata: b\n\n",
        "data: ü🦀\n\n".encode(),
    ]
    sent = b"".join([*odd, *frames("one", "two")])

    def script(connection, _):
        if split == "one write":
            connection.send(STREAM_HEAD, *(piece(frame) for frame in [*odd, *frames("one", "two")]), END)
            return
        connection.send(STREAM_HEAD)
        pieces = {
            "frames": [*odd, *frames("one", "two")],
            "bytes": [sent[i : i + 1] for i in range(len(sent))],
            "odd chunks": [sent[i : i + 13] for i in range(0, len(sent), 13)],
        }[split]
        for data in pieces:
            connection.send(piece(data))
        connection.send(END)

    a.script = script
    with Raw(router) as raw:
        for _ in range(2):
            raw.send(STREAM)
            response = raw.response()
            assert response.complete and response.body == sent


def test_each_frame_arrives_when_it_is_sent(router, a):
    """The backend sends a frame only when the client has said that it has the one before."""
    got, sent = threading.Semaphore(0), frames("a", "b", "c", "d")

    def script(connection, _):
        connection.send(STREAM_HEAD)
        for frame in sent:
            connection.send(piece(frame))
            assert got.acquire(timeout=1), "a frame was held back"
        connection.send(END)

    a.script = script
    with Raw(router) as raw:
        raw.send(STREAM)
        raw.until(b"\r\n\r\n")
        for frame in sent:
            raw.until(frame)
            got.release()
        raw.until(END)


def test_the_head_arrives_before_the_first_frame(router, a):
    head_seen = threading.Event()

    def script(connection, _):
        connection.send(STREAM_HEAD)
        assert head_seen.wait(0.9), "the head was held back"
        connection.send(*map(piece, frames("x")), END)

    a.script = script
    with httpx.stream("POST", f"{router.url}/v1/chat/completions", json=chat("alpha", stream=True)) as response:
        head_seen.set()
        assert response.status_code == 200
        assert response.read().endswith(DONE)


@pytest.mark.parametrize("phase", ["before the head", "before the first frame", "between frames", "in a frame"])
@pytest.mark.parametrize("streaming", [True, False])
def test_a_client_that_leaves_is_noticed(router, a, phase, streaming):
    noticed, reached = threading.Event(), threading.Event()

    def script(connection, _):
        if phase != "before the head":
            connection.send(STREAM_HEAD if streaming else b"HTTP/1.1 200 OK\r\ncontent-length: 99999\r\n\r\n")
        if phase == "between frames":
            connection.send(piece(chunk({"content": "x"})))
        if phase == "in a frame":
            connection.send(b"fff\r\ndata: {")
        reached.set()
        if connection.wait_closed(0.9):
            noticed.set()

    a.script = script
    before = router.metrics().get('llm_request_errors_total{model="alpha",reason="client_closed"}', 0)
    with Raw(router) as raw:
        raw.send(request(chat("alpha", stream=streaming)))
        assert reached.wait(2)
        if phase != "before the head":
            raw.until(b"\r\n\r\n")
    assert noticed.wait(1)
    eventually(
        lambda: router.metrics().get('llm_request_errors_total{model="alpha",reason="client_closed"}', 0) == before + 1
    )
    assert router.metrics()['llm_model_inflight_requests{model="alpha"}'] == 0


def test_the_sdks_client_leaves(router, a):
    noticed = threading.Event()

    def script(connection, _):
        connection.send(STREAM_HEAD, piece(chunk({"role": "assistant", "content": "x"})))
        if connection.wait_closed(1):
            noticed.set()

    a.script = script
    with sdk(router) as client, client.chat.completions.create(model="alpha", messages=HI, stream=True) as chunks:
        next(iter(chunks))
    assert noticed.wait(1)


def test_a_client_that_leaves_while_it_sends(router, a):
    with Raw(router) as raw:
        raw.send(STREAM[:-10])
    with Raw(router) as raw:
        raw.send(b"POST /v1/chat/completions HTTP/1.1\r\nhost")
    assert ask(router, chat("alpha")).status == 200
    assert len(a.requests) == 1


BREAKS = {
    "clean end without [DONE]": (lambda c: c.send(END), True),
    "reset between frames": (lambda c: (time.sleep(0.05), c.reset()), True),
    "closed between frames": (lambda c: c.close(), True),
    "closed in a chunk": (lambda c: (c.send(b'fff\r\ndata: {"id"'), c.close()), False),
    "clean end in a frame": (lambda c: c.send(piece(b'data: {"id"'), END), False),
    "broken framing": (lambda c: (c.send(b"zz\r\n"), c.close()), True),
    "silence": (lambda c: c.wait_closed(3), True),
    "silence in a frame": (lambda c: (c.send(piece(b"data: {")), c.wait_closed(3)), False),
}


@pytest.mark.parametrize("how", BREAKS)
def test_a_stream_that_breaks(router, a, how):
    break_it, at_boundary = BREAKS[how]
    sent = frames("one", "two")[:2]

    def script(connection, _):
        connection.send(STREAM_HEAD, *map(piece, sent))
        break_it(connection)

    a.script = script
    response = ask(router, chat("alpha", stream=True))
    assert response.status == 200
    assert response.body.startswith(b"".join(sent))
    assert b"[DONE]" not in response.body
    rest = response.body.removeprefix(b"".join(sent))
    if at_boundary:
        assert response.complete
        assert rest.startswith(b'data: {"error":') and rest.endswith(b"}\n\n")
    else:
        assert not response.complete, "a frame that was cut must not end properly"
        assert rest in (b"", b"data: {", b'data: {"id"')
    with sdk(router) as client:
        chunks = client.chat.completions.create(model="alpha", messages=HI, stream=True)
        with pytest.raises((openai.APIError, httpx.RemoteProtocolError)) as error:
            list(chunks)
        assert isinstance(error.value, openai.APIError) == at_boundary or not at_boundary
        if at_boundary:
            assert error.value.body["type"] == "server_error"
            assert error.value.code in ("upstream_reset", "upstream_timeout")


@pytest.mark.parametrize("streaming", [True, False])
def test_a_break_that_http_1_0_would_not_see(router, a, streaming):
    """To an old client, nginx in front among them, the end of the connection is the end of the answer."""

    def script(connection, _):
        kind = b"text/event-stream" if streaming else b"application/json"
        connection.send(b"HTTP/1.1 200 OK\r\ncontent-type: %s\r\ntransfer-encoding: chunked\r\n\r\n" % kind)
        connection.send(b"fff\r\ndata: {")
        connection.close()

    a.script = script
    with Raw(router) as raw:
        raw.send(request(chat("alpha", stream=streaming)).replace(b"HTTP/1.1", b"HTTP/1.0"))
        with pytest.raises(ConnectionResetError):
            while data := raw.sock.recv(1 << 16):
                raw.buffer += data
    assert raw.buffer.endswith(b"\r\n\r\ndata: {")


def test_what_breaks_behind_done_is_no_error(router, a):
    def script(connection, _):
        connection.send(STREAM_HEAD, *map(piece, frames("x")))
        connection.reset()

    a.script = script
    response = ask(router, chat("alpha", stream=True))
    assert response.complete and response.body == b"".join(frames("x"))


def test_a_plain_answer_that_breaks(router, a):
    def script(connection, _):
        connection.send(b'HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{"id":')
        connection.close()

    a.script = script
    response = ask(router, chat("alpha"))
    assert not response.complete
    with sdk(router) as client, pytest.raises(openai.APIConnectionError):
        client.chat.completions.create(model="alpha", messages=HI)


def test_streams_without_chunks(router, a):
    """HTTP/1.0 backends and `connection: close`: the end of the connection is the end of the stream."""

    def script(connection, _):
        connection.send(b"HTTP/1.0 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n\r\n", *frames("x"))
        connection.close()

    a.script = script
    response = ask(router, chat("alpha", stream=True))
    assert response.complete and response.body == b"".join(frames("x"))

    def cut(connection, _):
        connection.send(b"HTTP/1.0 200 OK\r\ncontent-type: Text/Event-Stream\r\n\r\n", *frames("x")[:2])
        connection.close()

    a.script = cut
    response = ask(router, chat("alpha", stream=True))
    assert b"upstream_reset" in response.body and b"[DONE]" not in response.body


def test_a_stream_of_known_length(router, a):
    body = b"".join(frames("x"))
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: %d\r\n\r\n" % len(body)
    a.script = lambda connection, _: connection.send(head, body)
    response = ask(router, chat("alpha", stream=True))
    assert response.complete and response.body == body


def test_the_idle_timeout_does_not_cut_what_is_slow(router, a):
    a.script = stream("a", "b", pause=0.4)
    started = time.monotonic()
    response = ask(router, chat("alpha", stream=True))
    assert response.body == b"".join(frames("a", "b"))
    assert time.monotonic() - started > 1


def test_the_bound_on_the_whole_request(guarded, a):
    """A stream that never ends is ended by the listener's timeout, however lively it is."""
    a.script = stream(*"abcdefghijklmnopqrstuvwxyz", pause=0.1)
    started = time.monotonic()
    response = ask(guarded, chat("gamma", stream=True), {"x-api-key": "first-key"})
    assert 0.7 < time.monotonic() - started < 1.3
    assert response.complete and b"upstream_timeout" in response.body and b"[DONE]" not in response.body

    a.script = lambda connection, _: connection.wait_closed(2)
    response = ask(guarded, chat("gamma"), {"x-api-key": "first-key"})
    assert (response.status, response.json()["error"]["code"]) == (504, "upstream_timeout")


def test_a_client_that_does_not_read(router, a):
    """Its stream is not piled up in the router."""
    sent = 0

    def script(connection, _):
        nonlocal sent
        connection.send(STREAM_HEAD)
        connection.sock.settimeout(0.5)
        frame = piece(chunk({"content": "x" * 60_000}))
        while sent < 200 << 20:
            connection.send(frame)
            sent += len(frame)

    a.script = script
    before = router.resident_kib()
    with Raw(router) as raw:
        raw.send(STREAM)
        raw.until(b"\r\n\r\n")
        time.sleep(1)
        assert sent < 32 << 20
        assert router.resident_kib() - before < 8 << 10


def test_a_client_that_does_not_read_for_ever(guarded, a):
    """Nobody asks the backend for more, so only the bound on the whole request is left."""
    left = threading.Event()

    def script(connection, _):
        frame = piece(chunk({"content": "x" * 60_000}))
        connection.send(STREAM_HEAD)
        try:
            while True:
                connection.send(frame)
        finally:
            left.set()

    a.script = script
    id = {"x-api-key": "first-key", "x-request-id": "does-not-read"}
    with Raw(guarded) as raw:
        raw.send(request(chat("gamma", stream=True), id))
        raw.until(b"\r\n\r\n")
        started = time.monotonic()
        # A second behind the bound, and as much as a head may take until it is looked at.
        assert left.wait(4) and time.monotonic() - started > 1.5
        assert 'outcome="timeout"' in guarded.wait_log('request_id="does-not-read"')
        metrics = guarded.metrics()
        assert metrics['llm_model_inflight_requests{model="gamma"}'] == 0
        # What it does read then does not look complete.
        while raw.more():
            pass
        assert not raw.buffer.endswith(END)
