from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable

import attrs
import loguru
import pytest

from gateway.events import Event, Finish, Ping, TextDelta
from gateway.pipeline.chain import Chain
from gateway.pipeline.exchange import Segment
from gateway.pipeline.reader import Reader
from gateway.pipeline.wrapped import Wrapped
from gateway.plugin import Context, NoConfig, Plugin, Turn
from gateway.testing.kit import ManualClock, assert_grammar
from tests.gateway.lane import (
    FAILED,
    USAGE,
    Broken,
    Holding,
    Said,
    ScriptedRun,
    guarded,
    logged,
    text,
    texts,
)


Flow = AsyncGenerator[Event, None]


@attrs.define
class Wrapping(Plugin[NoConfig]):
    """A plugin whose `wrap` is this function."""

    how: Callable[[Flow], Flow]

    def wrap(self, flow, context):
        return self.how(flow)


@attrs.define
class Setup:
    """A wrapped flow, and what is below it."""

    wrapped: Wrapped
    run: ScriptedRun

    async def events(self) -> list[Event]:
        """All that goes on, to the answer's ending."""
        out: list[Event] = []
        async for batch in self.wrapped:
            out += batch
        endings = [i for i, event in enumerate(out) if event in (Finish(), FAILED)]
        return out[: endings[0] + 1] if endings else out


def wrapped(how: Callable[[Flow], Flow], *says: Said, bypass: bool = False) -> Setup:
    clock, run = ManualClock(), ScriptedRun(says)
    below = Segment(Reader(aiter(run), clock), Chain([]), clock, loguru.logger)
    turn = guarded(Turn(), bypass=bypass)
    return Setup(Wrapped(Wrapping(how), below, Context("r", clock), turn), run)


def codes(events: list[Event]) -> list[str | None]:
    return [getattr(event, "code", None) for event in events]


async def passing(flow: Flow) -> Flow:
    async for event in flow:
        yield event


async def shouting(flow: Flow) -> Flow:
    async for event in flow:
        if isinstance(event, TextDelta):
            event = attrs.evolve(event, text=event.text.upper())  # noqa: PLW2901
        yield event


def failing_at(at: Event, how: Callable[[Flow], Flow] = passing) -> Callable[[Flow], Flow]:
    """Raises when it has been given this event."""

    async def flow_of(flow: Flow) -> Flow:
        async def until_then() -> Flow:
            async for event in flow:
                if event == at:
                    raise Broken
                yield event

        async for event in how(until_then()):
            yield event

    return flow_of


ANSWER: list[Said] = [[Ping()], [text("a"), text("b")], [text("c")], [USAGE, Finish()]]
EVENTS = [Ping(), text("a"), text("b"), text("c"), USAGE, Finish()]


class TestFlow:
    @pytest.mark.parametrize("bypass", [False, True])
    async def test_what_it_gives_goes_on(self, bypass):
        """Event by event, pings too."""
        assert await wrapped(passing, *ANSWER, bypass=bypass).events() == EVENTS
        assert texts(await wrapped(shouting, *ANSWER, bypass=bypass).events()) == "ABC"

    async def test_it_may_wait(self):
        """That is what it is for."""

        async def looking_up(flow: Flow) -> Flow:
            async for event in flow:
                for _ in range(3):
                    await asyncio.sleep(0)
                yield event

        assert await wrapped(looking_up, *ANSWER).events() == EVENTS

    async def test_it_may_add(self):
        """What it adds goes on in its place."""

        async def greeting(flow: Flow) -> Flow:
            yield text("Hello. ")
            async for event in flow:
                yield event

        events = await wrapped(greeting, *ANSWER).events()
        assert_grammar(events)
        assert texts(events) == "Hello. abc"

    async def test_it_may_end_the_answer(self):
        """The rest is read unseen, to its end."""

        async def stopping(flow: Flow) -> Flow:
            async for event in flow:
                yield event
                if event == text("a"):
                    yield Finish()

        made = wrapped(stopping, *ANSWER)
        assert await made.events() == [Ping(), text("a"), Finish()]
        assert made.run.read_out
        assert made.run.closed

    async def test_the_turns_below_are_flushed_for_it(self):
        """What is held below comes before the ending."""
        clock, run = ManualClock(), ScriptedRun(ANSWER)
        chain = Chain([guarded(Holding())])
        below = Segment(Reader(aiter(run), clock), chain, clock, loguru.logger)
        made = Wrapped(Wrapping(passing), below, Context("r", clock), guarded(Turn()))
        assert [event async for batch in made for event in batch] == EVENTS

    async def test_closing_it_closes_all(self):
        """Plugin, flow and source; not some time later."""
        closed = []

        async def noting(flow: Flow) -> Flow:
            try:
                async for event in flow:
                    yield event
            finally:
                closed.append(1)

        made = wrapped(noting, [text("a")], asyncio.Event())
        flow = aiter(made.wrapped)
        assert await anext(flow) == [text("a")]
        await flow.aclose()
        assert closed == [1]
        assert made.run.closed

    async def test_cancelling_it_closes_all(self):
        """While the plugin waits for something of its own."""
        waiting, closed = asyncio.Event(), []

        async def waits(flow: Flow) -> Flow:
            try:
                async for event in flow:
                    waiting.set()
                    await asyncio.Event().wait()
                    yield event
            finally:
                closed.append(1)

        made = wrapped(waits, [text("a")], asyncio.Event())
        task = asyncio.create_task(made.events())
        await waiting.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert closed == [1]
        assert made.run.closed


