from __future__ import annotations

from contextlib import asynccontextmanager

import attrs
import pytest

from gateway.call import Call
from gateway.events import (
    Error,
    Finish,
    Ping,
    ReasoningDelta,
    TextDelta,
    ToolArgsDelta,
    ToolCallStart,
    Usage,
)
from gateway.grammar import GrammarError
from gateway.plugin import Caller, Context, NoConfig, Plugin, Services, Turn
from gateway.store.memory import MemoryStore
from gateway.testing import kit
from gateway.testing.kit import (
    DRAWN_CUTS,
    EVERY_CUT,
    ManualClock,
    assert_grammar,
    assert_split_invariant,
    fed,
    merged,
    run,
    splittings,
    started,
)


def text(words: str, message: str = "m") -> TextDelta:
    return TextDelta(words, message)


class TestManualClock:
    def test_it_stands_still(self):
        """Until a test moves it."""
        clock = ManualClock()
        before = clock.now()
        assert clock.now() == before
        clock.advance(2.5)
        assert clock.now() == before + 2.5

    def test_it_calls_back(self):
        """Whoever is due, once, in the order of their times."""
        clock, calls = ManualClock(), []
        clock.call_at(clock.now() + 2, lambda: calls.append("late"))
        clock.call_at(clock.now() + 1, lambda: calls.append("early"))
        clock.call_at(clock.now() + 9, lambda: calls.append("never"))
        clock.advance(2)
        clock.advance(1)
        assert calls == ["early", "late"]

    def test_cancel(self):
        """A callback that was cancelled is not called."""
        clock, calls = ManualClock(), []
        clock.call_at(clock.now() + 1, lambda: calls.append(1)).cancel()
        clock.advance(1)
        assert calls == []

    def test_a_callback_may_set_the_next(self):
        """It is called in its turn."""
        clock, calls = ManualClock(), []

        def again() -> None:
            calls.append(clock.now())
            clock.call_at(clock.now() + 1, again)

        clock.call_at(clock.now() + 1, again)
        clock.advance(1)
        clock.advance(1)
        assert len(calls) == 2


class Joining(Turn):
    """Joins all texts, and says them in upper case at the end."""

    def __init__(self) -> None:
        self.held = ""

    def feed(self, event):
        if isinstance(event, TextDelta):
            self.held += event.text
            return ()
        return [event]

    def flush(self):
        return [text(self.held.upper())] if self.held else ()


class ByDelta(Turn):
    """Puts a dot behind each delta: it minds the cuts."""

    def feed(self, event):
        if isinstance(event, TextDelta):
            return [attrs.evolve(event, text=event.text + ".")]
        return [event]


class AtNewlines(Turn):
    """Ends a delta at each line break, wherever it was cut: it does not mind."""

    def feed(self, event):
        if isinstance(event, TextDelta):
            return [attrs.evolve(event, text=part) for part in event.text.splitlines(True)]
        return [event]


def plugin(turn: type[Turn]) -> Plugin[NoConfig]:
    class Made(Plugin[NoConfig]):
        def begin(self, context):
            return turn()

    return Made(NoConfig())


