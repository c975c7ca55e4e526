"""Reading without a task, where the source has a way past its iteration."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence

import attrs
import pytest

from gateway.events import Event
from gateway.pipeline.reader import Reader
from gateway.services import LoopClock
from gateway.testing.kit import ManualClock
from tests.gateway.lane import Broken, text, until


A, B, C, D = (text(letter) for letter in "ABCD")


@attrs.define
class Source:
    """Says `first`, then lets itself be read past its iteration, and at the end says `last`."""

    first: Sequence[Event] = (A,)
    last: Sequence[Event] = (D,)
    fails: bool = False
    open: bool = True
    came: asyncio.Queue[list[Event] | None] = attrs.field(factory=asyncio.Queue)
    reads: int = 0
    closed: bool = False

    async def __aiter__(self) -> AsyncGenerator[Sequence[Event], None]:
        try:
            yield self.first
            if self.fails:
                raise Broken
            yield self.last
        finally:
            self.closed = True
            if self.fails:
                raise Broken

    async def read(self) -> list[Event] | None:
        """A queue loses nothing when a wait for it is cancelled."""
        self.reads += 1
        batch = await self.came.get()
        self.open = self.open and batch is not None
        return batch

    def shortcut(self) -> Source | None:
        return self if self.open else None


def reading(source: Source, clock: ManualClock | None = None) -> Reader:
    return Reader(aiter(source), clock or ManualClock(), source.shortcut)


async def test_there_is_no_task():
    """Once the source has said something, whoever takes reads himself."""
    source = Source()
    reader = reading(source)
    assert await reader.take(None) == [A]
    assert reader._task is None
    source.came.put_nowait([B])
    source.came.put_nowait([C])
    assert await reader.take(None) == [B]
    assert await reader.take(None) == [C]
    assert not source.closed
    await reader.aclose()


async def test_nothing_is_read_that_nobody_takes():
    """A client that reads slowly makes the source wait."""
    source = Source()
    reader = reading(source)
    await until(lambda: reader._task is None)
    source.came.put_nowait([B])
    assert await reader.take(None) == [A]
    assert source.reads == 0
    await reader.aclose()


async def test_the_iteration_goes_on():
    """When there is nothing more to read past it: it has the ending."""
    source = Source()
    reader = reading(source)
    assert await reader.take(None) == [A]
    source.came.put_nowait([B])
    source.came.put_nowait(None)
    assert await reader.take(None) == [B]
    assert await reader.take(None) == [D]
    assert await reader.take(None) == []
    assert (reader.exhausted, source.closed) == (True, True)
    await reader.aclose()


async def test_both_ways_in_turns():
    """The source may offer it again."""
    source = Source()
    reader = reading(source)
    assert await reader.take(None) == [A]
    source.came.put_nowait(None)
    taking = asyncio.create_task(reader.take(None))
    assert await taking == [D]
    assert await reader.take(None) == []
    await reader.aclose()


async def test_a_failure_of_the_iteration():
    """It is kept for whoever asks, as ever."""
    source = Source(fails=True)
    reader = reading(source)
    assert await reader.take(None) == [A]
    source.came.put_nowait(None)
    assert await reader.take(None) == []
    assert isinstance(reader.failure, Broken)
    assert reader.exhausted
    await reader.aclose()


async def test_drain():
    """To the end, in whichever way."""
    source = Source()
    reader = reading(source)
    for batch in ([B], [C], None):
        source.came.put_nowait(batch)
    await reader.drain()
    assert (reader.exhausted, source.closed) == (True, True)
    await reader.aclose()


class TestUntil:
    async def test_nothing_comes(self):
        """Nothing is given at that time, and what comes later is not lost."""
        source, clock = Source(), ManualClock()
        reader = reading(source, clock)
        await reader.take(None)
        for _ in range(3):
            taking = asyncio.create_task(reader.take(clock.now() + 5))
            await asyncio.sleep(0)
            clock.advance(5)
            assert await taking == []
        source.came.put_nowait([B])
        assert await reader.take(clock.now() + 5) == [B]
        await reader.aclose()

    async def test_whoever_takes_is_not_cancelled(self):
        """It was a timer that ended its wait: a later limit of its own still works."""
        source, clock = Source(), ManualClock()
        reader = reading(source, clock)
        await reader.take(None)

        async def takes() -> int:
            await reader.take(clock.now() + 5)
            return asyncio.current_task().cancelling()  # type: ignore[union-attr]

        taking = asyncio.create_task(takes())
        await asyncio.sleep(0)
        clock.advance(5)
        assert await taking == 0
        await reader.aclose()

    async def test_as_something_comes(self):
        """In one turn of the loop: it is given now or by the next."""
        source, clock = Source(), ManualClock()
        reader = reading(source, clock)
        await reader.take(None)
        taking = asyncio.create_task(reader.take(clock.now() + 5))
        await asyncio.sleep(0)
        source.came.put_nowait([B])
        clock.advance(5)
        got = await taking
        assert [*got, *([] if got else await reader.take(None))] == [B]
        await reader.aclose()

    async def test_as_whoever_takes_is_cancelled(self):
        """It is cancelled: the timer changes nothing about that."""
        source, clock = Source(), ManualClock()
        reader = reading(source, clock)
        await reader.take(None)
        for advance_first in (True, False):
            taking = asyncio.create_task(reader.take(clock.now() + 5))
            await asyncio.sleep(0)
            if advance_first:
                clock.advance(5)
            taking.cancel()
            clock.advance(5)
            with pytest.raises(asyncio.CancelledError):
                await taking
        source.came.put_nowait([B])
        assert await reader.take(None) == [B]
        await reader.aclose()

    async def test_within_a_limit_of_ones_own(self):
        """Both end in the same turn: the limit is the caller's."""
        source, clock = Source(), ManualClock()
        reader = reading(source, clock)
        await reader.take(None)
        loop = asyncio.get_running_loop()

        async def limited() -> list[Event]:
            async with asyncio.timeout_at(loop.time()):
                loop.call_soon(clock.advance, 5)
                return await reader.take(clock.now() + 5)

        with pytest.raises(TimeoutError):
            await limited()
        source.came.put_nowait([B])
        assert await reader.take(None) == [B]
        await reader.aclose()

    async def test_on_the_loops_own_clock(self):
        """As in production; a time that has passed is no wait."""
        source, clock = Source(), LoopClock()
        reader = Reader(aiter(source), clock, source.shortcut)
        await reader.take(None)
        assert await reader.take(clock.now() - 1) == []
        assert await reader.take(clock.now() + 0.001) == []
        await reader.aclose()


