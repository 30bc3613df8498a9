"""Images: who makes them, what those are asked, and what clients of each protocol are told."""

import base64
import json
import re
import subprocess
import threading
import time
from pathlib import Path

import httpx
import pytest
from conftest import sdk
from responses import events_of, response_of, texts
from router import HOME
from upstream import END, STREAM_HEAD, answer, completion, frames, piece, stream

PIXELS = base64.b64encode(bytes(range(256)) * 64).decode()
DATA = f"data:image/png;base64,{PIXELS}"
SHOWN = [{"type": "image_url", "image_url": {"url": DATA}}]
TOOL = {"type": "image_generation", "size": "1536x1024"}


def sends(body: dict, status: int = 200):
    return lambda connection, _: connection.send(answer(body, status))


def omni(*content) -> dict:
    whole = completion()
    whole["choices"][0]["message"]["content"] = list(content)
    return whole


def drawn(*base64s: str) -> dict:
    usage = {"input_tokens": 3, "output_tokens": 5, "total_tokens": 8}
    return {"created": 1, "data": [{"b64_json": text} for text in base64s], "usage": usage}


BROKEN = sends({"error": {"message": "out of paint", "type": "server_error"}}, 500)


@pytest.fixture
def painter(b):
    """Makes images by vLLM Omni's Chat."""
    b.script = sends(omni(*SHOWN))
    return b


@pytest.fixture
def openai_painter(b):
    """Makes images by OpenAI's API."""
    b.script = sends(drawn(PIXELS))
    return b


def chat(router, text, **more) -> httpx.Response:
    body = {"model": "auto", "messages": [{"role": "user", "content": text}], **more}
    return httpx.post(f"{router.url}/v1/chat/completions", json=body, headers={"authorization": "Bearer sk-client"})


def respond(router, **body) -> httpx.Response:
    return httpx.post(f"{router.url}/v1/responses", json={"model": "auto", **body}, timeout=20)


def images_of(response: dict) -> list:
    return [item for item in response["output"] if item["type"] == "image_generation_call"]


# Chat.


def test_vllm_omni(images, painter):
    got = chat(images, "Please draw a cat")
    assert got.status_code == 200 and got.json()["choices"][0]["message"]["content"] == SHOWN
    assert got.json()["choices"][0]["finish_reason"] == "stop"
    assert got.headers["x-vsr-selected-modality"] == "DIFFUSION;signal"
    assert got.headers["x-vsr-response-path"] == "image_generation"
    assert (got.headers["x-vsr-selected-decision"], got.headers["x-vsr-selected-model"]) == ("image", "Qwen/Qwen-Image")
    assert painter.last.target == "/v1/chat/completions"
    assert painter.last.json() == {
        "model": "Qwen/Qwen-Image",
        "messages": [{"role": "user", "content": "Please draw a cat"}],
        "extra_body": {"width": 512, "height": 256, "num_inference_steps": 4, "true_cfg_scale": 0.0, "seed": 7},
    }
    assert images.metrics()['llm_model_requests_total{model="image_gen:image"}'] >= 1


def test_openai(images, openai_painter):
    got = chat(images, "An icon of a cat")
    assert got.json()["choices"][0]["message"]["content"] == SHOWN
    assert got.json()["usage"]["completion_tokens"] == 5
    assert got.headers["x-vsr-selected-modality"] == "DIFFUSION;decision"
    sent = openai_painter.last
    assert (sent.target, sent.header("authorization")) == ("/v1/images/generations", "Bearer sk-of-the-images")
    assert sent.header("x-team") == "art"
    expected = {"model": "gpt-image-1", "prompt": "An icon of a cat", "n": 1, "size": "1024x1024", "quality": "high"}
    assert sent.json() == expected


def test_words_alone_go_their_way(images, a, b):
    a.script = stream("one ", "two")
    got = chat(images, "A poem about cats", stream=True)
    assert "one " in got.text and not b.requests


