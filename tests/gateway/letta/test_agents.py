from __future__ import annotations

from contextlib import asynccontextmanager

import pytest

from gateway.errors import LettaError
from gateway.letta.agents import AgentsAPI, Block, NewAgent
from gateway.testing.fakeletta import FakeLetta, Fault, ServerTool
from tests.gateway.letta.connected import connected


@asynccontextmanager
async def asking(letta: FakeLetta):
    async with (
        letta,
        connected(letta) as api,
    ):
        yield AgentsAPI(api.client, api.reading)


async def test_by_tags():
    """Agents that have all of the tags, oldest first, hidden ones too."""
    letta = FakeLetta()
    first = letta.add_agent("One", tags=("a", "b"), hidden=True)
    letta.add_agent("Two", tags=("a",))
    third = letta.add_agent("Three", tags=("b", "c", "a"))
    async with asking(letta) as api:
        assert [agent.id for agent in await api.tagged("a", "b")] == [first.id, third.id]
        assert await api.tagged("d") == []


async def test_the_first_model():
    """Which model an agent has that nobody has chosen one for."""
    async with asking(FakeLetta(models=("one/a", "two/b"))) as api:
        assert await api.first_model() == "one/a"


async def test_no_model():
    """A server without one says so."""
    async with asking(FakeLetta(models=())) as api:
        with pytest.raises(LettaError) as caught:
            await api.first_model()
    assert (caught.value.status, caught.value.code) == (502, "upstream_no_model")


async def test_created():
    """What it is made of is as it was wanted; what is left empty is left to Letta."""
    letta = FakeLetta()
    tool = ServerTool("search", lambda query: query)
    letta.add_agent("Milo", tools=[tool])
    blocks = (Block("persona", "I am."), Block("goals", "", "What is wanted.", 100))
    async with asking(letta) as api:
        wanted = NewAgent(
            "Ada's", letta.models[0], ("t",), "A tutor.", "Be kind.", "", blocks, ("search",)
        )
        agent = await api.create(wanted)
        plain = await api.create(NewAgent("Plain", letta.models[0], ()))
    made = letta.agents[agent.id]
    assert (agent.name, agent.tags, agent.model) == ("Ada's", ("t",), letta.models[0])
    assert (made.description, made.system, list(made.tools)) == ("A tutor.", "Be kind.", ["search"])
    assert made.blocks == (
        {"label": "persona", "value": "I am."},
        {"label": "goals", "value": "", "description": "What is wanted.", "limit": 100},
    )
    sent = [each.body for each in letta.requests if each.method == "POST"][-1]
    assert set(sent) == {"name", "model", "tags"}
    assert plain.tags == ()


async def test_failures():
    """What Letta refuses is told as an answer."""
    letta = FakeLetta()
    async with asking(letta) as api:
        with pytest.raises(LettaError) as caught:
            await api.create(NewAgent("x", "no/model", ()))
        assert "no/model" in caught.value.message
        letta.fail(Fault(status=500))
        with pytest.raises(LettaError) as caught:
            await api.tagged("a")
        assert caught.value.status == 502
