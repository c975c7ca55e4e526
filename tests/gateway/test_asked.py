from __future__ import annotations

import asyncio
from collections.abc import Sequence

import attrs
import pytest

from gateway.asked import Asked
from gateway.call import Call
from gateway.events import Error, Event, Finish, Ping
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

    async def test_the_first_turn_that_wants_it(self):
        """Those below it are not asked."""
        first, second = Again(), Again()
        await read(asked([[FAILED]], [ANSWER], turns=[Turn(), first, second]))
        assert len(first.heard) == 1
        assert second.heard == []

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
