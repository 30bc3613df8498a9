"""What no decent client sends: a sane 4xx or a closed connection, never a hang or a crash."""

import json

import pytest
from raw import Raw, ask, chat, request

GOOD = json.dumps(chat("alpha")).encode()
LENGTH = b"content-length: %d\r\n" % len(GOOD)
POST = b"POST /v1/chat/completions HTTP/1.1\r\nhost: r\r\n"

BODIES = {
    "empty": b"",
    "blank": b" \n",
    "no JSON": b"hello",
    "array": b"[]",
    "string": b'"model"',
    "null": b"null",
    "number": b"1",
    "open": b'{"model":"alpha","messages":[',
    "open string": b'{"model":"alpha","messages":[],"x":"',
    "trailing comma": b'{"model":"alpha","messages":[],}',
    "trailing brace": GOOD + b"}",
    "trailing text": GOOD + b"x",
    "trailing zero": GOOD + b"\0",
    "two documents": GOOD + GOOD,
    "single quotes": b"{'model':'alpha','messages':[]}",
    "comment": b'{"model":"alpha",/* */"messages":[]}',
    "bare word": b'{"model":"alpha","messages":[],"x":NaN}',
    "leading zero": b'{"model":"alpha","messages":[],"x":01}',
    "plus": b'{"model":"alpha","messages":[],"x":+1}',
    "byte order mark": b"\xef\xbb\xbf" + GOOD,
    "UTF-16": GOOD.decode().encode("utf-16"),
    "control character": b'{"model":"alpha","messages":[],"x":"a\nb"}',
    "bad escape": b'{"model":"alpha","messages":[],"x":"\\x"}',
    "model twice": b'{"model":"alpha","messages":[],"model":"beta"}',
    "model twice, escaped": b'{"model":"alpha","messages":[],"mod\\u0065l":"beta"}',
    "model null, then set": b'{"model":null,"messages":[],"model":"beta"}',
    "messages twice": b'{"model":"alpha","messages":[],"messages":[]}',
    "stream twice": b'{"model":"alpha","messages":[],"stream":false,"stream":true}',
    "no model": b'{"messages":[]}',
    "model empty": b'{"model":"","messages":[]}',
    "model blank": b'{"model":"  ","messages":[]}',
    "model number": b'{"model":1,"messages":[]}',
    "model object": b'{"model":{"model":"alpha"},"messages":[]}',
    "model no UTF-8": b'{"model":"\xff","messages":[]}',
    "model lone surrogate": b'{"model":"\\ud800","messages":[]}',
    "model zero": b'{"model":"alpha\\u0000","messages":[]}',
    "model long": b'{"model":"' + b"x" * 500_000 + b'","messages":[]}',
    "no messages": b'{"model":"alpha"}',
    "messages object": b'{"model":"alpha","messages":{}}',
    "deep": b'{"model":"alpha","messages":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "deep objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "auto, content no UTF-8": b'{"model":"auto","messages":[{"role":"user","content":"\xff\xfe"}]}',
    "auto, lone surrogate": b'{"model":"auto","messages":[{"role":"user","content":"\\ud800"}]}',
    "auto, message a number": b'{"model":"auto","messages":[1]}',
    "auto, role twice": b'{"model":"auto","messages":[{"role":"user","role":"user"}]}',
}


@pytest.mark.parametrize("what", BODIES)
def test_bodies(router, a, what):
    with Raw(router) as raw:
        for _ in range(2):  # the connection goes on
            raw.send(request(BODIES[what]))
            response = raw.response()
            assert response.status in (400, 404), response
            error = response.json()["error"]
            assert error["type"] == "invalid_request_error" and error["message"]
            assert set(error) == {"message", "type", "param", "code"}
            assert len(response.body) < 600
            assert response.headers["content-type"] == "application/json"
        raw.send(request(GOOD))
        assert raw.response().status == 200
    assert len(a.requests) == 1


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"auto","messages":[]}',
        b'{"model":"auto","messages":[{}]}',
        b'{"model":"auto","messages":[{"role":7,"content":{"x":[1]}}]}',
        b'{"model":"auto","messages":[{"role":"user","content":null},{"role":"user","content":[1,null,{"type":"text"},{"text":9}]}]}',
        b'{"model":"auto","messages":[{"role":"user","content":"\\ud83e\\udd80 \\u0000"}],"tools":7,"max_tokens":-1,"tool_choice":[]}',
        b'{"model":"auto","messages":[{"role":"user","content":"x"}],"max_tokens":1e999}',
        b'{"model":"alpha","messages":[{"role":"user","content":"\xff"}]}',
    ],
    ids=range(7),
)
def test_odd_but_the_backends_affair(router, a, body):
    """What routing need not understand is forwarded, or refused by name; the backend judges the rest."""
    response = ask(router, body)
    assert response.status in (200, 400)
    assert response.status == 200 or response.json()["error"]["param"] == "messages"


