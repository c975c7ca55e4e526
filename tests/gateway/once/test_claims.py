"""Who runs the turn of a key."""

from __future__ import annotations

import asyncio

import pytest

from gateway.errors import Reject, StoreError
from gateway.once import claims as module
from gateway.once.claims import Claim, Claimed, claim, is_alive
from gateway.store.memory import MemoryStore
from tests.plugins.watched import Watched


async def test_one_of_many_has_it():
    """Of fifty at once one claims the key, and all others find its claim."""
    store = MemoryStore()
    found = await asyncio.gather(*(claim(store, "n", "d", 60) for _ in range(50)))
    (ours,) = [each for each in found if isinstance(each, Claimed)]
    assert [each for each in found if each != ours.claim] == [ours]


async def test_its_owner_lives():
    """As long as the lease is held; the claim stays after that, until it is freed."""
    store = MemoryStore()
    ours = await claim(store, "n", "d", 60)
    assert isinstance(ours, Claimed)
    assert await is_alive(store, "n")
    await ours.lease.release()
    assert not await is_alive(store, "n")
    assert await claim(store, "n", "other", 60) == ours.claim
    await ours.free()
    assert isinstance(await claim(store, "n", "other", 60), Claimed)


async def test_it_is_kept_from_now_on():
    """For as long as is said."""
    now = 0.0
    store = MemoryStore(lambda: now)
    ours = await claim(store, "n", "d", 10)
    assert isinstance(ours, Claimed)
    now = 9.0
    await ours.keep(10)
    now = 18.0
    assert isinstance(await claim(store, "n", "d", 10), Claim)
    now = 19.0
    await ours.lease.release()
    assert isinstance(await claim(store, "n", "d", 10), Claimed)


async def test_a_store_that_fails_leaves_no_lease():
    """Who comes when it works again has the key."""
    store = Watched()
    store.broken = {"put_if_absent"}
    with pytest.raises(StoreError):
        await claim(store, "n", "d", 60)
    store.broken = set()
    assert isinstance(await claim(store, "n", "d", 60), Claimed)


async def test_a_lease_without_a_claim(monkeypatch):
    """Whoever has the lease and claims nothing does not hold others up for ever."""
    monkeypatch.setattr(module, "_PAUSE", 0.001)
    store = MemoryStore()
    await store.lease("n", wait=0, queue=0)
    with pytest.raises(Reject) as caught:
        await claim(store, "n", "d", 60)
    assert (caught.value.status, caught.value.code) == (409, "idempotency_unknown")


async def test_two_who_look_at_once():
    """Neither takes the other for the owner."""
    store = MemoryStore()
    assert await asyncio.gather(*(is_alive(store, "n") for _ in range(20))) == [False] * 20


def test_a_claim_comes_back():
    """As it was stored."""
    assert Claim.load(Claim("d", "/once/ada/\udcff").dump()).digest == "d"
