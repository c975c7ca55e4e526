"""Which stream an idempotency key stands for."""

from __future__ import annotations

import asyncio

import pytest

from gateway.errors import Reject
from gateway.store.memory import MemoryStore
from gateway.streams.claims import Claim, Key, truncated, unknown


def key(store, digest="d"):
    return Key(store, "/once/ada/k", digest, ttl=60)


async def test_one_of_many_has_it():
    """Of fifty at once one claims the key, and all others find its stream."""
    store = MemoryStore()
    claimed = await asyncio.gather(*(key(store).claim(str(n), 60) for n in range(50)))
    assert claimed.count(True) == 1
    assert await key(store).claimed() == str(claimed.index(True))


async def test_another_request():
    """It is refused, and told so."""
    store = MemoryStore()
    assert await key(store).claimed() is None
    assert await key(store).claim("s", 60)
    with pytest.raises(Reject) as caught:
        await key(store, "other").claimed()
    assert (caught.value.status, caught.value.code) == (422, "idempotency_key_reused")
    assert not caught.value.retry


async def test_it_is_kept_from_now_on():
    """For as long as is said, and never for less than keys are kept."""
    now = 0.0
    store = MemoryStore(lambda: now)
    assert await key(store).claim("s", 60)
    now = 59.0
    await key(store).keep("s", 10)
    now = 118.0
    assert await key(store).claimed() == "s"
    await key(store).keep("s", 100)
    now = 217.0
    assert await key(store).claimed() == "s"
    now = 218.0
    assert await key(store).claimed() is None


async def test_it_is_freed():
    """The next request may run."""
    store = MemoryStore()
    assert await key(store).claim("s", 60)
    await key(store).free()
    assert await key(store, "other").claim("t", 60)


def test_a_claim_comes_back():
    """As it was stored."""
    assert Claim.load(Claim("d", "s").dump()) == Claim("d", "s")


@pytest.mark.parametrize(
    ("made", "code"), [(unknown, "idempotency_unknown"), (truncated, "idempotency_truncated")]
)
def test_what_cannot_be_replayed(made, code):
    """Nobody is to try again."""
    assert (made().status, made().code, made().retry) == (409, code, False)
