"""More than one backend: who is asked, who is asked next, and who is left alone."""

import threading
import time
from collections import Counter

import pytest
from raw import Raw, ask, chat, eventually, request
from upstream import STREAM_HEAD, answer, chunk, completion, frames, piece, stream

OK = answer(completion())


def say(*replies: bytes):
    """A script that gives these replies in turn, and then the last one for ever."""
    left = list(replies)
    return lambda connection, _: connection.send(left.pop(0) if len(left) > 1 else left[0])


def attempts(router, backend: str) -> dict[str, float]:
    """`hardwire_upstream_attempts_total` of a backend by outcome."""
    start = f'hardwire_upstream_attempts_total{{backend="{backend}",outcome="'
    return {
        name.removeprefix(start)[:-2]: value
        for name, value in router.metrics().items()
        if name.startswith(start) and value
    }


def test_a_dead_backend_is_passed_over(own_router, a):
    for _ in range(6):
        assert ask(own_router, chat("half-dead")).status == 200
    assert len(a.requests) == 6
    tried = attempts(own_router, "half-dead_dead")
    assert set(tried) == {"connect_failure"} and tried["connect_failure"] >= 3
    assert attempts(own_router, "half-dead_a") == {"success": 6}


def test_all_dead(own_router):
    response = ask(own_router, chat("dead"))
    assert response.status == 502
    error = response.json()["error"]
    assert (error["type"], error["code"]) == ("server_error", "upstream_unreachable")
    assert "127.0.0.1" not in error["message"]
    assert attempts(own_router, "dead_one") == attempts(own_router, "dead_two") == {"connect_failure": 1}
    assert own_router.metrics()['llm_request_errors_total{model="dead",reason="upstream_unreachable"}'] == 1
    assert own_router.metrics()['llm_model_inflight_requests{model="dead"}'] == 0


@pytest.mark.parametrize("how", ["close", "reset", "half a head"])
def test_a_break_before_the_head_is_tried_elsewhere(router, a, b, how):
    def broken(connection, _):
        if how == "half a head":
            connection.send(b"HTTP/1.1 200 OK\r\ncontent-le")
        connection.reset() if how == "reset" else connection.close()

    a.script = broken
    for _ in range(8):
        response = ask(router, chat("pair"))
        assert response.status == 200
    assert len(b.requests) == 8
    assert a.requests, "at random, but 8 times in a row is one in 256"
    b.script = broken
    response = ask(router, chat("pair"))
    assert (response.status, response.json()["error"]["code"]) == (502, "upstream_reset")


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_failing_gateway_is_tried_elsewhere(router, a, b, status):
    a.script = say(answer(b"{}", status))
    for streaming in [False, True] * 4:
        b.script = stream("x") if streaming else say(OK)
        assert ask(router, chat("pair", stream=streaming)).status == 200
    assert {request.body for request in a.requests} <= {request.body for request in b.requests}
    b.script = say(answer({"error": {"message": "theirs"}}, status))
    response = ask(router, chat("pair"))
    assert response.status == status, "what the last one said is better than nothing"


@pytest.mark.parametrize("status", [400, 401, 404, 408, 409, 429, 500, 501])
def test_what_another_backend_would_not_do_better(router, a, b, status):
    a.script = b.script = say(answer(b"{}", status))
    assert ask(router, chat("pair")).status == status
    assert len(a.requests) + len(b.requests) == 1


def test_retry_count(router, a):
    a.script = say(answer(b"{}", 500), answer(b"{}", 429), OK)
    assert ask(router, chat("stubborn")).status == 200
    assert len(a.requests) == 3
    assert len({request.body for request in a.requests}) == 1
    a.reset()
    a.script = say(answer(b"{}", 500))
    assert ask(router, chat("stubborn")).status == 500
    assert len(a.requests) == 3
    a.reset()
    a.script = say(answer(b"{}", 503))
    assert ask(router, chat("single")).status == 503
    assert len(a.requests) == 1


def test_a_failure_after_a_bad_answer(router, a):
    """The bad answer is given, not the failure behind it: it says more."""

    def script(connection, _):
        if len(a.requests) == 1:
            connection.send(answer({"error": {"message": "busy", "type": "t", "code": "c"}}, 503))
        else:
            connection.close()

    a.script = script
    response = ask(router, chat("stubborn"))
    assert (response.status, response.json()["error"]["message"]) == (503, "busy")
    assert len(a.requests) == 3


def test_nothing_is_retried_once_the_client_has_something(router, a, b):
    def broken(connection, _):
        connection.send(STREAM_HEAD, piece(frames()[0]))
        connection.reset()

    a.script = b.script = broken
    response = ask(router, chat("pair", stream=True))
    assert b"[DONE]" not in response.body
    assert len(a.requests) + len(b.requests) == 1


def test_no_first_byte(router, a, b):
    """This one may be at work: asking another would do the work twice."""
    a.script = b.script = lambda connection, _: connection.wait_closed(3)
    started = time.monotonic()
    response = ask(router, chat("pair"))
    assert (response.status, response.json()["error"]["code"]) == (504, "upstream_timeout")
    assert 0.9 < time.monotonic() - started < 1.5
    assert len(a.requests) + len(b.requests) == 1


def test_the_weights_are_kept(router, a, b):
    with Raw(router) as raw:
        for _ in range(400):
            raw.send(request(chat("weighted")))
            assert raw.response().status == 200
    # 3 to 1; six standard deviations wide.
    assert 248 <= len(a.requests) <= 352
    assert len(a.requests) + len(b.requests) == 400


