"""Who is there, in every kind of store."""

from __future__ import annotations

import asyncio

import pytest

from gateway.store.memory import MemoryStore
from gateway.streams import roll
from gateway.streams.roll import Roll
from gateway.testing.kit import ManualClock
from tests.gateway.store.stores import WITH_REDIS, opened


@pytest.mark.parametrize("use", WITH_REDIS)
async def test_all_come_and_go(use, tmp_path):
    """Each for itself, however many at once."""
    async with opened(use, tmp_path) as store:
        here = Roll(store, "/roll")
        assert await here.there() == set()
        names = {f"n{i}" for i in range(10)}
        await asyncio.gather(*(here.come(name, 60) for name in names))
        await asyncio.gather(*(here.go(name, 60) for name in names - {"n1", "n2"}))
        await here.come("n1", 60)
        await here.go("nobody", 60)
        assert await here.there() == {"n1", "n2"}
        assert await Roll(store, "/other").there() == set()


async def test_who_is_killed_is_forgotten():
    """When nobody has said a word for so long as the last one said."""
    clock = ManualClock()
    here = Roll(MemoryStore(clock.now), "/roll")
    await here.come("one", 60)
    clock.advance(59)
    await here.come("two", 60)
    clock.advance(59)
    assert await here.there() == {"one", "two"}
    clock.advance(1)
    assert await here.there() == set()


async def test_it_does_not_grow(monkeypatch):
    """The oldest words go: who is there for long says so again."""
    monkeypatch.setattr(roll, "LARGEST", 100)
    store = MemoryStore()
    here = Roll(store, "/roll")
    for i in range(1000):
        await here.come(f"n{i}", 60)
        await here.come("stays", 60)
    assert len(await store.read_from("/roll", 0, wait=0)) < 30
    assert "stays" in await here.there()
