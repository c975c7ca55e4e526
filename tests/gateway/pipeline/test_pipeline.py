from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import attrs
import loguru
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.call import Agent, Model
from gateway.errors import LettaError, Reject, StartError
from gateway.events import Error, Event, Finish, Ping, ReasoningDelta, ToolCallStart
from gateway.pipeline import Pipeline, Step
from gateway.plugin import Context, NoConfig, Plugin, Services, Turn
from gateway.services import LoopClock
from gateway.testing.kit import ManualClock, assert_grammar
from tests.gateway.lane import (
    FAILED,
    KEPT,
    USAGE,
    Broken,
    Holding,
    Marking,
    Noted,
    Said,
    Scripted,
    lane,
    logged,
    noted,
    step,
    text,
    texts,
    until,
)


ANSWER: list[Said] = [[text("a")], [text("b"), USAGE, Finish()]]
CONTEXT = Context("r", ManualClock())


class TestOrder:
    async def test_requests_go_down_and_events_come_up(self):
        """The list is written from the client's side to Letta's."""

        class Naming(Marking):
            async def prepare(self, call):
                return attrs.evolve(call, model=call.model + self.mark)

        steps = [step(lambda: Naming("1")), step(lambda: Naming("2"))]
        async with lane(*steps, says=[[text("a"), Finish()]]) as made:
            assert await made.events() == [text("a21"), Finish()]
            assert made.letta.asked[0].model == "Milo12"

    async def test_every_request_has_turns_of_its_own(self):
        """What one is told the other does not know."""
        turns: list[Holding] = []

        def begin() -> Holding:
            turns.append(Holding())
            return turns[-1]

        async with lane(step(begin), says=[[text("a"), Finish()]]) as made:
            made.letta.runs *= 2
            first, second = await made.begin(), await made.begin()
            for exchange in (first, second):
                async with exchange:
                    assert [e async for b in exchange for e in b] == [text("a"), Finish()]
        assert len(turns) == 2

    async def test_without_plugins(self):
        """Letta's answer as it is."""
        async with lane(says=ANSWER) as made:
            assert await made.events() == [text("a"), text("b"), USAGE, Finish()]


class Preparing(Noted):
    """Raises while it prepares."""

    def __init__(self, log: list[str], exc: BaseException) -> None:
        super().__init__(log, "broken")
        self.exc = exc

    async def prepare(self, call):
        await super().prepare(call)
        raise self.exc


