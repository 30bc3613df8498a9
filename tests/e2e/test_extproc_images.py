"""Images through Envoy: refused in the client's protocol where the router would have to ask for them itself."""

import anthropic
import openai
import pytest
from conftest import CLIENT_KEY, sdk
from raw import Raw, chat, request
from responses import response_of
from test_extproc import MESSAGES_PATH, RESPONSES_PATH, messages, responses
from test_images import PIXELS, SHOWN, images_of, omni, sends

WANTED = ["an icon of a cat", "a painting of a cat"]
"""What a plugin makes, and what a `diffusion` model does."""


@pytest.mark.parametrize("text", WANTED)
@pytest.mark.parametrize("streamed", [False, True])
def test_the_clients_are_told(envoy, a, b, text, streamed):
    said = {"model": "auto", "messages": [{"role": "user", "content": text}], "stream": streamed}
    with sdk(envoy) as client:
        for ask in (
            lambda: client.chat.completions.create(**said),
            lambda: client.responses.create(model="auto", input=text, stream=streamed),
        ):
            with pytest.raises(openai.APIStatusError) as error:
                ask()
            assert (error.value.status_code, error.value.code) == (501, "images_not_supported")
            assert "Envoy" in error.value.message
    # Anthropic's protocol has no images in answers, whichever face it is.
    options = {"base_url": envoy.url, "api_key": CLIENT_KEY, "max_retries": 0, "timeout": 5.0}
    with anthropic.Anthropic(**options) as client, pytest.raises(anthropic.BadRequestError) as refused:
        client.messages.create(max_tokens=9, **said)
    assert refused.value.body["type"] == "error"
    assert refused.value.body["error"]["type"] == "invalid_request_error"
    assert not a.requests + b.requests


def test_the_tool(envoy, a, b):
    a.takes_chunks = envoy.in_pieces
    tool = {"type": "image_generation"}
    with sdk(envoy) as client:
        for choice in ("auto", "required", tool):
            with pytest.raises(openai.APIStatusError) as error:
                client.responses.create(model="auto", input="an icon", tools=[tool], tool_choice=choice)
            assert (error.value.status_code, error.value.code) == (501, "images_not_supported")
        # Where nobody makes any, that is what is wrong with the request.
        with pytest.raises(openai.BadRequestError) as error:
            client.responses.create(model="alpha", input="a cat", tools=[tool])
        assert (error.value.code, error.value.param) == ("images_not_supported", "tools")
        assert not a.requests + b.requests
        # Who must not call it gets words.
        got = client.responses.create(model="alpha", input="a cat", tools=[tool], tool_choice="none")
    assert got.output_text == "hello"


def test_the_connection_stays(envoy, a):
    """An answer like any other: the next request comes on the same connection, and it is not cut off in between."""
    a.takes_chunks = envoy.in_pieces
    with Raw(envoy) as raw:
        for path, body in [
            ("/v1/chat/completions", chat("auto", "an icon " * 20_000)),
            (RESPONSES_PATH, responses("auto", "a painting", stream=True)),
        ]:
            raw.send(request(body, path=path))
            asked = raw.response()
            assert (asked.status, asked.complete) == (501, True)
            assert asked.headers["content-type"] == "application/json"
            assert asked.json()["error"]["code"] == "images_not_supported"
        raw.send(request(chat("alpha")))
        assert raw.response().status == 200
        # Behind a 400 Envoy closes, and says so.
        raw.send(request(messages("auto", "an icon"), path=MESSAGES_PATH))
        asked = raw.response()
        assert (asked.status, asked.complete, asked.headers["connection"]) == (400, True, "close")
        assert asked.json()["type"] == "error"


def test_what_is_not_made_is_not_stored(envoy, service, b):
    count = "hardwire_stored_responses"
    before = service.metrics()[count]
    with sdk(envoy) as client, pytest.raises(openai.InternalServerError):
        client.responses.create(model="auto", input="an icon")
    assert service.metrics()[count] == before and not b.requests


@pytest.mark.parametrize("name", ["omni", "auto"])
def test_an_omni_model_answers_itself(envoy, b, name):
    """It is a backend like any other: Envoy asks it."""
    b.takes_chunks = envoy.in_pieces
    whole = omni({"type": "text", "text": "A cat."}, *SHOWN)
    b.script = sends(whole)
    with Raw(envoy) as raw:
        raw.send(request(chat(name, "a photo of a cat")))
        asked = raw.response()
        assert (asked.status, asked.json()) == (200, whole)
    with sdk(envoy) as client:
        raw = client.responses.with_raw_response.create(model=name, input="a photo of a cat")
        response = response_of(raw.content)
    assert b.last.json()["model"] == "vendor/omni"
    assert [item["type"] for item in response["output"]] == ["message", "image_generation_call"]
    assert images_of(response)[0]["result"] == PIXELS
