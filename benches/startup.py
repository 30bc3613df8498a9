"""Measures what a router costs before it does anything: time to the first answer, idle memory, size.

    cargo build --release && python3 benches/startup.py target/release/hardwire
"""

import os
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

RUNS = 15
PUBLIC, MANAGEMENT = ("127.0.0.1", 18999), ("127.0.0.1", 18998)
BODY = b'{"model":"none","messages":[]}'
REQUEST = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%s" % (len(BODY), BODY)


def connect(seconds: float = 5) -> socket.socket:
    until = time.monotonic() + seconds
    while True:
        try:
            return socket.create_connection(PUBLIC)
        except ConnectionRefusedError:
            if time.monotonic() > until:
                raise
            time.sleep(0.0002)


def first_answer(router: Path) -> tuple[float, int]:
    """Milliseconds from the start of the process to its first answer, and its memory in KiB after that."""
    flags = [f"--listen={PUBLIC[0]}:{PUBLIC[1]}", f"--management={MANAGEMENT[0]}:{MANAGEMENT[1]}"]
    began = time.perf_counter()
    process = subprocess.Popen([router, *flags], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with connect() as client:
            client.sendall(REQUEST)
            assert client.recv(65536).startswith(b"HTTP/1.1 404"), "the router answers"
            took = (time.perf_counter() - began) * 1000
            status = Path(f"/proc/{process.pid}/status").read_text()
            return took, next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
    finally:
        process.terminate()
        process.wait()


def main() -> None:
    router = Path(sys.argv[1] if len(sys.argv) > 1 else "target/release/hardwire")
    runs = [first_answer(router) for _ in range(RUNS)]
    took, memory = [run[0] for run in runs], [run[1] for run in runs]
    print(f"start to first answer: {statistics.median(took):.1f} ms (at most {max(took):.1f}), {os.cpu_count()} cores")
    print(f"resident memory then:  {max(memory) / 1024:.1f} MiB")
    print(f"size of the binary:    {router.stat().st_size / 2**20:.1f} MiB")


if __name__ == "__main__":
    main()
