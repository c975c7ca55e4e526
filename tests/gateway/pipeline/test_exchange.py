from __future__ import annotations

import asyncio

import attrs
import pytest

from gateway.events import Error, Event, Finish, Ping
from gateway.pipeline import reader
from gateway.pipeline.exchange import BROKEN, Exchange
from gateway.plugin import Context, Plugin, Turn
from gateway.services import LoopClock
from gateway.testing.kit import assert_grammar
from tests.gateway.lane import (
    FAILED,
    KEPT,
    SCRATCH,
    USAGE,
    Broken,
    Holding,
    Lane,
    Marking,
    Noted,
    Said,
    ScriptedRun,
    lane,
    logged,
    noted,
    step,
    text,
    texts,
    until,
)


ANSWER: list[Said] = [[Ping()], [text("a")], [text("b"), USAGE, Finish()]]


@attrs.define
class Stopping(Turn):
    """Finishes the answer at this text, as a stop sequence does."""

    at: str

    def feed(self, event):
        return [Finish("stop")] if event == text(self.at) else [event]


@attrs.define
class Slow(Noted):
    """Takes its time to settle."""

    settling: asyncio.Event = attrs.field(factory=asyncio.Event)
    go_on: asyncio.Event = attrs.field(factory=asyncio.Event)

    async def settle(self):
        self.settling.set()
        await self.go_on.wait()
        await super().settle()


async def events(exchange: Exchange) -> list[Event]:
    return [event async for batch in exchange for event in batch]


async def leave_after_first(made: Lane, exchange: Exchange) -> None:
    """A client that reads one batch and goes."""
    async with exchange:
        async for _ in exchange:
            break


class TestAnswer:
    async def test_whole(self):
        """What Letta says, without the pings; then the turns settle, from Letta's side up."""
        log: list[str] = []
        async with lane(noted(log, "top"), noted(log, "low"), says=ANSWER) as made:
            exchange = await made.begin()
            async with exchange:
                assert await events(exchange) == [text("a"), text("b"), USAGE, Finish()]
        assert log == ["top.prepare", "low.prepare", "low.settle", "top.settle"]
        assert made.run.closed
        assert made.run.cancels == 0

    async def test_failed(self):
        """An error ends it, and the turns undo what they did."""
        log: list[str] = []
        async with lane(noted(log), says=[[text("a")], [FAILED]]) as made:
            assert await made.events() == [text("a"), FAILED]
        assert log == ["p.prepare", "p.abandon"]

    async def test_a_batch_is_what_has_come(self):
        """Several reads that came while the client was busy go out as one."""
        gate = asyncio.Event()
        says: list[Said] = [[text("a")], gate, [text("b")], [text("c")], [Finish()]]
        async with lane(says=says) as made, await made.begin() as exchange:
            batches = aiter(exchange)
            assert await anext(batches) == [text("a")]
            gate.set()
            await until(lambda: made.run.read_out)
            assert await anext(batches) == [text("b"), text("c"), Finish()]

    async def test_a_slow_client(self, monkeypatch):
        """Letta's stream waits for it, and nothing is lost."""
        monkeypatch.setattr(reader, "HIGH_WATER", 3)
        said = [[text(f"{i} ")] for i in range(100)]
        got: list[Event] = []
        async with lane(says=[*said, [Finish()]]) as made, await made.begin() as exchange:
            async for batch in exchange:
                assert len(batch) <= 5
                got += batch
                for _ in range(10):
                    await asyncio.sleep(0)
        assert got == [*(event for batch in said for event in batch), Finish()]

    async def test_an_answer_that_is_there_already(self):
        """Letta is not asked, and the turns settle all the same."""
        log: list[str] = []
        call = attrs.evolve(KEPT, answer=(text("{}"), Finish()))
        async with lane(noted(log), step(lambda: Marking("!"))) as made:
            assert await made.events(call) == [text("{}!"), Finish()]
        assert made.letta.asked == []
        assert log == ["p.prepare", "p.settle"]

    @pytest.mark.parametrize("says", [[[text("a")], Broken("no")], [[text("a")]], []])
    async def test_letta_side_breaks(self, says):
        """A bug of ours is an error that tells nothing, and a line in the log."""
        log: list[str] = []
        with logged() as lines:
            async with lane(noted(log), says=says or [[]]) as made:
                got = await made.events()
        assert got[-1] == BROKEN
        assert_grammar(got)
        assert log == ["p.prepare", "p.abandon"]
        assert any("the answer broke off" in line for line in lines)

    async def test_asked_again(self):
        """The error of the first time is not told."""

        class Again(Turn):
            async def again(self, call, error):
                return call

        log: list[str] = []
        runs = [ScriptedRun([[Ping()], [FAILED]]), ScriptedRun([[text("a")], [Finish()]])]
        async with lane(noted(log), step(Again), says=runs) as made:
            assert await made.events() == [text("a"), Finish()]
        assert log == ["p.prepare", "p.settle"]
        assert len(made.letta.asked) == 2