def test_a_chat_stream(images, painter):
    got = chat(images, "Please draw a cat", stream=True, stream_options={"include_usage": True})
    *chunks, done, rest = got.text.split("\n\n")
    assert (done, rest) == ("data: [DONE]", "") and got.headers["content-type"] == "text/event-stream"
    chunks = [json.loads(chunk.removeprefix("data: ")) for chunk in chunks]
    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    assert deltas[0]["role"] == "assistant" and deltas[1]["content"] == SHOWN
    assert chunks[-2]["choices"][0]["finish_reason"] == "stop" and "usage" in chunks[-1]
    with sdk(images) as client:
        message = {"role": "user", "content": "Please draw a cat"}
        told = client.chat.completions.create(model="auto", messages=[message], stream=True)
        kinds = [chunk.object for chunk in told]
    assert set(kinds) == {"chat.completion.chunk"}


def test_words_and_an_image(images, a, painter):
    a.script = sends(completion("A cat is a small animal."))
    got = chat(images, "draw a cat and explain it")
    said = {"type": "text", "text": "A cat is a small animal."}
    assert got.json()["choices"][0]["message"]["content"] == [said, *SHOWN]
    assert (got.headers["x-vsr-selected-modality"], got.headers["x-vsr-selected-model"]) == ("BOTH;signal", "words")
    assert a.last.json()["model"] == "gpt-4o" and painter.last.json()["model"] == "Qwen/Qwen-Image"


def test_both_are_asked_at_once(images, a, b):
    met = threading.Barrier(2, timeout=5)

    def meets(body):
        def script(connection, _):
            met.wait()
            connection.send(answer(body))

        return script

    a.script, b.script = meets(completion("words")), meets(omni(*SHOWN))
    assert chat(images, "draw a cat and explain it").status_code == 200


def test_one_of_two_may_fail(images, a, b):
    a.script, b.script = sends(completion("words")), BROKEN
    got = chat(images, "draw a cat and explain it")
    assert got.json()["choices"][0]["message"]["content"] == "words"
    assert got.headers["x-vsr-response-warnings"] == "image_generation_failed"
    a.script, b.script = BROKEN, sends(omni(*SHOWN))
    got = chat(images, "draw a cat and explain it")
    assert got.json()["choices"][0]["message"]["content"] == SHOWN
    assert got.headers["x-vsr-response-warnings"] == "text_generation_failed"
    a.script = b.script = BROKEN
    got = chat(images, "draw a cat and explain it")
    assert (got.status_code, got.json()["error"]["message"]) == (500, "out of paint")


def test_nothing_was_made(images, b):
    b.script = BROKEN
    got = chat(images, "draw a cat")
    assert (got.status_code, got.json()["error"]["message"]) == (500, "out of paint")
    b.script = sends(completion("I cannot draw."))
    got = chat(images, "draw a cat")
    assert (got.status_code, got.json()["error"]["code"]) == (502, "no_image")

    def silent(connection, _):
        connection.wait_closed(4)

    b.script = silent
    began = time.monotonic()
    got = chat(images, "an icon")
    assert (got.status_code, got.json()["error"]["code"]) == (504, "upstream_timeout")
    assert 1.5 < time.monotonic() - began < 4


def test_a_client_that_leaves_takes_both_along(images, a, b):
    gone = threading.Barrier(3, timeout=8)

    def waits(connection, _):
        if connection.wait_closed(5):
            gone.wait()

    a.script = b.script = waits
    with pytest.raises(httpx.ReadTimeout):
        body = {"model": "auto", "messages": [{"role": "user", "content": "draw a cat and explain it"}]}
        httpx.post(f"{images.url}/v1/chat/completions", json=body, timeout=0.5)
    gone.wait()


def test_an_omni_model_answers_itself(images, a):
    whole = omni({"type": "text", "text": "A cat."}, *SHOWN) | {"of_omni": [1, 2]}
    a.script = sends(whole)
    got = chat(images, "draw a cat and explain it", model="all-in-one")
    assert got.json() == whole
    assert got.headers["x-vsr-selected-modality"] == "BOTH;signal"
    assert a.last.json()["model"] == "Qwen/Qwen-Omni"


def test_messages_have_no_images(images, b):
    body = {"model": "auto", "max_tokens": 9, "messages": [{"role": "user", "content": "draw a cat"}]}
    got = httpx.post(f"{images.url}/v1/messages", json=body)
    assert got.status_code == 400 and got.json()["error"]["type"] == "invalid_request_error" and not b.requests


# Responses.


