"""Chats of a UI that sends the ids of its messages: the agent knows the branch that is shown."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from gateway.call import Call, Message, Text
from gateway.errors import Reject
from plugins.conversations.branches import MOST_BRANCHES
from plugins.conversations.chat_key import name_of
from plugins.conversations.chat_record import MOST_REPLIES
from tests.plugins.client import FAILS, TALKS_LONG, Client, housed, said
from tests.plugins.house import House
from tests.plugins.open_webui import Chat
from tests.plugins.tool_client import ONE, ToolClient, tooled


def chat_of(house: House, key: str = "chat-1", model: str = "Milo") -> Chat:
    """A chat with the agent of this house."""

    async def ask(messages: list[dict[str, Any]], headers: Mapping[str, str]) -> str:
        told = tuple(Message(m["role"], (Text(m["content"]),)) for m in messages)
        return said(await house.ask(Call(model, told, headers=headers, stream=True)))

    return Chat(ask, key)


async def known(house: House) -> list[str]:
    """What the agent knows in the conversation that was spoken to last."""
    return [text for _, text in await house.heard(house.latest)]


async def test_next_message() -> None:
    """A chat that goes straight on stays in its conversation, and each message is sent once."""
    async with housed() as house:
        chat = chat_of(house)
        for text in ("one", "two", "three"):
            await chat.say(text)
        assert await known(house) == chat.shown()
        assert len(house.conversations()) == 1


async def test_try_again() -> None:
    """A regenerated reply comes from a conversation without the first, and it goes on there."""
    async with housed() as house:
        chat = chat_of(house)
        for text in ("one", "two"):
            await chat.say(text)
        await chat.try_again()
        await chat.say("three")
        assert await known(house) == chat.shown()
        assert len(house.conversations()) == 2


@pytest.mark.parametrize("turn", [1, 2, 3])
async def test_edit(turn: int) -> None:
    """A message that is said otherwise is the only one that the agent knows from then on."""
    async with housed() as house:
        chat = chat_of(house)
        replies = [await chat.say(text) for text in ("one", "two", "three")]
        chat.at = replies[turn - 1]
        await chat.edit("other")
        await chat.say("more")
        assert chat.shown()[::2] == [*["one", "two"][: turn - 1], "other", "more"]
        assert await known(house) == chat.shown()


async def test_continue() -> None:
    """A reply that was continued is the one that the next message answers."""
    async with housed() as house:
        chat = chat_of(house)
        await chat.say("one")
        await chat.go_on()
        await chat.say("two")
        assert "".join(await known(house)) == "".join(chat.shown())
        assert len(house.conversations()) == 2


async def test_fork() -> None:
    """A copy of a chat knows what the chat knew, and neither hears of the other."""
    async with housed() as house:
        chat = chat_of(house)
        await chat.say("one")
        await chat.say("two")
        copy = chat.fork("chat-2")
        await copy.say("copied")
        assert await known(house) == copy.shown()
        await chat.say("three")
        assert await known(house) == chat.shown()
        assert len(house.conversations()) == 2


async def test_going_back() -> None:
    """Whoever goes back to an earlier branch goes on where that one was, and back again."""
    async with housed() as house:
        chat = chat_of(house)
        await chat.say("one")
        first = await chat.say("two")
        second = await chat.try_again()
        for reply in (first, second):
            chat.at = reply
            for text in ("more", "and more"):
                await chat.say(text)
                assert await known(house) == chat.shown()
        assert len(house.conversations()) == 2
        chat.at = first
        await chat.say("else")
        assert await known(house) == chat.shown()
        assert len(house.conversations()) == 3


async def test_wish() -> None:
    """A wish for another reply is answered knowing the first; then the chat is as it is shown."""
    async with housed() as house:
        chat = chat_of(house)
        await chat.say("one")
        first = await chat.say("two")
        await chat.wish("Add details")
        assert (await house.told(house.latest)) == ["one", "two", "Add details"]
        wished = chat.at
        await chat.say("three")
        assert await known(house) == chat.shown()
        chat.at = first
        await chat.say("four")
        assert await known(house) == chat.shown()
        chat.at = wished
        await chat.say("five")
        assert await known(house) == chat.shown()


async def test_wish_for_the_first_reply() -> None:
    """It is the same where nothing was said before."""
    async with housed() as house:
        chat = chat_of(house)
        await chat.say("one")
        await chat.wish("More concise")
        await chat.say("two")
        assert await known(house) == chat.shown()


async def test_temporary_chat() -> None:
    """A second chat of the same name begins with nothing."""
    async with housed() as house:
        for _ in range(2):
            chat = chat_of(house, "temporary:socket")
            await chat.say("one")
            await chat.say("two")
            assert await known(house) == chat.shown()


async def test_failed_turn() -> None:
    """What the agent failed to answer goes with the next message, in the same conversation."""
    async with housed() as house:
        chat = chat_of(house)
        await chat.say("one")
        for _ in range(2):
            await chat.say(FAILS)
        await chat.say("two")
        assert await house.told(house.latest) == ["one", FAILS, FAILS, "two"]
        assert len(house.conversations()) == 1


async def test_failed_turn_again() -> None:
    """A reply that failed is asked for again, and sent once; so is a message that is changed."""
    async with housed() as house:
        chat = chat_of(house)
        await chat.say("one")
        await chat.say(FAILS)
        await chat.try_again()
        await chat.edit("two")
        await chat.say("three")
        assert await known(house) == chat.shown()
        assert len(house.conversations()) == 1


async def test_failed_first_turn() -> None:
    """A chat whose first message failed begins in the conversation that it has."""
    async with housed() as house:
        chat = chat_of(house)
        await chat.say(FAILS)
        await chat.try_again()
        await chat.edit("one")
        assert await known(house) == chat.shown()
        assert len(house.conversations()) == 1


async def test_refused_before_it_was_noted() -> None:
    """A message that never came as far as the chat goes with the next one."""
    async with housed(wait_seconds=0.0) as house:
        chat = chat_of(house)
        await chat.say("one")
        house.store.broken = {"lease"}
        with pytest.raises(Reject):
            await chat.say("two")
        house.store.broken = set()
        chat.at = list(chat.nodes)[-1]  # the reply that says what went wrong
        await chat.say("three")
        assert await house.told(house.latest) == ["one", "two", "three"]


async def test_stopped_reply() -> None:
    """A reply that was stopped goes with the next message, as far as it was seen."""
    async with housed() as house:
        client = Client(house, "Milo", "chat-1")

        def named(reply: str, parent: str) -> None:
            client.headers = {"x-openwebui-message-id": reply, "x-openwebui-parent-id": parent}

        named("r1", "")
        await client.say("one")
        named("r2", "r1")
        partial = await client.stop(TALKS_LONG)
        named("r3", "r2")
        await client.say("three")
        named("r4", "r3")
        await client.say("four")
        (chat,) = house.conversations()
        assert await house.told(chat) == ["one", TALKS_LONG, "three", "four"]
        assert ("assistant", partial) in await house.heard(chat)


async def test_history_that_is_cut() -> None:
    """With ids a chat goes on where it is, although its client sends its last messages only."""
    async with housed() as house:
        chat = chat_of(house)
        whole = chat.ask
        chat.ask = lambda messages, headers: whole(messages[-3:], headers)
        for text in ("one", "two", "three", "four"):
            await chat.say(text)
        assert await known(house) == chat.shown()
        assert len(house.conversations()) == 1


async def test_ids_from_some_time_on() -> None:
    """A chat that began without ids goes on in its conversation when they are sent."""
    async with housed() as house:
        chat = chat_of(house)
        whole = chat.ask
        chat.ask = lambda messages, headers: whole(messages, {"x-letta-chat-key": "chat-1"})
        await chat.say("one")
        await chat.say("two")
        chat.ask = whole
        await chat.say("three")
        await chat.say("four")
        assert await known(house) == chat.shown()
        assert len(house.conversations()) == 1


@pytest.mark.parametrize("name", ["x-openwebui-message-id", "x-openwebui-parent-id"])
async def test_template_that_nobody_filled_in(name: str) -> None:
    """Then there are no ids: what is new is told by counting."""
    async with housed() as house:
        chat = chat_of(house)
        whole = chat.ask
        chat.ask = lambda messages, headers: whole(messages, {**headers, name: "{{MESSAGE_ID}}"})
        await chat.say("one")
        await chat.say("two")
        assert await known(house) == chat.shown()
        assert len(house.conversations()) == 1


async def test_store_is_bounded() -> None:
    """However long a chat, however many its branches: some last ones are remembered."""
    async with housed() as house:
        chat = chat_of(house)
        for turn in range(MOST_REPLIES + 5):
            await chat.say(f"{turn}")
        for _ in range(MOST_BRANCHES + 5):
            await chat.try_again()
        (agent,) = await house.api.agents()
        stored = await house.store.read(name_of("anonymous", agent, "chat-1"))
        assert stored is not None
        records = json.loads(stored)
        assert len(records) == MOST_BRANCHES
        assert max(len(record["past"]) for record in records) <= MOST_REPLIES
        assert len(stored) < 8_000
        assert not any(text in stored.decode() for text in chat.shown() if len(text) > 3)
        await chat.say("end")
        assert await known(house) == chat.shown()


async def test_branch_that_is_forgotten() -> None:
    """Whoever goes back to it gets it fed anew."""
    async with housed() as house:
        chat = chat_of(house)
        first = await chat.say("one")
        for _ in range(MOST_BRANCHES):
            await chat.try_again()
        chat.at = first
        await chat.say("two")
        assert await known(house) == chat.shown()


@pytest.mark.parametrize("what", ["try again", "edit", "continue", "wish", "go back"])
async def test_older_agent(what: str) -> None:
    """It has one context: what it cannot do is refused with words, and the chat goes on."""
    async with housed() as house:
        house.letta.add_agent("Old", type="memgpt_v2_agent")
        chat = chat_of(house, model="Old")
        first = await chat.say("one")
        last = await chat.say("two")
        asked = {
            "try again": chat.try_again,
            "edit": lambda: chat.edit("other"),
            "continue": chat.go_on,
            "wish": lambda: chat.wish("Add details"),
            "go back": lambda: chat.say("other"),
        }
        chat.at = first if what == "go back" else last
        with pytest.raises(Reject) as caught:
            await asked[what]()
        assert (caught.value.status, caught.value.code) == (409, "conversation_unsupported")
        assert "anew" in caught.value.message
        chat.at = last
        await chat.say("three")
        told = await house.told("default", list(house.letta.agents)[-1])
        assert [text for text in told if not text.startswith("{")] == ["one", "two", "three"]


async def test_older_agent_after_a_refusal() -> None:
    """A message that never came as far as the agent goes with the next one."""
    async with housed(wait_seconds=0.0) as house:
        agent = house.letta.add_agent("Old", type="memgpt_v2_agent")
        chat = chat_of(house, model="Old")
        await chat.say("one")
        house.store.broken = {"lease"}
        with pytest.raises(Reject):
            await chat.say("two")
        house.store.broken = set()
        chat.at = list(chat.nodes)[-1]
        await chat.say("three")
        await chat.say("four")
        told = await house.told("default", agent.id)
        assert [text for text in told if not text.startswith("{")] == [
            "one",
            "two",
            "three",
            "four",
        ]


async def test_results_of_calls() -> None:
    """They go to the branch in which their reply is being made."""
    async with tooled() as house:
        client = ToolClient(house, "Milo", "chat-1")
        client.headers = {"x-openwebui-message-id": "r1", "x-openwebui-parent-id": ""}
        await client.say(ONE)
        place, history, asked = house.latest, [*client.messages], [*client.asked]
        other = Client(house, "Milo", "chat-1", headers={**client.headers})
        other.headers["x-openwebui-message-id"] = "r1b"
        await other.say("Never mind")
        assert house.latest != place
        client.messages = [*history, *map(client.run, asked)]
        await client.send()
        assert house.latest == place
        client.headers = {"x-openwebui-message-id": "r2", "x-openwebui-parent-id": "r1"}
        await client.say("Thanks")
        assert house.latest == place
