"""Plugins that do what a plugin must not: each is named, and harms nobody else."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Callable

import attrs
import pytest

from gateway.events import Error, Event, Finish, ToolArgsDelta
from gateway.pipeline import Step, watch
from gateway.plugin import NoConfig, Plugin, Turn
from gateway.testing.kit import assert_grammar
from tests.gateway.lane import (
    USAGE,
    Lane,
    ScriptedRun,
    lane,
    logged,
    noted,
    step,
    text,
    texts,
)


Flow = AsyncGenerator[Event, None]

SAYS = [[text("a")], [text("b")], [USAGE, Finish()]]


@attrs.define
class Unruly(Turn):
    """Does this at the text "b"."""

    does: Callable[[], object]

    def feed(self, event):
        if event != text("b"):
            return [event]
        done = self.does()
        return [event] if done is None else done


@attrs.define
class UnrulyFlow(Plugin[NoConfig]):
    """The same, in a flow of its own."""

    does: Callable[[], object]
    config: NoConfig = attrs.field(factory=NoConfig)

    async def wrap(self, flow: Flow, context) -> Flow:  # type: ignore[override]
        async for event in flow:
            done = self.does() if event == text("b") else None
            yield event if done is None else done[0]  # type: ignore[index]


def raises(exc: type[BaseException]) -> Callable[[], None]:
    def work() -> None:
        raise exc

    return work


def blocks() -> None:
    time.sleep(0.2)


FAILURES = {
    "raises": raises(ValueError),
    "raises SystemExit": raises(SystemExit),
    "raises CancelledError": raises(asyncio.CancelledError),
    "breaks the grammar": lambda: [ToolArgsDelta("unheard-of", "{}")],
    "says nothing": lambda: [text("")],
    "gives what is no event": lambda: ["b"],
}

failures = pytest.mark.parametrize("does", FAILURES.values(), ids=FAILURES)
ways = pytest.mark.parametrize("way", [Unruly, UnrulyFlow])


def unruly(way: type, does: Callable[[], object], *, bypass: bool) -> Step:
    plugin = UnrulyFlow(does) if way is UnrulyFlow else lambda: Unruly(does)
    return step(plugin, "unruly", bypass=bypass)


async def with_a_neighbour(made: Lane) -> tuple[list[Event], list[Event]]:
    """The answer, and that of another request at the same time, whose text is another."""
    made.letta.runs = [ScriptedRun(SAYS), ScriptedRun([[text("x")], [text("y")], [Finish()]])]
    mine, other = await asyncio.gather(made.events(), made.events())
    await made.rest()
    return mine, other


@failures
@ways
async def test_fail(way, does):
    """The request ends in an error that names the plugin; the one beside it does not notice."""
    log: list[str] = []
    with logged("ERROR") as lines:
        async with lane(noted(log), unruly(way, does, bypass=False)) as made:
            mine, other = await with_a_neighbour(made)
    assert mine[0] == text("a")
    assert isinstance(mine[-1], Error)
    assert mine[-1].message == "The plugin 'unruly' failed."
    assert_grammar(mine)
    assert texts(other) == "xy"
    assert isinstance(other[-1], Finish)
    assert len(lines) == made.pipeline.steps[1].tally.failures == 1
    assert "plugin unruly failed, on_failure: fail" in lines[0]
    assert log.count("p.settle") == 2


@failures
@ways
async def test_bypass(way, does):
    """The whole answer goes on; it is logged, and counted."""
    with logged("ERROR") as lines:
        async with lane(unruly(way, does, bypass=True)) as made:
            mine, other = await with_a_neighbour(made)
    assert mine == [text("a"), text("b"), USAGE, Finish()]
    assert texts(other) == "xy"
    assert len(lines) == made.pipeline.steps[0].tally.failures == 1
    assert "plugin unruly failed, on_failure: bypass" in lines[0]


@ways
async def test_blocking(way):
    """It is named, with how long all others had to wait; nothing is lost."""
    with logged() as lines:
        async with lane(unruly(way, blocks, bypass=False)) as made:
            mine, other = await with_a_neighbour(made)
    assert texts(mine) == "ab"
    assert texts(other) == "xy"
    assert made.pipeline.steps[0].tally.blocked == len(lines) == 1
    assert "plugin unruly has blocked everything for 2" in lines[0]


async def test_a_slow_plugin_below_a_flow():
    """A flow is not blamed for what it reads from."""
    steps = [step(UnrulyFlow(lambda: None), "flow"), unruly(Unruly, blocks, bypass=False)]
    with logged() as lines:
        async with lane(*steps, says=SAYS) as made:
            await made.events()
    flow, below = (each.tally for each in made.pipeline.steps)
    assert (flow.blocked, below.blocked) == (0, 1)
    assert len(lines) == 1
    assert flow.seconds < 0.1 < below.seconds


@ways
async def test_a_task_left_behind(way):
    """It is named when the request is over, by the plugin and by what it runs."""
    watch.watch_tasks()
    gate, tasks = asyncio.Event(), []

    async def lingers() -> None:
        await gate.wait()

    def leaks() -> None:
        tasks.append(asyncio.create_task(lingers()))

    with logged() as lines:
        async with lane(unruly(way, leaks, bypass=False)) as made:
            mine, _ = await with_a_neighbour(made)
    gate.set()
    await asyncio.gather(*tasks)
    assert texts(mine) == "ab"
    assert made.pipeline.steps[0].tally.leaked == len(lines) == 1
    assert "plugin unruly has left " in lines[0]
    assert "lingers running" in lines[0]


async def swallowing(flow: Flow) -> Flow:
    while True:
        try:
            async for event in flow:
                yield event
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            yield text("still here")


async def clinging(flow: Flow) -> Flow:
    try:
        async for event in flow:
            yield event
    finally:
        await asyncio.Event().wait()


@attrs.define
class Made(Plugin[NoConfig]):
    """A plugin whose `wrap` is this function."""

    how: Callable[[Flow], Flow]

    def wrap(self, flow, context):
        return self.how(flow)


@pytest.mark.parametrize("how", [swallowing, clinging])
async def test_a_flow_that_does_not_stop(how, monkeypatch):
    """The client has left: everything is put away all the same, the turns are told."""
    monkeypatch.setattr("gateway.pipeline.watch.CLOSING_SECONDS", 0.01)
    monkeypatch.setattr("gateway.pipeline.wrapped.CLOSING_SECONDS", 0.01)
    log: list[str] = []
    with logged():
        async with lane(
            noted(log), step(Made(how)), says=[[text("a")], asyncio.Event()], leave_seconds=0.01
        ) as made:
            async with await made.begin() as exchange:
                async for _ in exchange:
                    break
            await made.rest()
    assert made.run.closed
    assert log == ["p.prepare", "p.abandon"]


@pytest.mark.parametrize("close", ["settle", "abandon"])
async def test_a_turn_that_does_not_stop(close, monkeypatch):
    """The client waits for it no longer than said."""
    monkeypatch.setattr("gateway.pipeline.watch.CLOSING_SECONDS", 0.01)
    monkeypatch.setattr("gateway.pipeline.guard.CLOSING_SECONDS", 0.01)

    class Stubborn(Turn):
        async def stay(self) -> None:
            while True:
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.Event().wait()

    setattr(Stubborn, close, Stubborn.stay)
    log: list[str] = []
    says = [[text("a")], [Finish() if close == "settle" else Error(502, "t", "c", "m")]]
    with logged() as lines:
        async with lane(noted(log), step(Stubborn, "unruly"), says=says) as made:
            events = await made.events()
    assert isinstance(events[-1], Error)
    assert log == ["p.prepare", f"p.{close}"]
    assert "plugin unruly failed" in lines[-1]
