"""A gateway over FakeLetta, and a client of its native API."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs

from gateway.testing.fakeletta import FakeLetta
from tests.gateway.serving import Listening, over


@attrs.frozen
class Native:
    """A gateway that listens, and the Letta below it."""

    gateway: Listening
    letta: FakeLetta

    def post(self, path: str, body: Any = None, **more: Any) -> Any:
        return self.gateway.session.post(f"{self.gateway.url}{path}", json=body, **more)

    def get(self, path: str, **more: Any) -> Any:
        return self.gateway.get(path, **more)

    async def chat(self, message: str, agent: str = "Milo", **more: Any) -> Any:
        """The answer to `POST /chat`."""
        async with self.post("/chat", {"agent": agent, "message": message, **more}) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    def stream(self, message: str, agent: str = "Milo", **more: Any) -> Any:
        """`POST /chat/stream`, to be entered."""
        return self.post("/chat/stream", {"agent": agent, "message": message, **more})

    async def streamed(self, message: str, agent: str = "Milo", **more: Any) -> list[Any]:
        """All of a stream's events."""
        async with self.stream(message, agent, **more) as answer:
            assert answer.status == 200, await answer.text()
            return shown(await answer.read())


def frames(data: bytes) -> list[tuple[str, Any]]:
    """The frames of a stream, each with its id or "". Comments are left out."""
    found = []
    for block in data.decode().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n") if ": " in line)
        if "data" in fields:
            found.append((fields.get("id", ""), json.loads(fields["data"])))
    return found


def shown(data: bytes) -> list[Any]:
    """The same without ids."""
    return [each for _, each in frames(data)]


def text_in(events: list[Any]) -> str:
    """The text that they show."""
    return "".join(each["content"] for each in events if each["type"] == "message")


async def until(true: Callable[[], object]) -> None:
    """Wait until something is true."""
    async with asyncio.timeout(20):
        while not true():  # noqa: ASYNC110  it is no event that could be set
            await asyncio.sleep(0.002)


@asynccontextmanager
async def native(
    tmp_path: Path, letta: FakeLetta | None = None, **settings: Any
) -> AsyncIterator[Native]:
    """A gateway; without a Letta of the test's own, one with the agent Milo."""
    if letta is None:
        letta = FakeLetta(pace=0)
        letta.add_agent("Milo")
    async with letta, over(letta.url, tmp_path, **settings) as gateway:
        yield Native(gateway, letta)
