"""Writing a stream down behind the backs of those who read it."""

from __future__ import annotations

import asyncio

import attrs
import loguru
import pytest

from gateway.errors import StoreError
from gateway.store.memory import MemoryStore
from gateway.streams import writer as module
from gateway.streams.place import Place
from gateway.streams.writer import Writer
from tests.gateway.lane import logged, until
from tests.plugins.watched import Watched


NAME = "/stream/ada/1"


@attrs.define
class Slow(Watched):
    """Appends when it is told to."""

    go: asyncio.Event = attrs.field(factory=asyncio.Event)
    appended: list[int] = attrs.field(factory=list)

    async def append(self, key, items, *, ttl, limit):
        self.appended.append(len(items))
        await self.go.wait()
        await super().append(key, items, ttl=ttl, limit=limit)


def made(store, *, limit=1000, keep=None):
    async def nothing():
        pass

    return Writer(Place(store, NAME), 60.0, limit, keep or nothing, loguru.logger)


async def written(store):
    return [item for _, item in await store.read_from(NAME, 0, wait=0)]


async def test_what_is_added_is_written():
    """In its order, without anybody waiting for it."""
    store = MemoryStore()
    writer = made(store)
    for item in (b"1", b"2", b"3"):
        writer.add(item)
    assert await written(store) == []
    assert await writer.flush()
    assert await written(store) == [b"1", b"2", b"3"]


async def test_while_one_write_is_on_its_way_the_next_gather():
    """However slow the store is, one write at a time is all there is."""
    store = Slow()
    writer = made(store)
    writer.add(b"1")
    await until(lambda: store.appended)
    for item in (b"2", b"3", b"4"):
        writer.add(item)
    store.go.set()
    assert await writer.flush()
    assert store.appended == [1, 3]
    assert await written(store) == [b"1", b"2", b"3", b"4"]


async def test_what_comes_soon_after_a_write_gathers(monkeypatch):
    """A stream of many small pieces is a few writes; `flush` does not wait for more of them."""
    monkeypatch.setattr(module, "GATHER_SECONDS", 3600.0)
    store = Slow()
    store.go.set()
    writer = made(store)
    writer.add(b"0")
    await until(lambda: store.appended)
    for number in range(1, 100):
        writer.add(b"%d" % number)
        await asyncio.sleep(0)
    assert await writer.flush()
    assert store.appended == [1, 99]
    assert await written(store) == [b"%d" % number for number in range(100)]


async def test_facts_are_stored_before_the_pages_that_follow():
    """Who reads a page finds them."""
    store, kept = MemoryStore(), list[list[bytes]]()

    async def keep():
        kept.append(await written(store))

    writer = made(store, keep=keep)
    writer.add(b"1")
    assert await writer.flush()
    assert kept == []
    writer.refresh()
    writer.add(b"2")
    assert await writer.flush()
    assert kept == [[b"1"]]
    assert await written(store) == [b"1", b"2"]


async def test_what_failed_is_tried_again_with_the_next():
    """Nothing is lost by it, and one line of the log says so."""
    store = Watched()
    writer = made(store)
    store.broken = {"append"}
    with logged() as lines:
        for item in (b"1", b"2"):
            writer.add(item)
            assert not await writer.flush()
        store.broken = set()
        writer.add(b"3")
        assert await writer.flush()
    assert len(lines) == 1
    assert await written(store) == [b"1", b"2", b"3"]


async def test_facts_that_could_not_be_stored():
    """They are stored later."""
    failing, kept = [StoreError("Away.")], list[int]()

    async def keep():
        if failing:
            raise failing.pop()
        kept.append(1)

    writer = made(MemoryStore(), keep=keep)
    writer.refresh()
    assert not await writer.flush()
    assert await writer.flush()
    assert kept == [1]


async def test_only_so_much_waits_for_a_store_that_is_away():
    """Then the oldest go, which readers see by the numbers."""
    store = Watched()
    writer = made(store, limit=100)
    store.broken = {"append"}
    for number in range(20):
        writer.add(b"%20d" % number)
        await writer.flush()
    store.broken = set()
    assert await writer.flush()
    assert [int(item) for item in await written(store)] == [15, 16, 17, 18, 19]


async def test_the_end_is_tried_for_a_while(monkeypatch):
    """A store that is away for a moment gets it all the same."""
    monkeypatch.setattr(module, "PAUSES", (0.0, 0.0, 0.0))
    store = Watched()
    writer = made(store)
    store.broken = {"append"}
    writer.add(b"1")
    with logged() as lines:
        await writer.close()
    assert len(lines) == 2
    assert store.done.count("append") >= 4
    store.broken = set()
    await writer.close()
    assert await written(store) == [b"1"]


def test_the_end_waits_for_a_store_that_is_started_anew():
    """Which takes a Redis some seconds, and a machine more."""
    assert sum(module.PAUSES) > 25


@pytest.mark.parametrize("limit", [10, 1000])
async def test_what_is_dropped_while_it_is_written(limit):
    """Nothing is written twice, and nothing that still waits is taken for written."""
    store = Slow()
    writer = made(store, limit=limit)
    writer.add(b"1" * 8)
    await until(lambda: store.appended)
    writer.add(b"2" * 8)
    writer.add(b"3" * 8)
    store.go.set()
    assert await writer.flush()
    items = await written(store)
    assert items == sorted(set(items))
    assert items[-1] == b"3" * 8
