"""Bounds in size and time: every one of them ends in an answer that says so."""

import json
import select
import socket
import time

import openai
import pytest
from conftest import sdk
from raw import Raw, address, ask, chat, eventually, request
from upstream import END, answer, completion, piece, stream

POST = b"POST /v1/chat/completions HTTP/1.1\r\nhost: r\r\n"
LARGE = chat("alpha", "x" * (2 << 20))


def test_a_large_body_through_the_sdk(router, a):
    with sdk(router) as client:
        for _ in range(3):
            with pytest.raises(openai.APIStatusError) as error:
                client.chat.completions.create(**LARGE)
            assert error.value.status_code == 413
            assert error.value.code == "request_too_large"
            assert "1048576" in error.value.message
            # On the same client, whatever it makes of its connection.
            assert client.chat.completions.create(**chat("alpha")).choices
    assert len(a.requests) == 3


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("mebibytes", [2, 64])
def test_a_large_body(router, a, chunked, mebibytes):
    """The answer gets through to a client that first sends all that it has, and then reads."""
    total = mebibytes << 20
    with Raw(router) as raw:
        raw.send(POST + (b"transfer-encoding: chunked\r\n\r\n" if chunked else b"content-length: %d\r\n\r\n" % total))
        part = b"10000\r\n" + b"x" * 65536 + b"\r\n" if chunked else b"x" * 65536
        for _ in range(total // 65536):
            raw.send(part)
        raw.send(b"0\r\n\r\n" if chunked else b"")
        assert raw.response().status == 413
        assert raw.closed()
    assert not a.requests


def test_a_large_body_that_is_announced(router):
    """A client that waits for permission to send is refused before it has sent anything."""
    with Raw(router) as raw:
        raw.send(POST + b"expect: 100-continue\r\ncontent-length: 2000000\r\n\r\n")
        assert raw.until(b"\r\n").startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"POST /v1/nothing HTTP/1.1\r\nhost: r\r\n", 404),
        (b"PUT /v1/chat/completions HTTP/1.1\r\nhost: r\r\n", 405),
        (POST + b"content-encoding: gzip\r\n", 415),
        (POST + b"bad header\r\n", 400),
    ],
)
def test_an_answer_that_overtakes_the_body(router, head, status):
    """The same for all answers that are given without reading what comes."""
    for _ in range(5):
        with Raw(router) as raw:
            raw.send(head + b"content-length: 20000000\r\n\r\n")
            for _ in range(200):
                raw.send(b"x" * 100_000)
            assert raw.response().status == status
            assert raw.closed()


def test_a_wrong_key_with_a_large_body(guarded):
    with Raw(guarded) as raw:
        raw.send(request(b"x" * 20_000_000))
        assert raw.response().status == 401


def test_a_refused_client_is_not_waited_for_for_ever(own_router):
    """One that keeps its connection after it was refused."""
    with Raw(own_router) as raw:
        raw.send(POST + b"content-length: 9999999\r\n\r\n")
        assert raw.response().status == 413
        assert raw.closed()
        connections = lambda: own_router.metrics()["hardwire_client_connections"]  # noqa: E731
        assert connections() == 1
        eventually(lambda: connections() == 0, 4)


def test_a_body_of_just_the_limit(router, a):
    body = b'{"model":"alpha","messages":[],"x":"%s"}'
    body = body % (b"y" * ((1 << 20) - len(body) + 2))
    assert len(body) == 1 << 20
    assert ask(router, body).status == 200
    assert ask(router, body + b" ").status == 413
    assert len(a.requests) == 1


@pytest.mark.parametrize("frame", [7, 100, 5000])
def test_a_body_in_many_pieces(router, a, frame):
    """However a client cuts it, finding the members of an object takes about as long as reading them."""
    body = json.dumps(chat("alpha", stream=True, stream_options={f"x{i}": 0 for i in range(60_000)})).encode()
    assert 600_000 < len(body) < 1 << 20
    pieces = (body[at : at + frame] for at in range(0, len(body), frame))
    a.script = stream("x")
    with Raw(router, timeout=8) as raw:
        raw.send(POST + b"transfer-encoding: chunked\r\n\r\n" + b"".join(map(piece, pieces)) + END)
        assert raw.response().status == 200
    assert a.last.json() == json.loads(body) | {"model": "vendor/alpha-2025"}


def test_a_body_of_too_many_items(router, a):
    body = b'{"model":"alpha","messages":[' + b"0," * 100_000 + b"0]}"
    response = ask(router, body)
    assert response.status == 400 and "more than 100000 items" in response.json()["error"]["message"]
    assert not a.requests


def test_a_body_that_does_not_come(router, a):
    with Raw(router) as raw:
        raw.send(POST + b'content-length: 100\r\n\r\n{"model":')
        started = time.monotonic()
        response = raw.response()
        assert 0.8 < time.monotonic() - started < 1.5
        assert (response.status, response.json()["error"]["code"]) == (408, "request_timeout")
        assert raw.closed()


