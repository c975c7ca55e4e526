"""A gateway for clients to ask, and a look at the Letta behind it: the demo's, or a real one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import attrs

from gateway.demo import demo_letta
from gateway.testing.fakeletta import FakeLetta
from tests.gateway.serving import over
from tests.letta_server.server import LettaServer


AGENT = "Scripted"  # does what a message tells it
PATIENCE = 60.0


class World(Protocol):
    """Where clients are tried."""

    url: str
    """Of the gateway."""

    def heard(self, words: str) -> bool:
        """Whether these reached the agent."""

    async def cancelled(self) -> None:
        """Wait until the agent's newest run is cancelled at Letta."""


@attrs.frozen
class DemoWorld:
    """The demo's agents, and one that does as it is told."""

    url: str
    letta: FakeLetta

    def heard(self, words: str) -> bool:
        return any(words in json.dumps(request.body) for request in self.letta.requests)

    async def cancelled(self) -> None:
        await _eventually(lambda: any(run.status == "cancelled" for run in self._runs()))

    def _runs(self) -> list[object]:
        return list(self.letta.runs.values())


@attrs.frozen
class RealWorld:
    """A real Letta, whose agent has a scripted model."""

    url: str
    letta: LettaServer
    agent_id: str
    before: str

    def heard(self, words: str) -> bool:
        return any(words in json.dumps(each["body"]) for each in self.letta.model.requests())

    async def cancelled(self) -> None:
        async with asyncio.timeout(PATIENCE):
            while True:
                found = await asyncio.to_thread(newest_run, self.letta, self.agent_id)
                if found and found.id != self.before and found.status == "cancelled":
                    return
                await asyncio.sleep(0.1)


def newest_run(letta: LettaServer, agent_id: str) -> Any:
    """The agent's, if it has any."""
    page = letta.client.runs.list(agent_id=agent_id, order="desc", limit=1)
    return page.items[0] if page.items else None


@asynccontextmanager
async def demo_world(folder: Path) -> AsyncIterator[World]:
    """The gateway as `letta-gateway demo` has it, but in a hurry."""
    async with demo_letta(pace=0.02) as letta:
        letta.add_agent(AGENT, parallel_tool_calls=True)
        async with over(letta.url, folder, pipeline=None) as gateway:
            yield DemoWorld(gateway.url, letta)


@asynccontextmanager
async def real_world(letta: LettaServer, agent_id: str, folder: Path) -> AsyncIterator[World]:
    """The same gateway over a real Letta."""
    letta.model.forget()  # what others said in this run
    async with over(letta.url, folder, pipeline=None) as gateway:
        last = newest_run(letta, agent_id)
        yield RealWorld(gateway.url, letta, agent_id, last.id if last else "")


async def _eventually(look: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not look():  # noqa: ASYNC110  Letta tells only when it is asked
            await asyncio.sleep(0.02)
