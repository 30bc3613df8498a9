"""The process: start-up, flags, logs, metrics, and the way down."""

import hashlib
import json
import re
import signal
import socket
import threading
import time
from pathlib import Path

import httpx
import pytest
from conftest import CLIENT_KEY, UP_KEY
from raw import Raw, address, ask, chat, eventually, request
from router import binary, run
from upstream import DONE, END, STREAM_HEAD, answer, chunk, completion, frames, piece, stream

PLACES = ("--listen", "127.0.0.1:0", "--management", "127.0.0.1:0")


def test_missing_variables_are_all_named():
    started = time.monotonic()
    ended = run("main", *PLACES, env={"UP_A": "127.0.0.1:1", "KATAN": ""})
    assert time.monotonic() - started < 1
    assert ended.returncode == 2 and ended.stdout == ""
    (line,) = ended.stderr.splitlines()
    assert line.startswith("hardwire: missing environment variables: ")
    for name in ["UP_B", "UP_KEY", "DEAD", "KATAN", "KATAN_BROKEN", "KATAN_KEY"]:
        assert re.search(rf"\b{name} \(for providers\.models\[\d+\]", line), name
    for name in ["UP_A", "TENANT", "TLS"]:
        assert not re.search(rf"\b{name} \(", line), name


@pytest.mark.parametrize(
    ("name", "value", "part"),
    [
        ("UP_A", "ftp://h", "scheme"),
        ("UP_A", "http://user:hunter2@h", "credentials"),
        ("UP_A", "http://h:port", "port"),
        ("UP_A", "h:99999", "port"),
        ("UP_A", "h?q=1", "query"),
        ("UP_A", "a b", "URL"),
        ("UP_KEY", "line\nbreak", "header"),
        ("TENANT", "\x01", "header"),
    ],
)
def test_variables_that_make_no_sense(env, name, value, part):
    ended = run("main", *PLACES, env=env | {name: value})
    assert ended.returncode == 2
    (line,) = ended.stderr.splitlines()
    assert part in line and "backend `" in line
    assert "hunter2" not in line and "line" not in line.removeprefix("hardwire: ").split("`")[0]


def test_a_taken_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        place = address(taken)
        for flags in [
            ("--listen", place, "--management", "127.0.0.1:0"),
            ("--listen", "127.0.0.1:0", "--management", place),
        ]:
            ended = run("default", *flags)
            assert ended.returncode == 2
            (line,) = ended.stderr.splitlines()
            assert place in line and "in use" in line.lower()


def test_a_second_router_on_the_same_port(start):
    """Sockets of one user can share a port: two routers must not do so unnoticed."""
    first = start("default")
    place = first.url.removeprefix("http://")
    ended = run("default", "--listen", place, "--management", "127.0.0.1:0")
    assert ended.returncode == 2 and place in ended.stderr


@pytest.mark.parametrize(
    "flags",
    [
        ["--nonsense"],
        ["serve"],
        ["--listen"],
        ["--listen", "8801"],
        ["--workers", "0"],
        ["--log", "xml"],
        ["--ca-file", "/nonexistent"],
    ],
)
def test_wrong_flags(flags, env):
    ended = run("main", *PLACES, *flags, env=env | {"TLS": "https://localhost:1"})
    assert ended.returncode == 2 and ended.stdout == ""
    assert len(ended.stderr.splitlines()) == 1


def test_a_wrong_log_filter():
    ended = run("default", *PLACES, env={"HARDWIRE_LOG": "info,,=x=y"})
    assert ended.returncode == 2 and "HARDWIRE_LOG" in ended.stderr
    ended = run("default", *PLACES, env={"HARDWIRE_LOG_FORMAT": "xml"})
    assert ended.returncode == 2 and "xml" in ended.stderr


def test_what_it_tells_of_itself():
    assert "--listen" in run("default", "--help").stdout
    version = run("default", "--version")
    assert version.returncode == 0 and re.fullmatch(
        r"hardwire \S+ \(router-config\.yaml sha256:[0-9a-f]{64}\)\n", version.stdout
    )
    told = run("main", "--env")
    assert told.returncode == 0
    rows = {line.split("\t")[0]: line.split("\t")[1:] for line in told.stdout.splitlines()}
    assert rows["UP_KEY"][0] == "required" and "providers.models[2].backend_refs[0].api_key_env" in rows["UP_KEY"][1]
    assert rows["TENANT"][0] == "default `none`"
    assert run("default", "--env").stdout == ""


def test_the_banner(router):
    for part in ["vllm-sr/auto, auto, MoM", "alpha", "urgent, long, parrot", router.url]:
        assert part in router.banner
    assert UP_KEY not in router.banner


