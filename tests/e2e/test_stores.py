"""The store of responses at start-up. What it keeps, the tests of the Responses API tell."""

import openai
import pytest
from conftest import sdk
from router import Router, run

PLACES = ("--listen", "127.0.0.1:0", "--management", "127.0.0.1:0")


def test_a_file_serves_one_router(tmp_path):
    path = tmp_path / "responses.redb"
    first = Router("stored", {"STORE": str(path)})
    try:
        assert path.stat().st_mode & 0o777 == 0o600
        ended = run("stored", *PLACES, env={"STORE": str(path)})
        assert ended.returncode == 2 and ended.stdout == ""
        (line,) = ended.stderr.splitlines()
        assert line.startswith(f"hardwire: the response store `{path}` is in use by another process")
    finally:
        first.process.kill()
        first.process.wait()
    # A router that was killed leaves a file that the next can use.
    second = Router("stored", {"STORE": str(path)})
    second.stop()


def test_a_file_that_cannot_be_used(tmp_path):
    (tmp_path / "letter").write_text("This is no database. " * 500)
    for path in [tmp_path, tmp_path / "no" / "folder", tmp_path / "letter"]:
        ended = run("stored", *PLACES, env={"STORE": str(path)})
        assert ended.returncode == 2
        (line,) = ended.stderr.splitlines()
        assert line.startswith(f"hardwire: the response store `{path}` cannot be opened: ")
    ended = run("stored", *PLACES, env={})
    (line,) = ended.stderr.splitlines()
    assert "STORE (for global.services.response_api.file.path)" in line


def test_a_response_that_is_too_large(tmp_path):
    """A model was paid for it: the SDK does not ask again by itself."""
    router = Router("stored", {"STORE": str(tmp_path / "responses.redb")})
    try:
        with sdk(router, max_retries=2) as client:
            with pytest.raises(openai.APIStatusError) as error:
                client.responses.create(model="echo", input="x" * 17_000_000)
            assert (error.value.status_code, error.value.code) == (507, "response_too_large")
            assert error.value.response.headers["x-should-retry"] == "false"
            attempts = {name: value for name, value in router.metrics().items() if "upstream_attempts" in name and value}
            assert list(attempts.values()) == [1], attempts
            assert client.responses.create(model="echo", input="x" * 17_000_000, store=False).output_text
        router.check()
    finally:
        router.stop()
