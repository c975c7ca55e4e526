"""Who reads a running stream."""

from __future__ import annotations

import loguru
import pytest

from gateway.background import Background
from gateway.store.memory import MemoryStore
from gateway.streams.place import Place
from gateway.streams.readers import ENTERING_SECONDS, LEAVING_SECONDS, Readers
from gateway.testing.kit import ManualClock
from tests.plugins.watched import Watched


GRACE = 60.0


class Watch:
    """Readers over a clock that stands still, and how often nobody was there."""

    def __init__(self, grace=GRACE):
        clock = ManualClock()
        self.store, self.clock = Watched(MemoryStore(clock.now)), clock
        self.background = Background(loguru.logger)
        self.place = Place(self.store, "/stream/ada/1")
        self.readers = Readers(self.place, self.clock, grace, self.background.spawn, loguru.logger)
        self.nobody, self.awaited = 0, 0

    async def alone(self, awaited):
        self.nobody += 1
        self.awaited += awaited

    async def after(self, seconds):
        """How often nobody was there when so much time has gone by."""
        self.clock.advance(seconds)
        async with self.background:
            pass
        return self.nobody


async def test_nobody_comes():
    """The one who began it has a moment to come, whatever the grace."""
    watch = Watch(grace=0.0)
    watch.readers.open(watch.alone)
    assert await watch.after(ENTERING_SECONDS - 1) == 0
    assert await watch.after(1) == 1


async def test_the_last_one_goes():
    """The grace counts from then, and anew each time."""
    watch = Watch()
    watch.readers.enter()
    watch.readers.open(watch.alone)
    watch.readers.enter()
    watch.readers.leave()
    assert await watch.after(10 * GRACE) == 0
    watch.readers.leave()
    assert await watch.after(GRACE - 1) == 0
    watch.readers.enter()
    assert await watch.after(10 * GRACE) == 0
    watch.readers.leave()
    assert await watch.after(GRACE) == 1


async def test_somebody_reads_it_elsewhere():
    """Then it is looked at again after a quarter of the grace, which counts from then."""
    watch = Watch()
    watch.readers.open(watch.alone)
    await watch.place.readers.come("one", GRACE + 1)
    assert await watch.after(GRACE) == 0
    await watch.place.readers.go("one", GRACE)
    assert await watch.after(GRACE / 4) == 0
    assert await watch.after(GRACE * 3 / 4 - 1) == 0
    assert await watch.after(1) == 1


async def test_a_store_that_does_not_answer():
    """Who reads it elsewhere comes back when it does; that is waited for, but not for ever."""
    watch = Watch()
    watch.store.broken = {"read_from"}
    watch.readers.open(watch.alone)
    assert await watch.after(GRACE) == 0
    watch.store.broken = set()
    await watch.place.readers.come("one", 10 * GRACE)
    assert await watch.after(GRACE) == 0
    watch.store.broken = {"read_from"}
    for _ in range(4):
        assert await watch.after(GRACE / 4) == 0
    assert await watch.after(GRACE / 4) == 0  # it has been there until just now
    assert [await watch.after(GRACE / 4) for _ in range(4)][-1] == 1


@pytest.mark.parametrize("grace", [None, GRACE])
async def test_it_does_not_matter(grace):
    """For a stream in the background never, for others not after their end."""
    watch = Watch(grace)
    watch.readers.open(watch.alone)
    watch.readers.enter()
    if grace is not None:
        watch.readers.close()
    watch.readers.leave()
    assert await watch.after(10 * GRACE) == 0


async def test_another_request_waits():
    """Then it is at once that nobody reads it, if nobody does."""
    watch = Watch()
    watch.readers.enter()
    watch.readers.open(watch.alone)
    watch.readers.leave()
    watch.readers.make_way()
    assert await watch.after(0) == 1
    assert watch.awaited == 1


async def test_another_request_waits_and_somebody_reads():
    """It goes on. Who leaves in the next moment may be back in another, who does later in time."""
    watch = Watch()
    watch.readers.enter()
    watch.readers.open(watch.alone)
    watch.readers.make_way()
    assert await watch.after(LEAVING_SECONDS - 1) == 0
    watch.readers.leave()
    assert await watch.after(LEAVING_SECONDS - 1) == 0
    watch.readers.enter()
    watch.readers.make_way()
    watch.readers.leave()
    assert await watch.after(LEAVING_SECONDS) == 1
    watch.readers.enter()
    assert await watch.after(LEAVING_SECONDS) == 1
    watch.readers.leave()
    assert await watch.after(GRACE - 1) == 1
    assert await watch.after(1) == 2
    assert watch.awaited == 1


async def test_another_request_waits_and_somebody_reads_elsewhere():
    """That one is looked after for a moment, too."""
    watch = Watch()
    watch.readers.enter()
    watch.readers.open(watch.alone)
    watch.readers.leave()
    await watch.place.readers.come("one", GRACE)
    watch.readers.make_way()
    assert await watch.after(0) == 0
    await watch.place.readers.go("one", GRACE)
    assert await watch.after(1) == 1


async def test_another_request_waits_and_the_store_does_not_answer():
    """Somebody may be reading it elsewhere; it makes way as soon as the store says who is not."""
    watch = Watch()
    watch.readers.enter()
    watch.readers.open(watch.alone)
    watch.readers.leave()
    watch.store.broken = {"read_from"}
    watch.readers.make_way()
    assert await watch.after(0) == 0
    watch.store.broken = set()
    assert await watch.after(1) == 1
    assert watch.awaited == 1


async def test_another_request_waits_before_the_first_has_come():
    """The one who began it has a moment to come all the same."""
    watch = Watch()
    watch.readers.open(watch.alone)
    watch.readers.make_way()
    assert await watch.after(ENTERING_SECONDS - 1) == 0
    watch.readers.enter()
    assert await watch.after(10 * GRACE) == 0


async def test_another_request_waits_for_one_in_the_background():
    """It may wait."""
    watch = Watch(None)
    watch.readers.open(watch.alone)
    watch.readers.make_way()
    assert await watch.after(10 * GRACE) == 0
