"""The garbage collector while the gateway serves."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from gateway import collector
from gateway.letta.run import LettaRun
from gateway.pipeline.exchange import Exchange
from gateway.pipeline.guard import Guarded
from gateway.pipeline.reader import Reader
from tests.gateway.played_letta import DONE, Refusal, ping, said, stop, text
from tests.gateway.serving import USER, serving


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    before = gc.get_threshold()
    gc.disable()
    yield
    gc.enable()
    gc.unfreeze()
    gc.set_threshold(*before)


class Node:
    """One that garbage is made of: it holds itself."""

    def __init__(self) -> None:
        self.itself = self


def test_what_there_is_stays() -> None:
    """It is not looked at again, and what becomes garbage later is collected all the same."""
    old = weakref.ref(Node())
    assert old() is not None
    collector.spare()
    new = weakref.ref(Node())
    gc.collect()
    assert old() is not None
    assert new() is None
    assert gc.get_threshold() == (collector.NEW, collector.YOUNG, collector.SELDOM)


class Looks:
    """At which generation the collector has looked."""

    def __init__(self) -> None:
        self.generations: list[int] = []

    def __call__(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            self.generations.append(info["generation"])


@pytest.fixture
def looks() -> Iterator[list[int]]:
    found = Looks()
    gc.callbacks.append(found)
    yield found.generations
    gc.callbacks.remove(found)


def test_requests_by_the_dozen_are_not_looked_at(looks: list[int]) -> None:
    """As many objects as they take come and go without the collector."""
    gc.collect()
    collector.spare()
    looks.clear()
    gc.enable()
    for _ in range(3):
        assert [Node.__new__(Node) for _ in range(collector.NEW // 2)]
    assert looks == []


def test_what_it_has_found_in_use_is_looked_at_once_more(looks: list[int]) -> None:
    """Then it is left alone for long, so that no look takes longer than that."""
    gc.collect()
    collector.spare()
    looks.clear()
    gc.enable()
    kept: list[list[None]] = [[] for _ in range(4 * collector.NEW + 1000)]
    assert kept
    assert looks == [0, 1, 0, 1]


# What is made for each request, and holds all that belongs to it.
KINDS = (Exchange, Guarded, LettaRun, Reader)

# Only a test that fails looks so often.
LOOKS = 150


def of_requests() -> list[object]:
    return [each for each in gc.get_objects() if isinstance(each, KINDS)]


@attrs.frozen
class Memory:
    """What is in memory; `before` is what other tests have left there."""

    before: list[object] = attrs.field(factory=of_requests)

    async def is_as_before(self) -> None:
        """Looking takes long where there is much: in between, the gateway has its time."""
        known = {id(each) for each in self.before}
        for _ in range(LOOKS):
            left = {type(each).__name__ for each in of_requests() if id(each) not in known}
            if not left:
                return
            await asyncio.sleep(0.2)
        pytest.fail(f"in memory: {left}")


@pytest.mark.parametrize("stream", [True, False])
async def test_requests_leave_no_garbage(tmp_path: Path, *, stream: bool) -> None:
    """What a request took is free at its end: nobody looks for it until much later."""
    gc.collect()
    memory = Memory()
    body = {"model": "Milo", "stream": stream, "messages": USER}
    async with serving(tmp_path, {"Milo": said("Hello")}) as served:
        for _ in range(3):
            async with served.post(body) as answer:
                await answer.read()
        await memory.is_as_before()


async def test_refused_requests_leave_no_garbage(tmp_path: Path) -> None:
    """Nor does one that a plugin refuses, or Letta."""
    gc.collect()
    memory = Memory()
    async with serving(tmp_path, {"Milo": [Refusal(500)]}) as served:
        for model in ("Milo", "Nobody"):
            async with served.post({"model": model, "messages": USER}) as answer:
                assert answer.status != 200
        await memory.is_as_before()


async def test_clients_that_leave_leave_no_garbage(tmp_path: Path) -> None:
    """Nor does one whose client has not waited for the end."""
    gc.collect()
    memory = Memory()
    body = {"model": "Milo", "stream": True, "messages": USER}
    silent = [ping(), text("one "), asyncio.Event(), stop(), DONE]
    async with serving(tmp_path, {"Milo": silent}) as served:
        async with served.post(body) as answer:
            await answer.content.readuntil(b"one ")
        await memory.is_as_before()