class TestFail:
    @pytest.mark.parametrize("at", [Ping(), text("a"), text("c"), USAGE, Finish()])
    async def test_an_error_ends_the_answer(self, at):
        """Whenever it fails; what went on before stands, and Letta is read to the end."""
        made = wrapped(failing_at(at), *ANSWER)
        with logged() as lines:
            events = await made.events()
        before = EVENTS[: EVENTS.index(at)]
        assert events[: len(before)] == before
        assert codes(events)[len(before)] == "plugin_failed"
        assert len(lines) == 1
        assert made.run.read_out

    async def test_a_flow_that_ends_without_an_ending(self):
        """That is a failure."""

        async def forgetful(flow: Flow) -> Flow:
            async for event in flow:
                if isinstance(event, TextDelta):
                    yield event

        with logged():
            events = await wrapped(forgetful, *ANSWER).events()
        assert texts(events) == "abc"
        assert codes(events)[3] == "plugin_failed"

    async def test_wrap_itself_fails(self):
        """There is no flow at all."""

        def broken(flow: Flow) -> Flow:
            raise Broken

        with logged():
            events = await wrapped(broken, *ANSWER).events()
        assert codes(events)[0] == "plugin_failed"

    async def test_wrap_gives_no_flow(self):
        """A coroutine that was forgotten to be a generator, for example."""
        with logged():
            events = await wrapped(lambda flow: [text("x")], *ANSWER).events()  # type: ignore[arg-type, return-value]
        assert codes(events)[0] == "plugin_failed"


class TestBypass:
    @pytest.mark.parametrize("how", [passing, shouting])
    @pytest.mark.parametrize("at", [Ping(), text("a"), text("b"), text("c"), USAGE, Finish()])
    async def test_nothing_is_lost(self, at, how):
        """Whenever it fails: the event it failed at and all that follow go on as they were."""
        made = wrapped(failing_at(at, how), *ANSWER, bypass=True)
        with logged() as lines:
            events = await made.events()
        assert_grammar(events)
        assert texts(events).lower() == "abc"
        assert events[EVENTS.index(at) :] == EVENTS[EVENTS.index(at) :]
        assert len(lines) == 1
        assert made.run.read_out

    @pytest.mark.parametrize("at", [text("b"), text("c"), USAGE, Finish()])
    async def test_nothing_that_it_held_is_lost(self, at):
        """It was given the events and had not passed them on."""

        async def holding(flow: Flow) -> Flow:
            held: list[Event] = []
            async for event in flow:
                held.append(event)
                if event == at:
                    raise Broken
                if len(held) == 2:
                    yield held.pop(0)
            for event in held:
                yield event

        with logged():
            events = await wrapped(holding, *ANSWER, bypass=True).events()
        assert events == EVENTS

    async def test_nothing_that_it_read_ahead_is_lost(self):
        """It passed one of what it was given, and then failed."""

        async def reading_ahead(flow: Flow) -> Flow:
            ahead = [await anext(flow) for _ in range(3)]
            yield ahead[0]
            raise Broken

        with logged():
            assert await wrapped(reading_ahead, *ANSWER, bypass=True).events() == EVENTS

    async def test_a_time_limit_of_its_own_loses_nothing(self):
        """A plugin that cancels its read ends its flow, not Letta's answer."""
        gate = asyncio.Event()

        async def impatient(flow: Flow) -> Flow:
            async with asyncio.timeout(0.01):
                async for event in flow:
                    yield event

        made = wrapped(impatient, [text("a")], gate, [text("b")], [Finish()], bypass=True)
        with logged() as lines:
            flow = aiter(made.wrapped)
            out: list[Event] = [*(await anext(flow))]
            while not lines:
                out += await anext(flow)
            gate.set()
            async for batch in flow:
                out += batch
        assert out == [text("a"), text("b"), Finish()]

    async def test_wrap_itself_fails(self):
        """The answer goes on as if it were not there."""

        def broken(flow: Flow) -> Flow:
            raise Broken

        with logged():
            assert await wrapped(broken, *ANSWER, bypass=True).events() == EVENTS

    async def test_a_flow_that_ends_without_an_ending(self):
        """It kept the ending for itself; it goes on."""

        async def forgetful(flow: Flow) -> Flow:
            async for event in flow:
                if isinstance(event, TextDelta):
                    yield event

        with logged():
            events = await wrapped(forgetful, *ANSWER, bypass=True).events()
        assert events == [text("a"), text("b"), text("c"), USAGE, Finish()]

    async def test_a_flow_that_fails_to_close(self):
        """The answer is whole already."""

        async def untidy(flow: Flow) -> Flow:
            try:
                async for event in flow:
                    yield event
            finally:
                raise Broken

        with logged():
            assert await wrapped(untidy, *ANSWER, bypass=True).events() == EVENTS