def test_the_configuration_is_told(router):
    told = httpx.get(f"{router.management}/config/router")
    assert told.status_code == 200 and UP_KEY not in told.text
    assert told.json()["providers"]["models"][2]["backend_refs"][0]["api_key_env"] == "UP_KEY"
    assert (
        httpx.get(f"{router.management}/config/router", headers={"if-none-match": told.headers["etag"]}).status_code
        == 304
    )
    digest = hashlib.sha256(Path(__file__).with_name("router-config.yaml").read_bytes()).hexdigest()
    assert digest in httpx.get(f"{router.management}/config/hash").text
    refused = httpx.patch(f"{router.management}/config/router", json={})
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "RESTART_REQUIRED")
    assert httpx.get(f"{router.management}/v1/models").json() == httpx.get(f"{router.url}/v1/models").json()
    assert httpx.get(f"{router.management}/health").json()["status"] == "healthy"


def test_metrics_count(own_router, a, b):
    metrics = own_router.metrics
    for _ in range(3):
        ask(own_router, chat("alpha"))
    ask(own_router, chat("auto", "urgent"))
    ask(own_router, chat("nope"))
    ask(own_router, b"{")
    a.script = lambda connection, _: connection.send(answer(b"{}", 500))
    ask(own_router, chat("alpha"))
    eventually(
        lambda: metrics().get('llm_model_completion_latency_seconds_count{model="alpha"}') == 3
    )  # what failed took no time worth knowing
    told = metrics()
    assert told['llm_model_requests_total{model="alpha"}'] == 4
    assert told['llm_model_requests_total{model="beta"}'] == 1
    assert told['llm_model_inflight_requests{model="alpha"}'] == 0
    assert told['llm_decision_match_total{decision_name="urgent",recipe="default"}'] == 1
    assert told['llm_model_routing_modifications_total{source_model="auto",target_model="beta"}'] == 1
    assert told['llm_request_errors_total{model="unknown",reason="model_not_found"}'] == 1
    assert told['llm_request_errors_total{model="unknown",reason="parse_error"}'] == 1
    assert told['llm_request_errors_total{model="alpha",reason="upstream_5xx"}'] == 1
    assert told['hardwire_upstream_attempts_total{backend="alpha_a",outcome="success"}'] == 3
    assert told['hardwire_upstream_attempts_total{backend="alpha_a",outcome="status_5xx"}'] == 1
    assert told['llm_model_ttft_seconds_count{model="beta"}'] == 1
    assert told["hardwire_uptime_seconds"] > 0
    # Every line is a sample or a comment, and no name of a client's has become a series.
    for line in httpx.get(f"{own_router.management}/metrics").text.splitlines():
        assert re.fullmatch(r'# (HELP|TYPE|UNIT|EOF).*|[a-z_]+(\{([a-z0-9_]+="[^"]*",?)+\})? [0-9.e+-]+', line), line
        assert "nope" not in line


def test_connections_are_counted(own_router):
    with Raw(own_router), Raw(own_router):
        eventually(lambda: own_router.metrics()["hardwire_client_connections"] == 2)
    eventually(lambda: own_router.metrics()["hardwire_client_connections"] == 0)


CANARIES = ["canary-prompt", "canary-answer", "canary-header", "canary-query", CLIENT_KEY, UP_KEY]


@pytest.mark.parametrize("log", ["info", "debug", "trace"])
@pytest.mark.parametrize("form", ["text", "json"])
def test_logs_hold_no_secret(start, env, a, b, log, form):
    router = start("main", env | {"HARDWIRE_LOG": log}, "--log", form)
    head = {"authorization": f"Bearer {CLIENT_KEY}", "x-odd": "canary-header"}
    a.script = lambda connection, _: connection.send(
        answer(completion("canary-answer"), headers={"x-own": "canary-header"})
    )
    b.script = lambda connection, _: (
        connection.send(STREAM_HEAD, piece(chunk({"content": "canary-answer"}))),
        connection.close(),
    )
    for model in ["alpha", "keyed", "auto", "custom", "dead", "echo"]:
        ask(router, chat(model, "canary-prompt"), head, path="/v1/chat/completions?key=canary-query")
    ask(router, chat("beta", "canary-prompt", stream=True), head)
    ask(router, b'{"model":"alpha","messages":["canary-prompt"],', head)
    ask(router, b'{"model":"auto","messages":["canary-prompt"]}', head)
    ask(router, b'{"model":"auto","messages":[{"role":{"canary-prompt":1}}]}', head)
    with Raw(router) as raw:
        raw.send(
            b"POST /v1/chat/completions HTTP/1.1\r\nauthorization: "
            + CLIENT_KEY.encode()
            + b"\r\nbad header canary-header\r\n\r\n"
        )
        raw.more()
    last = chat("echo")
    ask(router, last, {"x-request-id": "the-last"})
    router.wait_log("the-last")
    for canary in CANARIES:
        assert canary not in router.log
    if form == "json":
        for line in router.lines:
            assert isinstance(json.loads(line), dict)
    accesses = [line for line in router.lines if "the-last" in line]
    assert len(accesses) == 1


