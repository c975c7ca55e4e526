"""How a kept stream begins."""

from __future__ import annotations

import asyncio

import loguru
import pytest

from gateway.background import Background
from gateway.call import Call
from gateway.errors import StoreError
from gateway.plugin import Context
from gateway.streams.claims import Key
from gateway.streams.control import Control
from gateway.streams.identity import is_id
from gateway.streams.kept import Keep, Limits
from gateway.streams.opening import Asked, Opening
from gateway.streams.talks import Talks
from gateway.testing.kit import ManualClock
from tests.gateway.lane import lane
from tests.gateway.streams.twins import ADA
from tests.plugins.watched import Watched


def asked(pipeline, store, *, key=True, keep=None):
    return Asked(
        pipeline,
        Call("Milo", ()),
        Context("r", ManualClock(), ADA, surface="responses"),
        keep or Keep(),
        Key(store, "/once/ada/k", "d", 60) if key else None,
        Limits(60, None, 1000),
    )


def opening(store):
    logger, spawn = loguru.logger, Background(loguru.logger).spawn
    talks = Talks(store, spawn, Control(store, logger), logger)
    return Opening(store, spawn, logger, "w", talks)


async def test_what_stands_from_the_start():
    """Its head is stored before the key is claimed, and its writer lives by then."""
    store = Watched()
    async with lane() as made:
        keep = Keep(facts={"store": True}, background=True)
        journal = await opening(store).journal(asked(made.pipeline, store, keep=keep))
    assert journal is not None
    head = await journal.place.head()
    assert head == journal.head
    assert is_id(head.id)
    assert (head.request_id, head.surface, head.model, head.writer) == (
        "r",
        "responses",
        "Milo",
        "w",
    )
    assert (head.facts, head.background, head.prepared) == ({"store": True}, True, False)
    assert await journal.place.is_written()
    assert store.done[:3] == ["lease", "put", "put_if_absent"]


async def test_one_of_many_begins():
    """The others find the key claimed, and leave nothing behind."""
    store = Watched()
    async with lane() as made:
        one = opening(store)
        all_of_them = await asyncio.gather(
            *(one.journal(asked(made.pipeline, store)) for _ in range(20))
        )
    begun = [journal for journal in all_of_them if journal is not None]
    assert len(begun) == 1
    assert set(store.inner._entries) == {begun[0].place.name, "/once/ada/k"}


async def test_nobody_has_the_same_id():
    """However many there are."""
    store = Watched()
    async with lane() as made:
        one = opening(store)
        some = [await one.journal(asked(made.pipeline, store, key=False)) for _ in range(100)]
    assert len({journal.head.id for journal in some if journal is not None}) == 100


@pytest.mark.parametrize("operation", ["lease", "put", "put_if_absent"])
async def test_a_store_that_fails(operation):
    """It does not begin, and its name is free."""
    store = Watched()
    store.broken = {operation}
    async with lane() as made:
        with pytest.raises(StoreError):
            await opening(store).journal(asked(made.pipeline, store))
    assert store.queues._leases._queues == {}