def test_in_turn(router, a, b):
    order = []
    a.script = lambda connection, _: (order.append("a"), connection.send(OK))
    b.script = lambda connection, _: (order.append("b"), connection.send(OK))
    with Raw(router) as raw:  # one connection, so one worker
        for _ in range(30):
            raw.send(request(chat("turns")))
            assert raw.response().status == 200
    assert Counter(order) == {"a": 20, "b": 10}
    for i in range(0, 30, 3):
        assert sorted(order[i : i + 3]) == ["a", "a", "b"]


def test_the_least_busy_one(router, a, b):
    """As long as one is at work, the other is asked. Each worker counts its own requests, so one connection asks."""
    busy, free = threading.Event(), threading.Event()

    def slow(connection, _):
        connection.send(STREAM_HEAD, piece(chunk({"content": "x"})))
        busy.set()
        free.wait(0.9)
        connection.send(b"0\r\n\r\n")

    # Both workers have a busy backend: as many connections as it takes until each has one.
    def fill(raws):
        for raw in raws:
            raw.send(request(chat("least", stream=True)))
            raw.until(b"\r\n\r\n")

    a.script = b.script = slow
    raws = [Raw(router) for _ in range(12)]
    fill(raws)
    free.set()
    assert busy.is_set()
    for raw in raws:
        raw.sock.close()
    spread = abs(len(a.requests) - len(b.requests))
    assert spread <= 2, "each worker is at most one apart"


def test_ejection(own_router, a, b):
    a.script = say(answer(b"{}", 500))
    statuses = [ask(own_router, chat("ejecting")).status for _ in range(20)]
    assert statuses.count(500) <= 4, "two in a row, and another two where both workers were at it"
    seen = len(a.requests)
    assert own_router.metrics()['hardwire_backend_ejected{backend="ejecting_a"}'] == 1
    assert own_router.metrics()['hardwire_backend_healthy{backend="ejecting_a"}'] == 0
    own_router.wait_log("backend ejected")
    assert all(ask(own_router, chat("ejecting")).status == 200 for _ in range(6))
    assert len(a.requests) == seen
    a.script = say(OK)
    eventually(lambda: ask(own_router, chat("ejecting")).status == 200 and len(a.requests) > seen)
    assert own_router.metrics()['hardwire_backend_ejected{backend="ejecting_a"}'] == 0


def test_not_all_are_ejected(own_router, a, b):
    a.script = b.script = say(answer(b"{}", 500))
    assert all(ask(own_router, chat("ejecting")).status == 500 for _ in range(20))
    metrics = own_router.metrics()
    assert sum(metrics[f'hardwire_backend_ejected{{backend="ejecting_{name}"}}'] for name in "ab") == 1


def test_health_checks(own_router, a, b):
    up = lambda: own_router.metrics()['hardwire_backend_healthy{backend="checked_a"}']  # noqa: E731
    eventually(lambda: a.checks and b.checks)
    assert up() == 1
    a.healthy = False
    eventually(lambda: up() == 0)
    for _ in range(6):
        assert ask(own_router, chat("checked")).status == 200
    assert not a.requests and len(b.requests) == 6
    b.healthy = False
    eventually(lambda: own_router.metrics()['hardwire_backend_healthy{backend="checked_b"}'] == 0)
    assert ask(own_router, chat("checked")).status == 200, "one that looks ill is better than none"
    a.healthy = True
    eventually(up)
    b.requests.clear()
    for _ in range(6):
        assert ask(own_router, chat("checked")).status == 200
    assert a.requests and not b.requests


@pytest.mark.parametrize("how", ["at once", "said so", "after 5 ms", "reset after 5 ms"])
def test_the_keep_alive_race(router, a, how):
    """A backend that closes idle connections whenever it likes: no request fails for that."""

    def script(connection, _):
        connection.send(answer(completion(), headers={"connection": "close"}) if how == "said so" else OK)
        if "after" in how:
            time.sleep(0.005)
        if connection.served % 3 == 0 or how != "after 5 ms":
            connection.reset() if "reset" in how else connection.close()

    a.script = script
    with Raw(router) as raw:
        for i in range(200):
            raw.send(request(chat("alpha")))
            assert raw.response().status == 200, f"request {i}"
            if i % 4 == 0:
                time.sleep(0.004)
    assert len(a.requests) >= 200


def test_connections_are_kept(own_router, a):
    before = a.connections - a.checks
    with Raw(own_router) as raw:
        for streaming in [False, True] * 25:
            a.script = stream("x") if streaming else say(OK)
            raw.send(request(chat("alpha", stream=streaming)))
            assert raw.response().complete
    assert a.connections - a.checks - before <= 2, "the other one is a health check on its way"


def test_many_at_once(router, a, b):
    """Nothing is mixed up between requests that share connections."""
    a.script = b.script = lambda connection, request: connection.send(
        answer(completion(request.json()["messages"][0]["content"]))
    )
    wrong = []

    def talk(number: int) -> None:
        with Raw(router) as raw:
            for i in range(40):
                raw.send(request(chat("pair", f"{number}-{i}")))
                content = raw.response().json()["choices"][0]["message"]["content"]
                if content != f"{number}-{i}":
                    wrong.append(content)

    threads = [threading.Thread(target=talk, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert not wrong
    assert len(a.requests) + len(b.requests) == 640
