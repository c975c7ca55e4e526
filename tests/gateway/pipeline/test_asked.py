from __future__ import annotations

import asyncio
from collections.abc import Sequence

import attrs
import pytest

from gateway.call import Call
from gateway.events import Error, Event, Finish, Ping, ToolArgsDelta, ToolCallStart
from gateway.pipeline.asked import Asked
from gateway.plugin import Turn
from tests.gateway.lane import (
    CANCELLED,
    FAILED,
    KEPT,
    USAGE,
    Broken,
    Scripted,
    ScriptedRun,
    guarded,
    logged,
    text,
)


RENAMED = attrs.evolve(KEPT, model="Ada")
ANSWER: Sequence[Event] = [text("Hi"), USAGE, Finish()]


@attrs.define
class Again(Turn):
    """Asks again with this call."""

    call: Call | None = RENAMED
    heard: list[tuple[Call, Error]] = attrs.field(factory=list)

    async def again(self, call, error):
        self.heard.append((call, error))
        return self.call


def asked(*runs: Sequence[object], turns: Sequence[Turn] = (), call: Call = KEPT) -> Asked:
    letta = Scripted([ScriptedRun(says) for says in runs])  # type: ignore[arg-type]
    return Asked(letta, call, [guarded(turn) for turn in turns])


async def read(made: Asked) -> list[Event]:
    return [event async for batch in made for event in batch]


async def read_batches(says: Sequence[Sequence[Event]]) -> list[Sequence[Event]]:
    return [batch async for batch in asked(says)]


def runs(made: Asked) -> list[ScriptedRun]:
    assert isinstance(made.upstream, Scripted)
    return made.upstream.runs


def calls(made: Asked) -> list[Call]:
    assert isinstance(made.upstream, Scripted)
    return made.upstream.asked


class TestAnswer:
    async def test_as_letta_gives_it(self):
        """Batch by batch."""
        made = asked([[Ping()], [text("a"), text("b")], [USAGE, Finish()]])
        assert [batch async for batch in made] == [
            [Ping()],
            [text("a"), text("b")],
            [USAGE, Finish()],
        ]

    async def test_the_very_batches(self):
        """What need not be held is not copied."""
        batches = [[text("a")], [Finish()]]
        got = await read_batches(batches)
        assert list(map(id, got)) == list(map(id, batches))

    @pytest.mark.parametrize("ending", [Finish("length"), FAILED])
    async def test_the_ending_is_known(self, ending):
        """It decides whether the turns settle."""
        made = asked([[text("a")], [ending]])
        assert made.ending is None
        await read(made)
        assert made.ending == ending

    async def test_a_call_that_is_answered_already(self):
        """Letta is not asked at all."""
        made = asked([], call=attrs.evolve(KEPT, answer=tuple(ANSWER)))
        assert await read(made) == ANSWER
        assert made.ending == Finish()
        assert calls(made) == []
        await made.cancel()


@attrs.define
class Past:
    """A way past a run's iteration."""

    async def read(self) -> list[Event] | None:
        return None


class TestShortcut:
    async def test_once_something_was_said(self):
        """From then on an answer goes up as it comes."""
        made, past = asked([[Ping()], [text("Hi")], [Finish()]]), Past()
        runs(made)[0].past = past
        offered = [made.shortcut() async for _ in made]
        assert offered == [None, past, past]

    async def test_not_before(self):
        """Whether it is asked again is decided in the iteration."""
        made = asked([[text("Hi")]])
        runs(made)[0].past = Past()
        assert made.shortcut() is None

    async def test_the_runs_own(self):
        """None if it has none, and none where Letta is not asked."""
        made = asked([[text("Hi")], [Finish()]])
        assert [made.shortcut() async for _ in made] == [None, None]
        answered = asked(call=attrs.evolve(KEPT, answer=ANSWER))
        assert [answered.shortcut() async for _ in answered] == [None]

    async def test_of_the_second_run(self):
        """The first is over."""
        made, past = asked([[FAILED]], [[text("Hi")], [Finish()]], turns=[Again()]), Past()
        runs(made)[0].past, runs(made)[1].past = Past(), past
        assert [made.shortcut() async for _ in made] == [past, past]


