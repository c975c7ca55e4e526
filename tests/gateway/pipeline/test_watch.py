from __future__ import annotations

import asyncio

import attrs
import loguru
import pytest

from gateway.pipeline import watch
from gateway.pipeline.watch import (
    AT_WORK,
    BLOCKING_SECONDS,
    Tally,
    Watched,
    Worker,
    unwatched,
    watch_tasks,
)
from tests.gateway.lane import Broken, logged


def worker() -> Worker:
    return Worker("p", Tally(), loguru.logger)


def noting() -> list[float]:
    return []


@attrs.define
class Seconds:
    """A clock that a test moves."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


class TestStep:
    def test_what_it_gives(self):
        """Or raises: nothing is different for the plugin."""
        assert worker().step(divmod, 7, 2) == (3, 1)
        with pytest.raises(ZeroDivisionError):
            worker().step(divmod, 7, 0)
        assert AT_WORK.worker is None

    def test_one_within_another(self):
        """Each is at work while its step runs."""
        outer, inner = worker(), worker()

        def step():
            assert AT_WORK.worker is outer
            inner.step(lambda: None)
            assert AT_WORK.worker is outer

        outer.step(step)


class TestTook:
    def test_long_steps_are_told_once(self):
        """And all of them counted."""
        made = worker()
        with logged() as lines:
            made.took(BLOCKING_SECONDS)
            assert lines == []
            made.took(0.2)
            made.took(0.3)
        assert made.tally.blocked == 2
        assert lines == [
            "WARNING plugin p has blocked everything for 200 ms: it has to await what takes time\n"
        ]

    async def test_waiting_is_not_blocking(self, monkeypatch):
        """Only what keeps the process counts: between two waits, and before the first."""
        clock, steps = Seconds(), noting()
        monkeypatch.setattr(watch.time, "perf_counter", clock)
        begun, answer = asyncio.Event(), asyncio.get_running_loop().create_future()

        async def work():
            clock.now += 2
            begun.set()
            seconds = await answer
            clock.now += seconds

        running = asyncio.create_task(worker().run(work, took=steps.append))
        await begun.wait()
        clock.now += 1000
        answer.set_result(3)
        await running
        assert steps == [2, 3]


class TestRun:
    async def test_as_await_does_it(self):
        """Values, errors, and whatever is awaited on the way."""
        made = worker()

        async def work(value):
            await asyncio.sleep(0)
            future = asyncio.get_running_loop().create_future()
            asyncio.get_running_loop().call_soon(future.set_result, value)
            return await future

        async def fails():
            await asyncio.sleep(0)
            raise Broken

        assert await made.run(work, 7) == 7
        with pytest.raises(Broken):
            await made.run(fails)
        assert AT_WORK.worker is None

    @pytest.mark.parametrize("raised", [SystemExit, asyncio.CancelledError])
    async def test_what_would_take_others_along(self, raised):
        """It is an error like any other if nobody has asked for it."""

        async def work():
            await asyncio.sleep(0)
            raise raised

        with pytest.raises(RuntimeError, match=f"it raised {raised.__name__}"):
            await worker().run(work)

    async def test_a_time_limit_of_its_own(self):
        """It is no cancellation of the request."""

        async def work():
            try:
                async with asyncio.timeout(0):
                    await asyncio.Event().wait()
            except TimeoutError:
                return "in time"

        assert await worker().run(work) == "in time"

    async def test_cancelled(self):
        """It can put things away, and the cancellation passes."""
        log, begun = [], asyncio.Event()

        async def work():
            try:
                begun.set()
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0)
                log.append("away")

        made = worker()
        task = asyncio.create_task(made.run(work))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert log == ["away"]
        assert made.tally.failures == 0

    @pytest.mark.parametrize("instead", [None, Broken(), SystemExit()])
    async def test_cancelled_and_silent_about_it(self, instead):
        """Whatever a plugin makes of it, a cancelled request is."""
        begun = asyncio.Event()

        async def work():
            try:
                begun.set()
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                if instead is not None:
                    raise instead from None

        made = worker()
        with logged("ERROR") as lines:
            task = asyncio.create_task(made.run(work))
            await begun.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert made.tally.failures == len(lines) == 1
        assert "plugin p has been cancelled and does not say so" in lines[0]

    async def test_cancelled_and_going_on_for_ever(self, monkeypatch):
        """It is given up after a while."""
        monkeypatch.setattr(watch, "CLOSING_SECONDS", 0.01)
        begun = asyncio.Event()

        async def work():
            while True:
                try:
                    begun.set()
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    pass

        task = asyncio.create_task(worker().run(work))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert task.cancelling() == 1

    async def test_a_closed_task(self):
        """Closing it closes the work."""
        log = []

        async def work():
            try:
                await asyncio.Event().wait()
            finally:
                log.append("closed")

        waits = Watched(work(), worker(), lambda _: None).__await__()
        waits.send(None)
        waits.close()
        assert log == ["closed"]


@attrs.define
class Started:
    """Tasks of a test, ended with it."""

    gate: asyncio.Event = attrs.field(factory=asyncio.Event)
    tasks: list[asyncio.Task[object]] = attrs.field(factory=list)

    async def lingers(self):
        await self.gate.wait()

    def start(self) -> asyncio.Task[object]:
        self.tasks.append(asyncio.create_task(self.lingers()))
        return self.tasks[-1]

    async def end(self):
        self.gate.set()
        await asyncio.gather(*self.tasks, return_exceptions=True)


@pytest.fixture(name="started")
async def _started():
    watch_tasks()
    watch_tasks()  # a second pipeline, at a reload
    made = Started()
    yield made
    await made.end()


class TestLeave:
    async def test_what_goes_on_is_named(self, started):
        """By the plugin and by what it runs; it is not ended, others may wait for it."""
        made = worker()
        made.step(started.start)
        with logged() as lines:
            made.leave()
            made.leave()
        assert made.tally.leaked == len(lines) == 1
        assert "plugin p has left Started.lingers running" in lines[0]
        assert not started.tasks[0].done()

    async def test_what_has_ended_or_is_about_to(self, started):
        """It is nobody's business."""
        made = worker()
        made.step(started.start).cancel()
        await made.run(asyncio.sleep, 0)
        with logged() as lines:
            made.leave()
        assert lines == []

    async def test_what_others_start(self, started):
        """Only a plugin's own steps count, and not what it spawns as it is meant to."""
        made = worker()
        started.start()
        spawn = unwatched(lambda work: started.tasks.append(asyncio.create_task(work)))
        made.step(spawn, started.lingers())
        with logged() as lines:
            made.leave()
        assert lines == []
        assert len(started.tasks) == 2

    async def test_what_the_gateway_starts_for_it(self):
        """A connection to the store, for example: the plugin does not know of it."""
        made = worker()
        made.step(lambda: made.started(asyncio.ensure_future(made.run(asyncio.sleep, 0))))
        with logged() as lines:
            tasks = set(made.tasks)
            made.leave()
        await asyncio.gather(*tasks)
        assert lines == []

    async def test_a_loop_with_tasks_of_its_own(self):
        """It keeps them."""
        loop = asyncio.get_running_loop()

        def factory(loop, work, **more):
            return asyncio.Task(work, loop=loop, **more)

        loop.set_task_factory(factory)
        watch_tasks()
        assert loop.get_task_factory() is factory
