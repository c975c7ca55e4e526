"""Letta's own `letta server --openai-api`, whose agent asks the same OpenAI server."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs

from benchmarks.contender import Place, Served, Unavailable
from benchmarks.contenders.installed import Environment, run
from benchmarks.process import running


PACKAGES = Environment("letta", Path(__file__).with_name("letta_openai.txt"))

# It is to talk to the bench alone.
QUIET = {"LETTA_CODE_TELEM": "0", "DO_NOT_TRACK": "1", "DISABLE_AUTOUPDATER": "1"}
UNSET = ("LETTA_API_KEY", "LETTA_BASE_URL", "LETTA_AGENT_ID", "LETTA_CONVERSATION_ID")


@attrs.frozen
class LettaOpenAi:
    """One agent, made before it starts; every request is a conversation of its own."""

    name: str = "letta server --openai-api"

    @property
    def about(self) -> str:
        how = "`--backend local`, one process, one agent; drops reasoning"
        return f"letta {PACKAGES.version('letta')}, {how}; the agent's runtime is in its figures"

    def prepare(self, cache: Path) -> None:
        """
        Install it.

        Raises:
            Unavailable: It is not to be had, or git is not there, in which it keeps its memory.
        """
        if not shutil.which("git"):
            raise Unavailable("git is not installed, which Letta needs")
        PACKAGES.ensure(cache)

    @contextmanager
    def serve(self, place: Place) -> Iterator[Served]:
        """One process, in a home of its own."""
        letta = PACKAGES.command(place.cache, "letta")
        local = (letta, "--backend", "local")
        env = {**dict.fromkeys(UNSET, ""), **QUIET, "HOME": str(place.folder)}
        _make_agent(local, place, {**os.environ, **env})
        listen = ("--listen", f"ws://127.0.0.1:{place.port}", "--openai-api")
        at = f"http://127.0.0.1:{place.port}"
        command = (*local, "server", *listen)
        with running(command, ready=f"{at}/v1/models", folder=place.folder, env=env) as pid:
            yield Served(pid, f"{at}/v1/chat/completions", "openai", "Bench")


def _make_agent(local: tuple[str | Path, ...], place: Place, env: dict[str, str]) -> None:
    upstream = ("--base-url", place.openai, "--api-key", "sk-bench")
    run(*local, "connect", "openai-compatible", *upstream, env=env)
    agent = ("--name", "Bench", "--model", "openai-compatible/bench", "--personality", "blank")
    run(*local, "agents", "create", *agent, env=env)
