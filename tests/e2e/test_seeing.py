"""What is noticed about requests, which decision it leads to, and how the router explains that."""

import json
import subprocess
from pathlib import Path

import httpx
import jsonschema
import openapi_spec_validator
import pytest
import yaml
from conftest import sdk
from raw import Raw, ask, chat, request
from router import binary

ROOT = Path(__file__).parents[2]
ANN = {"x-user": "ann", "x-vsr-debug": "true"}


TURNS = [{"role": "user", "content": "hm"}, {"role": "assistant", "content": "hm"}] * 3
PICTURE = [{"type": "text", "text": "look"}, {"type": "image_url", "image_url": {"url": "https://localhost/x.png"}}]

CASES = [
    # text or messages; further fields; who; the decision, the family of its signal, and the names that matched
    ("nothing of note", {}, {}, None, None, None),
    ("word " * 9000, {}, {}, "long", "context", "long"),
    ("what? why? how?", {}, {}, "questions", "structure", "questions"),
    ("what? why?", {}, {}, None, None, None),
    ("from Alpha up to omega", {}, {}, "steps", "structure", "steps"),
    ("from omega down to alpha", {}, {}, None, None, None),
    ([{"role": "user", "content": PICTURE}], {}, {}, "image_sent", "conversation", "image"),
    ([*TURNS, {"role": "user", "content": "hm"}], {}, {}, "talk", "conversation", "talk"),
    ([*TURNS * 4, {"role": "user", "content": "hm"}], {}, {}, None, "conversation", "talk"),
    (TURNS[:5], {}, {}, None, None, None),
    ("hm", {"metadata": {"tier": "gold"}}, {}, "paid", "metadata", "gold"),
    ("hm", {"metadata": {"tier": "silver"}}, {}, None, None, None),
    ("hm", {"metadata": {"tier": "gold"}}, {"x-user": "root"}, "admin", "authz", "admin"),
    ("hm", {}, {"x-groups": "staff, platform"}, "admin", "authz", "admin"),
    ("hm", {}, {"x-groups": "platforms"}, None, None, None),
    ("hm", {}, {"x-authz-user-id": "root", "x-authz-user-groups": "platform"}, None, None, None),
    ("payment_failed: CRITICAL, act asap", {}, {}, "incident", "event", "payment"),
    ("payment_failed", {}, {}, "event", "event", "payment"),
    ("please draw a cat", {}, {}, "picture", "modality", "DIFFUSION"),
    ("please draw and explain a cat", {}, {}, "picture_and_words", "modality", "BOTH"),
    ("formal", {}, {}, "heavy", "projections", "heavy"),
    ("formal AB-12", {}, {}, "heaviest", "projections", "heaviest"),
    ("AB-12", {}, {}, None, "keywords", "ticket"),
    ("they are refunding my payments", {}, {}, "refunds", "keywords", "refunds"),
    ("they decline my offer", {}, {}, None, None, None),
    ("our Kubernets pods", {}, {}, "clusters", "keywords", "clusters"),
    ("our kubernts pods", {}, {}, None, None, None),
    ("after the deploymnet", {}, {}, "rollouts", "keywords", "rollouts"),
    ("after the employer", {}, {}, None, None, None),
    ("この文章は日本語で書かれています。", {}, {}, "japanese", "language", "ja"),
    ("this text is written in English", {}, {}, None, None, None),
    ("tiers", {}, {}, "second_tier", "keywords", "tiers"),
    ("tiers AB-12", {}, {}, "first_tier", "keywords", "tiers,ticket"),
]


@pytest.mark.parametrize(("what", "more", "who", "decision", "family", "names"), CASES, ids=range(len(CASES)))
def test_signals(policy, a, b, what, more, who, decision, family, names):
    body = chat("auto", "") | more
    body["messages"] = what if isinstance(what, list) else [{"role": "user", "content": what}]
    got = ask(policy, body, ANN | who)
    assert got.status == 200, got.body
    assert got.headers.get("x-vsr-selected-decision") == decision
    if family:
        assert set(got.headers[f"x-vsr-matched-{family}"].split(",")) == set(names.split(","))
    model = "plain" if decision in (None, "second_tier") else "other"
    assert got.headers["x-vsr-selected-model"] == model
    upstream = a if model == "plain" else b
    assert upstream.last.json() == body | {"model": model}
    # The same by the explanation.
    told = httpx.post(
        f"{policy.management}/api/v1/eval",
        json={
            "messages": body["messages"],
            **more,
            "user": (ANN | who)["x-user"],
            "groups": who.get("x-groups", ""),
        },
    ).json()
    assert told.get("routing_decision") == decision
    assert told["selected_model"] == model
    assert told["metrics"]["estimated_tokens"] == int(got.headers["x-vsr-context-token-count"])


