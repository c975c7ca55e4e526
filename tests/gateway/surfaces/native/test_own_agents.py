from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import loguru
import pytest

from gateway.config.templates import BlockSettings, TemplateSettings, shipped
from gateway.errors import LettaError, Reject
from gateway.letta.agents import AgentsAPI
from gateway.letta.client import connect
from gateway.services import Store
from gateway.store.memory import MemoryStore
from gateway.surfaces.native import own_agents
from gateway.surfaces.native.own_agents import OwnAgents, Wanted, template_of, type_of
from gateway.testing.fakeletta import FakeLetta, Fault
from tests.gateway.store.stores import WITH_REDIS, opened
from tests.gateway.surfaces.native.native import until


TUTOR = shipped()["tutor"]


@asynccontextmanager
async def houses(letta: FakeLetta, count: int = 1, store: Store | None = None):
    """So many gateways over one store."""
    shared = store or MemoryStore()
    async with letta, connected(letta) as api:
        yield [OwnAgents(AgentsAPI(api.client, api.reading), shared) for _ in range(count)]


def connected(letta: FakeLetta):
    return connect(
        letta.url, "", connect_seconds=5, read_seconds=30, max_connections=50, logger=loguru.logger
    )


def wanted(user="u1", template=TUTOR, **more) -> Wanted:
    return Wanted(user, "tutor", template, **more)


async def test_made_once():
    """The first request makes the agent, all others find it."""
    letta = FakeLetta()
    async with houses(letta, 2) as (one, other):
        agent, made = await one.get(wanted())
        assert made
        for house in (one, other, other):
            assert await house.get(wanted()) == (agent, False)
        assert list(letta.agents) == [agent.id]
        assert (agent.own, type_of(agent)) == (True, "tutor")


@pytest.mark.parametrize("use", WITH_REDIS)
async def test_made_once_of_many(use, tmp_path):
    """Of many requests at once, in several processes, one makes it."""
    letta = FakeLetta()
    letta.fail(Fault(latency=0.05), path="/agents/$", method="POST")
    async with opened(use, tmp_path) as store, houses(letta, 3, store) as three:
        asked = [house.get(wanted(f"u{i % 2}")) for house in three for i in range(10)]
        found = await asyncio.gather(*asked)
        assert len({agent.id for agent, _ in found}) == 2
        assert sum(made for _, made in found) == 2
        assert len(letta.agents) == 2


async def test_who_leaves():
    """An agent whose first request has gone is made all the same, and found."""
    letta = FakeLetta()
    letta.fail(Fault(latency=0.1), path="/agents/$", method="POST")
    async with houses(letta) as (house,):
        leaving = asyncio.create_task(house.get(wanted()))
        await until(lambda: any(each.method == "POST" for each in letta.requests))
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        _, made = await house.get(wanted())
        assert not made
        assert len(letta.agents) == 1


async def test_known():
    """Who was found is not looked for again, until Letta knows the agent no more."""
    letta = FakeLetta()
    async with houses(letta) as (house,):
        agent, _ = await house.get(wanted())
        asked = len(letta.requests)
        await house.get(wanted())
        assert len(letta.requests) == asked

        house.heard(agent.id, "upstream_error")
        await house.get(wanted())
        assert len(letta.requests) == asked

        house.heard(agent.id, "conversation_not_found")
        await house.get(wanted())
        assert len(letta.requests) > asked


async def test_known_for_a_while(monkeypatch):
    """What was found long ago is looked for again."""
    monkeypatch.setattr(own_agents, "KNOWN_SECONDS", 0.0)
    letta = FakeLetta()
    async with houses(letta) as (house,):
        await house.get(wanted())
        asked = len(letta.requests)
        await house.get(wanted())
        assert len(letta.requests) > asked


