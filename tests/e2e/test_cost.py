"""Tokens and what they cost: the same figures whoever asks whom, plain or streamed, in metrics and in the log."""

import json
import re
import threading

import pytest
from protocols import chat_events, message_events, messages_backend, message, replay, say, streamed
from raw import Raw, ask, chat, eventually, request
from upstream import DONE, END, STREAM_HEAD, Connection, Request, answer, chunk, completion, piece

# Of both models, as `translate.yaml` has them: exact, in dollars.
MESSAGES_USAGE = {
    "input_tokens": 3,
    "cache_creation_input_tokens": 100,
    "cache_read_input_tokens": 2000,
    "output_tokens": 12,
}
CHAT_USAGE = {
    "prompt_tokens": 120,
    "completion_tokens": 7,
    "total_tokens": 127,
    "prompt_tokens_details": {"cached_tokens": 100},
}
EXPECTED = {
    # 3 at 3.00, 100 written at 3.75, 2000 read at 0.30, 12 at 15.00
    "claude": {"prompt": 2103, "cached": 2000, "completion": 12, "cost": "0.001164"},
    # 20 at 1.25, 100 read at 0.125, 7 at 10.00
    "gpt": {"prompt": 120, "cached": 100, "completion": 7, "cost": "0.0001075"},
}


def usage_chunk(**more) -> bytes:
    event = json.loads(chunk({}).removeprefix(b"data: ")) | {"choices": [], "usage": CHAT_USAGE} | more
    return b"data: " + json.dumps(event).encode() + b"\n\n"


def chat_backend(connection: Connection, request: Request) -> None:
    """Tells the usage of a stream to who asks for it, as OpenAI does."""
    body = request.json()
    if not body.get("stream"):
        assert "stream_options" not in body
        connection.send(answer(completion() | {"usage": CHAT_USAGE}))
        return
    asked = body.get("stream_options", {}).get("include_usage", False)
    sent = [chunk({"role": "assistant", "content": ""}), chunk({"content": "hello"}), chunk({}, "stop")]
    sent += [usage_chunk()] if asked else []
    connection.send(STREAM_HEAD, *map(piece, [*sent, DONE]), END)


def request_of(client: str, model: str, streaming: bool) -> tuple[dict, str]:
    if client == "messages":
        return chat(model, max_tokens=9, stream=streaming), "/v1/messages"
    return chat(model, stream=streaming), "/v1/chat/completions"


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("client", ["chat", "messages"])
@pytest.mark.parametrize("model", EXPECTED)
def test_figures(translate, a, b, model, client, streaming):
    a.script, b.script = messages_backend(message("hello", **MESSAGES_USAGE)), chat_backend
    expected, before = EXPECTED[model], translate.metrics()
    body, path = request_of(client, model, streaming)
    id = f"cost-{model}-{client}-{streaming}"
    got = ask(translate, body, {"x-request-id": id}, path=path)
    assert got.status == 200

    line = translate.wait_log(f'request_id="{id}"')
    fields = dict(re.findall(r'(\w+)="?([^" \n]+)', line))
    assert fields["prompt_tokens"] == str(expected["prompt"]) and fields["cached_tokens"] == str(expected["cached"])
    assert fields["completion_tokens"] == str(expected["completion"])
    assert (fields["cost"], fields["currency"]) == (expected["cost"], "USD")
    assert fields["selected_model"] == model and fields["outcome"] == "ok" and fields["path"] == path

    after = translate.metrics()
    grown = lambda name: after.get(name, 0) - before.get(name, 0)  # noqa: E731
    assert grown(f'llm_model_prompt_tokens_total{{model="{model}"}}') == expected["prompt"]
    assert grown(f'llm_model_completion_tokens_total{{model="{model}"}}') == expected["completion"]
    assert grown(f'llm_model_tokens_total{{model="{model}"}}') == expected["prompt"] + expected["completion"]
    cost = grown(f'llm_model_cost_total{{model="{model}",currency="USD"}}')
    assert cost == pytest.approx(float(expected["cost"]), abs=1e-12)

    # What the client is told of it.
    if client == "chat" and not streaming:
        usage = got.json()["usage"]
        assert (usage["prompt_tokens"], usage["completion_tokens"]) == (expected["prompt"], expected["completion"])
        assert usage["prompt_tokens_details"]["cached_tokens"] == expected["cached"]
    if client == "messages":
        usage = message_events(got.body)[-2]["usage"] if streaming else got.json()["usage"]
        assert usage["output_tokens"] == expected["completion"]
        if streaming and model == "claude":
            usage = message_events(got.body)[0]["message"]["usage"]
        assert usage["cache_read_input_tokens"] == expected["cached"]
        written = usage["cache_creation_input_tokens"]
        assert usage["input_tokens"] == expected["prompt"] - expected["cached"] - written


