"""What decisions do to requests, byte for byte; what they tell models about reasoning; which models they choose."""

import json
import time

import pytest
from conftest import CLIENT_KEY, UP_KEY, sdk
from raw import Raw, ask, eventually, request
from upstream import answer, completion, stream

WHO = {"x-user": "ann"}
"""Roles are asked for in this router, so everybody has to tell who it is."""


@pytest.fixture
def client(policy):
    with sdk(policy, default_headers=WHO) as client:
        yield client


def user(text: str) -> list[dict]:
    return [{"role": "user", "content": text}]


def body(text: str, more: str = "", messages: str = "") -> bytes:
    """A request with spaces and numbers that no JSON library would write so."""
    own = messages or '{"content" :"%s", "role":"user"}' % text
    return (
        '{ "model" : "auto" ,"temperature":1.0,"x_own":[1E2, "ü\\u00fc"],%s "messages":[ %s ]\n}' % (more, own)
    ).encode()


def forwarded(policy, upstream, sent: bytes, headers: dict | None = None) -> bytes:
    """What the backend gets of it."""
    upstream.requests.clear()
    got = ask(policy, sent, WHO | (headers or {}))
    assert got.status == 200, got.body
    assert len(upstream.requests) == 1
    return upstream.last.body


# What answers without a backend.


def test_a_fast_response(client, a, b):
    raw = client.chat.completions.with_raw_response.create(model="auto", messages=user("greet me"))
    answered = raw.parse()
    assert answered.choices[0].message.content == 'Hello "you" — héllo.\nAll is well.'
    assert answered.choices[0].finish_reason == "stop" and answered.object == "chat.completion"
    assert abs(answered.created - time.time()) < 60
    assert raw.headers["x-vsr-fast-response"] == "true"
    assert raw.headers["x-vsr-response-path"] == "fast_response"
    assert raw.headers["x-vsr-selected-decision"] == "greet"
    assert "x-vsr-selected-model" not in raw.headers
    assert not a.requests and not b.requests


def test_a_fast_response_on_the_wire(policy, a):
    """Ids are kept, connections too, and the log and the metrics know what happened."""
    from_client = WHO | {"x-request-id": "req-greet", "x-vsr-debug": "true"}
    count = 'llm_decision_match_total{decision_name="greet",recipe="default"}'
    before = policy.metrics().get(count, 0)
    with Raw(policy) as raw:
        for streaming in ["true", "false", "true"]:
            raw.send(request(body("greet", f'"stream":{streaming},'), from_client))
            got = raw.response()
            assert got.status == 200 and got.complete
            assert got.headers["x-request-id"] == "req-greet"
            assert got.headers["x-vsr-matched-keywords"] == "greet"
            kind = "text/event-stream" if streaming == "true" else "application/json"
            assert got.headers["content-type"] == kind
            assert (got.headers.get("x-accel-buffering") == "no") == (streaming == "true")
            assert got.body.endswith(b"data: [DONE]\n\n") == (streaming == "true")
    line = policy.wait_log('request_id="req-greet"')
    assert 'decision="greet"' in line and "status=200" in line and 'outcome="ok"' in line and "backend=" not in line
    assert policy.metrics()[count] == before + 3
    assert not a.requests


@pytest.mark.parametrize("usage", [False, True])
def test_a_streamed_fast_response(client, a, usage):
    more = {"stream_options": {"include_usage": True}} if usage else {}
    with client.chat.completions.create(model="auto", messages=user("greet me"), stream=True, **more) as chunks:
        all_chunks = list(chunks)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in all_chunks if chunk.choices)
    assert text == 'Hello "you" — héllo.\nAll is well.'
    assert len({chunk.id for chunk in all_chunks}) == 1
    assert [chunk.choices[0].finish_reason for chunk in all_chunks if chunk.choices][-1] == "stop"
    assert (all_chunks[-1].usage is not None) == usage
    with client.chat.completions.stream(model="auto", messages=user("greet me"), **more) as events:
        final = events.get_final_completion()
    assert final.choices[0].message.content == text
    assert not a.requests


# What is changed in a request, and nothing else.


def test_without_plugins_the_model_alone_is_changed(policy, a):
    sent = body("nothing of note", '"tools":[{"type":"function","function":{"name":"read"}}],"n":9,"seed":1,')
    assert forwarded(policy, a, sent) == sent.replace(b'"auto"', b'"plain"')


