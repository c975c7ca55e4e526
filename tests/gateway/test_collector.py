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
    assert gc.get_threshold()[::2] == (collector.NEW, collector.SELDOM)


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
