from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.gateway.store.stores import WITH_REDIS, opened
from tests.plugins.client import (
    FAILS,
    FAILS_AFTER_TOOL,
    FAILS_LATE,
    TALKS_LONG,
    Client,
    housed,
    listening,
    said,
    user,
)
from tests.plugins.house import until
from tests.plugins.watched import Watched


# What people do in a chat.


async def test_regenerate() -> None:
    """An answer that is asked for again comes from a conversation that never had the first."""
    async with housed() as house:
        client = Client(house, "Milo", "k")
        await client.say("one")
        await client.say("two")
        client.regenerate()
        await client.send()
        await client.say("three")
        first, second = house.conversations()
        assert await house.told(first) == ["one", "two"]
        assert await house.heard(second) == [
            ("user", "one"),
            ("assistant", "You said: one"),
            ("user", "two"),
            ("assistant", "You said: two"),
            ("user", "three"),
            ("assistant", "You said: three"),
        ]


@pytest.mark.parametrize("turn", [1, 2, 3])
async def test_edit(turn: int) -> None:
    """A turn that is said otherwise is the only one that the agent knows from then on."""
    async with housed() as house:
        client = Client(house, "Milo", "k")
        for text in ("one", "two", "three"):
            await client.say(text)
        client.edit(turn, "other")
        await client.send()
        await client.say("more")
        assert await house.told(house.conversations()[-1]) == [
            *["one", "two"][: turn - 1],
            "other",
            "more",
        ]


async def test_fork() -> None:
    """A copy of a chat under another key knows all of it, and the first goes on without it."""
    async with housed() as house:
        client = Client(house, "Milo", "k")
        await client.say("one")
        await client.say("two")
        copy = Client(house, "Milo", "copy", messages=list(client.messages))
        await copy.say("copied")
        await client.say("three")
        first, second = house.conversations()
        assert await house.told(first) == ["one", "two", "three"]
        assert await house.told(second) == ["one", "two", "copied"]


async def test_continue() -> None:
    """To go on with an answer the agent is shown what it has said so far as the last word."""
    async with housed() as house:
        shown = listening(house)
        client = Client(house, "Milo", "k")
        await client.say("one")
        await client.send()
        assert shown[-1] == [("user", "one"), ("assistant", "answer 1")]
        await client.say("two")
        told = await house.told(house.conversations()[-1])
        assert told == ["one", "two"]


async def test_add_details() -> None:
    """A wish for another answer goes on in the chat; as it is not stored, the next turn
    begins anew from what is."""
    async with housed() as house:
        client = Client(house, "Milo", "k")
        await client.say("one")
        wish = [*client.messages, user("Add details")]
        details = said(await Client(house, "Milo", "k", messages=wish).send())
        client.regenerate()
        client.hear(details)
        await client.say("two")
        first, second = house.conversations()
        assert await house.told(first) == ["one", "Add details"]
        assert await house.heard(second) == [
            ("user", "one"),
            ("assistant", details),
            ("user", "two"),
            ("assistant", "You said: two"),
        ]


async def test_temporary_chat_begins_anew() -> None:
    """A second temporary chat has the first one's key, and knows nothing of it."""
    async with housed() as house:
        for _ in range(2):
            client = Client(house, "Milo", "temporary:socket")
            await client.say("one")
            await client.say("two")
        for chat in house.conversations():
            assert await house.told(chat) == ["one", "two"]


async def test_client_that_keeps_the_last_messages_only() -> None:
    """A history that is cut at its beginning still brings each new message to the agent."""
    async with housed() as house:
        client = Client(house, "Milo", "k")
        for text in ("one", "two", "three", "four", "five"):
            await client.say(text)
            del client.messages[:-4]
        chats = [await house.told(chat) for chat in house.conversations()]
        assert [told[-1] for told in chats] == ["three", "four", "five"]
        assert chats[-1] == ["three", "four", "five"]


# Many at once.


@pytest.mark.parametrize("use", WITH_REDIS)
async def test_first_requests_of_a_chat_share_one_conversation(use: str, tmp_path: Path) -> None:
    """Fifty first requests at once with one new key make exactly one conversation."""
    async with (
        opened(use, tmp_path) as store,
        housed(queue=50, store=Watched(store, store)) as house,
    ):
        everyone = [Client(house, "Milo", "k") for _ in range(50)]
        answers = await asyncio.gather(*(c.say(f"{i}") for i, c in enumerate(everyone)))
        assert [said(answer) for answer in answers] == [f"You said: {i}" for i in range(50)]
        (chat,) = house.conversations()
        assert sorted(await house.told(chat)) == sorted(f"{i}" for i in range(50))
        await everyone[7].say("next")
        assert house.conversations() == [chat]


async def test_same_turn_twice_at_once() -> None:
    """Two requests of one later turn at once are both answered, and no answer knows the
    other."""
    async with housed() as house:
        client = Client(house, "Milo", "k")
        await client.say("one")
        client.messages.append(user("two"))
        twins = [Client(house, "Milo", "k", messages=list(client.messages)) for _ in range(2)]
        answers = await asyncio.gather(*(twin.send() for twin in twins))
        assert [said(answer) for answer in answers] == ["You said: two"] * 2
        for chat in house.conversations():
            assert await house.told(chat) == ["one", "two"]


async def test_chats_run_beside_each_other() -> None:
    """A chat that takes long holds up no other chat of the same agent."""
    async with housed() as house:
        slow = asyncio.create_task(Client(house, "Milo", "slow").say("@@hang@@"))
        await until(lambda: house.letta.runs)
        assert said(await Client(house, "Milo", "quick").say("one")) == "You said: one"
        assert not slow.done()
        slow.cancel()
        await asyncio.wait([slow])
        await house.letta.stop()


# Whatever happens.


WHATEVER = st.one_of(
    st.sampled_from(["say", "fail", "fail late", "fail after tool", "stop", "regenerate"]),
    st.sampled_from(["die", "die early", "delete"]),
    st.integers(1, 4),
)


async def happens(what: str | int, client: Client, text: str) -> None:
    """One event of a chat's life. A number: the turn of that number is said otherwise."""
    turns = [message for message in client.messages if message.role == "user"]
    match what:
        case "die":
            await client.dies("@@plain@@")
        case "die early":
            client.messages.append(user(text))
            await client.house.prepare(client.call())
        case "delete" if client.house.conversations():
            await client.house.api.delete_conversation(client.house.conversations()[-1])
        case "regenerate" if client.messages and client.messages[-1].role == "assistant":
            client.regenerate()
            await client.send()
        case int(turn) if turn <= len(turns):
            client.edit(turn, text)
            await client.send()
        case "stop":
            await client.stop(TALKS_LONG)
        case _:
            failures = {
                "fail": FAILS,
                "fail late": FAILS_LATE,
                "fail after tool": FAILS_AFTER_TOOL,
            }
            await client.say(failures.get(str(what), text))


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.lists(WHATEVER, max_size=8))
async def test_every_turn_arrives_once(life: list[str | int]) -> None:
    """Whatever happens to a chat, in the end the agent knows each of its turns exactly once."""
    async with AsyncExitStack() as stack:
        house = await stack.enter_async_context(housed())
        client = Client(house, "Milo", "k")
        for i, what in enumerate(life):
            await happens(what, client, f"turn {i}")
            if what in {"die", "die early"}:
                await client.house.quiet()
                await stack.enter_async_context(client.restarted())
        assert said(await client.say("the end")) == "You said: the end"
        told = await client.house.told(client.house.latest)
        assert told == [message.text for message in client.messages if message.role == "user"]