class TestPrepare:
    async def test_a_reject(self):
        """Letta is not asked; those above undo their part, the one itself first."""
        log: list[str] = []
        reject = Reject(404, "model_not_found", "No.")
        steps = [
            noted(log, "top"),
            step(lambda: Preparing(log, reject), "broken"),
            noted(log, "low"),
        ]
        async with lane(*steps) as made:
            with pytest.raises(Reject) as caught:
                await made.begin()
        assert caught.value is reject
        assert log == ["top.prepare", "broken.prepare", "broken.abandon", "top.abandon"]
        assert made.letta.asked == []

    async def test_a_failure(self):
        """The client is told which plugin it was."""
        log: list[str] = []
        steps = [noted(log, "top"), step(lambda: Preparing(log, Broken()), "broken")]
        with logged():
            async with lane(*steps) as made:
                with pytest.raises(Reject, match="The plugin 'broken' failed"):
                    await made.begin()
        assert log == ["top.prepare", "broken.prepare", "broken.abandon", "top.abandon"]

    async def test_a_failure_that_is_bypassed(self):
        """The request goes on without it, and in the end it undoes what it did."""
        log: list[str] = []
        steps = [
            noted(log, "top"),
            step(lambda: Preparing(log, Broken()), "broken", bypass=True),
            noted(log, "low"),
        ]
        with logged() as lines:
            async with lane(*steps, says=ANSWER) as made:
                assert texts(await made.events()) == "ab"
        assert log[:3] == ["top.prepare", "broken.prepare", "low.prepare"]
        assert log[3:] == ["low.settle", "broken.abandon", "top.settle"]
        assert len(lines) == 1

    async def test_the_client_leaves_meanwhile(self):
        """A request that waits for its turn is cancelled, and undoes what it did."""
        log: list[str] = []
        waiting = asyncio.Event()

        class Queueing(Noted):
            async def prepare(self, call):
                await super().prepare(call)
                waiting.set()
                await asyncio.Event().wait()
                return call

        steps = [noted(log, "top"), step(lambda: Queueing(log, "queue"), "queue", bypass=True)]
        async with lane(*steps) as made:
            beginning = asyncio.create_task(made.begin())
            await waiting.wait()
            beginning.cancel()
            with pytest.raises(asyncio.CancelledError):
                await beginning
        assert log == ["top.prepare", "queue.prepare", "queue.abandon", "top.abandon"]
        assert made.letta.asked == []

    async def test_cancelled_twice(self):
        """One that is interrupted while it undoes its part does not keep the others from it."""
        log: list[str] = []
        abandoning = asyncio.Event()

        class Stuck(Preparing):
            async def abandon(self):
                await super().abandon()
                abandoning.set()
                await asyncio.Event().wait()

        steps = [noted(log, "top"), step(lambda: Stuck(log, Reject(400, "x", "No.")))]
        async with lane(*steps) as made:
            beginning = asyncio.create_task(made.begin())
            await abandoning.wait()
            beginning.cancel()
            with pytest.raises(asyncio.CancelledError):
                await beginning
        assert log == ["top.prepare", "broken.prepare", "broken.abandon", "top.abandon"]


class TestBegin:
    @staticmethod
    def broken() -> Turn:
        raise Broken

    async def test_a_failure(self):
        """It is a failure like any other; no turn has done anything yet."""
        log: list[str] = []
        with logged() as lines:
            async with lane(noted(log), step(self.broken, "broken")) as made:
                with pytest.raises(Reject, match="The plugin 'broken' failed"):
                    await made.begin()
        assert log == []
        assert len(lines) == 1
        assert made.pipeline.steps[1].tally.failures == 1

    async def test_a_failure_that_is_bypassed(self):
        """Events pass by it."""
        log: list[str] = []
        with logged() as lines:
            async with lane(noted(log), step(self.broken, bypass=True), says=ANSWER) as made:
                assert texts(await made.events()) == "ab"
        assert log == ["p.prepare", "p.settle"]
        assert len(lines) == 1


@attrs.define
class Listing(Plugin[NoConfig]):
    """Adds models, or raises."""

    names: Sequence[str] = ()
    raises: Exception | None = None
    config: NoConfig = attrs.field(factory=NoConfig)

    async def models(self, context, found):
        if self.raises is not None:
            raise self.raises
        return [*found, *(Model(name, Agent(name, name)) for name in self.names)]


async def listed(*steps: Any) -> list[str]:
    async with lane(*steps) as made:
        return [model.id for model in await made.pipeline.models(CONTEXT)]


class TestModels:
    async def test_down_the_lane(self):
        """Each sees what those above it found."""
        assert await listed(step(Listing(["a"])), step(), step(Listing(["b"]))) == ["a", "b"]

    async def test_a_reject_is_an_answer(self):
        """Letta that cannot be reached, for example."""
        error = LettaError(502, "upstream_unreachable", "No.")
        with pytest.raises(LettaError) as caught:
            await listed(step(Listing(raises=error)))
        assert caught.value is error

    async def test_a_failure(self):
        """The client is told which plugin it was."""
        with logged(), pytest.raises(Reject, match="The plugin 'p' failed"):
            await listed(step(Listing(raises=Broken())))

    async def test_a_failure_that_is_bypassed(self):
        """What was found above it goes on."""
        broken = step(Listing(raises=Broken()), bypass=True)
        with logged():
            assert await listed(step(Listing(["a"])), broken) == ["a"]