async def test_not_too_many_are_known(monkeypatch):
    """Who was found first is forgotten first."""
    monkeypatch.setattr(own_agents, "MOST_KNOWN", 2)
    letta = FakeLetta()
    async with houses(letta) as (house,):
        for user in ("u1", "u2", "u3"):
            await house.get(wanted(user))
        asked = len(letta.requests)
        await house.get(wanted("u3"))
        assert len(letta.requests) == asked
        await house.get(wanted("u1"))
        assert len(letta.requests) > asked


async def test_of_a_user():
    """A user's agents are those of theirs; of twins that somebody else made, the oldest."""
    letta = FakeLetta()
    async with houses(letta) as (house,):
        mine, _ = await house.get(wanted())
        await house.get(wanted("u2"))
        letta.add_agent("Twin", tags=mine.tags)
        letta.add_agent("Untyped", tags=mine.tags[:1])
        assert [agent.id for agent in await house.of("u1")] == [mine.id]
        assert await house.of("nobody") == []


async def test_what_it_is_made_of():
    """The template says what it is, and the user's name goes where it belongs."""
    letta = FakeLetta()
    async with houses(letta) as (house,):
        await house.get(wanted(user_name="Ada / Lovelace"))
    (agent,) = letta.agents.values()
    blocks = {each["label"]: each for each in agent.blocks}
    assert agent.name == "Tutor for Ada Lovelace"
    assert agent.model == letta.models[0]
    assert agent.description == "A tutor for one learner"
    assert list(blocks) == ["persona", "human", "goals", "progress"]
    assert "patient tutor" in blocks["persona"]["value"]
    assert blocks["human"]["value"] == "Name: Ada / Lovelace"
    assert blocks["goals"]["description"]


@pytest.mark.parametrize(
    ("user_name", "name"),
    [
        ("Jose\u0301", "Tutor for José"),
        ("हिन्दी", "Tutor for हनद"),
        ("👩\u200d👧 Ada", "Tutor for Ada"),
        ('../"\\', "Tutor"),
        ("x" * 59 + " yz", "Tutor for " + "x" * 59),
    ],
)
def test_names_of_all_kinds(user_name, name):
    """Whatever a user is called, Letta takes the agent's name."""
    assert wanted(user_name=user_name).made_of("m").name == name


async def test_a_template_of_the_operators():
    """Model, tools, tags and limits are as the file says."""
    template = TemplateSettings(
        model="openai-proxy/scripted-2",
        human="",
        blocks=[BlockSettings("subjects", limit=500, description="What is learned.")],
        tags=["study"],
    )
    letta = FakeLetta()
    async with houses(letta) as (house,):
        await house.get(wanted(template=template))
    (agent,) = letta.agents.values()
    assert (agent.name, agent.model) == ("tutor", "openai-proxy/scripted-2")
    assert agent.tags[-1] == "study"
    (block,) = agent.blocks
    assert (block["label"], block["limit"]) == ("subjects", 500)


async def test_it_cannot_be_made():
    """What Letta refuses is told, and the next request may try again."""
    letta = FakeLetta()
    async with houses(letta) as (house,):
        with pytest.raises(LettaError):
            await house.get(wanted(template=TemplateSettings(tools=["no_such_tool"])))
        await house.get(wanted())
        assert len(letta.agents) == 1


async def test_it_is_being_made_for_too_long(monkeypatch):
    """Who cannot know in time whether another request makes it is told to try again."""
    monkeypatch.setattr(own_agents, "WAIT_SECONDS", 0.0)
    letta = FakeLetta()
    letta.fail(Fault(latency=0.2), path="/agents/$", method="POST")
    async with houses(letta, 2) as (one, other):
        first = asyncio.create_task(one.get(wanted()))
        await until(lambda: letta.requests)
        with pytest.raises(Reject) as caught:
            await other.get(wanted())
        assert (caught.value.status, caught.value.code) == (503, "agent_being_made")
        await first


def test_there_is_no_such_type():
    """A type without a template is refused, and the message names those there are."""
    with pytest.raises(Reject) as caught:
        template_of("coach", shipped())
    assert caught.value.code == "unknown_agent_type"
    assert "tutor" in caught.value.message
