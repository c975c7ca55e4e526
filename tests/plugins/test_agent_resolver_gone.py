"""Agents that are deleted at Letta while the gateway knows them."""

from __future__ import annotations

import pytest

from gateway.testing.fakeletta import FakeLetta
from tests.plugins.agents import find, housed, listings, models
from tests.plugins.client import Client, ending, refusal, said
from tests.plugins.house import House, built


async def delete(house: House, agent_id: str) -> None:
    await house.api.client.agents.delete(agent_id)


@pytest.mark.parametrize("key", ["", "chat-1"])
async def test_deleted_and_made_anew(key: str) -> None:
    """One request is told that the agent is gone; the next finds the one that has its name."""
    async with housed("Milo") as (letta, house):
        client = Client(house, "Milo", key)
        await client.say("one")
        await delete(house, next(iter(letta.agents)))
        letta.add_agent("Milo")
        client = Client(house, "Milo", f"{key}again" if key else "")
        gone = await refusal(client.say("two"))
        assert (gone.status, gone.code) == (404, "model_not_found")
        assert said(await client.say("three")) == "You said: three"


async def test_deleted_while_it_is_spoken_to() -> None:
    """The end of a stream says so, too."""
    async with FakeLetta(pace=0) as letta:
        letta.add_agent("Milo")
        async with built(letta, mode="agent", agent_conversation="default") as house:
            client = Client(house, "Milo")
            await client.say("one")
            await delete(house, next(iter(letta.agents)))
            assert ending(await client.say("two")) == "model_not_found"
            assert await models(house) == []


async def test_refused_for_another_reason() -> None:
    """The list of agents stays; that the agent is there is looked up once in a second."""
    async with housed("Milo") as (letta, house):
        await find(house, "Milo")
        for _ in range(3):
            assert (await refusal(Client(house, "Milo").send())).code == "missing_user_message"
        assert listings(house) == 1
        (agent,) = letta.agents
        assert [r.path for r in letta.requests].count(f"/v1/agents/{agent}") == 1
