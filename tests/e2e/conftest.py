"""What the tests share: backends, routers, and the SDK's clients."""

import shutil
import socket
from pathlib import Path

import anthropic
import openai
import pytest
from envoy import MODES, Envoy
from katan import KEY, Katan
from protocols import message, messages_backend, tool_use
from raw import address
from responses import call, chat, chat_backend
from router import Router
from upstream import Upstream

HERE = Path(__file__).parent
CLIENT_KEY = "sk-of-the-client"
UP_KEY = "sk-of-the-backend"


@pytest.fixture(scope="session")
def backends():
    """Two scripted backends: `UP_A` and `UP_B`."""
    pair = (Upstream(), Upstream())
    yield pair
    for upstream in pair:
        upstream.close()


@pytest.fixture
def a(backends):
    """The scripted backend of most models."""
    yield from _fresh(backends[0])


@pytest.fixture
def b(backends):
    """The other scripted backend."""
    yield from _fresh(backends[1])


def _fresh(upstream: Upstream):
    upstream.reset()
    yield upstream
    assert not upstream.errors, upstream.errors
    upstream.reset()


@pytest.fixture(scope="session")
def katan(tmp_path_factory):
    katan = Katan(tmp_path_factory.mktemp("katan"), "--itl-ms", "5")
    yield katan
    katan.stop()


@pytest.fixture(scope="session")
def broken_katan(tmp_path_factory):
    """Answers every request with a 500."""
    katan = Katan(tmp_path_factory.mktemp("katan"), "--error-rate", "1.0")
    yield katan
    katan.stop()


@pytest.fixture(scope="session")
def closed_port():
    """An address where nobody listens: bound, so that nobody else will."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield address(sock)


@pytest.fixture(scope="session")
def env(backends, closed_port):
    """The environment of the main router, without llm-katan."""
    a, b = backends
    return {
        "UP_A": a.url,
        "UP_B": f"http://{b.url}",
        "DEAD": closed_port,
        "UP_KEY": UP_KEY,
        "KATAN": "http://127.0.0.1:1",
        "KATAN_BROKEN": "http://127.0.0.1:1",
        "KATAN_KEY": KEY,
        "TENANT": "7",
    }


@pytest.fixture(scope="session")
def start():
    """Starts routers, and stops them in the end."""
    routers = []

    def start(name: str, env: dict[str, str] | None = None, *args: str) -> Router:
        routers.append(Router(name, env or {}, args))
        return routers[-1]

    yield start
    for router in routers:
        router.stop()


@pytest.fixture(scope="session")
def _shared(start, env):
    return start("main", env)


@pytest.fixture
def router(_shared):
    """The main router, shared by all tests of a worker."""
    yield _shared
    _shared.check()


@pytest.fixture
def own_router(start, env):
    """A main router that has seen nothing yet."""
    router = start("main", env)
    yield router
    router.check()


@pytest.fixture(scope="session")
def _shared_with_katan(start, env, katan, broken_katan):
    return start("main", env | {"KATAN": katan.url, "KATAN_BROKEN": broken_katan.url})


@pytest.fixture
def katan_router(_shared_with_katan):
    """A main router whose `katan` models are served."""
    yield _shared_with_katan
    _shared_with_katan.check()


@pytest.fixture
def guarded(start, backends):
    """The router that asks for keys."""
    router = start("guarded", {"ROUTER_KEY": "first-key", "OTHER_ROUTER_KEY": "second-key", "UP_A": backends[0].url})
    yield router
    router.check()


@pytest.fixture(scope="session")
def _shared_policy(start, backends):
    a, b = backends
    return start("policy", {"UP_A": a.url, "UP_B": b.url, "UP_KEY": UP_KEY})


@pytest.fixture
def policy(_shared_policy):
    """The router whose decisions change requests and choose among models."""
    yield _shared_policy
    _shared_policy.check()


def sdk(router: Router, kind=openai.OpenAI, **more):
    """An official client of this router. It does not retry: a failure should be seen."""
    options = {"base_url": f"{router.url}/v1", "api_key": CLIENT_KEY, "max_retries": 0, "timeout": 5.0}
    return kind(**options | more)


@pytest.fixture
def client(router):
    with sdk(router) as client:
        yield client


@pytest.fixture(scope="session")
def translate_env(backends, closed_port):
    """The environment of the router between protocols, without llm-katan."""
    a, b = backends
    env = {"UP_A": f"http://{a.url}", "UP_B": f"http://{b.url}", "UP_KEY": UP_KEY, "DEAD": closed_port}
    return env | {"KATAN": "http://127.0.0.1:1", "KATAN_KEY": KEY}


@pytest.fixture(scope="session")
def _shared_translate(start, translate_env):
    return start("translate", translate_env)


@pytest.fixture
def translate(_shared_translate):
    """The router between protocols: `claude` models are at `a`, `gpt` models at `b`."""
    yield _shared_translate
    _shared_translate.check()


@pytest.fixture(scope="session")
def katan_translate(start, translate_env, katan):
    """The same whose `katan` models are served."""
    return start("translate", translate_env | {"KATAN": katan.url})


@pytest.fixture
def gpts(translate):
    """OpenAI's client of that router."""
    with sdk(translate) as client:
        yield client


