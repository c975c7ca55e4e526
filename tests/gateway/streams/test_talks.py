"""A stream that nobody reads makes way for what is said next in its chat."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway.events import Finish
from gateway.streams import INTERRUPTED, Keep
from gateway.streams.identity import talk_of
from gateway.streams.readers import LEAVING_SECONDS
from gateway.streams.roll import Roll
from tests.gateway.lane import ScriptedRun, text, until
from tests.gateway.streams.twins import ADA, Twins, first, twins
from tests.plugins.watched import Watched


def waiting() -> ScriptedRun:
    """A run that says something, and nothing more for ever."""
    return ScriptedRun([[text("a")], asyncio.Event()])


def answer() -> ScriptedRun:
    return ScriptedRun([[text("b"), Finish()]])


@asynccontextmanager
async def chat(*runs: ScriptedRun, **settings: Any) -> AsyncIterator[Twins]:
    async with twins(says=list(runs), **settings) as both:
        yield both


async def left(process: Twins, **how: Any) -> str:
    """The id of a stream whose client has gone."""
    stream = await process.start(**{"chat": "c", **how})
    await first(stream)
    return stream.id


async def state_of(process: Twins, stream_id: str) -> str:
    return (await process.streams.look(stream_id, ADA)).state


async def test_it_ends_at_once() -> None:
    """It is cancelled at Letta, too, and what it has said stays readable."""
    async with chat(waiting(), answer()) as both:
        gone = await left(both)
        async with await both.start(chat="c") as stream:
            events = [event async for batch in stream for event in batch]
        assert events == [text("b"), Finish()]
        await both.ended()
        stood = await both.streams.look(gone, ADA)
        assert (stood.state, stood.events[0]) == ("cancelled", text("a"))
        assert stood.events[-1].code == INTERRUPTED
        await until(lambda: both.made.run.cancels == 1)


async def test_whatever_says_it() -> None:
    """Also an answer that is not kept itself."""
    async with chat(waiting(), answer()) as both:
        gone = await left(both)
        async with await both.begin(both.call("", chat="c")) as said:
            assert [event async for batch in said for event in batch] == [text("b"), Finish()]
        await both.ended()
        assert await state_of(both, gone) == "cancelled"


@pytest.mark.parametrize("name", ["Milo", "agent-1"])
async def test_by_any_name_of_its_agent(name: str) -> None:
    """Surfaces have different names for it."""
    async with chat(waiting(), answer()) as both:
        gone = await left(both, model="milo-by-alias")
        await left(both, model=name)
        await both.ended()
        assert await state_of(both, gone) == "cancelled"


@pytest.mark.parametrize(
    "other",
    [{"chat": "d"}, {"chat": ""}, {"caller": "bob"}, {"model": "Otto"}],
    ids=["another chat", "no chat", "another caller", "another agent"],
)
async def test_what_is_said_elsewhere(other: dict[str, str]) -> None:
    """It is nothing to this stream."""
    async with chat(waiting(), answer()) as both:
        gone = await left(both)
        await left(both, **other)
        await until(lambda: len(both.running) == 1)
        assert await state_of(both, gone) == "running"


async def test_one_that_is_read_goes_on() -> None:
    """The next waits for its end as it would anyway; so for one in the background."""
    async with chat(waiting(), waiting(), answer()) as both:
        behind = await left(both, keep=Keep(background=True))
        async with await both.start(chat="c") as read:
            assert await anext(aiter(read)) == [text("a")]
            await left(both)
            await until(lambda: len(both.running) == 2)
            assert await state_of(both, read.id) == "running"
            assert await state_of(both, behind) == "running"


async def test_the_same_again_is_nothing_new() -> None:
    """A request that is sent again with its key reads what it has begun."""
    gate = asyncio.Event()
    async with chat(ScriptedRun([[text("a")], gate, [Finish()]])) as both:
        await left(both, key="k")
        again = await both.start(key="k", chat="c")
        gate.set()
        async with again:
            assert [event async for batch in again for event in batch] == [text("a"), Finish()]


async def test_an_operator_lets_runs_go_on() -> None:
    """Then nothing is cancelled because nobody reads it."""
    async with chat(waiting(), answer(), cancel_on_leave=False) as both:
        gone = await left(both)
        await left(both)
        await until(lambda: len(both.running) == 1)
        assert await state_of(both, gone) == "running"


async def test_two_at_once() -> None:
    """Whose client has not had the time to read it yet is not left."""
    async with chat(answer(), answer()) as both:
        one, two = await asyncio.gather(both.start(chat="c"), both.start(chat="c"))
        for each in (one, two):
            async with each:
                assert [e async for batch in each for e in batch] == [text("b"), Finish()]


async def test_in_another_process() -> None:
    """It is told to make way; one that is read goes on there, too."""
    store = Watched()
    async with chat(waiting(), waiting(), store=store) as one, chat(answer(), store=store) as two:
        await one.hears()
        gone = await left(one)
        async with await one.start(chat="d") as read:
            await anext(aiter(read))
            await left(two)
            await until(lambda: len(one.running) == 1)
            assert await state_of(two, gone) == "cancelled"
            assert await state_of(two, read.id) == "running"


async def test_a_reader_in_another_process() -> None:
    """While it reads nothing ends; soon after it has gone, something else said ends it."""
    store = Watched()
    runs = [waiting(), answer(), answer()]
    async with chat(*runs, store=store) as one, twins(store=store) as two:
        gone = await left(one)
        async with await two.resume(gone) as reading:
            assert await anext(aiter(reading)) == [text("a")]
            await left(one)
            await until(lambda: len(one.running) == 1)
            assert await state_of(one, gone) == "running"
        name = f"{one.running[next(iter(one.running))].place.name}/read"
        while len(await store.read_from(name, 0, wait=0)) < 2:  # noqa: ASYNC110  it goes
            await asyncio.sleep(0)
        await left(one)
        await one.ended()
        assert await state_of(one, gone) == "cancelled"


async def test_nothing_of_it_stays() -> None:
    """What has ended is not told to make way, and nobody is told of it."""
    store = Watched()
    async with chat(answer(), answer(), store=store) as one, chat(answer(), store=store) as two:
        for _ in range(2):
            await left(one)
        await one.ended()
        await one.made.rest()
        assert one.streams._talks._here == {}
        assert await left(two)
        await two.made.rest()
        log = f"/streams-of/{one.streams._control.name}"
        assert await store.read_from(log, 0, wait=0) == []


async def test_its_process_was_killed() -> None:
    """It is forgotten as soon as something is said in its chat."""
    store = Watched()
    async with chat(waiting(), store=store) as one:
        gone = await left(one)
        roll = Roll(store, talk_of("ada", "c"))
        await until(lambda: talk_of("ada", "c") in store.inner._logs._logs)
        assert await roll.there() == {gone}
        async with chat(answer(), store=store.restarted()) as anew:
            await left(anew)
            await anew.ended()
            await anew.made.rest()
            assert await roll.there() == set()


async def test_a_store_that_does_not_answer() -> None:
    """
    Then those of other processes are not told, and all else goes on. What runs here may be read
    there, and makes way when the store answers.
    """
    store = Watched()
    async with chat(waiting(), answer(), store=store) as both:
        gone = await left(both)
        await until(lambda: talk_of("ada", "c") in store.inner._logs._logs)
        store.broken = {"read_from", "append"}
        async with await both.begin(both.call("", chat="c")) as said:
            assert [event async for batch in said for event in batch] == [text("b"), Finish()]
        assert await state_of(both, gone) == "running"
        store.broken = set()
        both.made.clock.advance(LEAVING_SECONDS)  # whoever has just looked at it may come back
        await both.ended()
        assert await state_of(both, gone) == "cancelled"
