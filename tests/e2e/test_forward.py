"""What reaches a backend: the client's bytes with the model replaced, the right head, and no credential that is not its own."""

import json

import pytest
from conftest import CLIENT_KEY, UP_KEY
from raw import Raw, ask, chat, request

MODEL = b'"vendor/alpha-2025"'
"""What the backend of `alpha` calls it."""


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"alpha","messages":[]}',
        b'{"messages":[],"model":"alpha"}',
        b' \r\n\t{ "messages" : [ ] ,\n "model"\t:\n"alpha" \n}\n ',
        b'{"messages":[{"role":"user","content":"\\"model\\":\\"alpha\\"","model":"alpha"}],"metadata":{"model":"alpha"},"model":"alpha","x":{"model":["alpha"]}}',
        b'{"mod\\u0065l":"alpha","messages":[]}',
        b'{"\\u006d\\u006F\\u0064\\u0065\\u006c":"\\u0061lph\\u0061","messages":[]}',
        b'{"model":"  alpha ","messages":[]}',
        b'{"model":"alpha","messages":[],"n":1.0,"temperature":1e-0,"seed":123456789012345678901234567890,"big":0.10000000000000000000001}',
        '{"model":"alpha","messages":[{"role":"user","content":"ü🦀\\ud83e\\udd80 \\/ \\u0000"}]}'.encode(),
        b'{"messages":[],"Model":"other","model ":"other","mode":"other","models":"other","model":"alpha"}',
        b'{"a":"\\\\","model":"alpha","b":"\\"model\\"","messages":[]}',
        b'{"model":"alpha","messages":[],"stream":null,"deep":' + b"[" * 100 + b"]" * 100 + b"}",
        b'{"model":"alpha","x":"' + b"y" * 300_000 + b'","messages":[]}',
        b'{"x":"' + b"y" * 300_000 + b'","messages":[],"model":"alpha"}',
    ],
    ids=range(14),
)
def test_only_the_model_is_replaced(router, a, body):
    assert ask(router, body).status == 200
    spelled = (
        b'"\\u0061lph\\u0061"' if b"\\u0061lph" in body else b'"  alpha "' if b'"  alpha "' in body else b'"alpha"'
    )
    # The top-level one: where there are several, it is the one that is not nested.
    before, after = a.last.body.split(MODEL)
    assert before + spelled + after == body
    original, received = json.loads(body), json.loads(a.last.body)
    assert received.pop("model") == "vendor/alpha-2025"
    original.pop("model")
    assert received == original


def test_the_models_id_is_escaped_as_json(router, a):
    ask(router, chat("custom"))
    assert a.last.json()["model"] == 'the "special" one'


@pytest.mark.parametrize("size", [1, 7, 100])
def test_bodies_in_pieces(router, a, size):
    """However the body is cut on the way, also in the middle of the model's name."""
    body = json.dumps(chat("alpha", "text " * 40)).encode()
    chunks = b"".join(
        b"%x;ext=1\r\n%s\r\n" % (len(p), p) for p in (body[i : i + size] for i in range(0, len(body), size))
    )
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: r\r\ntransfer-encoding: chunked\r\n\r\n"
    with Raw(router) as raw:
        raw.send(head + chunks + b"0\r\ntrailer: x\r\n\r\n")
        assert raw.response().status == 200
    assert a.last.body == body.replace(b'"alpha"', MODEL)
    assert a.last.header("content-length") == str(len(a.last.body))
    assert not a.last.all("trailer")
    with Raw(router) as raw:
        for i in range(0, len(request(body)), max(size, 30)):
            raw.send(request(body)[i : i + max(size, 30)])
        assert raw.response().status == 200
    assert a.last.body == body.replace(b'"alpha"', MODEL)


def test_the_head(router, a):
    headers = {
        "authorization": f"Bearer {CLIENT_KEY}",
        "accept": "application/json",
        "user-agent": "me/1",
        "traceparent": "00-1-2-01",
        "x-stainless-lang": "raw",
        "openai-organization": "org",
        "x-request-id": "req-from-client",
        "connection": "keep-alive, X-Hop",
        "x-hop": "1",
        "keep-alive": "timeout=5",
        "proxy-authorization": "Basic c2VjcmV0",
        "proxy-connection": "keep-alive",
        "te": "trailers",
        "upgrade": "h2c",
        "accept-encoding": "gzip, br",
        "x-vsr-debug": "true",
        "x-vsr-selected-model": "other",
        "x-authz-user-id": "u",
        "x-user-openai-key": "sk-x",
        "x-selected-model": "other",
    }
    response = ask(router, chat("alpha"), headers)
    assert response.status == 200
    got = a.last
    assert got.method == "POST" and got.target == "/v1/chat/completions"
    assert got.header("host") == a.url
    assert got.header("content-length") == str(len(got.body))
    assert got.header("authorization") == f"Bearer {CLIENT_KEY}", "the backend has no key of its own"
    assert got.header("accept-encoding") == "identity"
    for kept in [
        "accept",
        "user-agent",
        "traceparent",
        "x-stainless-lang",
        "openai-organization",
        "x-request-id",
        "content-type",
    ]:
        assert got.header(kept) == (headers | {"content-type": "application/json"})[kept]
    names = {name.lower() for name, _ in got.headers}
    known = {"host", "content-length", "authorization", "accept-encoding", "connection"}
    extra = (
        names
        - known
        - {
            "accept",
            "user-agent",
            "traceparent",
            "x-stainless-lang",
            "openai-organization",
            "x-request-id",
            "content-type",
        }
    )
    assert not extra
    assert response.headers["x-request-id"] == "req-from-client"


