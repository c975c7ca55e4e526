"""Clients that send one message after the other, and leave the history to the gateway."""

from __future__ import annotations

import asyncio

import pytest

from gateway.call import Call, Message
from gateway.testing.fakeletta import FakeLetta, Fault
from gateway.thread import Thread
from tests.plugins.client import housed, listening, refusal, said, system, user
from tests.plugins.house import House, built


def new(*messages: Message, key: str = "c1", agent: str = "Milo") -> Call:
    """A request of such a client."""
    return Call(agent, messages, thread=Thread(key, only_new=True), stream=True)


async def heard(house: House) -> list[list[str]]:
    """What users have said in each conversation."""
    return [await house.told(each) for each in house.conversations()]


async def test_one_after_the_other() -> None:
    """Each message is the next turn of the chat, whether or not it is like the last."""
    async with housed() as house:
        for text in ("one", "two", "two"):
            await house.ask(new(user(text)))
        await house.ask(new(user("else"), key="c2"))
        assert await heard(house) == [["one", "two", "two"], ["else"]]


async def test_several_at_once() -> None:
    """Of messages at once each is said, one after the other, in one conversation."""
    async with housed() as house:
        await asyncio.gather(*(house.ask(new(user(str(n)))) for n in range(5)))
        (told,) = await heard(house)
        assert sorted(told) == ["0", "1", "2", "3", "4"]


async def test_without_a_chat() -> None:
    """Without a key each message stands alone, as it does for all."""
    async with housed() as house:
        for text in ("one", "two"):
            await house.ask(new(user(text), key=""))
        await house.quiet()
        assert house.conversations() == []


async def test_system_messages() -> None:
    """What the system says is told when it is new, ahead of the user's message."""
    async with housed() as house:
        shown = listening(house)
        for text in ("one", "two"):
            await house.ask(new(system("Be kind."), user(text)))
        assert shown[0] == [("system", "Be kind."), ("user", "one")]
        assert shown[1][-1] == ("user", "two")
        assert shown[1].count(("system", "Be kind.")) == 1


async def test_after_a_failure() -> None:
    """A turn that has failed is not said again: the client has not sent it again."""
    async with housed() as house:
        await house.ask(new(user("one")))
        await house.ask(new(user("@@drop@@")))
        await house.ask(new(user("three")))
        assert await heard(house) == [["one", "three"]]


async def test_nothing_said() -> None:
    """An empty message is refused, and the chat goes on after it."""
    async with housed(wait_seconds=0.0) as house:
        await house.ask(new(user("one")))
        reject = await refusal(house.ask(new(user(""))))
        assert reject.code == "missing_user_message"
        await house.ask(new(user("two")))
        assert await heard(house) == [["one", "two"]]


async def test_the_conversation_was_deleted() -> None:
    """Then the chat begins anew with what is said."""
    async with housed() as house:
        await house.ask(new(user("one")))
        await house.api.delete_conversation(house.conversations()[0])
        assert said(await house.ask(new(user("two"))))
        assert await heard(house) == [["two"]]


@pytest.mark.parametrize("share", [True, False])
async def test_older_agents(share: bool) -> None:
    """They have one context: each message is the next there."""
    async with FakeLetta(pace=0) as letta:
        agent = letta.add_agent("Old", type="memgpt_v2_agent")
        async with built(letta, share_legacy=share) as house:
            for text in ("one", "two", "two"):
                await house.ask(new(user(text), agent="Old"))
            assert (await house.told("default", agent.id))[-3:] == ["one", "two", "two"]


async def test_a_busy_letta() -> None:
    """What Letta has not taken counts as not said."""
    async with housed() as house:
        await house.ask(new(user("one")))
        house.letta.fail(Fault(status=409), path="/messages$", method="POST", times=1)
        await house.ask(new(user("two")))
        await house.ask(new(user("three")))
        assert await heard(house) == [["one", "three"]]
