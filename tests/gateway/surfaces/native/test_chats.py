from __future__ import annotations

from contextlib import asynccontextmanager

import attrs
import loguru
import pytest

from gateway.background import Background
from gateway.call import Agent, Call, Conversation
from gateway.errors import StoreError
from gateway.letta.chats import ChatsAPI
from gateway.services import Caller
from gateway.store.memory import MemoryStore
from gateway.surfaces.native import chats as module
from gateway.surfaces.native.chats import Chats
from gateway.testing.fakeletta import FakeLetta, Fault
from tests.gateway.letta.connected import connected
from tests.gateway.surfaces.native.native import until


ADA, BOB = Caller("ada", "ada"), Caller("bob", "bob")


@attrs.define
class Counted(MemoryStore):
    """A store that counts what is written, and may fail."""

    written: int = 0
    fails: bool = False

    async def put(self, key, value, *, ttl):
        self.written += 1
        await super().put(key, value, ttl=ttl)

    async def read(self, key):
        if self.fails:
            raise StoreError("no store")
        return await super().read(key)


@attrs.define
class House:
    """Chats over FakeLetta, with one agent and conversations with it."""

    chats: Chats
    letta: FakeLetta
    store: Counted
    work: Background

    def call(self, number: int = 0) -> Call:
        (agent,) = self.letta.agents.values()
        place = Conversation(list(self.letta.conversations)[number])
        return Call("Milo", (), agent=Agent(agent.id, "Milo"), conversation=place)

    async def summaries(self) -> list[str]:
        """The conversations' summaries, when all that goes on is done."""
        await until(lambda: not self.work._tasks)
        return [each.summary for each in self.letta.conversations.values()]


@asynccontextmanager
async def housed():
    letta, store = FakeLetta(), Counted()
    letta.add_agent("Milo")
    async with (
        letta,
        connected(letta) as api,
        Background(loguru.logger) as work,
    ):
        (agent_id,) = letta.agents
        for summary in ("one", "two"):
            await api.create_conversation(agent_id, summary=summary)
        chats = Chats(ChatsAPI(api.reading), store, work.spawn, loguru.logger)
        yield House(chats, letta, store, work)


async def test_a_chats_place():
    """Where a chat takes place is known to its caller, for this agent, and to nobody else."""
    async with housed() as house:
        call = house.call()
        await house.chats.note(ADA, "c1", "", call)
        assert await house.chats.place(ADA, call.agent.id, "c1") == call.conversation.id
        for caller, agent_id, chat in (
            (BOB, call.agent.id, "c1"),
            (ADA, "agent-x", "c1"),
            (ADA, call.agent.id, "c2"),
        ):
            assert await house.chats.place(caller, agent_id, chat) is None


async def test_it_moves():
    """A chat that goes on in another conversation is found there."""
    async with housed() as house:
        await house.chats.note(ADA, "c1", "Title", house.call(0))
        await house.summaries()
        await house.chats.note(ADA, "c1", "Title", house.call(1))
        assert await house.summaries() == ["Title", "Title"]
        place = await house.chats.place(ADA, house.call().agent.id, "c1")
        assert place == house.call(1).conversation.id


async def test_written_seldom(monkeypatch):
    """What is known already is not written again, but once a day."""
    async with housed() as house:
        for _ in range(3):
            await house.chats.note(ADA, "c1", "Title", house.call())
            await house.summaries()
        assert house.store.written == 2
        monkeypatch.setattr(module, "DAY", -1.0)
        await house.chats.note(ADA, "c1", "Title", house.call())
        assert house.store.written == 3


@pytest.mark.parametrize(
    "title", ["letta-gateway: scratch", "letta-gateway: scratch, kept for 1 s"]
)
async def test_no_title_of_our_own(title):
    """A chat that is called as the gateway's own conversations are is not taken for one."""
    async with housed() as house:
        await house.chats.note(ADA, "c1", title, house.call())
        assert await house.summaries() == ["one", "two"]


async def test_letta_refuses_the_title():
    """Then it is given with the next message."""
    async with housed() as house:
        house.letta.fail(Fault(status=400), method="PATCH", times=1)
        for expected in ("one", "Title"):
            await house.chats.note(ADA, "c1", "Title", house.call())
            assert (await house.summaries())[0] == expected


async def test_the_agents_own_conversation_has_no_title():
    """It belongs to nobody's chat alone."""
    async with housed() as house:
        call = attrs.evolve(house.call(), conversation=Conversation("default"))
        await house.chats.note(ADA, "c1", "Title", call)
        assert await house.summaries() == ["one", "two"]
        assert await house.chats.place(ADA, call.agent.id, "c1") == "default"


async def test_nothing_to_note():
    """Messages of no chat, and answers without an agent, leave nothing behind."""
    async with housed() as house:
        await house.chats.note(ADA, "", "Title", house.call())
        await house.chats.note(ADA, "c1", "Title", attrs.evolve(house.call(), agent=None))
        await house.chats.note(ADA, "c1", "Title", attrs.evolve(house.call(), conversation=None))
        assert house.store.written == 0


async def test_the_store_does_not_answer():
    """The answer goes on without a note."""
    async with housed() as house:
        house.store.fails = True
        await house.chats.note(ADA, "c1", "Title", house.call())
        assert await house.summaries() == ["one", "two"]
