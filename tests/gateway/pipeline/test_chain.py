from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from types import SimpleNamespace

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.events import (
    Event,
    Finish,
    Ping,
    ReasoningDelta,
    TextDelta,
    ToolArgsDelta,
    ToolCallStart,
    Usage,
)
from gateway.pipeline.chain import Chain
from gateway.plugin import Turn
from gateway.testing.kit import ManualClock, assert_grammar
from tests.gateway.lane import (
    FAILED,
    USAGE,
    Broken,
    Holding,
    Marking,
    guarded,
    logged,
    text,
    texts,
)


def chain(*turns: Turn, bypass: bool = False) -> Chain:
    return Chain([guarded(turn, f"p{i}", bypass=bypass) for i, turn in enumerate(turns)])


def fed(made: Chain, events: Iterable[Event]) -> list[Event]:
    return [out for event in events for out in made.feed([event])]


@attrs.define
class Passing(Marking):
    """Has nothing to do with texts, and notes what it is asked about."""

    passes = frozenset({TextDelta, Ping})
    fed: list[Event] = attrs.field(factory=list)

    def feed(self, event):
        self.fed.append(event)
        return [event]


@attrs.define
class Stopping(Turn):
    """Finishes the answer at this text."""

    at: str

    def feed(self, event):
        return [event, Finish("length")] if event == text(self.at) else [event]


class TestFeed:
    def test_without_turns(self):
        """What comes goes."""
        assert fed(chain(), [text("a"), Finish()]) == [text("a"), Finish()]

    def test_events_rise_from_lettas_side(self):
        """The last of the list sees them first."""
        made = chain(Marking("1"), Marking("2"))
        assert fed(made, [text("a")]) == [text("a21")]

    def test_one_event_may_become_several(self):
        """Each of them rises on its own."""

        class Doubling(Turn):
            def feed(self, event):
                return [event, event]

        assert fed(chain(Marking("."), Doubling(), Doubling()), [text("a")]) == [text("a.")] * 4

    def test_idle_turns_are_passed_by(self):
        """They are not called at all."""
        idle = Marking("2")
        idle.idle = True
        assert fed(chain(Marking("1"), idle), [text("a"), Finish()]) == [text("a1"), Finish()]


class TestWhatPasses:
    def test_it_goes_by(self):
        """The turn is not asked where nothing else has come, and nothing is counted."""
        passing = Passing("^")
        made = chain(Marking("1"), passing, Marking("2"))
        assert made.feed([Ping(), text("a")]) == [Ping(), text("a21")]
        assert passing.fed == []
        assert made.turns[1].tally.events_in == 0

    def test_with_something_else(self):
        """It is asked about all that came together, so that nothing overtakes anything."""
        passing = Passing("^")
        thought = ReasoningDelta("r", "m")
        assert chain(passing).feed([text("a"), thought]) == [text("a"), thought]
        assert passing.fed == [text("a"), thought]

    def test_calls_and_ends_never_do(self):
        """A turn has to see its own calls to the end, and is flushed before that."""
        passing = Passing("^")
        passing.passes = frozenset({TextDelta, ToolCallStart, ToolArgsDelta, Usage, Finish})
        events = [ToolCallStart("c", "f"), ToolArgsDelta("c", "{}"), Usage(1, 1), Finish()]
        assert fed(chain(passing), [text("a"), *events]) == [text("a"), *events]
        assert passing.fed == events

    def test_it_may_change(self):
        """While a turn holds something, for example."""
        passing = Passing("^")
        made = chain(passing)
        made.feed([text("a")])
        passing.passes = frozenset()
        made.feed([text("b")])
        assert passing.fed == [text("b")]

    @pytest.mark.parametrize("passes", [None, 7, "text", [[]]])
    def test_what_is_no_set_of_kinds(self, passes):
        """It is told once, and the turn is asked as any other."""
        passing = Passing("^")
        passing.passes = passes
        made = chain(passing)
        with logged() as lines:
            assert fed(made, [text("a"), text("b")]) == [text("a"), text("b")]
        assert passing.fed == [text("a"), text("b")]
        assert len(lines) == (passes != "text")

    def test_it_cannot_be_told(self):
        """A property that raises: the turn is asked, and the answer goes on."""

        class Broken(Marking):
            @property
            def passes(self):
                raise RuntimeError("no")

        with logged() as lines:
            assert fed(chain(Broken("1")), [text("a"), text("b")]) == [text("a1"), text("b1")]
        assert lines


