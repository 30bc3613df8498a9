"""What a store may hold and for how long, while many write at once through `/v1/responses`."""

import threading
import time

import httpx
import pytest

from responses import error_of

RESPONSES = 100
BYTES = 2 << 20
TTL = 3
WRITERS = 8
STORED = 5 * RESPONSES


@pytest.fixture(params=["bounded", "bounded_file"])
def bounded(start, tmp_path, request):
    router = start(request.param, {"STORE": str(tmp_path / "responses.redb")})
    yield router
    router.check()


class Load:
    """Writers, each of which asks for the next response when it has the one before."""

    def __init__(self, url: str, sizes: range) -> None:
        self.url = url
        self.sizes = sizes
        self.told: list[str] = []
        """Ids in the order in which clients heard of them."""
        self.lost: list[str] = []
        """Those that were not there right after."""
        self._stop = threading.Event()
        self._writers = [threading.Thread(target=self._write, args=(n,), daemon=True) for n in range(WRITERS)]

    def _write(self, n: int) -> None:
        with httpx.Client(timeout=5) as client:
            while not self._stop.is_set():
                size = self.sizes[len(self.told) % len(self.sizes)]
                got = client.post(f"{self.url}/v1/responses", json={"model": "echo", "input": f"{n} {'x' * size}"})
                id = got.raise_for_status().json()["id"]
                self.told.append(id)
                if client.get(f"{self.url}/v1/responses/{id}").status_code != 200:
                    self.lost.append(id)

    def run(self, number: int, watch) -> None:
        for writer in self._writers:
            writer.start()
        deadline = time.monotonic() + 30
        try:
            while len(self.told) < number and all(writer.is_alive() for writer in self._writers):
                assert time.monotonic() < deadline, len(self.told)
                watch()
                time.sleep(0.02)
        finally:
            self._stop.set()
        for writer in self._writers:
            writer.join()
        watch()
        assert len(self.told) >= number


@pytest.mark.parametrize("sizes", [range(1, 100), range(4000, 16000, 1777)], ids=["number", "bytes"])
def test_bounds_and_lifetimes_hold_under_load(bounded, sizes):
    most = {"responses": 0.0, "bytes": 0.0}

    def watch():
        metrics = bounded.metrics()
        most["responses"] = max(most["responses"], metrics["hardwire_stored_responses"])
        most["bytes"] = max(most["bytes"], metrics["hardwire_stored_response_bytes"])

    load = Load(bounded.url, sizes)
    # The allocator and the connections take their share first.
    Load(bounded.url, sizes).run(RESPONSES, lambda: None)
    before = bounded.resident_kib()
    load.run(STORED, watch)
    assert bounded.resident_kib() - before < (BYTES >> 10) + 8192
    assert not load.lost
    # One of the two bounds was reached, and neither was passed.
    assert most["responses"] <= RESPONSES and most["bytes"] <= BYTES
    assert most["responses"] == RESPONSES or most["bytes"] > 0.95 * BYTES
    with httpx.Client() as client:
        there = []
        # The newest first: what expires meanwhile is what comes next.
        for id in reversed(load.told):
            got = client.get(f"{bounded.url}/v1/responses/{id}")
            there.append(got.status_code == 200)
            if not there[-1]:
                assert id in error_of(got, 404)["message"]
        # What made room is what was stored first, but for what was under way at the same time.
        assert 0 < sum(there) <= RESPONSES
        assert not any(there[sum(there) + WRITERS :])
        assert all(there[: sum(there) - WRITERS])
        # Then all of them have expired.
        time.sleep(TTL)
        for id in load.told[-RESPONSES:]:
            error_of(client.get(f"{bounded.url}/v1/responses/{id}"), 404)
        body = {"model": "echo", "input": "x", "previous_response_id": load.told[-1]}
        error = error_of(client.post(f"{bounded.url}/v1/responses", json=body), 400)
        assert error["code"] == "previous_response_not_found"
