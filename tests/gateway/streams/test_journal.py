"""A kept stream: how it runs by itself, and how it ends."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from typing import Any

import attrs
import pytest

from gateway.errors import Reject, StoreError
from gateway.events import Error, Finish
from gateway.plugin import Context, Turn
from gateway.store.memory import MemoryStore
from gateway.streams import Keep, writer
from gateway.streams.kept import interrupted
from gateway.streams.pages import joined
from gateway.streams.place import Place
from tests.gateway.lane import (
    CANCELLED,
    FAILED,
    KEPT,
    USAGE,
    Broken,
    Noted,
    ScriptedRun,
    logged,
    noted,
    step,
    text,
    until,
)
from tests.gateway.streams.twins import ADA, GRACE, TTL, first, twins
from tests.plugins.watched import Watched


ANSWER = [[text("a")], [text("b"), USAGE, Finish()]]


async def test_it_goes_on_without_its_client():
    """Who leaves, and whoever comes later, disturbs nothing: the turn settles."""
    gate, log = asyncio.Event(), list[str]()
    async with twins(noted(log), says=[[text("a")], gate, [text("b")], [Finish()]]) as both:
        assert await first(await both.begin()) == [text("a")]
        gate.set()
        assert await both.events() == [text("a"), text("b"), Finish()]
        await both.made.rest()
    assert log == ["p.prepare", "p.settle"]
    assert both.made.run.cancels == 0
    assert both.asked == 1


async def test_nobody_reads_it_any_more():
    """After the grace the run is cancelled at Letta and read to its end; the key is free."""
    log: list[str] = []
    runs = [ScriptedRun([[text("a")], asyncio.Event()]), ScriptedRun(ANSWER)]
    async with twins(noted(log), says=runs) as both:
        await first(await both.begin())
        both.made.clock.advance(GRACE - 1)
        assert both.made.run.cancels == 0
        both.made.clock.advance(1)
        await both.made.rest()
        assert both.made.run.cancels == 1
        assert log == ["p.prepare", "p.abandon"]
        assert await both.events() == [text("a"), text("b"), USAGE, Finish()]
    assert both.asked == 2


async def test_a_reader_comes_back_in_time():
    """The grace begins anew when the last one goes."""
    gate = asyncio.Event()
    async with twins(says=[[text("a")], gate, [Finish()]]) as both:
        await first(await both.begin())
        for _ in range(3):
            both.made.clock.advance(GRACE - 1)
            async with await both.begin(), await both.begin():
                both.made.clock.advance(2 * GRACE)
        gate.set()
        assert await both.events() == [text("a"), Finish()]
    assert both.made.run.cancels == 0


async def test_no_grace():
    """The run is cancelled when the last reader goes, and not before the first one comes."""
    async with twins(says=[[text("a")], asyncio.Event()], grace=0) as both:
        async with await both.begin() as answer:
            both.made.clock.advance(1)
            assert await anext(aiter(answer)) == [text("a")]
            assert both.made.run.cancels == 0
        both.made.clock.advance(0)
        await both.made.rest()
        assert both.made.run.cancels == 1


async def test_runs_that_are_never_cancelled():
    """If the operator has them go on, they go on to their end."""
    gate = asyncio.Event()
    async with twins(says=[[text("a")], gate, [Finish()]], cancel_on_leave=False) as both:
        await first(await both.begin())
        both.made.clock.advance(2 * GRACE)
        gate.set()
        assert await both.events() == [text("a"), Finish()]
    assert both.made.run.cancels == 0


@attrs.define
class Waiting(Noted):
    """Is prepared when it is told to."""

    go: asyncio.Event = attrs.field(factory=asyncio.Event)

    async def prepare(self, call):
        await self.go.wait()
        return await super().prepare(call)


async def test_nobody_waits_for_it_to_be_asked():
    """A turn that is given up while it is prepared is not sent to Letta."""
    log: list[str] = []
    turn = Waiting(log)
    async with twins(step(lambda: turn), says=[[text("a")], asyncio.Event()]) as both:
        beginning = asyncio.create_task(both.begin())
        await until(lambda: both.running)
        await asyncio.sleep(0)
        beginning.cancel()
        await asyncio.wait([beginning])
        both.made.clock.advance(GRACE)
        await until(lambda: any(j._given_up for j in both.running.values()))
        turn.go.set()
        await both.made.rest()
        assert both.made.run.cancels == 1
    assert log == ["p.prepare", "p.abandon"]


async def test_refused():
    """All who wait get the refusal; the next may run, with the same key."""
    again: list[int] = []

    @attrs.define
    class Refusing(Turn):
        async def prepare(self, call):
            if again:
                return call
            raise Reject(409, "conversation_busy", "Busy.", retry=False)

    async with twins(step(Refusing), says=ANSWER) as both:
        refused = await asyncio.gather(*(both.begin() for _ in range(3)), return_exceptions=True)
        assert [str(each) for each in refused] == ["Busy."] * 3
        again.append(1)
        assert (await both.events())[-1] == Finish()
    assert both.asked == 1


@pytest.mark.parametrize(
    ("raised", "status", "code"),
    [
        (StoreError("The store is away."), 503, "store_unavailable"),
        (Broken(), 500, "plugin_failed"),
    ],
)
async def test_failed_before_letta_was_asked(raised, status, code):
    """It is an error with its own status."""

    @attrs.define
    class Failing(Turn):
        async def prepare(self, call):
            raise raised

    async with twins(step(Failing), says=ANSWER) as both:
        with logged("ERROR"), pytest.raises(Reject) as caught:
            await both.begin()
    assert (caught.value.status, caught.value.code) == (status, code)
    assert both.asked == 0


@attrs.define
class Answers:
    """Those of a pipeline."""

    inner: Any

    def __getattr__(self, name):
        return getattr(self.inner, name)


@attrs.define
class Buggy:
    """Gives no answers: there is a mistake in it."""

    keepalive: float = 10.0
    cancel_on_leave: bool = True

    def in_use(self):
        return nullcontext()

    async def chat(self, call, context):
        return ""

    async def begin(self, call, context):
        raise RuntimeError("secret")


async def test_a_bug_shows_nothing():
    """What nobody has foreseen is logged, and the client is told to ask nobody again."""
    async with twins() as both:
        context = Context("r", both.made.clock)
        with logged("ERROR") as lines, pytest.raises(Reject) as caught:
            await both.streams.begin(Buggy(), both.call(), context)
    assert "secret" in "".join(lines)
    assert "secret" not in str(caught.value)
    assert (caught.value.code, caught.value.retry) == ("internal_error", False)


async def test_rolled_back_may_run_again():
    """An answer that Letta took back is asked for anew; until then its twins share it."""
    runs = [ScriptedRun([[text("a")], [FAILED]]), ScriptedRun(ANSWER)]
    async with twins(says=runs) as both:
        assert await asyncio.gather(both.events(), both.events()) == [[text("a"), FAILED]] * 2
        assert (await both.events())[-1] == Finish()
    assert both.asked == 2


async def test_the_key_is_free_before_the_error_is_told():
    """A client that tries again at once does not get the same error once more."""
    runs = [ScriptedRun([[FAILED]]), ScriptedRun(ANSWER)]
    async with twins(says=runs) as both, await both.begin() as answer:
        async for batch in answer:
            assert batch == [FAILED]
            assert (await both.events())[-1] == Finish()


async def test_an_error_that_letta_may_have_kept():
    """It is replayed, and never asked again."""
    error = Error(502, "server_error", "upstream_incomplete", "Broke off.")
    async with twins(says=[[text("a")], [error]]) as both:
        for _ in range(3):
            assert await both.events() == [text("a"), error]
    assert both.asked == 1


async def test_the_gateway_stops():
    """Turns that nobody reads are cancelled at once, and may run again when it is back."""
    store = Watched()
    async with twins(says=[[text("a")], asyncio.Event()], store=store) as both:
        await first(await both.begin())
    assert both.made.run.cancels == 1
    async with twins(says=ANSWER, store=store.restarted()) as anew:
        assert (await anew.events())[-1] == Finish()


async def test_a_long_turn_keeps_its_key():
    """However long Letta is silent, neither the claim nor the log expires under it."""

    def now():
        return both.made.clock.now()

    store, gate = Watched(MemoryStore(now)), asyncio.Event()
    says = [[text("a")], gate, [Finish()]]
    async with twins(says=says, store=store, keepalive=0.001) as both:
        async with await both.begin() as answer:
            batches = aiter(answer)
            assert await anext(batches) == [text("a")]
            for _ in range(10):
                puts = store.done.count("put")
                both.made.clock.advance(TTL / 2)
                await until(lambda puts=puts: store.done.count("put") > puts)
            gate.set()
            assert [event async for batch in batches for event in batch] == [Finish()]
        assert await both.events() == [text("a"), Finish()]
    assert both.asked == 1


@pytest.mark.parametrize("batches", [1, 2])
async def test_a_store_that_fails_on_the_way(batches, monkeypatch):
    """Who reads it here gets all of it; to others it is lost, and it is not run again."""
    monkeypatch.setattr(writer, "PAUSES", (0.0,))
    store, gate, log = Watched(), asyncio.Event(), list[str]()
    says = [[text("a")], gate, *[[text("b")]] * batches, [Finish()]]
    async with twins(noted(log), says=says, store=store, keepalive=0.01) as both:
        async with await both.begin() as answer:
            reading = aiter(answer)
            assert await anext(reading) == [text("a")]
            store.broken = {"append"}
            with logged() as lines:
                gate.set()
                rest = [event async for batch in reading for event in batch]
                await both.made.rest()
        assert rest == [*[text("b")] * batches, Finish()]
        assert len(lines) == 2
        store.broken = set()
        with pytest.raises(Reject, match="not known"):
            await both.begin()
    assert log == ["p.prepare", "p.settle"]
    assert both.asked == 1


async def test_a_store_that_comes_back(monkeypatch):
    """What could not be logged meanwhile is logged then, each piece where it belongs."""
    monkeypatch.setattr(writer, "PAUSES", (0.0, 10.0))
    store, gate, end = Watched(), asyncio.Event(), asyncio.Event()
    says = [[text("a")], gate, [text("b")], end, [Finish()]]
    async with twins(says=says, store=store) as both:
        async with await both.begin() as answer:
            reading = aiter(answer)
            assert await anext(reading) == [text("a")]
            store.broken = {"append"}
            gate.set()
            assert await anext(reading) == [text("b")]
            store.broken = set()
            end.set()
            assert [event async for batch in reading for event in batch] == [Finish()]
        await both.ended()
        assert await both.events() == [text("a"), text("b"), Finish()]


async def test_an_answer_that_is_too_large():
    """Whoever keeps up gets it whole; from its start it is not to be had any more."""
    gates = [asyncio.Event() for _ in range(20)]
    says = [step for gate in gates for step in (gate, [text("x" * 200)])]
    async with twins(says=[*says, [Finish()]], size=1000) as both:
        async with await both.begin() as answer:
            got = 0
            for gate in gates:
                gate.set()
                async for batch in answer:
                    got += len(batch)
                    break
        with pytest.raises(Reject) as caught:
            await both.begin()
    assert got >= 20
    assert (caught.value.status, caught.value.code) == (409, "idempotency_truncated")
    assert not caught.value.retry


async def test_what_is_written():
    """A head and the events; no credentials, and nothing of what was asked."""
    store = Watched()
    async with twins(says=ANSWER, store=store) as both:
        await both.events(attrs.evolve(both.call(), body={"model": "Milo", "messages": ["secret"]}))
        await both.ended()
        entries = [entry.value for entry in store.inner._entries.values()]
        logs = [item for log in store.inner._logs._logs.values() for item in log.items]
        (place,) = [Place(store, key) for key in store.inner._entries if key.startswith("/stream/")]
        head, (_, pages) = await place.head(), await place.pages(0, 0)
    assert head is not None
    assert (head.request_id, head.agent, head.agent_name) == ("r", "agent-1", "Milo")
    assert (head.conversation, head.surface, head.model) == ("conv-1", "chat_completions", "Milo")
    assert head.reply == KEPT.reply
    assert joined(pages) == (1, [text("a"), text("b"), USAGE, Finish()])
    assert b"secret" not in b"".join([*entries, *logs])


async def test_a_run_that_cannot_be_cancelled():
    """Its ending is what Letta says it is."""
    async with twins(says=[[text("a")], asyncio.Event(), [CANCELLED]]) as both:
        await first(await both.begin())
        both.made.clock.advance(GRACE)
        assert (await both.events())[-1] == CANCELLED


class Deaf(ScriptedRun):
    """A run that goes on although it was cancelled."""

    async def cancel(self):
        self.cancels += 1


async def test_a_run_that_does_not_hear_that_it_is_cancelled():
    """It is waited for as long as for any other, and then interrupted; its chat is free."""
    log, run = list[str](), Deaf([[text("a")], asyncio.Event()])
    async with twins(noted(log), says=[run], leave_seconds=0.05) as both:
        await first(stream := await both.start())
        both.made.clock.advance(GRACE)
        await both.ended()
        await both.made.rest()
        assert (await both.streams.look(stream.id, ADA)).events == (text("a"), interrupted())
    assert run.cancels >= 1
    assert log == ["p.prepare", "p.abandon"]


async def test_it_is_interrupted():
    """Here and now, with what there was; its run is cancelled at Letta, and read out unseen."""
    log: list[str] = []
    async with twins(noted(log), says=[[text("a")], asyncio.Event()]) as both:
        async with await both.start() as stream:
            reading = aiter(stream)
            assert await anext(reading) == [text("a")]
            (journal,) = both.running.values()
            journal.interrupt()
            journal.interrupt()
            assert [event async for batch in reading for event in batch] == [interrupted()]
        await both.made.rest()
        assert (await both.streams.look(stream.id, ADA)).events == (text("a"), interrupted())
    assert both.made.run.cancels == 1
    assert both.made.run.read_out or both.made.run.closed
    assert log == ["p.prepare", "p.abandon"]


async def test_it_is_interrupted_although_runs_go_on():
    """An operator who does not have them cancelled for want of readers does not mean this."""
    async with twins(says=[[text("a")], asyncio.Event()], cancel_on_leave=False) as both:
        async with await both.start() as stream:
            assert await anext(aiter(stream)) == [text("a")]
            both.running[both.name(stream)].interrupt()
        await both.made.rest()
    assert both.made.run.cancels == 1


async def test_it_is_interrupted_while_it_is_prepared():
    """Letta is not asked, and those who wait are told."""
    log: list[str] = []
    turn = Waiting(log)
    async with twins(step(lambda: turn), says=ANSWER) as both, await both.start() as stream:
        both.running[both.name(stream)].interrupt()
        assert [event async for batch in stream for event in batch] == [interrupted()]
        await both.made.rest()
    assert both.made.letta.asked == []


async def test_it_is_interrupted_after_its_end():
    """That comes too late, and changes nothing."""
    async with twins(says=ANSWER) as both, await both.start() as stream:
        events = [event async for batch in stream for event in batch]
        for journal in both.running.values():
            journal.interrupt()
        await both.made.rest()
        assert events[-1] == Finish()
        assert (await both.streams.look(stream.id, ADA)).state == "finished"
    assert both.made.run.cancels == 0


async def test_in_the_background_nobody_needs_to_read_it():
    """However long nobody does, it goes on to its end."""
    gate = asyncio.Event()
    async with twins(says=[[text("a")], gate, [Finish()]]) as both:
        async with await both.start(Keep(background=True)) as stream:
            pass
        both.made.clock.advance(100 * GRACE)
        gate.set()
        await both.ended()
        assert (await both.streams.look(stream.id, ADA)).state == "finished"
    assert both.made.run.cancels == 0


async def test_the_gateway_cannot_wait_for_it():
    """A run that does not end when the gateway stops has an ending that says so."""
    store = Watched()

    @attrs.define
    class Stubborn(ScriptedRun):
        async def cancel(self):
            pass

    runs = [Stubborn([[text("a")], asyncio.Event()])]
    async with twins(says=runs, store=store, limit=0.05) as both, await both.start() as stream:
        assert await anext(aiter(stream)) == [text("a")]
    async with twins(store=store.restarted()) as anew:
        stood = await anew.streams.look(stream.id, ADA)
    assert stood.state == "failed"
    assert [getattr(event, "code", event) for event in stood.events] == [
        text("a"),
        "gateway_stopping",
    ]


async def test_a_mistake_of_ours():
    """A stream that breaks for no reason anybody has foreseen has an ending, too."""

    @attrs.define
    class Breaking(Answers):
        async def begin(self, call, context):
            exchange = await self.inner.begin(call, context)
            exchange.asked = None
            return exchange

    async with twins(says=ANSWER) as both:
        with logged("ERROR") as lines:
            call, context = both.call(""), Context("r", both.made.clock, ADA)
            stream = await both.streams.start(Breaking(both.made.pipeline), call, context)
            async with stream:
                (error,) = [event async for batch in stream for event in batch]
            await until(lambda: lines)
        assert (error.status, error.code) == (500, "internal_error")


async def test_its_run_is_to_outlive_broken_connections():
    """That is what Letta is asked for; not so for answers that are not kept."""
    runs = [ScriptedRun(ANSWER), ScriptedRun(ANSWER)]
    async with twins(says=runs) as both:
        await both.events()
        await both.events(both.call(""))
    assert [run.kept for run in runs] == [True, False]
