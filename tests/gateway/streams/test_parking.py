"""Retries without a key: an OpenAI SDK has hung up and asks again, in a chat that it names."""

from __future__ import annotations

import asyncio
from typing import Any

import attrs
import pytest

from gateway.errors import Reject
from gateway.events import Finish
from gateway.streams.parking import PARKED_SECONDS
from tests.gateway.lane import ScriptedRun, noted, step, text, until
from tests.gateway.streams.test_stream import Waiting
from tests.gateway.streams.twins import Twins, twins


ANSWER = [[text("a")], [text("b"), Finish()]]
WHOLE = [text("a"), text("b"), Finish()]


def slow(gate: asyncio.Event) -> Any:
    return [gate, *ANSWER]


async def hangs_up(both: Twins, **sent: Any) -> None:
    """A first attempt whose client goes while Letta is silent."""
    stream = sent.pop("stream", False)
    call = attrs.evolve(both.call("", **{"chat": "c", "attempt": 0, **sent}), stream=stream)
    asking = asyncio.create_task(both.events(call))
    await until(lambda: both.asked and both.made.run.started.is_set())
    asking.cancel()
    await asyncio.wait([asking])


@pytest.mark.parametrize("stream", [False, True])
async def test_a_retry_goes_on(stream):
    """It gets the answer that was begun, all of it; Letta is asked once."""
    gate, log = asyncio.Event(), list[str]()
    async with twins(noted(log), says=slow(gate)) as both:
        await hangs_up(both, stream=stream)
        gate.set()
        retry = attrs.evolve(both.call("", chat="c", attempt=1), stream=stream)
        assert await both.events(retry) == WHOLE
    assert both.asked == 1
    assert both.made.run.cancels == 0
    assert log == ["p.prepare", "p.settle"]


async def test_a_retry_that_hangs_up_too():
    """The next one goes on all the same."""
    gate = asyncio.Event()
    async with twins(says=slow(gate)) as both:
        for attempt in range(3):
            await hangs_up(both, attempt=attempt)
        gate.set()
        assert await both.events(both.call("", chat="c", attempt=3)) == WHOLE
    assert both.asked == 1


async def test_it_has_ended_meanwhile():
    """An answer that ended while nobody was there is kept for the retry."""
    gate, log = asyncio.Event(), list[str]()
    async with twins(noted(log), says=slow(gate)) as both:
        await hangs_up(both)
        gate.set()
        await until(lambda: "p.settle" in log)
        assert await both.events(both.call("", chat="c", attempt=1)) == WHOLE
    assert both.asked == 1


async def test_hanging_up_while_it_is_prepared():
    """The place in the queue for the conversation is not lost."""
    turn = Waiting([])
    async with twins(step(lambda: turn), says=ANSWER) as both:
        asking = asyncio.create_task(both.events(both.call("", chat="c", attempt=0)))
        await asyncio.sleep(0)
        asking.cancel()
        await asyncio.wait([asking])
        turn.go.set()
        assert await both.events(both.call("", chat="c", attempt=1)) == WHOLE
    assert turn.log == ["p.prepare", "p.settle"]


async def test_nobody_comes_back():
    """After some seconds the run is cancelled, as it always is when a client leaves."""
    log: list[str] = []
    async with twins(noted(log), says=[asyncio.Event()]) as both:
        await hangs_up(both)
        assert both.made.run.cancels == 0
        both.made.clock.advance(PARKED_SECONDS)
        await both.made.rest()
        assert both.made.run.cancels == 1
    assert log == ["p.prepare", "p.abandon"]


