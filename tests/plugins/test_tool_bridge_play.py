"""Random clients with tools over a make-believe Letta: see `play_rules`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence

import attrs
import pytest

from gateway.testing.fakeletta import FakeLetta, Fault
from plugins.calls import earlier
from tests.plugins.play_rules import Play, play


@attrs.define
class Pretended:
    """A place for plays: FakeLetta."""

    letta: FakeLetta

    @property
    def url(self) -> str:
        return self.letta.url

    async def rest(self, agents: Collection[str]) -> None:
        async with asyncio.timeout(30):
            while any(not run.over for run in self.letta.runs.values()):  # noqa: ASYNC110
                await asyncio.sleep(0.001)

    def cut(self, after: int, *, later: bool) -> Callable[[], None]:
        faults = [*([Fault()] if later else ()), Fault(after=after, then="drop")]
        rules = [
            self.letta.fail(fault, path="/messages$", method="POST", times=1) for fault in faults
        ]

        def undo() -> None:
            for rule in rules:
                rule.times = 0

        return undo


class PlayOverFakeLetta(Play):
    """One server for each story."""

    @staticmethod
    async def open_place() -> tuple[Callable, Pretended, Sequence[str]]:
        letta = FakeLetta(pace=0.001)
        await letta.start()
        agents = [
            letta.add_agent("several", parallel_tool_calls=True),
            letta.add_agent("one"),
            letta.add_agent("older", type="memgpt_v2_agent"),
        ]
        return letta.stop, Pretended(letta), [agent.id for agent in agents]


def test_play(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every message is told once, every result is told once, and nobody is left waiting."""
    monkeypatch.setattr(earlier, "SETTLE_SECONDS", 0.0)  # FakeLetta has at once what is sent
    play(PlayOverFakeLetta, 400, 25)
