"""The service as Envoy finds it: gone and back, over TLS, configured in other ways, and the example."""

import re
import signal
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from raw import Raw, ask, chat, eventually, request
from router import binary
from test_extproc import MESSAGES_PATH, messages
from test_tls import Authority
from upstream import END, STREAM_HEAD, chunk, frames, piece, stream

ROOT = Path(__file__).parents[2]


def post(envoy, body: dict) -> httpx.Response:
    return httpx.post(f"{envoy.url}/v1/chat/completions", json=body, timeout=10)


class Load:
    """Requests without end, from a few clients."""

    def __init__(self, envoy) -> None:
        self.statuses: list[int] = []
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(4)
        self._clients = [self._pool.submit(self._run, envoy) for _ in range(4)]

    def _run(self, envoy) -> None:
        while not self._stop.is_set():
            self.statuses.append(post(envoy, chat("beta")).status_code)
            time.sleep(0.005)

    def next(self, count: int = 20) -> list[int]:
        """What happens from now on."""
        began = len(self.statuses)
        eventually(lambda: len(self.statuses) >= began + count, 15)
        return self.statuses[began:]

    def stop(self) -> None:
        self._stop.set()
        for client in self._clients:
            client.result(15)


@pytest.mark.parametrize("allow", [False, True])
def test_the_service_is_killed_under_load(allow, start, extproc_env, own_envoy, a, b):
    router = start("extproc", extproc_env, "--extproc", "127.0.0.1:0")
    envoy = own_envoy(router, *(["--failure-mode-allow"] if allow else []))
    load = Load(envoy)
    try:
        assert set(load.next()) == {200}
        assert a.requests == []
        router.process.send_signal(signal.SIGKILL)
        router.process.wait(5)
        load.next(8)  # those that were under way
        down = load.next()
        # Without the router nobody chooses: the request fails, or goes to the default model as it is.
        assert set(down) == ({200} if allow else {500}), down
        assert (len(a.requests) > 0) is allow
        again = start("extproc", extproc_env, "--extproc", router.extproc)
        eventually(lambda: set(load.next(8)) == {200} and post(envoy, chat("echo")).status_code == 200, 20)
        again.check()
        before = len(a.requests)
        assert set(load.next()) == {200}
        assert len(a.requests) == before
    finally:
        load.stop()


def test_it_drains(start, extproc_env, own_envoy, a):
    """A stream that runs when the router is asked to stop runs to its end."""
    router = start("extproc", extproc_env, "--extproc", "127.0.0.1:0")
    envoy = own_envoy(router)
    a.script = stream(*"abcdefgh", pause=0.1)
    with httpx.stream("POST", f"{envoy.url}/v1/chat/completions", json=chat("alpha", stream=True)) as response:
        pieces = response.iter_bytes()
        said = next(pieces)
        router.terminate()
        said += b"".join(pieces)
    assert said == b"".join(frames(*"abcdefgh"))
    assert router.process.wait(5) == 0


@pytest.mark.parametrize("is_alone", [True, False])
def test_what_the_end_of_the_drain_cuts_is_logged(is_alone, start, extproc_env, own_envoy, a):
    router = start("extproc", extproc_env, "--extproc", "127.0.0.1:0")
    face = router if is_alone else own_envoy(router)

    def endless(connection, _):
        connection.send(STREAM_HEAD)
        while not connection.wait_closed(0.1):
            connection.send(piece(chunk({"content": "x"})))

    a.script = endless
    with Raw(face, timeout=10) as raw:
        raw.send(request(chat("alpha", stream=True), {"x-request-id": "drained"}))
        eventually(lambda: a.requests)
        time.sleep(0.3)
        router.terminate()
        asked = raw.response()
    assert asked.status == 200 and not asked.complete
    line = router.wait_log('request_id="drained"')
    assert 'outcome="cut"' in line and "status=200" in line
    assert router.process.wait(5) == 0


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


@pytest.fixture
def guarded_service(start, backends, authority, tmp_path):
    authority.context("localhost")
    shown = str(tmp_path / "server.pem")
    keys = {"ROUTER_KEY": "first-key", "OTHER_KEY": "second-key"}
    env = keys | {"UP_A": backends[0].url, "CERT_FILE": shown, "KEY_FILE": shown, "CLIENT_CA": str(authority.file)}
    router = start("extproc_guarded", env, "--extproc", "127.0.0.1:0")
    yield router
    router.stop()