def test_a_response(images, painter):
    got = respond(images, input="draw a cat")
    response = response_of(got.content)
    (image,) = response["output"]
    assert image["result"] == PIXELS and image["status"] == "completed" and image["id"].startswith("ig_")
    assert response["model"] == "Qwen/Qwen-Image" and got.headers["x-vsr-client-protocol"] == "openai-responses"


@pytest.mark.parametrize("model", ["auto", "all-in-one"])
def test_a_response_with_words(images, a, painter, model):
    whole = omni({"type": "text", "text": "A cat."}, *SHOWN)
    a.script = sends(whole if model == "all-in-one" else completion("A cat."))
    response = response_of(respond(images, model=model, input="A cat, please", tools=[TOOL]).content)
    assert texts(response) == ["A cat."] and images_of(response)[0]["result"] == PIXELS
    assert response["tools"] == [TOOL]
    body = (a if model == "all-in-one" else painter).last.json()
    assert body["extra_body"] | {"width": 1536, "height": 1024} == body["extra_body"]
    assert "tools" not in a.last.json()


@pytest.mark.parametrize("model", ["auto", "all-in-one", "omni"])
def test_a_stream(images, a, painter, model):
    whole = omni({"type": "text", "text": "A cat."}, *SHOWN)
    a.script = stream("A ", "cat.") if model == "auto" else sends(whole)
    body = {"model": model, "input": "A cat, please", "tools": [TOOL], "stream": True}
    events = events_of(respond(images, **body).content)
    ids = [event.get("item_id", event.get("item", {}).get("id", "")) for event in events]
    of_image = [event for event, id in zip(events, ids, strict=True) if id.startswith("ig_")]
    assert [event["type"].removeprefix("response.") for event in of_image] == [
        "output_item.added",
        "image_generation_call.in_progress",
        "image_generation_call.generating",
        "image_generation_call.completed",
        "output_item.done",
    ]
    assert a.last.json().get("stream") == (True if model == "auto" else None)
    with sdk(images) as client:
        with client.responses.stream(model=model, input="A cat, please", tools=[TOOL]) as stream_:
            final = stream_.get_final_response()
        assert [item.type for item in final.output] == ["image_generation_call", "message"]
        assert final.output[0].result == PIXELS
        # It is told again, and gone on from.
        with client.responses.stream(response_id=final.id) as stream_:
            assert stream_.get_final_response().output[0].result == PIXELS
        a.script = sends(completion("Tabby."))
        following = client.responses.create(model="words", input="Its name?", previous_response_id=final.id)
        assert following.output_text == "Tabby."
        assert a.last.json()["messages"][1] == {
            "role": "assistant",
            "content": [{"type": "text", "text": "[an image]"}, {"type": "text", "text": "A cat."}],
        }
        back = [item.to_dict() for item in final.output]
        for part in back[1]["content"]:
            part.pop("parsed", None)
        raw = client.responses.with_raw_response.create(model="words", input=[*back, {"role": "user", "content": "?"}])
        assert raw.headers["x-vsr-protocol-warnings"] == "image_generation_call"


def test_the_tool_says_what_is_wanted(images, a, openai_painter):
    a.script = sends(completion("words"))
    tool = TOOL | {"quality": "low", "output_format": "webp", "partial_images": 2, "model": "gpt-image-2"}
    choice = {"type": "image_generation"}
    got = respond(images, input="an icon of a cat", tools=[tool], tool_choice=choice)
    assert got.headers["x-vsr-selected-modality"] == "DIFFUSION;tool"
    dropped = "tools.image_generation.model, tools.image_generation.partial_images"
    assert got.headers["x-vsr-protocol-warnings"] == dropped
    sent = openai_painter.last.json()
    assert (sent["size"], sent["quality"], sent["output_format"]) == ("1536x1024", "low", "webp")
    # Whoever must call nothing gets words.
    got = respond(images, input="a cat", tools=[tool], tool_choice="none")
    assert texts(response_of(got.content)) == ["words"] and "x-vsr-selected-modality" not in got.headers


@pytest.mark.parametrize(
    ("tool", "param"),
    [
        (TOOL | {"input_image_mask": {"image_url": DATA}}, "tools[0].input_image_mask"),
        (TOOL | {"size": "big"}, "tools[0].size"),
        (TOOL | {"action": "edit"}, "tools[0].action"),
        (TOOL | {"sparkle": True}, "tools[0].sparkle"),
    ],
)
def test_what_cannot_be_had_is_refused(images, a, b, tool, param):
    got = respond(images, input="a cat", tools=[tool])
    assert (got.status_code, got.json()["error"]["param"]) == (400, param) and not a.requests + b.requests


