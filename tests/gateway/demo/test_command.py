from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.demo.agents import AGENTS
from gateway.demo.command import PAGE, commands


@contextmanager
def running(*arguments: str, **environ: str) -> Iterator[tuple[str, list[str]]]:
    """The demo as a person starts it: its URL, and what it has printed."""
    command = [sys.executable, "-m", "gateway", "demo", "--port", "0", *arguments]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1", **environ},
    ) as process:
        try:
            assert process.stdout is not None
            lines: list[str] = []
            while not (lines and lines[-1].strip().startswith("curl http")):
                lines.append(process.stdout.readline())
                assert lines[-1], "the demo has ended"
            url = re.search(r"http://[^/\s]+", "".join(lines))
            assert url is not None
            yield url[0], lines
        finally:
            process.terminate()
    assert process.returncode == 0


def test_it_says_what_there_is() -> None:
    """A newcomer sees the URL, every agent, and commands that work as they stand."""
    with running() as (url, lines):
        said = "".join(lines)
        assert all(agent.name in said for agent in AGENTS)
        for command in commands(url):
            assert command in said
        assert f"{url}{PAGE}" in said
        with urllib.request.urlopen(f"{url}{PAGE}") as answer:
            assert answer.status == 200
        with urllib.request.urlopen(f"{url}/v1/models") as answer:
            listed = [model["id"] for model in json.load(answer)["data"]]
        assert listed == [agent.name for agent in AGENTS]


@pytest.mark.needs_command("curl", package="curl")
def test_the_first_command() -> None:
    """The printed `curl -N` streams a whole answer."""
    with running() as (url, _):
        done = subprocess.run(
            shlex.split(commands(url)[0]), capture_output=True, text=True, check=True, timeout=60
        )
    assert done.stdout.rstrip().endswith("data: [DONE]")
    assert '"reasoning_content"' in done.stdout


def test_a_key_is_heeded() -> None:
    """With LETTA_GATEWAY_KEY set, the demo asks for it like any gateway."""
    with running(LETTA_GATEWAY_KEY="sk-demo") as (url, _):
        request = urllib.request.Request(f"{url}/v1/models")
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(request)
        request.add_header("Authorization", "Bearer sk-demo")
        with urllib.request.urlopen(request) as answer:
            assert answer.status == 200


def answered(url: str) -> str:
    """Milo's answer to a greeting."""
    body = {"model": "Milo", "messages": [{"role": "user", "content": "Hi!"}]}
    request = urllib.request.Request(
        f"{url}/v1/chat/completions",
        json.dumps(body).encode(),
        {"Content-Type": "application/json", "Authorization": "Bearer sk-of-the-file"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return str(json.load(answer)["choices"][0]["message"]["content"])


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    """Its pipeline is served, and shown; the Letta and the store are the demo's all the same."""
    file = tmp_path / "gateway.yaml"
    file.write_text(
        "letta: {base_url: 'http://127.0.0.1:9'}\n"
        "store: {use: sqlite, path: '/nowhere/at/all'}\n"
        "server: {port: 1, workers: 1}\n"
        "keys: [{name: me, key: '${DEMO_KEY}'}]\n"
        "pipeline:\n"
        "  - use: agent_resolver\n"
        "  - use: conversation_resolver\n"
        "  - {use: reasoning_mapper, config: {into: [think]}}\n"
    )
    with running("--config", str(file), DEMO_KEY="sk-of-the-file") as (url, lines):
        assert "client → agent_resolver → conversation_resolver" in "".join(lines)
        assert answered(url).startswith("<think>")


def test_a_file_with_a_mistake(tmp_path: Path) -> None:
    """It is told with its place, as `serve` does."""
    file = tmp_path / "gateway.yaml"
    file.write_text("pipeline:\n  - use: nothing\n")
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "demo", "--config", str(file)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"{file}:2:")
