"""Answers that cannot begin yet: their chat is busy with another."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs

from tests.gateway.played_letta import DONE, PlayedLetta, ping, said, stop, text
from tests.gateway.serving import PIPELINE, USER, Served, serving


CHAT = {"X-Letta-Chat-Key": "ada-1"}
BODY = {"model": "Milo", "messages": USER, "stream": True}


@attrs.frozen
class Busy:
    """A gateway whose chat is being answered until `go_on`."""

    served: Served
    go_on: asyncio.Event
    first: Any

    @property
    def letta(self) -> PlayedLetta:
        return self.served.letta

    def another(self, **more: Any) -> Any:
        return self.served.post({**BODY, **more}, headers=CHAT)


@asynccontextmanager
async def busy(tmp_path: Path, **waiting: Any) -> AsyncIterator[Busy]:
    go_on = asyncio.Event()
    steps: list[dict[str, Any]] = [{"use": name} for name in PIPELINE]
    steps[PIPELINE.index("conversation_resolver")]["config"] = waiting
    sections = {"pipeline": steps, "server": {"keepalive_seconds": 0.1}}
    script = [ping(), text("one "), go_on, text("two"), stop(), DONE]
    async with (
        serving(tmp_path, {"Milo": script}, **sections) as served,
        served.post(BODY, headers=CHAT) as first,
    ):
        await first.content.readuntil(b"one ")
        served.letta.scripts["Milo"] = said("Hello")
        yield Busy(served, go_on, first)
        go_on.set()
        await first.read()


async def test_comments_and_then_the_answer(tmp_path: Path) -> None:
    """Headers go out after the keepalive time, comments until the chat is free."""
    async with busy(tmp_path) as house, house.another() as answer:
        assert answer.status == 200
        assert await answer.content.readline() == b": ping\n"
        assert await answer.content.readline() == b": ping\n"
        house.go_on.set()
        rest = await answer.text()
    assert '"content":"Hello"' in rest
    assert rest.endswith("data: [DONE]\n\n")


async def test_the_wait_is_over(tmp_path: Path) -> None:
    """Whoever has waited for too long is told so in the stream."""
    async with busy(tmp_path, wait_seconds=0.5) as house, house.another() as answer:
        assert answer.status == 200
        lines = [line for line in (await answer.text()).split("\n") if line.startswith("data")]
    assert lines[1:] == ["data: [DONE]"]
    assert json.loads(lines[0][6:])["error"]["code"] == "conversation_busy"


async def test_whole_answers(tmp_path: Path) -> None:
    """They have a status, however long it takes."""
    async with (
        busy(tmp_path, wait_seconds=0.5) as house,
        house.another(stream=False) as answer,
    ):
        assert answer.status == 409


async def test_who_does_not_wait(tmp_path: Path) -> None:
    """A client that leaves is not asked for: Letta hears nothing of it."""
    async with busy(tmp_path) as house:
        async with house.another() as answer:
            await answer.content.readline()
        house.go_on.set()
        await house.first.read()
        async with house.another() as after:
            assert '"content":"Hello"' in await after.text()
    assert len(house.letta.asked) == 2