def test_where_nobody_makes_images(images, a, b):
    got = respond(images, model="words", input="a cat", tools=[TOOL])
    assert (got.status_code, got.json()["error"]["code"]) == (400, "images_not_supported")
    assert not a.requests + b.requests


def test_a_failed_image_keeps_the_words(images, a, b):
    a.script, b.script = sends(completion("words")), BROKEN
    for stream_ in (False, True):
        got = respond(images, input="draw a cat and explain it", stream=stream_)
        response = events_of(got.content)[-1]["response"] if stream_ else response_of(got.content)
        (image,) = images_of(response)
        assert (image["status"], image["result"], texts(response)) == ("failed", None, ["words"])
        assert response["status"] == "completed"
        # The head of a stream is gone by then.
        assert got.headers.get("x-vsr-response-warnings") == (None if stream_ else "image_generation_failed")
    a.script, b.script = BROKEN, sends(omni(*SHOWN))
    for stream_ in (False, True):
        got = respond(images, input="draw a cat and explain it", stream=stream_)
        response = events_of(got.content)[-1]["response"] if stream_ else response_of(got.content)
        assert [item["type"] for item in response["output"]] == ["image_generation_call"]
        assert response["status"] == "completed"


# Streams, while they are made. That something comes early is told by what is still held back then.


class Gate:
    """Holds a script back until it is opened."""

    def __init__(self) -> None:
        self._open = threading.Event()

    def open(self) -> None:
        self._open.set()

    def __call__(self) -> None:
        assert self._open.wait(5), "nobody opened the gate"


class Stream:
    """A response that is streamed, read as far as it is wanted."""

    def __init__(self, router, **body) -> None:
        body = {"model": "auto", "stream": True, **body}
        self.whole = b""
        self._got = httpx.stream("POST", f"{router.url}/v1/responses", json=body, timeout=5)

    def __enter__(self) -> "Stream":
        self.response = self._got.__enter__()
        assert self.response.status_code == 200
        self._pieces = self.response.iter_raw()
        return self

    def __exit__(self, *error) -> None:
        self._got.__exit__(*error)

    def until(self, kind: str) -> None:
        """Reads up to an event of this kind."""
        while f"event: {kind}\n".encode() not in self.whole:
            self.whole += next(self._pieces)

    def kinds(self) -> list[str]:
        """Of what has come."""
        lines = self.whole.decode().split("\n")
        return [line.removeprefix("event: response.") for line in lines if line.startswith("event: ")]

    def rest(self) -> list[dict]:
        self.whole += b"".join(self._pieces)
        return events_of(self.whole)


BEGUN = [
    "created",
    "in_progress",
    "output_item.added",
    "image_generation_call.in_progress",
    "image_generation_call.generating",
]
MADE = ["image_generation_call.completed", "output_item.done"]
SAID = ["output_text.done", "content_part.done", "output_item.done"]


def held(gate, body: dict, status: int = 200):
    def script(connection, _):
        gate()
        connection.send(answer(body, status))

    return script


def test_a_stream_begins_before_the_image_is_there(images, b):
    gate = Gate()
    b.script = held(gate, omni(*SHOWN))
    with Stream(images, input="draw a cat") as got:
        got.until("response.image_generation_call.generating")
        assert got.kinds() == BEGUN
        assert got.response.headers["x-vsr-response-path"] == "image_generation"
        assert got.response.headers["content-type"] == "text/event-stream"
        gate.open()
        events = got.rest()
    assert got.kinds() == [*BEGUN, *MADE, "completed"]
    assert images_of(events[-1]["response"])[0]["result"] == PIXELS
    assert events[-1]["response"]["usage"]["total_tokens"] == 2
    stored = httpx.get(f"{images.url}/v1/responses/{events[-1]['response']['id']}")
    assert response_of(stored.content) == events[-1]["response"]


