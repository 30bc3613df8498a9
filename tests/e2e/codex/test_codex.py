"""The Codex CLI before a chat server: `tests/run codex` installs it (some 400 MB) and runs this."""

import os
import subprocess

import pytest
from responses import call, chat, chat_backend
from router import HOME


@pytest.mark.timeout(120)
def test_a_tool_loop(responses, a, tmp_path):
    home, work = tmp_path / "home", tmp_path / "work"
    home.mkdir(), work.mkdir()
    (work / "secret.txt").write_text("The answer is 42.\n")
    calls = [
        chat("I look first.", call("call_1", "exec_command", '{"cmd": "cat secret.txt"}')),
        chat(None, call("call_2", "exec_command", '{"cmd": "echo 42 > answer.txt"}'), call("call_3", "get_goal", "{}")),
        chat("It is 42."),
    ]
    a.script = chat_backend(*calls)
    keys = f'name="r",base_url="{responses.url}/v1",wire_api="responses",env_key="KEY"'
    provider = f"{{{keys},request_max_retries=0,stream_max_retries=0}}"
    ended = subprocess.run(
        [
            HOME / "codex/node_modules/.bin/codex",
            *("exec", "--skip-git-repo-check", "-C", work, "-s", "danger-full-access", "-m", "gpt"),
            *("-c", 'model_provider="r"', "-c", f"model_providers.r={provider}"),
            # A tool that runs at OpenAI, which a chat server does not have.
            *("-c", 'web_search="disabled"'),
            "What is the answer?",
        ],
        env={"PATH": os.environ["PATH"], "HOME": str(home), "CODEX_HOME": str(home), "KEY": "sk"},
        capture_output=True,
        text=True,
        timeout=100,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.strip().endswith("It is 42.")
    assert (work / "answer.txt").read_text() == "42\n"
    first, *_, last = (request.json() for request in a.requests)
    names = [tool["function"]["name"] for tool in first["tools"]]
    assert "exec_command" in names and any("__" in name for name in names)
    results = {message["tool_call_id"]: message["content"] for message in last["messages"] if message["role"] == "tool"}
    assert "The answer is 42." in results["call_1"] and set(results) == {"call_1", "call_2", "call_3"}
