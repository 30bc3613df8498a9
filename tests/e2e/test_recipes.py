"""Public names that are routed by recipes: each by its own, and as if there were no other."""

import json
import subprocess

import httpx
import pytest
from conftest import sdk
from raw import ask, chat
from router import binary
from upstream import stream

WHO = {"x-user": "ann"}
"""Decisions of the top-level `routing` ask for roles; those of the recipe do not."""

GREETED = 'llm_decision_match_total{decision_name="greet",recipe="%s"}'


@pytest.fixture
def client(policy):
    with sdk(policy) as client:
        yield client


def user(text: str) -> list[dict]:
    return [{"role": "user", "content": text}]


def asked(client, name: str, text: str, **more):
    return client.chat.completions.with_raw_response.create(model=name, messages=user(text), **more)


def test_a_recipe_decides(client, policy, a):
    before = [policy.metrics()[GREETED % recipe] for recipe in ("cheap", "default")]
    raw = asked(client, "acme/cheap", "hello there")
    assert raw.headers["x-vsr-selected-recipe"] == "cheap"
    assert raw.headers["x-vsr-selected-decision"] == "greet"
    assert raw.headers["x-vsr-selected-model"] == "small"
    assert a.last.json()["model"] == "small"
    assert a.last.json()["messages"][0] == {"role": "system", "content": "Be brief."}
    after = [policy.metrics()[GREETED % recipe] for recipe in ("cheap", "default")]
    assert after == [before[0] + 1, before[1]]


def test_a_recipe_streams(client, a):
    a.script = stream("Hi ", "there")
    events = client.chat.completions.create(model="acme/cheap", messages=user("hello"), stream=True)
    assert "".join(event.choices[0].delta.content or "" for event in events if event.choices) == "Hi there"
    assert a.last.json()["model"] == "small"


def test_what_others_know_means_nothing(client, a):
    # Elsewhere a fast response.
    raw = asked(client, "acme/cheap", "greet me", extra_headers={"x-vsr-debug": "true"})
    assert raw.headers["x-vsr-selected-recipe"] == "cheap"
    assert "x-vsr-selected-decision" not in raw.headers and "x-vsr-matched-keywords" not in raw.headers
    assert raw.headers["x-vsr-selected-model"] == "plain", "the default model is that of all"
    assert a.last.json()["model"] == "plain"


@pytest.mark.parametrize("name", ["acme/all", "auto"])
def test_another_name_of_the_whole(client, a, name):
    raw = asked(client, name, "greet me", extra_headers=WHO)
    assert raw.headers["x-vsr-selected-recipe"] == "default"
    assert raw.headers["x-vsr-selected-decision"] == "greet"
    assert raw.headers["x-vsr-fast-response"] == "true"
    assert asked(client, name, "hello", extra_headers=WHO).headers["x-vsr-selected-model"] == "plain"


def test_a_model_has_no_recipe(client, a):
    assert "x-vsr-selected-recipe" not in asked(client, "small", "hello").headers


def test_who_asks_reaches_no_backend(policy, a):
    assert ask(policy, chat("acme/cheap", "hello"), WHO | {"x-groups": "staff"}).status == 200
    assert not {"x-user", "x-groups"} & {name.lower() for name, _ in a.last.headers}


def test_names_are_listed(client, policy):
    listed = {model.id: model for model in client.models.list()}
    assert list(listed)[:5] == ["vllm-sr/auto", "auto", "MoM", "acme/cheap", "acme/all"]
    assert listed["acme/cheap"].description == "As little as it takes"
    assert listed["acme/cheap"].routing == {"resolution": "virtual", "selectable": True, "recipe": "cheap"}
    assert listed["acme/all"].routing["recipe"] == listed["auto"].routing["recipe"] == "default"
    assert "recipe" not in listed["small"].routing
    assert client.models.retrieve("acme/cheap").id == "acme/cheap"


def test_it_is_explained(policy):
    told = httpx.post(f"{policy.management}/api/v1/eval?trace=true", json={"text": "hello", "model": "acme/cheap"}).json()
    assert told["recipe"] == "cheap" and told["requested_model"] == "acme/cheap"
    assert told["routing_decision"] == "greet" and told["selected_model"] == "small"
    assert [one["decision_name"] for one in told["eval_trace"]] == ["greet"]
    explain = [binary("policy"), "explain", "hello", "--model", "acme/cheap"]
    tree = subprocess.run(explain, capture_output=True, text=True, check=True).stdout
    assert tree.startswith("acme/cheap -> small\n") and "  recipe: cheap\n" in tree
    told = json.loads(subprocess.run([*explain, "--json"], capture_output=True, text=True, check=True).stdout)
    assert told["recipe"] == "cheap" and told["selected_model"] == "small"


def test_a_name_that_is_nearly_one(policy):
    got = ask(policy, chat("acme/chaep", "hello"))
    assert got.status == 404 and "did you mean `acme/cheap`" in got.json()["error"]["message"]
