"""https backends: trusted through `--ca-file`, and not otherwise."""

import datetime
import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from raw import Raw, ask, chat, request
from upstream import Upstream, frames, stream


class Authority:
    """A certificate authority of our own, and what it signs."""

    def __init__(self, folder) -> None:
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test CA")])
        self.file = folder / "ca.pem"
        limits = x509.BasicConstraints(ca=True, path_length=None)
        self.file.write_bytes(self._sign(self.name, self.key, limits).public_bytes(serialization.Encoding.PEM))

    def _sign(self, name, key, *extensions, days: int = 1) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(self.name).public_key(key.public_key())
        builder = builder.serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(now - datetime.timedelta(days=5)).not_valid_after(
            now + datetime.timedelta(days=days)
        )
        for extension in extensions:
            builder = builder.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
        return builder.sign(self.key, hashes.SHA256())

    def context(self, host: str, **more) -> ssl.SSLContext:
        """What a server called `host` shows."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        certificate = self._sign(name, key, x509.SubjectAlternativeName([x509.DNSName(host)]), **more)
        file = self.folder / "server.pem"
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + pem)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def serve(start, env, authority):
    """Starts a TLS backend and a router that asks it by the name of localhost."""
    upstreams = []

    def serve(context: ssl.SSLContext | None, trust: bool = True, scheme: str = "https"):
        upstreams.append(Upstream(tls=context))
        flags = ("--ca-file", str(authority.file)) if trust else ()
        return upstreams[-1], start("main", env | {"TLS": f"{scheme}://localhost:{upstreams[-1].port}"}, *flags)

    yield serve
    for upstream in upstreams:
        upstream.close()
        assert not upstream.errors


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_trusted_backend(serve, authority, version):
    context = authority.context("localhost")
    context.minimum_version = context.maximum_version = version
    upstream, router = serve(context)
    with Raw(router) as raw:
        for _ in range(5):
            raw.send(request(chat("secure", "x" * 500_000)))
            assert raw.response().status == 200
        upstream.script = stream("one ", "two")
        raw.send(request(chat("secure", stream=True)))
        assert raw.response().body == b"".join(frames("one ", "two"))
    assert upstream.connections == 1, "connections are kept"
    assert upstream.last.header("host") == f"localhost:{upstream.port}"
    router.check()


@pytest.mark.parametrize("why", ["unknown authority", "other name", "expired", "no TLS", "closes at once"])
def test_a_backend_that_is_not_to_be_trusted(serve, authority, why):
    context = authority.context("elsewhere" if why == "other name" else "localhost", days=-1 if why == "expired" else 1)
    upstream, router = serve(None if why == "no TLS" else context, trust=why != "unknown authority")
    if why == "closes at once":
        upstream.tls = type("Closing", (), {"wrap_socket": lambda self, sock, **_: (sock.close(), sock)[1]})()
    response = ask(router, chat("secure"))
    expected = (502, "upstream_unreachable") if why != "no TLS" else (response.status, response.json()["error"]["code"])
    assert (response.status, response.json()["error"]["code"]) == expected
    assert response.status in (502, 504)
    assert not upstream.requests, "nothing was said to it"
    router.check()


def test_a_stream_that_is_cut_without_close_notify(serve, authority):
    """An end of the TLS connection that the peer did not announce may be an attacker's."""
    upstream, router = serve(authority.context("localhost"))

    def script(connection, _):
        connection.send(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n", frames("x")[0]
        )
        connection.sock.detach()  # the file stays open in nobody's hands but the accepting thread's, which closes it

    def plain(connection, _):
        connection.send(b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n{"a":')
        connection.close()

    upstream.script = script
    response = ask(router, chat("secure", stream=True))
    assert b"[DONE]" not in response.body
    upstream.script = plain
    response = ask(router, chat("secure"))
    assert not response.complete
    router.check()
