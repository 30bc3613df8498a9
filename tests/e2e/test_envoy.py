"""Envoy itself reads what `hardwirec envoy` prints."""

import subprocess
import sys
from pathlib import Path

import pytest
from envoy import configuration
from test_tls import Authority

ROOT = Path(__file__).parents[2]
DOCUMENTS = {
    "every kind of backend": ROOT / "codegen/tests/envoy/full.yaml",
    "those of the other tests": Path(__file__).with_name("router-config.yaml"),
    "none but the echo": ROOT / "router-config.yaml",
    "the example": ROOT / "examples/envoy/router-config.yaml",
}
ENV = {
    "ELSEWHERE": "http://[::1]:9001/x",
    "UP_A": "127.0.0.1:9002",
    "UP_B": "http://127.0.0.1:9003",
    "DEAD": "127.0.0.1:9004",
    "KATAN": "https://katan.internal",
    "KATAN_BROKEN": "http://127.0.0.1:9005",
}


def validate(config: str, folder: Path) -> subprocess.CompletedProcess:
    file = folder / "envoy.yaml"
    file.write_text(config)
    command = [Path(sys.executable).with_name("envoy"), "--mode", "validate", "-c", file, "-l", "warning"]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


@pytest.fixture(scope="module")
def ca_file(tmp_path_factory):
    """Certificates to trust: Envoy looks into the file."""
    return str(Authority(tmp_path_factory.mktemp("ca")).file)


@pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS.keys())
@pytest.mark.parametrize("bodies", ["buffered", "streamed", "full-duplex"])
@pytest.mark.parametrize("more", [(), ("--original-dst",), ("--failure-mode-allow", "--admin", "127.0.0.1:9901")])
def test_envoy_takes_it(document, bodies, more, ca_file, tmp_path):
    config = configuration(document, ENV, "--bodies", bodies, "--ca-file", ca_file, *more)
    validated = validate(config, tmp_path)
    assert validated.returncode == 0, validated.stderr
    # What Envoy takes for now is not enough.
    assert "deprecated" not in validated.stderr.lower(), validated.stderr


def test_envoy_would_say_so(ca_file, tmp_path):
    """That it does not take everything."""
    config = configuration(DOCUMENTS["every kind of backend"], ENV, "--ca-file", ca_file)
    assert validate(config.replace("lb_policy:", "lb_polcy:"), tmp_path).returncode != 0
