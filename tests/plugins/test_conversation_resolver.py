from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.call import Call, Message, Text, ToolCall
from plugins.conversation_resolver import Config, chat_key
from tests.plugins.client import (
    FAILS,
    Client,
    assistant,
    housed,
    listening,
    refusal,
    said,
    system,
    user,
)


# What a history may hold.


async def test_tool_rounds_of_the_history() -> None:
    """Calls and results that a client replays reach the agent as marked text."""
    async with housed() as house:
        shown = listening(house)
        call = Message("assistant", (), tool_calls=(ToolCall("c1", "weather", "{}"),))
        result = Message("tool", (Text("21 C"),), tool_call_id="c1")
        history = [user("Weather?"), call, result, assistant(""), user("Thanks")]
        await Client(house, "Milo", messages=history).send()
        ((first, asked, told, last),) = shown
        assert (first, last) == (("user", "Weather?"), ("user", "Thanks"))
        assert asked[0] == "assistant"
        assert "weather" in asked[1]
        assert told[0] == "user"
        assert "21 C" in told[1]


@pytest.mark.parametrize("key", ["", "chat-1"])
@pytest.mark.parametrize("mode", ["stateless", "agent"])
@pytest.mark.parametrize(
    "messages",
    [
        [system("Be kind.")],
        [assistant("Hi")],
        [system("Be kind."), assistant("Hi")],
        [Message("tool", (Text("x"),), tool_call_id="c")],
        [user("")],
        [system("Be kind."), user("")],
    ],
)
async def test_nothing_said(messages: list[Message], mode: str, key: str) -> None:
    """Without a word of the user's there is nothing to answer: 400, and nothing is made."""
    async with housed(mode=mode, wait_seconds=0.0) as house:
        for _ in range(2):
            reject = await refusal(Client(house, "Milo", key, messages=list(messages)).send())
            assert (reject.status, reject.code) == (400, "missing_user_message")
            assert reject.param == "messages"
        await house.quiet()
        assert house.conversations() == []


async def test_nothing_new_said() -> None:
    """An empty message in a chat that goes on is refused, and the chat goes on after it."""
    async with housed(wait_seconds=0.0) as house:
        client = Client(house, "Milo", "chat-1")
        await client.say("one")
        assert (await refusal(client.say(""))).code == "missing_user_message"
        await client.say("two")
        (chat,) = house.conversations()
        assert await house.told(chat) == ["one", "two"]


# Keys.


@pytest.mark.parametrize(
    ("headers", "body", "key"),
    [
        ({"x-letta-chat-key": "a"}, {}, "a"),
        ({"x-openwebui-chat-id": "b"}, {}, "b"),
        ({"x-letta-chat-key": "a", "x-openwebui-chat-id": "b"}, {}, "a"),
        ({"x-letta-chat-key": "", "x-openwebui-chat-id": "b"}, {}, "b"),
        ({}, {"conversation": "c"}, "c"),
        ({}, {"conversation": {"id": "c"}}, "c"),
        ({}, {"metadata": {"chat_id": "d"}}, "d"),
        ({"x-letta-chat-key": "a"}, {"conversation": "c"}, "a"),
        ({}, {"conversation": "c", "metadata": {"chat_id": "d"}}, "c"),
        ({}, {"conversation": 7, "metadata": {"chat_id": "d"}}, "7"),
        ({}, {"conversation": None, "metadata": None}, ""),
        ({}, {"metadata": {"other": "x"}}, ""),
        ({"x-chat": "x"}, {"user": "u"}, ""),
    ],
)
def test_chat_key(headers: dict[str, str], body: dict[str, Any], key: str) -> None:
    """A chat is named by header or in the body, the headers first."""
    assert chat_key(Call("m", (), headers=headers, body=body), Config().chat_headers) == key


@pytest.mark.parametrize(
    "named",
    [
        {"headers": {"x-letta-chat-key": "k"}},
        {"headers": {"x-openwebui-chat-id": "k"}},
        {"headers": {"x-mine": "k"}},
        {"body": {"conversation": "k"}},
        {"body": {"metadata": {"chat_id": "k"}}},
    ],
)
async def test_keyed_chat_is_told_what_is_new(named: dict[str, Any]) -> None:
    """Whatever names the chat, the agent hears each message once, in one conversation."""
    headers = [*Config().chat_headers, "X-Mine"]
    async with housed(chat_headers=headers) as house:
        history: list[Message] = []
        for text in ("one", "two", "three"):
            history.append(user(text))
            history.append(assistant(said(await house.ask(Call("Milo", tuple(history), **named)))))
        (chat,) = house.conversations("chat")
        assert await house.heard(chat) == [
            ("user", "one"),
            ("assistant", "You said: one"),
            ("user", "two"),
            ("assistant", "You said: two"),
            ("user", "three"),
            ("assistant", "You said: three"),
        ]
        sent = [len(body["messages"]) for body in house.requests("POST", "/messages")]
        assert sent == [1, 1, 1]


