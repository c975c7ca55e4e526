"""What a chat survives: each test is a story of several requests."""

from __future__ import annotations

import pytest

from gateway.events import Event
from gateway.testing.fakeletta import Fault
from tests.plugins.client import (
    FAILS,
    Client,
    ending,
    housed,
    refusal,
    said,
    user,
)
from tests.plugins.house import House


MESSAGES = r"^/v1/conversations/[^/]+/messages$"


async def only(house: House) -> list[str]:
    """What the users have said in the one conversation there is."""
    (chat,) = house.conversations()
    return await house.told(chat)


# A gateway that dies.


@pytest.mark.parametrize(
    ("then", "told"),
    [
        ("next", [["one", "@@plain@@", "three"]]),
        ("again", [["one", "@@plain@@"]] * 2),
        ("edit", [["one", "@@plain@@"], ["one", "other"]]),
    ],
)
async def test_killed_while_the_answer_came(then: str, told: list[list[str]]) -> None:
    """A turn that Letta has kept, though the gateway never learnt of it, is not sent twice."""
    async with housed() as house:
        client = Client(house, "Milo", "k")
        await client.say("one")
        await client.dies("@@plain@@")
        await house.quiet()
        async with client.restarted() as anew:
            if then == "edit":
                client.edit(2, "other")
            elif then == "next":
                client.messages.append(user("three"))
            await client.send()
            assert [await anew.told(chat) for chat in anew.conversations()] == told


async def test_killed_before_letta_was_asked() -> None:
    """A turn that was written down and never sent is not lost."""
    async with housed() as house:
        client = Client(house, "Milo", "k")
        await client.say("one")
        client.messages.append(user("two"))
        await house.prepare(client.call())
        async with client.restarted() as anew:
            await client.say("three")
            assert await only(anew) == ["one", "two", "three"]


async def test_killed_while_an_answer_was_continued() -> None:
    """A turn whose last word is the agent's own is known to be kept as well."""
    async with housed() as house:
        client = Client(house, "Milo", "k")
        await client.say("one")
        exchange = await house.begin(client.call())
        async for batch in exchange:
            if said(batch):
                break
        await exchange.segment.reader.aclose()
        await house.quiet()
        async with client.restarted() as anew:
            await client.say("two")
            told = await anew.told(anew.conversations()[-1])
            assert told == ["one", "two"]


async def test_killed_and_asked_again_while_the_run_goes_on() -> None:
    """A run that outlives its gateway is cancelled, and its turn goes with the next."""
    long = "@@slow:40@@"
    async with housed() as house:
        client = Client(house, "Milo", "k")
        await client.dies(long)
        (run,) = house.letta.runs.values()
        async with client.restarted() as anew:
            assert said(await client.say("two")) == "You said: two"
            assert run.status == "cancelled"
            await anew.quiet()
            await client.say("three")
            assert await only(anew) == [long, "two", "three"]


# A conversation that is gone.


async def test_deleted_conversation_is_begun_anew() -> None:
    """If somebody deletes the chat's conversation at Letta, the next turn tells it all anew."""
    async with housed() as house:
        client = Client(house, "Milo", "k")
        await client.say("one")
        await client.say("two")
        await house.api.delete_conversation(house.conversations()[0])
        assert said(await client.say("three")) == "You said: three"
        await client.say("four")
        assert await only(house) == ["one", "two", "three", "four"]
        assert len(house.requests("POST", "/messages")) == 5


async def test_deleted_conversation_of_a_failed_turn() -> None:
    """The same when the last turn had failed, and Letta is asked what became of it."""
    async with housed() as house:
        client = Client(house, "Milo", "k")
        await client.say("one")
        await client.say(FAILS)
        await house.api.delete_conversation(house.conversations()[0])
        assert said(await client.say("three")) == "You said: three"
        assert await only(house) == ["one", FAILS, "three"]


async def test_new_conversation_that_vanishes_too() -> None:
    """A conversation is begun anew once a request: then the client is told."""
    async with housed() as house:
        client = Client(house, "Milo", "k")
        await client.say("one")
        gone = {"detail": "Conversation not found"}
        house.letta.fail(Fault(status=404, body=gone), path=MESSAGES)
        assert ending(await client.say("two")) == "conversation_not_found"
        assert len(house.conversations()) == 2


# A store that fails.


async def test_store_fails_when_the_answer_is_whole() -> None:
    """If the store fails at the end the client is told; nothing is lost or sent twice."""
    async with housed(wait_seconds=0.0) as house:
        client = Client(house, "Milo", "k")
        await client.say("one")
        client.messages.append(user("two"))
        async with await house.begin(client.call()) as exchange:
            house.store.broken = {"put"}
            events: list[Event] = [event async for batch in exchange for event in batch]
        assert ending(events) == "store_unavailable"
        house.store.broken = set()
        client.hear(said(events))
        await client.say("three")
        assert await only(house) == ["one", "two", "three"]


@pytest.mark.parametrize("operation", ["read", "put", "lease"])
async def test_store_fails_before_letta_is_asked(operation: str) -> None:
    """Without the store a chat is refused before Letta hears of it, and goes on afterwards."""
    async with housed(wait_seconds=0.0) as house:
        client = Client(house, "Milo", "k")
        await client.say("one")
        house.store.broken = {operation}
        reject = await refusal(client.say("two"))
        assert (reject.status, reject.code) == (503, "store_unavailable")
        house.store.broken = set()
        await client.say("three")
        assert await only(house) == ["one", "two", "three"]


async def test_letta_fails_when_asked_what_it_kept() -> None:
    """A chat whose state cannot be learnt is refused, holds up nobody and goes on afterwards."""
    async with housed(wait_seconds=0.0) as house:
        client = Client(house, "Milo", "k")
        house.letta.fail(Fault(then="drop", after=1), path=MESSAGES, method="POST", times=1)
        await client.say("one")
        await house.quiet()
        rule = house.letta.fail(Fault(status=400), method="GET", path=MESSAGES)
        assert (await refusal(client.say("two"))).status == 400
        rule.times = 0
        await client.say("three")
        assert await only(house) == ["one", "two", "three"]