@attrs.define
class Opening(Plugin[NoConfig]):
    """Writes down when it is opened and closed."""

    log: list[str]
    name: str
    broken: str = ""
    untidy: str = ""
    swallows: str = ""
    raised: type[BaseException] = Broken
    config: NoConfig = attrs.field(factory=NoConfig)

    @asynccontextmanager
    async def lifespan(self, services: Services) -> AsyncIterator[None]:
        assert services.store == self.name  # type: ignore[comparison-overlap]
        if self.name == self.broken:
            raise self.raised
        self.log.append(f"open {self.name}")
        try:
            yield
        except StartError:
            if self.name != self.swallows:
                raise
        finally:
            self.log.append(f"close {self.name}")
        if self.name == self.untidy:
            raise self.raised


def opening(log: list[str], *names: str, **how: Any) -> tuple[Pipeline, list[Services]]:
    steps = [step(Opening(log, name, **how), name) for name in names]
    pipeline = Pipeline(steps, Scripted([]), lambda work: work.close(), loguru.logger)
    services = [
        Services(letta=None, store=name, clock=LoopClock(), logger=None, spawn=None)  # type: ignore[arg-type]
        for name in names
    ]
    return pipeline, services


class TestLifespan:
    async def test_in_order_and_in_reverse(self):
        """Each with services of its own."""
        log: list[str] = []
        pipeline, services = opening(log, "a", "b")
        async with pipeline.lifespan(services):
            assert log == ["open a", "open b"]
        assert log == ["open a", "open b", "close b", "close a"]

    async def test_a_start_that_fails(self):
        """What was opened is closed, and the one that failed is named."""
        log: list[str] = []
        pipeline, services = opening(log, "a", "b", "c", broken="c")
        with pytest.raises(StartError, match="'c' cannot start: Broken"):
            async with pipeline.lifespan(services):
                pass
        assert log == ["open a", "open b", "close b", "close a"]

    @pytest.mark.parametrize("raised", [Broken, SystemExit, asyncio.CancelledError])
    async def test_one_that_fails_to_close(self, raised):
        """It is named; the others close all the same."""
        log: list[str] = []
        pipeline, services = opening(log, "a", "b", untidy="b", raised=raised)
        with logged() as lines:
            async with pipeline.lifespan(services):
                pass
        assert log == ["open a", "open b", "close b", "close a"]
        assert "plugin b failed when it was closed" in lines[0]
        assert pipeline.steps[1].tally.failures == len(lines) == 1

    async def test_one_that_swallows_what_stops_the_start(self):
        """The start has failed, whatever a plugin makes of that."""
        log: list[str] = []
        pipeline, services = opening(log, "a", "b", broken="b", swallows="a")
        with pytest.raises(StartError, match="'b' cannot start: Broken"):
            async with pipeline.lifespan(services):
                pass
        assert log == ["open a", "close a"]

    @pytest.mark.parametrize("raised", [SystemExit, asyncio.CancelledError])
    async def test_one_that_would_take_the_process_along(self, raised):
        """It cannot start, and is named."""
        pipeline, services = opening([], "a", broken="a", raised=raised)
        with pytest.raises(StartError, match=f"'a' cannot start: {raised.__name__}"):
            async with pipeline.lifespan(services):
                pass


@attrs.define
class Wrapping(Plugin[NoConfig]):
    """Takes the flow itself; marks texts, and fails at one of them."""

    mark: str = ""
    fails_at: str = ""
    turn: Turn = attrs.field(factory=Turn)
    config: NoConfig = attrs.field(factory=NoConfig)

    def begin(self, context: Context) -> Turn:
        return self.turn

    async def wrap(self, flow, context) -> AsyncGenerator[Event, None]:  # type: ignore[override]
        async for event in flow:
            await asyncio.sleep(0)
            if self.fails_at and event == text(self.fails_at):
                raise Broken
            yield attrs.evolve(event, text=event.text + self.mark) if texts([event]) else event