HEADS = {
    "no head": b"\r\n\r\n",
    "rubbish": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 200 + b"\r\n\r\n",
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/0.9": b"GET /v1/models\r\n\r\n",
    "HTTP/3.0": b"GET /v1/models HTTP/3.0\r\n\r\n",
    "no colon": POST + b"nonsense\r\n\r\n",
    "space before colon": POST + b"content-length : 2\r\n\r\n{}",
    "folded": POST + b"x: a\r\n b\r\n" + LENGTH + b"\r\n" + GOOD,
    "zero in a header": POST + b"x: a\0b\r\n" + LENGTH + b"\r\n" + GOOD,
    "bare CR in a header": POST + b"x: a\rb\r\n" + LENGTH + b"\r\n" + GOOD,
    "length negative": POST + b"content-length: -1\r\n\r\n",
    "length plus": POST + b"content-length: +2\r\n\r\n{}",
    "length hex": POST + b"content-length: 0x2\r\n\r\n{}",
    "length huge": POST + b"content-length: 99999999999999999999999\r\n\r\n",
    "lengths differ": POST + b"content-length: 2\r\ncontent-length: 3\r\n\r\n{} ",
    "length list differs": POST + b"content-length: 2, 3\r\n\r\n{} ",
    "length and other coding": POST + b"content-length: 2\r\ntransfer-encoding: gzip\r\n\r\n{}",
    "unknown coding": POST + b"transfer-encoding: gzip\r\n\r\n{}",
    "chunked not last": POST + b"transfer-encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "chunk size no hex": POST + b"transfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    "chunk size negative": POST + b"transfer-encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n",
    "chunk size overflows": POST + b"transfer-encoding: chunked\r\n\r\n1ffffffffffffffff\r\n{}\r\n0\r\n\r\n",
    "chunk without end": POST + b"transfer-encoding: chunked\r\n\r\n2\r\n{}xx0\r\n\r\n",
    "chunk extension long": POST + b"transfer-encoding: chunked\r\n\r\n2;" + b"x" * 100_000 + b"\r\n{}\r\n0\r\n\r\n",
    "header large": POST + b"x: " + b"y" * 1_000_000 + b"\r\n\r\n",
    "headers many": POST + b"".join(b"x%d: y\r\n" % i for i in range(5_000)) + b"\r\n",
    "path long": b"GET /" + b"x" * 500_000 + b" HTTP/1.1\r\nhost: r\r\n\r\n",
    "method odd": b"B@D / HTTP/1.1\r\nhost: r\r\n\r\n",
    "path with a space": b"GET /v1/ models HTTP/1.1\r\nhost: r\r\n\r\n",
    "path not ASCII": b"GET /v1/\xff\xfe HTTP/1.1\r\nhost: r\r\n\r\n",
    "no path": b"GET  HTTP/1.1\r\nhost: r\r\n\r\n",
}


@pytest.mark.parametrize("what", HEADS)
def test_heads(router, a, what):
    with Raw(router) as raw:
        try:
            raw.send(HEADS[what])
        except OSError:
            pass  # refused before it was sent in full
        while raw.more() and b"\r\n\r\n" not in raw.buffer:
            pass
        if raw.buffer:
            response = raw.response()
            assert 400 <= response.status < 500, response
    assert not a.requests
    assert ask(router, GOOD).status == 200


REQUESTS = {
    "root": (b"GET / HTTP/1.1\r\nhost: r\r\n\r\n", 404),
    "double slash": (b"POST //v1/chat/completions HTTP/1.1\r\nhost: r\r\n" + LENGTH + b"\r\n" + GOOD, 404),
    "dots": (b"GET /v1/../v1/models HTTP/1.1\r\nhost: r\r\n\r\n", 404),
    "upper case": (b"GET /V1/MODELS HTTP/1.1\r\nhost: r\r\n\r\n", 404),
    "encoded path": (b"GET /v1%2fmodels HTTP/1.1\r\nhost: r\r\n\r\n", 404),
    "trailing slash": (b"GET /v1/models/ HTTP/1.1\r\nhost: r\r\n\r\n", 200),
    "query": (b"GET /v1/models?x=1 HTTP/1.1\r\nhost: r\r\n\r\n", 200),
    "model with a slash": (b"GET /v1/models/vllm-sr/auto HTTP/1.1\r\nhost: r\r\n\r\n", 200),
    "model encoded": (b"GET /v1/models/vllm-sr%2Fauto HTTP/1.1\r\nhost: r\r\n\r\n", 200),
    "model badly encoded": (b"GET /v1/models/%zz HTTP/1.1\r\nhost: r\r\n\r\n", 404),
    "model no UTF-8": (b"GET /v1/models/%ff%fe HTTP/1.1\r\nhost: r\r\n\r\n", 404),
    "options": (b"OPTIONS /v1/chat/completions HTTP/1.1\r\nhost: r\r\n\r\n", 405),
    "options of all": (b"OPTIONS * HTTP/1.1\r\nhost: r\r\n\r\n", 404),
    "connect": (b"CONNECT example:443 HTTP/1.1\r\nhost: r\r\n\r\n", 404),
    "trace": (b"TRACE /v1/models HTTP/1.1\r\nhost: r\r\n\r\n", 405),
    "get": (b"GET /v1/chat/completions HTTP/1.1\r\nhost: r\r\n\r\n", 405),
    "delete": (b"DELETE /v1/models/alpha HTTP/1.1\r\nhost: r\r\n\r\n", 405),
    "own method": (b"BREW /v1/models HTTP/1.1\r\nhost: r\r\n\r\n", 405),
    "absolute form": (b"GET http://r/v1/models HTTP/1.1\r\nhost: r\r\n\r\n", 200),
    "absolute form elsewhere": (b"GET http://127.0.0.1:1/x HTTP/1.1\r\nhost: r\r\n\r\n", 404),
    "no host": (b"GET /v1/models HTTP/1.1\r\n\r\n", (200, 400)),
    "no length": (POST + b"\r\n", 400),
    "websocket": (b"GET /v1/models HTTP/1.1\r\nhost: r\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n", 200),
    "compressed": (POST + b"content-encoding: gzip\r\n" + LENGTH + b"\r\n" + GOOD, 415),
    "expects something else": (POST + b"expect: tea\r\n" + LENGTH + b"\r\n" + GOOD, (200, 417)),
}


