"""Clients that are killed at random points and take their streams up again.

LETTA_GATEWAY_KILLS=1000 pytest tests/gateway/streams/test_init_clients_killed.py
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import attrs
import pytest

from gateway.testing.fakeletta import FakeLetta, Fault
from tests.gateway.serving import over


CLIENT = Path(__file__).with_name("following.py")
KILLS = int(os.environ.get("LETTA_GATEWAY_KILLS", "24"))
AT_ONCE = 4

SAID = "@@slow:40@@"
TOLD = " ".join(f"w{n}" for n in range(40))
PACE = 0.05


@attrs.define
class Follower:
    """One client and what it has read, however often it was killed."""

    surface: str
    port: int
    file: Path
    chance: random.Random
    kills: int = 0

    async def follow(self) -> None:
        """To the end of the stream; it is killed as long as it has not come so far."""
        # On a machine that is slow today it lives a little longer each time.
        while not await self._lived(self.chance.random() * (0.3 + self.kills * 0.02)):
            self.kills += 1

    @property
    def frames(self) -> list[tuple[str, Any]]:
        lines = (line.split("\t", 1) for line in self.file.read_text("utf-8").splitlines())
        return [(number, json.loads(data)) for number, data in lines]

    async def _lived(self, seconds: float) -> bool:
        client = await asyncio.create_subprocess_exec(
            *(sys.executable, "-S", "-E", str(CLIENT)),
            *(self.surface, str(self.port), self.file.name, SAID, str(self.file)),
        )
        try:
            async with asyncio.timeout(seconds):
                status = await client.wait()
        except TimeoutError:
            with suppress(ProcessLookupError):  # it has just ended
                client.kill()
            await client.wait()
            return False
        assert status == 0
        return True


@asynccontextmanager
async def gateway(tmp_path: Path, store: Any) -> AsyncIterator[int]:
    """The port of a gateway whose own connection to Letta breaks now and then, too."""
    async with FakeLetta(pace=PACE) as letta:
        letta.add_agent("Milo")
        letta.fail(Fault(after=15, then="drop"), path="/messages$", method="POST")
        async with over(letta.url, tmp_path, store=store) as served:
            yield served.port
        asked = [each for each in letta.requests if each.path.endswith("/messages")]
        assert len(asked) == len(letta.runs)


def check_native(frames: list[tuple[str, Any]]) -> str:
    """What was said, each piece once."""
    numbers = [int(number.partition(":")[2]) for number, _ in frames]
    assert numbers == sorted(set(numbers))
    assert frames[-1][1] == {"type": "done"}
    return "".join(data["content"] for _, data in frames if data["type"] == "message")


def check_responses(frames: list[tuple[str, Any]]) -> str:
    """What was said, each frame once and none left out."""
    assert [data["sequence_number"] for _, data in frames] == list(range(len(frames)))
    last = frames[-1][1]
    assert last["type"] == "response.completed"
    said = "".join(d["delta"] for _, d in frames if d["type"] == "response.output_text.delta")
    assert last["response"]["output"][-1]["content"][0]["text"] == said
    return said


CHECKS = {"native": check_native, "responses": check_responses}


@pytest.mark.parametrize("use", ["memory", "sqlite"])
@pytest.mark.parametrize("surface", CHECKS)
async def test_killed_at_random_points(tmp_path: Path, surface: str, use: str) -> None:
    """However often that happens, the text is that of a stream which nobody disturbed."""
    store = use if use == "memory" else {"use": use, "path": str(tmp_path / "gateway.db")}
    kills = 0

    async def one_after_another(seed: int) -> None:
        nonlocal kills
        number = 0
        while kills < KILLS // 4:
            number += 1
            file = tmp_path / f"{surface}-{seed}-{number}"
            follower = Follower(surface, port, file, random.Random(f"{seed} {number}"))
            await follower.follow()
            kills += follower.kills
            assert CHECKS[surface](follower.frames) == TOLD

    async with gateway(tmp_path, store) as port:
        await asyncio.gather(*map(one_after_another, range(AT_ONCE)))
    assert kills >= KILLS // 4