class TestWrap:
    async def test_at_its_place(self):
        """Turns below it come before it, its own turn and those above it after it."""
        steps = [
            step(lambda: Marking("1")),
            step(Wrapping("w", turn=Marking("t"))),
            step(lambda: Marking("2")),
        ]
        async with lane(*steps, says=[[text("a")], [Finish()]]) as made:
            assert await made.events() == [text("a2wt1"), Finish()]

    async def test_several(self):
        """Each takes the flow of the one below."""
        steps = [step(Wrapping("1")), step(Wrapping("2")), step(lambda: Marking("3"))]
        async with lane(*steps, says=ANSWER) as made:
            assert texts(await made.events()) == "a321b321"

    async def test_what_turns_hold(self):
        """It goes out before the end, on both sides of the plugin."""
        steps = [step(Holding), step(Wrapping("w", turn=Holding())), step(Holding)]
        async with lane(*steps, says=ANSWER) as made:
            assert await made.events() == [text("aw"), text("bw"), USAGE, Finish()]

    async def test_a_turn_below_is_released_by_time(self):
        """Its segment has timers of its own."""
        turns: list[Holding] = []
        steps = [step(Wrapping("w")), step(lambda: turns[0])]
        async with lane(*steps, says=[[text("a")], asyncio.Event()]) as made:
            turns.append(Holding(made.clock, 0.1))
            async with await made.begin() as exchange:
                batch = asyncio.ensure_future(anext(aiter(exchange)))
                await until(lambda: turns[0].due() is not None)
                await made.silence(0.1)
                assert await batch == [text("aw")]

    async def test_a_failure(self):
        """The answer ends in its error; what Letta keeps is settled."""
        log: list[str] = []
        steps = [noted(log, "top"), step(Wrapping(fails_at="b"), "w"), noted(log, "low")]
        with logged() as lines:
            async with lane(*steps, says=ANSWER) as made:
                first, error = await made.events()
                await made.rest()
        assert first == text("a")
        assert isinstance(error, Error)
        assert error.message == "The plugin 'w' failed."
        assert len(lines) == 1
        assert log == ["top.prepare", "low.prepare", "low.settle", "top.settle"]

    async def test_a_failure_that_is_bypassed(self):
        """Nothing is lost."""
        with logged():
            async with lane(step(Wrapping("w", fails_at="b"), bypass=True), says=ANSWER) as made:
                assert await made.events() == [text("aw"), text("b"), USAGE, Finish()]

    async def test_one_that_failed_before_does_not_take_the_flow(self):
        """It is passed by as a whole."""

        class Failing(Turn):
            async def prepare(self, call):
                raise Broken

        with logged():
            async with lane(step(Wrapping("w", turn=Failing()), bypass=True), says=ANSWER) as made:
                assert texts(await made.events()) == "ab"

    async def test_the_client_leaves(self):
        """The plugin sees the rest, and all is put away."""
        log: list[str] = []
        steps = [noted(log, "top"), step(Wrapping()), noted(log, "low")]
        async with lane(*steps, says=[[text("a")], asyncio.Event()]) as made:
            async with await made.begin() as exchange:
                async for _ in exchange:
                    break
            await made.rest()
            assert made.run.cancels == 1
            assert made.run.closed
        assert log == ["top.prepare", "low.prepare", "low.abandon", "top.abandon"]

    async def test_one_that_never_gives_anything(self):
        """When the client has left it is given up in the end, with all below it."""

        class Stuck(Wrapping):
            async def wrap(self, flow, context):  # type: ignore[override]
                async for event in flow:
                    await asyncio.Event().wait()
                    yield event

        log: list[str] = []
        with logged() as lines:
            async with lane(noted(log), step(Stuck()), says=ANSWER, leave_seconds=0.01) as made:
                async with await made.begin():
                    pass
                await made.rest()
        assert any("gave up reading" in line for line in lines)
        assert made.run.closed
        assert len(log) == 2


@attrs.define
class Drawn(Holding):
    """Holds as many texts as it was drawn to, and fails at the `fails`th event."""

    fails: int = -1
    _fed: int = 0

    def feed(self, event):
        self._fed += 1
        if self._fed == self.fails:
            raise Broken
        return super().feed(event)


