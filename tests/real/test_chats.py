"""Conversations at Letta: what each request belongs to, and what of its history is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.letta_server.fixtures import MakeAgent
from tests.letta_server.server import LettaServer
from tests.plugins.open_webui import Chat
from tests.real.behind import Behind, eventually
from tests.real.client import assistant, client_of, system, user
from tests.real.conftest import Serve
from tests.real.cutting import cutting
from tests.real.gateways import in_process, pipeline, write_config
from tests.real.scripts import does


CHAT = {"X-Letta-Chat-Key": "chat-1"}


async def test_a_chat_stays_in_its_conversation(
    serve: Serve, make_agent: MakeAgent, behind: Behind
) -> None:
    """Only what is new is sent; the conversation at Letta reads like the client's."""
    agent = make_agent("Milo")
    client = await serve()

    first = await client.ask("Milo", "one", CHAT)
    history = [user("one"), assistant(first.text), user("two")]
    second = await client.stream("Milo", history, CHAT)

    second.check()
    [conversation] = behind.conversations(agent.id)
    assert behind.said(conversation) == [
        ("user", "one"),
        ("assistant", "You said: one"),
        ("user", "two"),
        ("assistant", "You said: two"),
    ]


async def test_a_chat_outlives_the_gateway(
    tmp_path: Path, make_agent: MakeAgent, behind: Behind, letta_server: LettaServer
) -> None:
    """The store knows the chat when the gateway is started anew."""
    agent = make_agent("Milo")
    file = write_config(tmp_path, letta_server.url)

    async with in_process(file) as url, client_of(url) as client:
        await client.ask("Milo", "one", CHAT)
    async with in_process(file) as url, client_of(url) as client:
        history = [user("one"), assistant("You said: one"), user("two")]
        await client.ask("Milo", history, CHAT)

    [conversation] = behind.conversations(agent.id)
    assert [text for _, text in behind.said(conversation)][::2] == ["one", "two"]


async def test_two_chats_and_two_callers(
    serve: Serve, make_agent: MakeAgent, behind: Behind
) -> None:
    """Chats of different names, and the same name from different callers, are kept apart."""
    agent = make_agent("Milo")
    client = await serve()

    for headers in (CHAT, {"X-Letta-Chat-Key": "chat-2"}, CHAT | {"Authorization": "Bearer other"}):
        await client.ask("Milo", "hello", headers)

    found = behind.conversations(agent.id)
    assert [len(behind.said(conversation)) for conversation in found] == [2, 2, 2]


async def test_regenerate(serve: Serve, make_agent: MakeAgent, behind: Behind) -> None:
    """The same turn asked again is answered in a new conversation that has the branch alone."""
    agent = make_agent("Milo")
    client = await serve()
    history = [user("one"), assistant("You said: one"), user("two")]
    await client.ask("Milo", history[:1], CHAT)
    await client.ask("Milo", history, CHAT)

    await client.ask("Milo", history, CHAT)

    _, again = behind.conversations(agent.id)
    assert [text for _, text in behind.said(again)] == [
        "one",
        "You said: one",
        "two",
        "You said: two",
    ]


async def story(chat: Chat, behind: Behind, agent_id: str) -> None:
    """Ask as people do, and look each time at what the agent knows then."""

    async def same() -> None:
        place = behind.runs(agent_id)[0].conversation_id
        known = "".join(text for _, text in behind.said(place))
        assert known == "".join(chat.shown())

    await chat.say("one")
    first = await chat.say("two")
    await same()
    second = await chat.try_again()
    await same()
    await chat.say("three")
    await same()
    chat.at = first
    await chat.say("four")  # going back to the first reply
    await same()
    await chat.edit("other")
    await same()
    chat.at = second
    await chat.go_on()
    await same()
    await chat.say("five")
    await same()
    await chat.wish("Add details")
    await chat.say("six")
    await same()
    chat = chat.fork("chat-2")
    await chat.say("seven")
    await same()


async def test_as_open_webui_sends_it(serve: Serve, make_agent: MakeAgent, behind: Behind) -> None:
    """Regenerate, going back, edit, continue, another reply and fork: the agent knows what is
    shown."""
    agent = make_agent("Milo")
    client = await serve()

    async def ask(messages: list[dict[str, Any]], headers: Mapping[str, str]) -> str:
        return (await client.ask("Milo", messages, headers)).text

    await story(Chat(ask, "chat-1"), behind, agent.id)


async def test_an_older_agent_has_one_branch(serve: Serve, make_agent: MakeAgent) -> None:
    """What its one context does not allow is refused with words."""
    make_agent("Old", type="memgpt_v2_agent")
    client = await serve()
    refused: list[str] = []

    async def ask(messages: list[dict[str, Any]], headers: Mapping[str, str]) -> str:
        answer = await client.ask("Old", messages, headers)
        if answer.status != 200:
            refused.append(answer.error["code"])
            return ""
        return answer.text

    chat = Chat(ask, "chat-1")
    first = await chat.say("one")
    last = await chat.say("two")
    for asked in (chat.try_again, chat.go_on, lambda: chat.edit("other")):
        chat.at = last
        await asked()
    chat.at = first
    await chat.say("three")  # going back
    assert refused == ["conversation_unsupported"] * 4
    chat.at = last
    await chat.say("four")
    assert len(refused) == 4