class TestAgain:
    @pytest.mark.parametrize("before", [[], [[Ping()]], [[Ping(), Ping()], []]])
    async def test_when_nothing_was_said(self, before):
        """Pings say nothing. The error is not told, and the new answer is the answer."""
        turn = Again()
        made = asked([*before, [FAILED]], [ANSWER], turns=[turn])
        events = await read(made)
        assert [event for event in events if event != Ping()] == ANSWER
        assert turn.heard == [(KEPT, FAILED)]
        assert calls(made) == [KEPT, RENAMED]
        assert made.ending == Finish()
        assert made.call is RENAMED

    async def test_in_the_same_batch_as_a_ping(self):
        """Letta's first ping and its refusal may come together."""
        made = asked([[Ping(), FAILED]], [ANSWER], turns=[Again()])
        assert await read(made) == ANSWER

    @pytest.mark.parametrize("said", [[[text("a")], [FAILED]], [[text("a"), FAILED]]])
    async def test_not_when_something_was_said(self, said):
        """The client has it already."""
        turn = Again()
        made = asked(said, turns=[turn])
        assert await read(made) == [text("a"), FAILED]
        assert turn.heard == []

    async def test_once(self):
        """The second error is told."""
        turn = Again()
        made = asked([[FAILED]], [[FAILED]], [ANSWER], turns=[turn])
        assert await read(made) == [FAILED]
        assert len(turn.heard) == 1

    async def test_not_after_an_answer(self):
        """Nobody is asked."""
        turn = Again()
        await read(asked([ANSWER], turns=[turn]))
        assert turn.heard == []

    async def test_no_turn_wants_it(self):
        """The error is told."""
        turn = Again(None)
        assert await read(asked([[FAILED]], turns=[turn, Turn()])) == [FAILED]
        assert len(turn.heard) == 1

    async def test_several_turns(self):
        """Each sees the call as those above have changed it, and Letta is asked once."""
        first, second, third = Again(), Again(None), Again(attrs.evolve(RENAMED, stream=True))
        made = asked([[FAILED]], [ANSWER], turns=[Turn(), first, second, third])
        await read(made)
        assert [turn.heard for turn in (first, second, third)] == [
            [(KEPT, FAILED)],
            [(RENAMED, FAILED)],
            [(RENAMED, FAILED)],
        ]
        assert calls(made) == [KEPT, third.call]

    async def test_the_first_run_is_closed(self):
        """Its connection is free before the second is asked."""
        made = asked([[FAILED], [Ping()]], [ANSWER], turns=[Again()])
        await read(made)
        assert [run.closed for run in runs(made)] == [True, True]
        assert not runs(made)[0].read_out

    async def test_a_turn_that_fails(self):
        """The error that there was is told."""

        class Failing(Turn):
            async def again(self, call, error):
                raise Broken

        with logged():
            assert await read(asked([[FAILED]], turns=[Failing()])) == [FAILED]


MUST = attrs.evolve(KEPT, must_call=frozenset({"weather", "time"}))
CALLED: Sequence[Event] = [
    ToolCallStart("c", "weather", client_side=True),
    ToolArgsDelta("c", "{}"),
    USAGE,
    Finish("tool_calls"),
]


