"""Messages whose end the gateway has not seen: Letta is told none of them twice."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator

import pytest

from gateway.testing.fakeletta import Fault
from plugins.conversations import unfinished
from tests.plugins.client import Client, ending, housed, refusal, said, user
from tests.plugins.house import House, until


MESSAGES = r"^/v1/conversations/[^/]+/messages$"


@pytest.fixture(name="house")
async def _house() -> AsyncIterator[House]:
    async with housed() as house:
        yield house


async def breaks(client: Client, text: str) -> None:
    """The next turn, whose stream breaks off before anything came."""
    house = client.house
    house.letta.fail(Fault(then="drop", after=0), path=r"/messages$", method="POST", times=1)
    assert ending(await client.say(text)) == "upstream_incomplete"


async def everything_told(house: House) -> list[list[str]]:
    return [await house.told(chat) for chat in house.conversations()]


async def test_run_that_goes_on(house: House) -> None:
    """It is cancelled, and the next turn is told with the history in another conversation."""
    client = Client(house, "Milo", "k")
    await client.say("one")
    await breaks(client, "@@hang@@")
    (_, run) = house.letta.runs.values()
    assert run.status == "running"
    assert said(await client.say("two")) == "You said: two"
    assert run.status == "cancelled"
    assert not run.over
    assert await everything_told(house) == [["one"], ["one", "@@hang@@", "two"]]
    await house.letta.stop()


async def test_run_that_keeps_it_at_last(house: House) -> None:
    """A run that could not be stopped keeps the message where nobody goes on."""
    client = Client(house, "Milo", "k")
    await client.say("one")
    await breaks(client, "@@slow:3@@")
    rule = house.letta.fail(Fault(status=400), path="/cancel$", method="POST")
    assert (await refusal(client.say("lost"))).status == 400
    rule.times = 0
    client.messages.pop()
    await house.quiet()
    await client.say("two")
    assert await house.told(house.latest) == ["one", "@@slow:3@@", "two"]


async def test_new_conversation_is_not_left_behind(house: House) -> None:
    """One in which nothing was kept yet is deleted when the chat leaves it."""
    client = Client(house, "Milo", "k")
    await breaks(client, "@@hang@@")
    (first,) = house.conversations()
    await client.say("two")
    await until(lambda: first not in house.conversations())
    assert await everything_told(house) == [["@@hang@@", "two"]]
    await house.letta.stop()


async def test_message_that_may_be_on_its_way(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For some seconds Letta may yet begin with it: the next turn goes elsewhere."""
    monkeypatch.setattr(unfinished, "SETTLE_SECONDS", 60.0)
    client = Client(house, "Milo", "k")
    await client.say("one")
    client.messages.append(user("two"))
    late = await house.prepare(client.call())
    async with client.restarted() as anew:
        await client.say("three")
        async for _ in anew.api.ask(late):
            pass
        assert await everything_told(anew) == [["one", "two"], ["one", "two", "three"]]


async def test_where_there_is_no_other_conversation(monkeypatch: pytest.MonkeyPatch) -> None:
    """While a run goes on in the one conversation of all, it is busy."""
    async with housed(mode="agent", agent_conversation="default") as house:
        client = Client(house, "Milo")
        await client.say("one")
        await breaks(client, "@@slow:3@@")
        (agent,) = house.letta.agents
        assert (await refusal(client.say("lost"))).code == "conversation_busy"
        client.messages.pop()
        await house.quiet()
        monkeypatch.setattr(unfinished, "SETTLE_SECONDS", 60.0)
        await client.say("two")
        assert await house.told("default", agent) == ["one", "@@slow:3@@", "two"]


async def test_it_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """There the next turn waits for the end of a run."""
    monkeypatch.setattr(unfinished, "SETTLE_SECONDS", 60.0)
    monkeypatch.setattr(unfinished, "POLL_SECONDS", 0.01)
    async with housed(mode="agent", agent_conversation="default") as house:
        client = Client(house, "Milo")
        await breaks(client, "@@slow:5@@")
        assert said(await client.say("two")) == "You said: two"
        (agent,) = house.letta.agents
        assert await house.told("default", agent) == ["@@slow:5@@", "two"]


async def test_cancelled_run_where_there_is_no_other_conversation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A run of unknown end is thought to be over after some seconds: the chat is not stuck."""
    monkeypatch.setattr(unfinished, "SETTLE_SECONDS", 0.2)
    monkeypatch.setattr(unfinished, "POLL_SECONDS", 0.01)
    async with housed(mode="agent") as house:
        client = Client(house, "Milo")
        await client.say("one")
        await breaks(client, "@@hang@@")
        assert said(await client.say("two")) == "You said: two"
        (chat,) = house.conversations()
        assert await house.told(chat) == ["one", "two"]
        await house.letta.stop()


async def test_letta_said_too_early_that_it_was_cancelled(house: House) -> None:
    """A cancelled turn is asked about before it is sent again."""
    client = Client(house, "Milo", "k")
    await client.stop("@@slow:200@@")
    before = len(house.requests("GET", "/messages"))
    runs = len(house.requests("GET", "/runs/"))
    await client.say("two")
    assert len(house.requests("GET", "/messages")) == before + 1
    assert len(house.requests("GET", "/runs/")) == runs


async def test_no_request_more_where_nothing_failed(house: House) -> None:
    """A chat that goes well asks Letta for answers only."""
    client = Client(house, "Milo", "k")
    await client.say("one")
    seen = len(house.letta.requests)
    for text in ("two", "three"):
        await client.say(text)
    assert [request.method for request in list(house.letta.requests)[seen:]] == ["POST", "POST"]


async def test_fast_client(house: House) -> None:
    """Whoever asks again and again while the run goes on is answered, and nothing is told twice."""
    for words in range(1, 8):
        client = Client(house, "Milo", str(uuid.uuid4()))
        await breaks(client, f"@@slow:{words}@@")
        client.messages.append(user("next"))
        while ending(await house.ask(client.call())) == "conversation_busy":
            pass
        assert await house.told(house.latest) == [f"@@slow:{words}@@", "next"]
