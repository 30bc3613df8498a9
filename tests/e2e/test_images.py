"""Images: who makes them, what those are asked, and what clients of each protocol are told."""

import base64
import json
import subprocess
import threading
import time
from pathlib import Path

import httpx
import pytest
from conftest import sdk
from responses import events_of, response_of, texts
from router import HOME
from upstream import answer, completion, stream

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
    a.script = sends(completion("A cat.") if model == "auto" else whole)
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
        assert [item.type for item in final.output] == ["message", "image_generation_call"]
        assert final.output[1].result == PIXELS
        # It is told again, and gone on from.
        with client.responses.stream(response_id=final.id) as stream_:
            assert stream_.get_final_response().output[1].result == PIXELS
        a.script = sends(completion("Tabby."))
        following = client.responses.create(model="words", input="Its name?", previous_response_id=final.id)
        assert following.output_text == "Tabby."
        assert a.last.json()["messages"][1] == {
            "role": "assistant",
            "content": [{"type": "text", "text": "A cat."}, {"type": "text", "text": "[an image]"}],
        }
        back = [item.to_dict() for item in final.output]
        for part in back[0]["content"]:
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
        assert got.headers["x-vsr-response-warnings"] == "image_generation_failed"
    a.script, b.script = BROKEN, sends(omni(*SHOWN))
    response = response_of(respond(images, input="draw a cat and explain it").content)
    assert [item["type"] for item in response["output"]] == ["image_generation_call"]


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