class TestMustCall:
    async def test_all_is_held_until_the_call(self):
        """Then it goes out in one batch, and the rest as it comes."""
        made = asked(
            [[text("a")], [Ping()], [text("b"), CALLED[0]], [CALLED[1]], CALLED[2:]], call=MUST
        )
        assert [batch async for batch in made] == [
            [text("a"), Ping(), text("b"), CALLED[0]],
            [CALLED[1]],
            CALLED[2:],
        ]
        assert not made.unmet

    async def test_an_answer_without_it_is_asked_once_more(self):
        """Nothing of the first is shown."""
        turn = Again()
        made = asked([[text("a")], [Finish()]], [CALLED], turns=[turn], call=MUST)
        assert await read(made) == CALLED
        assert turn.heard == [(MUST, Finish())]
        assert not made.unmet

    async def test_a_call_of_another_tool(self):
        """It is not what was asked for."""
        other = [ToolCallStart("c", "other", client_side=True), Finish("tool_calls")]
        turn = Again()
        made = asked([other], [CALLED], turns=[turn], call=MUST)
        assert await read(made) == CALLED
        assert turn.heard == [(MUST, Finish("tool_calls"))]

    async def test_the_second_answer_lacks_it_too(self):
        """It is shown, and that it is lacking."""
        again = Again(attrs.evolve(MUST, model="Ada"))
        made = asked([[Finish()]], [[text("no")], [Finish()]], turns=[again], call=MUST)
        assert await read(made) == [text("no"), Finish()]
        assert made.unmet == "tool_choice"
        assert made.ending == Finish()

    async def test_nobody_asks_again(self):
        """The answer is shown as it is."""
        made = asked([[text("no")], [Finish()]], turns=[Turn()], call=MUST)
        assert await read(made) == [text("no"), Finish()]
        assert made.unmet

    async def test_an_error_is_no_answer(self):
        """It is told, and nothing is lacking; what was said before it is not lost."""
        made = asked([[text("a")], [FAILED]], turns=[Turn()], call=MUST)
        assert await read(made) == [text("a"), FAILED]
        assert not made.unmet

    async def test_an_error_alone(self):
        """It may be mended, as without a call that must come."""
        turn = Again(MUST)
        made = asked([[Ping()], [FAILED]], [CALLED], turns=[turn], call=MUST)
        assert [event for event in await read(made) if event != Ping()] == CALLED
        assert turn.heard == [(MUST, FAILED)]

    async def test_a_client_that_leaves_meanwhile(self):
        """The run is cancelled, and nobody is asked again."""
        turn = Again()
        made = asked([[text("a")], asyncio.Event()], [CALLED], turns=[turn], call=MUST)
        reading = asyncio.create_task(read(made))
        await runs(made)[0].started.wait()
        await made.cancel()
        assert await reading == [text("a"), CANCELLED]
        assert turn.heard == []


class TestAfterOneKept:
    """The second asking fails; Letta has kept the first, and the client's message with it."""

    @pytest.mark.parametrize("second", [[[FAILED]], [[Ping()], [FAILED]], [[text("a"), FAILED]]])
    async def test_nothing_is_rolled_back(self, second):
        """Whoever sends the message again tells it twice."""
        made = asked([[text("no")], [Finish()]], second, turns=[Again(RENAMED)], call=MUST)
        error = attrs.evolve(FAILED, rolled_back=False)
        assert (await read(made))[-1] == error
        assert made.ending == error

    async def test_after_an_error_it_is_as_letta_says(self):
        """Nothing was kept before."""
        made = asked([[FAILED]], [[text("a")], [FAILED]], turns=[Again()])
        assert await read(made) == [text("a"), FAILED]


