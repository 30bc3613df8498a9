"""Starts Envoy in front of a router, with the configuration that `hardwirec envoy` prints for it."""

import re
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from router import Router, binary

MODES = {
    "buffered": (),
    "streamed": ("--bodies", "streamed"),
    "full-duplex": ("--bodies", "full-duplex"),
    "original-dst": ("--original-dst",),
}
"""Flags of `hardwirec envoy`."""


def configuration(document: Path, env: dict[str, str], *args: str) -> str:
    """What `hardwirec envoy` prints."""
    command = [binary("hardwirec"), "envoy", document, *args]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=10, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@dataclass
class Envoy:
    """A running Envoy. Every listener gets a port of its own; `url` is that of the first."""

    router: Router
    folder: Path
    args: tuple[str, ...] = ()
    document: Path = Path(__file__).with_name("extproc.yaml")
    edit: object = None
    """What is done to the configuration before Envoy reads it."""
    lines: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        where = ("--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--extproc", self.router.extproc)
        config = configuration(self.document, self.router.env, *where, *self.args)
        # A port of the document's may be taken by the router itself.
        config = re.sub(r"port_value: 8802\b", "port_value: 0", config)
        if self.edit:
            config = self.edit(config)
        file = self.folder / "envoy.yaml"
        file.write_text(config)
        admin = self.folder / "admin"
        command = [
            Path(sys.executable).with_name("envoy"),
            *("-c", file, "-l", "warning", "--concurrency", "1", "--disable-hot-restart"),
            *("--admin-address-path", admin, "--drain-time-s", "0"),
        ]
        self.in_pieces = "FULL_DUPLEX_STREAMED" in config or "request_body_mode: STREAMED" in config
        """Whether it passes bodies on whose length it does not know yet."""
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        threading.Thread(target=self._read_log, daemon=True).start()
        self.admin = f"http://{self._wait_for(admin)}"
        self.urls = self._listeners()
        self.url = next(iter(self.urls.values()))
        self.host, port = self.url.removeprefix("http://").split(":")
        self.port = int(port)

    def _read_log(self) -> None:
        for line in self.process.stderr:
            self.lines.append(line)

    def _alive(self) -> None:
        assert self.process.poll() is None, f"Envoy is gone:\n{''.join(self.lines)}"

    def _wait_for(self, file: Path) -> str:
        until = time.monotonic() + 15
        while not file.exists() or not file.read_text().strip():
            self._alive()
            assert time.monotonic() < until, "Envoy did not start"
            time.sleep(0.02)
        return file.read_text().strip()

    def _listeners(self) -> dict[str, str]:
        until = time.monotonic() + 15
        while True:
            self._alive()
            found = httpx.get(f"{self.admin}/listeners?format=json", timeout=5).json().get("listener_statuses", [])
            address = lambda one: one["local_address"]["socket_address"]  # noqa: E731
            urls = {one["name"]: f"http://{address(one)['address']}:{address(one)['port_value']}" for one in found}
            if urls and httpx.get(f"{self.admin}/ready", timeout=5).status_code == 200:
                return urls
            assert time.monotonic() < until, "Envoy does not listen"
            time.sleep(0.02)

    def stats(self, prefix: str) -> dict[str, int]:
        lines = httpx.get(f"{self.admin}/stats?filter={prefix}", timeout=5).text.splitlines()
        return {name: int(value) for name, value in (line.rsplit(": ", 1) for line in lines) if value.isdigit()}

    def metrics(self) -> dict[str, float]:
        return self.router.metrics()

    def wait_log(self, part: str, seconds: float = 3) -> str:
        return self.router.wait_log(part, seconds)

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(5)
