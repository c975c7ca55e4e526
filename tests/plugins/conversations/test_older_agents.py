from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest

from gateway.call import Call
from gateway.store.memory import MemoryStore
from gateway.testing.fakeletta import FakeLetta, Fault
from tests.plugins.client import (
    FAILS,
    Client,
    assistant,
    listening,
    refusal,
    said,
    system,
    user,
)
from tests.plugins.house import House, built, until
from tests.plugins.watched import Watched


TYPES = ["memgpt_agent", "memgpt_v2_agent"]
DAY = 86400.0


@asynccontextmanager
async def housed(type: str = "memgpt_v2_agent", **settings: Any) -> AsyncIterator[House]:
    async with FakeLetta(pace=0) as letta:
        letta.add_agent("Old", type=type)
        async with built(letta, **settings) as house:
            yield house


async def told(house: House) -> list[str]:
    """What users have said to the agent; its type's own log-in and heartbeats left out."""
    (agent,) = house.letta.agents
    assert house.conversations() == []
    return [text for text in await house.told("default", agent) if not text.startswith("{")]


@pytest.mark.parametrize("type", TYPES)
async def test_one_context_for_all_without_a_key(type: str) -> None:
    """Requests without a key go to the agent's own conversation, the last message only."""
    async with housed(type) as house:
        client = Client(house, "Old")
        assert said(await client.say("one")) == "You said: one"
        await client.say("two")
        await Client(house, "Old", caller="bob", messages=[user("x"), assistant("y")]).say("three")
        assert await told(house) == ["one", "two", "three"]


@pytest.mark.parametrize("type", TYPES)
async def test_keyed_chat(type: str) -> None:
    """The chat that comes first is told what is new, also of its first history."""
    async with housed(type) as house:
        history = [system("Be kind."), user("zero"), assistant("hm")]
        client = Client(house, "Old", "k", messages=history)
        await client.say("one")
        await client.say("two")
        assert await told(house) == ["zero", "one", "two"]


@pytest.mark.parametrize("other", [{"key": "other"}, {"key": "k", "caller": "bob"}])
async def test_second_chat_is_refused(other: dict[str, str]) -> None:
    """A second chat, or another caller's of the same name, is told why it cannot be had."""
    async with housed() as house:
        client = Client(house, "Old", "k")
        await client.say("one")
        reject = await refusal(Client(house, "Old", **other).say("hello"))
        assert (reject.status, reject.code) == (409, "conversation_unsupported")
        assert not reject.retry
        assert "memgpt_v2_agent" in reject.message
        assert "share_legacy" in reject.message
        await client.say("two")
        assert await told(house) == ["one", "two"]


async def test_context_can_be_shared() -> None:
    """If the operator wants it all chats share the one context."""
    async with housed(share_legacy=True) as house:
        await Client(house, "Old", "a").say("one")
        await Client(house, "Old", "b", caller="bob").say("two")
        assert await told(house) == ["one", "two"]


async def test_turn_cannot_be_answered_anew() -> None:
    """Regenerating is refused with words, and the chat goes on after it."""
    async with housed(wait_seconds=0.0) as house:
        client = Client(house, "Old", "k")
        await client.say("one")
        reject = await refusal(Client(house, "Old", "k", messages=[user("one")]).send())
        assert (reject.status, reject.code) == (409, "conversation_unsupported")
        assert "anew" in reject.message
        await client.say("two")
        assert await told(house) == ["one", "two"]


async def test_failed_turn_is_sent_again_with_the_next() -> None:
    """What Letta rolled back goes with the next turn, once."""
    async with housed() as house:
        client = Client(house, "Old", "k")
        await client.say("one")
        await client.say(FAILS)
        await client.say("three")
        await client.say("four")
        assert await told(house) == ["one", FAILS, "three", "four"]


async def test_one_request_at_a_time() -> None:
    """Whatever the chat, an older agent hears one request after the other."""
    async with housed(queue=20) as house:
        most, now = 0, 0

        async def ask(client: Client, text: str) -> None:
            nonlocal most, now
            client.messages.append(user(text))
            async with await house.begin(client.call()) as exchange:
                now += 1
                most = max(most, now)
                async for batch in exchange:
                    if said(batch):
                        now -= 1
                        break
                async for _ in exchange:
                    pass

        clients = [Client(house, "Old", "k"), *(Client(house, "Old") for _ in range(9))]
        await asyncio.gather(*(ask(client, f"{i}") for i, client in enumerate(clients)))
        assert most == 1
        assert sorted(await told(house)) == [f"{i}" for i in range(10)]


async def test_queue_is_bounded() -> None:
    """Requests beyond the queue are refused, and not to be retried at once."""
    async with housed(queue=0) as house:
        house.letta.fail(Fault(latency=0.5), path="/messages$", method="POST", times=1)
        first = asyncio.create_task(Client(house, "Old").say("one"))
        await until(lambda: house.store.done.count("lease"))
        reject = await refusal(Client(house, "Old").say("two"))
        assert (reject.status, reject.code, reject.retry) == (409, "conversation_busy", False)
        await first


async def test_tasks_are_answered_without_the_agent() -> None:
    """Titles and tags would enter the one context: they are answered {}."""
    async with housed() as house:
        headers = {"x-letta-chat-key": "k", "x-openwebui-task": "title_generation"}
        call = Call("Old", (user("### Task:\nA title, please."),), headers=headers)
        assert said(await house.ask(call)) == "{}"
        await Client(house, "Old", "other").say("one")
        assert await told(house) == ["one"]


@attrs.define
class Calendar:
    """The store's clock."""

    time: float = 0.0

    def __call__(self) -> float:
        return self.time


async def test_agent_stays_bound_while_its_chat_goes_on() -> None:
    """An agent is given free when its chat has been silent for long, not by its age."""
    today = Calendar()
    async with FakeLetta(pace=0) as letta:
        letta.add_agent("Old", type="memgpt_v2_agent")
        store = Watched(MemoryStore(today))
        async with built(letta, store=store, ttl_days=30) as house:
            client, other = Client(house, "Old", "k"), Client(house, "Old", "other")
            for _ in range(5):
                await client.say("more")
                today.time += 20 * DAY
                assert (await refusal(other.say("me"))).code == "conversation_unsupported"
                other.messages.clear()
            today.time += 11 * DAY
            assert said(await other.say("me")) == "You said: me"
            assert (await refusal(client.say("more"))).code == "conversation_unsupported"


async def test_an_agent_that_forgets() -> None:
    """It is told everything each time, can be asked anew, and belongs to nobody."""
    async with housed("workflow_agent") as house:
        heard = listening(house)
        client = Client(house, "Old", "chat-1")
        await client.say("one")
        client.hear("eins")
        await client.say("two")
        await Client(house, "Old", "chat-2").say("three")
        assert heard == [
            [("user", "one")],
            [("user", "one"), ("assistant", "eins"), ("user", "two")],
            [("user", "three")],
        ]
