"""Starts llm-katan, an LLM API simulator that somebody else wrote: a second opinion on what backends are like."""

import re
import subprocess
import sys
import threading
from pathlib import Path

KEY = "katan-key"


class Katan:
    """A running llm-katan with its echo backend. It insists on its key."""

    def __init__(self, folder: Path, *args: str) -> None:
        command = [
            Path(sys.executable).with_name("llm-katan"),
            *("--model", "katan-wire", "--backend", "echo", "--host", "127.0.0.1", "--port", "0"),
            *("--providers", "openai,azure_openai,vertexai,anthropic", "--validate-keys"),
            *("--api-keys", f"openai={KEY},azure_openai={KEY},vertexai={KEY},anthropic={KEY}"),
            *("--max-concurrent", "16", "--disable-dashboard", "--stats-file", str(folder / "stats.json")),
            *args,
        ]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        log = ""
        while not (found := re.search(r"Uvicorn running on (http://\S+)", log)):
            line = self.process.stderr.readline()
            assert line, f"llm-katan did not start:\n{log}"
            log += line
        self.url = found[1]
        # A pipe that nobody reads would fill up.
        threading.Thread(target=self.process.stderr.read, daemon=True).start()

    def stop(self) -> None:
        self.process.kill()
        self.process.wait(5)