@attrs.define
class DrawnFlow(Plugin[NoConfig]):
    """Holds `size` events, and fails at the `fails`th."""

    size: int
    fails: int
    config: NoConfig = attrs.field(factory=NoConfig)

    async def wrap(self, flow, context):  # type: ignore[override]
        held: list[Event] = []
        count = 0
        async for event in flow:
            count += 1
            held.append(event)
            if count == self.fails:
                raise Broken
            if len(held) > self.size or isinstance(event, Finish | Error):
                for each in held:
                    yield each
                held = []


WORDS = st.builds(text, st.text("ab\n", min_size=1, max_size=3), st.sampled_from("mn"))
SAID = st.lists(
    st.lists(
        st.one_of(WORDS, st.builds(ReasoningDelta, st.just("r"), st.just("m")), st.just(Ping())),
        min_size=1,
        max_size=3,
    ),
    max_size=6,
)
ENDS = st.sampled_from([[USAGE, Finish()], [Finish("length")], [FAILED]])
STEPS = st.lists(
    st.tuples(st.sampled_from(["turn", "wrap"]), st.integers(1, 4), st.integers(-9, 9)), max_size=4
)


@settings(deadline=None, max_examples=60)
@given(SAID, ENDS, STEPS, st.none() | st.integers(0, 5))
def test_any_pipeline(said, end, drawn, leaves_after):
    """Random events, turns and flows that hold and fail and are bypassed; a client that leaves."""

    async def run() -> None:
        log: list[str] = []
        steps = [
            step(DrawnFlow(size, fails), bypass=True)
            if kind == "wrap"
            else step(lambda size=size, fails=fails: Drawn(size=size, fails=fails), bypass=True)
            for kind, size, fails in drawn
        ]
        says: list[Said] = [[ToolCallStart("c", "f")], *said, end]
        out: list[Event] = []
        async with lane(noted(log), *steps, says=says) as made:
            async with await made.begin() as exchange:
                with suppress(StopAsyncIteration):
                    batches = aiter(exchange)
                    for _ in range(99 if leaves_after is None else leaves_after):
                        out += await anext(batches)
            await made.rest()
            assert made.run.closed
        kept = isinstance(end[-1], Finish)
        assert log == ["p.prepare", "p.settle" if kept else "p.abandon"]
        if leaves_after is None:
            visible = [e for batch in says for e in batch if not isinstance(e, Ping)]  # type: ignore[union-attr]
            assert_grammar(out)
            assert out == visible

    with logged():
        asyncio.run(run())


async def test_many_at_once():
    """Requests do not see each other."""
    async with lane(step(Holding), step(Wrapping("w")), says=[[text("a")], [Finish()]]) as made:
        made.letta.runs = [
            attrs.evolve(made.run, says=[[text(str(i))], [Finish()]]) for i in range(50)
        ]
        answers = await asyncio.gather(*(made.events(KEPT) for _ in range(50)))
    assert sorted(texts(answer) for answer in answers) == sorted(f"{i}w" for i in range(50))


class TestWrongValues:
    async def test_no_turn(self):
        """A plugin whose `begin` gives no turn fails the request, or is bypassed."""

        class NoTurn(Plugin[NoConfig]):
            def begin(self, context):
                return None

        for bypass in (False, True):
            async with lane(
                Step("odd", NoTurn(NoConfig()), bypass=bypass), says=[[Finish()]]
            ) as made:
                if bypass:
                    assert isinstance((await made.events())[-1], Finish)
                else:
                    with pytest.raises(Reject, match="'odd' failed"):
                        await made.events()

    async def test_no_models(self):
        """A plugin that lists what is no model is contained as well."""

        class NoModels(Plugin[NoConfig]):
            async def models(self, context, found):
                return [None]

        async with lane(Step("odd", NoModels(NoConfig()), bypass=True)) as made:
            assert await made.pipeline.models(Context("r", made.clock)) == ()