@pytest.mark.parametrize("model", ["all-in-one", "omni"])
def test_so_does_that_of_an_omni_model(images, a, model):
    gate = Gate()
    a.script = held(gate, omni({"type": "text", "text": "A cat."}, *SHOWN))
    with Stream(images, model=model, input="A cat, please", tools=[TOOL]) as got:
        got.until("response.image_generation_call.generating")
        assert got.kinds() == BEGUN
        gate.open()
        response = got.rest()[-1]["response"]
    assert (images_of(response)[0]["result"], texts(response)) == (PIXELS, ["A cat."])
    a.script = sends(completion("I cannot draw."))
    with Stream(images, model=model, input="A cat, please", tools=[TOOL]) as got:
        response = got.rest()[-1]["response"]
    assert (images_of(response)[0]["status"], texts(response)) == ("failed", ["I cannot draw."])
    a.script = BROKEN
    with Stream(images, model=model, input="A cat, please", tools=[TOOL]) as got:
        response = got.rest()[-1]["response"]
    assert (response["status"], response["error"]["message"]) == ("failed", "out of paint")


@pytest.mark.parametrize("image_first", [False, True])
def test_words_come_while_the_image_is_drawn(images, a, b, image_first):
    image, words = Gate(), Gate()

    def streams(connection, _):
        first, *middle, last, done = frames("A ", "cat.")
        connection.send(STREAM_HEAD, piece(first), piece(middle[0]))
        words()
        connection.send(*map(piece, [*middle[1:], last, done]), END)

    a.script, b.script = streams, held(image, omni(*SHOWN))
    opened = ["output_item.added", "content_part.added", "output_text.delta"]
    with Stream(images, input="draw a cat and explain it") as got:
        got.until("response.output_text.delta")
        assert got.kinds() == [*BEGUN, *opened]
        if image_first:
            image.open()
            got.until("response.image_generation_call.completed")
            words.open()
            events, rest = got.rest(), [*MADE, "output_text.delta", *SAID]
        else:
            words.open()
            got.until("response.output_text.done")
            image.open()
            events, rest = got.rest(), ["output_text.delta", *SAID, *MADE]
    assert got.kinds() == [*BEGUN, *opened, *rest, "completed"]
    assert [item["type"] for item in events[-1]["response"]["output"]] == ["image_generation_call", "message"]
    assert texts(events[-1]["response"]) == ["A cat."]


@pytest.mark.parametrize("text", ["draw a cat", "draw a cat and explain it", "an icon"])
def test_nothing_came_of_a_stream(images, a, b, text):
    a.script = b.script = BROKEN
    before = images.metrics()
    with Stream(images, input=text) as got:
        events = got.rest()
    assert got.kinds() == [*BEGUN, "output_item.done", "failed"]
    response = events[-1]["response"]
    assert (response["error"]["message"], images_of(response)[0]["status"]) == ("out of paint", "failed")
    after = images.metrics()
    model = {"draw a cat": "image_gen:image", "an icon": "image_gen:icons"}.get(text, "words")
    key = f'llm_request_errors_total{{model="{model}",reason="upstream_5xx"}}'
    assert after[key] == before.get(key, 0) + 1


def test_words_that_break_off_fail_the_response(images, a, b):
    def breaks_off(connection, _):
        connection.send(STREAM_HEAD, *map(piece, frames("A ", "cat.")[:2]))
        connection.close()

    a.script, b.script = breaks_off, sends(omni(*SHOWN))
    with Stream(images, input="draw a cat and explain it") as got:
        response = got.rest()[-1]["response"]
    image, message = response["output"]
    assert (response["status"], image["status"], image["result"]) == ("failed", "completed", PIXELS)
    assert (message["status"], texts(response)) == ("incomplete", ["A "])


def test_an_image_that_takes_too_long(images, b):
    def silent(connection, _):
        connection.wait_closed(4)

    b.script = silent
    with Stream(images, input="an icon") as got:
        response = got.rest()[-1]["response"]
    assert (response["status"], response["error"]["message"]) == ("failed", "the backend did not answer in time")


def test_a_client_that_leaves_a_stream_takes_both_along(images, a, b):
    gone = threading.Barrier(3, timeout=8)

    def waits(connection, _):
        if connection.wait_closed(5):
            gone.wait()

    a.script = b.script = waits
    with Stream(images, input="draw a cat and explain it") as got:
        got.until("response.image_generation_call.generating")
    gone.wait()
    images.wait_log("outcome=\"client_closed\"")