class TestSilence:
    async def test_heartbeat(self):
        """An empty batch for each `keepalive` in which nothing came."""
        gate = asyncio.Event()
        says: list[Said] = [gate, [Finish()]]
        async with lane(says=says, keepalive=10.0) as made, await made.begin() as exchange:
            batches = aiter(exchange)
            for _ in range(3):
                beat = asyncio.ensure_future(anext(batches))
                await made.silence(9.0)
                assert not beat.done()
                await made.silence(1.0)
                assert await beat == []
            gate.set()
            assert await anext(batches) == [Finish()]

    async def test_pings_are_no_answer(self):
        """They are not shown, and do not put off the heartbeat."""
        gate = asyncio.Event()
        says: list[Said] = [[Ping()], gate, [Ping()], asyncio.Event()]
        async with lane(says=says, keepalive=10.0) as made, await made.begin() as exchange:
            beat = asyncio.ensure_future(anext(aiter(exchange)))
            await made.silence(9.0)
            gate.set()
            for _ in range(10):
                await asyncio.sleep(0)
            assert not beat.done()
            await made.silence(1.0)
            assert await beat == []

    async def test_what_is_held_is_released_by_time(self):
        """Nothing more needs to come for it."""
        made_turns: list[Holding] = []
        async with lane(step(lambda: made_turns[0]), says=[[text("a")], asyncio.Event()]) as made:
            made_turns.append(Holding(made.clock, 0.1))
            async with await made.begin() as exchange:
                batches = aiter(exchange)
                batch = asyncio.ensure_future(anext(batches))
                await until(lambda: made_turns[0].due() is not None)
                await made.silence(0.1)
                assert await batch == [text("a")]

    async def test_what_is_released_rises(self):
        """Through the turns above only."""
        made_turns: list[Holding] = []
        steps = [
            step(lambda: Marking("^")),
            step(lambda: made_turns[0]),
            step(lambda: Marking("_")),
        ]
        async with lane(*steps, says=[[text("a")], asyncio.Event()]) as made:
            made_turns.append(Holding(made.clock, 0.1))
            async with await made.begin() as exchange:
                batch = asyncio.ensure_future(anext(aiter(exchange)))
                await until(lambda: made_turns[0].due() is not None)
                await made.silence(0.1)
                assert await batch == [text("a_^")]

    async def test_in_production_the_loop_tells_the_time(self):
        """The heartbeat comes by itself."""
        async with lane(says=[asyncio.Event()], keepalive=0.01) as made:
            context = Context("r", LoopClock())
            async with await made.pipeline.begin(KEPT, context) as exchange:
                batches = aiter(exchange)
                assert await anext(batches) == []
                assert await anext(batches) == []


class TestSettling:
    async def test_the_client_waits_for_it(self):
        """It learns that the answer is over when that is written down."""
        turns: list[Slow] = []
        async with lane(step(lambda: turns[0]), says=ANSWER) as made:
            turns.append(Slow(made.log))
            reading = asyncio.create_task(made.events())
            await turns[0].settling.wait()
            assert not reading.done()
            turns[0].go_on.set()
            assert (await reading)[-1] == Finish()
            assert made.log == ["p.prepare", "p.settle"]

    async def test_one_that_fails(self):
        """The client is told; the others settle all the same."""
        log: list[str] = []

        class Failing(Turn):
            async def settle(self):
                raise Broken

        steps = [noted(log, "top"), step(Failing, "broken"), noted(log, "low")]
        with logged():
            async with lane(*steps, says=ANSWER) as made:
                *before, ending = await made.events()
        assert before == [text("a"), text("b"), USAGE]
        assert isinstance(ending, Error)
        assert (ending.code, ending.message) == ("plugin_failed", "The plugin 'broken' failed.")
        assert log == ["top.prepare", "low.prepare", "low.settle", "top.settle"]

    async def test_one_that_fails_and_is_bypassed(self):
        """The client is not told."""

        class Failing(Turn):
            async def settle(self):
                raise Broken

        with logged() as lines:
            async with lane(step(Failing, bypass=True), says=ANSWER) as made:
                assert (await made.events())[-1] == Finish()
        assert len(lines) == 1

    async def test_the_first_of_two_that_fail_is_told(self):
        """From Letta's side up."""

        class Failing(Turn):
            async def settle(self):
                raise Broken

        with logged():
            async with lane(step(Failing, "top"), step(Failing, "low"), says=ANSWER) as made:
                *_, ending = await made.events()
        assert isinstance(ending, Error)
        assert "'low'" in ending.message

    async def test_an_error_is_not_covered_up(self):
        """A turn that turned the answer into an error has the last word."""

        class Refusing(Turn):
            def feed(self, event):
                return [FAILED] if isinstance(event, Finish) else [event]

            async def settle(self):
                raise Broken

        with logged():
            async with lane(step(Refusing), says=ANSWER) as made:
                assert (await made.events())[-1] == FAILED

    async def test_the_client_leaves_meanwhile(self):
        """It goes on, and the gateway's stop waits for it."""
        turns: list[Slow] = []
        async with lane(step(lambda: turns[0]), says=ANSWER) as made:
            turns.append(Slow(made.log))
            reading = asyncio.create_task(made.events())
            await turns[0].settling.wait()
            reading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reading
            assert made.log == ["p.prepare"]
            resting = asyncio.create_task(made.rest())
            await asyncio.sleep(0)
            turns[0].go_on.set()
            await resting
            assert made.log == ["p.prepare", "p.settle"]
        assert made.run.cancels == 0


