"""What breaks, lasts or does not fit between Envoy and the router: the client is told the truth, and so is the log."""

import json
import re
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import test_extproc_trailers as trailers
from envoy import MODES
from raw import Raw, ask, chat, eventually, request
from test_extproc import MESSAGES_PATH, RESPONSES_PATH, messages, responses, steady
from test_extproc_service import OTHER_MODES, edited
from upstream import END, STREAM_HEAD, answer, chunk, completion, frames, piece

ANSWERS = {
    "chat": (chat("alpha"), "/v1/chat/completions"),
    "messages": (messages("alpha"), MESSAGES_PATH),
    "responses": (responses("alpha"), RESPONSES_PATH),
}
NO_OVERRIDE = ("allow_mode_override: true", "allow_mode_override: false")


def in_one(envoy, body: dict, path: str, request_id: str = "q", timeout: float = 10):
    with Raw(envoy, timeout=timeout) as raw:
        raw.send(request(body, {"x-request-id": request_id}, path=path))
        return raw.response()


def logged(envoy, request_id: str) -> str:
    return envoy.wait_log(f'request_id="{request_id}"')


def with_length(data: bytes, content_type: str = "text/event-stream", size: int = 0, pause: float = 0.02):
    """Sends all at once, or so many bytes at a time."""

    def script(connection, _):
        head = f"HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ncontent-length: {len(data)}\r\n\r\n"
        connection.send(head.encode())
        for at in range(0, len(data), size or len(data)):
            connection.send(data[at : at + (size or len(data))])
            time.sleep(pause if size else 0)

    return script


@pytest.mark.parametrize("size", [0, 100])
@pytest.mark.parametrize("is_complete", [True, False])
@pytest.mark.parametrize("kind", [*ANSWERS, "hidden usage"])
def test_a_stream_whose_length_was_told(kind, is_complete, size, service, envoy, a):
    """What the router makes of it has another one."""
    a.takes_chunks = envoy.in_pieces
    body, path = ANSWERS.get(kind, (chat("priced"), "/v1/chat/completions"))
    body = body | {"stream": True}
    a.script = with_length(b"".join(frames("one", "two")[: None if is_complete else -1]), size=size)
    alone = in_one(service, body, path)
    with Raw(envoy) as raw:
        for _ in range(2):  # the connection is still good for another
            raw.send(request(body, {"x-request-id": "q"}, path=path))
            behind = raw.response()
            assert (behind.status, behind.complete) == (200, True)
            assert "content-length" not in behind.headers
            assert steady(behind.body) == steady(alone.body)


@pytest.mark.parametrize("mode", [mode for mode in MODES if mode != "original-dst"])
def test_all_of_them_fail_over(mode, envoys, service, a, b):
    """However many at a time. Where Envoy goes wherever the router says, it knows of no other backend."""
    envoy = envoys(mode)
    a.takes_chunks = b.takes_chunks = envoy.in_pieces

    def down(connection, _):
        time.sleep(0.2)
        connection.send(answer({"error": {"message": "down"}}, 503))

    def slow(connection, _):
        time.sleep(0.5)
        connection.send(answer(completion()))

    a.script, b.script = down, slow
    with ThreadPoolExecutor(40) as pool:
        asked = list(pool.map(lambda _: in_one(envoy, chat("pair"), "/v1/chat/completions").status, range(40)))
    assert asked == [200] * 40


def test_a_backend_that_fails_is_left_out(start, extproc_env, own_envoy, a, b):
    """Alone in its cluster, so it is the router that chooses, and learns."""
    router = start("extproc", extproc_env, "--extproc", "127.0.0.1:0", "--workers", "1")
    envoy = own_envoy(router)
    a.script = lambda connection, _: connection.send(answer({"error": {"message": "down"}}, 500))
    asked = [in_one(envoy, chat("split"), "/v1/chat/completions").status for _ in range(60)]
    assert len(a.requests) == 3
    assert asked.count(500) == 3 and asked.count(200) == 57
    assert "backend ejected" in router.log


