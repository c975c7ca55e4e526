"""How processes tell each other about streams, in every kind of store."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import loguru
import pytest

from gateway.store.memory import MemoryStore
from gateway.streams import control as module
from gateway.streams.control import Control
from tests.gateway.lane import until
from tests.gateway.store.stores import WITH_REDIS, opened
from tests.plugins.watched import Watched


@asynccontextmanager
async def hearing(control):
    """What it hears while the block lasts."""
    heard = list[str]()
    task = asyncio.create_task(control.hear({"stop": heard.append}))
    try:
        yield heard
    finally:
        task.cancel()
        await asyncio.wait([task])


async def come(heard, count):
    async with asyncio.timeout(10):
        while len(heard) < count:  # noqa: ASYNC110  another process would say it
            await asyncio.sleep(0.001)


@pytest.mark.parametrize("use", WITH_REDIS)
async def test_each_hears_what_is_meant_for_it(use, tmp_path):
    """In its order, also what was said before it listened."""
    async with opened(use, tmp_path) as store:
        one, two = Control(store, loguru.logger), Control(store, loguru.logger)
        await two.tell(one.name, "stop", "early")
        async with hearing(one) as ones, hearing(two) as twos:
            for name in "abc":
                await two.tell(one.name, "stop", name)
                await one.tell(two.name, "stop", name.upper())
            await come(ones, 4)
            await come(twos, 3)
    assert (ones, twos) == (["early", "a", "b", "c"], ["A", "B", "C"])


async def test_it_hears_on_however_long_nothing_is_said(monkeypatch):
    """Its log does not expire under it."""
    monkeypatch.setattr(module, "HEAR_SECONDS", 0.001)
    store = Watched()
    control = Control(store, loguru.logger)
    async with hearing(control) as heard:
        await control.tell(control.name, "stop", "a")
        await until(lambda: heard)
        count = store.done.count("append")
        async with asyncio.timeout(5):
            while store.done.count("append") < count + 3:  # noqa: ASYNC110  it wakes by itself
                await asyncio.sleep(0.001)
        await control.tell(control.name, "stop", "b")
        await until(lambda: len(heard) == 2)
    assert heard == ["a", "b"]


async def test_a_store_that_was_away(monkeypatch):
    """What it has heard already is not done again: who was to make way may be read by now."""
    monkeypatch.setattr(module, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(module, "HEAR_SECONDS", 0.001)
    store = Watched()
    control = Control(store, loguru.logger)
    async with hearing(control) as heard:
        await control.tell(control.name, "stop", "a")
        await until(lambda: heard)
        store.broken = {"read_from"}
        await until(lambda: control._heard == 0)
        store.broken = set()
        await control.tell(control.name, "stop", "b")
        await until(lambda: "b" in heard)
    assert heard == ["a", "b"]


async def test_a_store_that_lost_everything(monkeypatch):
    """It counts anew, and what is said then is heard."""
    monkeypatch.setattr(module, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(module, "HEAR_SECONDS", 0.001)
    store = Watched()
    control = Control(store, loguru.logger)
    async with hearing(control) as heard:
        for name in "ab":
            await control.tell(control.name, "stop", name)
        await until(lambda: len(heard) == 2)
        store.broken = {"read_from"}
        await until(lambda: control._heard == 0)
        store.inner, store.broken = MemoryStore(), set()
        await control.tell(control.name, "stop", "c")
        await until(lambda: len(heard) == 3)
    assert heard == ["a", "b", "c"]


async def test_orders():
    """Each is done with the streams that it names; what nobody here knows is passed by."""
    control, done = Control(Watched(), loguru.logger), list[tuple[str, str]]()
    orders = {
        "stop": lambda name: done.append(("stop", name)),
        "make_way": lambda name: done.append(("make_way", name)),
    }
    task = asyncio.create_task(control.hear(orders))
    await control.tell(control.name, "stop", "/stream/a b/1")
    await control.tell(control.name, "of a newer version", "/stream/ada/1")
    await control.tell(control.name, "make_way", "/stream/ada/2")
    await until(lambda: len(done) == 2)
    task.cancel()
    await asyncio.wait([task])
    assert done == [("stop", "/stream/a b/1"), ("make_way", "/stream/ada/2")]
