"""The compiler as Cargo shows it: mistakes as they are, and a new build when something has changed, and only then."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from router import HOME, binary

ROOT = Path(__file__).parents[2]
GOOD = (Path(__file__).parent / "guarded.yaml").read_text()
BROKEN = GOOD.replace("timeout: 800ms", "timeuot: 800ms").replace("name: gamma", "name: ''")


def build(config: Path) -> subprocess.CompletedProcess:
    """Builds a router where `tests/run` has built those of the other tests."""
    own = {
        "CARGO_TARGET_DIR": str(HOME / "cargo"),
        "CARGO_PROFILE_DEV_DEBUG": "0",
        "CARGO_TERM_COLOR": "never",
        "HARDWIRE_CONFIG": str(config),
    }
    command = ["cargo", "build", "--bin", "hardwire", "--verbose"]
    return subprocess.run(
        command, cwd=ROOT, env=os.environ | own, capture_output=True, text=True, timeout=280, check=False
    )


def is_fresh(built: subprocess.CompletedProcess) -> bool:
    assert built.returncode == 0, built.stderr
    return bool(re.search(r"^ +Fresh hardwire v", built.stderr, re.MULTILINE))


@pytest.mark.timeout(300)
def test_builds(tmp_path):
    config = tmp_path / "router.yaml"
    config.write_text(GOOD)
    build(config)
    again = build(config)
    assert is_fresh(again), again.stderr

    # The file changes. That a mistake is found shows that it was read again.
    config.write_text(BROKEN)
    failed = build(config)
    assert failed.returncode != 0
    shown = [
        line.removeprefix("error: hardwire@0.1.0: ")
        for line in failed.stderr.splitlines()
        if line.startswith("error: hardwire@")
    ]
    at = GOOD.splitlines().index(next(line for line in GOOD.splitlines() if "timeout: 800ms" in line)) + 1
    assert shown[0].startswith("error: unknown key `timeuot`")
    assert f"--> {config}:{at}:" in shown[1]
    assert any("^^^^^^^" in line for line in shown)
    assert any("did you mean `timeout`?" in line for line in shown)
    assert sum(line.startswith("error: ") for line in shown) >= 2, "all mistakes at once"
    for noise in ["panicked", "RUST_BACKTRACE", "stack backtrace", "process didn't exit successfully"]:
        assert noise not in failed.stderr

    config.write_text(GOOD)
    assert not is_fresh(build(config))

    # The variable changes.
    other = tmp_path / "other.yaml"
    other.write_text(BROKEN)
    assert f"{other}:{at}:" in build(other).stderr
    missing = build(tmp_path / "missing.yaml")
    assert missing.returncode != 0 and re.search(r"cannot read .*missing\.yaml", missing.stderr)
    assert "panicked" not in missing.stderr


def hardwirec(*args: str, stdin: str = "") -> subprocess.CompletedProcess:
    command = [binary("hardwirec"), *args]
    return subprocess.run(command, cwd=ROOT, input=stdin, capture_output=True, text=True, timeout=10, check=False)


def test_hardwirec(tmp_path):
    config = tmp_path / "router.yaml"
    config.write_text(BROKEN)
    failed = hardwirec("check", str(config))
    assert failed.returncode == 1 and "unknown key `timeuot`" in failed.stderr + failed.stdout
    told = json.loads(hardwirec("check", str(config), "--format", "json").stdout)
    assert any(mistake["severity"] == "error" and mistake["file"] == str(config) for mistake in told)
    for good in [ROOT / "router-config.yaml", Path(__file__).with_name("router-config.yaml")]:
        assert hardwirec("check", str(good)).returncode == 0
    emitted = hardwirec("emit", "-", stdin=GOOD)
    assert emitted.returncode == 0 and '"gamma"' in emitted.stdout
    assert hardwirec("check", str(tmp_path / "missing.yaml")).returncode != 0
    assert hardwirec("frobnicate").returncode == 2