async def test_first_requests_of_a_chat_at_once(
    serve: Serve, make_agent: MakeAgent, behind: Behind
) -> None:
    """Twenty of them make one conversation."""
    agent = make_agent("Milo")
    settings = {"queue": 20, "wait_seconds": 100}
    client = await serve(pipeline=pipeline(conversation_resolver=settings))

    asked = [client.ask("Milo", f"{i}", CHAT) for i in range(20)]
    answers = await asyncio.gather(*asked)

    assert [answer.text for answer in answers] == [f"You said: {i}" for i in range(20)]
    [conversation] = behind.conversations(agent.id)
    told = [text for role, text in behind.said(conversation) if role == "user"]
    assert sorted(told, key=int) == [f"{i}" for i in range(20)]


async def test_a_stream_that_breaks_off(
    serve: Serve, make_agent: MakeAgent, behind: Behind, letta_server: LettaServer
) -> None:
    """Whoever asks again at once, and again: what was said before is told once."""
    agent = make_agent("Milo")
    async with cutting(letta_server.url) as proxy:
        client = await serve(letta={"base_url": proxy.url})
        for i in range(8):
            chat = {"X-Letta-Chat-Key": f"chat-{i}"}
            said = does(text=f"{i} " + "word " * 3 * (1 + i % 6), n=4, delay=0.03)
            proxy.cuts = [i % 4]
            assert (await client.ask("Milo", said, chat)).status == 502

            history = [user(said), user(f"next {i}")]
            while (answer := await client.ask("Milo", history, chat)).status != 200:
                # Letta itself may stall at a run that was cut off, and say 500 after a minute.
                assert answer.error["code"] in {"conversation_busy", "upstream_error"}

            assert answer.text == f"You said: next {i}"
            place = behind.runs(agent.id)[0].conversation_id
            told = [text for role, text in behind.said(place) if role == "user"]
            assert told == [said, f"next {i}"]


async def test_a_deleted_conversation(
    serve: Serve, make_agent: MakeAgent, behind: Behind, letta_server: LettaServer
) -> None:
    """A chat whose conversation somebody has deleted goes on in a new one, fed with the history."""
    agent = make_agent("Milo")
    client = await serve()
    await client.ask("Milo", "one", CHAT)
    [gone] = behind.conversations(agent.id)
    letta_server.client.conversations.delete(gone)

    history = [user("one"), assistant("You said: one"), user("two")]
    answer = await client.stream("Milo", history, CHAT)

    answer.check()
    [conversation] = behind.conversations(agent.id)
    assert [text for _, text in behind.said(conversation)][:3] == ["one", "You said: one", "two"]


async def test_requests_at_once_in_one_chat(
    serve: Serve, make_agent: MakeAgent, behind: Behind, letta_server: LettaServer
) -> None:
    """One waits until the conversation is free; where the queue is full, it is a 409 at once."""
    agent = make_agent("Milo")
    client = await serve(pipeline=pipeline(conversation_resolver={"queue": 1}))
    await client.ask("Milo", "zero", CHAT)
    history = [user("zero"), assistant("You said: zero"), user(f"@@gate:{agent.id}@@")]
    later = [*history, assistant("one two three four five"), user("then")]

    async with client.streaming("Milo", history, CHAT) as stream:
        await stream.until(lambda answer: answer.text)
        both = {asyncio.create_task(client.ask("Milo", later, CHAT)) for _ in range(2)}
        [refused], [waiting] = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        letta_server.model.open(agent.id)
        (await stream.rest()).check()

    assert (refused.result().status, refused.result().error["code"]) == (409, "conversation_busy")
    assert (await waiting).text == "You said: then"
    [conversation] = behind.conversations(agent.id)
    assert [text for _, text in behind.said(conversation)][3:] == [
        "one two three four five",
        "then",
        "You said: then",
    ]


async def test_two_chats_at_once(
    serve: Serve, make_agent: MakeAgent, letta_server: LettaServer
) -> None:
    """Conversations of one agent do not wait for each other."""
    agent = make_agent("Milo")
    client = await serve()

    async with client.streaming("Milo", f"@@gate:{agent.id}@@", CHAT) as stream:
        await stream.until(lambda answer: answer.text)
        other = await client.ask("Milo", "meanwhile", {"X-Letta-Chat-Key": "chat-2"})
        letta_server.model.open(agent.id)
        (await stream.rest()).check()

    assert other.text == "You said: meanwhile"


