"""One client's part in an answer that others may read too."""

from __future__ import annotations

import asyncio

import attrs
import pytest

from gateway.call import Reply
from gateway.errors import Reject
from gateway.events import Finish, ToolCallStart
from gateway.plugin import Turn
from gateway.streams import Stream
from tests.gateway.lane import Noted, ScriptedRun, step, text, until
from tests.gateway.streams.twins import twins


ANSWER = [[text("a")], [text("b"), Finish()]]


@attrs.define
class Showing(Turn):
    """Has the answer shown in its own way."""

    async def prepare(self, call):
        return attrs.evolve(call, reply=Reply(("thought",), ("top_p",)))


async def test_what_surfaces_are_told():
    """The call is the twin's own, with the agent and the reply of the one that ran."""
    async with twins(step(Showing), says=ANSWER) as both:
        for number, replayed in enumerate((False, True, True)):
            async with await both.begin(request=f"r{number}") as answer:
                assert isinstance(answer, Stream)
                assert answer.replayed is replayed
                assert answer.head.request_id == "r0"
                assert answer.call.agent is not None
                assert (answer.call.agent.id, answer.call.agent.name) == ("agent-1", "Milo")
                assert answer.call.reply == Reply(("thought",), ("top_p",))
                assert answer.call.body == {"model": "Milo"}


async def test_silence():
    """An empty batch says that nothing has come for the keepalive time."""
    gate = asyncio.Event()
    says = [[text("a")], gate, [Finish()]]
    async with twins(says=says, keepalive=0.01) as both, await both.begin() as answer:
        batches = aiter(answer)
        got = [await anext(batches) for _ in range(4)]
        gate.set()
        got += [batch async for batch in batches]
    assert [batch for batch in got if batch] == [[text("a")], [Finish()]]
    assert got.count([]) >= 2


@pytest.mark.parametrize("replayed", [False, True])
async def test_a_call_that_had_to_come(replayed):
    """That it is lacking is known before anything is shown, to twins as well."""

    @attrs.define
    class Insisting(Turn):
        async def prepare(self, call):
            return attrs.evolve(call, must_call=frozenset({"f"}))

    async with twins(step(Insisting), says=[[text("a")], [Finish()]]) as both:
        if replayed:
            await both.events()
        async with await both.begin() as answer:
            assert await anext(aiter(answer))
            assert answer.unmet == "tool_choice"


async def test_a_call_that_came():
    """Then nothing is lacking."""
    async with twins(says=[[ToolCallStart("c", "f", client_side=True)], [Finish()]]) as both:
        for _ in range(2):
            async with await both.begin() as answer:
                assert [event async for batch in answer for event in batch]
                assert not answer.unmet


@attrs.define
class Waiting(Noted):
    """Is prepared when it is told to."""

    go: asyncio.Event = attrs.field(factory=asyncio.Event)

    async def prepare(self, call):
        await self.go.wait()
        return await super().prepare(call)


async def test_leaving_before_there_is_an_answer():
    """Of those who wait for it to be prepared, some may go: the others get it."""
    log: list[str] = []
    turn = Waiting(log)
    async with twins(step(lambda: turn), says=ANSWER) as both:
        waiting = [asyncio.create_task(both.events()) for _ in range(6)]
        await until(lambda: any(j.readers.count == 6 for j in both.running.values()))
        for each in waiting[::2]:
            each.cancel()
        await asyncio.wait(waiting[::2])
        assert [j.readers.count for j in both.running.values()] == [3]
        turn.go.set()
        assert await asyncio.gather(*waiting[1::2]) == [[text("a"), text("b"), Finish()]] * 3
    assert log == ["p.prepare", "p.settle"]


async def test_leaving_while_the_key_is_claimed():
    """Whoever leaves at any moment leaves a turn that runs, and never a claim without one."""
    for moment in range(12):
        async with twins(says=ANSWER) as both:
            beginning = asyncio.create_task(both.begin())
            for _ in range(moment):
                await asyncio.sleep(0)
            beginning.cancel()
            await asyncio.wait([beginning])
            assert await both.events() == [text("a"), text("b"), Finish()]
            assert both.asked == 1


async def test_another_request_with_the_key():
    """It is refused, while the first runs and afterwards; the first is not disturbed."""
    gate = asyncio.Event()
    async with twins(says=[gate, *ANSWER]) as both:
        other = attrs.evolve(both.call(), body={"model": "Ada"})
        async with await both.begin() as answer:
            with pytest.raises(Reject) as caught:
                await both.begin(other)
            gate.set()
            assert [event async for batch in answer for event in batch][-1] == Finish()
        assert (caught.value.status, caught.value.code) == (422, "idempotency_key_reused")
        with pytest.raises(Reject):
            await both.begin(other)
    assert both.asked == 1


async def test_keys_belong_to_their_callers():
    """Two callers with the same key know nothing of each other."""
    async with twins(says=[ScriptedRun(ANSWER), ScriptedRun(ANSWER)]) as both:
        for caller in ("ada", "bob", "ada"):
            assert (await both.events(caller=caller))[-1] == Finish()
    assert both.asked == 2
