"""Readers of a stream in its own and in other processes: each `Twins` is a process."""

from __future__ import annotations

import asyncio

import loguru
import pytest

from gateway.background import Background
from gateway.errors import Reject, StoreError
from gateway.events import Finish
from gateway.store.memory import MemoryStore
from gateway.streams import reader
from gateway.streams.claims import Key
from gateway.streams.identity import digest_of, name_of, new_id
from gateway.streams.pages import Page
from gateway.streams.place import Place
from gateway.streams.reader import Elsewhere, Lost
from gateway.streams.written import dump
from tests.gateway.lane import CANCELLED, ScriptedRun, text, until
from tests.gateway.streams.twins import GRACE, HEAD, first, twins
from tests.plugins.watched import Watched


ANSWER = [[text("a")], [text("b"), Finish()]]


async def code_of(beginning) -> str:
    with pytest.raises(Reject) as caught:
        await beginning
    assert (caught.value.status, caught.value.retry) == (409, False)
    return caught.value.code


@pytest.fixture(name="spawn")
async def _spawn():
    async with Background(loguru.logger) as background:
        yield background.spawn


async def test_another_process_reads_along():
    """It gets the answer from its start, as it comes, and asks Letta nothing."""
    store, gate = Watched(), asyncio.Event()
    async with (
        twins(says=[[text("a")], gate, [text("b"), Finish()]], store=store) as one,
        twins(store=store) as two,
    ):
        async with await one.begin() as mine, await two.begin() as theirs:
            assert await anext(aiter(mine)) == [text("a")]
            reading = aiter(theirs)
            assert await anext(reading) == [text("a")]
            gate.set()
            assert [event async for batch in reading for event in batch] == [text("b"), Finish()]
        assert await two.events() == [text("a"), text("b"), Finish()]
    assert (one.asked, two.asked) == (1, 0)


async def test_reading_elsewhere_keeps_it_going():
    """The run is not given up while another process reads it, and is when that has gone."""
    store, gate = Watched(), asyncio.Event()
    async with (
        twins(says=[[text("a")], gate, [Finish()]], store=store) as one,
        twins(store=store) as two,
    ):
        await first(await one.begin())
        async with await two.begin() as theirs:
            reading = aiter(theirs)
            assert await anext(reading) == [text("a")]
            waiting = asyncio.create_task(anext(reading))
            (name,) = one.running
            read = f"{name}/read"
            await until(lambda: read in store.inner._logs._logs)
            one.made.clock.advance(GRACE)
            await until(one.made.waited_for)
            assert one.made.run.cancels == 0
            await store.append(read, [], ttl=0, limit=1)  # as if it had been killed
            one.made.clock.advance(GRACE / 4)
            await until(one.made.waited_for)
            assert one.made.run.cancels == 0
            one.made.clock.advance(GRACE)
            await until(lambda: one.made.run.cancels == 1)
            assert await waiting == [CANCELLED]


async def test_a_store_that_is_away_for_a_moment():
    """That is not the end: who was told so gets what follows, and misses no event."""
    store, gate = Watched(), asyncio.Event()
    async with (
        twins(says=[[text("a")], gate, [text("b"), Finish()]], store=store) as one,
        twins(store=store) as two,
        await one.start() as mine,
    ):
        assert await anext(aiter(mine)) == [text("a")]
        async with await two.resume(mine.id) as theirs:
            reading = aiter(theirs)
            assert await anext(reading) == [text("a")]
            store.broken = {"read_from"}
            with pytest.raises(StoreError):
                await anext(reading)
            store.broken = set()
        gate.set()
        async with await two.resume(mine.id, theirs.number) as again:
            assert [event async for batch in again for event in batch] == [text("b"), Finish()]


async def test_the_process_was_killed_before_the_end():
    """Nobody knows what became of the turn, and it is not run again."""
    store = Watched()
    async with twins(says=[[text("a")], asyncio.Event()], store=store) as one:
        await first(await one.begin())
        async with twins(says=ANSWER, store=store.restarted()) as anew:
            assert await code_of(anew.begin()) == "idempotency_unknown"
            assert await code_of(anew.begin()) == "idempotency_unknown"
        assert anew.asked == 0


