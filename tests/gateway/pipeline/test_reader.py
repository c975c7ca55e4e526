from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence

import pytest

from gateway.events import Event
from gateway.pipeline import reader as module
from gateway.pipeline.reader import Alarm, Reader
from gateway.services import LoopClock
from gateway.testing.kit import ManualClock
from tests.gateway.lane import Broken, Said, ScriptedRun, text, until


def reading(*says: Said, clock: ManualClock | None = None) -> tuple[Reader, ScriptedRun]:
    """A reader, and the run that it reads."""
    run = ScriptedRun(says)
    return Reader(aiter(run), clock or ManualClock()), run


class TestAlarm:
    def test_rings_at_its_time(self):
        """And not before."""
        clock, rings = ManualClock(), asyncio.Event()
        Alarm(clock, rings.set).set(clock.now() + 5)
        clock.advance(4)
        assert not rings.is_set()
        clock.advance(1)
        assert rings.is_set()

    def test_the_earlier_time_counts(self):
        """Of two that are set."""
        clock, rings = ManualClock(), asyncio.Event()
        alarm = Alarm(clock, rings.set)
        alarm.set(clock.now() + 5)
        alarm.set(clock.now() + 9)
        alarm.set(clock.now() + 2)
        clock.advance(2)
        assert rings.is_set()

    def test_it_can_be_set_again(self):
        """After it has rung."""
        clock, rings = ManualClock(), asyncio.Event()
        alarm = Alarm(clock, rings.set)
        for _ in range(2):
            rings.clear()
            alarm.set(clock.now() + 1)
            clock.advance(1)
            assert rings.is_set()

    def test_stop(self):
        """It does not ring, and may be stopped twice."""
        clock, rings = ManualClock(), asyncio.Event()
        alarm = Alarm(clock, rings.set)
        alarm.set(clock.now() + 1)
        alarm.stop()
        alarm.stop()
        clock.advance(2)
        assert not rings.is_set()


class TestTake:
    async def test_all_that_has_come(self):
        """Several batches that came meanwhile are one."""
        reader, run = reading([text("a")], [text("b"), text("c")])
        await until(lambda: run.read_out)
        assert await reader.take(None) == [text("a"), text("b"), text("c")]
        assert await reader.take(None) == []
        assert reader.exhausted
        await reader.aclose()

    async def test_waits_for_the_first(self):
        """Nothing is given before something has come."""
        gate = asyncio.Event()
        reader, _run = reading(gate, [text("a")])
        taking = asyncio.create_task(reader.take(None))
        await asyncio.sleep(0)
        assert not taking.done()
        gate.set()
        assert await taking == [text("a")]
        await reader.aclose()

    async def test_until(self):
        """Nothing is given at that time if nothing has come."""
        clock = ManualClock()
        reader, run = reading(asyncio.Event(), clock=clock)
        taking = asyncio.create_task(reader.take(clock.now() + 5))
        await run.started.wait()
        clock.advance(5)
        assert await taking == []
        assert not reader.exhausted
        await reader.aclose()

    async def test_on_the_loops_own_clock(self):
        """As in production; a time that has passed is no wait."""
        run = ScriptedRun([asyncio.Event()])
        clock = LoopClock()
        reader = Reader(aiter(run), clock)
        assert await reader.take(clock.now() - 1) == []
        assert await reader.take(clock.now() + 0.001) == []
        await reader.aclose()

    async def test_cancelling_it_loses_nothing(self):
        """The read goes on; the next who takes gets what came."""
        gate = asyncio.Event()
        reader, run = reading(gate, [text("a")], [text("b")])
        taking = asyncio.create_task(reader.take(None))
        await run.started.wait()
        taking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await taking
        gate.set()
        await until(lambda: run.read_out)
        assert await reader.take(None) == [text("a"), text("b")]
        await reader.aclose()

    async def test_cancelling_it_as_something_comes_loses_nothing(self):
        """Both happen in one turn of the loop."""
        gate = asyncio.Event()
        reader, run = reading(gate, [text("a")])
        taking = asyncio.create_task(reader.take(None))
        await run.started.wait()
        gate.set()
        await until(lambda: run.read_out)
        taking.cancel()
        await asyncio.gather(taking, return_exceptions=True)
        got = [] if taking.cancelled() else taking.result()
        assert [*got, *await reader.take(None)] == [text("a")]
        await reader.aclose()

    async def test_a_source_that_fails(self):
        """What came before stands; the failure is kept for whoever asks."""
        reader, _run = reading([text("a")], Broken("no"))
        assert await reader.take(None) == [text("a")]
        assert await reader.take(None) == []
        assert reader.exhausted
        assert isinstance(reader.failure, Broken)
        await reader.aclose()


class TestHighWater:
    async def test_a_slow_consumer(self, monkeypatch):
        """The source waits for it, and nothing is lost."""
        monkeypatch.setattr(module, "HIGH_WATER", 3)
        batches = [[text(str(i))] for i in range(50)]
        reader, run = reading(*batches)
        taken: list[Event] = []
        most = 0
        while not reader.exhausted or not run.read_out:
            for _ in range(10):
                await asyncio.sleep(0)
            got = await reader.take(None)
            most = max(most, len(got))
            taken += got
        taken += await reader.take(None)
        assert taken == [event for batch in batches for event in batch]
        assert most == 4
        await reader.aclose()

    async def test_closing_while_the_source_waits(self, monkeypatch):
        """The source is closed, not left for later."""
        monkeypatch.setattr(module, "HIGH_WATER", 1)
        reader, run = reading([text("a"), text("b")], [text("c")])
        await run.started.wait()
        await asyncio.sleep(0)
        await reader.aclose()
        assert run.closed
        assert not run.read_out


class TestDrain:
    async def test_reads_to_the_end(self, monkeypatch):
        """And drops what comes."""
        monkeypatch.setattr(module, "HIGH_WATER", 1)
        reader, run = reading(*[[text("a")]] * 20)
        await reader.drain()
        assert run.read_out
        assert reader.exhausted
        await reader.aclose()


class TestClose:
    async def test_the_source_is_closed(self):
        """In the middle of a read, too."""
        reader, run = reading([text("a")], asyncio.Event())
        await reader.take(None)
        await reader.aclose()
        assert run.closed
        assert reader.exhausted
        assert reader.failure is None

    async def test_before_it_has_begun(self):
        """A request whose client left at once."""
        reader, run = reading([text("a")])
        await reader.aclose()
        assert not run.started.is_set()

    async def test_twice(self):
        """The second time there is nothing to do."""
        reader, _run = reading([text("a")])
        await reader.take(None)
        await reader.aclose()
        await reader.aclose()

    async def test_no_timer_is_left(self):
        """A clock that still ran for a request that is over would hold it in memory."""
        clock = ManualClock()
        reader, run = reading(asyncio.Event(), clock=clock)
        taking = asyncio.create_task(reader.take(clock.now() + 5))
        await run.started.wait()
        taking.cancel()
        await asyncio.gather(taking, return_exceptions=True)
        await reader.aclose()
        assert all(timer.cancelled for timer in clock._timers)

    async def test_a_source_that_fails_to_close(self):
        """It is nobody's answer any more."""

        async def source() -> AsyncGenerator[Sequence[Event], None]:
            try:
                yield [text("a")]
                await asyncio.Event().wait()
            finally:
                raise Broken

        reader = Reader(source(), ManualClock())
        assert await reader.take(None) == [text("a")]
        await reader.aclose()
        assert isinstance(reader.failure, Broken)