BIG = json.dumps(completion("y" * 6_000_000)).encode()


def big_in_chunks(connection, _):
    connection.send(STREAM_HEAD.replace(b"text/event-stream", b"application/json"))
    for at in range(0, len(BIG), 200_000):
        connection.send(piece(BIG[at : at + 200_000]))
        time.sleep(0.01)
    connection.send(END)


# Told of no length, Envoy holds it in `buffered`, and says itself that it is too large.
@pytest.mark.parametrize(("mode", "is_told"), [("buffered", True), ("streamed", True), ("streamed", False)])
def test_an_answer_that_is_too_large_to_hold(mode, is_told, envoys, service, a):
    envoy = envoys(mode)
    a.takes_chunks = envoy.in_pieces
    a.script = with_length(BIG, "application/json", 200_000) if is_told else big_in_chunks
    began = time.monotonic()
    asked = in_one(envoy, *ANSWERS["messages"], request_id=f"big-{mode}-{is_told}")
    assert asked.status == 502, asked
    assert asked.json()["type"] == "error" and "too large" in asked.json()["error"]["message"]
    assert time.monotonic() - began < 4
    assert 'outcome="upstream_broken"' in logged(envoy, f"big-{mode}-{is_told}")
    a.errors.clear()  # it was not let finish


@pytest.mark.parametrize("is_told", [True, False])
def test_a_large_answer_that_is_passed_on(is_told, envoy, a):
    """Nobody holds it, however large."""
    a.takes_chunks = envoy.in_pieces
    a.script = with_length(BIG, "application/json", 200_000) if is_told else big_in_chunks
    asked = in_one(envoy, *ANSWERS["chat"])
    assert (asked.status, asked.complete, asked.body == BIG) == (200, True, True)


def test_a_request_that_stalls_at_envoy(service, own_envoy, a):
    """Where Envoy holds the body it is Envoy that waits for it."""
    envoy = own_envoy(service, edit=edited([("codec_type: AUTO", 'codec_type: AUTO\n                stream_idle_timeout: "1s"')]))
    for kind, (body, path) in ANSWERS.items():
        with Raw(envoy) as raw:
            raw.send(request(body, {"x-request-id": f"stall-{kind}"}, path=path)[:-10])
            asked = raw.response()
        assert asked.status == 408, asked
        assert "did not arrive in time" in asked.json()["error"]["message"]
        assert (asked.json().get("type") == "error") is (kind == "messages")
        assert "x-hardwire-reply" not in asked.headers
        assert asked.headers["x-request-id"] == f"stall-{kind}"
        assert 'outcome="body_incomplete"' in logged(service, f"stall-{kind}")


def breaks_off(connection, _):
    text = json.dumps(completion()).encode()
    connection.send(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(text))
    connection.send(text[:30])
    time.sleep(0.2)
    connection.reset()


@pytest.mark.parametrize("kind", ["messages", "responses"])
def test_an_answer_that_breaks_off_while_it_is_held(kind, envoy, a):
    a.takes_chunks = envoy.in_pieces
    a.script = breaks_off
    request_id = f"held-{kind}-{id(envoy)}"
    asked = in_one(envoy, *ANSWERS[kind], request_id=request_id)
    error = asked.json()
    assert asked.status == 502, asked
    assert asked.headers["x-request-id"] == request_id
    if kind == "messages":
        assert asked.headers["request-id"] == error["request_id"] == request_id
        assert (error["type"], error["error"]["type"]) == ("error", "api_error")
    else:
        assert error["error"]["code"] == "upstream_reset"
    line = logged(envoy, request_id)
    assert 'outcome="cut"' in line and "status=200" not in line