def over_tls(own_envoy, router, authority: Authority, shows: Path | None = None, **more):
    """Envoy trusts the authority, and shows this certificate: else one of that authority."""
    where = f"localhost:{router.extproc.rsplit(':')[-1]}"
    document = Path(__file__).with_name("extproc_guarded.yaml")
    shown = str(shows or authority.folder / "server.pem")
    args = ("--extproc", where, "--ca-file", str(authority.file), "--client-cert", shown, "--client-key", shown)
    return own_envoy(router, *args, document=document, **more)


def test_over_tls(guarded_service, own_envoy, authority, a):
    assert "extproc     https://" in guarded_service.banner
    envoy = over_tls(own_envoy, guarded_service, authority)
    assert post(envoy, chat("alpha")).status_code == 200
    assert len(a.requests) == 1


def test_over_tls_with_a_stranger(guarded_service, own_envoy, tmp_path_factory, a):
    """Envoy does not ask a router that it does not know."""
    stranger = Authority(tmp_path_factory.mktemp("stranger"))
    stranger.context("localhost")
    envoy = over_tls(own_envoy, guarded_service, stranger)
    assert post(envoy, chat("alpha")).status_code == 500
    assert not a.requests


@pytest.mark.parametrize("shows", ["a stranger's", "nothing"])
def test_the_service_is_for_those_it_knows(shows, guarded_service, own_envoy, authority, tmp_path_factory, a):
    """Who is told what backends are sent is told their keys."""
    stranger = Authority(tmp_path_factory.mktemp("stranger"))
    stranger.context("localhost")
    nothing = lambda config: re.sub(r" +tls_certificates:\n( +)- certificate_chain:\n(\1 .*\n)+", "", config)  # noqa: E731
    envoy = over_tls(
        own_envoy,
        guarded_service,
        authority,
        shows=stranger.folder / "server.pem",
        edit=nothing if shows == "nothing" else None,
    )
    certificates = "tls_certificates" in (envoy.folder / "envoy.yaml").read_text()
    assert certificates == (shows != "nothing")
    assert post(envoy, chat("alpha")).status_code == 500
    assert not a.requests


