"""Where a stream is kept, in every kind of store."""

from __future__ import annotations

import asyncio

import pytest

from gateway.events import Finish
from gateway.streams.pages import Page
from gateway.streams.place import Place
from gateway.streams.written import dump
from tests.gateway.lane import text
from tests.gateway.store.stores import WITH_REDIS, opened
from tests.gateway.streams.twins import HEAD


@pytest.fixture(name="place", params=WITH_REDIS)
async def _place(request, tmp_path):
    async with opened(request.param, tmp_path) as store:
        yield Place(store, "/stream/ada/1")


async def test_its_head(place):
    """None before there is one; then the newest."""
    assert await place.head() is None
    await place.put_head(HEAD, 60)
    assert await place.head() == HEAD


async def test_its_pages(place):
    """They come with the number to go on from."""
    pages = [Page(1, []), Page(1, [text("a")]), Page(2, [text("b"), Finish()])]
    await place.append([dump(pages[0]), dump(pages[1])], 60, 1000)
    after, got = await place.pages(0, 0)
    assert got == pages[:2]
    waiting = asyncio.create_task(place.pages(after, 10))
    await place.append([dump(pages[2])], 60, 1000)
    assert await waiting == (3, [pages[2]])
    assert await place.pages(3, 0) == (3, [])


async def test_its_writer_lives(place):
    """As long as the lease is held; those who look do not take each other for the writer."""
    lease = await place.lease()
    assert lease is not None
    assert await place.lease() is None
    assert await place.is_written()
    await lease.release()
    assert await asyncio.gather(*(place.is_written() for _ in range(5))) == [False] * 5


async def test_its_readers(place):
    """They are those of this stream."""
    await place.readers.come("one", 60)
    assert await place.readers.there() == {"one"}
    assert await Place(place.store, "/stream/ada/2").readers.there() == set()


async def test_it_is_cleared(place):
    """Then there is nothing, and it may begin anew."""
    await place.put_head(HEAD, 60)
    await place.append([dump(Page(1, [text("a")]))], 60, 1000)
    await place.clear()
    assert await place.head() is None
    assert await place.pages(0, 0) == (0, [])
