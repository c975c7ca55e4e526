"""The streams that run in this process."""

from __future__ import annotations

import asyncio

import attrs
import pytest

from gateway.errors import Reject
from gateway.events import Finish
from gateway.store.memory import MemoryStore
from gateway.streams.kept import INTERRUPTED, Keep
from tests.gateway.lane import text
from tests.gateway.streams.twins import ADA, first, twins
from tests.plugins.watched import Watched


async def test_they_are_found_by_their_names():
    """As long as they run."""
    gate = asyncio.Event()
    async with twins(says=[[text("a")], gate, []]) as both:
        stream = await both.start()
        async with stream:
            assert await anext(aiter(stream)) == [text("a")]
            running, name = both.streams._running, both.name(stream)
            assert running.get(name) is not None
            assert running.get("/stream/ada/other") is None
            assert not running.stop("/stream/ada/other")
            assert running.stop(name)
            assert [e.code for b in [await anext(aiter(stream))] for e in b] == [INTERRUPTED]
        await both.ended()
        assert running.get(name) is None
        assert not running.stop(name)


async def test_their_ends_are_told():
    """To the surface, once, whoever reads them; what ended can be looked at then."""
    ended = []

    async def note(stream_id):
        ended.append((stream_id, await both.streams.look(stream_id, ADA)))

    gate = asyncio.Event()
    async with twins(says=[[text("a")], gate, [text("b"), Finish()]]) as both:
        stream = await both.start(Keep(ended=note))
        await first(stream)
        assert ended == []
        gate.set()
        await both.ended()
    ((stream_id, stood),) = ended
    assert (stream_id, stood.state) == (stream.id, "finished")


async def test_the_plugins_stay_open_for_them():
    """From before the first client may leave until the end."""
    in_use = 0

    class Counted:
        def __init__(self, inner):
            self.inner = inner

        def __getattr__(self, name):
            return getattr(self.inner, name)

        def in_use(self):
            return self

        def __enter__(self):
            nonlocal in_use
            in_use += 1

        def __exit__(self, *_):
            nonlocal in_use
            in_use -= 1

    gate = asyncio.Event()
    async with twins(says=[[text("a")], gate]) as both:
        both.made.pipeline = Counted(both.made.pipeline)
        stream = await both.start()
        assert in_use == 1
        await first(stream)
        assert in_use == 1
        both.streams._running.stop(both.name(stream))
        await both.ended()
        assert in_use == 0


async def test_a_store_that_has_lost_everything():
    """The key of a stream that runs here stands for it all the same, now and later."""
    store, gate = Watched(), asyncio.Event()
    async with twins(says=[[text("a")], gate, [Finish()]], store=store) as both:
        async with await both.start(key="k") as stream:
            assert await anext(aiter(stream)) == [text("a")]
            store.inner = MemoryStore()
            other = attrs.evolve(both.call("k"), body={"model": "Otto"})
            with pytest.raises(Reject, match="another request"):
                await both.begin(other)
            async with await both.start(key="k") as again:
                assert again.id == stream.id
                gate.set()
                assert [e for batch in [b async for b in again] for e in batch] == [
                    text("a"),
                    Finish(),
                ]
        await both.ended()
        with pytest.raises(Reject, match="kept"):
            await both.begin(both.call("k"))
        assert both.asked == 1