def test_debug_labels_come_only_when_asked_for(policy, a, b):
    got = ask(policy, chat("auto", "what? why? how?"), {"x-user": "ann"})
    plain = {name for name in got.headers if name.startswith("x-vsr-")}
    assert plain == {
        "x-vsr-schema-version",
        "x-vsr-response-path",
        "x-vsr-selected-model",
        "x-vsr-selected-recipe",
        "x-vsr-selected-decision",
        "x-vsr-selected-confidence",
        "x-vsr-selected-algorithm",
    }
    assert 0.5 <= float(got.headers["x-vsr-selected-confidence"]) <= 1
    assert not [name for name, _ in b.last.headers if name.lower().startswith("x-vsr")]


def test_what_a_decision_emits(policy, b):
    """In headers for whoever asks; what is annotated is for people and tools."""
    said = "この文章は日本語で書かれています。"
    with sdk(policy, default_headers=ANN) as client:
        got = client.chat.completions.with_raw_response.create(model="auto", messages=[{"role": "user", "content": said}])
    told = {name: value for name, value in got.headers.items() if name.startswith("x-vsr-retention-")}
    assert told == {
        "x-vsr-retention-drop": "false",
        "x-vsr-retention-ttl-turns": "3",
        "x-vsr-retention-keep-current-model": "true",
    }
    assert got.headers["x-vsr-selected-decision"] == "japanese"
    assert 0 < float(got.headers["x-vsr-selected-confidence"]) <= 1
    assert not any("tokyo" in value for value in got.headers.values())
    plain = ask(policy, chat("auto", said), {"x-user": "ann"})
    assert plain.status == 200 and not [name for name in plain.headers if "retention" in name]
    annotated = {"team": "tokyo", "on_call": ["aiko", 7]}
    told = httpx.post(f"{policy.management}/api/v1/eval", json={"text": said, "user": "ann"}).json()
    assert told["decision_result"]["annotations"] == annotated
    other = httpx.post(f"{policy.management}/api/v1/eval", json={"text": "formal", "user": "ann"}).json()
    assert other["decision_result"].get("annotations") is None
    shown = explain(said, "--user", "ann").stdout
    assert json.loads(shown.partition("annotations ")[2].splitlines()[0]) == annotated


@pytest.mark.parametrize(
    "who", [{}, {"x-user": ""}, {"x-user": " "}, {"x-authz-user-id": "root"}, {"x-groups": "platform"}]
)
def test_who_does_not_tell_who_it_is_gets_nothing(policy, a, b, who):
    got = ask(policy, chat("auto", "hm"), who)
    assert got.status == 403
    assert "does not tell who" in got.json()["error"]["message"]
    assert not a.requests and not b.requests


def test_who_tells_twice_tells_nothing(policy, a, b):
    with Raw(policy) as raw:
        raw.send(request(chat("auto", "hm"), {"x-user": "ann\r\nx-user: root"}))
        assert raw.response().status == 403
    assert not a.requests and not b.requests


@pytest.mark.parametrize("who", [{"x-user": "root", "x-groups": "platform"}])
@pytest.mark.parametrize("model", ["auto", "plain", "other"])
def test_no_backend_sees_who_it_is(policy, a, b, who, model):
    ask(policy, chat(model, "hm"), who | {"x-authz-user-id": "secret-user"})
    (request,) = a.requests + b.requests
    assert not {"x-user", "x-groups", "x-authz-user-id"} & {name.lower() for name, _ in request.headers}
    assert b"secret-user" not in request.head and b"platform" not in request.head


@pytest.mark.parametrize(
    "metadata",
    [
        {str(n): "x" for n in range(33)},
        {"k" * 129: "x"},
        {"k": "x" * 1025},
        [],
        "gold",
    ],
)
def test_bad_metadata(policy, a, metadata):
    got = ask(policy, chat("auto", "hm", metadata=metadata), ANN)
    assert got.status == 400
    assert got.json()["error"]["param"] == "metadata"
    assert not a.requests


def test_the_sdk_sends_metadata(policy, b):
    with sdk(policy, default_headers={"x-user": "ann"}) as client:
        raw = client.chat.completions.with_raw_response.create(
            model="auto", messages=[{"role": "user", "content": "hm"}], metadata={"tier": "gold"}
        )
    assert raw.headers["x-vsr-selected-decision"] == "paid"
    assert b.last.json()["metadata"] == {"tier": "gold"}


# Explanations.


