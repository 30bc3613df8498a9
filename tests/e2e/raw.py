"""An HTTP client that sends exactly the bytes it is given, and tells when which bytes came back."""

import json
import socket
import time
from dataclasses import dataclass


@dataclass
class Response:
    """An answer, de-chunked."""

    status: int
    headers: dict[str, str]
    body: bytes
    complete: bool = True

    def json(self) -> dict:
        return json.loads(self.body)


class Raw:
    """A connection to a router."""

    def __init__(self, router, timeout: float = 4) -> None:
        self.sock = socket.create_connection((router.host, router.port), timeout=timeout)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_) -> None:
        self.sock.close()

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def more(self) -> bytes:
        """What comes next; empty where the router has closed."""
        try:
            data = self.sock.recv(1 << 16)
        except ConnectionResetError:
            data = b""
        self.buffer += data
        return data

    def until(self, part: bytes) -> bytes:
        """All up to and with this part, which must come."""
        while part not in self.buffer:
            assert self.more(), f"closed before {part!r}: {self.buffer!r}"
        end = self.buffer.index(part) + len(part)
        taken, self.buffer = self.buffer[:end], self.buffer[end:]
        return taken

    def closed(self) -> bool:
        """Whether the router closes, with nothing more said, before the timeout."""
        try:
            return not self.buffer and not self.more()
        except TimeoutError:
            return False

    def response(self, to_head: bool = False) -> Response:
        """The next response; `complete` is false where it broke off."""
        first, *lines = self.until(b"\r\n\r\n").decode("latin-1").strip().split("\r\n")
        status = int(first.split(" ")[1])
        if status == 100:
            return self.response(to_head)
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        response = Response(status, headers, b"")
        if to_head or status in (204, 304):
            return response
        if headers.get("transfer-encoding") == "chunked":
            response.complete = self._chunks(response)
        else:
            length = int(headers["content-length"]) if "content-length" in headers else None
            while (length is None or len(self.buffer) < length) and self.more():
                pass
            response.body = self.buffer[:length]
            self.buffer = b"" if length is None else self.buffer[length:]
            response.complete = length is None or len(response.body) == length
        return response

    def _chunks(self, response: Response) -> bool:
        while True:
            while b"\r\n" not in self.buffer:
                if not self.more():
                    return False
            size = int(self.until(b"\r\n"), 16)
            while len(self.buffer) < size + 2:
                if not self.more():
                    response.body += self.buffer[:size]
                    return False
            response.body += self.buffer[:size]
            self.buffer = self.buffer[size + 2 :]
            if size == 0:
                return True


def request(body: bytes | dict, headers: dict[str, str] | None = None, path: str = "/v1/chat/completions") -> bytes:
    """A well-formed POST."""
    if isinstance(body, dict):
        body = json.dumps(body).encode()
    lines = {"host": "router", "content-type": "application/json", "content-length": str(len(body))} | (headers or {})
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + body


def chat(model: str, text: str = "hi", **more) -> dict:
    """The body of a chat request."""
    return {"model": model, "messages": [{"role": "user", "content": text}], **more}


def ask(router, body: bytes | dict, headers: dict[str, str] | None = None, **more) -> Response:
    """One request on a connection of its own."""
    with Raw(router) as raw:
        raw.send(request(body, headers, **more))
        return raw.response()


def address(sock: socket.socket) -> str:
    """Where a socket of ours is bound."""
    host, port = sock.getsockname()
    return f"{host}:{port}"


def eventually(what, seconds: float = 2):
    """The first true value of `what()`; fails where none comes in time."""
    until = time.monotonic() + seconds
    while not (value := what()):
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.01)
    return value