class TestCancel:
    async def test_the_run_is_cancelled(self):
        """And read to its end."""
        made = asked([[text("a")], asyncio.Event()])
        batches = aiter(made)
        await anext(batches)
        await made.cancel()
        assert [event async for batch in batches for event in batch] == [CANCELLED]
        assert made.ending == CANCELLED

    async def test_a_run_that_has_ended_is_not(self):
        """There is nothing left to cancel."""
        made = asked([ANSWER])
        await read(made)
        await made.cancel()
        assert runs(made)[0].cancels == 0

    async def test_it_is_not_asked_again(self):
        """Nobody waits for the answer."""
        turn = Again()
        made = asked([asyncio.Event()], [ANSWER], turns=[turn])
        reading = asyncio.create_task(read(made))
        await runs(made)[0].started.wait()
        await made.cancel()
        assert await reading == [CANCELLED]
        assert turn.heard == []

    async def test_while_a_turn_decides(self):
        """The call that it gives is not asked any more."""
        asking, decide = asyncio.Event(), asyncio.Event()

        class Slow(Turn):
            async def again(self, call, error):
                asking.set()
                await decide.wait()
                return RENAMED

        made = asked([[FAILED]], [ANSWER], turns=[Slow()])
        reading = asyncio.create_task(read(made))
        await asking.wait()
        await made.cancel()
        decide.set()
        assert await reading == [FAILED]
        assert calls(made) == [KEPT]

    async def test_the_second_run(self):
        """It is the one that is cancelled."""
        made = asked([[FAILED]], [[text("a")], asyncio.Event()], turns=[Again()])
        batches = aiter(made)
        assert await anext(batches) == [text("a")]
        await made.cancel()
        assert [run.cancels for run in runs(made)] == [0, 1]
        await batches.aclose()

    async def test_closing_closes_the_run(self):
        """Not some time later."""
        made = asked([[text("a")], asyncio.Event()])
        batches = aiter(made)
        await anext(batches)
        await batches.aclose()
        assert runs(made)[0].closed


def _yes(events: Sequence[Event]) -> bool:
    return text("yes") in events


FIT = attrs.evolve(KEPT, must_fit=_yes)


class TestMustFit:
    async def test_all_is_held_until_the_ending(self):
        """An answer that is what was asked for goes out in one batch."""
        made = asked([[Ping()], [text("yes")], [USAGE, Finish()]], call=FIT)
        assert [batch async for batch in made] == [[Ping(), text("yes"), USAGE, Finish()]]
        assert made.unmet == ""

    async def test_another_answer_is_asked_for(self):
        """Once; what was wrong is not shown."""
        turn = Again(attrs.evolve(FIT, model="Ada"))
        made = asked([[text("no")], [Finish()]], [[text("yes"), Finish()]], turns=[turn], call=FIT)
        assert await read(made) == [text("yes"), Finish()]
        assert turn.heard == [(FIT, Finish())]
        assert made.unmet == ""

    async def test_the_second_is_wrong_too(self):
        """It is shown, and that it is."""
        again = Again(attrs.evolve(FIT, model="Ada"))
        made = asked([[Finish()]], [[text("no")], [Finish()]], turns=[again], call=FIT)
        assert await read(made) == [text("no"), Finish()]
        assert made.unmet == "response_format"

    @pytest.mark.parametrize("reason", ["length", "content_filter"])
    async def test_an_answer_that_is_not_whole(self, reason):
        """Nobody can say what it would have been."""
        turn = Again()
        made = asked([[text("no")], [Finish(reason)]], turns=[turn], call=FIT)
        assert await read(made) == [text("no"), Finish(reason)]
        assert made.unmet == ""
        assert not turn.heard

    async def test_a_call_of_the_clients_tools_comes_first(self):
        """From then on everything goes out as it comes."""
        made = asked([[text("a")], [CALLED[0]], [CALLED[1]], CALLED[2:]], call=FIT)
        batches = [batch async for batch in made]
        assert batches == [[text("a"), CALLED[0]], [CALLED[1]], CALLED[2:]]
        assert made.unmet == ""

    async def test_an_error_is_no_answer(self):
        """It is told, and what was said before it."""
        made = asked([[text("a")], [FAILED]], turns=[Turn()], call=FIT)
        assert await read(made) == [text("a"), FAILED]
        assert made.unmet == ""


class TestKept:
    async def test_its_run_is_to_last(self):
        """A run that is asked for again is not: Letta would take it for a retry of the first."""
        made = asked([[FAILED]], [ANSWER], turns=[Again()])
        made.keep()
        assert await read(made) == ANSWER
        assert [run.kept for run in runs(made)] == [True, False]

    async def test_an_answer_that_letta_is_not_asked_for(self):
        """There is nothing that could break."""
        made = asked(call=attrs.evolve(KEPT, answer=(Finish(),)))
        made.keep()
        assert await read(made) == [Finish()]