def test_eval(policy, a, b):
    question = {"text": "formal AB-12, what? why? how? who?", "user": "ann"}
    plain = httpx.post(f"{policy.management}/api/v1/eval", json=question).json()
    told = httpx.post(f"{policy.management}/api/v1/eval?trace=true", json=question).json()
    assert "eval_trace" not in plain
    assert told["routing_decision"] == "questions" == plain["routing_decision"]
    assert told["selection_method"] == "static" and told["selection_status"] == "selected"
    assert told["decision_result"]["used_signals"] == {"structure": ["questions"]}
    assert told["decision_result"]["matched_signals"]["projection"] == ["heaviest"]
    assert set(told["decision_result"]["matched_signals"]["keywords"]) == {"formal", "ticket"}
    assert told["original_text"] == question["text"]
    for found in told["signal_evidence"]:
        raw = question["text"].encode()
        assert raw[found["start"] : found["end"]].decode() == found["text"]
    found = {(one["signal"], one["text"]) for one in told["signal_evidence"]}
    assert {("keyword:formal", "formal"), ("keyword:ticket", "AB-12")} <= found
    traces = {trace["decision_name"]: trace for trace in told["eval_trace"]}
    document = yaml.safe_load(Path(__file__).with_name("policy.yaml").read_text())
    assert set(traces) == {decision["name"] for decision in document["routing"]["decisions"]}
    matched = {name for name, trace in traces.items() if trace["matched"]}
    assert matched == {"questions", "heaviest"}
    leaf = traces["questions"]["root_trace"]
    assert (leaf["node_type"], leaf["signal_type"], leaf["signal_name"]) == ("leaf", "structure", "questions")
    assert 0.5 < leaf["confidence"] <= 1 and leaf["confidence"] == traces["questions"]["confidence"]
    assert told["signal_values"]["structure:questions"] >= 3 and told["signal_values"]["conversation:image"] == 0
    paid = traces["paid"]["root_trace"]
    assert [node["node_type"] for node in paid["children"]] == ["leaf", "NOT"]
    assert [node["matched"] for node in paid["children"]] == [False, True]
    assert not a.requests and not b.requests, "nothing is sent"


def test_eval_of_what_never_reaches_a_decision(policy):
    url = f"{policy.management}/api/v1/eval"
    explicit = httpx.post(url, json={"text": "greet", "model": "large"}).json()
    assert explicit["selected_model"] == "large" and explicit["selection_method"] == "explicit"
    assert "routing_decision" not in explicit
    for question, code, part in [
        ({}, "INVALID_INPUT", "text or messages"),
        ({"text": 7}, "INVALID_INPUT", "expected"),
        ({"text": "hm", "model": "larg", "user": "ann"}, "INVALID_ROUTING_MODEL", "did you mean `large`?"),
    ]:
        got = httpx.post(url, json=question)
        assert got.status_code == 400, got.text
        assert got.json()["error"]["code"] == code and part in got.json()["error"]["message"]
    for body in [{"text": "hm"}, {"text": "hm", "user": "  "}]:
        got = httpx.post(url, json=body)
        assert got.status_code == 403, "as the router itself answers"
        assert got.json()["error"]["code"] == "IDENTITY_REQUIRED" and "`user`" in got.json()["error"]["message"]
    assert httpx.post(url, content=b"{").status_code == 400
    assert httpx.get(url).status_code == 405


def test_eval_where_no_model_is_asked(policy):
    url = f"{policy.management}/api/v1/eval"
    own = httpx.post(url, json={"text": "greet", "user": "ann"}).json()
    assert own["routing_decision"] == "greet" and "selected_model" not in own
    assert "it answers itself" in own["selection_reason"]
    assert own["decision_result"]["plugins"] == ["fast_response"]
    intent = httpx.post(f"{policy.management}/api/v1/classify/intent", json={"text": "greet", "user": "ann"}).json()
    assert intent["routing_decision"] == "greet" and intent["recommended_model"] == ""
    assert explain("greet", "--user", "ann").stdout.splitlines()[0].endswith("-> its own answer")
    beyond = httpx.post(url, json={"text": "refuse", "user": "ann"}).json()
    assert beyond["routing_decision"] == "refuse" and "selected_model" not in beyond
    assert beyond["selection_status"] == "unavailable" and "beyond its limits" in beyond["selection_reason"]
    assert explain("refuse", "--user", "ann").stdout.splitlines()[0].endswith("-> nothing")


def test_intents(policy):
    question = {"text": "formal", "user": "ann", "options": {"return_probabilities": True}}
    told = httpx.post(f"{policy.management}/api/v1/classify/intent", json=question).json()
    assert told["classification"]["category"] == "heavy" == told["routing_decision"]
    assert told["recommended_model"] == "other"
    assert told["probabilities"] == {"heavy": told["classification"]["confidence"]}
    assert told["matched_signals"] == {"keywords": ["formal"], "projection": ["heavy"]}
    assert told["decision_result"]["matched_rules"] == ["projection:heavy"]


