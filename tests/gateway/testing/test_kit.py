from __future__ import annotations

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
from gateway.plugin import NoConfig, Plugin, Turn
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
