"""Streams that are taken up again: from every event on, by whoever may, wherever they run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.call import Agent, Call, Conversation
from gateway.errors import Reject
from gateway.events import Error, Event, Finish
from gateway.plugin import Turn
from gateway.services import Caller
from gateway.streams import INTERRUPTED, Keep, NoStream
from gateway.streams.readers import LEAVING_SECONDS
from gateway.testing.recordings import Recording
from tests.gateway.lane import ScriptedRun, step, text, texts, until
from tests.gateway.letta.decoding import STREAMS, decoded, tools_of
from tests.gateway.store.stores import WITH_REDIS, open_redis, opened, redis_url
from tests.gateway.streams.twins import ADA, Twins, twins
from tests.plugins.watched import Watched


BOB = Caller("bob", "bob")


def run_of(recording: Recording) -> ScriptedRun:
    """Its events, one at a time, as a run gives them."""
    return ScriptedRun([[event] for event in decoded([recording.data], tools_of(recording))])


async def rest_of(process: Twins, stream_id: str, after: int) -> list[Event]:
    """What is behind a number; before it stands all that was."""
    async with await process.resume(stream_id, after) as stream:
        assert stream.number == after == len(stream.before)
        return [event async for batch in stream for event in batch]


async def followed(process: Twins, stream_id: str) -> list[Event]:
    """All of it, by a client that loses its connection after every event."""
    got: list[Event] = []
    while not (got and isinstance(got[-1], Finish | Error)):
        async with await process.resume(stream_id, len(got)) as stream:
            assert list(stream.before) == got
            async for batch in stream:
                got += batch[:1]
                if batch:
                    break
    return got


@pytest.mark.parametrize("recording", STREAMS, ids=lambda recording: recording.name)
async def test_reconnects_at_every_event_of_every_recording(recording: Recording) -> None:
    """Here and in another process, while it runs and afterwards: nothing is lost or doubled."""
    store = Watched()
    async with twins(says=[run_of(recording)], store=store) as one, twins(store=store) as two:
        async with await one.start() as stream:
            here = asyncio.create_task(followed(one, stream.id))
            there = asyncio.create_task(followed(two, stream.id))
            whole = [event async for batch in stream for event in batch]
        assert await here == await there == whole
        await one.ended()
        for after in range(len(whole) + 1):
            assert await rest_of(one, stream.id, after) == whole[after:]
            assert await rest_of(two, stream.id, after) == whole[after:]


@asynccontextmanager
async def processes(use: Any, tmp_path: Path, run: ScriptedRun) -> AsyncIterator[list[Twins]]:
    """Two processes of a gateway where the store can have two; the first is asked."""
    async with AsyncExitStack() as stack:
        if use == "redis":
            url = await stack.enter_async_context(redis_url(tmp_path))
            stores = [await stack.enter_async_context(open_redis(url)) for _ in range(2)]
        else:
            stores = [await stack.enter_async_context(opened(use, tmp_path))] * 2
        yield [await stack.enter_async_context(twins(says=[run], store=each)) for each in stores]


@pytest.mark.parametrize("use", WITH_REDIS)
async def test_it_is_stopped_by_another_process(use: Any, tmp_path: Path) -> None:
    """All who read it are told at once, and what was said stays readable everywhere."""
    run = ScriptedRun([[text("a")], [text("b")], asyncio.Event()])
    async with processes(use, tmp_path, run) as (one, two):
        async with await one.start() as stream, await two.resume(stream.id) as theirs:
            got = list[Event]()
            reading = aiter(theirs)
            while len(got) < 2:
                got += await anext(reading)
            stood = await two.streams.look(stream.id, ADA)
            assert (stood.state, texts(stood.events)) == ("running", "ab")
            stood = await two.streams.interrupt(stream.id, ADA)
            assert (stood.state, texts(stood.events)) == ("cancelled", "ab")
            got += [event async for batch in reading for event in batch]
            mine = [event async for batch in stream for event in batch]
        assert got == mine == list(stood.events)
        assert isinstance(got[-1], Error)
        assert got[-1].code == INTERRUPTED
        assert await one.streams.look(stream.id, ADA) == stood
        assert await two.streams.interrupt(stream.id, ADA) == stood
        await one.made.rest()
    assert run.cancels == 1


@pytest.mark.parametrize("other", [False, True])
async def test_its_end_is_waited_for(other: bool) -> None:
    """Who waits for it does not read it: left by its readers it ends soon, in any process."""
    store = Watched()
    run = ScriptedRun([[text("a")], asyncio.Event()])
    async with twins(says=[run], store=store) as one, twins(store=store) as two:
        await one.hears()
        asked = (two if other else one).streams
        async with await one.start() as stream:
            assert await anext(aiter(stream)) == [text("a")]
            waiting = asyncio.create_task(asked.ended(stream.id, ADA, 60))
            assert (await asked.ended(stream.id, ADA, 0.01)).state == "running"
        one.made.clock.advance(LEAVING_SECONDS)
        stood = await waiting
        assert (stood.state, texts(stood.events)) == ("cancelled", "a")
        assert await asked.ended(stream.id, ADA, 60) == stood


async def test_the_end_of_one_in_the_background_is_waited_for() -> None:
    """It is not stopped for that."""
    gate = asyncio.Event()
    async with twins(says=[[text("a")], gate, [Finish()]]) as both:
        async with await both.start(Keep(background=True)) as stream:
            await stream.prepared()
        assert (await both.streams.ended(stream.id, ADA, 0.01)).state == "running"
        gate.set()
        assert (await both.streams.ended(stream.id, ADA, 60)).state == "finished"
        with pytest.raises(NoStream):
            await both.streams.ended(stream.id, BOB, 60)


@pytest.mark.parametrize("use", WITH_REDIS)
async def test_the_log_catches_up_with_a_client_that_was_ahead_of_it(
    use: Any, tmp_path: Path
) -> None:
    """Whoever comes back to another process is waited for until that has heard of it all."""
    gate, end = asyncio.Event(), asyncio.Event()
    run = ScriptedRun([[text("a")], gate, [text("b")], end, [Finish()]])
    async with processes(use, tmp_path, run) as (one, two), await one.start() as stream:
        assert await anext(aiter(stream)) == [text("a")]
        coming = asyncio.create_task(two.resume(stream.id, after=2))
        gate.set()
        async with await coming as theirs:
            assert list(theirs.before) == [text("a"), text("b")]
            end.set()
            assert [event async for batch in theirs for event in batch] == [Finish()]


async def test_others_have_no_such_stream() -> None:
    """To another caller it is as if it were not there, whatever he does."""
    async with twins(says=[[text("a")], asyncio.Event()]) as both, await both.start() as stream:
        assert await anext(aiter(stream)) == [text("a")]
        for unknown in (stream.id[:-1], "0" * 32, "../ada/1", "", stream.id.upper() + "\n"):
            with pytest.raises(NoStream):
                await both.streams.look(unknown, ADA)
        streams, pipeline = both.streams, both.made.pipeline
        for attempt in (
            streams.resume(stream.id, BOB, pipeline),
            streams.look(stream.id, BOB),
            streams.interrupt(stream.id, BOB),
            streams.forget(stream.id, BOB),
        ):
            with pytest.raises(NoStream):
                await attempt
        assert (await streams.look(stream.id, ADA)).state == "running"


OLDER = Agent("agent-1", "Milo", "memgpt_agent")


class Older(Turn):
    """The agent is of an older type."""

    async def prepare(self, call: Call) -> Call:
        return attrs.evolve(call, agent=OLDER)


async def test_what_surfaces_keep_with_it() -> None:
    """Whoever reads it, in whatever process, knows how it is to be shown."""
    store = Watched()
    async with twins(step(Older), says=[[text("a"), Finish()]], store=store) as one:
        keep = Keep(facts={"metadata": {"a": 1}, "store": True})
        async with await one.start(keep) as stream:
            await stream.prepared()
            assert stream.call.conversation == Conversation("conv-1")
        await one.ended()
    async with twins(store=store.restarted()) as anew:
        async with await anew.resume(stream.id) as again:
            assert again.head == stream.head
            assert again.head.facts == {"metadata": {"a": 1}, "store": True}
            assert again.call.agent == OLDER
            assert (again.call.model, again.call.reply) == ("Milo", stream.call.reply)
        assert (await anew.streams.look(stream.id, ADA)).head == stream.head


async def test_killed() -> None:
    """What was said is there, and its state; whoever was ahead of the log is told the same."""
    store = Watched()
    async with (
        twins(says=[[text("a")], [text("b")], asyncio.Event()], store=store) as one,
        await one.start() as stream,
    ):
        reading, got = aiter(stream), list[Event]()
        while len(got) < 2:
            got += await anext(reading)
        (journal,) = one.running.values()
        await journal._writer.flush()
        async with twins(store=store.restarted()) as anew:
            stood = await anew.streams.look(stream.id, ADA)
            assert (stood.state, list(stood.events[:-1])) == ("failed", got)
            for after in range(6):
                async with await anew.resume(stream.id, after) as again:
                    rest = [event async for batch in again for event in batch]
                assert rest[:-1] == got[after:]
                assert isinstance(rest[-1], Error)
                assert rest[-1].code == "stream_lost"
            assert (await anew.streams.interrupt(stream.id, ADA)) == stood


async def test_it_is_forgotten() -> None:
    """It is stopped, and there is nothing left of it."""
    store = Watched()
    async with twins(says=[[text("a")], asyncio.Event()], store=store) as both:
        async with await both.start() as stream:
            assert await anext(aiter(stream)) == [text("a")]
        await both.streams.forget(stream.id, ADA)
        for _ in range(2):
            with pytest.raises(NoStream):
                await both.streams.look(stream.id, ADA)
            await both.made.rest()
        assert not [key for key in store.inner._entries if stream.id in key]
    assert both.made.run.cancels == 1


async def test_a_number_that_it_has_not_come_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """That is refused while it runs, and nothing when it has ended."""
    monkeypatch.setattr("gateway.streams.SKIP_SECONDS", 0.01)
    gate = asyncio.Event()
    async with twins(says=[[text("a")], gate, [Finish()]]) as both:
        async with await both.start() as stream:
            assert await anext(aiter(stream)) == [text("a")]
            with pytest.raises(Reject) as caught:
                await both.resume(stream.id, after=2)
            assert (caught.value.status, caught.value.code) == (400, "stream_position")
            gate.set()
            assert await anext(aiter(stream)) == [Finish()]
        for after in (2, 3, 1000):
            async with await both.resume(stream.id, after) as again:
                assert [batch async for batch in again] == []
        assert [journal.readers.count for journal in both.running.values()] in ([], [0])


async def test_a_stream_too_large_to_be_kept_whole() -> None:
    """It is taken up where it is still there, and refused where it is not."""
    apart = asyncio.Event()
    apart.set()
    says = [said for _ in range(30) for said in ([text("x" * 100)], apart)]
    async with twins(says=[*says, [Finish()]], size=1000) as both:
        async with await both.start() as stream:
            assert len([event async for batch in stream for event in batch]) == 31
        for _ in range(2):
            stood = await both.streams.look(stream.id, ADA)
            assert (stood.state, stood.first + len(stood.events)) == ("finished", 32)
            assert stood.first > 15
            async with await both.resume(stream.id, stood.first - 1) as again:
                assert again.before == ()
            with pytest.raises(Reject) as caught:
                await both.resume(stream.id, stood.first - 2)
            assert (caught.value.status, caught.value.code) == (410, "stream_truncated")
            async with await both.resume(stream.id, 30) as again:
                assert [event async for batch in again for event in batch] == [Finish()]
            await both.ended()


async def test_a_twin_of_a_kept_stream() -> None:
    """An idempotency key stands for the stream and its id."""
    async with twins(says=[[text("a")], [Finish()]]) as both:
        async with await both.start(key="k") as one, await both.start(key="k") as two:
            assert (one.replayed, two.replayed) == (False, True)
            assert one.id == two.id
            assert [e async for b in one for e in b] == [e async for b in two for e in b]
        async with await both.start(key="other") as other:
            assert other.id != one.id


@attrs.frozen
class Client:
    """Comes after so many events, at so many events each time, in one of two processes."""

    process: int
    steps: Sequence[int]


CLIENTS = st.builds(Client, st.integers(0, 1), st.lists(st.integers(1, 5), min_size=1, max_size=6))
CUTS = st.lists(st.lists(st.sampled_from("abcdé\n "), max_size=4).map("".join), max_size=12)


@settings(max_examples=60, deadline=None)
@given(said=CUTS, clients=st.lists(CLIENTS, min_size=1, max_size=5), stops=st.booleans())
async def test_whatever_is_said_and_whoever_comes_and_goes(
    said: Sequence[str], clients: Sequence[Client], stops: bool
) -> None:
    """All get the same, in any process, however often they lose their connections."""
    batches = [[text(letter, "m") for letter in word] for word in said]
    ending = [asyncio.Event()] if stops else [[Finish()]]
    store = Watched()
    async with (
        twins(says=[ScriptedRun([*batches, *ending])], store=store) as one,
        twins(store=store) as two,
    ):
        stream_id = (started := await one.start()).id

        async def client(each: Client) -> list[Event]:
            got: list[Event] = []
            process = (one, two)[each.process]
            for step in [*each.steps, None]:
                async with await process.resume(stream_id, len(got)) as stream:
                    left = step
                    async for batch in stream:
                        got += batch if left is None else batch[:left]
                        left = None if left is None else left - len(batch)
                        if left is not None and left <= 0:
                            break
            return got

        reading = [asyncio.create_task(client(each)) for each in clients]
        if stops:
            letters = len("".join(said))
            await until(
                lambda: all(journal.pages.last >= letters for journal in one.running.values())
            )
            await two.streams.interrupt(stream_id, ADA)
        whole = [event async for batch in started for event in batch]
        await started.__aexit__()
        assert texts(whole) == "".join(said)
        assert [await each for each in reading] == [whole] * len(clients)