@pytest.mark.parametrize("key", ["a/b", "x" * 8000, "caf\udce9", "日本", " "])
async def test_any_key(key: str) -> None:
    """A key is whatever the client likes: long, with slashes, or no UTF-8 at all."""
    async with housed() as house:
        client = Client(house, "Milo", key)
        await client.say("one")
        await client.say("two")
        (chat,) = house.conversations()
        assert await house.told(chat) == ["one", "two"]


async def test_two_callers_with_one_key() -> None:
    """Two callers who name the same chat never meet."""
    async with housed() as house:
        ada, bob = (Client(house, "Milo", "k", caller=name) for name in ("ada", "bob"))
        for text in ("one", "two"):
            await ada.say(f"ada {text}")
            await bob.say(f"bob {text}")
        first, second = house.conversations()
        assert await house.told(first) == ["ada one", "ada two"]
        assert await house.told(second) == ["bob one", "bob two"]


async def test_two_agents_with_one_key() -> None:
    """Two agents in one chat have a conversation each, and hear what they have missed."""
    async with housed() as house:
        house.letta.add_agent("Bo")
        client = Client(house, "Milo", "k")
        await client.say("one")
        client.model = "Bo"
        await client.say("two")
        client.model = "Milo"
        await client.say("three")
        milo, bo = house.conversations()
        assert await house.told(milo) == ["one", "two", "three"]
        assert await house.told(bo) == ["one", "two"]


# System messages.


async def test_system_message_is_sent_until_it_changes() -> None:
    """In a chat the client's system message is told once, and again when it is another."""
    async with housed() as house:
        client = Client(house, "Milo", "k", messages=[system("Be kind.")])
        await client.say("one")
        await client.say("two")
        client.messages[0] = system("Be brief.")
        await client.say("three")
        del client.messages[0]
        await client.say("four")
        (chat,) = house.conversations()
        heard = [(role, text) for role, text in await house.heard(chat) if role != "assistant"]
        assert heard == [
            ("system", "Be kind."),
            ("user", "one"),
            ("user", "two"),
            ("system", "Be brief."),
            ("user", "three"),
            ("user", "four"),
        ]


async def test_system_message_of_a_failed_turn() -> None:
    """A system message that was rolled back with its turn is told again with the next."""
    async with housed() as house:
        client = Client(house, "Milo", "k", messages=[system("Be kind.")])
        await client.say(FAILS)
        await client.say("two")
        await client.say("three")
        (chat,) = house.conversations()
        heard = [text for role, text in await house.heard(chat) if role != "assistant"]
        assert heard == ["Be kind.", FAILS, "two", "three"]


# Without a key: the agent's one conversation.


async def test_agent_mode() -> None:
    """In mode agent the last message goes to the one conversation of all callers."""
    async with housed(mode="agent") as house:
        client = Client(house, "Milo")
        await client.say("one")
        await client.say("two")
        await Client(house, "Milo", caller="bob").say("bob")
        (chat,) = house.conversations("ongoing")
        assert await house.told(chat) == ["one", "two", "bob"]


async def test_agent_mode_in_the_agents_own_conversation() -> None:
    """If told so the agent's own default conversation is the one that goes on."""
    async with housed(mode="agent", agent_conversation="default") as house:
        client = Client(house, "Milo", messages=[system("Be kind.")])
        await client.say("one")
        await client.say("two")
        (agent,) = house.letta.agents
        assert house.conversations() == []
        heard = [text for role, text in await house.heard("default", agent) if role != "assistant"]
        assert heard == ["Be kind.", "one", "two"]


async def test_agent_mode_has_keyed_chats_beside() -> None:
    """A chat that is named has its own conversation in mode agent, too."""
    async with housed(mode="agent") as house:
        await Client(house, "Milo").say("one")
        await Client(house, "Milo", "k").say("two")
        (ongoing,), (chat,) = house.conversations("ongoing"), house.conversations("chat")
        assert await house.told(ongoing) == ["one"]
        assert await house.told(chat) == ["two"]


async def test_first_requests_of_agent_mode_share_one_conversation() -> None:
    """Requests that come all at once to a new agent make one conversation."""
    async with housed(mode="agent", queue=50) as house:
        await asyncio.gather(*(Client(house, "Milo").say(f"{i}") for i in range(20)))
        (chat,) = house.conversations()
        assert sorted(await house.told(chat)) == sorted(f"{i}" for i in range(20))


async def test_ongoing_conversation_that_was_deleted() -> None:
    """If somebody deletes the ongoing conversation at Letta another one is begun."""
    async with housed(mode="agent") as house:
        client = Client(house, "Milo")
        await client.say("one")
        (chat,) = house.conversations()
        await house.api.delete_conversation(chat)
        assert said(await client.say("two")) == "You said: two"
        await client.say("three")
        (chat,) = house.conversations()
        assert await house.told(chat) == ["two", "three"]