SAY = '{"role":"system","content":"Say \\"why\\"."}'
BRIEF = '{"role":"system","content":"Be brief."}'
HI = '{"role": "user","content":"%s"}'


@pytest.mark.parametrize(
    ("word", "before", "after"),
    [
        ("insert", HI, SAY + ", " + HI),
        (
            "insert",
            '{"content":"Rhyme.\\n","name":"n","role":"system"} , ' + HI,
            '{"content":"Say \\"why\\".\\n\\nRhyme.\\n","name":"n","role":"system"} , ' + HI,
        ),
        (
            "insert",
            '{"role":"developer","content":[ {"type":"text","text":"Rhyme."}]},' + HI,
            '{"role":"developer","content":[{"type":"text","text":"Say \\"why\\"."}, {"type":"text","text":"Rhyme."}]},'
            + HI,
        ),
        ("replace", HI, BRIEF + ", " + HI),
        (
            "replace",
            '{"role":"system", "content":"Rhyme.","name":"n"},' + HI,
            '{"role":"system", "content":"Be brief.","name":"n"},' + HI,
        ),
        (
            "replace",
            '{"role":"developer","content":[{"type":"text","text":"Rhyme."}]},' + HI,
            '{"role":"developer","content":"Be brief."},' + HI,
        ),
    ],
)
def test_system_prompts(policy, a, word, before, after):
    before, after = before.replace("%s", word), after.replace("%s", word)
    sent = body("", messages=before)
    expected = sent.replace(b'"auto"', b'"plain"').decode()
    got = forwarded(policy, a, sent).decode()
    assert json.loads(got) == json.loads(expected.replace(before, after))
    # The white space at the seam of an insertion is the router's.
    assert got.replace(" ", "") == expected.replace(before, after).replace(" ", "")


def test_headers(policy, a):
    sent = body("headers")
    headers = {
        "x-team": "blue",
        "x-level": "9",
        "x-gone": "1",
        "x-kept": "1",
        "x-tier": "client",
        "x-groups": "staff",
        "authorization": f"Bearer {CLIENT_KEY}",
    }
    assert forwarded(policy, a, sent, headers) == sent.replace(b'"auto"', b'"keyed"')
    got = a.last
    assert got.all("x-team") == ["blue", "red"]
    assert got.header("x-level") == "1"
    assert got.header("x-kept") == "1"
    assert got.header("x-gone") is None
    assert got.header("x-tier") == "backend", "a backend's own headers win"
    assert got.header("authorization") == f"Bearer {UP_KEY}"
    assert "ann" not in repr(got.headers) and "staff" not in repr(got.headers)


@pytest.mark.parametrize(
    ("word", "before", "after"),
    [
        ("params", '"logit_bias":{"1":2},"max_tokens":5000,"seed" : 7 ,"n":3,', '"max_tokens":100,"n":2,'),
        ("params", '"max_completion_tokens":1e3,"n":2,', '"max_completion_tokens":100,"n":2,'),
        ("params", '"max_tokens":100,"n":1,', '"max_tokens":100,"n":1,'),
        ("params", '"max_tokens":"5000","n":2.5,', ""),
        ("params", '"max_\\u0074okens":5000,', '"max_\\u0074okens":100,'),
        ("known", '"top_k":3,"user":"u","guided_json":{"model":"auto"},', '"user":"u",'),
    ],
)
def test_parameters(policy, a, word, before, after):
    sent = body(word, before)
    expected = sent.replace(b'"auto" ,', b'"plain" ,', 1).replace(before.encode(), after.encode())
    if word == "known":
        expected = expected.replace('"x_own":[1E2, "ü\\u00fc"],'.encode(), b"")
    assert compact(forwarded(policy, a, sent)) == compact(expected)


def compact(text: bytes) -> bytes:
    """Without spaces: how many of them go with a removed field is the router's affair."""
    return text.replace(b" ", b"")


def tool(name: str) -> str:
    return '{"type":"function", "function":{"parameters":{"a":1.0},"name":"%s"}}' % name


READ, LIST, WRITE = tool("read"), tool("list"), tool("write")
FORCED = '"tool_choice":{"type":"function","function":{"name":"write"}},'
AMONG = '"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[%s]}},'
TWO_FACED = '{"type":"custom","function":{"name":"read"},"custom":{"name":"write"}}'
PARALLEL = '"parallel_tool_calls":true,'


