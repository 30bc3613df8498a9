"""The Codex CLI before a chat server: `tests/run codex` installs it (some 400 MB) and runs this."""

import json
import os
import subprocess

import pytest
from responses import call, chat, chat_backend
from router import HOME


def codex(router, tmp_path, model: str, more=(), options=()) -> subprocess.CompletedProcess:
    """Asks it something, in a folder of its own."""
    home, work = tmp_path / "home", tmp_path / "work"
    home.mkdir(), work.mkdir()
    (work / "secret.txt").write_text("The answer is 42.\n")
    keys = f'name="r",base_url="{router.url}/v1",wire_api="responses",env_key="KEY"'
    provider = f"{{{','.join((keys, *more))},request_max_retries=0,stream_max_retries=0}}"
    return subprocess.run(
        [
            HOME / "codex/node_modules/.bin/codex",
            *("exec", "--skip-git-repo-check", "-C", work, "-s", "danger-full-access", "-m", model),
            *("-c", 'model_provider="r"', "-c", f"model_providers.r={provider}", *options),
            "What is the answer?",
        ],
        env={"PATH": os.environ["PATH"], "HOME": str(home), "CODEX_HOME": str(home), "KEY": "sk"},
        capture_output=True,
        text=True,
        timeout=100,
        stdin=subprocess.DEVNULL,
        check=False,
    )


def asked_of(a) -> tuple[list[str], dict[str, str]]:
    """The tools that the last request had, and the results in it."""
    last = a.last.json()
    names = [tool["function"]["name"] for tool in last["tools"]]
    return names, {said["tool_call_id"]: said["content"] for said in last["messages"] if said["role"] == "tool"}


@pytest.mark.timeout(120)
@pytest.mark.parametrize("how", [(), ("supports_websockets=true",)])
def test_a_tool_loop(omitting_alone, a, tmp_path, how):
    """With the search of the web that Codex offers, and no backend has."""
    calls = [
        chat("I look first.", call("call_1", "exec_command", '{"cmd": "cat secret.txt"}')),
        chat(None, call("call_2", "exec_command", '{"cmd": "echo 42 > answer.txt"}'), call("call_3", "get_goal", "{}")),
        chat("It is 42."),
    ]
    a.script = chat_backend(*calls)
    omitting_alone.lines.clear()
    ended = codex(omitting_alone, tmp_path, "gpt", how)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.strip().endswith("It is 42.")
    assert (tmp_path / "work/answer.txt").read_text() == "42\n"
    assert ("status=101" in omitting_alone.log) == bool(how)
    names, results = asked_of(a)
    assert not any("web_search" in name for name in names)
    assert "exec_command" in names and any("__" in name for name in names)
    assert "The answer is 42." in results["call_1"] and set(results) == {"call_1", "call_2", "call_3"}


@pytest.mark.timeout(120)
def test_what_codex_offers_is_refused_by_default(responses_alone, a, tmp_path):
    """The one tool that runs at OpenAI: no other stands in the way, and who reads the error knows what to do."""
    ended = codex(responses_alone, tmp_path, "gpt")
    assert ended.returncode != 0 and not a.requests
    assert "`web_search`" in ended.stderr and "unsupported_tools: omit" in ended.stderr


@pytest.mark.timeout(120)
def test_tools_that_are_no_functions(responses_alone, a, tmp_path):
    """A search for tools, one of the tools that were found, and a patch."""
    patch = "*** Begin Patch\n*** Add File: answer.txt\n+42\n*** End Patch\n"
    a.script = chat_backend(
        chat(None, call("call_1", "tool_search", '{"query": "spawn an agent"}')),
        chat(None, call("call_2", "apply_patch", json.dumps({"input": patch}))),
        chat("It is 42."),
    )
    ended = codex(responses_alone, tmp_path, "gpt-5.5-codex", options=("-c", 'web_search="disabled"'))
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.strip().endswith("It is 42.")
    assert (tmp_path / "work/answer.txt").read_text() == "42\n"
    before = {tool["function"]["name"] for tool in a.requests[0].json()["tools"]}
    names, results = asked_of(a)
    assert {"tool_search", "apply_patch"} <= before and set(results) == {"call_1", "call_2"}
    found = results["call_1"].removeprefix("These tools were found, and can be called now: ").split(", ")
    assert found and set(found) == set(names) - before
