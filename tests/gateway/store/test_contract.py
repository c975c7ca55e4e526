"""What every store promises, whichever the settings name."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Literal

import attrs
import pytest

from gateway.store import OpenStore, open_store
from tests.gateway.store.redis_server import RedisServer


@attrs.define
class Hand:
    """A clock that a test turns by hand."""

    time: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.time

    async def turn(self, seconds: float):
        self.time += seconds


@attrs.define
class RedisHand(Hand):
    """Redis has a clock of its own, so what is in it is made that much older."""

    server: RedisServer = attrs.field(kw_only=True)

    async def turn(self, seconds: float):
        self.time += seconds
        self.server.ask("EVAL", OLDER, 0, int(seconds * 1000))


OLDER = """
for _, key in ipairs(redis.call('KEYS', '*')) do
    redis.call('PEXPIRE', key, redis.call('PTTL', key) - ARGV[1])
end
"""
NEEDS_REDIS = pytest.mark.needs_command("redis-server", package="redis-server")


@pytest.fixture(params=["memory", "sqlite", pytest.param("redis", marks=NEEDS_REDIS)])
def use(request: pytest.FixtureRequest) -> Literal["memory", "sqlite", "redis"]:
    return request.param


@pytest.fixture
def server(request: pytest.FixtureRequest, use: str) -> RedisServer | None:
    return request.getfixturevalue("redis_server") if use == "redis" else None


@pytest.fixture
def clock(server: RedisServer | None) -> Hand:
    return RedisHand(server=server) if server else Hand()


@pytest.fixture
async def store(
    use: Literal["memory", "sqlite", "redis"],
    server: RedisServer | None,
    tmp_path: Path,
    clock: Hand,
) -> AsyncIterator[OpenStore]:
    path, url = tmp_path / "state" / "gateway.db", server.url if server else None
    async with open_store(use, path=path, url=url, now=clock) as opened:
        yield opened


async def test_read_gives_what_was_put(store: OpenStore):
    """A value is read as often as one likes."""
    await store.put("key", b"value", ttl=10)
    assert await store.read("key") == b"value"
    assert await store.read("key") == b"value"


async def test_what_was_never_put_is_none(store: OpenStore):
    """A key that nobody put has no value to read or to take."""
    assert await store.read("key") is None
    assert await store.take("key") is None


async def test_put_replaces_value_and_time(store: OpenStore, clock: Hand):
    """The last put decides the value and how long it lives."""
    await store.put("key", b"old", ttl=100)
    await store.put("key", b"new", ttl=10)
    assert await store.read("key") == b"new"
    await clock.turn(11)
    assert await store.read("key") is None


@pytest.mark.parametrize("value", [b"", b"\x00\xff\x00", b"x" * 3_000_000])
async def test_any_bytes_are_a_value(store: OpenStore, value: bytes):
    """Empty, binary and large values come back as they were."""
    await store.put("key", value, ttl=10)
    assert await store.read("key") == value
    assert await store.take("key") == value


@pytest.mark.parametrize(
    "key", ["", "a b\n", "a\x00b", "ключ 🔑", "\udcff", "%27 OR 1=1 --", "k" * 9999]
)
async def test_any_text_is_a_key(store: OpenStore, key: str):
    """Keys may be anything a client can send, and near ones are others."""
    await store.put(key, b"value", ttl=10)
    assert await store.read(key) == b"value"
    assert await store.read(f"{key}\x00") is None
    assert await store.read(f" {key}") is None


async def test_keys_tell_capitals_apart(store: OpenStore):
    """Two keys that differ in capitals only are two keys."""
    await store.put("Key", b"upper", ttl=10)
    assert await store.read("key") is None


async def test_expired_is_absent(store: OpenStore, clock: Hand):
    """A value is there until its time is up, and from that moment not."""
    await store.put("key", b"value", ttl=100)
    await clock.turn(80)
    assert await store.read("key") == b"value"
    await clock.turn(20)
    assert await store.read("key") is None
    assert await store.take("key") is None


async def test_no_time_to_live_is_absent(store: OpenStore):
    """A value put for no time at all is never seen, and takes the place of the one before."""
    await store.put("key", b"old", ttl=10)
    await store.put("key", b"value", ttl=0)
    assert await store.read("key") is None


async def test_put_if_absent_keeps_what_is_there(store: OpenStore):
    """Only the first of two sets the value, and the second is told so."""
    assert await store.put_if_absent("key", b"first", ttl=10) is True
    assert await store.put_if_absent("key", b"second", ttl=10) is False
    assert await store.read("key") == b"first"


async def test_put_if_absent_does_not_lengthen_a_life(store: OpenStore, clock: Hand):
    """A refused value leaves the time to live of the other as it was."""
    await store.put("key", b"first", ttl=10)
    await store.put_if_absent("key", b"second", ttl=100)
    await clock.turn(10)
    assert await store.read("key") is None


async def test_put_if_absent_takes_the_place_of_the_expired(store: OpenStore, clock: Hand):
    """An expired value is no value, also before anything has swept it."""
    await store.put("key", b"first", ttl=10)
    await clock.turn(10)
    assert await store.put_if_absent("key", b"second", ttl=10) is True
    assert await store.read("key") == b"second"


async def test_take_reads_once(store: OpenStore):
    """What was taken is gone, and its key is free again."""
    await store.put("key", b"value", ttl=10)
    assert await store.take("key") == b"value"
    assert await store.take("key") is None
    assert await store.put_if_absent("key", b"next", ttl=10) is True


async def test_one_of_many_takers_gets_it(store: OpenStore):
    """Of fifty that take at once, one has the value and the others nothing."""
    await store.put("key", b"value", ttl=10)
    taken = await asyncio.gather(*(store.take("key") for _ in range(50)))
    assert sorted(value or b"" for value in taken) == [b""] * 49 + [b"value"]


async def test_one_of_many_putters_sets_it(store: OpenStore):
    """Of fifty that put if absent at once, exactly the one that was told so has set it."""
    values = [str(number).encode() for number in range(50)]
    were_set = await asyncio.gather(
        *(store.put_if_absent("key", value, ttl=10) for value in values)
    )
    assert were_set.count(True) == 1
    assert await store.read("key") == values[were_set.index(True)]


async def test_cancelling_one_leaves_the_store_working(store: OpenStore):
    """A caller that is cancelled at any point does not disturb those that come after."""
    for number in range(20):
        task = asyncio.create_task(store.put(f"key{number}", b"value", ttl=10))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
    await store.put("key", b"value", ttl=10)
    assert await store.read("key") == b"value"


@pytest.mark.parametrize("seed", range(20))
async def test_any_sequence_is_that_of_a_dictionary(store: OpenStore, clock: Hand, seed: int):
    """Whatever is done in whatever order, the answers are those of a plain model."""
    chance = random.Random(seed)
    model: dict[str, tuple[bytes, float]] = {}
    for step in range(150):
        key, value, ttl = chance.choice("abcd"), str(step).encode(), chance.randrange(60, 600, 60)
        there = model[key][0] if key in model and model[key][1] > clock.time else None
        match chance.randrange(5):
            case 0:
                assert await store.read(key) == there
            case 1:
                assert await store.take(key) == there
                model.pop(key, None)
            case 2:
                assert await store.put_if_absent(key, value, ttl=ttl) is (there is None)
                if there is None:
                    model[key] = (value, clock.time + ttl)
            case 3:
                await store.put(key, value, ttl=ttl)
                model[key] = (value, clock.time + ttl)
            case _:
                await clock.turn(chance.randrange(0, 180, 60))


async def test_a_lease_is_held_by_one(store: OpenStore):
    """While a name is held nobody else gets it, and other names are free."""
    held = await store.lease("lane", wait=0, queue=0)
    assert held is not None
    assert await store.lease("lane", wait=0, queue=0) is None
    assert await store.lease("other", wait=0, queue=0) is not None
    await held.release()
    assert await store.lease("lane", wait=0, queue=0) is not None


async def test_names_of_leases_are_no_keys(store: OpenStore):
    """A value and a lease of the same name have nothing to do with each other."""
    await store.put("lane", b"value", ttl=10)
    assert await store.lease("lane", wait=0, queue=0) is not None
    assert await store.read("lane") == b"value"


async def test_a_lease_ends_the_wait_of_the_next(store: OpenStore):
    """Who waits gets the name when it is released."""
    held = await store.lease("lane", wait=0, queue=0)
    assert held is not None
    waiter = asyncio.create_task(store.lease("lane", wait=60, queue=1))
    await asyncio.sleep(0)
    assert not waiter.done()
    await held.release()
    assert await waiter is not None


async def test_ping_answers(store: OpenStore):
    """A store that works says so, and its values stay as they are."""
    await store.put("key", b"value", ttl=10)
    await store.ping()
    assert await store.read("key") == b"value"


async def test_two_memory_stores_share_nothing():
    """Each memory store is a store of its own."""
    async with AsyncExitStack() as stack:
        one, two = [await stack.enter_async_context(open_store("memory")) for _ in range(2)]
        await one.put("key", b"value", ttl=10)
        assert await two.read("key") is None