async def test_nobody_comes_back_to_an_answer_that_has_ended():
    """Its turns have settled, and nothing is left."""
    gate, log = asyncio.Event(), list[str]()
    async with twins(noted(log), says=slow(gate)) as both:
        await hangs_up(both)
        gate.set()
        await until(lambda: "p.settle" in log)
        both.made.clock.advance(PARKED_SECONDS)
        await both.made.rest()
        assert both.streams._parking._parked == {}
    assert log == ["p.prepare", "p.settle"]


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({"chat": "c", "attempt": 1}, {"body": {"model": "Ada"}}),
        ({"chat": "c", "attempt": 1}, {"stream": True}),
        ({"chat": "c", "attempt": 0}, {}),
        ({"chat": "c"}, {}),
    ],
)
async def test_the_client_says_something_else(sent, said):
    """In the same chat: the old request is given up at once, and holds nothing up."""
    runs = [ScriptedRun([asyncio.Event()]), ScriptedRun(ANSWER)]
    async with twins(says=runs) as both:
        await hangs_up(both)
        assert await both.events(attrs.evolve(both.call("", **sent), **said)) == WHOLE
        await both.made.rest()
        assert both.made.run.cancels == 1
    assert both.asked == 2


@pytest.mark.parametrize(
    ("sent", "caller"),
    [
        ({"chat": "", "attempt": 1}, "ada"),
        ({"chat": "d", "attempt": 1}, "ada"),
        ({"chat": "c", "attempt": 1}, "bob"),
    ],
)
async def test_others_are_not_joined(sent, caller):
    """Without a chat, in another chat, or by another caller, the same words are new ones."""
    gate = asyncio.Event()
    runs = [ScriptedRun(slow(gate)), ScriptedRun(ANSWER)]
    async with twins(says=runs) as both:
        await hangs_up(both)
        assert await both.events(both.call("", **sent), caller=caller) == WHOLE
        assert both.made.run.cancels == 0
        gate.set()
        assert await both.events(both.call("", chat="c", attempt=1)) == WHOLE
    assert both.asked == 2


async def test_two_people_say_hi():
    """Requests whose clients are both there are two, whatever they count."""
    gate = asyncio.Event()
    runs = [ScriptedRun(slow(gate)), ScriptedRun(slow(gate))]
    async with twins(says=runs) as both:
        asking = [
            asyncio.create_task(both.events(both.call("", chat="c", attempt=attempt)))
            for attempt in (0, 1)
        ]
        await until(lambda: both.asked == 2)
        gate.set()
        assert await asyncio.gather(*asking) == [WHOLE, WHOLE]


async def test_without_a_chat_nothing_is_parked():
    """The run is cancelled as soon as the client has left."""
    async with twins(says=[asyncio.Event()]) as both:
        await hangs_up(both, chat="")
        await both.made.rest()
        assert both.made.run.cancels == 1


async def test_leaving_in_mid_stream():
    """Who has heard something does not try again: the run is cancelled at once."""
    async with twins(says=[[text("a")], asyncio.Event()]) as both:
        call = attrs.evolve(both.call("", chat="c", attempt=0), stream=True)
        async with await both.begin(call) as answer:
            assert await anext(aiter(answer)) == [text("a")]
        await both.made.rest()
        assert both.made.run.cancels == 1


@attrs.define
class Refusing(Waiting):
    """Refuses when it is told to."""

    async def prepare(self, call):
        await self.go.wait()
        raise Reject(404, "model_not_found", "None.")


async def test_refused():
    """What is refused while nobody is there, the retry is told; then nothing is left."""
    turn = Refusing([])
    async with twins(step(lambda: turn), says=ANSWER) as both:
        for back in (True, False):
            turn.go.clear()
            asking = asyncio.create_task(both.events(both.call("", chat="c", attempt=0)))
            await asyncio.sleep(0)
            asking.cancel()
            await asyncio.wait([asking])
            turn.go.set()
            if back:
                with pytest.raises(Reject, match="None"):
                    await both.begin(both.call("", chat="c", attempt=1))
            else:
                both.made.clock.advance(PARKED_SECONDS)
                await both.made.rest()
    assert both.asked == 0


async def test_the_gateway_stops():
    """What is parked is given up."""
    async with twins(says=[asyncio.Event()]) as both:
        await hangs_up(both)
    assert both.made.run.cancels == 1