class Deaf(ScriptedRun):
    """A run that goes on although it was cancelled: its model says nothing."""

    async def cancel(self):
        self.cancels += 1


class TestATurnEndsTheAnswer:
    async def test_in_a_kept_conversation(self):
        """The client has its ending at once; the run is read to its end unseen, then settled."""
        log: list[str] = []
        gate = asyncio.Event()
        says: list[Said] = [[text("a")], [text("b")], gate, [text("c"), USAGE, Finish()]]
        steps = [noted(log), step(lambda: Stopping("b"))]
        async with lane(*steps, says=says) as made:
            assert await made.events() == [text("a"), Finish("stop")]
            assert log == ["p.prepare"]
            gate.set()
            await made.rest()
            assert made.run.read_out
            assert made.run.cancels == 0
            assert log == ["p.prepare", "p.settle"]

    async def test_in_a_scratch_conversation(self):
        """The run is cancelled: nobody will ask what became of it."""
        log: list[str] = []
        steps = [noted(log), step(lambda: Stopping("b"))]
        says: list[Said] = [[text("a")], [text("b")], asyncio.Event()]
        async with lane(*steps, says=says) as made:
            assert await made.events(SCRATCH) == [text("a"), Finish("stop")]
            await made.rest()
            assert made.run.cancels == 1
            assert made.run.read_out
            assert log == ["p.prepare", "p.abandon"]

    async def test_when_letta_has_finished_too(self):
        """There is nothing left to read: the turns settle before the client knows."""
        log: list[str] = []
        steps = [noted(log), step(lambda: Stopping("b"))]
        async with lane(*steps, says=[[text("a"), text("b"), USAGE, Finish()]]) as made:
            assert await made.events() == [text("a"), Finish("stop")]
            assert log == ["p.prepare", "p.settle"]

    async def test_a_plugin_that_fails(self):
        """The client gets its error; what Letta keeps, the others settle."""
        log: list[str] = []
        gate = asyncio.Event()

        class Failing(Noted):
            def feed(self, event):
                raise Broken

        steps = [noted(log, "top"), step(lambda: Failing(log, "broken"), "broken")]
        with logged():
            async with lane(*steps, says=[[text("a")], gate, [Finish()]]) as made:
                (error,) = await made.events()
                gate.set()
                await made.rest()
        assert isinstance(error, Error)
        assert error.code == "plugin_failed"
        assert log == ["top.prepare", "broken.prepare", "broken.abandon", "top.settle"]

    async def test_a_run_that_does_not_end(self):
        """It is given up after a while, and the turns undo what they did."""
        log: list[str] = []
        steps = [noted(log), step(lambda: Stopping("b"))]
        with logged() as lines:
            async with lane(
                *steps, says=[Deaf([[text("b")], asyncio.Event()])], leave_seconds=0.01
            ) as made:
                assert await made.events(SCRATCH) == [Finish("stop")]
                await made.rest()
        assert "gave up reading" in lines[0]
        assert made.run.closed
        assert log == ["p.prepare", "p.abandon"]