def test_batches(policy, start):
    echo = start("default")
    texts = ["debug this function: why?", "hm", "debug"]
    told = httpx.post(f"{echo.management}/api/v1/classify/batch", json={"texts": texts, "task_type": "intent"}).json()
    assert [one["category"] for one in told["results"]] == ["hard_code", "everything_else", "everything_else"]
    assert told["total_count"] == 3
    assert told["statistics"]["category_distribution"] == {"hard_code": 1, "everything_else": 2}
    for bad in [{"texts": []}, {"texts": ["x"] * 1001}, {"texts": "x"}, {"texts": ["x"], "task_type": "other"}]:
        got = httpx.post(f"{echo.management}/api/v1/classify/batch", json=bad)
        assert got.status_code == 400 and got.json()["error"]["code"] == "INVALID_INPUT"
    pii = httpx.post(f"{echo.management}/api/v1/classify/batch", json={"texts": ["x"], "task_type": "pii"})
    assert pii.status_code == 503
    # Who sends them is told once for all.
    batch = httpx.post(f"{policy.management}/api/v1/classify/batch", json={"texts": ["formal", "hm"], "user": "ann"})
    assert batch.status_code == 200, batch.text
    assert [one["category"] for one in batch.json()["results"]] == ["heavy", ""]


def test_openapi_and_docs(policy):
    openapi_spec_validator.validate(httpx.get(f"{policy.management}/openapi.json").json())
    page = httpx.get(f"{policy.management}/docs")
    assert page.status_code == 200 and page.headers["content-type"].startswith("text/html")
    assert "https://" not in page.text, "nothing is loaded from elsewhere"


def explain(*args: str, **more) -> subprocess.CompletedProcess:
    command = [binary("policy"), "explain", *args]
    return subprocess.run(command, env={}, capture_output=True, text=True, timeout=10, check=False, **more)


def test_hardwire_explain():
    shown = explain("formal AB-12", "--user", "ann")
    assert shown.returncode == 0, shown.stderr
    lines = shown.stdout.splitlines()
    assert lines[0].endswith("-> other") and not shown.stderr
    assert any(line.strip().startswith("[x] heaviest ") and line.endswith("<- wins") for line in lines)
    assert '"AB-12" at 7..12' in shown.stdout
    told = json.loads(explain("formal AB-12", "--user", "ann", "--json").stdout)
    assert told["routing_decision"] == "heaviest" and told["eval_trace"]
    admin = json.loads(explain("-", "--json", "--user", "ann", "--groups", "staff,platform", input="formal").stdout)
    assert admin["routing_decision"] == "admin"
    named = explain("formal", "--model", "large")
    assert named.returncode == 0 and named.stdout.startswith("large -> large\n")


def test_hardwire_explain_says_what_is_missing():
    nobody = explain("formal")
    assert nobody.returncode != 0 and "does not tell who" in nobody.stderr and "panicked" not in nobody.stderr
    unknown = explain("formal", "--model", "larg")
    assert unknown.returncode != 0 and "did you mean `large`?" in unknown.stderr


# The schema of documents.


@pytest.fixture(scope="module")
def schema():
    shown = subprocess.run([binary("hardwirec"), "schema"], capture_output=True, text=True, timeout=10, check=True)
    schema = json.loads(shown.stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def documents() -> list[Path]:
    return [ROOT / "router-config.yaml", *sorted(Path(__file__).parent.glob("*.yaml"))]


@pytest.mark.parametrize("path", documents(), ids=lambda path: path.name)
def test_good_documents_fit_the_schema(schema, path):
    document = yaml.safe_load(path.read_text())
    assert not [error.message for error in schema.iter_errors(document)]
    checked = subprocess.run([binary("hardwirec"), "check", str(path)], capture_output=True, text=True, timeout=20)
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("priority: 100\n", "priority: high\n"),
        ("priority: 100\n", "prioriti: 100\n"),
        ("type: fast_response, configuration: { message:", "type: fast_response, configuration: { text:"),
        ("mode: replace", "mode: append"),
        ("drain_timeout: 2s", "drain_timeout: 2"),
        ("max_n: 2", "max_n: 0"),
        ("type: latency_aware, ", "type: latency_unaware, "),
    ],
)
def test_bad_documents_do_not(schema, before, after, tmp_path):
    text = Path(__file__).with_name("policy.yaml").read_text()
    assert text.count(before) == 1
    bad = text.replace(before, after)
    assert list(schema.iter_errors(yaml.safe_load(bad)))
    checked = subprocess.run(
        [binary("hardwirec"), "check", "-"], input=bad, capture_output=True, text=True, timeout=20, check=False
    )
    assert checked.returncode == 1