def test_envoy_needs_a_certificate_to_show(guarded_service):
    command = [binary("hardwirec"), "envoy", Path(__file__).with_name("extproc_guarded.yaml")]
    done = subprocess.run(command, env=guarded_service.env, capture_output=True, text=True, timeout=10, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "--client-cert" in done.stderr


def test_no_guarded_door_fails_open(guarded_service):
    command = [binary("hardwirec"), "envoy", Path(__file__).with_name("extproc_guarded.yaml"), "--failure-mode-allow"]
    done = subprocess.run(command, env=guarded_service.env, capture_output=True, text=True, timeout=10, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "the listener `guarded` has `api_keys`" in done.stderr


def test_keys_are_the_listeners(guarded_service, own_envoy, authority, a):
    envoy = over_tls(own_envoy, guarded_service, authority)
    url = f"{envoy.urls['guarded']}/v1/chat/completions"
    refused = httpx.post(url, json=chat("alpha"), headers={"authorization": "Bearer wrong"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "invalid_api_key")
    assert not a.requests
    assert httpx.post(url, json=chat("alpha"), headers={"authorization": "Bearer first-key"}).status_code == 200
    assert a.last.header("authorization") is None


def test_responses_belong_to_the_key(guarded_service, own_envoy, authority, a):
    envoy = over_tls(own_envoy, guarded_service, authority)
    first, second = ({"authorization": f"Bearer {key}"} for key in ("first-key", "second-key"))
    url, body = f"{envoy.urls['guarded']}/v1/responses", {"model": "alpha", "input": "x"}
    got = httpx.post(url, json=body, headers=first).json()
    assert httpx.get(f"{url}/{got['id']}", headers=first).json() == got
    for method in ("GET", "DELETE"):
        assert httpx.request(method, f"{url}/{got['id']}", headers=second).status_code == 404
    refused = httpx.post(url, json=body | {"previous_response_id": got["id"]}, headers=second)
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "previous_response_not_found")
    # Nor is it there for those who come in through the open door.
    assert httpx.get(f"{envoy.url}/v1/responses/{got['id']}").status_code == 404
    assert httpx.get(f"{url}/{got['id']}").status_code == 401


def test_a_door_without_a_name_is_guarded(guarded_service, own_envoy, authority, a):
    edit = lambda config: config.replace("key: x-hardwire-listener", "key: x-something-else")  # noqa: E731
    envoy = over_tls(own_envoy, guarded_service, authority, edit=edit)
    assert post(envoy, chat("alpha")).status_code == 401
    assert not a.requests


def test_the_description_tells_of_it(service, router):
    told = lambda one: httpx.get(f"{one.management}/openapi.json").json()["info"]["description"]  # noqa: E731
    assert "`envoy.service.ext_proc.v3.ExternalProcessor` on port 50051" in told(service)
    assert "Envoy" not in told(router)


def test_certificates_that_are_none(start, tmp_path):
    from router import run

    keys = {"ROUTER_KEY": "k", "OTHER_KEY": "l"}
    env = keys | {"UP_A": "127.0.0.1:1", "CERT_FILE": str(tmp_path / "none.pem"), "KEY_FILE": "none", "CLIENT_CA": "none"}
    where = ("--listen", "127.0.0.1:0", "--management", "127.0.0.1:0", "--extproc", "127.0.0.1:0")
    done = run("extproc_guarded", *where, env=env)
    assert done.returncode == 2
    assert "hardwire.extproc.tls" in done.stderr and "none.pem" in done.stderr


def test_a_flag_without_the_service():
    from router import run

    done = run("default", "--extproc", "127.0.0.1:0")
    assert done.returncode == 2
    assert "the document has no `hardwire.extproc`" in done.stderr


OTHER_MODES = {
    "no bodies": [
        ("request_body_mode: BUFFERED", "request_body_mode: NONE"),
        ("response_body_mode: BUFFERED", "response_body_mode: NONE"),
    ],
    "streamed, and waiting": [
        ("request_body_mode: BUFFERED", "request_body_mode: STREAMED"),
        ("response_body_mode: BUFFERED", "response_body_mode: STREAMED"),
    ],
    "partly": [("request_body_mode: BUFFERED", "request_body_mode: BUFFERED_PARTIAL")],
    "trailers, too": [
        ("request_trailer_mode: SKIP", "request_trailer_mode: SEND"),
        ("response_trailer_mode: SKIP", "response_trailer_mode: SEND"),
    ],
}


def edited(changes):
    def edit(config: str) -> str:
        for old, new in changes:
            assert old in config
            config = config.replace(old, new)
        return config

    return edit


@pytest.mark.parametrize("mode", OTHER_MODES)
def test_other_modes_are_overridden(mode, service, own_envoy, a):
    """Where Envoy lets the router say how bodies come, any configuration does."""
    envoy = own_envoy(service, edit=edited(OTHER_MODES[mode]))
    assert post(envoy, chat("alpha")).status_code == 200
    assert a.last.json()["model"] == "vendor/alpha-2025"
    a.script = stream("one ", "two")
    asked = ask(envoy, messages("alpha", stream=True), path=MESSAGES_PATH)
    assert asked.status == 200 and b'"text":"two"' in asked.body and b"message_stop" in asked.body
    plain = ask(envoy, messages("alpha", "a" * 100_000), path=MESSAGES_PATH)
    assert plain.status == 200


@pytest.mark.parametrize("mode", ["streamed, and waiting", "no bodies"])
def test_a_mode_that_cannot_work_is_an_error(mode, service, own_envoy, a):
    """The head has gone before the router knows where to."""
    changes = [*OTHER_MODES[mode], ("allow_mode_override: true", "allow_mode_override: false")]
    envoy = own_envoy(service, edit=edited(changes))
    with Raw(envoy) as raw:
        raw.send(b"POST /v1/chat/completions HTTP/1.1\r\nhost: r\r\ntransfer-encoding: chunked\r\n\r\n")
        raw.send(piece(b'{"model":"alpha",'))
        time.sleep(0.2)
        try:
            raw.send(piece(b'"messages":[{"role":"user","content":"hi"}]}') + END)
        except OSError:
            pass  # it has been told already
        asked = raw.response()
    assert asked.status in (500, 503), asked
    assert asked.json()["error"]["code"] in ("envoy_misconfigured", "no_route")
    assert not a.requests


def test_the_example_runs(start, own_envoy):
    """As it is: the ports are the document's."""
    folder = ROOT / "examples/envoy"
    router = start("extproc_example", {}, "--extproc", "127.0.0.1:0")
    envoy = own_envoy(router, document=folder / "router-config.yaml")
    said = post(envoy, chat("auto", "hello there"))
    assert said.status_code == 200 and "hello there" in said.text
    assert said.headers["x-vsr-selected-model"] == "echo"
    missing = post(envoy, chat("auto", "debug this"))
    assert (missing.status_code, missing.json()["error"]["code"]) == (502, "upstream_unreachable")