class TestLeaving:
    async def test_the_run_is_cancelled(self):
        """And read to its end; the turns above and below learn it."""
        log: list[str] = []
        says: list[Said] = [[text("a")], asyncio.Event(), [Finish()]]
        async with lane(noted(log, "top"), noted(log, "low"), says=says) as made:
            await leave_after_first(made, await made.begin())
            await made.rest()
            assert made.run.cancels == 1
            assert made.run.read_out
            assert made.run.closed
        assert log == ["top.prepare", "low.prepare", "low.abandon", "top.abandon"]

    async def test_as_aiohttp_does_it(self):
        """The handler is cancelled while it waits for the next batch."""
        log: list[str] = []
        async with lane(noted(log), says=[[text("a")], asyncio.Event()]) as made:
            reading = asyncio.create_task(made.events())
            await made.run.started.wait()
            for _ in range(10):
                await asyncio.sleep(0)
            reading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reading
            await made.rest()
            assert made.run.cancels == 1
            assert made.run.read_out
        assert log == ["p.prepare", "p.abandon"]

    async def test_the_handler_fails(self):
        """Writing to a connection that is gone raises."""
        log: list[str] = []
        async with lane(noted(log), says=[[text("a")], asyncio.Event()]) as made:
            exchange = await made.begin()

            async def write() -> None:
                async with exchange:
                    async for _ in exchange:
                        raise ConnectionResetError

            with pytest.raises(ConnectionResetError):
                await write()
            await made.rest()
        assert made.run.cancels == 1
        assert log == ["p.prepare", "p.abandon"]

    async def test_before_anything_was_read(self):
        """The exchange was begun, so it is put away."""
        log: list[str] = []
        async with lane(noted(log), says=[asyncio.Event()]) as made:
            async with await made.begin():
                pass
            await made.rest()
            assert made.run.cancels == 1
        assert log == ["p.prepare", "p.abandon"]

    async def test_letta_has_finished_all_the_same(self):
        """Then the turn is kept there, and settled here."""
        log: list[str] = []
        async with lane(noted(log), says=[[text("a")], [text("b")], [USAGE, Finish()]]) as made:
            await leave_after_first(made, await made.begin())
            await made.rest()
            assert made.run.read_out
        assert log == ["p.prepare", "p.settle"]

    async def test_the_turns_see_the_rest(self):
        """What is to be persisted is whole."""
        seen: list[Event] = []

        class Seeing(Turn):
            def feed(self, event):
                seen.append(event)
                return [event]

        gate = asyncio.Event()
        says: list[Said] = [[text("a")], gate, [text("b")], [USAGE, Finish()]]
        async with lane(step(Seeing), says=says, cancel_on_leave=False) as made:
            await leave_after_first(made, await made.begin())
            gate.set()
            await made.rest()
        assert seen == [text("a"), text("b"), USAGE, Finish()]

    async def test_an_option_keeps_runs_going(self):
        """Nothing is cancelled, and the answer is settled when it is there."""
        log: list[str] = []
        gate = asyncio.Event()
        says: list[Said] = [[text("a")], gate, [Finish()]]
        async with lane(noted(log), says=says, cancel_on_leave=False) as made:
            await leave_after_first(made, await made.begin())
            gate.set()
            await made.rest()
            assert made.run.cancels == 0
        assert log == ["p.prepare", "p.settle"]

    async def test_a_run_that_does_not_end(self):
        """Cancelled in vain, it is given up after a while, and closed."""
        log: list[str] = []
        says = [Deaf([[text("a")], asyncio.Event()])]
        with logged() as lines:
            async with lane(noted(log), says=says, leave_seconds=0.01) as made:
                await leave_after_first(made, await made.begin())
                await made.rest()
        assert "gave up reading" in lines[0]
        assert made.run.closed
        assert log == ["p.prepare", "p.abandon"]

    async def test_cancelling_fails(self):
        """The turns are told all the same."""
        log: list[str] = []

        class Stubborn(ScriptedRun):
            async def cancel(self):
                raise Broken

        run = Stubborn([[text("a")], asyncio.Event()])
        with logged() as lines:
            async with lane(noted(log), says=[run]) as made:
                await leave_after_first(made, await made.begin())
                await made.rest()
        assert run.closed
        assert "work in the background failed" in lines[0]
        assert log == ["p.prepare", "p.abandon"]

    async def test_after_the_last_event(self):
        """There is nothing left to do."""
        log: list[str] = []
        async with lane(noted(log), says=[[text("a"), Finish()]]) as made:
            await leave_after_first(made, await made.begin())
            assert log == ["p.prepare", "p.settle"]
            await made.rest()
        assert made.run.cancels == 0
        assert log == ["p.prepare", "p.settle"]

    async def test_after_a_turn_has_ended_the_answer(self):
        """It is put away once."""
        log: list[str] = []
        gate = asyncio.Event()
        steps = [noted(log), step(lambda: Stopping("a"))]
        async with lane(*steps, says=[[text("a")], gate, [Finish()]]) as made:
            await leave_after_first(made, await made.begin())
            gate.set()
            await made.rest()
        assert made.run.cancels == 0
        assert log == ["p.prepare", "p.settle"]

    async def test_the_answer_is_not_asked_again(self):
        """A rolled-back turn is not sent once more for somebody who has left."""
        asked: list[Error] = []

        class Again(Turn):
            async def again(self, call, error):
                asked.append(error)
                return call

        async with lane(step(Again), says=[asyncio.Event()]) as made:
            async with await made.begin():
                await made.run.started.wait()
            await made.rest()
        assert asked == []
        assert len(made.letta.asked) == 1

    async def test_the_gateway_stops_meanwhile(self):
        """The turns are told in the end, the run is closed."""
        log: list[str] = []
        says: list[Said] = [[text("a")], asyncio.Event()]
        async with lane(
            noted(log, "top"), noted(log, "low"), says=says, cancel_on_leave=False
        ) as made:
            made.background.limit = 0.01
            await leave_after_first(made, await made.begin())
            await made.rest()
        assert made.run.closed
        assert log == ["top.prepare", "low.prepare", "low.abandon", "top.abandon"]

    async def test_the_gateway_stops_while_a_turn_is_put_away(self):
        """The turns above it are told all the same."""
        log: list[str] = []

        class Stuck(Noted):
            async def abandon(self):
                await super().abandon()
                await asyncio.Event().wait()

        steps = [noted(log, "top"), step(lambda: Stuck(log, "stuck"), "stuck"), noted(log, "low")]
        async with lane(*steps, says=[[text("a")], asyncio.Event()]) as made:
            made.background.limit = 0.01
            await leave_after_first(made, await made.begin())
            await made.rest()
        assert log[3:] == ["low.abandon", "stuck.abandon", "top.abandon"]