@pytest.mark.parametrize(
    ("word", "before", "after"),
    [
        ("allow", f'"tools":[{READ},{LIST},{WRITE}],{FORCED}{PARALLEL}', f'"tools":[{READ}],{PARALLEL}'),
        ("allow", f'"tools":[{LIST},{WRITE}],{FORCED}{PARALLEL}', ""),
        ("allow", f'"tools":[{READ}],"tool_choice":"auto",', f'"tools":[{READ}],"tool_choice":"auto",'),
        ("block", f'"tools":[{READ},{LIST},{WRITE}],{FORCED}', f'"tools":[{READ},{LIST}],'),
        ("block", f'"tools":[{WRITE}],"tool_choice":"required",', ""),
        ("block", f'"tools":[{READ},{WRITE}],{AMONG % READ}', f'"tools":[{READ}],{AMONG % READ}'),
        ("block", f'"tools":[{READ},{WRITE}],{AMONG % (READ + "," + WRITE)}', f'"tools":[{READ}],'),
        ("block", f'"tools":[{READ},{TWO_FACED}],', f'"tools":[{READ}],'),
        ("allow", f'"tools":[{TWO_FACED}],', ""),
        ("notools", f'"tools":[{READ}],{FORCED}{PARALLEL}', ""),
    ],
)
def test_tools(policy, a, word, before, after):
    sent = body(word, before)
    expected = sent.replace(b'"auto" ,', b'"plain" ,', 1).replace(before.encode(), after.encode())
    assert compact(forwarded(policy, a, sent)) == compact(expected)


CALLS = '[{"id":"1","type":"function","function":{"name":"read","arguments":"{}"}}]'
HISTORY = [
    '{"role":"user","content":"look"}',
    '{"role":"assistant","content":null,"tool_calls":%s}' % CALLS,
    '{"role":"tool","tool_call_id":"1","content":"x"}',
    '{"role":"assistant","content":"So it is.","tool_calls":%s}' % CALLS,
    '{"role":"tool","tool_call_id":"1","content":"y"}',
]


def test_the_history_of_tools(policy, a):
    def with_history(word):
        return body("", f'"tools":[{READ}],', ",".join([*HISTORY, HI % word]))

    kept = json.loads(forwarded(policy, a, with_history("notools")))
    assert len(kept["messages"]) == 6 and "tools" not in kept
    left = [HISTORY[0], '{"role":"assistant","content":"So it is."}', HI % "nohistory"]
    expected = body("", messages=",".join(left)).replace(b'"auto"', b'"plain"')
    assert compact(forwarded(policy, a, with_history("nohistory"))) == compact(expected)


def test_streams_are_relayed_as_ever(client, a):
    a.script = stream("one ", "two")
    tools = [json.loads(READ), json.loads(WRITE)]
    with client.chat.completions.stream(model="auto", messages=user("block"), tools=tools) as events:
        assert events.get_final_completion().choices[0].message.content == "one two"
    assert [tool["function"]["name"] for tool in a.last.json()["tools"]] == ["read"]
    assert a.last.json()["stream"] is True


def test_everything_at_once(policy, a):
    messages = ",".join([*HISTORY, HI % "everything"])
    sent = body("", f'"user":"u","n":4,"tools":[{READ}],"reasoning_effort":"high",', messages)
    got = json.loads(forwarded(policy, a, sent))
    assert got == {
        "model": "Qwen/Qwen3-8B",
        "temperature": 1.0,
        "n": 1,
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "look"},
            {"role": "assistant", "content": "So it is."},
            {"role": "user", "content": "everything"},
        ],
        "chat_template_kwargs": {"enable_thinking": True},
    }
    assert a.last.header("x-team") == "blue"
    assert a.last.header("content-length") == str(len(a.last.body))


def test_what_is_odd_is_edited_too(policy, a):
    """Bodies that no client should send; none of them gets around a policy."""
    for sent, expected in [
        # The last of two counts for a backend, so each of them has to go or to be bounded.
        (b'{"model":"auto","n":9,"n":8,"max_tokens":900,"messages":[%s]}', {"n": 2, "max_tokens": 100}),
        (b'{"seed":1,"model":"auto","messages":[%s],"s\\u0065ed":2,"logit_bias":null}', {}),
        (b'{"model":"auto","n":-1,"max_tokens":null,"messages":[%s]}', {"n": -1, "max_tokens": None}),
        (b'{"model":"auto","n":1e300,"max_tokens":1e-1,"messages":[%s]}', {"n": 2}),
    ]:
        sent = sent.replace(b"%s", (HI % "params").encode())
        got = json.loads(forwarded(policy, a, sent))
        assert got == {"model": "plain", "messages": user("params")} | expected, sent
    got = ask(policy, body("", messages='7, null, "x", ' + HI % "insert"), WHO)
    assert got.status == 400 and got.json()["error"]["param"] == "messages"
    got = json.loads(forwarded(policy, a, body("", messages="{}, " + HI % "insert")))
    assert got["messages"] == [json.loads(SAY), {}, *user("insert")]
    for tools in ["null", "[]", "{}", '"x"', "[null, 7]"]:
        got = json.loads(
            forwarded(policy, a, body("notools", f'"tools":{tools},"functions":[{READ}],"function_call":"auto",'))
        )
        assert not {"tools", "functions", "function_call"} & set(got)


