"""Answers that are lost on their way back, and others that come before those are over."""

from __future__ import annotations

import asyncio

import pytest

from gateway.testing.fakeletta import Fault
from gateway.testing.fakeletta.history import Context
from plugins.calls import earlier
from tests.plugins.client import ending, refusal, said
from tests.plugins.house import until
from tests.plugins.tool_client import TWO, ToolClient, bridged, calls, does, returned, tooled


both_ways = pytest.mark.parametrize("key", ["", "chat-1"], ids=["scratch", "keyed"])
SLOW = does(calls("get_weather:call_a"), {"text": "w" * 2000, "n": 1, "delay": 0.01})


@pytest.fixture(autouse=True)
def _brief(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(earlier, "SETTLE_SECONDS", 1.0)


async def dies_with_results(client: ToolClient) -> None:
    """The client sends them; the gateway is killed as soon as Letta has the request."""
    house = client.house
    client.messages += [client.run(made) for made in client.asked]
    before = len(house.requests("POST", "/messages"))
    exchange = await house.begin(client.call(), client.caller)
    reading = asyncio.create_task(anext(aiter(exchange)))
    await until(lambda: len(house.requests("POST", "/messages")) > before)
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    await exchange.segment.reader.aclose()


def told(context: Context) -> list[tuple[str, str]]:
    """The results that Letta has, and what it tells an agent if they come once more."""
    given = [(each.call_id, each.text) for message in context.log for each in message.returns]
    users = [str(each.content) for each in context.log if each.kind == "user"]
    return given + [("", text) for text in users if "keep-alive" in text]


@both_ways
@pytest.mark.parametrize("redis", [True, False])
async def test_results_that_are_still_on_their_way(key: str, redis: bool) -> None:
    """The next gateway waits for them: the agent is told them once."""
    async with tooled(letta={"redis": redis}) as house:
        client = ToolClient(house, "Milo", key)
        await client.say(TWO)
        context = house.letta.conversations[house.latest].context
        late = Fault(latency=0.4)
        house.letta.fail(late, path="conversations/.*/messages$", method="POST", times=1)
        await dies_with_results(client)
        assert told(context) == []
        async with bridged(house.letta, store=house.store.restarted()) as restarted:
            client.house = restarted
            assert ending(await client.send()) == "stop"
            await until(lambda: len(house.letta.runs) == 3)
            await restarted.quiet()
        assert sorted(told(context)) == [("call_a", "21 in Rome"), ("call_b", "noon in Rome")]


@both_ways
@pytest.mark.parametrize("redis", [True, False])
async def test_results_that_never_arrived(key: str, redis: bool) -> None:
    """Letta would have them by now: they are sent again."""
    async with tooled(letta={"redis": redis}) as house:
        client = ToolClient(house, "Milo", key)
        await client.say(TWO)
        client.messages += [client.run(made) for made in client.asked]
        await house.prepare(client.call())
        async with bridged(house.letta, store=house.store.restarted()) as restarted:
            client.house = restarted
            assert said(await client.send()) == "Both known."


@both_ways
@pytest.mark.parametrize("redis", [True, False])
async def test_an_answer_that_goes_on(key: str, redis: bool) -> None:
    """Nobody reads it any more: it is cancelled, and the agent goes on from the results."""
    async with tooled(letta={"redis": redis}) as house:
        client = ToolClient(house, "Milo", key)
        await client.say(SLOW)
        conversation = house.latest
        await dies_with_results(client)
        (run,) = [each for each in house.letta.runs.values() if not each.over]
        async with bridged(house.letta, store=house.store.restarted()) as restarted:
            client.house = restarted
            async with await restarted.begin(client.call()) as exchange:
                await anext(aiter(exchange))
                assert run.status == "cancelled"
            assert [each[0] for each in returned(house, conversation)] == ["call_a"]
            await restarted.quiet()


async def test_an_answer_that_goes_on_in_the_agents_own_conversation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """There others speak, too: nothing is cancelled, and the client may try again later."""
    monkeypatch.setattr(earlier, "RUN_SECONDS", 0.1)
    async with tooled(mode="agent", agent_conversation="default") as house:
        client = ToolClient(house, "Milo")
        await client.say(SLOW)
        await dies_with_results(client)
        (run,) = [each for each in house.letta.runs.values() if not each.over]
        async with bridged(
            house.letta,
            store=house.store.restarted(),
            mode="agent",
            agent_conversation="default",
        ) as restarted:
            client.house = restarted
            reject = await refusal(client.send())
            assert (reject.status, reject.code) == (409, "conversation_busy")
            assert run.status == "running"
            await run.ended()
            assert ending(await client.send()) == "stop"


async def test_an_answer_that_has_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever saw its end does not wait."""
    monkeypatch.setattr(earlier, "SETTLE_SECONDS", 3600.0)
    async with tooled() as house:
        client = ToolClient(house, "Milo", "chat-1")
        await client.say(does(calls("get_weather:call_a"), {"status": 400, "times": 1}))
        refused = Fault(status=400)
        house.letta.fail(refused, path="conversations/.*/messages$", method="POST", times=1)
        assert ending(await client.answer()) == "upstream_refused"
        assert ending(await client.send()) == "upstream_model_refused"
        assert ending(await client.send()) == "stop"
        assert len(returned(house, house.latest)) == 1


async def test_the_user_moves_on_from_an_answer_that_goes_on() -> None:
    """What is pending after it is denied, and nothing before."""
    async with tooled() as house:
        client = ToolClient(house, "Milo", "chat-1")
        await client.say(SLOW)
        await dies_with_results(client)
        client.forget()
        async with bridged(house.letta, store=house.store.restarted()) as restarted:
            client.house = restarted
            assert said(await client.say("Hello.")) == "You said: Hello."
            assert [each[1] for each in returned(house, house.latest)] == ["21 in Rome"]