class TestRun:
    async def test_as_the_pipeline_does_it(self):
        """Prepared, fed, and flushed before usage."""
        prepared: list[Call] = []

        class Preparing(Joining):
            async def prepare(self, call):
                prepared.append(call)
                return call

        events = [text("a"), text("b"), Usage(1, 1), Finish()]
        assert await run(plugin(Preparing), events) == [text("AB"), Usage(1, 1), Finish()]
        assert len(prepared) == 1

    async def test_with_a_call(self):
        """The one that the plugin is to see."""
        seen: list[str] = []

        class Seeing(Turn):
            async def prepare(self, call):
                seen.append(call.model)
                return call

        await run(plugin(Seeing), [Finish()], Call("Milo", ()))
        assert seen == ["Milo"]

    async def test_with_a_context(self):
        """Who asks, and the time, are the test's to say."""
        seen: list[Context] = []

        class Seeing(Plugin[NoConfig]):
            def begin(self, context):
                seen.append(context)
                return Turn()

            def wrap(self, flow, context):
                seen.append(context)
                return flow

        clock, ada = ManualClock(), Caller("ada", "ada-1")
        await run(Seeing(NoConfig()), [Finish()], context=kit.context(clock, caller=ada))
        await run(Seeing(NoConfig()), [Finish()])
        assert [(each.caller, each.clock is clock) for each in seen] == [
            (ada, True),
            (ada, True),
            (Caller(), False),
            (Caller(), False),
        ]

    async def test_what_is_made_of_the_call(self):
        """It is for the test to look at."""

        class Renaming(Turn):
            async def prepare(self, call):
                return attrs.evolve(call, model="Ada")

        calls: list[Call] = []
        await run(plugin(Renaming), [Finish()], Call("Milo", ()), prepared=calls.append)
        assert calls == [Call("Ada", ())]

    async def test_an_idle_turn(self):
        """No event comes by, as in the pipeline; how the answer ended it is told."""
        log: list[str] = []

        class Idle(Joining):
            async def prepare(self, call):
                self.idle = True
                return call

            async def settle(self):
                log.append("settle")

        events = [text("a"), Usage(1, 1), Finish()]
        assert await run(plugin(Idle), events) == events
        assert log == ["settle"]

    def test_what_a_turn_passes(self):
        """It is fed it here, so that a mistake is seen: in the pipeline nobody would ask it."""

        class Wrong(Joining):
            passes = frozenset({TextDelta, Ping})

        assert fed(Wrong(), [Ping()]) == [Ping()]
        with pytest.raises(AssertionError, match="`passes` names TextDelta, but feed"):
            fed(Wrong(), [text("a")])

    @pytest.mark.parametrize("ending", [Finish(), Error(500, "server_error", "x", "x")])
    def test_flushed_before_the_ending(self, ending):
        """Whichever it is."""
        assert fed(Joining(), [text("a"), ending]) == [text("A"), ending]

    def test_flushed_without_an_ending(self):
        """Events of a part of an answer will do."""
        assert fed(Joining(), [text("a")]) == [text("A")]

    def test_flushed_once(self):
        """Before usage, and not again before the ending."""
        flushed: list[int] = []

        class Counting(Turn):
            def flush(self):
                flushed.append(1)
                return ()

        fed(Counting(), [Usage(1, 1), Finish()])
        assert flushed == [1]

    async def test_a_flow_of_its_own(self):
        """What `wrap` gives goes through the turn, as in the pipeline."""

        class Doubling(Plugin[NoConfig]):
            def begin(self, context):
                return Joining()

            async def wrap(self, flow, context):
                async for event in flow:
                    yield event
                    if isinstance(event, TextDelta):
                        yield event

        assert await run(Doubling(NoConfig()), [text("a"), Finish()]) == [text("AA"), Finish()]

    @pytest.mark.parametrize(
        ("events", "told"),
        [([Finish()], ["settle"]), ([Error(500, "t", "c", "m")], ["abandon"]), ([], [])],
    )
    async def test_the_end(self, events, told):
        """A turn is told how the answer ended; of a part of one, nothing."""
        log: list[str] = []

        class Noting(Turn):
            async def settle(self):
                log.append("settle")

            async def abandon(self):
                log.append("abandon")

        await run(plugin(Noting), events)
        assert log == told


class Counting(Plugin[NoConfig]):
    """Counts requests in the store."""

    @asynccontextmanager
    async def lifespan(self, services):
        self.services = services
        yield
        self.services = None

    def begin(self, context):
        return CountingTurn(self.services)


@attrs.define
class CountingTurn(Turn):
    services: Services

    async def settle(self):
        count = int(await self.services.store.read("n") or 0) + 1
        await self.services.store.put("n", str(count).encode(), ttl=9)