class TestCancelled:
    async def test_nothing_is_lost(self):
        """Whoever takes next reads on."""
        source = Source()
        reader = reading(source)
        await reader.take(None)
        taking = asyncio.create_task(reader.take(None))
        await asyncio.sleep(0)
        taking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await taking
        source.came.put_nowait([B])
        assert await reader.take(None) == [B]
        await reader.aclose()

    async def test_an_alarm_after_it(self):
        """There is nobody whom it could end."""
        source, clock = Source(), ManualClock()
        reader = reading(source, clock)
        await reader.take(None)
        taking = asyncio.create_task(reader.take(clock.now() + 5))
        await asyncio.sleep(0)
        taking.cancel()
        await asyncio.gather(taking, return_exceptions=True)
        clock.advance(5)
        source.came.put_nowait([B])
        assert await reader.take(None) == [B]
        await reader.aclose()


class TestClose:
    async def test_the_source_is_closed(self):
        """Where its iteration waits."""
        source = Source()
        reader = reading(source)
        await reader.take(None)
        await reader.aclose()
        assert (reader.exhausted, source.closed, reader.failure) == (True, True, None)
        await reader.aclose()

    async def test_a_source_that_fails_to_close(self):
        """It is nobody's answer any more."""
        source = Source(fails=True)
        reader = reading(source)
        await reader.take(None)
        await reader.aclose()
        assert isinstance(reader.failure, Broken)

    async def test_no_timer_is_left(self):
        """A clock that still ran for a request that is over would hold it in memory."""
        source, clock = Source(), ManualClock()
        reader = reading(source, clock)
        await reader.take(None)
        taking = asyncio.create_task(reader.take(clock.now() + 5))
        await asyncio.sleep(0)
        taking.cancel()
        await asyncio.gather(taking, return_exceptions=True)
        await reader.aclose()
        assert all(timer.cancelled for timer in clock._timers)
