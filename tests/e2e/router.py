"""Starts baked routers and looks into them: their addresses, logs, metrics and memory."""

import os
import re
import signal
import subprocess
import threading
from dataclasses import dataclass, field
from pathlib import Path

import httpx

HOME = Path(os.environ["HARDWIRE_E2E"])
"""Where `tests/run` has put the routers and the clients."""


def binary(name: str) -> Path:
    return HOME / "routers" / name


def run(name: str, *args: str, env: dict[str, str] | None = None, timeout: float = 5) -> subprocess.CompletedProcess:
    """Runs a router to its end."""
    command = [binary(name), *args]
    return subprocess.run(command, env=env or {}, capture_output=True, text=True, timeout=timeout, check=False)


@dataclass
class Router:
    """A running router."""

    name: str
    env: dict[str, str] = field(default_factory=dict)
    args: tuple[str, ...] = ()
    lines: list[str] = field(default_factory=list)
    """What it wrote on standard error."""

    def __post_init__(self) -> None:
        where = ("--listen", "127.0.0.1:0", "--management", "127.0.0.1:0", "--workers", "2")
        self.process = subprocess.Popen(
            [binary(self.name), *where, *self.args],
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._logged = threading.Condition()
        threading.Thread(target=self._read_log, daemon=True).start()
        banner = self._banner()
        self.url = re.search(r"listening +(http://\S+)", banner)[1]
        self.management = re.search(r"apiserver +(http://[0-9.:]+)", banner)[1]
        extproc = re.search(r"extproc +https?://(\S+)", banner)
        self.extproc = extproc and extproc[1]
        """Where it serves Envoy, if it does."""
        self.banner = banner
        self.host, port = self.url.removeprefix("http://").split(":")
        self.port = int(port)

    def _read_log(self) -> None:
        for line in self.process.stderr:
            with self._logged:
                self.lines.append(line)
                self._logged.notify_all()

    def _banner(self) -> str:
        if "json" in self.args:
            return self.wait_log("serving").replace("\\n", "\n")
        banner = ""
        while "\n  models " not in banner:
            line = self.process.stdout.readline()
            assert line, f"the router did not start: {banner}{self.log}"
            banner += line
        return banner

    @property
    def log(self) -> str:
        return "".join(self.lines)

    def wait_log(self, part: str, seconds: float = 3) -> str:
        """The first line of the log with this part, as soon as it is there."""
        with self._logged:
            found = lambda: next((line for line in self.lines if part in line), None)  # noqa: E731
            assert self._logged.wait_for(found, seconds), f"`{part}` was not logged:\n{self.log}"
            return found()

    def metrics(self) -> dict[str, float]:
        """All samples by name and labels, as they are written."""
        samples = {}
        for line in httpx.get(f"{self.management}/metrics").text.splitlines():
            if not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                samples[name] = float(value)
        return samples

    def ready(self) -> int:
        return httpx.get(f"{self.management}/ready").status_code

    def resident_kib(self) -> int:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1])

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def check(self) -> None:
        """It runs, and nothing in it has panicked."""
        assert self.process.poll() is None, f"the router is gone:\n{self.log}"
        assert "panicked" not in self.log, self.log

    def stop(self) -> int:
        """Cuts what runs."""
        if self.process.poll() is None:
            self.process.kill()
        return self.process.wait(5)