@pytest.mark.parametrize("what", REQUESTS)
def test_requests(router, a, what):
    sent, expected = REQUESTS[what]
    with Raw(router) as raw:
        raw.send(sent)
        response = raw.response()
        assert response.status == expected or isinstance(expected, tuple) and response.status in expected
        if response.status >= 400:
            error = response.json()["error"]
            assert error["type"] == "invalid_request_error" and error["message"]
        if response.status == 405:
            assert response.headers["allow"] in ("POST", "GET, HEAD")
        if response.headers.get("connection") == "close":
            assert raw.closed()
        else:
            raw.send(b"GET /v1/models HTTP/1.1\r\nhost: r\r\n\r\n")
            assert raw.response().status == 200, "the connection goes on"


def test_head_requests(router):
    with Raw(router) as raw:
        for path, status in [
            ("/v1/models", 200),
            ("/v1/models/alpha", 200),
            ("/v1/models/nope", 404),
            ("/v1/models", 200),
        ]:
            raw.send(f"HEAD {path} HTTP/1.1\r\nhost: r\r\n\r\n".encode())
            response = raw.response(to_head=True)
            assert response.status == status and int(response.headers["content-length"]) > 0
        raw.send(b"HEAD /v1/chat/completions HTTP/1.1\r\nhost: r\r\n\r\n")
        assert raw.response(to_head=True).status == 405


def test_http_1_0(router, a):
    old = b"POST /v1/chat/completions HTTP/1.0\r\n" + LENGTH + b"\r\n" + GOOD
    with Raw(router) as raw:
        raw.send(old)
        response = raw.response()
        assert response.status == 200 and "transfer-encoding" not in response.headers
        assert raw.closed()
    from upstream import frames, stream

    a.script = stream("x")
    body = json.dumps(chat("alpha", stream=True)).encode()
    with Raw(router) as raw:
        raw.send(b"POST /v1/chat/completions HTTP/1.0\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
        response = raw.response()
        assert "transfer-encoding" not in response.headers
        assert response.body == b"".join(frames("x"))


def test_pipelining(router, a):
    with Raw(router) as raw:
        raw.send(b"".join(request(chat(name)) for name in ["alpha", "nope", "alpha", "echo"]))
        assert [raw.response().status for _ in range(4)] == [200, 404, 200, 200]
        raw.send(request(GOOD) + b"GET /v1/models HTTP/1.1\r\nhost: r\r\n\r\n" + b"rubbish\r\n\r\n")
        assert [raw.response().status for _ in range(3)] == [200, 200, 400]
        assert raw.closed()


def test_the_second_request_is_not_in_the_first(router, a):
    """Request smuggling: length and chunks at once."""
    smuggled = b"0\r\n\r\nPOST /smuggled HTTP/1.1\r\nhost: r\r\n\r\n"
    with Raw(router) as raw:
        raw.send(POST + b"transfer-encoding: chunked\r\ncontent-length: %d\r\n\r\n" % len(smuggled) + smuggled)
        assert raw.response().status == 400
        # Chunks win, so what follows is a request of its own; or the connection is closed.
        if raw.more():
            assert raw.response().status == 404
    assert not a.requests


def test_expect_100_continue(router, a):
    with Raw(router) as raw:
        raw.send(POST + b"expect: 100-continue\r\n" + LENGTH + b"\r\n")
        assert raw.until(b"\r\n\r\n").startswith(b"HTTP/1.1 100")
        raw.send(GOOD)
        assert raw.response().status == 200
    assert not a.last.all("expect")


def test_expect_100_continue_where_it_is_refused_anyway(guarded):
    with Raw(guarded) as raw:
        raw.send(POST + b"expect: 100-continue\r\n" + LENGTH + b"\r\n")
        assert raw.until(b"\r\n\r\n").startswith(b"HTTP/1.1 401")