async def test_stateless(
    serve: Serve, make_agent: MakeAgent, behind: Behind, letta_server: LettaServer
) -> None:
    """Without a key the model sees the client's history, and nothing is left at Letta."""
    agent = make_agent("Milo")
    client = await serve()
    history = [user("my first"), assistant("my answer"), user("my second")]

    answer = await client.stream("Milo", history)
    whole = await client.ask("Milo", history)

    answer.check()
    assert answer.text == whole.text == "You said: my second"
    asked = messages_of(letta_server, "my second")
    assert [message["content"] for message in asked[1:]] == ["my first", "my answer", "my second"]
    await eventually(lambda: not behind.conversations(agent.id))
    assert behind.said("default", agent.id) == []


async def test_the_agents_own_conversation(
    serve: Serve, make_agent: MakeAgent, behind: Behind
) -> None:
    """An operator can have all requests without a key go on in the agent's default one."""
    agent = make_agent("Milo")
    settings = {"mode": "agent", "agent_conversation": "default"}
    client = await serve(pipeline=pipeline(conversation_resolver=settings))

    await client.ask("Milo", "one")
    await client.ask("Milo", [user("never sent"), assistant("never said"), user("two")])

    assert [text for _, text in behind.said("default", agent.id)][-4:] == [
        "one",
        "You said: one",
        "two",
        "You said: two",
    ]
    assert behind.conversations(agent.id) == []


async def test_a_title_task(serve: Serve, make_agent: MakeAgent, behind: Behind) -> None:
    """A chat UI's own request is answered, and does not touch the chat that it is about."""
    agent = make_agent("Milo")
    client = await serve()
    chat = {"X-OpenWebUI-Chat-Id": "chat-1"}
    task = "### Task:\nGenerate a concise title.\n<chat_history>\nUSER: one\n</chat_history>"
    await client.ask("Milo", "one", chat)

    title = await client.ask("Milo", task, chat)
    marked = await client.ask("Milo", "a title", chat | {"X-OpenWebUI-Task": "title_generation"})
    after = await client.ask("Milo", [user("one"), assistant("..."), user("two")], chat)

    assert title.text.startswith("You said: ### Task:")
    assert marked.text == "You said: a title"
    assert after.text == "You said: two"
    [conversation] = await eventually(
        lambda: found if len(found := behind.conversations(agent.id)) == 1 else None
    )
    assert [text for _, text in behind.said(conversation)] == [
        "one",
        "You said: one",
        "two",
        "You said: two",
    ]


async def test_the_system_message(
    serve: Serve, make_agent: MakeAgent, letta_server: LettaServer
) -> None:
    """It reaches the model beside the agent's own prompt and memory, and again when it changes."""
    make_agent(
        "Milo",
        system="You are Milo of the tests.",
        memory_blocks=[{"label": "human", "value": "Likes plums."}],
    )
    client = await serve()
    rules = [system("Speak in rhymes."), user("Rhymes: one")]

    await client.ask("Milo", rules, CHAT)
    first = messages_of(letta_server, "Rhymes: one")
    await client.ask("Milo", [*rules, assistant("..."), user("Rhymes: two")], CHAT)
    second = messages_of(letta_server, "Rhymes: two")
    told = [*rules[1:], assistant("..."), user("Rhymes: two"), assistant("...")]
    changed = [system("Speak in prose."), *told, user("Rhymes: three")]
    await client.ask("Milo", changed, CHAT)
    third = messages_of(letta_server, "Rhymes: three")

    assert "You are Milo of the tests." in first[0]["content"]
    assert "Likes plums." in first[0]["content"]
    assert [roles_of(messages) for messages in (first, second, third)] == [
        ["system", "user"],
        ["system", "user", "assistant", "user"],
        ["system", "user", "assistant", "user", "assistant", "system", "user"],
    ]
    assert "Speak in rhymes." in first[1]["content"]
    assert "Speak in prose." in third[-2]["content"]
    assert all(messages[0] == first[0] for messages in (second, third))


def messages_of(letta_server: LettaServer, said: str) -> list[dict[str, Any]]:
    """What the model was given when this was the last that the user had said."""
    asked = [request["body"]["messages"] for request in letta_server.model.requests()]
    found: list[dict[str, Any]] = next(
        messages for messages in reversed(asked) if messages[-1]["content"] == said
    )
    return found


def roles_of(messages: list[dict[str, Any]]) -> list[str]:
    """The roles after the agent's own prompt."""
    return [message["role"] for message in messages[1:]]


async def test_images(serve: Serve, make_agent: MakeAgent, letta_server: LettaServer) -> None:
    """An image in a data URL reaches the model as it was sent."""
    make_agent("Seer")
    client = await serve()
    url = f"data:image/gif;base64,{PIXEL}"
    shown = {"type": "image_url", "image_url": {"url": url}}

    answer = await client.stream("Seer", [user([{"type": "text", "text": "What is it?"}, shown])])

    answer.check()
    asked = [request["body"]["messages"][-1] for request in reversed(letta_server.model.requests())]
    [text, image] = next(last["content"] for last in asked if isinstance(last["content"], list))
    assert text == {"type": "text", "text": "What is it?"}
    assert (image["type"], image["image_url"]["url"]) == ("image_url", url)


PIXEL = "R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
