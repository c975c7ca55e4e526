"""The endpoint that a Letta server has itself, whose agent asks the same OpenAI server."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs
from letta_client import Letta

from benchmarks.contender import Place, Served, Unavailable
from benchmarks.contenders.installed import say
from benchmarks.measures import tree
from tests.letta_server.install import CannotInstall, ensure, installation
from tests.letta_server.launch import launched
from tests.letta_server.process import CannotStart
from tests.letta_server.stack import SERVE


@attrs.frozen
class LettaServer:
    """The server that the tests use, in their cache; one agent that keeps no history."""

    name: str = "Letta server, its endpoint"

    @property
    def about(self) -> str:
        how = "one process, one agent; streams only, drops reasoning"
        return f"letta 0.16.8, {how}; the agent's runtime is in its figures, PostgreSQL is not"

    def prepare(self, cache: Path) -> None:
        """
        Install it as the tests do.

        Raises:
            Unavailable: It is not to be had.
        """
        try:
            ensure(say)
        except CannotInstall as problem:
            raise Unavailable(str(problem)) from None

    @contextmanager
    def serve(self, place: Place) -> Iterator[Served]:
        """Letta, and PostgreSQL and Redis beside it; on ports that they choose themselves."""
        try:
            with launched(installation()) as addresses:
                agent = _make_agent(addresses.url, place.openai)
                url = f"{addresses.url}/v1/chat/completions"
                yield Served(_server(), url, "openai", agent)
        except CannotStart as problem:
            raise Unavailable(str(problem)) from None


def _make_agent(letta: str, openai: str) -> str:
    """Its id, which is the only name that the endpoint knows."""
    with Letta(base_url=letta, api_key="none") as client:
        agent = client.agents.create(
            name="Bench",
            include_base_tools=False,
            message_buffer_autoclear=True,
            llm_config={
                "model": "bench",
                "model_endpoint_type": "openai",
                "model_endpoint": openai,
                "context_window": 30000,
            },
        )
    return agent.id


def _server() -> int:
    """The process of the server itself, among all that were started for it."""
    wanted = str(SERVE).encode()
    return next(
        pid
        for pid in tree(os.getpid())
        if wanted in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    )