def test_a_message_of_a_websocket(images, a, painter):
    gate = Gate()
    a.script, painter.script = sends(completion("A cat.")), held(gate, omni(*SHOWN))
    with sdk(images) as client, client.responses.connect() as connection:
        connection.response.create(model="auto", input="A cat, please", tools=[TOOL])
        kinds = []
        for event in connection:
            kinds.append(event.type)
            if event.type == "response.image_generation_call.generating":
                gate.open()
            if event.type == "response.completed":
                assert event.response.output[0].result == PIXELS
                break
    assert [kind.removeprefix("response.") for kind in kinds[: len(BEGUN)]] == BEGUN


# What it costs.


@pytest.mark.parametrize("stream_", [False, True])
def test_an_image_is_paid_for_beside_words(images, a, b, stream_):
    a.script, b.script = sends(completion("A cat.")), sends(omni(*SHOWN))
    before = images.metrics()
    for _ in range(2):
        assert respond(images, input="draw a cat and explain it", stream=stream_).status_code == 200
        b.script = BROKEN
    after = images.metrics()

    def grown(key: str) -> float:
        return after.get(key, 0) - before.get(key, 0)

    assert grown('image_gen_requests_total{backend="vllm_omni",status="success"}') == 1
    assert grown('image_gen_requests_total{backend="vllm_omni",status="error"}') == 1
    assert grown('image_gen_latency_seconds_count{backend="vllm_omni"}') == 2
    assert grown('llm_model_requests_total{model="paint"}') == 2
    assert grown('llm_request_errors_total{model="paint",reason="upstream_5xx"}') == 1
    assert grown('llm_model_tokens_total{model="paint"}') == 2
    assert grown('llm_model_cost_total{model="paint",currency="USD"}') == pytest.approx(42e-6, abs=1e-12)
    assert grown('llm_model_cost_total{model="words",currency="USD"}') == pytest.approx(22e-6, abs=1e-12)
    assert after['llm_model_inflight_requests{model="paint"}'] == 0
    both, words = [re.search(r"cost=(\S+)", line)[1] for line in images.lines if "cost=" in line][-2:]
    assert (float(both), float(words)) == (pytest.approx(53e-6, abs=1e-12), pytest.approx(11e-6, abs=1e-12))


def test_an_image_alone_is_counted(images, openai_painter):
    before = images.metrics()
    assert chat(images, "An icon of a cat").status_code == 200
    after = images.metrics()
    for key, more in [
        ('image_gen_requests_total{backend="openai",status="success"}', 1),
        ('image_gen_latency_seconds_count{backend="openai"}', 1),
        ('llm_model_prompt_tokens_total{model="image_gen:icons"}', 3),
        ('llm_model_completion_tokens_total{model="image_gen:icons"}', 5),
    ]:
        assert after[key] == before.get(key, 0) + more, key
    key = 'llm_model_cost_total{model="image_gen:icons",currency="USD"}'
    assert after[key] - before[key] == pytest.approx((3 * 5 + 5 * 40) * 1e-6, abs=1e-12)


def test_why_images_are_refused(images):
    key = 'llm_request_errors_total{model="words",reason="images_not_supported"}'
    before = images.metrics()
    assert respond(images, model="words", input="a cat", tools=[TOOL]).status_code == 400
    assert images.metrics()[key] == before.get(key, 0) + 1
    images.wait_log('outcome="images_not_supported"')


def test_megabytes(images, b):
    pixels = base64.b64encode(bytes(range(256)) * 8192).decode()
    b.script = sends(drawn(pixels))
    events = events_of(respond(images, input="an icon", stream=True).content)
    assert events[-1]["response"]["output"][0]["result"] == pixels


@pytest.mark.parametrize("sdk_name", ["openai", "openai7"])
def test_node(images, node, a, painter, sdk_name):
    a.script = sends(completion("A cat."))
    script = Path(__file__).parent / "node" / "images.mjs"
    env = {"BASE_URL": f"{images.url}/v1", "NODE_HOME": str(HOME / "node"), "SDK": sdk_name, "PIXELS": PIXELS}
    ended = subprocess.run([node, script], env=env, capture_output=True, text=True, timeout=20, check=False)
    assert ended.returncode == 0, ended.stderr