class TestTheEnd:
    @pytest.mark.parametrize("end", [[USAGE, Finish()], [Finish()], [FAILED], [USAGE, FAILED]])
    def test_what_is_held_goes_out_before_it(self, end):
        """Before usage if there is some: nothing may follow that but the ending."""
        events = [text("a"), text("b"), *end]
        assert fed(chain(Holding(), Holding()), events) == events

    def test_what_is_held_rises_through_the_turns_above(self):
        """They see it like anything else, and may hold it again."""
        made = chain(Holding(), Marking("^"), Holding())
        assert fed(made, [text("a"), Finish()]) == [text("a^"), Finish()]

    def test_a_turn_is_flushed_once(self):
        """At usage; the ending then finds nothing held."""
        flushed = []

        class Counting(Turn):
            def flush(self):
                flushed.append(1)
                return ()

        fed(chain(Counting()), [USAGE, Finish()])
        assert flushed == [1]

    @pytest.mark.parametrize("ending", [Finish("length"), FAILED])
    def test_it_is_known(self, ending):
        """What came out at the top."""
        made = chain(Turn())
        assert made.ending is None
        fed(made, [ending])
        assert made.ending == ending

    def test_nothing_rises_after_it(self):
        """Whatever comes from below."""
        made = chain(Turn())
        assert fed(made, [Finish(), text("a"), Finish(), FAILED]) == [Finish()]

    def test_a_turn_that_ends_the_answer(self):
        """The turns above let go what they hold; those below are not asked."""
        made = chain(Holding(), Stopping("b"), Holding(size=1))
        out = fed(made, [text("a"), text("b"), text("c"), USAGE, Finish()])
        assert out == [text("a"), text("b"), Finish("length")]

    def test_a_turn_that_says_more_after_its_own_ending(self):
        """Nothing rises after an ending."""

        class Chatty(Turn):
            def feed(self, event):
                return [Finish(), text("more"), Finish()]

        assert fed(chain(Chatty()), [text("a")]) == [Finish()]

    def test_a_turn_that_swallows_it(self):
        """There is an ending all the same, and the turns above are flushed for it."""

        class Swallowing(Turn):
            def feed(self, event):
                return [event] if isinstance(event, TextDelta) else ()

        made = chain(Holding(), Swallowing())
        assert fed(made, [text("a"), USAGE, Finish()]) == [text("a"), Finish()]

    def test_a_turn_that_fails(self):
        """The error rises; what the turns above hold goes out before it."""

        class Failing(Turn):
            def feed(self, event):
                if event == text("!"):
                    raise Broken
                return [event]

        made = chain(Holding(), Failing())
        with logged():
            out = fed(made, [text("a"), text("!"), text("b"), Finish()])
        assert out[0] == text("a")
        assert [getattr(event, "code", None) for event in out[1:]] == ["plugin_failed"]

    def test_a_turn_that_fails_to_flush(self):
        """The error stands for the ending."""

        class Failing(Holding):
            def flush(self):
                raise Broken

        with logged():
            out = fed(chain(Failing()), [text("a"), USAGE, Finish()])
        assert [getattr(event, "code", None) for event in out] == ["plugin_failed"]


class TestBlocking:
    def test_a_turn_that_keeps_the_process(self, monkeypatch):
        """It is named, once a request; the answer goes on, and the others have no part in it."""
        clock = ManualClock()
        monkeypatch.setattr("gateway.pipeline.chain.time", SimpleNamespace(perf_counter=clock.now))

        class Slow(Turn):
            def feed(self, event):
                clock.advance(0.2)
                return [event]

        made = Chain([guarded(Turn(), "quick"), guarded(Slow(), "slow"), guarded(Turn(), "third")])
        with logged() as lines:
            assert fed(made, [text("a"), text("b")]) == [text("a"), text("b")]
        tallies = {turn.name: (turn.tally.blocked, turn.tally.seconds) for turn in made.turns}
        assert tallies == {"quick": (0, 0.0), "slow": (2, pytest.approx(0.4)), "third": (0, 0.0)}
        assert len(lines) == 1
        assert "plugin slow has blocked everything for 200 ms" in lines[0]

    def test_a_release_counts_as_well(self, monkeypatch):
        """It is a step like any other."""
        monkeypatch.setattr("gateway.pipeline.watch.BLOCKING_SECONDS", 0.0)
        clock = ManualClock()
        made = chain(Holding(clock, 1.0))
        made.feed([text("a")])
        clock.advance(1.0)
        with logged():
            assert made.release(clock.now()) == [text("a")]
        assert made.turns[0].tally.blocked == 2