@pytest.mark.parametrize("cut", ["frames", "bytes"])
def test_usage_that_the_router_asks_for_is_hidden(translate, b, cut):
    """The client did not ask: it gets the stream of a backend that was not asked either, byte for byte."""
    frames = [chunk({"role": "assistant", "content": ""}), chunk({"content": "hello"}), chunk({}, "stop")]
    b.script = replay(b"".join([*frames, usage_chunk(), DONE]), cut)
    got = ask(translate, chat("gpt", stream=True))
    assert b.last.json() == chat("gpt-5", stream=True) | {"stream_options": {"include_usage": True}}
    assert got.body == b"".join([*frames, DONE])
    # Said otherwise by the client itself.
    got = ask(translate, chat("gpt", stream=True, stream_options={"include_usage": False, "x": 1}))
    assert b.last.json()["stream_options"] == {"include_usage": True, "x": 1}
    assert got.body == b"".join([*frames, DONE])


def test_who_asks_for_usage_sees_it(translate, b):
    b.script = chat_backend
    asked = chat("gpt", stream=True, stream_options={"include_usage": True})
    got = ask(translate, asked)
    assert b.last.json() == asked | {"model": "gpt-5"}
    events = chat_events(got.body)
    assert events[-1] == "[DONE]" and events[-2]["usage"] == CHAT_USAGE


def test_no_price_no_question(translate, b):
    """Where nothing is to be counted in money, the request is left as it is."""
    b.script = chat_backend
    got = ask(translate, chat("gpt-open", stream=True))
    assert b.last.json() == chat("gpt-open", stream=True)
    assert got.body.endswith(DONE) and b"usage" not in got.body


def test_usage_on_the_way_is_kept(translate, b):
    """A backend that tells usage with content: nothing but the chunk without choices is taken out."""
    told = json.loads(chunk({"content": "hello"}).removeprefix(b"data: ")) | {"usage": CHAT_USAGE}
    frames = [chunk({"role": "assistant"}), b"data: " + json.dumps(told).encode() + b"\n\n", chunk({}, "stop"), DONE]
    b.script = replay(b"".join(frames))
    assert ask(translate, chat("gpt", stream=True)).body == b"".join(frames)


@pytest.mark.parametrize("model", ["claude", "gpt"])
@pytest.mark.parametrize("client", ["chat", "messages"])
def test_what_is_known_of_a_stream_that_breaks_is_counted(translate, a, b, model, client):
    start = f"data: {json.dumps({'type': 'message_start', 'message': message(**MESSAGES_USAGE)})}\n\n"
    a.script = replay(b"event: message_start\n" + start.encode())
    b.script = replay(chunk({"role": "assistant", "content": "x"}) + usage_chunk())
    body, path = request_of(client, model, True)
    id = f"broken-{model}-{client}"
    ask(translate, body, {"x-request-id": id}, path=path)
    line = translate.wait_log(f'request_id="{id}"')
    assert f"prompt_tokens={EXPECTED[model]['prompt']} " in line and 'outcome="upstream_broken"' in line
    assert "cost=" in line


def test_nothing_is_counted_of_what_fails(translate, a):
    before = translate.metrics()
    a.script = say({"type": "error", "error": {"type": "api_error", "message": "x"}}, 500)
    ask(translate, chat("claude"), {"x-request-id": "costs-nothing"})
    assert "cost=" not in translate.wait_log('request_id="costs-nothing"')
    cost = 'llm_model_cost_total{model="claude",currency="USD"}'
    assert eventually(translate.metrics).get(cost) == before.get(cost)


@pytest.mark.parametrize("model", ["claude", "gpt"])
@pytest.mark.parametrize("client", ["chat", "messages"])
@pytest.mark.parametrize("is_over", [False, True])
def test_a_client_that_leaves_pays_for_what_is_known(translate, a, b, model, client, is_over):
    """And one that leaves behind the end of its stream has not left before it: many do, for nothing else comes."""
    whole = streamed(message("hello", **MESSAGES_USAGE))
    begun = whole[: whole.index(b"event: content_block_start")]
    chunks = chunk({"role": "assistant", "content": "x"}) + usage_chunk()
    parts = {"claude": whole if is_over else begun, "gpt": chunks + chunk({}, "stop") + DONE if is_over else chunks}
    left = threading.Event()

    def script(connection: Connection, _: Request) -> None:
        connection.send(STREAM_HEAD, piece(parts[model]))
        if connection.wait_closed():
            left.set()

    a.script = b.script = script
    body, path = request_of(client, model, True)
    id = f"left-{model}-{client}-{is_over}"
    with Raw(translate) as raw:
        raw.send(request(body, {"x-request-id": id}, path=path))
        raw.until(b"\r\n\r\n")
        end = b"[DONE]" if client == "chat" else b"message_stop"
        raw.until(end if is_over else b"data:")
    assert left.wait(2)
    line = translate.wait_log(f'request_id="{id}"')
    assert f"prompt_tokens={EXPECTED[model]['prompt']} " in line and "cost=" in line
    assert f'outcome="{"ok" if is_over else "client_closed"}"' in line