class Waiting(Plugin[None]):
    """Wraps the flow, and passes it on."""

    def __init__(self) -> None:
        super().__init__(None)

    async def wrap(self, flow, context):  # type: ignore[override]
        async for event in flow:
            await asyncio.sleep(0)
            yield event


@pytest.mark.parametrize("wraps", [0, 1, 2])
@pytest.mark.parametrize("leaves", [False, True])
async def test_exactly_one_of_settle_and_abandon(wraps, leaves):
    """However it ends, with and without plugins that wrap the flow."""
    for says in (ANSWER, [[text("a")], [FAILED]], [[text("a")], asyncio.Event()]):
        waits = any(isinstance(said, asyncio.Event) for said in says)
        if waits and not leaves:
            continue
        log: list[str] = []
        wrapping = [step(Waiting(), f"w{i}") for i in range(wraps)]
        async with lane(noted(log, "top"), *wrapping, noted(log, "low"), says=says) as made:
            exchange = await made.begin()
            if leaves:
                await leave_after_first(made, exchange)
            else:
                async with exchange:
                    assert_grammar(await events(exchange))
            await made.rest()
            assert made.run.closed
            assert made.run.cancels == (1 if waits else made.run.cancels)
        kept = says is ANSWER
        close = "settle" if kept else "abandon"
        assert log == ["top.prepare", "low.prepare", f"low.{close}", f"top.{close}"]


@pytest.mark.parametrize("wraps", [0, 2])
@pytest.mark.parametrize("says", [ANSWER, [[text("a")], [FAILED]], [[text("a")], [text("b")], []]])
async def test_cancelled_at_any_moment(wraps, says):
    """Whoever cancels the handler sees it cancelled; and all is put away, once."""
    steps, done = 0, False
    while not done:
        log: list[str] = []
        wrapping = [step(Waiting(), f"w{i}") for i in range(wraps)]
        with logged():
            async with lane(noted(log, "top"), *wrapping, noted(log, "low"), says=says) as made:
                reading = asyncio.create_task(made.events())
                for _ in range(steps):
                    await asyncio.sleep(0)
                done = reading.done()
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)
                assert reading.cancelled() or done
                await made.rest()
        assert made.run.closed or not made.run.started.is_set()
        closed = [line for line in log if not line.endswith("prepare")]
        assert [line.partition(".")[0] for line in closed] in ([], ["low"], ["low", "top"])
        assert len(closed) * 2 == len(log)
        assert len({line.partition(".")[2] for line in closed}) <= 1
        steps += 1
    assert steps > 5
    assert texts(reading.result()).startswith("a")
