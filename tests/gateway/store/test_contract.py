"""What every store promises, whichever the settings name."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Literal, cast

import attrs
import pytest

from gateway.store import OpenStore, open_store


@attrs.define
class Hand:
    """A clock that a test turns by hand."""

    time: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock() -> Hand:
    return Hand()


@pytest.fixture(params=["memory", "sqlite"])
async def store(
    request: pytest.FixtureRequest, tmp_path: Path, clock: Hand
) -> AsyncIterator[OpenStore]:
    use = cast("Literal['memory', 'sqlite']", request.param)
    async with open_store(use, path=tmp_path / "state" / "gateway.db", now=clock) as opened:
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
    clock.time += 11
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
    await store.put("key", b"value", ttl=10)
    clock.time += 9.5
    assert await store.read("key") == b"value"
    clock.time += 0.5
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
    clock.time += 10
    assert await store.read("key") is None


async def test_put_if_absent_takes_the_place_of_the_expired(store: OpenStore, clock: Hand):
    """An expired value is no value, also before anything has swept it."""
    await store.put("key", b"first", ttl=10)
    clock.time += 10
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
        key, value, ttl = chance.choice("abcd"), str(step).encode(), chance.randrange(1, 9)
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
                clock.time += chance.randrange(3)


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