def test_debug_labels_of_plugins(policy, a):
    got = ask(policy, body("insert"), WHO | {"x-vsr-debug": "true"})
    assert got.headers["x-vsr-injected-system-prompt"] == "true"
    assert "x-vsr-injected-system-prompt" not in ask(policy, body("insert"), WHO).headers
    assert "x-vsr-injected-system-prompt" not in ask(policy, body("params"), WHO | {"x-vsr-debug": "true"}).headers


@pytest.mark.parametrize("word", ["insert", "params", "everything"])
def test_edits_of_large_bodies_in_pieces(policy, a, word):
    """However the body comes, it is edited in the same places."""
    text = f"{word} " + "text " * 20_000
    whole = json.loads(forwarded(policy, a, body(text, '"max_tokens":5000,')))
    sent = body(text, '"max_tokens":5000,')
    with Raw(policy) as raw:
        head = "POST /v1/chat/completions HTTP/1.1\r\nhost: r\r\nx-user: ann\r\ntransfer-encoding: chunked\r\n\r\n"
        pieces = [sent[i : i + 777] for i in range(0, len(sent), 777)]
        raw.send(head.encode() + b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in pieces) + b"0\r\n\r\n")
        assert raw.response().status == 200
    assert a.last.json() == whole


# What models are told about reasoning.


@pytest.mark.parametrize(
    ("word", "model", "told", "reasoning"),
    [
        ("adapter", "sql-expert", {"chat_template_kwargs": {"enable_thinking": True}}, "on"),
        ("think", "Qwen/Qwen3-8B", {"chat_template_kwargs": {"enable_thinking": True}}, "on"),
        ("nothink", "Qwen/Qwen3-8B", {"chat_template_kwargs": {"enable_thinking": False}}, "off"),
        ("effort", "oss", {"chat_template_kwargs": {"reasoning_effort": "high"}}, "on"),
        ("noeffort", "oss", {"chat_template_kwargs": {"reasoning_effort": "minimal"}}, "off"),
        ("leveled", "leveled", {"reasoning_effort": "xhigh"}, "on"),
        ("ossopenai", "oss-openai", {"chat_template_kwargs": {"reasoning_effort": "low"}}, "on"),
    ],
)
def test_reasoning(client, a, word, model, told, reasoning):
    raw = client.chat.completions.with_raw_response.create(
        model="auto", messages=user(word), reasoning_effort="minimal", extra_headers={"x-vsr-debug": "true"}
    )
    assert raw.headers["x-vsr-selected-reasoning"] == reasoning
    got = a.last.json()
    if word == "ossopenai":  # `provider: openai` says who it is, where the address does not
        told = {"reasoning_effort": "low"}
    assert got == {"model": model, "messages": user(word)} | told


def test_another_backend_is_told_in_its_own_words(policy, a, b):
    a.script = lambda connection, _: connection.send(answer(b"{}", status=503))
    prompt = [{"role": "system", "content": "Be brief."}]

    def both():
        a.requests.clear()
        b.requests.clear()
        got = ask(policy, {"model": "auto", "messages": user("either")}, WHO)
        assert got.status == 200, got.body
        return a.requests and b.requests

    eventually(both)
    same = {"model": "either", "messages": prompt + user("either")}
    assert a.last.json() == same | {"chat_template_kwargs": {"reasoning_effort": "high"}}
    assert b.last.json() == same | {"reasoning_effort": "high"}
    for upstream in (a, b):
        assert upstream.last.all("x-team") == ["red"]
        assert upstream.last.header("content-length") == str(len(upstream.last.body))