class TestDue:
    def test_the_earliest(self):
        """Of all the turns that hold something."""
        clock = ManualClock()
        made = chain(Holding(clock, 5.0), Turn(), Holding(clock, 3.0, size=2))
        assert made.due() is None
        made.feed([text("a")])
        assert made.due() == clock.now() + 3.0
        made.feed([text("b")])
        assert made.due() == clock.now() + 5.0

    def test_release_rises_through_the_turns_above(self):
        """And through none below."""
        clock = ManualClock()
        made = chain(Marking("^"), Holding(clock, 3.0), Marking("_"))
        made.feed([text("a")])
        clock.advance(2.0)
        assert made.release(clock.now()) == []
        clock.advance(1.0)
        assert made.release(clock.now()) == [text("a_^")]
        assert made.release(clock.now()) == []

    def test_what_is_released_may_be_held_again(self):
        """By a turn above, for its own time."""
        clock = ManualClock()
        made = chain(Holding(clock, 3.0), Holding(clock, 3.0))
        made.feed([text("a")])
        clock.advance(3.0)
        assert made.release(clock.now()) == []
        clock.advance(3.0)
        assert made.release(clock.now()) == [text("a")]

    def test_pings_release_nothing(self):
        """They say only that Letta is alive."""
        made = chain(Holding())
        assert fed(made, [text("a"), Ping(), text("b"), Finish()]) == [
            Ping(),
            text("a"),
            text("b"),
            Finish(),
        ]


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


EVENTS = st.lists(
    st.one_of(
        st.builds(text, st.text("ab\n", min_size=1, max_size=3), st.sampled_from("mn")),
        st.builds(ReasoningDelta, st.just("r"), st.just("m")),
        st.just(Ping()),
    ),
    max_size=12,
)
ENDS = st.sampled_from([[USAGE, Finish()], [Finish("length")], [FAILED], [USAGE, FAILED]])
TURNS = st.lists(
    st.tuples(st.integers(1, 5), st.sampled_from([None, 1.0, 2.0]), st.integers(-9, 9)),
    max_size=4,
)


@settings(deadline=None)
@given(EVENTS, ENDS, TURNS, st.booleans(), st.lists(st.integers(1, 6), min_size=20, max_size=20))
def test_however_the_events_come(events, end, drawn, bypass, sizes):
    """In one batch, in several or one by one: what comes out at the top is the same."""

    def out(sizes: Iterable[int]) -> list[Event]:
        made = chain(*(Drawn(size=size, fails=fails) for size, _, fails in drawn), bypass=bypass)
        coming = iter([ToolCallStart("c", "f"), *events, *end, text("too late")])
        with logged():
            return [each for n in sizes for each in made.feed(list(islice(coming, n)))]

    assert out([len(events) + 4]) == out(sizes) == out([1] * (len(events) + 4))


@settings(deadline=None)
@given(EVENTS, ENDS, TURNS, st.lists(st.booleans(), max_size=12))
def test_any_chain_of_holding_turns(events, end, drawn, pauses):
    """Order and grammar hold, and nothing is lost: held, released by time, bypassed or not."""
    clock = ManualClock()
    made = chain(
        *(Drawn(clock, seconds, size, fails=fails) for size, seconds, fails in drawn), bypass=True
    )
    out: list[Event] = []
    calls: list[Event] = [ToolCallStart("c", "f")]
    with logged():
        for i, event in enumerate([*calls, *events, *end]):
            out += made.feed([event])
            if i < len(pauses) and pauses[i]:
                clock.advance(1.0)
                out += made.release(clock.now())
    assert_grammar(out)
    assert texts(out) == texts(events)
    assert made.ending == out[-1] == end[-1]
    assert [event for event in out if not isinstance(event, Ping)] == [
        *calls,
        *(event for event in events if not isinstance(event, Ping)),
        *end,
    ]
    assert sum(isinstance(event, Usage) for event in out) == sum(e is USAGE for e in end)