async def test_the_process_was_killed_before_it_asked():
    """The same: whether it had asked is not known."""
    store = Watched()
    async with twins(says=ANSWER, store=store.restarted()) as anew:
        digest = digest_of(anew.call(), "chat_completions", "")
        await Key(store, name_of("ada", "k"), digest, 60).claim(new_id(), 60)
        assert await code_of(anew.begin()) == "idempotency_unknown"
        assert anew.asked == 0


async def test_the_process_was_killed_after_the_end():
    """Then the answer is there, and replayed."""
    store = Watched()
    async with twins(says=ANSWER, store=store) as one:
        await one.events()
    async with twins(store=store.restarted()) as anew:
        assert await anew.events() == [text("a"), text("b"), Finish()]


async def test_the_process_is_killed_while_another_reads(monkeypatch):
    """The reader gets what there was, and then an error that says so."""
    monkeypatch.setattr(reader, "LOOK_SECONDS", 0.01)
    store = Watched()
    async with twins(says=[[text("a")], asyncio.Event()], store=store) as one:
        await first(await one.begin())
        async with twins(store=store) as two, await two.begin() as got:
            reading = aiter(got)
            assert await anext(reading) == [text("a")]
            (journal,) = one.running.values()
            await journal.lease.release()  # leases end with their process
            rest = [event async for batch in reading for event in batch]
            assert [(event.status, event.code) for event in rest] == [(409, "idempotency_unknown")]


async def test_a_log_that_has_gone():
    """A claim whose log was thrown out says nothing of the answer."""
    store = Watched()
    async with twins(says=ANSWER, store=store) as both:
        await both.events()
        await both.ended()
        (name,) = (log for log in store.inner._logs._logs if log.startswith("/stream/"))
        await store.append(name, [], ttl=0, limit=1)
        assert await code_of(both.begin()) == "idempotency_unknown"
        assert both.asked == 1


async def test_many_read_a_finished_one():
    """All get all of it."""
    async with twins(says=[ScriptedRun(ANSWER)]) as both:
        await both.events()
        await both.ended()
        for events in await asyncio.gather(*(both.events() for _ in range(50))):
            assert events == [text("a"), text("b"), Finish()]


async def test_nothing_comes_any_more(spawn):
    """That is known at once, and not before what there is has been read."""
    place = Place(MemoryStore(), "/stream/ada/1")
    await place.append([dump(Page(1, [text("a")]))], 60, 1000)
    one = Elsewhere(place, HEAD, GRACE, spawn)
    assert await one.more(60) == [Page(1, [text("a")])]
    with pytest.raises(Lost):
        await one.more(60)


async def test_nothing_comes_for_a_while(monkeypatch, spawn):
    """As long as its writer lives, that means nothing."""
    monkeypatch.setattr(reader, "LOOK_SECONDS", 0.01)
    place = Place(MemoryStore(), "/stream/ada/1")
    assert await place.lease()
    one = Elsewhere(place, HEAD, GRACE, spawn)
    assert await one.more(0.03) == []
    assert await one.more(0) == []


async def test_it_is_seen_while_it_reads(spawn):
    """Also while there is always more to read; not when it is over, nor if it only watches."""
    place = Place(MemoryStore(), "/stream/ada/1")
    assert await place.lease()
    await place.append([dump(Page(1, [text("a")]))], 60, 1000)
    one, other, watching = (
        Elsewhere(place, HEAD, GRACE, spawn, watches) for watches in (False, False, True)
    )
    for each in (one, other, watching):
        assert await each.more(60)
    assert len(await place.readers.there()) == 2
    for each in (one, watching):
        each.leave()
    await asyncio.sleep(0)
    assert len(await place.readers.there()) == 1
    other.leave()
    await place.append([dump(Page(2, [Finish()]))], 60, 1000)
    late = Elsewhere(place, HEAD, GRACE, spawn)
    assert await late.more(60)
    late.leave()
    await asyncio.sleep(0)
    assert await place.readers.there() == set()


async def test_its_facts_become_known():
    """When it has been prepared, its reader sees what that has come to."""
    store, gate = Watched(), asyncio.Event()
    async with (
        twins(says=[gate, *ANSWER], store=store) as one,
        twins(store=store) as two,
        await one.start() as mine,
        await two.resume(mine.id) as theirs,
    ):
        await mine.prepared()
        assert await theirs.prepared()
        assert theirs.head == mine.head
        assert theirs.head.agent == "agent-1"
        gate.set()