def test_what_the_client_tells_the_template_stays(policy, a):
    sent = body("think", '"chat_template_kwargs":{"x": 1E2,"enable_thinking":false},')
    expected = sent.replace(b'"auto"', b'"Qwen/Qwen3-8B"').replace(b":false", b":true")
    assert forwarded(policy, a, sent) == expected


def test_adapters_are_models(client, a):
    assert "sql-expert" in {model.id for model in client.models.list()}
    raw = client.chat.completions.with_raw_response.create(model="sql-expert", messages=user("greet think"))
    assert raw.headers["x-vsr-selected-model"] == "sql-expert"
    assert a.last.json() == {"model": "sql-expert", "messages": user("greet think")}


@pytest.mark.parametrize(
    ("model", "wire"), [("plain", "plain"), ("qwen", "Qwen/Qwen3-8B"), ("large", "large"), ("sql-expert", "sql-expert")]
)
@pytest.mark.parametrize("word", ["greet", "everything", "params", "refuse"])
def test_a_named_model_bypasses_all_of_it(policy, a, model, wire, word):
    """Also without an identity, and with the headers that a plugin would remove."""
    more = f'"n":9,"max_tokens":5000,"seed":1,"tools":[{READ}],"reasoning_effort":"low",'
    sent = body(word, more).replace(b'"auto"', f'"{model}"'.encode())
    got = ask(policy, sent, {"x-gone": "1", "x-groups": "platform", "x-vsr-debug": "true"})
    assert got.status == 200
    assert a.last.body == sent.replace(f'"{model}"'.encode(), f'"{wire}"'.encode(), 1)
    assert a.last.header("x-gone") == "1"
    assert "platform" not in repr(a.last.headers)
    told = {name for name in got.headers if name.startswith("x-vsr-")}
    assert told == {"x-vsr-schema-version", "x-vsr-response-path", "x-vsr-selected-model"}


# Which model is chosen.


def chosen(client, text: str, **more) -> tuple[str, str]:
    raw = client.chat.completions.with_raw_response.create(model="auto", messages=user(text), **more)
    return raw.headers["x-vsr-selected-model"], raw.headers["x-vsr-selected-algorithm"]


@pytest.mark.parametrize(
    ("words", "more", "model"),
    [
        (0, {}, "small"),
        (200, {}, "medium"),
        (0, {"max_tokens": 500}, "medium"),
        (0, {"max_completion_tokens": 5000}, "large"),
        (0, {"max_tokens": 500.0}, "medium"),
        (0, {"max_tokens": 10**30}, "large"),
        (2000, {}, "large"),
        (5000, {"max_tokens": 5000}, "large"),
    ],
)
def test_cost(client, a, words, more, model):
    assert chosen(client, "cheap" + " word" * words, **more) == (model, "cost")
    assert a.last.json()["model"] == model


@pytest.mark.parametrize(("word", "model"), [("best", "medium"), ("costly", "medium"), ("firstof", "large"), ("goodenough", "medium")])
def test_multi_factor(client, a, word, model):
    assert chosen(client, word) == (model, "multi_factor")
    assert a.last.json()["model"] == model


def test_multi_factor_without_a_candidate(policy, a):
    got = ask(policy, body("refuse"), WHO)
    assert got.status == 503
    assert got.json()["error"]["code"] == "no_candidate"
    assert not a.requests


def test_latency_aware(client, policy, a, b):
    def slowly(connection, _):
        time.sleep(0.08)
        connection.send(answer(completion()))

    a.script = slowly
    assert chosen(client, "quick") == ("slow", "latency_aware"), "the first, as long as nothing was measured"
    # What clients ask for by name is measured too.
    for name in ["slow", "fast"] * 2:
        client.chat.completions.create(model=name, messages=user("hi"))
    eventually(lambda: chosen(client, "quick") == ("fast", "latency_aware"))
    assert b.last.json()["model"] == "fast"


def test_what_plugins_did_is_counted(policy, a):
    def count(name: str) -> float:
        return policy.metrics().get(name, 0)

    ran = 'llm_plugin_execution_total{plugin_type="request_params",decision_name="params",status="success",recipe="default"}'
    capped = 'sr_request_params_max_tokens_capped_total{decision="params",recipe="default"}'
    blocked = 'sr_request_params_blocked_total{decision="params",param="seed",recipe="default"}'
    before = {name: count(name) for name in (ran, capped, blocked)}
    forwarded(policy, a, body("params", '"max_tokens":5000,"seed":1,'))
    assert all(count(name) == value + 1 for name, value in before.items())