def test_a_stream_that_breaks_off(envoy, a):
    a.takes_chunks = envoy.in_pieces

    def script(connection, _):
        connection.send(STREAM_HEAD, piece(chunk({"content": "begun"})))
        time.sleep(0.2)
        connection.reset()

    a.script = script
    request_id = f"broken-{id(envoy)}"
    asked = in_one(envoy, chat("alpha", stream=True), "/v1/chat/completions", request_id)
    assert asked.status == 200 and not asked.complete
    assert 'outcome="cut"' in logged(envoy, request_id)


def test_a_stream_that_falls_silent(envoy, a):
    a.takes_chunks = envoy.in_pieces

    def script(connection, _):
        connection.send(STREAM_HEAD, piece(chunk({"content": "begun"})))
        connection.wait_closed(10)

    a.script = script
    request_id = f"silent-{id(envoy)}"
    asked = in_one(envoy, chat("alpha", stream=True), "/v1/chat/completions", request_id)
    assert asked.status == 200 and not asked.complete
    assert 'outcome="timeout"' in logged(envoy, request_id)


def test_a_stream_that_ends_within_an_event(envoy, a):
    """Its head has gone out: nobody gets the error that would be told."""
    a.takes_chunks = envoy.in_pieces
    begun = chunk({"content": "begun"})

    def script(connection, _):
        connection.send(STREAM_HEAD, piece(begun))
        time.sleep(0.2)
        connection.send(piece(b'data: {"id":'), END)

    a.script = script
    request_id = f"within-{id(envoy)}"
    asked = in_one(envoy, chat("alpha", stream=True), "/v1/chat/completions", request_id)
    assert asked.status == 200 and not asked.complete
    line = logged(envoy, request_id)
    assert 'outcome="upstream_broken"' in line and "status=200" in line
    assert int(re.search(r"bytes_out=(\d+)", line)[1]) <= len(begun) + len(b'data: {"id":')


@pytest.mark.parametrize("change", [*OTHER_MODES["no bodies"][:1], *OTHER_MODES["streamed, and waiting"][:1], *OTHER_MODES["partly"]])
def test_a_request_with_trailers_where_bodies_are_asked_for(change, service, own_envoy, a):
    base = trailers.with_trailers("SKIP")
    envoy = own_envoy(service, edit=lambda config: edited([change])(base(config)))
    a.takes_chunks = True
    asked = trailers.ask(envoy, "/v1/chat/completions", chat("alpha"), "trailing")
    assert asked.status == 200, asked
    assert len(a.requests) == 1 and a.last.json()["model"] == "vendor/alpha-2025"


@pytest.mark.parametrize("kind", ["messages", "responses"])
def test_answers_in_pieces_that_are_needed_whole(kind, service, own_envoy, a):
    """Envoy does not do what it is asked, and the client is told so."""
    changes = [("response_body_mode: BUFFERED", "response_body_mode: STREAMED"), NO_OVERRIDE]
    envoy = own_envoy(service, edit=edited(changes))
    text = json.dumps(completion("y" * 300_000)).encode()
    a.script = with_length(text, "application/json", 50_000, pause=0.05)
    with Raw(envoy) as raw:
        raw.send(request(ANSWERS[kind][0], {"x-request-id": f"pieces-{kind}"}, path=ANSWERS[kind][1]))
        try:
            asked = raw.response()
        except AssertionError:
            asked = None  # its head has gone already
    assert asked is None or asked.status == 500 or not asked.complete, asked
    assert 'outcome="internal"' in logged(service, f"pieces-{kind}")
    a.errors.clear()


def test_answers_that_are_never_sent(start, extproc_env, own_envoy, a):
    router = start("extproc", extproc_env, "--extproc", "127.0.0.1:0")
    changes = [("response_body_mode: BUFFERED", "response_body_mode: NONE"), NO_OVERRIDE]
    envoy = own_envoy(router, edit=edited(changes))
    in_one(envoy, *ANSWERS["messages"])
    assert "allow_mode_override" in router.wait_log("Envoy has sent nothing of an answer")
