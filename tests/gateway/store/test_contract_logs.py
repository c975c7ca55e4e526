"""What every store promises of its logs, whichever the settings name."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.store import OpenStore, Prefixed
from tests.gateway.store.stores import WITH_REDIS, opened


TTL: Any = {"ttl": 60, "limit": 1_000_000}


@pytest.fixture(params=WITH_REDIS)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[OpenStore]:
    async with opened(request.param, tmp_path) as store:
        yield store


async def read(store: OpenStore, key: str = "log", after: int = 0) -> list[tuple[int, bytes]]:
    """What is there, without waiting."""
    return list(await store.read_from(key, after, wait=0))


async def test_items_come_back_in_their_order(store: OpenStore):
    """They are numbered from 1, whether they came alone or together."""
    await store.append("log", [b"a"], **TTL)
    await store.append("log", [b"b", b"c"], **TTL)
    assert await read(store) == [(1, b"a"), (2, b"b"), (3, b"c")]
    assert await read(store, after=1) == [(2, b"b"), (3, b"c")]
    assert await read(store, after=3) == []
    assert await read(store, after=99) == []


async def test_no_such_log(store: OpenStore):
    """A log that nobody has begun is empty."""
    assert await read(store) == []


@pytest.mark.parametrize("item", [b"", b"\x00\xff\r\n", b"x" * 900_000])
async def test_any_bytes_are_an_item(store: OpenStore, item: bytes):
    """Empty, binary and large ones come back as they were."""
    await store.append("log", [item, b"end"], **TTL)
    assert await read(store) == [(1, item), (2, b"end")]


@pytest.mark.parametrize("key", ["", "a b\n", "a\x00b", "ключ", "\udcff", "k" * 9999])
async def test_any_text_is_a_key(store: OpenStore, key: str):
    """Keys may be anything a client can send, and near ones are others."""
    await store.append(key, [b"item"], **TTL)
    assert await read(store, key) == [(1, b"item")]
    assert await read(store, f"{key}\x00") == []


async def test_logs_values_and_leases_are_apart(store: OpenStore):
    """One name may be all three."""
    await store.append("name", [b"item"], **TTL)
    await store.put("name", b"value", ttl=60)
    held = await store.lease("name", wait=0, queue=0)
    assert held is not None
    assert await store.take("name") == b"value"
    assert await read(store, "name") == [(1, b"item")]
    await held.release()


async def test_a_prefix_hides_the_others(store: OpenStore):
    """Two steps of a pipeline have each a log of the same name."""
    one, two = Prefixed(store, "one"), Prefixed(store, "two")
    await one.append("log", [b"mine"], **TTL)
    assert await two.read_from("log", 0, wait=0) in ([], ())
    assert list(await one.read_from("log", 0, wait=0)) == [(1, b"mine")]


async def test_the_oldest_go_first(store: OpenStore):
    """A log that is too large loses its start, and the numbers tell."""
    await store.append("log", [b"aaa", b"bbb"], ttl=60, limit=7)
    await store.append("log", [b"ccc"], ttl=60, limit=7)
    assert await read(store) == [(2, b"bbb"), (3, b"ccc")]
    await store.append("log", [b"d", b"e", b"f"], ttl=60, limit=4)
    assert await read(store) == [(4, b"d"), (5, b"e"), (6, b"f")]
    assert await read(store, after=5) == [(6, b"f")]


async def test_the_newest_stays(store: OpenStore):
    """An item larger than the whole log is all that is left of it."""
    await store.append("log", [b"a", b"x" * 100], ttl=60, limit=10)
    assert await read(store) == [(2, b"x" * 100)]
    await store.append("log", [b"b"], ttl=60, limit=10)
    assert await read(store) == [(3, b"b")]


async def test_nothing_to_add(store: OpenStore):
    """It is no item, and makes no log."""
    await store.append("log", [], **TTL)
    assert await read(store) == []
    await store.append("log", [b"a"], **TTL)
    await store.append("log", [], **TTL)
    assert await read(store) == [(1, b"a")]


async def test_no_time_to_live(store: OpenStore):
    """A log that lives for no time is gone, and another begins at 1."""
    await store.append("log", [b"a", b"b"], **TTL)
    await store.append("log", [b"c"], ttl=0, limit=100)
    assert await read(store) == []
    await store.append("log", [b"d"], **TTL)
    assert await read(store) == [(1, b"d")]


async def test_who_waits_is_woken(store: OpenStore):
    """All who wait get what is added, at once."""
    waiting = [asyncio.create_task(store.read_from("log", 0, wait=60)) for _ in range(5)]
    for _ in range(3):
        await asyncio.sleep(0)
    await store.append("log", [b"a"], **TTL)
    async with asyncio.timeout(10):
        assert [list(await each) for each in waiting] == [[(1, b"a")]] * 5


async def test_the_news_of_others_wake_nobody(store: OpenStore):
    """Who waits goes on waiting when another log grows, or when nothing is added."""
    waiting = asyncio.create_task(store.read_from("log", 1, wait=60))
    await store.append("other", [b"x"], **TTL)
    await store.append("log", [b"a"], **TTL)
    await store.append("log", [], **TTL)
    await store.ping()
    assert not waiting.done()
    await store.append("log", [b"b"], **TTL)
    async with asyncio.timeout(10):
        assert list(await waiting) == [(2, b"b")]


async def test_the_wait_ends(store: OpenStore):
    """Nothing comes back when nothing has come in time."""
    async with asyncio.timeout(10):
        assert list(await store.read_from("log", 0, wait=0.01)) == []


async def test_cancelling_who_waits(store: OpenStore):
    """It disturbs nobody."""
    for _ in range(3):
        waiting = asyncio.create_task(store.read_from("log", 0, wait=60))
        await store.ping()
        waiting.cancel()
        await asyncio.wait([waiting])
    await store.append("log", [b"a"], **TTL)
    assert list(await store.read_from("log", 0, wait=60)) == [(1, b"a")]


async def test_many_waiters_hold_nothing_up(store: OpenStore):
    """While hundreds wait, others read and write as ever."""
    waiting = [asyncio.create_task(store.read_from(f"{i}", 0, wait=60)) for i in range(200)]
    await store.put("key", b"value", ttl=60)
    assert await store.read("key") == b"value"
    for i in range(200):
        await store.append(f"{i}", [str(i).encode()], **TTL)
    async with asyncio.timeout(30):
        assert [list(await each) for each in waiting] == [[(1, b"%d" % i)] for i in range(200)]


async def test_writers_at_once(store: OpenStore):
    """What is added together stays together, and nothing is lost."""
    pairs = [[b"a%d" % i, b"b%d" % i] for i in range(50)]
    await asyncio.gather(*(store.append("log", pair, **TTL) for pair in pairs))
    items = [item for _, item in await read(store)]
    assert sorted(zip(items[::2], items[1::2], strict=True)) == sorted(map(tuple, pairs))


@pytest.mark.parametrize("seed", range(5))
async def test_a_reader_misses_nothing(store: OpenStore, seed: int):
    """However reader and writer take turns, the reader gets each item once, in order."""
    chance = random.Random(seed)

    async def write() -> None:
        for number in range(1, 101):
            await store.append("log", [b"%d" % number], **TTL)
            for _ in range(chance.randrange(4)):
                await asyncio.sleep(0)

    writing = asyncio.create_task(write())
    got: list[tuple[int, bytes]] = []
    async with asyncio.timeout(30):
        while len(got) < 100:
            got += await store.read_from("log", len(got), wait=10)
        await writing
    assert got == [(i, b"%d" % i) for i in range(1, 101)]


@pytest.mark.parametrize("seed", range(5))
async def test_any_sequence_is_that_of_a_list(store: OpenStore, seed: int):
    """Whatever is added and read, the answers are those of a plain model."""
    chance = random.Random(seed)
    model: list[tuple[int, bytes]] = []
    last = 0
    for _ in range(100):
        if chance.random() < 0.5:
            items = [b"x" * chance.randrange(5) for _ in range(chance.randrange(4))]
            await store.append("log", items, ttl=60, limit=20)
            model += enumerate(items, start=last + 1)
            last += len(items)
            while sum(len(item) for _, item in model) > 20:
                model.pop(0)
        after = chance.randrange(last + 2)
        assert await read(store, after=after) == [each for each in model if each[0] > after]