@pytest.mark.parametrize("given", ["", "z" * 500])
def test_a_request_id_that_is_none(router, a, given):
    response = ask(router, chat("alpha"), {"x-request-id": given})
    assert response.headers["x-request-id"] == a.last.header("x-request-id")
    assert response.headers["x-request-id"].startswith("req_")


@pytest.mark.parametrize("name", ["authorization", "x-api-key", "api-key", "x-goog-api-key", "Authorization"])
def test_the_clients_credentials(router, a, name):
    ask(router, chat("keyed"), {name: f"Bearer {CLIENT_KEY}"})
    assert CLIENT_KEY not in repr(a.last)
    assert a.last.header("authorization") == f"Bearer {UP_KEY}"
    ask(router, chat("alpha"), {name: f"Bearer {CLIENT_KEY}"})
    assert a.last.header(name.lower()) == f"Bearer {CLIENT_KEY}"
    assert UP_KEY not in repr(a.last)


@pytest.mark.parametrize(
    ("model", "target", "header", "value"),
    [
        ("keyed", "/v1/chat/completions", "authorization", f"Bearer {UP_KEY}"),
        ("azure", "/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21", "api-key", UP_KEY),
        ("azure-v1", "/openai/v1/chat/completions", "api-key", UP_KEY),
        ("bedrock", "/openai/v1/chat/completions", "authorization", f"Bearer {UP_KEY}"),
        ("gemini", "/v1beta/openai/chat/completions", "authorization", f"Bearer {UP_KEY}"),
        (
            "vertex",
            "/v1/projects/p/locations/l/endpoints/openapi/chat/completions",
            "authorization",
            f"Bearer {UP_KEY}",
        ),
        ("minimax", "/v1/chat/completions", "authorization", f"Bearer {UP_KEY}"),
        ("custom", "/own/path", "x-own-key", f"Token {UP_KEY}"),
    ],
)
def test_providers(router, a, model, target, header, value):
    """Path and authentication; the query of the client is not the backend's."""
    client = {"authorization": f"Bearer {CLIENT_KEY}", "x-own-key": CLIENT_KEY, "x-tenant": "forged"}
    assert ask(router, chat(model), client, path="/v1/chat/completions?key=client").status == 200
    assert a.last.target == target
    assert a.last.header(header) == value
    credentials = {name for name, _ in a.last.headers} & {
        "authorization",
        "api-key",
        "x-api-key",
        "x-own-key",
        "x-goog-api-key",
    }
    assert credentials == {header} or model != "custom" and credentials == {header, "x-own-key"}
    if model == "custom":
        assert a.last.header("x-tenant") == "t-7"
        assert a.last.header("user-agent") == "hardwire-test"


def test_answers_keep_their_head(router, a):
    hop = "connection: x-hop\r\nx-hop: 1\r\nkeep-alive: timeout=9\r\nproxy-authenticate: Basic\r\nalt-svc: h3\r\n"
    own = "x-ratelimit-limit-requests: 5\r\nopenai-processing-ms: 12\r\nx-request-id: theirs\r\n"
    forged = "x-vsr-selected-model: forged\r\nx-vsr-anything: forged\r\n"
    head = (
        f"HTTP/1.1 201 Made\r\n{hop}{own}{forged}content-type: application/x-odd\r\ncontent-length: 2\r\n\r\n".encode()
    )
    a.script = lambda connection, _: connection.send(head, b"ok")
    response = ask(router, chat("alpha"))
    assert (response.status, response.body) == (201, b"ok")
    assert response.headers["x-ratelimit-limit-requests"] == "5"
    assert response.headers["openai-processing-ms"] == "12"
    assert response.headers["content-type"] == "application/x-odd"
    assert response.headers["x-request-id"] == "theirs"
    assert response.headers["x-vsr-selected-model"] == "alpha"
    for name in ["x-hop", "keep-alive", "proxy-authenticate", "alt-svc", "x-vsr-anything"]:
        assert name not in response.headers


@pytest.mark.parametrize(
    ("head", "body", "expected"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", b"12345", b"12345"),
        (b"HTTP/1.1 200\r\ncontent-length: 5\r\n\r\n", b"12345", b"12345"),
        (
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
            b"2\r\n12\r\n3;x=y\r\n345\r\n0\r\na: b\r\n\r\n",
            b"12345",
        ),
        (b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n", b"12345", b"12345"),
        (b"HTTP/1.0 200 OK\r\n\r\n", b"12345", b"12345"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", b"12345", b"12345"),
        (b"HTTP/1.1 103 Early\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", b"12345", b"12345"),
        (b"HTTP/1.1 204 None\r\n\r\n", b"", b""),
        (b"HTTP/1.1 304 Same\r\n\r\n", b"", b""),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", b"", b""),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 3000000\r\n\r\n", b"z" * 3_000_000, b"z" * 3_000_000),
    ],
    ids=range(11),
)
def test_answers_in_every_framing(router, a, head, body, expected):
    def script(connection, _):
        connection.send(head, body)
        if b"length" not in head and b"chunked" not in head and b" 204" not in head and b" 304" not in head:
            connection.close()

    a.script = script
    for _ in range(2):
        response = ask(router, chat("alpha"))
        assert response.complete
        assert response.body == expected


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n12345",
        b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.9\r\n",
        b"\x16\x03\x01\x02\x00",
        b"HTTP/1.1 200 OK\r\n bad: folded\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nbig: " + b"x" * 2_000_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"".join(b"h%d: x\r\n" % i for i in range(5000)) + b"\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 5000,
    ],
    ids=range(12),
)
def test_answers_that_are_no_http(router, a, head):
    def script(connection, _):
        connection.send(head)
        connection.close()

    a.script = script
    response = ask(router, chat("alpha"))
    assert response.status == 502
    assert response.json()["error"]["type"] == "server_error"
    a.reset()
    assert ask(router, chat("alpha")).status == 200