@pytest.fixture
def claudes(translate):
    """Anthropic's client of that router."""
    with sdk(translate, anthropic.Anthropic, base_url=translate.url) as client:
        yield client


@pytest.fixture(scope="session")
def extproc_env(env, katan):
    """The environment of the router behind Envoy."""
    more = {"KATAN": katan.url, "OTHER_KEY": "sk-of-the-other-backend"}
    return env | more


@pytest.fixture(scope="session")
def service(start, extproc_env):
    """A router behind Envoy, which can be asked without it, too."""
    return start("extproc", extproc_env, "--extproc", "127.0.0.1:0")


@pytest.fixture(scope="session")
def envoys(service, tmp_path_factory):
    """Envoy in front of the service, by the way in which bodies are sent."""
    yield from _by_mode(service, tmp_path_factory)


def _by_mode(router: Router, folders, **more):
    running = {}

    def envoy(mode: str) -> Envoy:
        if mode not in running:
            running[mode] = Envoy(router, folders.mktemp(mode), MODES[mode], **more)
        return running[mode]

    yield envoy
    for one in running.values():
        one.stop()


@pytest.fixture(params=MODES)
def envoy(envoys, service, request):
    """Envoy in front of the service, once for each way in which bodies are sent."""
    yield envoys(request.param)
    service.check()


@pytest.fixture
def own_envoy(tmp_path):
    """Starts further Envoys."""
    running = []

    def envoy(router: Router, *args: str, **more) -> Envoy:
        folder = tmp_path / f"envoy-{len(running)}"
        folder.mkdir()
        running.append(Envoy(router, folder, args, **more))
        return running[-1]

    yield envoy
    for one in running:
        one.stop()


@pytest.fixture(scope="session")
def node():
    """The path of Node.js. `tests/run` installs it."""
    found = shutil.which("node")
    assert found, "node is missing: use tests/run"
    return found


@pytest.fixture(scope="session")
def _shared_responses(start, backends):
    a, b = backends
    return start("responses", {"UP_A": a.url, "UP_B": b.url}, "--extproc", "127.0.0.1:0")


@pytest.fixture(scope="session")
def _responses_envoys(_shared_responses, tmp_path_factory):
    yield from _by_mode(_shared_responses, tmp_path_factory, document=HERE / "responses.yaml")


@pytest.fixture
def responses_alone(_shared_responses):
    """The router of the Responses API: Chat models are at `a`, `claude` is at `b`."""
    yield _shared_responses
    _shared_responses.check()


@pytest.fixture(params=["alone", "buffered", "streamed", "full-duplex"])
def responses(responses_alone, _responses_envoys, request, a, b):
    """The same through both of its faces, and behind Envoy once for each way in which bodies are sent."""
    if request.param == "alone":
        return responses_alone
    envoy = _responses_envoys(request.param)
    a.takes_chunks = b.takes_chunks = envoy.in_pieces
    return envoy


@pytest.fixture(scope="session")
def _shared_omitting(start, backends):
    a, b = backends
    return start("omitting", {"UP_A": a.url, "UP_B": b.url}, "--extproc", "127.0.0.1:0")


@pytest.fixture(scope="session")
def _omitting_envoys(_shared_omitting, tmp_path_factory):
    yield from _by_mode(_shared_omitting, tmp_path_factory, document=HERE / "omitting.yaml")


@pytest.fixture
def omitting_alone(_shared_omitting):
    """The router that leaves out tools which are not here: `gpt` is at `a`, `claude` at `b`."""
    yield _shared_omitting
    _shared_omitting.check()


@pytest.fixture(params=["alone", "full-duplex"])
def omitting(omitting_alone, _omitting_envoys, request, a, b):
    """The same through both of its faces."""
    if request.param == "alone":
        return omitting_alone
    envoy = _omitting_envoys(request.param)
    a.takes_chunks = b.takes_chunks = envoy.in_pieces
    return envoy


@pytest.fixture
def everything(a, b):
    """Backends whose answers have thinking, text and a call."""
    a.script = chat_backend(chat("Look: ä", call("c1", "weather", '{"city": "Bonn"}'), reasoning="Hm, so."))
    thinking = {"type": "thinking", "thinking": "Hm, so.", "signature": "sig=="}
    b.script = messages_backend(
        message(thinking, "Look: ä", tool_use("c1", "weather", city="Bonn"), stop_reason="tool_use")
    )


@pytest.fixture
def openai_client(responses):
    """OpenAI's client of that router."""
    with sdk(responses) as client:
        yield client


@pytest.fixture(scope="session")
def _shared_images(start, backends):
    a, b = backends
    return start("images", {"UP_A": a.url, "UP_B": b.url, "IMAGE_KEY": "sk-of-the-images"})


@pytest.fixture
def images(_shared_images):
    """The router of images: models that make words, and the omni model, are at `a`, makers of images at `b`."""
    yield _shared_images
    _shared_images.check()
