"""A backend of our own that does what no decent one does.

Every connection has a thread that hands each request to `script`, a plain function that writes whatever bytes it likes
and may wait, break off or go silent. What came in is kept byte for byte.
"""

import json
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Request:
    """A request as it came."""

    head: bytes
    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes
    trailers: bytes = b""

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name]

    def header(self, name: str) -> str | None:
        values = self.all(name)
        assert len(values) <= 1, f"{name} stands {len(values)} times"
        return values[0] if values else None

    def json(self) -> dict:
        return json.loads(self.body)


class Connection:
    """The server's end of a connection."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.buffer = b""
        self.served = 0

    def read_request(self, takes_chunks: Callable[[], bool] = lambda: False) -> Request | None:
        """The next request; `None` where the client has closed."""
        while b"\r\n\r\n" not in self.buffer:
            if not self._more():
                return None
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ")
        headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
        request = Request(head, method, target, headers, b"")
        if takes_chunks() and request.all("transfer-encoding"):
            return request if self._read_chunks(request) else None
        assert not request.all("transfer-encoding"), "the length is known, so it should be told"
        length = int(request.header("content-length") or 0)
        while len(self.buffer) < length:
            if not self._more():
                return None
        request.body, self.buffer = self.buffer[:length], self.buffer[length:]
        return request

    def _read_chunks(self, request: Request) -> bool:
        while True:
            while b"\r\n" not in self.buffer:
                if not self._more():
                    return False
            line, _, self.buffer = self.buffer.partition(b"\r\n")
            size = int(line, 16)
            if size == 0:
                return self._read_trailers(request)
            while len(self.buffer) < size + 2:
                if not self._more():
                    return False
            request.body += self.buffer[:size]
            self.buffer = self.buffer[size + 2 :]

    def _read_trailers(self, request: Request) -> bool:
        while True:
            while b"\r\n" not in self.buffer:
                if not self._more():
                    return False
            line, _, self.buffer = self.buffer.partition(b"\r\n")
            if not line:
                return True
            request.trailers += line + b"\n"

    def _more(self) -> bytes:
        data = self.sock.recv(1 << 18)
        self.buffer += data
        return data

    def send(self, *parts: bytes) -> None:
        self.sock.sendall(b"".join(parts))

    def close(self) -> None:
        # Not close() alone: other threads may hold the file, and shutdown() sends the FIN at once.
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.sock.close()

    def reset(self) -> None:
        """Breaks the connection with a RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def wait_closed(self, seconds: float = 1.5) -> bool:
        """Whether the other end closes within this time."""
        self.sock.settimeout(seconds)
        try:
            return self.sock.recv(1) == b""
        except TimeoutError:
            return False
        except OSError:
            return True


Script = Callable[[Connection, Request], None]


def decent(connection: Connection, _: Request) -> None:
    """The script of a backend that just answers."""
    connection.send(answer(completion()))


@dataclass
class Upstream:
    """A listening backend. `url` has no scheme, as `endpoint` takes it."""

    tls: object = None
    script: Script = decent
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    healthy: bool = True
    takes_chunks: bool = False
    """Whether requests may come in pieces, as Envoy sends them where it does not hold them. The router never does."""
    checks: int = 0
    errors: list[BaseException] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self.listener.getsockname()[1]
        self.url = f"127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections += 1
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        try:
            connection = Connection(self.tls.wrap_socket(sock, server_side=True) if self.tls else sock)
            while connection.sock.fileno() >= 0 and (request := connection.read_request(lambda: self.takes_chunks)):
                if request.target == "/healthz":
                    self.checks += 1
                    connection.send(answer(b"{}", status=200 if self.healthy else 503))
                    continue
                connection.served += 1
                self.requests.append(request)
                self.script(connection, request)
        except OSError:
            pass  # the router left: often what the test is about
        except BaseException as error:
            self.errors.append(error)
        finally:
            sock.close()

    def reset(self) -> None:
        """As new, but for the connections that are there."""
        self.script = decent
        self.requests, self.errors, self.healthy, self.checks, self.takes_chunks = [], [], True, 0, False

    @property
    def last(self) -> Request:
        return self.requests[-1]

    def close(self) -> None:
        self.listener.close()


def answer(body: bytes | dict, status: int = 200, headers: dict[str, str] | None = None) -> bytes:
    """A plain response."""
    if isinstance(body, dict):
        body = json.dumps(body).encode()
    all_headers = {"content-type": "application/json", "content-length": str(len(body))} | (headers or {})
    lines = "".join(f"{name}: {value}\r\n" for name, value in all_headers.items())
    return f"HTTP/1.1 {status} Whatever\r\n{lines}\r\n".encode() + body


def completion(text: str = "hello", model: str = "upstream-model") -> dict:
    """A chat completion."""
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": model,
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    }


def chunk(delta: dict, finish_reason: str | None = None) -> bytes:
    """A frame of a streamed chat completion."""
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "upstream-model",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}],
    }
    return b"data: " + json.dumps(body).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"

STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
"""The head of an event stream whose pieces are told apart by `piece`."""

END = b"0\r\n\r\n"


def piece(data: bytes) -> bytes:
    """Chunked transfer coding of some bytes."""
    return b"%x\r\n%s\r\n" % (len(data), data)


def frames(*words: str) -> list[bytes]:
    """A whole stream that says these words, frame by frame."""
    first = chunk({"role": "assistant", "content": ""})
    return [first, *(chunk({"content": word}) for word in words), chunk({}, "stop"), DONE]


def stream(*words: str, pause: float = 0) -> Script:
    """A script that streams these words properly."""

    def script(connection: Connection, _: Request) -> None:
        connection.send(STREAM_HEAD)
        for frame in frames(*words):
            connection.send(piece(frame))
            time.sleep(pause)
        connection.send(END)

    return script
