"""The Responses API: what goes to backends, what comes back, plain and streamed, over both protocols."""

import time

import httpx
import pytest
from protocols import is_broken, message, messages_backend, names, replay, tool_use, transcript
from responses import call, chat, chat_backend, create, error_of, stream, texts
from upstream import STREAM_HEAD, answer, chunk, piece

STREAMED = {"model": "gpt", "input": "x", "stream": True}
WEATHER = {
    "type": "function",
    "name": "weather",
    "description": "The weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    "strict": True,
}


def test_plain(responses, a):
    a.script = chat_backend(chat("Hello.", prompt_tokens_details={"cached_tokens": 4}))
    got = create(
        responses,
        model="gpt",
        input="Hi",
        instructions="Be kind.",
        temperature=0.5,
        max_output_tokens=100,
        metadata={"a": "b"},
        text={"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}}},
    )
    assert got["status"] == "completed" and texts(got) == ["Hello."] and got["model"] == "gpt"
    assert (got["instructions"], got["temperature"], got["metadata"]) == ("Be kind.", 0.5, {"a": "b"})
    assert got["usage"]["input_tokens"] == 10 and got["usage"]["input_tokens_details"]["cached_tokens"] == 4
    sent = a.last.json()
    assert sent["model"] == "gpt-4o" and sent["max_tokens"] == 100 and "metadata" not in sent
    assert sent["messages"] == [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"}]
    assert sent["response_format"]["json_schema"]["name"] == "n"
    assert a.last.target == "/v1/chat/completions"


def test_models_that_reason_know_the_bound_by_another_name(responses, a):
    create(responses, model="thinker", input="Hi", max_output_tokens=100, reasoning={"effort": "low"})
    sent = a.last.json()
    assert sent["max_completion_tokens"] == 100 and "max_tokens" not in sent and sent["reasoning_effort"] == "low"


@pytest.mark.parametrize("model", ["gpt", "claude"])
@pytest.mark.parametrize("streamed", [False, True])
def test_everything_over_both(responses, a, b, model, streamed):
    a.script = chat_backend(chat("Look: äß\n", call("c1", "weather", '{"city": "Bonn"}'), reasoning="Hm, so."))
    thinking = {"type": "thinking", "thinking": "Hm, so.", "signature": "sig=="}
    b.script = messages_backend(
        message(thinking, "Look: äß\n", tool_use("c1", "weather", city="Bonn"), stop_reason="tool_use")
    )
    body = {"model": model, "input": "How is it in Bonn?", "tools": [WEATHER], "tool_choice": "auto"}
    got = stream(responses, **body)[-1]["response"] if streamed else create(responses, **body)
    thought, said, made = got["output"]
    assert thought["summary"] == [{"type": "summary_text", "text": "Hm, so."}]
    assert ("encrypted_content" in thought) == (model == "claude")
    assert texts(got) == ["Look: äß\n"]
    assert (made["name"], made["call_id"], made["arguments"]) == ("weather", "c1", '{"city": "Bonn"}')
    assert got["usage"]["total_tokens"] == 15
    assert said["id"] != made["id"]
    # The second turn brings everything back.
    result = {"type": "function_call_output", "call_id": "c1", "output": "Rain."}
    a.script, b.script = chat_backend(chat("Rain.")), messages_backend(message("Rain."))
    if streamed:
        after = create(responses, model=model, input=[result], previous_response_id=got["id"], tools=[WEATHER])
    else:
        asked = {"role": "user", "content": "How is it in Bonn?"}
        after = create(responses, model=model, input=[asked, *got["output"], result], tools=[WEATHER])
    assert texts(after) == ["Rain."]
    if model == "gpt":
        user, assistant, tool = a.last.json()["messages"]
        assert assistant["tool_calls"] == [call("c1", "weather", '{"city": "Bonn"}')]
        assert tool == {"role": "tool", "tool_call_id": "c1", "content": "Rain."}
    else:
        user, assistant, tool = b.last.json()["messages"]
        assert assistant["content"][0] == thinking
        assert assistant["content"][2] == tool_use("c1", "weather", city="Bonn")
        assert tool["content"][0]["tool_use_id"] == "c1"


TRANSCRIPTS = pytest.mark.parametrize("protocol, name", [(p, n) for p in ("chat", "messages") for n in names(p)])


@TRANSCRIPTS
def test_what_backends_have_sent(responses, a, b, protocol, name):
    _what_backends_have_sent(responses, a, b, protocol, name, "frames")


@TRANSCRIPTS
def test_what_backends_have_sent_byte_by_byte(responses_alone, a, b, protocol, name):
    _what_backends_have_sent(responses_alone, a, b, protocol, name, "bytes")


def _what_backends_have_sent(responses, a, b, protocol, name, cut):
    a.script = b.script = replay(transcript(protocol, name), cut)
    events = stream(responses, model="gpt" if protocol == "chat" else "claude", input="x")
    last = events[-1]
    assert (last["type"] == "response.failed") == is_broken(protocol, name)
    if last["type"] == "response.failed":
        assert last["response"]["error"]["message"] and last["response"]["completed_at"] is None
    # It is stored before the client is told.
    got = httpx.get(f"{responses.url}/v1/responses/{last['response']['id']}")
    assert got.json() == last["response"]


def test_a_custom_tool(responses, a):
    a.script = chat_backend(chat(None, call("c1", "shell", '{"input": "ls -l\\n"}')))
    tool = {"type": "custom", "name": "shell", "description": "Runs commands"}
    events = stream(responses, model="gpt", input="x", tools=[tool])
    (item,) = events[-1]["response"]["output"]
    assert (item["type"], item["input"], item["call_id"]) == ("custom_tool_call", "ls -l\n", "c1")
    assert "response.custom_tool_call_input.delta" in {event["type"] for event in events}
    assert a.last.json()["tools"][0]["function"]["name"] == "shell"
    output = {"type": "custom_tool_call_output", "call_id": "c1", "output": "total 0"}
    create(responses, model="gpt", input=[output], previous_response_id=events[-1]["response"]["id"])
    assert a.last.json()["messages"][-1] == {"role": "tool", "tool_call_id": "c1", "content": "total 0"}


@pytest.mark.parametrize("finish, reason", [("length", "max_output_tokens"), ("content_filter", "content_filter")])
def test_answers_that_end_early(responses, a, finish, reason):
    a.script = chat_backend(chat("Half a", finish=finish))
    events = stream(responses, model="gpt", input="x")
    plain = create(responses, model="gpt", input="x")
    for got in (events[-1]["response"], plain):
        assert got["status"] == "incomplete" and got["incomplete_details"] == {"reason": reason}
    assert events[-1]["type"] == "response.incomplete"


def test_decisions_and_labels(responses, a, b):
    b.script = messages_backend(message("Fine."))
    post = lambda **body: httpx.post(f"{responses.url}/v1/responses", json=body)  # noqa: E731
    got = post(model="auto", input="Does rust compile?")
    assert got.headers["x-vsr-selected-decision"] == "coding" and got.headers["x-vsr-selected-model"] == "claude"
    assert got.headers["x-vsr-client-protocol"] == "openai-responses"
    assert got.headers["x-vsr-upstream-protocol"] == "anthropic"
    assert b.last.json()["system"][0]["text"] == "Be precise."
    assert got.json()["model"] == "claude"
    got = post(model="auto", input="x", metadata={"tier": "gold"})
    assert got.headers["x-vsr-selected-decision"] == "golden" and "metadata" not in a.last.json()
    got = post(model="gpt", input="x", seed=1, truncation="auto")
    assert got.headers["x-vsr-protocol-warnings"] == "seed, truncation"


@pytest.mark.parametrize("streamed", [False, True])
def test_the_router_answers_itself(responses, a, streamed):
    body = {"model": "auto", "input": "My password is lost"}
    got = stream(responses, **body)[-1]["response"] if streamed else create(responses, **body)
    assert texts(got) == ["Not here."] and got["usage"]["total_tokens"] == 0 and not a.requests
    # It is part of the conversation as any other answer is.
    create(responses, model="gpt", input="And now?", previous_response_id=got["id"])
    roles = [(message["role"], message["content"]) for message in a.last.json()["messages"]]
    assert roles == [("user", "My password is lost"), ("assistant", "Not here."), ("user", "And now?")]


def test_usage_and_cost(responses, a):
    usage = {"prompt_tokens": 1000, "completion_tokens": 100, "prompt_tokens_details": {"cached_tokens": 200}}
    a.script = chat_backend(chat("x", **usage))
    key = 'llm_model_cost_total{model="gpt",currency="USD"}'
    before = responses.metrics().get(key, 0)
    create(responses, model="gpt", input="x")
    stream(responses, model="gpt", input="x")
    # 800 at 1, 200 at 0.5, 100 at 10 dollars a million, twice.
    time.sleep(0.1)
    assert responses.metrics()[key] - before == pytest.approx(2 * (0.0008 + 0.0001 + 0.001))
    line = responses.wait_log("prompt_tokens=1000")
    assert 'path="/v1/responses"' in line and 'selected_model="gpt"' in line
    assert "cached_tokens=200 completion_tokens=100 cost=0.0019" in line


def test_the_first_event_leaves_at_once(responses, a):
    def script(connection, _):
        connection.send(STREAM_HEAD, piece(chunk({"role": "assistant", "content": "a"})))
        connection.wait_closed(0.8)
        connection.close()

    a.script = script
    began = time.monotonic()
    with httpx.stream("POST", f"{responses.url}/v1/responses", json=STREAMED) as got:
        body = b""
        for data in got.iter_raw():
            body += data
            if b"output_text.delta" in body:
                assert time.monotonic() - began < 0.5
                break


def test_a_client_that_leaves(responses, a):
    closed = []

    def script(connection, _):
        connection.send(STREAM_HEAD, piece(chunk({"role": "assistant", "content": "a"})))
        closed.append(connection.wait_closed(3))

    a.script = script
    with httpx.stream("POST", f"{responses.url}/v1/responses", json=STREAMED) as got:
        next(got.iter_raw())
    deadline = time.monotonic() + 3
    while not closed and time.monotonic() < deadline:
        time.sleep(0.02)
    assert closed == [True]


def test_a_backend_that_breaks_off(responses_alone, a):
    """Envoy, which would be in its place, cuts the client off."""
    responses = responses_alone

    def script(connection, _):
        connection.send(STREAM_HEAD, piece(chunk({"role": "assistant", "content": "Half a"})))
        connection.reset()

    a.script = script
    events = stream(responses, model="gpt", input="x")
    last = events[-1]["response"]
    assert events[-1]["type"] == "response.failed" and last["error"]["code"] == "server_error"
    assert last["output"][0]["status"] == "incomplete"
    # Whoever goes on from it is not told what broke off.
    a.script = chat_backend(chat("x"))
    create(responses, model="gpt", input="Again", previous_response_id=last["id"])
    assert [message["content"] for message in a.last.json()["messages"]] == ["x", "Again"]


@pytest.mark.parametrize(
    "body, param",
    [
        ({"input": "x"}, "model"),
        ({"model": "gpt"}, "input"),
        ({"model": "gpt", "input": []}, "input"),
        ({"model": "gpt", "input": "x", "tools": [WEATHER, {"type": "web_search"}]}, "tools[1].type"),
        ({"model": "gpt", "input": [{"type": "mcp_call"}]}, "input[0].type"),
        ({"model": "gpt", "input": "x", "background": True}, "background"),
        ({"model": "gpt", "input": "x", "conversation": "conv_1"}, "conversation"),
        ({"model": "gpt", "input": [{"type": "item_reference", "id": "msg_1"}]}, "input[0].id"),
        ({"model": "gpt", "input": "x", "temperature": "hot"}, "temperature"),
    ],
)
def test_requests_that_are_wrong(responses, a, body, param):
    got = httpx.post(f"{responses.url}/v1/responses", json=body)
    assert error_of(got, 400)["param"] == param and not a.requests


def test_errors_before_the_answer(responses, a):
    post = lambda **body: httpx.post(f"{responses.url}/v1/responses", json={"input": "x", "model": "gpt"} | body)  # noqa: E731
    assert error_of(post(model="nope"), 404)["code"] == "model_not_found"
    for id in ("resp_" + "0" * 32, "resp_x", "x"):
        error = error_of(post(previous_response_id=id), 400)
        assert error["code"] == "previous_response_not_found" and error["param"] == "previous_response_id"
    a.script = lambda connection, _: connection.send(
        answer({"error": {"message": "slow", "type": "x", "code": "c", "param": None}}, 429, {"retry-after": "7"})
    )
    for streamed in (False, True):
        got = post(stream=streamed)
        assert error_of(got, 429)["message"] == "slow" and got.headers["retry-after"] == "7"


def test_backends_that_stream_when_they_should_not_and_the_reverse(responses, a):
    a.script = lambda connection, _: connection.send(answer(chat("Hello.", call("c1", "weather", "{}"))))
    events = stream(responses, model="gpt", input="x", tools=[WEATHER])
    assert texts(events[-1]["response"]) == ["Hello."] and len(events) > 8
    a.script = replay(transcript("chat", "text"))
    got = create(responses, model="gpt", input="x")
    assert got["status"] == "completed" and texts(got) == texts(
        stream(responses, model="gpt", input="x")[-1]["response"]
    )
    for streamed in (False, True):
        a.script = lambda connection, _: connection.send(answer(b"<html>", headers={"content-type": "text/html"}))
        body = {"model": "gpt", "input": "x", "stream": streamed}
        assert httpx.post(f"{responses.url}/v1/responses", json=body).status_code >= 500


@pytest.mark.parametrize("model", ["gpt", "forgets"])
def test_what_was_thought_goes_back_to_those_who_read_it(responses, a, model):
    a.script = chat_backend(chat(None, call("c1", "weather", "{}"), reasoning="Hm, so."))
    first = create(responses, model=model, input="x", tools=[WEATHER])
    result = {"type": "function_call_output", "call_id": "c1", "output": "Rain."}
    body = {"model": model, "input": [result], "tools": [WEATHER], "previous_response_id": first["id"]}
    got = httpx.post(f"{responses.url}/v1/responses", json=body)
    _, asked, _ = a.last.json()["messages"]
    assert asked.get("reasoning_content") == ("Hm, so." if model == "gpt" else None)
    assert asked["tool_calls"][0]["id"] == "c1"
    warning = None if model == "gpt" else "input.reasoning"
    assert (got.status_code, got.headers.get("x-vsr-protocol-warnings")) == (200, warning)