class TestStarted:
    async def test_a_plugin_with_a_lifespan(self):
        """It has a store in memory, and is stopped at the end."""
        made = Counting(NoConfig())
        async with started(made) as services:
            await run(made, [Finish()])
            await run(made, [Finish()])
            assert await services.store.read("n") == b"2"
        assert made.services is None

    async def test_what_a_test_gives(self):
        """A store that has something in it, a clock to move."""
        store, clock = MemoryStore(), ManualClock()
        await store.put("n", b"7", ttl=9)
        made = Counting(NoConfig())
        async with started(made, store=store, clock=clock) as services:
            await run(made, [Finish()])
            assert services.clock is clock
        assert await store.read("n") == b"8"

    async def test_without_a_letta(self):
        """Whoever needs one is told so."""
        async with started(Counting(NoConfig())) as services:
            with pytest.raises(AssertionError, match=r"services\.letta\.agents: give started"):
                await services.letta.agents()

    async def test_what_is_spawned(self):
        """It is waited for."""
        log: list[str] = []

        async def work():
            log.append("done")

        async with started(Counting(NoConfig())) as services:
            services.spawn(work())
        assert log == ["done"]


class TestMerged:
    def test_neighbours_are_joined(self):
        """So that cuts do not show."""
        assert merged(
            [
                text("a"),
                text("b"),
                ReasoningDelta("c", "m"),
                ReasoningDelta("d", "m"),
                ToolCallStart("x", "f"),
                ToolArgsDelta("x", "{"),
                ToolArgsDelta("x", "}"),
                Finish(),
            ]
        ) == [
            text("ab"),
            ReasoningDelta("cd", "m"),
            ToolCallStart("x", "f"),
            ToolArgsDelta("x", "{}"),
            Finish(),
        ]

    def test_what_belongs_to_different_things_is_not(self):
        """Messages, calls, hidden reasoning; and nothing is joined over something else."""
        events = [
            text("a", "m"),
            text("b", "n"),
            ReasoningDelta("c", "m"),
            ReasoningDelta("d", "m", hidden=True),
            ToolArgsDelta("x", "{"),
            ToolArgsDelta("y", "{"),
            text("e"),
            Ping(),
            text("f"),
        ]
        assert merged(events) == events

    def test_nothing(self):
        """Of nothing comes nothing."""
        assert merged([]) == []


class TestSplittings:
    EVENTS = (text("abc"), Ping(), ReasoningDelta("de", "m"), ToolArgsDelta("x", "{}"), Finish())

    def test_each_character_alone_comes_first(self):
        """Then every single cut."""
        alone, *single = splittings(self.EVENTS)
        assert alone[:3] == [text("a"), text("b"), text("c")]
        assert [cut[:2] for cut in single[:2]] == [
            [text("a"), text("bc")],
            [text("ab"), text("c")],
        ]
        assert len(single) == 4

    def test_no_text_is_changed(self):
        """Put together again they are the same."""
        for cut in splittings(self.EVENTS):
            assert merged(cut) == list(self.EVENTS)

    def test_nothing_is_empty(self):
        """An empty delta is none."""
        for cut in splittings(self.EVENTS):
            assert all(kit._length(event) > 0 or type(event) in (Ping, Finish) for event in cut)

    def test_long_texts_are_cut_at_drawn_places(self):
        """The same for the same seed."""
        long = [text("x" * (EVERY_CUT + 1))]
        cuts = list(splittings(long, seed=1))
        assert len(cuts) == DRAWN_CUTS + 1
        assert cuts == list(splittings(long, seed=1))
        assert cuts != list(splittings(long, seed=2))

    def test_hidden_reasoning_stays_hidden(self):
        """Whatever else a delta says stays."""
        for cut in splittings([ReasoningDelta("ab", "m", hidden=True)]):
            assert all(event.hidden for event in cut if isinstance(event, ReasoningDelta))


class TestAssertions:
    @pytest.mark.parametrize("turn", [Turn, Joining, AtNewlines])
    async def test_a_plugin_that_does_not_mind_the_cuts(self, turn):
        """It gives the same for every one."""
        events = [text("one\ntwo\r\n"), text("three"), Usage(1, 1), Finish()]
        await assert_split_invariant(lambda: plugin(turn), events)

    async def test_a_plugin_that_minds(self):
        """The cut that shows it is named."""
        with pytest.raises(AssertionError, match="differs when cut as"):
            await assert_split_invariant(lambda: plugin(ByDelta), [text("ab"), Finish()])

    def test_grammar(self):
        """An answer in order passes, any other does not."""
        assert_grammar([text("a"), Finish()])
        with pytest.raises(GrammarError):
            assert_grammar([text("a")])
