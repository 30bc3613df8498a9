"""The official Node SDK: the cases are in `node/cases.mjs`, the backends here."""

import subprocess
import threading
from pathlib import Path

import pytest
from router import HOME
from upstream import END, STREAM_HEAD, answer, chunk, completion, frames, piece, stream


@pytest.fixture
def case(node, router):
    def case(name: str) -> None:
        script = Path(__file__).parent / "node" / "cases.mjs"
        env = {"BASE_URL": f"{router.url}/v1", "NODE_HOME": str(HOME / "node")}
        ended = subprocess.run([node, script, name], env=env, capture_output=True, text=True, timeout=20, check=False)
        assert ended.returncode == 0, ended.stderr

    return case


def test_plain(case, a, b):
    b.script = lambda connection, _: connection.send(answer(completion()))
    case("plain")


@pytest.mark.parametrize("name", ["stream", "helper"])
def test_streams(case, a, name):
    a.script = stream("one ", "two")
    case(name)


@pytest.mark.parametrize("name", ["models", "errors"])
def test_without_a_backend(case, a, name):
    case(name)
    assert not a.requests or name == "errors"


@pytest.mark.parametrize("end", [END, b""])
def test_a_stream_that_breaks(case, a, end):
    def script(connection, _):
        connection.send(STREAM_HEAD, *map(piece, frames("one")[:2]), end)
        connection.close()

    a.script = script
    case("broken")


def test_a_client_that_leaves(case, a):
    noticed = threading.Event()

    def script(connection, _):
        connection.send(STREAM_HEAD, piece(chunk({"role": "assistant", "content": "x"})))
        if connection.wait_closed(3):
            noticed.set()

    a.script = script
    case("leave")
    assert noticed.wait(1)