def test_a_body_that_comes_slowly(router, a):
    """Each part in time, the whole in more than the bound on one."""
    body = request(chat("alpha"))
    with Raw(router) as raw:
        for i in range(4):
            raw.send(body[len(body) * i // 4 : len(body) * (i + 1) // 4])
            time.sleep(0.4 if i else 0)
        assert raw.response().status == 200


def test_a_body_that_takes_too_long_in_all(guarded):
    """Each part in time, the whole in more than the listener's bound."""
    with Raw(guarded) as raw:
        started = time.monotonic()
        raw.send(POST + b"x-api-key: first-key\r\ncontent-length: 1000\r\n\r\n{")
        while not select.select([raw.sock], [], [], 0.1)[0]:
            raw.send(b" ")
            assert time.monotonic() - started < 2
        assert 0.7 < time.monotonic() - started < 1.3
        assert (response := raw.response()).status == 408
        assert response.json()["error"]["code"] == "request_timeout"


def test_a_head_that_does_not_come(router):
    with Raw(router) as raw:
        raw.send(b"POST /v1/chat")
        started = time.monotonic()
        assert raw.closed() or raw.buffer.startswith(b"HTTP/1.1 408")
        assert 0.8 < time.monotonic() - started < 1.5


def test_a_connection_that_says_nothing(router):
    with Raw(router) as raw:
        started = time.monotonic()
        assert raw.closed()
        assert 0.8 < time.monotonic() - started < 1.5


def test_an_idle_connection_is_kept(router):
    """Longer than a head may take: clients and load balancers keep theirs for a minute."""
    with Raw(router) as raw:
        for _ in range(2):
            raw.send(request(chat("echo")))
            assert raw.response().status == 200
            time.sleep(1.3)
        # But once a head has begun, it must end.
        raw.send(b"POST /v1/chat")
        started = time.monotonic()
        assert raw.closed() or raw.buffer.startswith(b"HTTP/1.1 408")
        assert 0.8 < time.monotonic() - started < 1.5


def test_an_answer_is_over_when_it_is_written(guarded):
    """The bound on an answer is none on the connection that it went out on."""
    with Raw(guarded) as raw:
        for path, status in [("/v1/models", 200), ("/v1/nothing", 404), ("/v1/models", 200)]:
            raw.send(f"GET {path} HTTP/1.1\r\nhost: r\r\nx-api-key: first-key\r\n\r\n".encode())
            assert raw.response().status == status
            if status == 200:
                time.sleep(2.5)
            else:
                assert raw.closed()
                raw.__init__(guarded)


def test_answers_without_a_body_are_complete(own_router):
    with Raw(own_router) as raw:
        raw.send(b"HEAD /v1/models HTTP/1.1\r\nhost: r\r\nx-request-id: no-body\r\n\r\n")
        assert raw.response(to_head=True).status == 200
    assert 'outcome="ok"' in own_router.wait_log('request_id="no-body"')
    assert not any("client_closed" in name for name, value in own_router.metrics().items() if value)


def test_half_a_connection(router, a):
    """A client that will send no more has not left: some close their side behind the request."""
    with Raw(router) as raw:
        raw.send(request(chat("alpha")))
        raw.sock.shutdown(socket.SHUT_WR)
        raw.more()
        assert not raw.buffer or raw.response().status == 200


def test_a_connect_that_hangs(start, env):
    """A listener whose queue is full answers no more."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        router = start("main", env | {"UP_A": address(full)})
        started = time.monotonic()
        response = ask(router, chat("alpha"))
        assert (response.status, response.json()["error"]["code"]) == (504, "upstream_timeout")
        assert 0.4 < time.monotonic() - started < 1
        # A client that leaves meanwhile.
        with Raw(router) as raw:
            raw.send(request(chat("alpha")))
            cancelled = 'hardwire_upstream_attempts_total{backend="alpha_a",outcome="cancelled"}'
            eventually(lambda: router.metrics()['llm_model_inflight_requests{model="alpha"}'] == 1)
        eventually(lambda: router.metrics().get(cancelled) == 1, 0.4)
        for filler in fillers:
            filler.close()
        router.check()


def test_an_upload_that_is_answered_early(router, a):
    """A backend that answers before it has read all: its answer is given, and the connection is not used again."""

    def early(connection, request):
        connection.send(answer({"error": {"message": "too much"}}, 413))
        connection.close()

    a.script = early
    for _ in range(5):
        response = ask(router, chat("alpha", "x" * 900_000))
        assert response.status == 413
        assert response.json()["error"]["message"] == "too much"
    a.reset()
    assert ask(router, chat("alpha")).status == 200


def test_answers_of_any_size(router, a):
    for size in [0, 1, 65_535, 65_536, 5_000_000]:
        text = "x" * size
        a.script = lambda connection, _, text=text: connection.send(answer(completion(text)))
        response = ask(router, chat("alpha"))
        assert response.complete and len(response.json()["choices"][0]["message"]["content"]) == size