def test_the_access_log(own_router, a):
    ask(own_router, chat("auto", "hi"), {"x-request-id": "r-1"})
    line = own_router.wait_log('"r-1"')
    for part in [
        'requested_model="auto"',
        'selected_model="alpha"',
        'backend="alpha_a"',
        "status=200",
        'outcome="ok"',
        "attempts=1",
    ]:
        assert part in line
    ask(own_router, chat('evil"\n\x1b[31m INFO access: forged'), {"x-request-id": "r-2"})
    line = own_router.wait_log('"r-2"')
    assert "\x1b" not in line and 'outcome="model_not_found"' in line
    assert not [line for line in own_router.lines if line.lstrip().startswith("INFO")]


@pytest.mark.parametrize(
    ("filter_", "logged"), [("info", True), ("warn", False), ("info,access=off", False), ("off", False)]
)
def test_log_levels(start, env, a, filter_, logged):
    router = start("main", env | {"HARDWIRE_LOG": filter_})
    assert ask(router, chat("alpha")).status == 200
    router.terminate()
    assert router.process.wait(3) == 0
    assert ("access" in router.log) == logged


def test_a_stop_lets_streams_finish(own_router, a):
    go_on = threading.Event()

    def script(connection, _):
        connection.send(STREAM_HEAD, *map(piece, frames("x")[:2]))
        assert go_on.wait(2)
        connection.send(*map(piece, frames("x")[2:]), END)

    a.script = script
    with Raw(own_router) as busy, Raw(own_router) as idle:
        idle.send(b"GET /v1/models HTTP/1.1\r\nhost: r\r\n\r\n")
        assert idle.response().status == 200
        busy.send(request(chat("alpha", stream=True)))
        busy.until(b"\r\n\r\n")
        assert own_router.ready() == 200
        own_router.terminate()
        eventually(lambda: own_router.ready() == 503)
        assert httpx.get(f"{own_router.management}/ready").json()["phase"] == "draining"
        assert idle.closed(), "a connection with nothing to do is closed"
        with pytest.raises(OSError):
            eventually(lambda: Raw(own_router).sock.close())
        go_on.set()
        busy.until(DONE)
        busy.until(END)
    assert own_router.process.wait(2) == 0
    own_router.process.poll = lambda: None  # that it is gone is what was wanted


def test_a_stop_with_nothing_to_do(start):
    for number in [signal.SIGTERM, signal.SIGINT]:
        router = start("default")
        started = time.monotonic()
        router.process.send_signal(number)
        assert router.process.wait(2) == 0
        assert time.monotonic() - started < 0.5


@pytest.mark.parametrize("again", [False, True])
def test_a_stop_is_bounded(start, env, a, again):
    router = start("main", env)
    a.script = stream(*"abcdefghijklmnopqrstuvwxyz" * 2, pause=0.1)
    with Raw(router) as raw:
        raw.send(request(chat("alpha", stream=True)))
        raw.until(b"\r\n\r\n")
        started = time.monotonic()
        router.terminate()
        if again:
            router.wait_log("draining")
            router.terminate()
        assert router.process.wait(4) == 0
        taken = time.monotonic() - started
        assert taken < 0.5 if again else 1.8 < taken < 2.5
        while raw.more():
            pass
        assert b"[DONE]" not in raw.buffer and not raw.buffer.endswith(END)


def test_idle_memory(start, record_property):
    """A debug build: the bound is a loose one."""
    router = start("default")
    assert ask(router, chat("echo-small")).status == 200
    resident = router.resident_kib()
    record_property("resident_kib", resident)
    print(f"resident: {resident} KiB, binary: {binary('default').stat().st_size >> 10} KiB")
    assert resident < 24 << 10


def test_start_up_time(start):
    started = time.monotonic()
    router = start("default")
    assert ask(router, b'{"model":"nope","messages":[]}').status == 404
    assert time.monotonic() - started < 0.5


def test_memory_does_not_grow(own_router, a):
    def work() -> int:
        for _ in range(150):
            ask(own_router, chat("alpha", "x" * 100_000))
            ask(own_router, b"{" + b"x" * 100_000)
        return own_router.resident_kib()

    first = work()
    assert work() - first < 2 << 10
